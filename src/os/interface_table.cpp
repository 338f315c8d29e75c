#include "os/interface_table.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "os/netlink_attributes.h"
#include "os/netlink_messages.h"

namespace muster::os {
namespace {

/// The link header of messages about interfaces. The bridge module sends RTM_NEWLINK and RTM_DELLINK of its
/// own family about ports that join and leave: a DELLINK of those removes no interface.
const ifinfomsg* link_of(const nlmsghdr& message) {
    const auto* link = header_of<ifinfomsg>(message);
    return link != nullptr && link->ifi_family == AF_UNSPEC && link->ifi_index > 0 ? link : nullptr;
}

using LinkAttributes = Attributes<IFLA_PARENT_DEV_BUS_NAME>;

HardwareAddress hardware_address(ByteView octets) {
    return {reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()};
}

OperationalState state_of(std::uint8_t number) {
    return number <= IF_OPER_UP ? OperationalState{number} : OperationalState::unknown;
}

void read_flags(const ifinfomsg& link, Interface& value) {
    const auto has = [flags = link.ifi_flags](unsigned flag) { return (flags & flag) != 0; };
    value.flags = link.ifi_flags;
    value.up = has(IFF_UP);
    // LOWER_UP is the cable; RUNNING is the operational state: not dormant (802.1X, Wi-Fi without keys) and
    // not waiting for a lower device (RFC 2863 ifOperStatus). Packets pass only with both.
    value.carrier = has(IFF_LOWER_UP) && has(IFF_RUNNING);
    value.multicast = has(IFF_MULTICAST);
    value.loopback = has(IFF_LOOPBACK);
    value.point_to_point = has(IFF_POINTOPOINT);
}

/// What a whole message tells by leaving it out as well: there is no master, no permanent address, ...
void read_the_rest(const ifinfomsg& link, const LinkAttributes& told, Interface& value) {
    value.legacy_type = link.ifi_type;
    value.state = state_of(told.octet(IFLA_OPERSTATE).value_or(IF_OPER_UNKNOWN));
    value.carrier_changes = told.number(IFLA_CARRIER_CHANGES).value_or(0);
    value.mac = hardware_address(told.octets(IFLA_ADDRESS));
    value.permanent_mac = hardware_address(told.octets(IFLA_PERM_ADDRESS));
    value.master = InterfaceIndex{told.number(IFLA_MASTER).value_or(0)};
    value.peer_is_elsewhere = told.number(IFLA_LINK_NETNSID).has_value();
    value.peer = InterfaceIndex{value.peer_is_elsewhere ? 0 : told.number(IFLA_LINK).value_or(0)};
    const Attributes<IFLA_INFO_KIND> info{told.octets(IFLA_LINKINFO)};
    value.kernel_kind = info.text(IFLA_INFO_KIND);
    value.bus = told.text(IFLA_PARENT_DEV_BUS_NAME);
}

bool is_tentative(std::uint32_t flags) {
    // An optimistic address may be used while detection still runs (RFC 4429); one that
    // failed it may never be.
    if ((flags & IFA_F_DADFAILED) != 0) return true;
    return (flags & IFA_F_TENTATIVE) != 0 && (flags & IFA_F_OPTIMISTIC) == 0;
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
        const bool is_done = ours && message->nlmsg_type == NLMSG_DONE;
        outcome.dump_done |= is_done;
        if (is_done || (ours && message->nlmsg_type == NLMSG_ERROR)) outcome.error = error_in(*message);
        if (apply_message(*message)) outcome.changed = true;
        messages = messages.subspan(std::min<std::size_t>(MNL_ALIGN(message->nlmsg_len), messages.size()));
    }
    return outcome;
}

std::vector<Interface> InterfaceTable::snapshot() const& {
    std::vector<Interface> interfaces;
    interfaces.reserve(entries_.size());
    for (const auto& [index, entry] : entries_)
        if (entry.known) interfaces.push_back(entry.value);
    return interfaces;
}

std::vector<Interface> InterfaceTable::snapshot() && {
    std::vector<Interface> interfaces;
    interfaces.reserve(entries_.size());
    for (auto& [index, entry] : entries_)
        if (entry.known) interfaces.push_back(std::move(entry.value));
    entries_.clear();
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
    const LinkAttributes told{message, sizeof(ifinfomsg)};
    const bool was_known = std::exchange(entry->known, true);
    const Interface before = entry->value;
    Interface& value = entry->value;
    read_flags(*link, value);
    if (const auto name = told.text(IFLA_IFNAME); !name.empty()) value.name = name;
    // Events of wireless extensions carry flags and name only: what such a message does not say stays as it was.
    if (const auto mtu = told.number(IFLA_MTU)) {
        value.mtu = *mtu;
        read_the_rest(*link, told, value);
        read_alternative_names(told.octets(IFLA_PROP_LIST), value);
    }
    return !was_known || value != before;
}

void InterfaceTable::read_alternative_names(ByteView list, Interface& value) {
    value.alternative_names.clear();
    for_each_attribute(list.data(), list.data() + list.size(), [&](const nlattr* attribute) {
        if (mnl_attr_get_type(attribute) != IFLA_ALT_IFNAME) return;
        if (value.alternative_names.size() < kMaxAlternativeNames)
            value.alternative_names.emplace_back(text_in(octets_in(attribute)));
        else
            ++left_out_;
    });
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
