#pragma once

#include <optional>
#include <string>

#include "os/routing.h"

namespace muster::net {

/// Who says how packets to a destination are sent: the rule that chose a table, and the line of that table.
struct RouteOrigin {
    std::optional<os::RoutingRule> rule;  ///< None: no rule decides, or the kernel has none.
    std::optional<os::RouteEntry> entry;  ///< None: the rule itself forbids, or nothing was found.

    bool operator==(const RouteOrigin&) const = default;
};

/// For whom it is asked.
struct RouteAsker {
    std::uint32_t uid = 0;
    InterfaceIndex interface = InterfaceIndex::none;  ///< To which the socket is bound.
    std::string interface_name;

    bool operator==(const RouteAsker&) const = default;
};

/// Walks rules and tables as the kernel does (fib_rules_lookup), to be able to say why; what the kernel itself answers
/// (RTM_GETROUTE) is what counts. Selectors that a destination does not decide (ports, TOS) count as not matching. Pure.
RouteOrigin origin_of(const os::RoutingState& routing, const IpAddress& to, const RouteAsker& asker);

/// "default", "192.168.4.0/24".
std::string to_text(const os::Prefix& prefix);
/// "main", "local", "table 51820".
std::string table_text(std::uint32_t table);
/// Who made a route (rtm_protocol): "kernel", "boot", "static", "ra", "dhcp", or "protocol 42".
std::string maker_text(std::uint8_t protocol);

}  // namespace muster::net
