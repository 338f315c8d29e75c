// A group on interfaces that come, go and fall silent, in virtual time.
#include "net/multicast_engine.h"

#include <functional>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::net {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr InterfaceIndex kEth2{2}, kEth3{3};

Interface ethernet(std::uint32_t index) {
    Interface interface;
    interface.index = InterfaceIndex{index};
    interface.name = "eth" + std::to_string(index);
    interface.up = interface.carrier = interface.multicast = true;
    interface.addresses.push_back({*IpAddress::parse("192.0.2." + std::to_string(index)), 24, false});
    return interface;
}

std::vector<Interface> many_ethernets(std::size_t count) {
    std::vector<Interface> many;
    many.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) many.push_back(ethernet(10 + i));
    return many;
}

Interface without_carrier(Interface interface) {
    interface.carrier = false;
    return interface;
}

Interface loopback() {
    Interface interface = ethernet(1);
    interface.name = "lo";
    interface.loopback = true;
    interface.multicast = false;
    interface.kind = InterfaceKind::loopback;
    return interface;
}

struct FakeWire final : MulticastWire {
    JoinAnswer join(InterfaceIndex interface) override {
        ++joins;
        if (refused.contains(interface)) return {JoinAnswer::Kind::failed, "the join fails: No such device"};
        if (answer.kind == JoinAnswer::Kind::joined) joined.insert(interface);
        return answer;
    }
    void leave(InterfaceIndex interface) override { joined.erase(interface); }
    JoinAnswer announce(InterfaceIndex interface) override {
        ++announced;
        if (on_announce) on_announce(interface);
        return answer;
    }
    bool has_older_querier(InterfaceIndex) override { return is_querier_older; }
    bool is_querier_older = false;
    std::set<InterfaceIndex> joined, refused;
    JoinAnswer answer;
    int joins = 0;
    int announced = 0;
    std::function<void(InterfaceIndex)> on_announce;
};

class MulticastEngineTest : public testing::Test {
protected:
    void begin(std::vector<Interface> interfaces, MulticastEngineOptions options = {}) {
        engine_.emplace(std::move(options), wire_, now_);
        engine_->on_interfaces(interfaces, now_);
    }
    void change(const std::vector<Interface>& interfaces) { engine_->on_interfaces(interfaces, now_); }

    void pass(Duration time) {
        const TimePoint end = now_ + time;
        for (int turns = 0; engine_->next_wakeup() <= end; ++turns) {
            ASSERT_LT(turns, 1000) << "the engine wants to be woken for nothing";
            now_ = std::max(now_, engine_->next_wakeup());
            engine_->on_timer(now_);
        }
        now_ = end;
    }
    /// 20 datagrams per second for `time`.
    void hear(InterfaceIndex interface, Duration time) {
        for (Duration passed{}; passed < time; passed += 50ms) {
            pass(50ms);
            engine_->on_datagram(interface, 100, now_);
        }
    }
    MulticastStatus status() const { return engine_->status(); }
    MulticastState state() const { return engine_->status().state; }
    const MulticastInterface& port(std::size_t place) {
        latest_ = engine_->status();
        return latest_.interfaces.at(place);
    }

    TimePoint now_{1h};
    FakeWire wire_;
    MulticastStatus latest_;
    std::optional<MulticastEngine> engine_;
};

TEST_F(MulticastEngineTest, JoinsEveryInterfaceAlsoOneThatIsDownButNotLoopback) {
    begin({loopback(), ethernet(2), without_carrier(ethernet(3))});
    EXPECT_THAT(wire_.joined, ElementsAre(kEth2, kEth3));
    EXPECT_EQ(state(), MulticastState::listening);
}

TEST_F(MulticastEngineTest, TakesLoopbackIfThereIsNothingElseOrItIsNamed) {
    begin({loopback()});
    EXPECT_THAT(wire_.joined, ElementsAre(InterfaceIndex{1}));
    change({loopback(), ethernet(2)});
    EXPECT_THAT(wire_.joined, ElementsAre(kEth2));
    change({loopback()});
    EXPECT_EQ(state(), MulticastState::no_interface) << "a machine that has lost its cable";
    wire_.joined.clear();
    MulticastEngineOptions named;
    named.interfaces = {"lo"};
    begin({loopback(), ethernet(2)}, named);
    EXPECT_THAT(wire_.joined, ElementsAre(InterfaceIndex{1}));
}

TEST_F(MulticastEngineTest, JoinsWhatAppearsLaterAndWhatReturnsUnderAnotherIndex) {
    begin({ethernet(2)});
    hear(kEth2, 2s);
    change({});
    EXPECT_THAT(wire_.joined, IsEmpty());
    EXPECT_EQ(state(), MulticastState::no_interface);
    pass(100ms);
    auto returned = ethernet(3);
    returned.name = "eth2";
    change({returned});
    EXPECT_THAT(wire_.joined, ElementsAre(kEth3));
    pass(400ms);
    hear(kEth3, 50ms);
    EXPECT_EQ(state(), MulticastState::receiving);
    ASSERT_TRUE(status().last_outage);
    EXPECT_EQ(status().last_outage->cause, SilenceCause::interface_gone);
    EXPECT_EQ(status().last_outage->length, 550ms);
}

