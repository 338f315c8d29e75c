#include "link/candidates.h"

#include <algorithm>
#include <optional>

#include "base/interfaces.h"

namespace muster::link {
namespace {

// RFC 6335 section 6: DNS, NTP and whatever else is worth reflecting to.
constexpr std::uint16_t kLastSystemPort = 1023;
constexpr std::uint16_t kMdnsPort = 5353;

/// Why nothing can be sent from this interface at all; nullopt if something can.
std::optional<Obstacle> cut(const Interface& interface) {
    if (interface.prohibited)
        return Obstacle{Fault::blocked_by_policy, interface.name + " is not to be used (path preferences)"};
    if (!interface.up) return Obstacle{Fault::link_dead, interface.name + " is switched off"};
    if (!interface.carrier) return Obstacle{Fault::link_dead, interface.name + " has no carrier"};
    return std::nullopt;
}

/// Why nothing can be sent from this interface to an address of this kind; nullopt if it can.
std::optional<Obstacle> obstacle(const Interface& interface, const IpAddress& remote) {
    if (auto why = cut(interface)) return why;
    const bool needs_link_local = remote.is_v6() && remote.is_link_local();
    bool tentative = false;
    for (const InterfaceAddress& own : interface.addresses) {
        if (own.address.is_v6() != remote.is_v6()) continue;
        if (needs_link_local && !own.address.is_link_local()) continue;
        if (!own.tentative) return std::nullopt;
        tentative = true;
    }
    if (tentative)
        return Obstacle{Fault::path_moved, interface.name + " still checks its IPv6 address for duplicates"};
    return Obstacle{Fault::path_moved,
                    interface.name + " has no own " + (remote.is_v6() ? "IPv6" : "IPv4") + " address"};
}

bool is_ours(const IpAddress& address, std::span<const Interface> interfaces) {
    return std::ranges::any_of(interfaces, [&](const Interface& interface) {
        return std::ranges::find(interface.addresses, address, &InterfaceAddress::address) !=
               interface.addresses.end();
    });
}

bool is_on_link(const Interface& interface, const IpAddress& remote) {
    return std::ranges::any_of(interface.addresses, [&](const auto& own) { return in_subnet(own, remote); });
}

/// Why the kernel's routing leads nowhere; nullopt if it may lead there. A kernel keeps its routes over an interface that
/// has lost its carrier, and what is sent there waits in it: when the carrier is back, it leaves with the next question
/// for the link-layer address, up to a second late, and so does everything after it.
std::optional<Obstacle> no_route(const IpAddress& remote, std::span<const Interface> interfaces) {
    if (remote.is_loopback() || is_ours(remote, interfaces)) return std::nullopt;
    const Interface* without_carrier = nullptr;
    bool any_way = false;
    for (const Interface& interface : interfaces) {
        if (interface.loopback || interface.prohibited || !interface.up) continue;
        const bool on_link = is_on_link(interface, remote);
        if (interface.carrier && on_link) return std::nullopt;
        any_way = any_way || interface.carrier;
        if (on_link) without_carrier = &interface;
    }
    if (without_carrier)
        return Obstacle{Fault::link_dead,
                        "the kernel's way leads over " + without_carrier->name + ", which has no carrier"};
    return any_way ? std::nullopt : std::optional{Obstacle{Fault::link_dead, "no interface has a carrier"}};
}

/// The kernel must not choose: some may not be used, or cost more than others.
bool matters_which(std::span<const Interface> interfaces) {
    std::optional<unsigned> cost;
    for (const Interface& each : interfaces) {
        if (each.prohibited) return true;
        if (each.loopback || !each.up || !each.carrier) continue;
        if (cost.value_or(each.cost) != each.cost) return true;
        cost = each.cost;
    }
    return false;
}

void consider(const Interface& interface, Endpoint remote, Candidates& found) {
    remote.interface = interface.index;
    const Path path{.medium = MediumKind::udp, .remote = remote, .local = {}};
    if (auto why = obstacle(interface, remote.address))
        found.ruled_out.emplace_back(path, std::move(why->why));
    else
        found.paths.push_back(path);
}

}  // namespace

bool is_believable(std::uint16_t port) { return port > kLastSystemPort && port != kMdnsPort; }

bool is_neighbour(const Endpoint& heard, std::span<const Interface> interfaces) {
    if (!is_believable(heard.port)) return false;
    if (heard.address.is_multicast() || heard.address.is_unspecified()) return false;
    if (heard.address.is_link_local()) return true;
    return std::ranges::any_of(interfaces, [&](const Interface& interface) {
        if (heard.interface != InterfaceIndex::none && heard.interface != interface.index) return false;
        return std::ranges::any_of(interface.addresses,
                                   [&](const auto& own) { return in_subnet(own, heard.address); });
    });
}

std::optional<Obstacle> obstacle(const Path& path, std::span<const Interface> interfaces) {
    if (path.medium != MediumKind::udp) return std::nullopt;
    if (path.remote.interface == InterfaceIndex::none) return no_route(path.remote.address, interfaces);
    const Interface* interface = find_interface(interfaces, path.remote.interface);
    if (!interface) return Obstacle{Fault::link_dead, "the interface is gone"};
    if (path.remote.address.is_loopback() && !interface->prohibited) return std::nullopt;
    if (path.local.is_unspecified()) return obstacle(*interface, path.remote.address);
    if (auto why = cut(*interface)) return why;
    const bool owned = std::ranges::find(interface->addresses, path.local, &InterfaceAddress::address) !=
                       interface->addresses.end();
    return owned ? std::nullopt
                 : std::optional{Obstacle{Fault::path_moved, interface->name + " no longer has the address " +
                                                                 path.local.to_string()}};
}

Candidates gather(const Endpoint& remote, std::span<const Interface> interfaces) {
    Candidates found;
    if (remote.interface != InterfaceIndex::none) {
        if (const Interface* interface = find_interface(interfaces, remote.interface))
            consider(*interface, remote, found);
        else
            found.ruled_out.emplace_back(Path{.remote = remote, .local = {}}, "there is no such interface");
        return found;
    }
    const bool scoped = remote.address.is_link_local();
    for (const Interface& interface : interfaces) {
        const bool on_link = is_on_link(interface, remote.address);
        const bool every = scoped && !interface.loopback;
        if (on_link || every) consider(interface, remote, found);
    }
    if (scoped) return found;
    if (matters_which(interfaces)) {
        for (const Interface& interface : interfaces)
            if (!interface.loopback && !is_on_link(interface, remote.address))
                consider(interface, remote, found);
        return found;
    }
    const Path routed{.medium = MediumKind::udp, .remote = remote, .local = {}};
    if (auto why = no_route(remote.address, interfaces))
        found.ruled_out.emplace_back(routed, std::move(why->why));
    else
        found.paths.push_back(routed);
    return found;
}

}  // namespace muster::link
