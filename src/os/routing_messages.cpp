#include "os/routing_messages.h"

#include <array>
#include <cstring>

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/icmpv6.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "os/netlink_attributes.h"
#include "os/netlink_messages.h"

namespace muster::os {
namespace {

constexpr std::size_t kMaxHops = 64;

bool is_ip(int family) { return family == AF_INET || family == AF_INET6; }

IpAddress unspecified(int family) { return family == AF_INET6 ? IpAddress{IpAddress::V6{}} : IpAddress{}; }

std::optional<RouteAction> action_of(std::uint8_t type) {
    switch (type) {
        case RTN_UNICAST: return RouteAction::forward;
        case RTN_LOCAL:
        case RTN_ANYCAST: return RouteAction::deliver;
        case RTN_BROADCAST:
        case RTN_MULTICAST: return RouteAction::group;
        case RTN_BLACKHOLE: return RouteAction::blackhole;
        case RTN_UNREACHABLE: return RouteAction::unreachable;
        case RTN_PROHIBIT: return RouteAction::prohibit;
        case RTN_THROW: return RouteAction::skip;
        default: return std::nullopt;
    }
}

/// RTA_VIA: a gateway of the other family.
std::optional<IpAddress> via(ByteView octets) {
    std::uint16_t family = 0;
    if (octets.size() < sizeof family) return std::nullopt;
    std::memcpy(&family, octets.data(), sizeof family);
    octets = octets.subspan(sizeof family);
    IpAddress::V4 v4{};
    IpAddress::V6 v6{};
    if (family == AF_INET && octets.size() == v4.size()) {
        std::memcpy(v4.data(), octets.data(), v4.size());
        return IpAddress{v4};
    }
    if (family != AF_INET6 || octets.size() != v6.size()) return std::nullopt;
    std::memcpy(v6.data(), octets.data(), v6.size());
    return IpAddress{v6};
}

template <std::uint16_t Highest>
NextHop hop_of(const Attributes<Highest>& attributes, std::uint8_t family, std::uint32_t index,
               unsigned flags) {
    auto gateway = attributes.address(RTA_GATEWAY, family);
    if (!gateway) gateway = via(attributes.octets(RTA_VIA));
    return {.interface = InterfaceIndex{index},
            .gateway = gateway,
            .is_dead = (flags & RTNH_F_DEAD) != 0,
            .is_without_carrier = (flags & RTNH_F_LINKDOWN) != 0};
}

std::vector<NextHop> hops_of(ByteView nested, std::uint8_t family) {
    std::vector<NextHop> hops;
    while (nested.size() >= sizeof(rtnexthop) && hops.size() < kMaxHops) {
        rtnexthop hop{};
        std::memcpy(&hop, nested.data(), sizeof hop);
        if (hop.rtnh_len < sizeof hop || hop.rtnh_len > nested.size()) break;
        const Attributes<RTA_VIA> attributes{nested.subspan(sizeof hop, hop.rtnh_len - sizeof hop)};
        hops.push_back(
            hop_of(attributes, family, static_cast<std::uint32_t>(hop.rtnh_ifindex), hop.rtnh_flags));
        nested = nested.subspan(std::min<std::size_t>(RTNH_ALIGN(hop.rtnh_len), nested.size()));
    }
    return hops;
}

int preference_of(std::optional<std::uint8_t> told) {
    if (told == ICMPV6_ROUTER_PREF_HIGH) return 1;
    return told == ICMPV6_ROUTER_PREF_LOW ? -1 : 0;
}

std::optional<std::uint32_t> mtu_of(ByteView metrics) {
    if (metrics.empty()) return std::nullopt;
    return Attributes<RTAX_MTU>{metrics}.number(RTAX_MTU);
}

std::optional<Prefix> prefix_of(std::optional<IpAddress> address, std::uint8_t length, int family) {
    const std::uint8_t longest = family == AF_INET6 ? 128 : 32;
    if (length == 0 || length > longest) return std::nullopt;
    return Prefix{address.value_or(unspecified(family)), length};
}

std::string mac_text(ByteView octets) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const std::byte octet : octets) {
        if (!text.empty()) text += ':';
        text += kDigits[std::to_integer<unsigned>(octet) >> 4];
        text += kDigits[std::to_integer<unsigned>(octet) & 15];
    }
    return text;
}