TEST_F(MulticastEngineTest, WhenASwitchForgetsTheMembershipIsAnnouncedAndTheOutageNamed) {
    begin({ethernet(2)});
    hear(kEth2, 5s);
    wire_.announced = 0;
    bool is_forwarded = false;
    wire_.on_announce = [&](InterfaceIndex) { is_forwarded = true; };
    while (!is_forwarded) pass(10ms);
    hear(kEth2, 1s);
    EXPECT_EQ(wire_.announced, 1);
    EXPECT_EQ(port(0).announcements, 1u);
    EXPECT_EQ(state(), MulticastState::receiving) << "too short to be called silent";
    ASSERT_TRUE(status().last_outage);
    EXPECT_EQ(status().last_outage->cause, SilenceCause::switch_forgot);
    EXPECT_LE(status().last_outage->length, 310ms);
    EXPECT_EQ(status().outages, 1u);
}

TEST_F(MulticastEngineTest, SaysNoGoodbyeAsARoutineWhereOneWouldBeHeard) {
    wire_.is_querier_older = true;
    begin({ethernet(2)});
    hear(kEth2, 150s);
    EXPECT_EQ(wire_.announced, 0);
    pass(1s);
    EXPECT_GT(wire_.announced, 0) << "it is late: there is nothing to be cut off from";
    wire_.is_querier_older = false;
    hear(kEth2, 1s);
    wire_.announced = 0;
    hear(kEth2, 150s);
    EXPECT_EQ(wire_.announced, 2);
}

TEST_F(MulticastEngineTest, SilenceHasACauseThatGetsClearer) {
    begin({ethernet(2)});
    pass(1s);
    EXPECT_EQ(state(), MulticastState::silent);
    EXPECT_EQ(status().silence, SilenceCause::nothing_yet);
    hear(kEth2, 5s);
    EXPECT_EQ(state(), MulticastState::receiving);
    const TimePoint last = now_;
    pass(999ms);
    EXPECT_EQ(state(), MulticastState::receiving);
    pass(1ms);
    EXPECT_EQ(state(), MulticastState::silent);
    EXPECT_EQ(status().silence, SilenceCause::asking_again);
    EXPECT_EQ(status().since, last);
    pass(2s);
    EXPECT_EQ(status().silence, SilenceCause::sender_paused);
    EXPECT_GE(wire_.announced, 3);
    hear(kEth2, 50ms);
    EXPECT_EQ(status().last_outage->cause, SilenceCause::sender_paused);
}

TEST_F(MulticastEngineTest, ASenderThatBecomesSlowerIsNoOutageForEver) {
    begin({ethernet(2)});
    hear(kEth2, 5s);
    for (int i = 0; i < 60; ++i) {
        pass(2s);
        engine_->on_datagram(kEth2, 100, now_);
    }
    EXPECT_EQ(status().outages, 8u);
    engine_->take_change();
    for (int i = 0; i < 60; ++i) {
        pass(2s);
        engine_->on_datagram(kEth2, 100, now_);
    }
    EXPECT_FALSE(engine_->take_change()) << to_string(state());
}

TEST_F(MulticastEngineTest, ALostCarrierIsNoSilenceAndIsTheCauseOfTheOutage) {
    begin({ethernet(2)});
    hear(kEth2, 5s);
    change({without_carrier(ethernet(2))});
    EXPECT_EQ(state(), MulticastState::no_interface);
    const int announced = wire_.announced;
    pass(5s);
    EXPECT_EQ(wire_.announced, announced) << "nobody would hear it";
    change({ethernet(2)});
    pass(0s);
    EXPECT_EQ(wire_.announced, announced + 1) << "switches forget who was behind a port that went down";
    hear(kEth2, 50ms);
    EXPECT_EQ(status().last_outage->cause, SilenceCause::link_down);
}

TEST_F(MulticastEngineTest, WhatIsMadeAnewUnderTheSameIndexIsJoinedAnew) {
    begin({ethernet(2)});
    hear(kEth2, 50ms);
    wire_.announced = 0;
    auto anew = ethernet(2);  // deleted and made between two looks
    anew.addresses.clear();
    change({anew});
    pass(0s);
    EXPECT_EQ(wire_.announced, 1);
    change({anew});
    pass(200ms);
    EXPECT_EQ(wire_.announced, 1) << "nothing has changed";
}

