// A watchdog on every wait: each actor in turn does not run for a while, or never again, and everybody else must come to a defined
// end, with a reason, within the deadline that docs/DEADLINES.md states; when the actor runs again, all recover or say why.
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/duration_text.h"
#include "session_rig.h"

namespace muster::sim {
namespace {

constexpr Profile kProfile = Profile::balanced;
constexpr Duration kBound = 1200ms;  // liveness_bound(kProfile)
constexpr Duration kSurely = 500ms;  // nobody doubts a link sooner
constexpr Duration kGrace = 10s;
constexpr Duration kPatience = 10s;            // of a join, for a link
constexpr Duration kLongerThanAnything = 60s;  // deadlines of a session's engines: 30 s at most
constexpr Duration kDuration = 5s;             // longer than the bound, shorter than the grace
// From the moment at which everybody runs and hears each other again: the longest pause between probes, which are a
// share of the outage, and a handshake.
constexpr Duration kRecovery = 1500ms;

enum class Way : std::uint8_t { stopped, asleep };

void freeze(SimNode& node, Way how) {
    if (how == Way::stopped) node.freeze();
    if (how == Way::asleep) node.sleep();
}

/// A coordinator, a member that always runs, and one that may be frozen; both talk to the coordinator.
class FreezeSim : public testing::Test {
protected:
    ~FreezeSim() override { end_world(); }

    void begin_world() {
        end_world();
        network = std::make_unique<SimNetwork>(*(clock = std::make_unique<SimClock>()), 1);
        lan = network->add_lan();
        coordinator = std::make_unique<SimCoordinator>(*clock, *network, add_host("coordinator"),
                                                       Habits{kProfile, grace});
        coordinator->start();
        witness = add_member("witness", 2);
        witness->start();
        ASSERT_TRUE(clock->run_until([this] { return witness->joined; }, 5s));
        actor = add_member("actor", 3);
    }
    void begin_session() {
        begin_world();
        actor->start();
        ASSERT_TRUE(clock->run_until([this] { return actor->peers == 3 && witness->peers == 3; }, 5s));
        clock->run_for(1s);
    }
    void end_world() {
        for (auto* each : {actor.get(), witness.get(), newcomer.get()})
            if (each) each->node.kill();
        if (coordinator) coordinator->node.kill();
        newcomer = nullptr, actor = nullptr, witness = nullptr, coordinator = nullptr;
    }
    HostId add_host(const char* name) {
        const HostId host = network->add_host(name);
        port = network->attach(host, lan);
        return host;
    }
    std::unique_ptr<SimMember> add_member(const char* name, std::uint32_t number) {
        return std::make_unique<SimMember>(*clock, *network, add_host(name), number, Habits{kProfile, grace});
    }

    static bool is_over(const SimMember& member) { return member.ended || member.failure; }
    static bool is_lost(const SimMember& member) { return member.ended && member.ended->is_lost(); }
    /// A message each way arrives soon.
    bool talks(SimMember& member) {
        const std::size_t up = coordinator->messages, down = member.messages;
        const Bytes word = to_bytes("word");
        if (!member.core->session().send(Recipients::coordinator(), {}, word)) return false;
        if (!coordinator->core->session().send(Recipients::one(member.key.id()), {}, word)) return false;
        member.node.turn();
        coordinator->node.turn();
        return clock->run_until([&] { return coordinator->messages > up && member.messages > down; },
                                kRecovery);
    }
    /// Somebody who has nothing to do with what happened finds everything in order.
    bool newcomer_joins() {
        newcomer = add_member("newcomer", 4);
        newcomer->start();
        return clock->run_until([this] { return newcomer->joined; }, kRecovery);
    }

