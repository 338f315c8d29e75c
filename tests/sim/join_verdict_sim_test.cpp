// How soon a member that has no discovery knows that nobody can answer, and when it must not think so.
#include <gtest/gtest.h>

#include "session/memory_journal.h"
#include "session_rig.h"

namespace muster {
namespace {

using namespace std::chrono_literals;
using namespace sim;

class JoinVerdict : public testing::Test {
protected:
    JoinVerdict() { world.clock.run_for(1s); }

    SimMember& member() { return *world.members[0]; }
    InterfaceIndex eth() { return world.network.interfaces(member().node.host()).back().index; }
    Endpoint coordinator() {
        const auto host = world.coordinator->node.host();
        return {world.network.interfaces(host).back().addresses[0].address, kPort, eth()};
    }
    void join(std::span<const Endpoint> at) { member().start_without_discovery(at); }
    bool fails() {
        return world.clock.run_until([this] { return member().failure.has_value(); }, 15s);
    }

    World world{1, 1};
};

TEST_F(JoinVerdict, WithoutAUsableInterfaceItComesInASecond) {
    world.network.unplug(member().node.host(), eth());
    join({{coordinator()}});
    ASSERT_TRUE(fails());
    EXPECT_EQ(member().failure->code(), Errc::no_interface) << member().failure->explain();
    EXPECT_LE(member().failed_after, 1s);
}

TEST_F(JoinVerdict, AnAddressOnAnInterfaceThatIsNotThereIsToldInASecond) {
    Endpoint at = coordinator();
    at.interface = InterfaceIndex{77};
    join({{at}});
    ASSERT_TRUE(fails());
    EXPECT_EQ(member().failure->code(), Errc::unreachable) << member().failure->explain();
    ASSERT_FALSE(member().failure->evidence().empty());
    EXPECT_EQ(member().failure->evidence()[0].finding, "there is no such interface");
    EXPECT_LE(member().failed_after, 1s);
}

TEST_F(JoinVerdict, NewsAfterItBeginNothing) {
    world.network.unplug(member().node.host(), eth());
    join({{coordinator()}});
    ASSERT_TRUE(fails());
    const TimePoint before = member().core->next_wakeup();
    member().core->on_all_found(world.clock.now(), std::nullopt);
    EXPECT_EQ(member().core->next_wakeup(), before) << "nobody is called again";
}

TEST_F(JoinVerdict, AnInterfaceThatComesUpInTimeIsUsed) {
    world.network.unplug(member().node.host(), eth());
    join({{coordinator()}});
    world.clock.run_for(900ms);
    world.network.plug(member().node.host(), eth());
    ASSERT_TRUE(world.clock.run_until([this] { return member().joined; }, 1s));
}

TEST_F(JoinVerdict, NewsOfInterfacesThatDoNotHelpDoNotPutItOff) {
    world.network.unplug(member().node.host(), eth());
    join({{coordinator()}});
    for (int i = 0; i < 3; ++i) {
        world.clock.run_for(350ms);
        world.network.take_down(member().node.host(), eth());
        world.network.bring_up(member().node.host(), eth());
    }
    ASSERT_TRUE(fails());
    EXPECT_LE(member().failed_after, 1s);
}

TEST_F(JoinVerdict, WithNobodyToAskItComesAtOnce) {
    join({});
    ASSERT_TRUE(fails());
    EXPECT_EQ(member().failure->code(), Errc::no_coordinator) << member().failure->explain();
    EXPECT_FALSE(member().failure->cure().empty());
    EXPECT_LE(member().failed_after, 1ms);
}

TEST_F(JoinVerdict, AnotherDeviceThanTheOneWantedIsToldAtOnce) {
    const auto host = world.network.add_host("choosy");
    world.network.attach(host, world.lan);
    SimMember choosy{world.clock, world.network, host, 9, Habits{Profile::balanced, key_of(77).id()}};
    choosy.start_without_discovery({{coordinator()}});
    ASSERT_TRUE(world.clock.run_until([&] { return choosy.failure.has_value(); }, 15s));
    EXPECT_EQ(choosy.failure->code(), Errc::untrusted) << choosy.failure->explain();
    EXPECT_LE(choosy.failed_after, 10ms);
    choosy.node.kill();
}

TEST_F(JoinVerdict, WrongAddressesBesideTheRightOneDoNoHarm) {
    Endpoint nowhere = coordinator();
    nowhere.interface = InterfaceIndex{77};
    join({{nowhere, coordinator()}});
    ASSERT_TRUE(world.clock.run_until([this] { return member().joined; }, 100ms));
}

TEST_F(JoinVerdict, SilenceIsNoVerdictForTheCoordinatorMayStillCome) {
    world.network.block(member().node.host(), world.coordinator->node.host());
    join({{coordinator()}});
    world.clock.run_for(6s);
    EXPECT_FALSE(member().failure) << member().failure->explain();
    world.network.unblock(member().node.host(), world.coordinator->node.host());
    ASSERT_TRUE(world.clock.run_until([this] { return member().joined; }, 2s));
}

/// Starts to join, and loses the cable after so long. The LAN is slow: the handshake and the request take 40 ms.
struct CutWhileJoining {
    explicit CutWhileJoining(Duration after) {
        world.network.set_quality(world.lan, {.delay = 5ms});
        world.clock.run_for(1s);
        member.start();
        world.clock.run_for(after);
        world.network.unplug(host, kEth);
    }

