#include "os/interface_table.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

#include "os/netlink_attributes.h"

namespace muster::os {
namespace {

template <class T>
const T* header_of(const nlmsghdr& message) {
    if (message.nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(T)) return nullptr;
    return static_cast<const T*>(mnl_nlmsg_get_payload(&message));
}

/// The link header of messages about interfaces. The bridge module sends RTM_NEWLINK and RTM_DELLINK of its
/// own family about ports that join and leave: a DELLINK of those removes no interface.
const ifinfomsg* link_of(const nlmsghdr& message) {
    const auto* link = header_of<ifinfomsg>(message);
    return link != nullptr && link->ifi_family == AF_UNSPEC && link->ifi_index > 0 ? link : nullptr;
}

/// What the message alone tells: radios look like Ethernet here, and some modems too.
InterfaceKind kind_of(const ifinfomsg& link, const Attributes<IFLA_LINKINFO>& attributes) {
    if ((link.ifi_flags & IFF_LOOPBACK) != 0) return InterfaceKind::loopback;
    if (link.ifi_type == ARPHRD_RAWIP) return InterfaceKind::cellular;
    const Attributes<IFLA_INFO_KIND> info{attributes.octets(IFLA_LINKINFO)};
    const std::string_view driver = info.text(IFLA_INFO_KIND);
    if (driver == "tun" && link.ifi_type == ARPHRD_ETHER)
        return InterfaceKind::tunnel;  // TAP: VPNs bridge through it
    return link.ifi_type == ARPHRD_ETHER ? InterfaceKind::wired : InterfaceKind::tunnel;
}

bool is_tentative(std::uint32_t flags) {
    // An optimistic address may be used while detection still runs (RFC 4429); one that
    // failed it may never be.
    if ((flags & IFA_F_DADFAILED) != 0) return true;
    return (flags & IFA_F_TENTATIVE) != 0 && (flags & IFA_F_OPTIMISTIC) == 0;
}

constexpr int kLargestErrno = 4096;  // as the kernel has it: MAX_ERRNO

int error_of(const nlmsghdr& message) {
    const auto* error = header_of<nlmsgerr>(message);
    // The kernel sends 0 or a negated errno; other numbers have no negation, or are no errno.
    const bool is_sane = error != nullptr && error->error <= 0 && error->error > -kLargestErrno;
    return is_sane ? -error->error : EBADMSG;
}

}  // namespace

InterfaceTable::Outcome InterfaceTable::apply(ByteView messages, std::uint32_t sequence) {
    Outcome outcome;
    // Not mnl_nlmsg_ok: it takes a length above 2^31 for a negative one, which fits everywhere.
    while (messages.size() >= sizeof(nlmsghdr)) {
        const auto* message = reinterpret_cast<const nlmsghdr*>(messages.data());
        if (message->nlmsg_len < sizeof(nlmsghdr) || message->nlmsg_len > messages.size()) break;
        const bool ours = sequence != 0 && message->nlmsg_seq == sequence;
        if (ours && (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) outcome.interrupted = true;
        if (ours && message->nlmsg_type == NLMSG_DONE) outcome.dump_done = true;
        if (ours && message->nlmsg_type == NLMSG_ERROR) outcome.error = error_of(*message);
        if (apply_message(*message)) outcome.changed = true;
        messages = messages.subspan(std::min<std::size_t>(MNL_ALIGN(message->nlmsg_len), messages.size()));
    }
    return outcome;
}

std::vector<Interface> InterfaceTable::snapshot() const {
    std::vector<Interface> interfaces;
    for (const auto& [index, entry] : entries_)
        if (entry.known) interfaces.push_back(entry.value);
    return interfaces;
}

bool InterfaceTable::apply_message(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
        case RTM_NEWLINK: return apply_link(message);
        case RTM_DELLINK: return remove_link(message);
        case RTM_NEWADDR:
        case RTM_DELADDR: return apply_address(message);
        default: return false;
    }
}

bool InterfaceTable::apply_link(const nlmsghdr& message) {
    const auto* link = link_of(message);
    Entry* entry = link == nullptr ? nullptr : entry_for(static_cast<std::uint32_t>(link->ifi_index));
    if (entry == nullptr) return false;
    const Attributes<IFLA_LINKINFO> attributes{message, sizeof(ifinfomsg)};
    const bool was_known = std::exchange(entry->known, true);
    const Interface before = entry->value;
    Interface& value = entry->value;
    const auto has = [flags = link->ifi_flags](unsigned flag) { return (flags & flag) != 0; };
    value.up = has(IFF_UP);
    // LOWER_UP is the cable; RUNNING is the operational state: not dormant (802.1X, Wi-Fi without keys) and
    // not waiting for a lower device (RFC 2863 ifOperStatus). Packets pass only with both.
    value.carrier = has(IFF_LOWER_UP) && has(IFF_RUNNING);
    value.multicast = has(IFF_MULTICAST);
    value.loopback = has(IFF_LOOPBACK);
    value.point_to_point = has(IFF_POINTOPOINT);
    if (!was_known || !attributes.octets(IFLA_LINKINFO).empty()) value.kind = kind_of(*link, attributes);
    // Events of wireless extensions carry flags and name only: what a message does not say stays as it was.
    if (const auto name = attributes.text(IFLA_IFNAME); !name.empty()) value.name = name;
    if (const auto mtu = attributes.number(IFLA_MTU)) value.mtu = *mtu;
    return !was_known || value != before;
}

bool InterfaceTable::remove_link(const nlmsghdr& message) {
    const auto* link = link_of(message);
    return link != nullptr && entries_.erase(static_cast<std::uint32_t>(link->ifi_index)) > 0;
}

bool InterfaceTable::apply_address(const nlmsghdr& message) {
    const auto* header = header_of<ifaddrmsg>(message);
    if (header == nullptr || header->ifa_index == 0) return false;
    const Attributes<IFA_FLAGS> attributes{message, sizeof(ifaddrmsg)};
    // On point-to-point links IFA_ADDRESS is the other end; IFA_LOCAL, if there, is always ours.
    auto address = attributes.address(IFA_LOCAL, header->ifa_family);
    if (!address) address = attributes.address(IFA_ADDRESS, header->ifa_family);
    if (!address) return false;
    const bool removed = message.nlmsg_type == RTM_DELADDR;
    if (removed && !entries_.contains(header->ifa_index)) return false;
    Entry* entry = entry_for(header->ifa_index);
    if (entry == nullptr) return false;

    auto& addresses = entry->value.addresses;
    const InterfaceAddress told{*address, header->ifa_prefixlen,
                                is_tentative(attributes.number(IFA_FLAGS).value_or(header->ifa_flags))};
    // The kernel allows one IPv4 address with two prefixes on one interface: both count.
    const auto same = [&](const InterfaceAddress& known) {
        return known.address == told.address && known.prefix_length == told.prefix_length;
    };
    const auto known = std::ranges::find_if(addresses, same);
    if (removed) {
        if (known == addresses.end()) return false;
        addresses.erase(known);
        return entry->known;
    }
    if (known != addresses.end()) {
        const bool differs = *known != told;
        *known = told;
        return differs && entry->known;
    }
    if (addresses.size() >= kMaxAddresses) {
        ++left_out_;
        return false;
    }
    addresses.push_back(told);
    return entry->known;
}

InterfaceTable::Entry* InterfaceTable::entry_for(std::uint32_t index) {
    if (const auto known = entries_.find(index); known != entries_.end()) return &known->second;
    if (entries_.size() >= kMaxInterfaces) {
        ++left_out_;
        return nullptr;
    }
    Entry& entry = entries_[index];
    entry.value.index = InterfaceIndex{index};
    return &entry;
}

}  // namespace muster::os
