#pragma once

// How the kernel routes, as values: tables, rules, neighbours. No system header: pure code may use them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muster/endpoint.h"
#include "muster/ids.h"

namespace muster::os {

/// Addresses that begin with the same bits.
struct Prefix {
    IpAddress address;
    std::uint8_t length = 0;  ///< Bits.

    bool contains(const IpAddress& other) const;
    bool operator==(const Prefix&) const = default;
};

/// What a route does with a packet.
enum class RouteAction : std::uint8_t {
    forward,      ///< Sends it out of an interface.
    deliver,      ///< The address is this machine's own.
    group,        ///< A broadcast or multicast address.
    blackhole,    ///< Drops it without a word.
    unreachable,  ///< Drops it and says "host unreachable".
    prohibit,     ///< Drops it and says "administratively prohibited".
    skip,         ///< Goes on with the next rule ("throw").
};

/// Stable, for programs: the names of ip-route(8), "unicast" for forward.
std::string_view to_string(RouteAction action);

/// Where a route sends to.
struct NextHop {
    InterfaceIndex interface = InterfaceIndex::none;
    std::optional<IpAddress> gateway;  ///< None: the destination itself is on the link.
    bool is_dead = false;              ///< The kernel does not use it: the interface is down.
    bool is_without_carrier =
        false;  ///< Used unless the interface ignores such (sysctl ignore_routes_with_linkdown).

    bool operator==(const NextHop&) const = default;
};

/// One line of a routing table.
struct RouteEntry {
    bool is_v6 = false;
    std::uint32_t table = 0;
    Prefix to;  ///< Length 0: everywhere.
    RouteAction action = RouteAction::forward;
    std::uint32_t metric = 0;  ///< The lower, the better.
    /// Between routes of one metric, as routers advertise it (RFC 4191): 1 high, 0 medium, -1 low.
    int preference = 0;
    std::uint8_t tos = 0;              ///< Only for packets of this type of service; 0: for all.
    std::optional<IpAddress> source;   ///< Which own address is used, if the route says so.
    std::optional<std::uint32_t> mtu;  ///< Octets, if the route says so.
    std::uint8_t protocol = 0;         ///< Who made it: rtm_protocol of rtnetlink(7).
    std::vector<NextHop> hops;         ///< More than one: packets are spread over them.

    bool operator==(const RouteEntry&) const = default;
};

/// One rule that chooses a routing table (ip-rule(8)). The kernel asks them by priority.
struct RoutingRule {
    enum class Action : std::uint8_t { look_up, jump, nothing, blackhole, unreachable, prohibit };

    bool is_v6 = false;
    std::uint32_t priority = 0;
    Action action = Action::look_up;
    std::uint32_t table = 0;   ///< look_up
    std::uint32_t target = 0;  ///< jump: the priority that comes next.
    bool is_inverted = false;  ///< Holds for what the selectors below do not match.
    std::optional<Prefix> from, to;
    std::string in_interface, out_interface;  ///< By name; empty: any, or what this machine sends ("iif lo").
    std::uint32_t mark = 0, mark_mask = 0;    ///< The mark of the packet's socket; mask 0: any.
    std::optional<std::uint32_t> first_uid, last_uid;
    /// Ports, protocol, TOS, tunnel, VRF, or one that this code does not know: nothing that a destination decides.
    bool has_other_selector = false;
    /// What is found is taken only if its prefix is longer than this.
    std::optional<std::uint32_t> suppressed_length;

    bool operator==(const RoutingRule&) const = default;
};

/// What the kernel knows of a device on a link.
struct NeighbourEntry {
    /// As in RFC 4861 7.3.2.
    enum class State : std::uint8_t { none, incomplete, reachable, stale, delay, probe, failed, permanent };

    InterfaceIndex interface = InterfaceIndex::none;
    IpAddress address;
    State state = State::none;
    std::string mac;  ///< "02:00:00:00:00:01", empty while unknown.
    std::uint32_t confirmed_ms_ago = 0;

    bool operator==(const NeighbourEntry&) const = default;
};

/// The answer to "how would you send there?"
struct RouteAnswer {
    int error = 0;  ///< One of those that says_how_it_routes() knows.
    /// With error 0: what is used. Of the kernel's choice one hop and the source address, of a line of the tables all hops.
    RouteEntry entry;
    /// No line of the tables leads there over the interface of the question: of IPv4 the kernel takes whatever a bound socket
    /// sends to as on the link.
    bool is_assumed = false;

    bool operator==(const RouteAnswer&) const = default;
};

/// Whether an errno is the kernel's answer to that question: 0, no route (ENETUNREACH, EHOSTUNREACH), no such interface (ENODEV), or a
/// route or rule that forbids it (EACCES, EINVAL). With any other the kernel could not be asked.
bool says_how_it_routes(int error);

/// All of it at one time.
struct RoutingState {
    /// All tables, both families, in the kernel's order: up to 4,096 of each family that lead everywhere or to half of it, and up to
    /// 4,096 others.
    std::vector<RouteEntry> routes;
    std::vector<RoutingRule> rules;          ///< By family and priority; up to 1,024 of each family.
    std::vector<NeighbourEntry> neighbours;  ///< Both families, all interfaces; up to 4,096 of each family.

    bool operator==(const RoutingState&) const = default;
};

}  // namespace muster::os