    static constexpr InterfaceIndex kEth{2};
    World world{1, 1};
    SimMember& member = *world.members[0];
    HostId host = member.node.host();
};

TEST(JoinAgain, ALinkThatGoesBeforeTheAnswerIsReplaced) {
    int searched_again = 0;
    for (Duration after{}; after < 80ms; after += 1ms) {  // at every step of it
        CutWhileJoining cut{after};
        cut.world.clock.run_for(300ms);
        cut.world.network.plug(cut.host, cut.kEth);
        const auto is_in = [&] { return cut.member.joined && cut.member.peers == 2; };
        // After the coordinator's answer the session is lost as any other without grace.
        const bool is_over = !cut.world.clock.run_until(is_in, 5s) && cut.member.ended && cut.member.joined;
        EXPECT_TRUE(is_in() || is_over)
            << after / 1ms << " ms: " << (cut.member.failure ? cut.member.failure->explain() : "no failure");
        searched_again += cut.member.searched_again;
    }
    EXPECT_GT(searched_again, 3) << "or the cut hit nothing";
}

TEST(JoinAgain, EndsWithThePatienceAndSaysWhatWasTried) {
    for (Duration after{}; after < 80ms; after += 1ms) {
        CutWhileJoining cut{after};
        if (cut.world.clock.run_until([&] { return cut.member.searched_again > 0; }, 1s)) {
            ASSERT_TRUE(cut.world.clock.run_until([&] { return cut.member.failure.has_value(); }, 11s));
            EXPECT_NE(cut.member.failure->explain().find("eth0 has no carrier"), std::string::npos)
                << cut.member.failure->explain();
            EXPECT_LE(cut.member.failed_after, 10s);
            return;
        }
    }
    FAIL() << "the cut never hit the request to join";
}

/// A member that says hello and leaves as soon as it is in, and loses its interface so long after it was told so.
struct LeaveAtOnce {
    explicit LeaveAtOnce(Duration after) {
        network.attach(coordinator.node.host(), lan);
        network.attach(host, lan);
        coordinator.start();
        clock.run_for(1s);
        member.start();
        EXPECT_TRUE(clock.run_until([&] { return member.joined; }, 1s));
        clock.run_for(after);
        network.detach(host, InterfaceIndex{2});
        auto& session = member.core->session();
        EXPECT_TRUE(session.send(Recipients::coordinator(), {}, as_bytes("hello")));
        session.close(0, "done", 5s, clock.now());
        member.node.turn();
    }
    ~LeaveAtOnce() {
        member.node.kill();
        coordinator.node.kill();
    }

