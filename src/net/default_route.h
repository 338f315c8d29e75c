#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "os/routing.h"

namespace muster::net {

/// One way to everywhere.
struct DefaultHop {
    os::NextHop hop;
    std::uint32_t table = 0;
    std::uint32_t metric = 0;
    std::optional<IpAddress> source;  ///< The own address that packets carry, if the route says so.

    bool operator==(const DefaultHop&) const = default;
};

/// What the kernel does with a packet to nowhere in particular, from a socket without mark and without interface.
struct DefaultRoute {
    enum class Outcome : std::uint8_t { found, nothing, route_forbids, rule_forbids };

    Outcome outcome = Outcome::nothing;
    /// found: the first is what the kernel takes; then all others that a socket bound to their interface could take, in
    /// the order of rules and metrics.
    std::vector<DefaultHop> hops;

    bool operator==(const DefaultRoute&) const = default;
};

/// Walks the rules and the tables of one family as the kernel does (fib_rules_lookup). Two routes that are one half of the
/// addresses each count as one to everywhere: full-tunnel VPNs make such. Without any rule of the family the main table is asked, as by
/// a kernel without CONFIG_IP_MULTIPLE_TABLES.
DefaultRoute default_route(const os::RoutingState& routing, bool v6, std::uint32_t uid);

}  // namespace muster::net
