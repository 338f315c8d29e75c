#include "os/routing_messages.h"

#include <array>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

namespace muster::os {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

/// One rtnetlink message, built as the kernel would.
template <class Header>
class Message {
public:
    Message() {
        mnl_nlmsg_put_header(storage_.data());
        fixed = static_cast<Header*>(mnl_nlmsg_put_extra_header(header(), sizeof(Header)));
        *reinterpret_cast<std::uint8_t*>(fixed) = AF_INET;
    }
    Message& address(std::uint16_t type, const char* text) {
        const auto ip = *IpAddress::parse(text);
        mnl_attr_put(header(), type, ip.is_v6() ? 16 : 4, ip.v6().data());
        return *this;
    }
    Message& number(std::uint16_t type, std::uint32_t value) {
        mnl_attr_put_u32(header(), type, value);
        return *this;
    }
    Message& octets(std::uint16_t type, const void* data, std::size_t size) {
        mnl_attr_put(header(), type, size, data);
        return *this;
    }
    nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(storage_.data()); }
    operator const nlmsghdr&() { return *header(); }  // NOLINT(google-explicit-constructor)

    Header* fixed = nullptr;

private:
    alignas(nlmsghdr) std::array<char, 1024> storage_{};
};

Message<rtmsg> unicast(const char* to, std::uint8_t length) {
    Message<rtmsg> message;
    message.fixed->rtm_type = RTN_UNICAST;
    message.fixed->rtm_table = RT_TABLE_MAIN;
    message.fixed->rtm_dst_len = length;
    message.address(RTA_DST, to);
    return message;
}

TEST(RoutingMessages, ARouteByAGateway) {
    auto message = unicast("198.51.100.0", 24);
    message.address(RTA_GATEWAY, "192.0.2.1")
        .number(RTA_OIF, 3)
        .number(RTA_PRIORITY, 100)
        .address(RTA_PREFSRC, "192.0.2.7");
    const auto route = parse_route(message);
    ASSERT_TRUE(route);
    EXPECT_EQ(route->to, (Prefix{*IpAddress::parse("198.51.100.0"), 24}));
    EXPECT_EQ(route->table, 254U);
    EXPECT_EQ(route->metric, 100U);
    EXPECT_EQ(route->source, IpAddress::parse("192.0.2.7"));
    ASSERT_THAT(route->hops, SizeIs(1));
    EXPECT_EQ(route->hops[0].gateway, IpAddress::parse("192.0.2.1"));
    EXPECT_EQ(route->hops[0].interface, InterfaceIndex{3});
}

TEST(RoutingMessages, TheLargeNumberOfATableWins) {
    auto message = unicast("0.0.0.0", 0);
    message.fixed->rtm_table = RT_TABLE_COMPAT;
    message.number(RTA_TABLE, 51820).number(RTA_OIF, 3);
    EXPECT_EQ(parse_route(message)->table, 51820U);
}

TEST(RoutingMessages, WhatARouterAdvertisesAndForWhichService) {
    for (const auto& [told, preference] : {std::pair{1, 1}, {0, 0}, {3, -1}, {2, 0}}) {
        auto message = unicast("0.0.0.0", 0);
        const auto octet = static_cast<std::uint8_t>(told);
        message.octets(RTA_PREF, &octet, sizeof octet);
        EXPECT_EQ(parse_route(message)->preference, preference) << told;
    }
    auto message = unicast("0.0.0.0", 0);
    message.fixed->rtm_tos = 16;
    EXPECT_EQ(parse_route(message)->tos, 16);
}

TEST(RoutingMessages, ARouteOverSeveralHops) {
    auto message = unicast("0.0.0.0", 0);
    std::array<rtnexthop, 2> hops{};
    hops[0].rtnh_len = hops[1].rtnh_len = sizeof(rtnexthop);
    hops[0].rtnh_ifindex = 3;
    hops[1].rtnh_ifindex = 4;
    hops[1].rtnh_flags = RTNH_F_DEAD;
    message.octets(RTA_MULTIPATH, hops.data(), sizeof hops);
    const auto route = parse_route(message);
    ASSERT_TRUE(route);
    ASSERT_THAT(route->hops, SizeIs(2));
    EXPECT_FALSE(route->hops[0].is_dead);
    EXPECT_TRUE(route->hops[1].is_dead);
}

TEST(RoutingMessages, HopsThatLieAboutTheirLengthEnd) {
    for (const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 1, 7, 9, 65535}) {
        auto message = unicast("0.0.0.0", 0);
        rtnexthop hop{};
        hop.rtnh_len = length;
        message.octets(RTA_MULTIPATH, &hop, sizeof hop);
        const auto route = parse_route(message);
        ASSERT_TRUE(route);
        EXPECT_THAT(route->hops, IsEmpty()) << length;
    }
}

TEST(RoutingMessages, RoutesThatLeadNowhere) {
    auto message = unicast("0.0.0.0", 0);
    message.fixed->rtm_type = RTN_PROHIBIT;
    EXPECT_EQ(parse_route(message)->action, RouteAction::prohibit);
    message.fixed->rtm_type = RTN_BLACKHOLE;
    EXPECT_EQ(parse_route(message)->action, RouteAction::blackhole);
    message.fixed->rtm_type = 200;
    EXPECT_FALSE(parse_route(message));
}