    SimClock clock;
    SimNetwork network{clock, 1};
    const LanId lan = network.add_lan({.quality = {.delay = 5ms}});
    SimCoordinator coordinator{clock, network, network.add_host("coordinator"), {Profile::balanced, 30s}};
    const HostId host = network.add_host("member");
    SimMember member{clock, network, host, 2, {Profile::balanced, 30s}};
};

TEST(JoinAgain, WhatWasSaidBeforeLeavingArrivesOverAnotherInterface) {
    for (Duration after{}; after < 30ms; after += 1ms) {
        LeaveAtOnce leave{after};
        leave.clock.run_for(300ms);
        leave.network.attach(leave.host, leave.lan);
        leave.clock.run_for(5s);
        EXPECT_EQ(leave.coordinator.messages, 1u) << after / 1ms << " ms";
        EXPECT_TRUE(leave.member.ended && leave.member.ended->is_closed()) << after / 1ms << " ms";
    }
}

/// A journal on a disk that takes its time.
struct SlowDisk final : session::Journal {
    SlowDisk(SimClock& the_clock, SimMember& whose) : clock(the_clock), member(whose) {}
    void write(session::JournalBatch) override {
        most = std::max(most, ++under_way);
        clock.after(1s, [this] {
            --under_way;
            member.core->on_journal_written(clock.now());
            member.node.turn();
        });
    }
    SimClock& clock;
    SimMember& member;
    int under_way = 0, most = 0;
};

TEST(JoinAgain, OneBatchOfTheJournalIsOnItsWayAtATime) {
    int searched_again = 0;
    for (Duration after{}; after < 80ms; after += 1ms) {
        World world{1, 1};
        SimMember& member = *world.members[0];
        SlowDisk disk{world.clock, member};
        world.network.set_quality(world.lan, {.delay = 5ms});
        world.clock.run_for(1s);
        ASSERT_TRUE(member.core->start_journal(disk, {}, Error{Errc::lost, ""}, world.clock.now()));
        member.start();
        world.clock.run_for(after);
        world.network.unplug(member.node.host(), InterfaceIndex{2});
        world.clock.run_for(300ms);
        world.network.plug(member.node.host(), InterfaceIndex{2});
        world.clock.run_for(5s);
        searched_again += member.searched_again;
        EXPECT_LE(disk.most, 1) << after / 1ms << " ms";
    }
    EXPECT_GT(searched_again, 3) << "or the cut hit nothing";
}

/// A coordinator, and a member with a journal that has joined.
struct DurableMember {
    DurableMember() {
        world.clock.run_for(1s);
        keep();
        member().start();
        EXPECT_TRUE(world.clock.run_until([this] { return member().peers == 2; }, 5s));
        world.clock.run_for(1s);
    }
    SimMember& member() { return *world.members[0]; }
    void keep() {
        journal.on_written = [this] {
            member().core->on_journal_written(world.clock.now());
            member().node.turn();
        };
        const auto kept = member().core->start_journal(journal, journal.contents(),
                                                       Error{Errc::lost, "again"}, world.clock.now());
        EXPECT_TRUE(kept);
    }
    void kill() {
        journal.crash();
        member().node.kill();
    }
    /// The next process.
    void start(Duration patience) {
        Habits habits{Profile::balanced, 30s};
        habits.patience = patience;
        world.members[0] =
            std::make_unique<SimMember>(world.clock, world.network, member().node.host(), 2, habits);
        keep();
        member().start();
    }
    bool has_given_up() { return member().failure || member().ended; }

    World world{1, 1, {}, {Profile::balanced, 30s}};
    session::MemoryJournal journal{
        [this](Duration delay, std::function<void()> what) { world.clock.after(delay, std::move(what)); }};
};

TEST(JoinAgain, WhoIsForgottenWhenThePatienceIsOverGivesUp) {
    int forgotten = 0;
    for (Duration patience = 20ms; patience < 120ms; patience += 1ms) {
        DurableMember durable;
        World& world = durable.world;
        durable.kill();
        world.restart_coordinator();  // which knows nobody
        world.network.set_quality(world.lan, {.delay = 5ms});
        world.clock.run_for(1s);
        durable.start(patience);
        if (!world.clock.run_until([&] { return durable.member().forgotten > 0; }, 1s)) continue;
        ++forgotten;
        world.network.unplug(durable.member().node.host(), InterfaceIndex{2});
        world.clock.run_for(60s);
        EXPECT_TRUE(durable.has_given_up()) << patience / 1ms << " ms: it waits for ever";
    }
    EXPECT_GT(forgotten, 3);
}

TEST(JoinAgain, WhoseCoordinatorClosesAndGoesGivesUp) {
    int forgotten = 0;
    for (Duration after{}; after < 60ms; after += 1ms) {
        DurableMember durable;
        World& world = durable.world;
        durable.kill();
        world.network.set_quality(world.lan, {.delay = 5ms});
        durable.start(500ms);
        world.clock.run_for(after);
        world.coordinator->core->session().close(7, "enough", 1s, world.clock.now());
        world.coordinator->node.turn();
        world.clock.run_for(12ms);
        world.coordinator->node.kill();
        world.clock.run_for(60s);
        forgotten += durable.member().forgotten;
        EXPECT_TRUE(durable.has_given_up()) << after / 1ms << " ms: it waits for ever";
    }
    EXPECT_GT(forgotten, 3) << "or the close came never between";
}

TEST(JoinAgain, ARestoredSessionIsNotGivenUpForAnotherCoordinator) {
    DurableMember durable;
    World& world = durable.world;
    durable.kill();
    world.coordinator->node.kill();
    const HostId host = world.network.add_host("another");
    world.network.attach(host, world.lan);
    SimCoordinator another{world.clock, world.network, host, world.habits, 77};
    another.start();
    world.clock.run_for(2s);
    durable.start(5s);
    world.clock.run_for(10s);
    EXPECT_EQ(durable.member().forgotten, 0);
    EXPECT_TRUE(durable.has_given_up());
    EXPECT_EQ(another.joined, 0u);
    another.node.kill();
}

TEST_F(JoinVerdict, SpeaksOfNoProgram) {
    join({});
    ASSERT_TRUE(fails());
    for (const char* word : {"`muster", " --"})
        EXPECT_EQ(member().failure->explain().find(word), std::string::npos) << member().failure->explain();
}

}  // namespace
}  // namespace muster
