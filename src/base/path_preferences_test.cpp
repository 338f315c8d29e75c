#include "muster/path_preferences.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

Interface named(std::string name, InterfaceKind kind = InterfaceKind::wired) {
    Interface interface;
    interface.name = std::move(name);
    interface.kind = kind;
    interface.loopback = kind == InterfaceKind::loopback;
    return interface;
}

std::vector<Interface> machine() {
    return {named("lo", InterfaceKind::loopback),
            named("eth0"),
            named("eth1"),
            named("wlan0", InterfaceKind::wifi),
            named("wwan0", InterfaceKind::cellular),
            named("wg0", InterfaceKind::tunnel)};
}

std::string usable(const PathPreferences& preferences) {
    auto interfaces = machine();
    mark_interfaces(preferences, interfaces);
    std::string names;
    for (const Interface& each : interfaces)
        if (!each.prohibited) names += each.name + " ";
    return names;
}

unsigned cost_of(const PathPreferences& preferences, const std::string& name) {
    auto interfaces = machine();
    mark_interfaces(preferences, interfaces);
    for (const Interface& each : interfaces)
        if (each.name == name) return each.cost;
    return ~0u;
}

TEST(PathPreferences, EmptyOnesAllowEverything) {
    EXPECT_EQ(usable({}), "lo eth0 eth1 wlan0 wwan0 wg0 ");
    EXPECT_TRUE(PathPreferences{}.is_empty());
}

TEST(PathPreferences, SelectByNamePatternAndKind) {
    PathPreferences wanted;
    wanted.require = {"eth0"};
    EXPECT_EQ(usable(wanted), "eth0 ");
    wanted.require = {"eth*"};
    EXPECT_EQ(usable(wanted), "eth0 eth1 ");
    wanted.require = {"ww?n0"};
    EXPECT_EQ(usable(wanted), "wwan0 ");
    wanted.require = {"*an*", "kind:tunnel"};
    EXPECT_EQ(usable(wanted), "wlan0 wwan0 wg0 ");
    wanted.require = {"kind:wifi"};
    EXPECT_EQ(usable(wanted), "wlan0 ");
}

TEST(PathPreferences, ProhibitWinsOverRequire) {
    PathPreferences wanted;
    wanted.require = {"eth*"};
    wanted.prohibit = {"eth1"};
    EXPECT_EQ(usable(wanted), "eth0 ");
    wanted.require = {};
    wanted.prohibit = {"kind:cellular", "kind:wifi"};
    EXPECT_EQ(usable(wanted), "lo eth0 eth1 wg0 ");
}

TEST(PathPreferences, CostGrowsFromWiredToMetered) {
    EXPECT_LT(cost_of({}, "eth0"), cost_of({}, "wlan0"));
    EXPECT_LT(cost_of({}, "wlan0"), cost_of({}, "wwan0"));
    PathPreferences wanted;
    wanted.metered = {"eth1"};
    EXPECT_EQ(cost_of(wanted, "eth1"), cost_of(wanted, "wwan0"));
}

TEST(PathPreferences, ConstrainedIsToldAndCostsNothing) {
    PathPreferences wanted;
    wanted.constrained = {"eth*"};
    EXPECT_FALSE(wanted.is_empty());
    std::vector<Interface> all{named("eth0"), named("lan0")};
    mark_interfaces(wanted, all);
    EXPECT_TRUE(all[0].is_constrained);
    EXPECT_FALSE(all[1].is_constrained);
    EXPECT_EQ(all[0].cost, all[1].cost);
    wanted.constrained = {"kind:radio"};
    EXPECT_FALSE(check_path_preferences(wanted).has_value());
}

TEST(PathPreferences, WhatIsPreferredCostsLessThanAnythingElse) {
    PathPreferences wanted;
    wanted.prefer = {"wwan0"};
    for (const char* other : {"eth0", "wlan0", "wg0"})
        EXPECT_LT(cost_of(wanted, "wwan0"), cost_of(wanted, other)) << other;
    EXPECT_LT(cost_of(wanted, "eth0"), cost_of(wanted, "wlan0")) << "of the others as before";
}

TEST(PathPreferences, RefuseWhatSelectsNothing) {
    for (const std::string bad : {"", "kind:radio", "kind:", "two words", "a/b"}) {
        PathPreferences wanted;
        wanted.prohibit = {bad};
        const auto checked = check_path_preferences(wanted);
        ASSERT_FALSE(checked) << bad;
        EXPECT_EQ(checked.error().code(), Errc::bad_input);
        EXPECT_NE(checked.error().message().find("prohibit"), std::string::npos);
    }
    PathPreferences wanted;
    wanted.prefer = {"kind:wired", "*", "enp3s0"};
    EXPECT_TRUE(check_path_preferences(wanted));
}

TEST(PathPreferences, SayWhyNoInterfaceIsLeft) {
    PathPreferences wanted;
    wanted.require = {"eth7"};
    const auto checked = check_satisfiable(wanted, machine());
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), Errc::no_interface);
    EXPECT_EQ(checked.error().fault(), Fault::blocked_by_policy);
    EXPECT_NE(checked.error().message().find("'eth7'"), std::string::npos);
    EXPECT_EQ(checked.error().evidence().size(), machine().size());
    EXPECT_FALSE(checked.error().cure().empty());
    wanted.require = {};
    wanted.prohibit = {"*th*", "w*"};
    EXPECT_FALSE(check_satisfiable(wanted, machine())) << "loopback alone reaches nobody";
    wanted.prohibit = {"w*"};
    EXPECT_TRUE(check_satisfiable(wanted, machine()));
    wanted.require = {"lo"};
    EXPECT_TRUE(check_satisfiable(wanted, machine())) << "asked for";
}

TEST(PathPreferences, PatternsWithManyStarsAreQuick) {
    PathPreferences wanted;
    wanted.prohibit = {std::string(63, '*') + "x"};
    EXPECT_EQ(usable(wanted), usable({}));
}

}  // namespace
}  // namespace muster