std::optional<NeighbourEntry::State> state_of(std::uint16_t state) {
    switch (state) {
        case NUD_NONE: return NeighbourEntry::State::none;
        case NUD_INCOMPLETE: return NeighbourEntry::State::incomplete;
        case NUD_REACHABLE: return NeighbourEntry::State::reachable;
        case NUD_STALE: return NeighbourEntry::State::stale;
        case NUD_DELAY: return NeighbourEntry::State::delay;
        case NUD_PROBE: return NeighbourEntry::State::probe;
        case NUD_FAILED: return NeighbourEntry::State::failed;
        case NUD_PERMANENT: return NeighbourEntry::State::permanent;
        default: return std::nullopt;  // NOARP: nobody is asked there
    }
}

/// Attributes beyond those that we know are selectors as well: the kernel tells nothing else of a rule there.
bool has_unknown_selector(const nlmsghdr& message) {
    const auto* begin = reinterpret_cast<const std::byte*>(&message);
    bool found = false;
    for_each_attribute(begin + NLMSG_LENGTH(sizeof(fib_rule_hdr)), begin + message.nlmsg_len,
                       [&](const nlattr* each) { found |= mnl_attr_get_type(each) > FRA_DPORT_RANGE; });
    return found;
}

bool selects_by_what_we_do_not_ask(const nlmsghdr& message, const Attributes<FRA_DPORT_RANGE>& attributes) {
    for (const std::uint16_t type :
         {FRA_TUN_ID, FRA_L3MDEV, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_FLOW})
        if (!attributes.octets(type).empty()) return true;
    return has_unknown_selector(message);
}

/// The kernel goes on with the next rule where the target of a jump is missing.
bool leads_nowhere(const fib_rule_hdr& told) {
    return told.action == FR_ACT_GOTO && (told.flags & FIB_RULE_UNRESOLVED) != 0;
}

/// "lo" stands for what this machine itself sends: for everything that we ask about.
std::string_view in_interface(std::string_view name) { return name == "lo" ? std::string_view{} : name; }

}  // namespace

std::optional<RouteEntry> parse_route(const nlmsghdr& message) {
    const auto* told = header_of<rtmsg>(message);
    if (told == nullptr || !is_ip(told->rtm_family)) return std::nullopt;
    const auto action = action_of(told->rtm_type);
    if (!action) return std::nullopt;
    const Attributes<RTA_PREF> attributes{message, sizeof(rtmsg)};
    RouteEntry entry;
    entry.is_v6 = told->rtm_family == AF_INET6;
    entry.table = attributes.number(RTA_TABLE).value_or(told->rtm_table);
    entry.to = {attributes.address(RTA_DST, told->rtm_family).value_or(unspecified(told->rtm_family)),
                told->rtm_dst_len};
    entry.action = *action;
    entry.metric = attributes.number(RTA_PRIORITY).value_or(0);
    entry.preference = preference_of(attributes.octet(RTA_PREF));
    entry.tos = told->rtm_tos;
    entry.source = attributes.address(RTA_PREFSRC, told->rtm_family);
    entry.mtu = mtu_of(attributes.octets(RTA_METRICS));
    entry.protocol = told->rtm_protocol;
    if (const ByteView several = attributes.octets(RTA_MULTIPATH); !several.empty())
        entry.hops = hops_of(several, told->rtm_family);
    else if (const auto index = attributes.number(RTA_OIF))
        entry.hops = {hop_of(attributes, told->rtm_family, *index, told->rtm_flags)};
    return entry;
}

