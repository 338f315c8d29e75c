#include "discovery/link_table.h"

#include <algorithm>

#include "base/interfaces.h"

namespace muster::discovery {
namespace {

constexpr std::size_t kHeaders = 48;       // IPv6 and UDP
constexpr std::uint32_t kEthernet = 1500;  // larger frames may not reach everybody on the link
constexpr std::uint32_t kSmallestMtu = 576;
constexpr std::size_t kMaxAddresses = 32;  // of one interface; more would not fit a packet together

LocalLink local_link(const Interface& interface, const LinkPolicy& policy) {
    LocalLink link;
    link.index = interface.index;
    link.mtu = interface.mtu;
    link.mac = interface.mac;
    for (const auto& address : interface.addresses) {
        if (address.tentative || link.addresses.size() >= kMaxAddresses) continue;
        link.addresses.push_back(address);
        (address.address.is_v6() ? link.v6 : link.v4) = true;
    }
    link.v4 = link.v4 && policy.ipv4;
    link.v6 = link.v6 && policy.ipv6;
    return link;
}

}  // namespace

std::size_t LocalLink::packet_limit() const {
    return std::clamp(mtu == 0 ? kEthernet : mtu, kSmallestMtu, kEthernet) - kHeaders;
}

LinkChanges LinkTable::update(std::span<const Interface> interfaces, TimePoint now) {
    std::vector<LocalLink> next;
    std::vector<LocalLink> loopbacks;
    own_.clear();
    for (const auto& interface : interfaces) {
        for (const auto& address : interface.addresses) own_.push_back(address.address);
        if (!may_take_part(interface)) continue;
        auto link = local_link(interface, policy_);
        link.since = now;
        if (link.v4 || link.v6) (interface.loopback ? loopbacks : next).push_back(std::move(link));
    }
    const bool use_loopback = policy_.loopback == LoopbackUse::always ||
                              (policy_.loopback == LoopbackUse::when_alone && next.empty());
    if (use_loopback) next.insert(next.end(), loopbacks.begin(), loopbacks.end());

    LinkChanges changes;
    for (auto& link : next) {
        const auto* before = find(link.index);
        if (before == nullptr) {
            changes.appeared.push_back(link.index);
            continue;
        }
        // Deleted and made anew between two looks: the kernel has forgotten what was joined, and others may be there.
        const bool is_made_anew = before->mac != link.mac;
        if (is_made_anew) changes.gone.push_back(link.index);
        if (!is_made_anew) link.since = before->since;
        if (is_made_anew || before->addresses != link.addresses) changes.changed.push_back(link.index);
    }
    for (const auto& link : links_)
        if (std::ranges::none_of(next, [&](const auto& other) { return other.index == link.index; }))
            changes.gone.push_back(link.index);
    links_ = std::move(next);
    return changes;
}

const LocalLink* LinkTable::find(InterfaceIndex index) const {
    const auto found = std::ranges::find(links_, index, &LocalLink::index);
    return found == links_.end() ? nullptr : &*found;
}

bool LinkTable::active(LinkId link) const {
    const auto* found = find(link.interface);
    return found != nullptr && found->has(link.family);
}

std::vector<LinkId> LinkTable::ids(InterfaceIndex index) const {
    std::vector<LinkId> out;
    for (const auto& link : links_) {
        if (index != InterfaceIndex::none && link.index != index) continue;
        if (link.v4) out.push_back({link.index, Family::v4});
        if (link.v6) out.push_back({link.index, Family::v6});
    }
    return out;
}

bool LinkTable::is_own(const IpAddress& address) const {
    return std::ranges::find(own_, address) != own_.end();
}

bool LinkTable::on_link(InterfaceIndex index, const IpAddress& address) const {
    if (address.is_link_local()) return true;
    const auto* link = find(index);
    return link != nullptr &&
           std::ranges::any_of(link->addresses, [&](const auto& ours) { return in_subnet(ours, address); });
}

bool LinkTable::named_in(const std::vector<std::string>& names, const std::string& name) const {
    return std::ranges::find(names, name) != names.end();
}

// Loopback lacks the multicast flag on Linux and carries multicast nevertheless. Point-to-point links are
// tunnels to somewhere else: not a place to look for neighbours, unless they are named.
bool LinkTable::may_take_part(const Interface& interface) const {
    if (interface.index == InterfaceIndex::none || !interface.up || !interface.carrier) return false;
    if (interface.prohibited) return false;
    if (named_in(policy_.except, interface.name)) return false;
    const bool named = named_in(policy_.only, interface.name);
    if (!policy_.only.empty() && !named) return false;
    if (interface.loopback) return policy_.loopback != LoopbackUse::never || named;
    if (!interface.multicast) return false;
    return !interface.point_to_point || named;
}

}  // namespace muster::discovery
