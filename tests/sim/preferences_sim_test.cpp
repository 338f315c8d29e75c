// Whole nodes that are told which interfaces to use.
#include "two_lans_rig.h"

namespace muster::sim {
namespace {

PathPreferences prohibiting(std::string selector) {
    PathPreferences wanted;
    wanted.prohibit = {std::move(selector)};
    return wanted;
}

class PreferencesSim : public TwoLans {
protected:
    void build(const PathPreferences& at_member = {}, const PathPreferences& at_coordinator = {}) {
        TwoLans::build(Habits{Profile::realtime, 30s}, [&] {
            coordinator->node.set_path_preferences(at_coordinator);
            member->node.set_path_preferences(at_member);
        });
    }
    InterfaceIndex used() const {
        return member->core->links().path(*member->core->current_link()).remote.interface;
    }
    std::string name_of(InterfaceIndex index) const { return index == first ? "eth0" : "eth1"; }
    InterfaceIndex other_than(InterfaceIndex index) const { return index == first ? second : first; }
};

TEST_F(PreferencesSim, JoinsOverWhatIsNotProhibited) {
    build(prohibiting("eth0"));
    EXPECT_EQ(used(), second);
    EXPECT_EQ(member->node.stopped(), 0u) << "the engines do not even try";
    exchange();
}

TEST_F(PreferencesSim, TheCoordinatorIsReachedOnlyWhereItWantsToBe) {
    build({}, prohibiting("eth1"));
    EXPECT_EQ(used(), first);
    EXPECT_EQ(coordinator->node.stopped(), 0u);
    network.unplug(member->node.host(), first);
    clock.run_for(1s);
    EXPECT_EQ(member->resumed_at.size(), 0u) << "there is no other way, although the cable is there";
}

TEST_F(PreferencesSim, LeavesAtOnceWhatIsProhibitedWhileItRuns) {
    build();
    const InterfaceIndex left = used();
    member->node.set_path_preferences(prohibiting(name_of(left)));
    ASSERT_EQ(member->moves.size(), 1u) << "the other path was ready";
    EXPECT_EQ(member->moves[0].fault, Fault::blocked_by_policy);
    EXPECT_EQ(used(), other_than(left));
    exchange();
    EXPECT_TRUE(member->interrupted_at.empty());
    EXPECT_EQ(member->node.stopped(), 0u);
}

TEST_F(PreferencesSim, TheCoordinatorAsksItsMemberToLeave) {
    build();
    const InterfaceIndex left = used();
    coordinator->node.set_path_preferences(prohibiting(name_of(left)));
    clock.run_for(50ms);
    ASSERT_EQ(member->moves.size(), 1u);
    EXPECT_EQ(member->moves[0].fault, Fault::blocked_by_policy) << "the request says why";
    exchange();
    EXPECT_TRUE(member->interrupted_at.empty());
    clock.run_for(5s);
    EXPECT_LT(coordinator->node.stopped(), 20u) << "what QUIC still had for the old path has met the gate";
}

TEST_F(PreferencesSim, GoesToWhatIsPreferredAndStaysThere) {
    build();
    for (int round = 0; round < 3; ++round) {
        const InterfaceIndex wanted = other_than(used());
        PathPreferences preferences;
        preferences.prefer = {name_of(wanted)};
        member->node.set_path_preferences(preferences);
        clock.run_for(3s);
        EXPECT_EQ(used(), wanted) << round;
        clock.run_for(30s);
        EXPECT_EQ(used(), wanted) << round;
    }
    EXPECT_EQ(member->moves.size(), 3u);
    EXPECT_TRUE(member->interrupted_at.empty());
}

TEST_F(PreferencesSim, WhatCostsMoneyIsUsedOnlyWhenNothingElseWorks) {
    build();
    PathPreferences preferences;
    preferences.metered = {name_of(used())};
    const InterfaceIndex cheap = other_than(used());
    member->node.set_path_preferences(preferences);
    clock.run_for(3s);
    EXPECT_EQ(used(), cheap);
    network.unplug(member->node.host(), cheap);
    exchange();
    EXPECT_EQ(used(), other_than(cheap)) << "better than nothing";
    network.plug(member->node.host(), cheap);
    clock.run_for(5s);
    EXPECT_EQ(used(), cheap);
}

TEST_F(PreferencesSim, WithoutAnyOtherPathTheSessionWaitsAndGoesOnWhenItMay) {
    build(prohibiting("eth1"));
    member->node.set_path_preferences(prohibiting("eth*"));
    clock.run_for(1ms);
    ASSERT_EQ(member->interrupted_at.size(), 1u) << story();
    clock.run_for(2s);
    EXPECT_TRUE(member->resumed_at.empty());
    member->node.set_path_preferences({});
    ASSERT_TRUE(clock.run_until([&] { return !member->resumed_at.empty(); }, 2s));
    exchange();
}

}  // namespace
}  // namespace muster::sim
