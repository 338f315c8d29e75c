#include "os/routing.h"

#include <algorithm>
#include <cerrno>

namespace muster::os {

std::string_view to_string(RouteAction action) {
    switch (action) {
        case RouteAction::forward: return "unicast";
        case RouteAction::deliver: return "local";
        case RouteAction::group: return "multicast";
        case RouteAction::blackhole: return "blackhole";
        case RouteAction::unreachable: return "unreachable";
        case RouteAction::prohibit: return "prohibit";
        case RouteAction::skip: return "throw";
    }
    return "unicast";
}

bool says_how_it_routes(int error) {
    constexpr int kAnswers[] = {0, EACCES, EINVAL, ENETUNREACH, EHOSTUNREACH, ENODEV};
    return std::ranges::find(kAnswers, error) != std::ranges::end(kAnswers);
}

bool Prefix::contains(const IpAddress& other) const {
    if (address.is_v6() != other.is_v6()) return false;
    const auto& ours = address.v6();  // for IPv4 the first four octets
    const auto& theirs = other.v6();
    const unsigned whole = length / 8, rest = length % 8;
    if (whole > ours.size()) return false;
    for (unsigned i = 0; i < whole; ++i)
        if (ours[i] != theirs[i]) return false;
    if (rest == 0) return true;
    const unsigned mask = 0xffU << (8 - rest) & 0xffU;
    return whole < ours.size() && (ours[whole] & mask) == (theirs[whole] & mask);
}

}  // namespace muster::os
