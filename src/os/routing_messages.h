#pragma once

// What rtnetlink says about routes, rules and neighbours; only for the .cpp files of this folder and its tests. Pure: octets in,
// values out; what cannot be read is nullopt.

#include <optional>

#include "os/routing.h"

struct nlmsghdr;

namespace muster::os {

/// RTM_NEWROUTE: a line of a table, or the answer to a question.
std::optional<RouteEntry> parse_route(const nlmsghdr& message);
/// RTM_NEWRULE.
std::optional<RoutingRule> parse_rule(const nlmsghdr& message);
/// RTM_NEWNEIGH; nullopt for multicast addresses and proxies as well. `ticks_per_second`: sysconf(_SC_CLK_TCK).
std::optional<NeighbourEntry> parse_neighbour(const nlmsghdr& message, std::uint32_t ticks_per_second);

}  // namespace muster::os
