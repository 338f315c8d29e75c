#include "muster/network_path.h"

#include <algorithm>
#include <tuple>

#include "net/network_reader.h"
#include "os/scoped_socket.h"

namespace muster {
namespace {

Result<NetworkPath> ask(const PathPreferences& preferences,
                        const std::optional<net::RouteQuestion>& question) {
    if (auto fine = check_path_preferences(preferences); !fine) return fine.error();
    if (question)
        if (auto fine = net::check_question(*question); !fine) return fine.error();
    return net::read_path(preferences, question);
}

net::RouteQuestion question_of(const os::SocketFacts& socket, Endpoint remote) {
    if (socket.held_to != InterfaceIndex::none) remote.interface = socket.held_to;
    if (socket.local.is_unspecified()) return {remote, std::nullopt};
    return {remote, socket.local};
}

std::string sentence(const NetworkPath& path) {
    std::string text{explain(path.reason)};
    if (!path.is_satisfied()) return std::string{to_string(path.status)} + ": " + text;
    if (path.route && path.route->is_local) return "satisfied: it is this machine";
    const std::string far =
        path.reach == PathReach::everywhere ? "packets leave for everywhere" : "packets reach the link";
    if (path.reason == PathReason::none) return "satisfied: " + far;
    const bool is_doubt = path.reason == PathReason::neighbour_silent;
    return "satisfied: " + far + (is_doubt ? ", but " : "; not further: ") + text;
}

}  // namespace

std::string_view to_string(PathReach reach) noexcept {
    switch (reach) {
        case PathReach::nothing: return "nothing";
        case PathReach::link: return "link";
        case PathReach::everywhere: return "everywhere";
    }
    return "nothing";
}

std::string_view to_string(PathStatus status) noexcept {
    switch (status) {
        case PathStatus::satisfied: return "satisfied";
        case PathStatus::unsatisfied: return "unsatisfied";
        case PathStatus::requires_connection: return "requires_connection";
    }
    return "unsatisfied";
}

std::string_view to_string(LinkProof proof) noexcept {
    switch (proof) {
        case LinkProof::unknown: return "unknown";
        case LinkProof::verified: return "verified";
        case LinkProof::failed: return "failed";
    }
    return "unknown";
}

std::string_view to_string(PathReason reason) noexcept {
    switch (reason) {
        case PathReason::none: return "none";
        case PathReason::no_interface: return "no_interface";
        case PathReason::not_allowed: return "not_allowed";
        case PathReason::interface_down: return "interface_down";
        case PathReason::no_carrier: return "no_carrier";
        case PathReason::address_tentative: return "address_tentative";
        case PathReason::no_address: return "no_address";
        case PathReason::no_route: return "no_route";
        case PathReason::route_forbids: return "route_forbids";
        case PathReason::rule_forbids: return "rule_forbids";
        case PathReason::foreign_source: return "foreign_source";
        case PathReason::source_gone: return "source_gone";
        case PathReason::neighbour_silent: return "neighbour_silent";
        case PathReason::vpn_inactive: return "vpn_inactive";
    }
    return "none";
}

std::string_view explain(PathReason reason) noexcept {
    switch (reason) {
        case PathReason::none: return "nothing is in the way";
        case PathReason::no_interface:
            return "there is no such network interface; plug one in, or load its driver";
        case PathReason::not_allowed: return "the preferences exclude every interface; allow one";
        case PathReason::interface_down: return "the interface is switched off; ip link set NAME up";
        case PathReason::no_carrier:
            return "no cable, access point or peer at the other end; plug it in, or join a network";
        case PathReason::address_tentative:
            return "the address is still being checked for duplicates; wait a second or two";
        case PathReason::no_address:
            return "the interface has no address that could be used; start DHCP, or enable link-local "
                   "addresses";
        case PathReason::no_route: return "no route leads there; add one, or a default route";
        case PathReason::route_forbids:
            return "a route of type blackhole, unreachable or prohibit stands in the way; ip route show "
                   "table all";
        case PathReason::rule_forbids: return "a routing rule forbids it; ip rule";
        case PathReason::foreign_source:
            return "packets would carry the address of another interface, and no answer finds its way back; "
                   "give this interface "
                   "an address of its own";
        case PathReason::source_gone: return "the local address is gone from this machine; connect anew";
        case PathReason::neighbour_silent:
            return "the next device on the link did not answer when it was asked last; is it switched on, "
                   "and on this link?";
        case PathReason::vpn_inactive:
            return "everything goes through a tunnel that is not up; start the VPN, or remove its routes";
    }
    return "nothing is in the way";
}

std::string NetworkPath::explain() const {
    std::string text = sentence(*this);
    if (route && !route->is_local) {
        text += "\n  by " + route->interface_name;
        if (route->gateway) text += ", gateway " + route->gateway->to_string();
        if (route->source) text += ", from " + route->source->to_string();
        text += ", table " + std::to_string(route->table);
        text += "\n  next hop: " + std::string{to_string(on_link)};
    }
    for (const PathInterface& each : interfaces) {
        text += "\n  " + each.interface.name + ": " + std::string{to_string(each.interface.kind)} + ", ";
        text += each.reason == PathReason::none ? "reaches " + std::string{to_string(each.reach)}
                                                : std::string{to_string(each.reason)};
    }
    return text;
}

bool NetworkPath::operator==(const NetworkPath& other) const {
    const auto is_silent = [](const NetworkPath& path) { return path.on_link == LinkProof::failed; };
    const auto all = [](const NetworkPath& path) {
        return std::tie(path.revision, path.status, path.reach, path.reason, path.interfaces, path.gateways,
                        path.dns_servers, path.supports_ipv4, path.supports_ipv6, path.supports_dns,
                        path.is_expensive, path.is_constrained, path.route);
    };
    return all(*this) == all(other) && is_silent(*this) == is_silent(other);
}

std::uint32_t Reachability::flags(const NetworkPath& path) noexcept {
    std::uint32_t flags = 0;
    if (path.status == PathStatus::requires_connection)
        flags |= kReachable | kConnectionRequired | kTransient;
    if (!path.is_satisfied()) return flags;
    flags |= kReachable;
    if (path.route && path.route->is_local) return flags | kLocalAddress | kDirect;
    if (path.reach == PathReach::link) flags |= kDirect;
    const InterfaceIndex by = path.route ? path.route->interface
                              : path.interfaces.empty() ? InterfaceIndex::none
                                                        : path.interfaces.front().interface.index;
    for (const PathInterface& each : path.interfaces) {
        if (each.interface.index != by) continue;
        if (each.interface.kind == InterfaceKind::cellular) flags |= kCellular | kTransient;
        if (each.interface.kind == InterfaceKind::tunnel) flags |= kTransient;
    }
    return flags;
}

Result<NetworkPath> current_path(const PathPreferences& preferences) {
    return ask(preferences, std::nullopt);
}

Result<NetworkPath> path_to(const Endpoint& remote, const PathPreferences& preferences) {
    return ask(preferences, net::RouteQuestion{remote, std::nullopt});
}

Result<NetworkPath> path_between(const IpAddress& local, const Endpoint& remote,
                                 const PathPreferences& preferences) {
    return ask(preferences, net::RouteQuestion{remote, local});
}

Result<NetworkPath> path_of(int socket, const PathPreferences& preferences) {
    const auto facts = os::socket_facts(socket);
    if (!facts) return facts.error();
    const std::optional<Endpoint>& remote = facts->remote;
    if (!remote)
        return Error{Errc::bad_input, "the socket is not connected"}.cure("say where it is to send to");
    return ask(preferences, question_of(*facts, *remote));
}

Result<NetworkPath> path_of(int socket, const Endpoint& remote, const PathPreferences& preferences) {
    const auto facts = os::socket_facts(socket);
    if (!facts) return facts.error();
    const bool names_one = remote.interface != InterfaceIndex::none;
    if (names_one && facts->held_to != InterfaceIndex::none && facts->held_to != remote.interface)
        return Error{Errc::bad_input,
                     "the socket is held to another interface than the one that is asked for"};
    return ask(preferences, question_of(*facts, remote));
}

}  // namespace muster