    Duration grace = kGrace;
    std::unique_ptr<SimClock> clock;
    std::unique_ptr<SimNetwork> network;
    LanId lan{};
    InterfaceIndex port{};  // of the last host
    std::unique_ptr<SimCoordinator> coordinator;
    std::unique_ptr<SimMember> witness, actor, newcomer;
};

// --- the coordinator

TEST_F(FreezeSim, TheCoordinatorRunsAgainWithinTheGrace) {
    for (const Way how : {Way::stopped, Way::asleep})
        for (const Duration time :
             {Duration{100ms}, Duration{900ms}, Duration{1150ms}, Duration{2s}, Duration{9s}}) {
            SCOPED_TRACE(in_milliseconds(time) + (how == Way::asleep ? " asleep" : " stopped"));
            begin_session();
            freeze(coordinator->node, how);
            clock->run_for(time);
            if (time < kSurely || time >= kBound) {
                EXPECT_EQ(witness->interrupted_at.empty(), time < kBound) << "told within the bound";
            }
            coordinator->node.thaw();
            clock->run_for(kRecovery);
            EXPECT_TRUE(talks(*witness) && talks(*actor));
            EXPECT_FALSE(is_over(*witness) || is_over(*actor));
            EXPECT_EQ(coordinator->left, 0u);
        }
}

TEST_F(FreezeSim, TheCoordinatorRunsAgainAfterEverybodyHasGivenUp) {
    for (const Way how : {Way::stopped, Way::asleep}) {
        begin_session();
        freeze(coordinator->node, how);
        clock->run_for(kBound + kGrace);
        EXPECT_TRUE(is_lost(*witness) && is_lost(*actor)) << "also if it never runs again";
        EXPECT_EQ(witness->core->links().links(), 0u);
        clock->run_for(kLongerThanAnything);
        coordinator->node.thaw();
        EXPECT_TRUE(newcomer_joins()) << "at once";
        clock->run_for(kBound + kGrace);
        EXPECT_EQ(coordinator->lost, 2u);
        EXPECT_EQ(coordinator->core->links().links(), 1u);
        EXPECT_TRUE(talks(*newcomer));
    }
}

/// The actor's datagrams decide where the other one stops: at every step of what `begin` begins, in turn.
template <class Begin, class Check>
void at_every_step(Begin begin, Check check) {
    for (std::size_t step = 0; step < 100; ++step) {
        SCOPED_TRACE("step " + std::to_string(step));
        if (!begin(step)) {
            EXPECT_GE(step, 4u) << "the control: there were steps";
            return;
        }
        check();
        if (testing::Test::HasFailure()) return;
    }
    ADD_FAILURE() << "it never came to its end";
}

TEST_F(FreezeSim, TheCoordinatorStopsForEverAtEachStepOfAJoin) {
    at_every_step(
        [this](std::size_t step) {
            begin_world();
            coordinator->node.freeze_after(step);
            actor->start();
            clock->run_for(2s);
            return coordinator->node.is_frozen() && !(actor->joined && actor->peers == 3);
        },
        [this] {
            clock->run_for(kPatience - 2s + 100ms);
            EXPECT_TRUE(is_over(*actor)) << "within its patience";
            EXPECT_EQ(actor->core->links().links(), 0u);
            clock->run_for(kBound + kGrace);
            EXPECT_TRUE(is_lost(*witness));
        });
}

TEST_F(FreezeSim, TheCoordinatorRunsAgainAtEachStepOfAJoin) {
    at_every_step(
        [this](std::size_t step) {
            begin_world();
            coordinator->node.freeze_after(step);
            actor->start();
            clock->run_for(2s);
            return coordinator->node.is_frozen() && !(actor->joined && actor->peers == 3);
        },
        [this] {
            clock->run_for(kDuration - 2s);
            coordinator->node.thaw();
            clock->run_for(kRecovery);
            EXPECT_TRUE(actor->joined && !is_over(*actor));
            EXPECT_TRUE(talks(*actor) && talks(*witness));
        });
}

// --- a member that joins

TEST_F(FreezeSim, AMemberStopsForEverAtEachStepOfItsJoin) {
    at_every_step(
        [this](std::size_t step) {
            begin_world();
            actor->node.freeze_after(step);
            actor->start();
            clock->run_for(2s);
            return actor->node.is_frozen() && !(actor->joined && actor->peers == 3);
        },
        [this] {
            clock->run_for(kBound + kGrace);
            EXPECT_EQ(coordinator->joined, 1 + coordinator->left) << "nobody but the witness is a member";
            EXPECT_EQ(coordinator->lost, coordinator->left);
            EXPECT_EQ(coordinator->core->links().links(), 1u);
            EXPECT_TRUE(talks(*witness) && newcomer_joins());
        });
}

TEST_F(FreezeSim, AMemberRunsAgainAtEachStepOfItsJoin) {
    for (const Duration time : {kDuration, kLongerThanAnything}) {
        at_every_step(
            [this](std::size_t step) {
                begin_world();
                actor->node.freeze_after(step);
                actor->start();
                clock->run_for(2s);
                return actor->node.is_frozen() && !(actor->joined && actor->peers == 3);
            },
            [this, time] {
                clock->run_for(time);
                actor->node.thaw();
                clock->run_for(kBound + kRecovery);
                const bool is_here = actor->joined && !is_over(*actor);
                EXPECT_TRUE(is_here || is_over(*actor)) << "it has joined, or says why not";
                EXPECT_TRUE(is_here || time > kPatience) << "its patience was not over";
                if (is_here) {
                    EXPECT_TRUE(talks(*actor));
                }
                EXPECT_TRUE(talks(*witness));
            });
    }
}

// --- a member whose session is there

TEST_F(FreezeSim, AMemberRunsAgainWithinTheGrace) {
    for (const Way how : {Way::stopped, Way::asleep})
        for (const Duration time : {Duration{100ms}, Duration{1150ms}, Duration{2s}, Duration{9s}}) {
            SCOPED_TRACE(in_milliseconds(time) + (how == Way::asleep ? " asleep" : " stopped"));
            begin_session();
            freeze(actor->node, how);
            clock->run_for(time);
            if (time < kSurely || time >= kBound) {
                EXPECT_EQ(coordinator->interrupted, time < kBound ? 0u : 1u);
            }
            actor->node.thaw();
            clock->run_for(kRecovery);
            EXPECT_TRUE(talks(*actor) && talks(*witness));
            EXPECT_FALSE(is_over(*actor));
            EXPECT_EQ(coordinator->left, 0u);
        }
}

TEST_F(FreezeSim, AMemberRunsAgainAfterItsGrace) {
    for (const Way how : {Way::stopped, Way::asleep}) {
        begin_session();
        freeze(actor->node, how);
        clock->run_for(kBound + kGrace);
        EXPECT_EQ(coordinator->lost, 1u) << "also if it never runs again";
        EXPECT_EQ(coordinator->core->links().links(), 1u);
        clock->run_for(kLongerThanAnything);
        actor->node.thaw();
        clock->run_for(kRecovery);
        EXPECT_TRUE(is_lost(*actor)) << "the coordinator says that it does not know the session any more";
        EXPECT_TRUE(talks(*witness) && newcomer_joins());
    }
}

TEST_F(FreezeSim, AMachineThatSleepsWhileItsSessionIsInterruptedFindsTheGraceOver) {
    begin_session();
    network->unplug(actor->node.host(), port);
    clock->run_for(kBound);
    ASSERT_EQ(actor->interrupted_at.size(), 1u);
    actor->node.sleep();
    clock->run_for(kGrace);
    EXPECT_FALSE(is_over(*actor));
    actor->node.thaw();
    clock->run_for(1ms);
    ASSERT_TRUE(is_lost(*actor)) << "at once, not after the rest of a grace that stood still";
    EXPECT_THAT(actor->ended->cause().explain(), testing::HasSubstr("no other link within the grace"));
    EXPECT_TRUE(talks(*witness));
}

// --- a session that is being resumed

class FreezeAtResumption : public FreezeSim {
protected:
    /// The actor's cable was out for longer than the bound; `who` stops after so many datagrams once it is back. False if that is all.
    bool begin_resumption(SimNode SimCoordinator::* coordinators, SimNode SimMember::* members,
                          std::size_t step) {
        begin_session();
        const InterfaceIndex cable = port;
        network->unplug(actor->node.host(), cable);
        clock->run_for(2 * kBound);
        if (coordinators) ((*coordinator).*coordinators).freeze_after(step);
        if (members) ((*actor).*members).freeze_after(step);
        network->plug(actor->node.host(), cable);
        clock->run_for(kRecovery);
        return actor->resumed_at.empty() || coordinator->resumed == 0;
    }
};

TEST_F(FreezeAtResumption, TheCoordinatorAtEachStep) {
    at_every_step([this](std::size_t step) { return begin_resumption(&SimCoordinator::node, nullptr, step); },
                  [this] {
                      ASSERT_TRUE(coordinator->node.is_frozen());
                      clock->run_for(kDuration);
                      coordinator->node.thaw();
                      clock->run_for(kRecovery);
                      EXPECT_TRUE(talks(*actor) && talks(*witness));
                      EXPECT_EQ(coordinator->left, 0u);
                  });
    at_every_step([this](std::size_t step) { return begin_resumption(&SimCoordinator::node, nullptr, step); },
                  [this] {
                      clock->run_for(kBound + kGrace);
                      EXPECT_TRUE(is_lost(*actor) && is_lost(*witness));
                      EXPECT_EQ(actor->core->links().links(), 0u);
                  });
}

TEST_F(FreezeAtResumption, TheMemberAtEachStep) {
    at_every_step([this](std::size_t step) { return begin_resumption(nullptr, &SimMember::node, step); },
                  [this] {
                      ASSERT_TRUE(actor->node.is_frozen());
                      clock->run_for(kDuration);
                      actor->node.thaw();
                      clock->run_for(kRecovery);
                      EXPECT_TRUE(talks(*actor) && talks(*witness));
                      EXPECT_EQ(coordinator->left, 0u);
                  });
    at_every_step([this](std::size_t step) { return begin_resumption(nullptr, &SimMember::node, step); },
                  [this] {
                      clock->run_for(kBound + kGrace);
                      EXPECT_EQ(coordinator->lost, 1u);
                      EXPECT_EQ(coordinator->core->links().links(), 1u);
                      EXPECT_TRUE(talks(*witness));
                  });
}

// --- who answers for names

TEST_F(FreezeSim, NobodyAnswersForNames) {
    begin_world();
    network->set_filter([](const Passing& each) { return each.destination.port == discovery::kMdnsPort; });
    actor->start();
    clock->run_for(kPatience + 100ms);
    ASSERT_TRUE(actor->failure) << "within its patience";
    EXPECT_EQ(actor->failure->code(), Errc::no_coordinator);

    begin_world();
    network->set_filter([](const Passing& each) { return each.destination.port == discovery::kMdnsPort; });
    actor->start();
    clock->run_for(kDuration);
    network->set_filter(nullptr);
    EXPECT_TRUE(clock->run_until([this] { return actor->joined; }, 3s)) << "the next question is answered";
}

// The control: a wait that is longer than stated would be seen.
TEST_F(FreezeSim, ALongerWaitIsSeen) {
    grace = 3 * kGrace;
    begin_session();
    coordinator->node.freeze();
    clock->run_for(kBound + kGrace);
    EXPECT_FALSE(is_lost(*witness) || is_lost(*actor));
}

}  // namespace
}  // namespace muster::sim
