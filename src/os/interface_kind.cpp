#include "os/interface_kind.h"

#include <fstream>

#include <unistd.h>

namespace muster::os {

InterfaceKind kind_by_sysfs(const std::string& name, InterfaceKind otherwise, const std::string& sysfs) {
    if (otherwise != InterfaceKind::wired || name.empty() || name.find('/') != std::string::npos)
        return otherwise;
    const std::string directory = sysfs + "/class/net/" + name;
    for (const char* mark : {"/phy80211", "/wireless"})  // cfg80211, and drivers older than it
        if (::access((directory + mark).c_str(), F_OK) == 0) return InterfaceKind::wifi;
    std::ifstream uevent{directory + "/uevent"};
    for (std::string line; std::getline(uevent, line);) {
        if (line == "DEVTYPE=wlan") return InterfaceKind::wifi;
        if (line == "DEVTYPE=wwan") return InterfaceKind::cellular;
    }
    return otherwise;
}

}  // namespace muster::os
