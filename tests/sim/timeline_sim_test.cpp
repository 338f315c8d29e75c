// What the flight recorder of a whole node has of the things that happen to it.
#include <gtest/gtest.h>

#include "session_rig.h"

namespace muster::sim {
namespace {

/// A coordinator and a member with eth0 and eth1 each, on two LANs.
class TimelineSim : public testing::Test {
protected:
    void build(std::size_t lans = 2) {
        const HostId one = network.add_host("coordinator"), other = network.add_host("member");
        for (std::size_t i = 0; i < lans; ++i) {
            const LanId lan = network.add_lan();
            network.attach(one, lan);
            network.attach(other, lan);
        }
        network.set_filter([this](const Passing& passing) {
            return hole && passing.to == member->node.host() && passing.in == *hole;
        });
        coordinator = std::make_unique<SimCoordinator>(clock, network, one, Habits{Profile::realtime, 30s});
        coordinator->start();
        member = std::make_unique<SimMember>(clock, network, other, 2, Habits{Profile::realtime, 30s});
        member->start();
        ASSERT_TRUE(clock.run_until([&] { return member->joined; }, 5s));
        clock.run_for(2s);
        begun = clock.now();
    }
    void TearDown() override {
        member->node.kill();
        coordinator->node.kill();
    }
    InterfaceIndex used() const {
        return member->core->links().path(*member->core->current_link()).remote.interface;
    }
    /// "kind" of what has happened since the session stands and its paths were ready.
    template <class Core>
    std::vector<std::string> since_begun(Core& core) const {
        std::vector<std::string> kinds;
        for (const TimelineEntry& each : core.recorder().read(clock.now()).entries)
            if (each.at >= begun) kinds.emplace_back(kind_of(each.what));
        return kinds;
    }
    template <class What>
    What latest() const {
        What found;
        for (const TimelineEntry& each : member->timeline().entries)
            if (const auto* is = std::get_if<What>(&each.what)) found = *is;
        return found;
    }

    SimClock clock;
    SimNetwork network{clock, 1};
    std::optional<InterfaceIndex> hole;  // nothing comes in there, and nobody is told
    TimePoint begun{};
    std::unique_ptr<SimCoordinator> coordinator;
    std::unique_ptr<SimMember> member;
};

using Kinds = std::vector<std::string>;

TEST_F(TimelineSim, AQuietSessionHasNothingToTell) {
    build();
    clock.run_for(10min);
    EXPECT_EQ(since_begun(*member->core), Kinds{});
    EXPECT_EQ(since_begun(*coordinator->core), Kinds{});
}

TEST_F(TimelineSim, TellsOfTheWayIn) {
    build();
    Kinds kinds;
    for (const TimelineEntry& each : member->timeline().entries) kinds.emplace_back(kind_of(each.what));
    EXPECT_EQ(std::ranges::count(kinds, "interface_changed"), 3);  // lo, eth0, eth1
    EXPECT_EQ(std::ranges::count(kinds, "dial_ended"), 1);
    EXPECT_EQ(std::ranges::count(kinds, "link_up"), 1);
    EXPECT_EQ(std::ranges::count(kinds, "path_proven"), 2);
    EXPECT_EQ(std::ranges::count(kinds, "joined"), 1);
    EXPECT_EQ(latest<seen::DialEnded>().outcome, seen::DialEnded::Outcome::linked);
    EXPECT_FALSE(latest<seen::DialEnded>().candidates.empty());
    EXPECT_TRUE(member->timeline().entries.back().peer == coordinator->key.id());
}

TEST_F(TimelineSim, ACutCableIsSeenAtTheInterfaceThePathAndTheMove) {
    build();
    const InterfaceIndex cut = used();
    network.unplug(member->node.host(), cut);
    clock.run_for(1s);
    EXPECT_EQ(since_begun(*member->core), (Kinds{"interface_changed", "path_lost", "path_moved"}));
    EXPECT_TRUE(latest<seen::PathLost>().in_use);
    EXPECT_EQ(latest<seen::PathLost>().fault, Fault::link_dead);
    EXPECT_EQ(latest<seen::PathMoved>().fault, Fault::link_dead);
    EXPECT_EQ(latest<seen::PathMoved>().from.interface, latest<seen::InterfaceChanged>().interface.name);
    EXPECT_EQ(since_begun(*coordinator->core), Kinds{"path_moved"});
    network.plug(member->node.host(), cut);
    clock.run_for(2s);
    EXPECT_EQ(since_begun(*member->core).back(), "path_proven");
}

TEST_F(TimelineSim, ABlackHoleIsSeenAtThePathWithTheSilenceBeforeIt) {
    build();
    hole = used();
    clock.run_for(1s);
    EXPECT_EQ(since_begun(*member->core), (Kinds{"path_lost", "path_moved"}));
    EXPECT_EQ(latest<seen::PathLost>().fault, Fault::silent);
    EXPECT_GE(latest<seen::PathLost>().silence, 30ms);
}

TEST_F(TimelineSim, TheLossOfTheOnlyPathIsSeenToItsEnd) {
    build(1);
    network.unplug(member->node.host(), used());
    clock.run_for(2s);
    network.plug(member->node.host(), InterfaceIndex{2});
    clock.run_for(1s);
    Kinds kinds = since_begun(*member->core);
    std::erase(kinds, "path_proven");  // between link_up and resumed, or after both
    EXPECT_EQ(kinds, (Kinds{"interface_changed", "path_lost", "link_ended", "interrupted",
                            "interface_changed", "dial_ended", "link_up", "resumed"}));
    ASSERT_TRUE(latest<seen::LinkEnded>().lost);
    EXPECT_EQ(latest<seen::LinkEnded>().lost->fault(), Fault::link_dead);
}

TEST_F(TimelineSim, StrangersLeaveNoTraceAtACoordinator) {
    build(1);
    const LanId lan{0};
    for (std::uint32_t i = 0; i < 20; ++i) {  // shakes hands and is refused, for its name is taken
        const HostId host = network.add_host("stranger");
        network.attach(host, lan);
        SimMember stranger{clock, network, host, 2, Habits{Profile::realtime, 30s}};
        stranger.start();
        clock.run_until([&] { return stranger.joined || stranger.failure || stranger.ended; }, 5s);
        EXPECT_FALSE(stranger.joined);
        stranger.node.kill();
    }
    EXPECT_EQ(since_begun(*coordinator->core), Kinds{});
}

}  // namespace
}  // namespace muster::sim
