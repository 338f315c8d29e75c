#include "net/default_route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::net {
namespace {

using os::RouteAction;
using os::RouteEntry;
using os::RoutingRule;
using Outcome = DefaultRoute::Outcome;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint32_t kMain = 254, kVpn = 51820;
constexpr InterfaceIndex kEth{2}, kWlan{3}, kTun{4};

RouteEntry everywhere(InterfaceIndex by, std::uint32_t metric, std::uint32_t table = kMain,
                      std::uint8_t length = 0, const char* to = "0.0.0.0") {
    RouteEntry route;
    route.table = table;
    route.to = {*IpAddress::parse(to), length};
    route.metric = metric;
    route.hops = {{.interface = by, .gateway = IpAddress::parse("192.0.2.1")}};
    return route;
}

RouteEntry forbidden(RouteAction action, std::uint32_t metric) {
    RouteEntry route = everywhere(InterfaceIndex::none, metric);
    route.action = action;
    route.hops.clear();
    return route;
}

RoutingRule rule(std::uint32_t priority, std::uint32_t table) {
    RoutingRule made;
    made.priority = priority;
    made.table = table;
    return made;
}

/// The kernel's own three.
std::vector<RoutingRule> usual_rules() { return {rule(0, 255), rule(32766, kMain), rule(32767, 253)}; }

os::RoutingState state(std::vector<RouteEntry> routes, std::vector<RoutingRule> rules = usual_rules()) {
    os::RoutingState made;
    made.routes = std::move(routes);
    made.rules = std::move(rules);
    return made;
}

InterfaceIndex choice(const DefaultRoute& found) {
    return found.hops.empty() ? InterfaceIndex::none : found.hops.front().hop.interface;
}

TEST(DefaultRoute, TheLowestMetricWinsAndTheOthersFollow) {
    const auto found = default_route(state({everywhere(kWlan, 600), everywhere(kEth, 100)}), false, 0);
    EXPECT_EQ(found.outcome, Outcome::found);
    EXPECT_EQ(choice(found), kEth);
    EXPECT_THAT(found.hops, SizeIs(2));
}

TEST(DefaultRoute, OfOneMetricTheRouterThatIsPreferredComesFirst) {
    auto low = everywhere(kWlan, 1024), high = everywhere(kTun, 1024);
    low.preference = -1;
    high.preference = 1;
    const auto found = default_route(state({low, everywhere(kEth, 1024), high}), false, 0);
    ASSERT_THAT(found.hops, SizeIs(3));
    EXPECT_EQ(choice(found), kTun);
    EXPECT_EQ(found.hops.back().hop.interface, kWlan);
}

TEST(DefaultRoute, ARouteForOneTypeOfServiceIsNone) {
    auto special = everywhere(kWlan, 0);
    special.tos = 16;
    EXPECT_EQ(choice(default_route(state({special, everywhere(kEth, 100)}), false, 0)), kEth);
}

TEST(DefaultRoute, NarrowRoutesAndTheOtherFamilyAreNone) {
    auto narrow = everywhere(kEth, 0, kMain, 24, "198.51.100.0");
    EXPECT_EQ(default_route(state({narrow}), false, 0).outcome, Outcome::nothing);
    EXPECT_EQ(default_route(state({everywhere(kEth, 0)}), true, 0).outcome, Outcome::nothing);
    EXPECT_EQ(default_route(state({}), false, 0).outcome, Outcome::nothing);
}

TEST(DefaultRoute, ADeadHopIsPassedOver) {
    auto dead = everywhere(kEth, 100);
    dead.hops.front().is_dead = true;
    EXPECT_EQ(choice(default_route(state({dead, everywhere(kWlan, 600)}), false, 0)), kWlan);
}

TEST(DefaultRoute, ARouteThatForbidsEndsTheMatterOnlyIfItsMetricIsLower) {
    for (const auto action : {RouteAction::blackhole, RouteAction::unreachable, RouteAction::prohibit}) {
        EXPECT_EQ(default_route(state({forbidden(action, 1), everywhere(kEth, 100)}), false, 0).outcome,
                  Outcome::route_forbids);
        EXPECT_EQ(default_route(state({forbidden(action, 900), everywhere(kEth, 100)}), false, 0).outcome,
                  Outcome::found);
    }
}

TEST(DefaultRoute, ARuleThatForbidsCountsInItsTurn) {
    auto rules = usual_rules();
    RoutingRule deny = rule(100, 0);
    deny.action = RoutingRule::Action::prohibit;
    rules.insert(rules.begin() + 1, deny);
    EXPECT_EQ(default_route(state({everywhere(kEth, 0)}, rules), false, 0).outcome, Outcome::rule_forbids);
    rules[1].from = os::Prefix{*IpAddress::parse("10.0.0.0"), 8};
    EXPECT_EQ(default_route(state({everywhere(kEth, 0)}, rules), false, 0).outcome, Outcome::found)
        << "for others only";
    rules[1].from.reset();
    rules[1].first_uid = rules[1].last_uid = 1000;
    EXPECT_EQ(default_route(state({everywhere(kEth, 0)}, rules), false, 0).outcome, Outcome::found);
    EXPECT_EQ(default_route(state({everywhere(kEth, 0)}, rules), false, 1000).outcome, Outcome::rule_forbids);
}

TEST(DefaultRoute, BothHalvesOfTheAddressesAreEverything) {
    const auto found = default_route(state({everywhere(kEth, 100), everywhere(kTun, 50, kMain, 1, "0.0.0.0"),
                                            everywhere(kTun, 50, kMain, 1, "128.0.0.0")}),
                                     false, 0);
    EXPECT_EQ(choice(found), kTun);
    EXPECT_EQ(choice(default_route(state({everywhere(kEth, 100), everywhere(kTun, 50, kMain, 1, "0.0.0.0")}),
                                   false, 0)),
              kEth)
        << "one half is not";
}

TEST(DefaultRoute, TheRulesOfATunnelThatTakesEverythingLeadIntoIt) {
    RoutingRule narrower = rule(32764, kMain), unmarked = rule(32765, kVpn);
    narrower.suppressed_length = 0;
    unmarked.is_inverted = true;
    unmarked.mark = 0xca6c;
    unmarked.mark_mask = ~0U;
    const auto found = default_route(state({everywhere(kEth, 100), everywhere(kTun, 0, kVpn)},
                                           {rule(0, 255), narrower, unmarked, rule(32766, kMain)}),
                                     false, 0);
    EXPECT_EQ(choice(found), kTun);
    EXPECT_THAT(found.hops, SizeIs(2)) << "bound to it, eth can be used";
}

TEST(DefaultRoute, AKernelThatTellsNoRulesHasTheMainTable) {
    const auto routes = std::vector{everywhere(kTun, 0, kVpn), everywhere(kEth, 100)};
    EXPECT_EQ(choice(default_route(state(routes, {}), false, 0)), kEth);
    auto others = usual_rules();
    for (RoutingRule& each : others) each.is_v6 = true;
    EXPECT_EQ(choice(default_route(state(routes, others), false, 0)), kEth) << "those of the other family";
}

TEST(DefaultRoute, JumpsAndSkipsAreFollowed) {
    RoutingRule jump = rule(10, 0);
    jump.action = RoutingRule::Action::jump;
    jump.target = 300;
    auto skip = forbidden(RouteAction::skip, 0);
    skip.table = 7;
    const auto rules = std::vector{rule(5, 7), jump, rule(200, kVpn), rule(300, kMain)};
    EXPECT_EQ(
        choice(default_route(state({skip, everywhere(kTun, 0, kVpn), everywhere(kEth, 0)}, rules), false, 0)),
        kEth);
}

TEST(DefaultRoute, NothingEndsInARingOfRules) {
    std::vector<RoutingRule> rules;
    for (std::uint32_t i = 0; i < 1000; ++i) {
        RoutingRule jump = rule(i, 0);
        jump.action = RoutingRule::Action::jump;
        jump.target = 0;
        rules.push_back(jump);
    }
    EXPECT_THAT(default_route(state({}, rules), false, 0).hops, IsEmpty());
}

}  // namespace
}  // namespace muster::net
