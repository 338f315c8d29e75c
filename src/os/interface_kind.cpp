#include "os/interface_kind.h"

#include <algorithm>
#include <fstream>
#include <string_view>

#include <linux/if_arp.h>
#include <unistd.h>

namespace muster::os {
namespace {

bool is_cellular(const Interface& interface, const DeviceMarks& marks) {
    return interface.legacy_type == ARPHRD_RAWIP || interface.kernel_kind == "wwan" ||
           interface.kernel_kind == "rmnet" || marks.device_type == "wwan";
}

/// VPNs bridge through TAP, so it is no Ethernet although it looks like it.
bool is_tunnel(const Interface& interface) {
    return interface.legacy_type != ARPHRD_ETHER || interface.kernel_kind == "tun";
}

InterfaceKind kind_of(const Interface& interface, const DeviceMarks& marks) {
    if (interface.loopback) return InterfaceKind::loopback;
    if (is_cellular(interface, marks)) return InterfaceKind::cellular;
    if (marks.radio != RadioRole::none) return InterfaceKind::wifi;
    return is_tunnel(interface) ? InterfaceKind::tunnel : InterfaceKind::wired;
}

/// "bmc", "mgmt", "mgmt0": how service processors and management ports are called where nothing else tells them apart.
bool names_management(std::string_view name) {
    for (const std::string_view word : {"bmc", "mgmt"})
        if (name.starts_with(word) &&
            name.find_first_not_of("0123456789", word.size()) == std::string_view::npos)
            return true;
    return false;
}

bool is_management(const Interface& interface) {
    return names_management(interface.name) ||
           std::ranges::any_of(interface.alternative_names, names_management);
}

FunctionalType functional_type_of(const Interface& interface, const DeviceMarks& marks) {
    if (interface.loopback) return FunctionalType::loopback;
    if (is_management(interface)) return FunctionalType::management;
    if (is_cellular(interface, marks)) return FunctionalType::cellular;
    if (marks.radio == RadioRole::peer_to_peer) return FunctionalType::wifi_peer_to_peer;
    if (marks.radio == RadioRole::infrastructure) return FunctionalType::wifi_infrastructure;
    if (marks.device_type == "bluetooth") return FunctionalType::companion;
    if (marks.device_type == "gadget") return FunctionalType::coprocessor;
    return is_tunnel(interface) ? FunctionalType::unknown : FunctionalType::wired;
}

/// True if sysfs shows the interface that we mean: a namespace that has not mounted its own sees that of another.
bool is_same(const Interface& interface, const std::string& directory) {
    std::uint32_t index = 0;
    std::ifstream{directory + "/ifindex"} >> index;
    return index == static_cast<std::uint32_t>(interface.index);
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

bool needs_marks(const Interface& interface) { return !interface.loopback && interface.kernel_kind.empty(); }

DeviceMarks device_marks(const Interface& interface) {
    DeviceMarks marks = sysfs_marks(interface);
    const bool may_be_radio = marks.radio != RadioRole::none || !marks.is_in_sysfs;
    if (!may_be_radio) return marks;
    if (const RadioRole told = radio_role(interface.index); told != RadioRole::none) marks.radio = told;
    return marks;
}

DeviceMarks sysfs_marks(const Interface& interface, const std::string& sysfs) {
    DeviceMarks marks;
    if (interface.name.empty() || interface.name.find('/') != std::string::npos) return marks;
    const std::string directory = sysfs + "/class/net/" + interface.name;
    marks.is_in_sysfs = is_same(interface, directory);
    if (!marks.is_in_sysfs) return marks;
    marks.has_device = exists(directory + "/device");
    constexpr std::string_view kDeviceType = "DEVTYPE=";
    std::ifstream uevent{directory + "/uevent"};
    for (std::string line; std::getline(uevent, line);)
        if (line.starts_with(kDeviceType)) marks.device_type = line.substr(kDeviceType.size());
    // cfg80211, and drivers older than it
    if (marks.device_type == "wlan" || exists(directory + "/phy80211") || exists(directory + "/wireless"))
        marks.radio = RadioRole::infrastructure;
    return marks;
}

void classify(Interface& interface, const DeviceMarks& marks) {
    interface.kind = kind_of(interface, marks);
    interface.functional_type = functional_type_of(interface, marks);
    interface.is_virtual = interface.bus.empty() && !marks.has_device && !is_cellular(interface, marks);
    interface.direct_link = marks.device_type == "gadget" || interface.bus == "thunderbolt";
}

}  // namespace muster::os
