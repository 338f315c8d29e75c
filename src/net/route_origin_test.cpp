#include "net/route_origin.h"

#include <gtest/gtest.h>

namespace muster::net {
namespace {

using os::RouteAction;
using os::RouteEntry;
using os::RoutingRule;

constexpr InterfaceIndex kLan{2}, kOther{3};

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

RouteEntry line(const char* prefix, std::uint8_t length, std::uint32_t table, InterfaceIndex by,
                std::uint32_t metric = 0) {
    RouteEntry entry;
    entry.to = {ip(prefix), length};
    entry.table = table;
    entry.metric = metric;
    os::NextHop hop;
    hop.interface = by;
    entry.hops = {hop};
    return entry;
}

RoutingRule rule(std::uint32_t priority, std::uint32_t table) {
    RoutingRule made;
    made.priority = priority;
    made.table = table;
    return made;
}

std::string decides(const os::RoutingState& routing, const char* to, const RouteAsker& asker = {}) {
    const auto origin = origin_of(routing, ip(to), asker);
    const std::string by = origin.rule ? std::to_string(origin.rule->priority) : "none";
    return by + " " + (origin.entry ? to_text(origin.entry->to) : "nothing");
}

TEST(RouteOrigin, TheLongestPrefixAndThenTheLowestMetric) {
    os::RoutingState routing;
    routing.rules = {rule(32766, 254)};
    routing.routes = {line("0.0.0.0", 0, 254, kLan), line("10.0.0.0", 8, 254, kLan, 50),
                      line("10.0.0.0", 8, 254, kOther, 20)};
    EXPECT_EQ(decides(routing, "10.1.2.3"), "32766 10.0.0.0/8");
    EXPECT_EQ(origin_of(routing, ip("10.1.2.3"), {}).entry->metric, 20U);
    EXPECT_EQ(decides(routing, "192.0.2.1"), "32766 default");
}

TEST(RouteOrigin, ABoundSocketSeesItsInterfaceOnly) {
    os::RoutingState routing;
    routing.rules = {rule(32766, 254)};
    routing.routes = {line("0.0.0.0", 0, 254, kLan), line("10.0.0.0", 8, 254, kOther)};
    EXPECT_EQ(decides(routing, "10.1.2.3", {0, kLan, "lan0"}), "32766 default");
    EXPECT_EQ(decides(routing, "192.0.2.1", {0, kOther, "alt0"}), "none nothing");
}

TEST(RouteOrigin, RulesComeByPriorityAndMayForbid) {
    os::RoutingState routing;
    RoutingRule forbids = rule(100, 0);
    forbids.action = RoutingRule::Action::prohibit;
    forbids.to = os::Prefix{ip("192.0.2.0"), 24};
    routing.rules = {forbids, rule(32766, 254)};
    routing.routes = {line("0.0.0.0", 0, 254, kLan)};
    EXPECT_EQ(decides(routing, "192.0.2.1"), "100 nothing");
    EXPECT_EQ(decides(routing, "198.51.100.1"), "32766 default");
}

TEST(RouteOrigin, UsersInterfacesAndSuppressedLengths) {
    os::RoutingState routing;
    RoutingRule users = rule(50, 7);
    users.first_uid = 1000;
    users.last_uid = 1000;
    RoutingRule longer = rule(60, 254);
    longer.suppressed_length = 0;
    RoutingRule bound = rule(70, 8);
    bound.out_interface = "alt0";
    routing.rules = {users, longer, bound, rule(32766, 254)};
    routing.routes = {line("0.0.0.0", 0, 7, kLan), line("0.0.0.0", 0, 8, kOther),
                      line("0.0.0.0", 0, 254, kLan)};
    EXPECT_EQ(decides(routing, "192.0.2.1", {1000, InterfaceIndex::none, ""}), "50 default");
    EXPECT_EQ(decides(routing, "192.0.2.1"), "32766 default");
    EXPECT_EQ(decides(routing, "192.0.2.1", {0, kOther, "alt0"}), "70 default");
}

TEST(RouteOrigin, WhatIsDeadOrThrowsGoesOn) {
    os::RoutingState routing;
    routing.rules = {rule(10, 7), rule(32766, 254)};
    RouteEntry throws = line("192.0.2.0", 24, 7, InterfaceIndex::none);
    throws.action = RouteAction::skip;
    throws.hops.clear();
    RouteEntry dead = line("192.0.2.0", 24, 254, kOther);
    dead.hops.front().is_dead = true;
    routing.routes = {throws, dead, line("0.0.0.0", 0, 254, kLan)};
    EXPECT_EQ(decides(routing, "192.0.2.1"), "32766 default");
}

TEST(RouteOrigin, AKernelWithoutRulesHasTheMainTable) {
    os::RoutingState routing;
    routing.routes = {line("0.0.0.0", 0, 254, kLan)};
    EXPECT_EQ(decides(routing, "192.0.2.1"), "none default");
}

TEST(RouteOrigin, Words) {
    EXPECT_EQ(table_text(254), "main");
    EXPECT_EQ(table_text(51820), "table 51820");
    EXPECT_EQ(maker_text(2), "kernel");
    EXPECT_EQ(maker_text(0), "");
    EXPECT_EQ(maker_text(42), "protocol 42");
}

}  // namespace
}  // namespace muster::net
