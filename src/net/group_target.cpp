#include "net/group_target.h"

#include <algorithm>

#include "base/interfaces.h"

#include "muster/path_preferences.h"

namespace muster::net {

Result<void> check(const GroupTarget& target) {
    const std::string what = "the group " + target.group.to_string();
    if (!target.group.is_multicast()) {
        return Error{Errc::bad_input, what + " is not a multicast address"}.cure(
            "groups are 224.0.0.0 to 239.255.255.255, and ff00::/8; of one's own: 239.0.0.0/8, ff15::/16");
    }
    if (target.port == 0) return Error{Errc::bad_input, what + " needs a port"};
    PathPreferences selectors;
    selectors.require = target.interfaces;
    selectors.prohibit = target.prohibit;
    return check_path_preferences(selectors);
}

bool is_alone(std::span<const Interface> interfaces) {
    return std::ranges::all_of(interfaces, &Interface::loopback);
}

bool takes_part(const Interface& interface, const std::vector<std::string>& wanted, bool is_alone) {
    return !interface.loopback || is_alone || fits_any(interface, wanted);
}

}  // namespace muster::net
