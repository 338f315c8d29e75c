#include "net/socket_scope.h"

#include <algorithm>

#include "os/scoped_socket.h"

namespace muster {
namespace {

Errc code_of(PathReason reason) {
    switch (reason) {
        case PathReason::no_interface:
        case PathReason::interface_down:
        case PathReason::no_carrier: return Errc::no_interface;
        case PathReason::no_address:
        case PathReason::address_tentative:
        case PathReason::foreign_source:
        case PathReason::source_gone: return Errc::no_address;
        case PathReason::no_route:
        case PathReason::route_forbids:
        case PathReason::rule_forbids:
        case PathReason::vpn_inactive:
        case PathReason::not_allowed:
        case PathReason::neighbour_silent:
        case PathReason::none: return Errc::no_route;
    }
    return Errc::no_route;
}

const Interface* find_in(const NetworkPath& path, InterfaceIndex index) {
    const auto found = std::ranges::find(path.interfaces, index,
                                         [](const PathInterface& each) { return each.interface.index; });
    return found == path.interfaces.end() ? nullptr : &found->interface;
}

/// "wlan0", or "interface 7" of one that is gone.
std::string name_in(const NetworkPath& path, InterfaceIndex index) {
    if (const Interface* found = find_in(path, index)) return found->name;
    if (path.route && path.route->interface == index && !path.route->interface_name.empty())
        return path.route->interface_name;
    return "interface " + std::to_string(static_cast<std::uint32_t>(index));
}

/// That the kernel would borrow an address says little while the interface has none of its own.
PathReason reason_in(const NetworkPath& path, const Endpoint& remote) {
    const Interface* const known = find_in(path, remote.interface);
    const bool is_bare = known != nullptr && std::ranges::none_of(known->addresses, [&](const auto& own) {
                             return own.address.is_v6() == remote.address.is_v6();
                         });
    return is_bare && path.reason == PathReason::foreign_source ? PathReason::no_address : path.reason;
}

/// What PathReason explains for a machine, said of one interface and one address.
Error failure(const NetworkPath& path, const Endpoint& remote, PathReason reason) {
    const std::string interface = name_in(path, remote.interface);
    const std::string_view told = explain(reason);
    const auto end = told.find("; ");  // what is the matter, and what helps
    Error error{code_of(reason),
                remote.address.to_string() + " over " + interface + ": " + std::string{told.substr(0, end)}};
    if (end != std::string_view::npos) error.cure(std::string{told.substr(end + 2)});
    error.saw({"scope", interface, std::string{to_string(reason)}});
    const Interface* const known = find_in(path, remote.interface);
    if (known == nullptr) return error;
    for (const InterfaceAddress& own : known->addresses)
        if (own.address.is_v6() == remote.address.is_v6())
            error.saw({"address", interface,
                       own.address.to_string() + "/" + std::to_string(own.prefix_length) +
                           (own.tentative ? ", still being checked" : "")});
    return error;
}

/// A socket that is asked for as it is: bound to an own address already, or not.
Result<NetworkPath> path_for(const os::SocketFacts& facts, const Endpoint& remote) {
    return facts.local.is_unspecified() ? path_to(remote) : path_between(facts.local, remote);
}

Result<void> check_socket(const os::SocketFacts& facts, const Endpoint& remote) {
    if (facts.remote) return Error{Errc::bad_input, "the socket is connected already"};
    if (facts.has_begun) return Error{Errc::bad_input, "the socket is connecting or listening already"};
    if (facts.family != os::family_of(remote.address))
        return Error{Errc::bad_input, remote.address.to_string() + " is of another family than the socket"}
            .cure("open a socket of the family of the address");
    if (facts.held_to != InterfaceIndex::none && facts.held_to != remote.interface)
        return Error{Errc::bad_input, "the socket is held to another interface already"};
    return {};
}

}  // namespace

Result<void> net::check_device(const Endpoint& remote) {
    const std::string text = remote.address.to_string();
    if (remote.interface == InterfaceIndex::none)
        return Error{Errc::bad_input, text + ": the interface is not named"}.cure(
            "name it, as in 192.168.4.1%wlan0:80 or [fe80::1%wlan0]:80");
    if (remote.address.is_multicast())
        return Error{Errc::bad_input, text + " is a group and no device"}.cure("use a MulticastSender");
    return {};
}

bool net::may_pass(const NetworkPath& path, const Endpoint& remote) {
    if (path.route && path.route->is_local) return false;
    return remote.address.is_loopback() || find_in(path, remote.interface) != nullptr;
}

Result<SocketScope> net::scope_in(const NetworkPath& path, const Endpoint& remote) {
    if (!path.is_satisfied()) return failure(path, remote, reason_in(path, remote));
    const bool is_ours = path.route && path.route->is_local && !remote.address.is_loopback();
    if (is_ours)
        return Error{Errc::bad_input, remote.address.to_string() + " is an address of this machine itself"}
            .cure("give one of the two another address");
    if (!path.route || !path.route->source) return failure(path, remote, PathReason::no_address);
    return SocketScope{path.route->interface, path.route->interface_name, *path.route->source};
}

Result<SocketScope> scope_socket(int socket, const Endpoint& device) {
    const Endpoint remote{device.address.unmapped(), device.port, device.interface};
    if (auto fine = net::check_device(remote); !fine) return fine.error();
    const auto facts = os::socket_facts(socket);
    if (!facts) return facts.error();
    if (auto fine = check_socket(*facts, remote); !fine) return fine.error();
    // First, so that whoever ignores what comes next sends nothing by another link.
    if (facts->held_to == InterfaceIndex::none)
        if (auto held = os::hold_to(socket, remote.interface); !held) return held.error();
    const auto path = path_for(*facts, remote);
    if (!path) return path.error();
    auto scope = net::scope_in(*path, remote);
    const bool is_bound = !facts->local.is_unspecified() || facts->port != 0;
    if (!scope || is_bound) return scope;
    if (auto bound = os::bind_source(socket, *facts, scope->source, scope->interface); !bound)
        return bound.error();
    return scope;
}

}  // namespace muster
