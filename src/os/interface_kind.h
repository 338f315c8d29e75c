#pragma once

#include <string>

#include "os/radio_role.h"

#include "muster/interface.h"

namespace muster::os {

/// What is known of the device behind an interface, and rtnetlink does not tell.
struct DeviceMarks {
    bool is_in_sysfs = false;  ///< False: sysfs is missing, or shows another network namespace.
    bool has_device = false;   ///< There is hardware behind it, or what a hypervisor gives for that.
    RadioRole radio = RadioRole::none;
    std::string device_type;  ///< DEVTYPE: "wlan", "wwan", "bluetooth", "gadget", ...; empty for most.
};

/// False if rtnetlink has told already what the interface is: most of those that software makes. Files would cost more than
/// all the rest of a snapshot.
bool needs_marks(const Interface& interface);

/// Reads the marks from sysfs, and what sysfs does not know of radios from nl80211.
DeviceMarks device_marks(const Interface& interface);

/// Those from sysfs alone. `sysfs`: "/sys" but for tests.
DeviceMarks sysfs_marks(const Interface& interface, const std::string& sysfs = "/sys");

/// Sets `kind`, `functional_type`, `is_virtual` and `direct_link` from what rtnetlink and the marks tell.
void classify(Interface& interface, const DeviceMarks& marks);

}  // namespace muster::os
