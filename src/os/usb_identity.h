#pragma once

#include <optional>
#include <string>
#include <vector>

#include "muster/interface_details.h"

namespace muster::os {

/// Who a device on USB says it is. `bus_path`: of its function, as rtnetlink has it: "1-1.2:1.0". What is there and could not
/// be read is added to `unread`. `sysfs`: "/sys" but for tests.
std::optional<UsbIdentity> usb_identity(const std::string& bus_path, std::vector<Evidence>& unread,
                                        const std::string& sysfs = "/sys");

}  // namespace muster::os