std::optional<RoutingRule> parse_rule(const nlmsghdr& message) {
    const auto* told = header_of<fib_rule_hdr>(message);
    if (told == nullptr || !is_ip(told->family)) return std::nullopt;
    const Attributes<FRA_DPORT_RANGE> attributes{message, sizeof(fib_rule_hdr)};
    RoutingRule rule;
    switch (told->action) {
        case FR_ACT_TO_TBL: rule.action = RoutingRule::Action::look_up; break;
        case FR_ACT_GOTO: rule.action = RoutingRule::Action::jump; break;
        case FR_ACT_NOP: rule.action = RoutingRule::Action::nothing; break;
        case FR_ACT_BLACKHOLE: rule.action = RoutingRule::Action::blackhole; break;
        case FR_ACT_UNREACHABLE: rule.action = RoutingRule::Action::unreachable; break;
        case FR_ACT_PROHIBIT: rule.action = RoutingRule::Action::prohibit; break;
        default: return std::nullopt;
    }
    if (leads_nowhere(*told)) rule.action = RoutingRule::Action::nothing;
    rule.is_v6 = told->family == AF_INET6;
    rule.priority = attributes.number(FRA_PRIORITY).value_or(0);
    rule.table = attributes.number(FRA_TABLE).value_or(told->table);
    rule.target = attributes.number(FRA_GOTO).value_or(0);
    rule.is_inverted = (told->flags & FIB_RULE_INVERT) != 0;
    rule.from = prefix_of(attributes.address(FRA_SRC, told->family), told->src_len, told->family);
    rule.to = prefix_of(attributes.address(FRA_DST, told->family), told->dst_len, told->family);
    rule.in_interface = in_interface(attributes.text(FRA_IIFNAME));
    rule.out_interface = attributes.text(FRA_OIFNAME);
    rule.mark = attributes.number(FRA_FWMARK).value_or(0);
    rule.mark_mask = attributes.number(FRA_FWMASK).value_or(rule.mark == 0 ? 0 : ~0U);
    if (const ByteView uids = attributes.octets(FRA_UID_RANGE); uids.size() >= sizeof(fib_rule_uid_range)) {
        fib_rule_uid_range range{};
        std::memcpy(&range, uids.data(), sizeof range);
        rule.first_uid = range.start;
        rule.last_uid = range.end;
    }
    rule.has_other_selector = told->tos != 0 || selects_by_what_we_do_not_ask(message, attributes);
    const auto suppressed = attributes.number(FRA_SUPPRESS_PREFIXLEN);
    if (suppressed && *suppressed != ~0U) rule.suppressed_length = suppressed;
    return rule;
}

std::optional<NeighbourEntry> parse_neighbour(const nlmsghdr& message, std::uint32_t ticks_per_second) {
    const auto* told = header_of<ndmsg>(message);
    if (told == nullptr || !is_ip(told->ndm_family) || (told->ndm_flags & NTF_PROXY) != 0)
        return std::nullopt;
    const Attributes<NDA_CACHEINFO> attributes{message, sizeof(ndmsg)};
    const auto address = attributes.address(NDA_DST, told->ndm_family);
    const auto state = state_of(told->ndm_state);
    if (!address || address->is_multicast() || !state) return std::nullopt;
    NeighbourEntry entry{.interface = InterfaceIndex{static_cast<std::uint32_t>(told->ndm_ifindex)},
                         .address = *address,
                         .state = *state,
                         .mac = mac_text(attributes.octets(NDA_LLADDR)),
                         .confirmed_ms_ago = 0};
    nda_cacheinfo info{};
    if (const ByteView octets = attributes.octets(NDA_CACHEINFO); octets.size() >= sizeof info) {
        std::memcpy(&info, octets.data(), sizeof info);
        const std::uint64_t ms = std::uint64_t{info.ndm_confirmed} * 1000 / std::max(1U, ticks_per_second);
        entry.confirmed_ms_ago = static_cast<std::uint32_t>(std::min<std::uint64_t>(ms, ~0U));
    }
    return entry;
}

}  // namespace muster::os
