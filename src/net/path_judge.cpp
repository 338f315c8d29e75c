#include "net/path_judge.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <tuple>
#include <utility>

#include "net/default_route.h"

namespace muster::net {
namespace {

using Outcome = DefaultRoute::Outcome;

bool has_address(const Interface& interface, bool v6) {
    return std::ranges::any_of(interface.addresses, [&](const InterfaceAddress& own) {
        return own.address.is_v6() == v6 && !own.tentative;
    });
}

/// Why an interface itself carries nothing.
PathReason reason_of(const Interface& interface) {
    if (interface.prohibited) return PathReason::not_allowed;
    if (!interface.up) return PathReason::interface_down;
    if (!interface.carrier) return PathReason::no_carrier;
    if (has_address(interface, false) || has_address(interface, true)) return PathReason::none;
    return interface.addresses.empty() ? PathReason::no_address : PathReason::address_tentative;
}

LinkProof proof_of(os::NeighbourEntry::State state) {
    using State = os::NeighbourEntry::State;
    switch (state) {
        case State::reachable: return LinkProof::verified;
        case State::failed: return LinkProof::failed;
        default: return LinkProof::unknown;
    }
}

const os::NeighbourEntry* find_neighbour(const NetworkFacts& facts, InterfaceIndex interface,
                                         const IpAddress& address) {
    const auto found = std::ranges::find_if(facts.routing.neighbours, [&](const os::NeighbourEntry& entry) {
        return entry.interface == interface && entry.address == address;
    });
    return found == facts.routing.neighbours.end() ? nullptr : &*found;
}

/// `Interfaces`: a vector of PathInterface, const or not.
template <class Interfaces>
auto find(Interfaces& interfaces, InterfaceIndex index) -> decltype(interfaces.data()) {
    const auto found =
        std::ranges::find(interfaces, index, [](const PathInterface& each) { return each.interface.index; });
    return found == interfaces.end() ? nullptr : &*found;
}

bool is_own(const NetworkFacts& facts, InterfaceIndex interface, const IpAddress& address) {
    return std::ranges::any_of(facts.interfaces, [&](const Interface& each) {
        return (interface == InterfaceIndex::none || each.index == interface) &&
               std::ranges::any_of(each.addresses, [&](const auto& own) { return own.address == address; });
    });
}

/// An address of the machine as a whole, at home on no link: answers to it come by whichever interface.
bool is_on_loopback(const NetworkFacts& facts, const IpAddress& address) {
    return !address.is_loopback() && std::ranges::any_of(facts.interfaces, [&](const Interface& each) {
        return each.loopback && is_own(facts, each.index, address);
    });
}

bool has_address_on_loopback(const NetworkFacts& facts, bool v6) {
    return std::ranges::any_of(facts.interfaces, [&](const Interface& each) {
        return each.loopback && std::ranges::any_of(each.addresses, [&](const InterfaceAddress& own) {
                   return own.address.is_v6() == v6 && is_on_loopback(facts, own.address);
               });
    });
}

/// Whether packets that take this way have an address: the interface's own, the route's, or the machine's (an unnumbered
/// interface, RFC 1812 5.3.13.1).
bool has_source(const NetworkFacts& facts, const Interface& interface, const DefaultHop& way, bool v6) {
    if (way.source) return is_own(facts, InterfaceIndex::none, *way.source);
    return has_address(interface, v6) || has_address_on_loopback(facts, v6);
}

/// All but loopback, each with what it carries by itself.
std::vector<PathInterface> table_of(const NetworkFacts& facts) {
    std::vector<PathInterface> table;
    for (const Interface& interface : facts.interfaces) {
        if (interface.loopback) continue;
        const PathReason reason = reason_of(interface);
        table.push_back(
            {interface, reason, reason == PathReason::none ? PathReach::link : PathReach::nothing, 0});
    }
    return table;
}

/// What the whole table says when nothing in it can be used: the obstacle that is nearest to being overcome.
PathReason obstacle(const std::vector<PathInterface>& table) {
    for (const PathReason reason :
         {PathReason::address_tentative, PathReason::no_address, PathReason::no_carrier,
          PathReason::interface_down, PathReason::not_allowed})
        if (std::ranges::any_of(table, [&](const auto& each) { return each.reason == reason; }))
            return reason;
    return PathReason::no_interface;
}

bool leads_everywhere(const NetworkFacts& facts, InterfaceIndex interface) {
    return std::ranges::any_of(facts.routing.routes, [&](const os::RouteEntry& route) {
        return route.to.length <= 1 &&
               std::ranges::find(route.hops, interface, &os::NextHop::interface) != route.hops.end();
    });
}

/// Somebody has set it up for use. What is neither Ethernet nor radio counts as a tunnel, and the kernel makes devices of its own of
/// which nobody knows (sit0, tunl0, gre0): those would connect nothing.
bool is_set_up(const NetworkFacts& facts, const Interface& tunnel) {
    return !tunnel.addresses.empty() || leads_everywhere(facts, tunnel.index);
}

/// Something that would connect if somebody asked it to.
bool waits_for_connection(const NetworkFacts& facts, const std::vector<PathInterface>& table) {
    return std::ranges::any_of(table, [&](const PathInterface& each) {
        const Interface& interface = each.interface;
        const bool dials = interface.kind == InterfaceKind::cellular ||
                           (interface.kind == InterfaceKind::tunnel && is_set_up(facts, interface));
        return dials && each.reason != PathReason::none && each.reason != PathReason::not_allowed;
    });
}

/// Enters the default routes of one family into the table, and returns them.
DefaultRoute enter_defaults(const NetworkFacts& facts, bool v6, NetworkPath& path) {
    DefaultRoute found = default_route(facts.routing, v6, facts.uid);
    for (const DefaultHop& each : found.hops) {
        PathInterface* const by = find(path.interfaces, each.hop.interface);
        if (by == nullptr || !has_source(facts, by->interface, each, v6)) continue;
        if (by->reason == PathReason::no_address) by->reason = PathReason::none;
        if (by->reason != PathReason::none) continue;
        if (by->reach != PathReach::everywhere || each.metric < by->metric) by->metric = each.metric;
        by->reach = PathReach::everywhere;
        if (!each.hop.gateway) continue;
        const auto* const neighbour = find_neighbour(facts, each.hop.interface, *each.hop.gateway);
        PathGateway gateway{*each.hop.gateway, each.hop.interface, LinkProof::unknown, Duration{}};
        if (neighbour != nullptr) {
            gateway.proof = proof_of(neighbour->state);
            gateway.heard = std::chrono::milliseconds{neighbour->confirmed_ms_ago};
        }
        if (std::ranges::find(path.gateways, gateway) == path.gateways.end())
            path.gateways.push_back(gateway);
    }
    return found;
}

InterfaceIndex choice_of(const DefaultRoute& found) {
    return found.outcome == Outcome::found ? found.hops.front().hop.interface : InterfaceIndex::none;
}

/// What forbids or hinders the kernel's choice.
PathReason trouble_with(const NetworkFacts& facts, const DefaultRoute& found, bool v6,
                        const std::vector<PathInterface>& table) {
    switch (found.outcome) {
        case Outcome::nothing: return PathReason::no_route;
        case Outcome::route_forbids: return PathReason::route_forbids;
        case Outcome::rule_forbids: return PathReason::rule_forbids;
        case Outcome::found: break;
    }
    const PathInterface* const choice = find(table, choice_of(found));
    if (choice == nullptr) return PathReason::no_interface;
    if (choice->reason == PathReason::none)
        return has_source(facts, choice->interface, found.hops.front(), v6) ? PathReason::none
                                                                            : PathReason::no_address;
    return choice->interface.kind == InterfaceKind::tunnel ? PathReason::vpn_inactive : choice->reason;
}

void sort_by_preference(std::vector<PathInterface>& table, InterfaceIndex choice) {
    std::ranges::sort(table, {}, [&](const PathInterface& each) {
        return std::tuple{-static_cast<int>(each.reach), each.interface.index != choice, each.interface.cost,
                          each.metric, each.interface.index};
    });
}

/// A server is of use if it is this machine, on a link, or anywhere at all with a default route.
bool supports_dns(const NetworkFacts& facts, const NetworkPath& path) {
    return std::ranges::any_of(facts.dns_servers, [&](const Endpoint& server) {
        if (server.address.is_loopback() || is_own(facts, InterfaceIndex::none, server.address)) return true;
        if (path.reach == PathReach::everywhere &&
            (server.address.is_v6() ? path.supports_ipv6 : path.supports_ipv4))
            return true;
        return std::ranges::any_of(facts.routing.routes, [&](const os::RouteEntry& route) {
            if (route.is_v6 != server.address.is_v6() || route.action != os::RouteAction::forward)
                return false;
            const bool leaves = std::ranges::any_of(route.hops, [&](const os::NextHop& hop) {
                const auto* by = find(path.interfaces, hop.interface);
                return by != nullptr && by->reason == PathReason::none;
            });
            return leaves && route.to.length > 0 && route.to.contains(server.address);
        });
    });
}

PathReason reason_of(int error) {
    switch (error) {
        case 0: return PathReason::none;
        case EACCES:
        case EINVAL: return PathReason::route_forbids;
        default: return PathReason::no_route;  // of says_how_it_routes()
    }
}

PathRoute route_of(const os::RouteEntry& entry) {
    PathRoute route;
    route.table = entry.table;
    route.source = entry.source;
    route.mtu = entry.mtu;
    route.is_local = entry.action == os::RouteAction::deliver;
    if (entry.hops.empty()) return route;
    route.interface = entry.hops.front().interface;
    route.gateway = entry.hops.front().gateway;
    return route;
}

std::string name_of(const NetworkFacts& facts, InterfaceIndex index) {
    const auto found = std::ranges::find(facts.interfaces, index, &Interface::index);
    return found == facts.interfaces.end() ? std::string{} : found->name;
}

/// Of an interface that has no address of a family that could be used: none at all, or none yet.
PathReason lack_of_address(const Interface& interface, bool v6) {
    const bool is_coming = std::ranges::any_of(
        interface.addresses, [&](const InterfaceAddress& own) { return own.address.is_v6() == v6; });
    return is_coming ? PathReason::address_tentative : PathReason::no_address;
}

/// What it costs to send by the interface that is chosen.
void weigh(NetworkPath& path, InterfaceIndex choice) {
    const PathInterface* const by = find(path.interfaces, choice);
    path.is_expensive = by != nullptr && by->interface.is_metered;
    path.is_constrained = by != nullptr && by->interface.is_constrained;
}

/// Why the route that the kernel would take is of no use.
PathReason trouble_with(const NetworkFacts& facts, const NetworkPath& path, const PathRoute& route,
                        const RouteQuestion& question) {
    if (route.is_local) return PathReason::none;
    const PathInterface* const by = find(path.interfaces, route.interface);
    if (by == nullptr)
        return question.remote.address.is_loopback() ? PathReason::none : PathReason::no_interface;
    // Whoever binds to an interface or an address relies on answers that come by it; others take what the kernel chooses.
    const bool is_bound = question.remote.interface != InterfaceIndex::none || question.local;
    const auto source = question.local ? question.local : route.source;
    const bool is_machines = source && is_on_loopback(facts, *source);
    const bool needs_none =
        is_machines || (source && !is_bound && is_own(facts, InterfaceIndex::none, *source));
    const bool is_unnumbered = by->reason == PathReason::no_address && needs_none;
    if (by->reason != PathReason::none && !is_unnumbered)
        return by->interface.kind == InterfaceKind::tunnel && by->reason != PathReason::not_allowed
                   ? PathReason::vpn_inactive
                   : by->reason;
    const bool is_v6 = question.remote.address.is_v6();
    const bool has_own = has_address(by->interface, is_v6);
    if (!source && !has_own) return lack_of_address(by->interface, is_v6);
    const bool is_foreign = source && !is_machines && !is_own(facts, route.interface, *source);
    if (!is_bound || !is_foreign) return PathReason::none;
    const bool is_coming = !has_own && lack_of_address(by->interface, is_v6) == PathReason::address_tentative;
    return is_coming ? PathReason::address_tentative : PathReason::foreign_source;
}

}  // namespace

NetworkPath judge(const NetworkFacts& facts) {
    NetworkPath path;
    path.interfaces = table_of(facts);
    path.dns_servers = facts.dns_servers;
    const DefaultRoute to_v4 = enter_defaults(facts, false, path), to_v6 = enter_defaults(facts, true, path);
    const PathReason v4 = trouble_with(facts, to_v4, false, path.interfaces),
                     v6 = trouble_with(facts, to_v6, true, path.interfaces);
    const InterfaceIndex choice = choice_of(to_v4.outcome == Outcome::found ? to_v4 : to_v6);
    sort_by_preference(path.interfaces, choice);
    const auto carries = [&](bool is_v6) {
        return std::ranges::any_of(path.interfaces, [&](const PathInterface& each) {
            return each.reason == PathReason::none && has_address(each.interface, is_v6);
        });
    };
    if (carries(false) || carries(true)) path.reach = PathReach::link;
    if (v4 == PathReason::none || v6 == PathReason::none) path.reach = PathReach::everywhere;
    path.supports_ipv4 = path.reach == PathReach::everywhere ? v4 == PathReason::none : carries(false);
    path.supports_ipv6 = path.reach == PathReach::everywhere ? v6 == PathReason::none : carries(true);
    path.supports_dns = supports_dns(facts, path);
    weigh(path, choice);
    if (path.reach == PathReach::nothing) {
        path.reason = obstacle(path.interfaces);
        path.status = waits_for_connection(facts, path.interfaces) ? PathStatus::requires_connection
                                                                   : PathStatus::unsatisfied;
        return path;
    }
    path.status = PathStatus::satisfied;
    if (v4 != PathReason::none && v6 != PathReason::none) path.reason = v4 == PathReason::no_route ? v6 : v4;
    return path;
}

NetworkPath judge(const NetworkFacts& facts, const RouteQuestion& question, const os::RouteAnswer& answer) {
    NetworkPath path = judge(facts);
    const bool v6 = question.remote.address.is_v6();
    path.reach = PathReach::nothing;
    path.is_expensive = path.is_constrained = false;
    path.reason = reason_of(answer.error);
    if (answer.error == 0) {
        PathRoute route = route_of(answer.entry);
        if (question.local) route.source = question.local;
        route.interface_name = name_of(facts, route.interface);
        const IpAddress hop = route.gateway.value_or(question.remote.address);
        if (const auto* neighbour = find_neighbour(facts, route.interface, hop)) {
            path.on_link = proof_of(neighbour->state);
            path.on_link_heard = std::chrono::milliseconds{neighbour->confirmed_ms_ago};
        }
        path.reason = trouble_with(facts, path, route, question);
        if (path.reason == PathReason::none && answer.is_assumed && !route.is_local)
            path.reason = PathReason::no_route;
        weigh(path, route.interface);
        if (!route.is_local) path.reach = route.gateway ? PathReach::everywhere : PathReach::link;
        path.route = route;
    } else if (question.remote.interface != InterfaceIndex::none) {
        const PathInterface* const by = find(path.interfaces, question.remote.interface);
        if (by == nullptr) path.reason = PathReason::no_interface;
        if (by != nullptr && by->reason != PathReason::none) path.reason = by->reason;
    }
    if (question.local && !is_own(facts, InterfaceIndex::none, *question.local))
        path.reason = PathReason::source_gone;
    path.status = path.reason == PathReason::none ? PathStatus::satisfied : PathStatus::unsatisfied;
    path.supports_ipv4 = path.is_satisfied() && !v6;
    path.supports_ipv6 = path.is_satisfied() && v6;
    if (path.status == PathStatus::satisfied) {
        // The kernel forgets a failure only when it sends there again: who waited for that before sending would wait for ever.
        if (path.on_link == LinkProof::failed) path.reason = PathReason::neighbour_silent;
        return path;
    }
    path.reach = PathReach::nothing;
    if (waits_for_connection(facts, path.interfaces) && path.reason == PathReason::no_route)
        path.status = PathStatus::requires_connection;
    return path;
}

}  // namespace muster::net