TEST_F(MulticastEngineTest, FindsTheSenderOnAnInterfaceThatWasNotChosenAndDeliversNothingOfIt) {
    MulticastEngineOptions options;
    options.interfaces = {"eth2"};
    begin({ethernet(2), ethernet(3)}, options);
    EXPECT_THAT(wire_.joined, ElementsAre(kEth2));
    pass(1s);
    EXPECT_THAT(wire_.joined, ElementsAre(kEth2, kEth3)) << "while it is silent";
    EXPECT_FALSE(engine_->on_datagram(kEth3, 100, now_));
    EXPECT_EQ(state(), MulticastState::sender_on_other_interface);
    EXPECT_EQ(status().explain(), "it comes by eth3, which was not chosen, and not on eth2");
    pass(5s);
    EXPECT_EQ(state(), MulticastState::silent);
    EXPECT_TRUE(engine_->on_datagram(kEth2, 100, now_));
    EXPECT_EQ(state(), MulticastState::receiving);
    EXPECT_THAT(wire_.joined, ElementsAre(kEth2));
}

TEST_F(MulticastEngineTest, NeverJoinsWhatIsProhibitedNotEvenToLook) {
    MulticastEngineOptions options;
    options.interfaces = {"eth2"};
    options.prohibit = {"eth3"};
    begin({ethernet(2), ethernet(3)}, options);
    pass(1min);
    EXPECT_THAT(wire_.joined, ElementsAre(kEth2));
    EXPECT_EQ(port(1).membership, Membership::prohibited);
    options.interfaces = {};
    options.prohibit = {"*"};
    begin({ethernet(2), ethernet(3)}, options);
    EXPECT_EQ(state(), MulticastState::blocked);
}

TEST_F(MulticastEngineTest, ARefusedJoinIsBlockedAndTriedAgain) {
    wire_.answer = {JoinAnswer::Kind::forbidden, "the system refuses the join: Permission denied"};
    begin({ethernet(2)});
    EXPECT_EQ(state(), MulticastState::blocked);
    EXPECT_EQ(port(0).membership, Membership::blocked);
    EXPECT_EQ(status().explain(), "blocked; eth2: the system refuses the join: Permission denied");
    wire_.answer = {};
    pass(1s);
    EXPECT_EQ(state(), MulticastState::listening);
    EXPECT_EQ(port(0).finding, "");
}

TEST_F(MulticastEngineTest, TooManyInterfacesAreSaidNotJoined) {
    begin(many_ethernets(MulticastEngine::kMostMemberships + 1));
    EXPECT_EQ(wire_.joined.size(), MulticastEngine::kMostMemberships);
    EXPECT_EQ(port(MulticastEngine::kMostMemberships).membership, Membership::failed);
    EXPECT_NE(port(MulticastEngine::kMostMemberships).finding, "");
}

TEST_F(MulticastEngineTest, ALookElsewhereThatFailsIsRepeatedMoreAndMoreSeldomWhateverComes) {
    MulticastEngineOptions options;
    options.interfaces = {"eth2"};
    wire_.refused = {InterfaceIndex{4}};
    begin({ethernet(2), ethernet(3), ethernet(4)}, options);
    pass(1s);
    wire_.joins = 0;
    for (int i = 0; i < 600; ++i) {
        pass(100ms);
        engine_->on_datagram(kEth3, 100, now_);
    }
    EXPECT_EQ(state(), MulticastState::sender_on_other_interface);
    EXPECT_EQ(wire_.joins, 5) << "after 1, 3, 7, 15 and 31 s of a minute";
    wire_.refused.clear();
    pass(5s);
    EXPECT_THAT(wire_.joined, ElementsAre(kEth2, kEth3, InterfaceIndex{4}));
}

TEST_F(MulticastEngineTest, AnInterfaceThatIsOnlyWatchedGivesWayToOneThatIsChosen) {
    constexpr auto kMost = MulticastEngine::kMostMemberships;
    MulticastEngineOptions options;
    options.interfaces = {"eth2", "eth3"};
    auto interfaces = many_ethernets(kMost + 10);
    interfaces.insert(interfaces.begin(), ethernet(2));
    begin(interfaces, options);
    pass(1s);
    EXPECT_EQ(wire_.joins, static_cast<int>(kMost)) << "no attempt where there is no room";
    interfaces.insert(interfaces.begin() + 1, ethernet(3));
    change(interfaces);
    EXPECT_EQ(port(1).membership, Membership::joined) << port(1).finding;
    EXPECT_EQ(wire_.joined.size(), kMost);
    interfaces.erase(interfaces.begin() + 1);
    change(interfaces);
    EXPECT_EQ(wire_.joined.size(), kMost) << "and the place is taken again";
}

TEST_F(MulticastEngineTest, TellsChangesAndNotCounters) {
    begin({ethernet(2)});
    EXPECT_TRUE(engine_->take_change());
    EXPECT_FALSE(engine_->take_change());
    hear(kEth2, 50ms);
    EXPECT_TRUE(engine_->take_change());
    hear(kEth2, 10s);
    EXPECT_FALSE(engine_->take_change());
    pass(1s);
    EXPECT_TRUE(engine_->take_change());
}

}  // namespace
}  // namespace muster::net
