#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "muster/error.h"
#include "muster/interface.h"

namespace muster::net {

/// What receiving from a multicast group, sending to it and examining it have in common: which group, and on which
/// interfaces.
struct GroupTarget {
    IpAddress group;
    std::uint16_t port = 0;
    std::vector<std::string> interfaces;  ///< Selectors as in PathPreferences; empty: every one.
    std::vector<std::string> prohibit;    ///< Never these; wins over `interfaces`.
};

/// Errors: bad_input (no multicast address, port 0, a selector that cannot be).
Result<void> check(const GroupTarget& target);

/// True if there is nothing but loopback.
bool is_alone(std::span<const Interface> interfaces);

/// Whether an interface comes into question at all: loopback only if it is named, or on a machine that is alone.
bool takes_part(const Interface& interface, const std::vector<std::string>& wanted, bool is_alone);

}  // namespace muster::net