TEST(RoutingMessages, TheRuleOfATunnelThatTakesWhatIsNotItsOwn) {
    Message<fib_rule_hdr> message;
    message.fixed->action = FR_ACT_TO_TBL;
    message.fixed->flags = FIB_RULE_INVERT;
    message.number(FRA_PRIORITY, 32765)
        .number(FRA_FWMARK, 0xca6c)
        .number(FRA_FWMASK, ~0U)
        .number(FRA_TABLE, 51820);
    message.number(FRA_SUPPRESS_PREFIXLEN, ~0U);  // so the kernel says "none"
    const auto rule = parse_rule(message);
    ASSERT_TRUE(rule);
    EXPECT_TRUE(rule->is_inverted);
    EXPECT_EQ(rule->mark, 0xca6cU);
    EXPECT_EQ(rule->table, 51820U);
    EXPECT_FALSE(rule->suppressed_length);
    EXPECT_FALSE(rule->has_other_selector);
}

TEST(RoutingMessages, SelectorsOfRules) {
    Message<fib_rule_hdr> message;
    message.fixed->action = FR_ACT_PROHIBIT;
    message.fixed->src_len = 8;
    const fib_rule_uid_range uids{1000, 1001};
    const fib_rule_port_range ports{80, 80};
    message.address(FRA_SRC, "10.0.0.0")
        .octets(FRA_UID_RANGE, &uids, sizeof uids)
        .octets(FRA_DPORT_RANGE, &ports, sizeof ports);
    const auto rule = parse_rule(message);
    ASSERT_TRUE(rule);
    EXPECT_EQ(rule->action, RoutingRule::Action::prohibit);
    EXPECT_EQ(rule->from, (Prefix{*IpAddress::parse("10.0.0.0"), 8}));
    EXPECT_EQ(rule->first_uid, 1000U);
    EXPECT_EQ(rule->last_uid, 1001U);
    EXPECT_TRUE(rule->has_other_selector);
    message.fixed->action = 77;
    EXPECT_FALSE(parse_rule(message));
}

TEST(RoutingMessages, ASelectorThatIsNewerThanThisCodeIsOne) {
    Message<fib_rule_hdr> message;
    message.fixed->action = FR_ACT_TO_TBL;
    message.number(FRA_TABLE, 7).number(FRA_PROTOCOL, 2);
    EXPECT_FALSE(parse_rule(message)->has_other_selector);
    const std::uint8_t dscp = 10;
    message.octets(FRA_DPORT_RANGE + 1, &dscp, sizeof dscp);
    EXPECT_TRUE(parse_rule(message)->has_other_selector);
}

TEST(RoutingMessages, ARuleForWhatThisMachineSendsHoldsForUs) {
    Message<fib_rule_hdr> message;
    message.fixed->action = FR_ACT_TO_TBL;
    message.octets(FRA_IIFNAME, "lo", 3);
    EXPECT_THAT(parse_rule(message)->in_interface, IsEmpty());
    Message<fib_rule_hdr> other;
    other.fixed->action = FR_ACT_TO_TBL;
    other.octets(FRA_IIFNAME, "eth0", 5);
    EXPECT_EQ(parse_rule(other)->in_interface, "eth0");
}

TEST(RoutingMessages, AJumpToNowhereGoesOnWithTheNextRule) {
    Message<fib_rule_hdr> message;
    message.fixed->action = FR_ACT_GOTO;
    message.number(FRA_GOTO, 300);
    EXPECT_EQ(parse_rule(message)->action, RoutingRule::Action::jump);
    message.fixed->flags = FIB_RULE_UNRESOLVED;
    EXPECT_EQ(parse_rule(message)->action, RoutingRule::Action::nothing);
}

TEST(RoutingMessages, Neighbours) {
    Message<ndmsg> message;
    message.fixed->ndm_ifindex = 3;
    message.fixed->ndm_state = NUD_REACHABLE;
    const std::array<std::uint8_t, 6> mac{2, 0, 0, 0, 0, 0xab};
    nda_cacheinfo info{};
    info.ndm_confirmed = 50;
    message.address(NDA_DST, "192.0.2.1")
        .octets(NDA_LLADDR, mac.data(), mac.size())
        .octets(NDA_CACHEINFO, &info, sizeof info);
    const auto neighbour = parse_neighbour(message, 100);
    ASSERT_TRUE(neighbour);
    EXPECT_EQ(neighbour->interface, InterfaceIndex{3});
    EXPECT_EQ(neighbour->state, NeighbourEntry::State::reachable);
    EXPECT_EQ(neighbour->mac, "02:00:00:00:00:ab");
    EXPECT_EQ(neighbour->confirmed_ms_ago, 500U);
    EXPECT_TRUE(parse_neighbour(message, 0)) << "no clock tick is no reason to divide by it";
    message.fixed->ndm_state = NUD_NOARP;
    EXPECT_FALSE(parse_neighbour(message, 100));
}

TEST(RoutingMessages, HeadersThatAreCutAreNothing) {
    auto route = unicast("0.0.0.0", 0);
    route.header()->nlmsg_len = NLMSG_LENGTH(sizeof(rtmsg)) - 1;
    EXPECT_FALSE(parse_route(route));
    Message<fib_rule_hdr> rule;
    rule.header()->nlmsg_len = NLMSG_LENGTH(0);
    EXPECT_FALSE(parse_rule(rule));
    Message<ndmsg> neighbour;
    neighbour.header()->nlmsg_len = NLMSG_LENGTH(3);
    EXPECT_FALSE(parse_neighbour(neighbour, 100));
}

}  // namespace
}  // namespace muster::os
