#pragma once

#include <string>

#include "muster/interface.h"

namespace muster::os {

/// What sysfs says about an interface that looks like Ethernet: a radio or a modem, or nothing (`otherwise`).
/// `sysfs`: "/sys" but for tests. In a network namespace that has not mounted its own, it knows no interface of it.
InterfaceKind kind_by_sysfs(const std::string& name, InterfaceKind otherwise,
                            const std::string& sysfs = "/sys");

}  // namespace muster::os
