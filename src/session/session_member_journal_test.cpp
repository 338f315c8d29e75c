#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/hand_made_peer.h"
#include "session/journal_rig.h"

namespace muster::session {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(MemberJournal, ASessionOutlivesTheMembersProcess) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    auto& bob = rig.join("bob", DurableRig::patient_member());
    ASSERT_TRUE(say(*ann.engine, Recipients::everyone(), "before"));
    rig.run(50ms);
    rig.restart(ann);
    EXPECT_EQ(rig.durable(ann)->restored.sessions, 1);
    EXPECT_FALSE(ann.engine->is_joined());
    EXPECT_TRUE(ann.engine->wants_link());
    rig.run(10ms);
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), "meanwhile"));
    rig.connect(ann);
    rig.run(50ms);
    EXPECT_TRUE(ann.engine->is_joined());
    EXPECT_TRUE(ann.engine->is_restored());
    EXPECT_THAT(ann.log.coordinator, SizeIs(2)) << "the new process hears that it is in";
    EXPECT_THAT(ann.log.interrupted, IsEmpty()) << "of what came before it joined it hears nothing";
    EXPECT_EQ(rig.log.resumed, 1);
    EXPECT_THAT(rig.log.left, IsEmpty());
    ASSERT_TRUE(say(*ann.engine, Recipients::one(bob.id), "after"));
    rig.run(50ms);
    EXPECT_THAT(texts(ann.log.messages), ElementsAre("meanwhile"));
    EXPECT_THAT(texts(bob.log.messages), ElementsAre("before", "after"));
}

TEST(MemberJournal, WithoutOneTheDeviceJoinsAnew) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    ann.link->cut(24h, 1ms);
    MemberOptions how = DurableRig::patient_member();
    how.name = "ann";
    ann.engine = MemberEngine::create(how, ann.id, ann.log).value();
    ann.log.engine = ann.engine.get();
    rig.run(10ms);
    rig.connect(ann);
    rig.run(700ms);
    EXPECT_EQ(rig.log.resumed, 0);
    EXPECT_THAT(rig.log.left, SizeIs(1)) << "the session of the old process was lost";
    EXPECT_THAT(rig.log.joined, SizeIs(2));
}

TEST(MemberJournal, WhatWasAcceptedIsSentByTheNextProcess) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    ann.link->freeze();
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "one"));
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), std::string(100'000, 'x')));
    rig.run(50ms);
    rig.restart(ann);
    rig.connect(ann);
    rig.run(50ms);
    ASSERT_THAT(rig.log.messages, SizeIs(2));
    EXPECT_EQ(rig.log.messages[1].payload.size(), 100'000);
}

TEST(MemberJournal, NothingLeavesThatTheJournalDoesNotHave) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    rig.durable(ann)->journal.delay = 1s;
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "early"));
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), "answer"));
    rig.run(300ms);
    EXPECT_THAT(rig.log.messages, IsEmpty());
    EXPECT_THAT(ann.log.messages, IsEmpty());
    rig.run(2s);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("early"));
    EXPECT_THAT(texts(ann.log.messages), ElementsAre("answer"));
}

TEST(MemberJournal, WhatTheApplicationHadInItsHandComesAgainAndSaysSo) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    auto& bob = rig.join("bob", DurableRig::patient_member());
    ann.log.reads = false;
    SendOptions how;
    how.channel = ChannelId{3};
    ASSERT_TRUE(say(*bob.engine, Recipients::one(ann.id), "one", how));
    rig.run(50ms);
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), "two"));
    rig.run(50ms);
    ann.engine->consume_messages(3);
    rig.run(50ms);
    rig.restart(ann);
    rig.connect(ann);
    rig.run(50ms);
    ASSERT_THAT(texts(ann.log.messages), ElementsAre("one", "two", "two"));
    EXPECT_EQ(ann.log.messages[0].from, bob.id);
    EXPECT_EQ(ann.log.messages[0].channel, ChannelId{3});
    EXPECT_EQ(ann.log.messages[2].from, rig.id);
    EXPECT_TRUE(ann.log.messages[2].redelivered);
    EXPECT_EQ(ann.log.messages[2].number, ann.log.messages[1].number);
}

TEST(MemberJournal, ItIsRestoredAgainAndAgain) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    for (int life = 1; life <= 5; ++life) {
        rig.restart(ann);
        rig.connect(ann);
        rig.run(20ms);
        ASSERT_TRUE(ann.engine->is_joined()) << "life " << life;
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), std::to_string(life)));
        rig.run(20ms);
    }
    EXPECT_EQ(rig.log.resumed, 5);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("1", "2", "3", "4", "5"));
}

TEST(MemberJournal, AResumptionWaitsUntilNoOtherProcessCanUseItsNumber) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    rig.durable(ann)->journal.delay = 100ms;
    rig.restart(ann);
    rig.connect(ann);
    rig.run(20ms);
    EXPECT_EQ(rig.log.resumed, 0);
    rig.restart(ann);  // before the first one had written anything
    rig.connect(ann);
    rig.run(300ms);
    EXPECT_EQ(rig.log.resumed, 1);
    EXPECT_TRUE(ann.engine->is_joined());
}

TEST(MemberJournal, TheRosterComesWholeWhateverTheDeadProcessHadOfIt) {
    for (const Duration wait : {0us, 300us, 700us, 1000us, 1500us, 2500us, 20000us}) {
        SCOPED_TRACE(wait.count());
        DurableRig rig;
        for (int i = 0; i < 60; ++i) {
            MemberOptions how = DurableRig::patient_member();
            how.info["k"] = std::string(900, 'i');  // the roster takes several frames
            rig.connect(rig.add("m" + std::to_string(i), how));
        }
        rig.run(50ms);
        auto& ann = rig.add_durable("ann");
        rig.connect(ann);
        rig.run(3ms + wait);
        rig.restart(ann);
        rig.connect(ann);
        (void)rig.join("last", DurableRig::patient_member());
        rig.run(200ms);
        EXPECT_TRUE(ann.engine->is_joined());
        EXPECT_THAT(ann.log.ended, IsEmpty());
        EXPECT_EQ(ann.engine->roster().peers.size(), 63);
        EXPECT_EQ(ann.engine->roster().revision, rig.coordinator->roster().revision);
    }
}

TEST(MemberJournal, AskingForTheRosterAgainAndAgainCostsOneAtATime) {
    DurableRig rig;
    for (int i = 0; i < 30; ++i) {
        MemberOptions how = DurableRig::patient_member();
        how.info["k"] = std::string(900, 'i');
        rig.connect(rig.add("m" + std::to_string(i), how));
    }
    rig.run(50ms);
    auto& ann = rig.join_durable("ann");
    std::uint64_t sent = 0;
    for (int i = 0; i < 20; ++i) {
        rig.restart(ann);
        auto& link = rig.connect(ann, [](MemoryLink& fresh) { fresh.delay = 10ms; });
        rig.run(25ms);  // resumed, and dead before it has acknowledged the roster
        sent += link.octets_sent(MemoryLink::Side::coordinator);
    }
    rig.restart(ann);
    rig.connect(ann);
    rig.run(100ms);
    EXPECT_EQ(ann.engine->roster().peers.size(), 32);
    EXPECT_LE(sent, std::uint64_t{20} * 3 * 30'000) << "what waits is not told twice";
}

TEST(MemberJournal, ACoordinatorThatDoesNotKnowTheSessionIsJoinedAnew) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), "old"));
    rig.run(50ms);
    rig.kill();
    rig.journal.disk().clear();
    rig.restart();
    rig.restart(ann);
    rig.connect(ann);
    rig.run(50ms);
    ASSERT_THAT(ann.log.forgotten, SizeIs(1));
    EXPECT_THAT(ann.log.forgotten[0].message(), HasSubstr("not known"));
    EXPECT_THAT(ann.log.ended, IsEmpty());
    EXPECT_TRUE(ann.engine->wants_link());
    rig.connect(ann);
    rig.run(50ms);
    EXPECT_TRUE(ann.engine->is_joined());
    EXPECT_FALSE(ann.engine->is_restored());
    rig.restart(ann);
    rig.connect(ann);
    rig.run(50ms);
    EXPECT_TRUE(ann.engine->is_restored()) << "the new session is in the journal, and only that";
}

TEST(MemberJournal, WhatCannotBeReadIsLeftOutAndTheDeviceJoinsAnew) {
    for (const JournalPart part : {JournalPart::identity, JournalPart::counters, JournalPart::in_lane}) {
        DurableRig rig;
        auto& ann = rig.join_durable("ann");
        ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), "old"));
        rig.run(50ms);
        for (auto& [key, entry] : rig.durable(ann)->journal.disk())
            if (key.part == part) entry.number = ~std::uint64_t{0};
        rig.restart(ann);
        EXPECT_THAT(rig.durable(ann)->restored.left_out, ElementsAre("its entries make no sense"));
        rig.run(10ms);
        rig.connect(ann);
        rig.run(700ms);
        EXPECT_TRUE(ann.engine->is_joined());
        EXPECT_FALSE(ann.engine->is_restored());
    }
}

TEST(MemberJournal, ACoordinatorsJournalIsNotTaken) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    const auto restored = ann.engine->start_journal(rig.journal, rig.journal.contents(),
                                                    Error{Errc::lost, "restarted"}, rig.timeline.now());
    ASSERT_FALSE(restored);
    EXPECT_THAT(restored.error().message(), HasSubstr("not a member's"));
}

TEST(MemberJournal, ASessionThatEndedIsNotTakenUp) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    ann.engine->close(3, "done", 1s, rig.timeline.now());
    rig.run(100ms);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    rig.restart(ann);
    EXPECT_EQ(rig.durable(ann)->restored.sessions, 0);
}

TEST(MemberJournal, AnAttemptThatCameToNothingLeavesTheSessionForTheNextProcess) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    rig.restart(ann);
    ann.engine->abort(rig.timeline.now());  // the application gave up before it was in
    rig.run(50ms);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    rig.restart(ann);
    rig.connect(ann);
    rig.run(50ms);
    EXPECT_TRUE(ann.engine->is_restored());
    EXPECT_TRUE(ann.engine->is_joined());
}

TEST(MemberJournal, WhenTheDiskFailsTheSessionGoesOnWithoutIt) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    rig.durable(ann)->journal.is_broken = true;
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "one"));
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), "two"));
    rig.run(50ms);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("one"));
    EXPECT_THAT(texts(ann.log.messages), ElementsAre("two"));
    EXPECT_THAT(ann.log.ended, IsEmpty());
}

TEST(MemberJournal, BothEndsMayDieAtOnce) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    ann.link->freeze();
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "up"));
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), "down"));
    rig.run(50ms);
    rig.kill();
    rig.restart(ann);
    rig.run(10ms);
    rig.restart();
    rig.connect(ann);
    rig.run(50ms);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("up"));
    EXPECT_THAT(texts(ann.log.messages), ElementsAre("down"));
    EXPECT_TRUE(ann.engine->is_restored());
}

TEST(MemberJournal, StreamsEndWithTheProcessAndSaySo) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    const auto stream = ann.engine->open_stream(rig.id, as_bytes("header"));
    ASSERT_TRUE(stream);
    rig.run(50ms);
    ASSERT_THAT(rig.log.streams, SizeIs(1));
    rig.restart(ann);
    rig.connect(ann);
    rig.run(50ms);
    EXPECT_TRUE(rig.log.streams.begin()->second.reset);
    EXPECT_EQ(rig.log.streams.begin()->second.reset_code, static_cast<std::uint64_t>(ResetCode::restarted));
    ASSERT_TRUE(ann.engine->open_stream(rig.id, as_bytes("again")));
    rig.run(50ms);
    EXPECT_THAT(rig.log.streams, SizeIs(2));
}

TEST(MemberJournal, StreamsOfASessionThatIsForgottenEnd) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    rig.restart(ann);
    (void)rig.join("bob", DurableRig::patient_member());  // the roster comes when she has heard that
    auto& link = rig.connect(ann, [](MemoryLink& fresh) { fresh.delay = 10ms; });
    rig.run(11ms);
    ASSERT_TRUE(rig.coordinator->open_stream(ann.id, as_bytes("header")));
    rig.run(14ms);
    link.freeze();
    ASSERT_THAT(ann.log.streams, SizeIs(1));
    EXPECT_FALSE(ann.engine->is_joined()) << "this test tests nothing";
    rig.run(40s);
    ASSERT_THAT(ann.log.forgotten, SizeIs(1));
    EXPECT_TRUE(ann.log.streams.begin()->second.ended) << "its number may be another stream's from now on";
}

TEST(MemberJournal, AnEndIsToldWhenNoOtherProcessWouldGoOn) {
    for (const bool says_goodbye : {false, true}) {
        DurableRig rig;
        auto& ann = rig.join_durable("ann");
        ann.link->freeze();
        rig.durable(ann)->journal.delay = 20ms;
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "on its way to the disk"));
        rig.run(1ms);
        if (says_goodbye)
            ann.engine->close(3, "done", 1ms, rig.timeline.now());
        else
            ann.engine->abort(rig.timeline.now());
        while (ann.log.ended.empty()) rig.run(1ms);
        rig.restart(ann);
        EXPECT_EQ(rig.durable(ann)->restored.sessions, 0) << says_goodbye;
    }
}

TEST(MemberJournal, ADiskThatHangsDoesNotHoldUpTheEnd) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    rig.durable(ann)->journal.delay = 24h;
    ann.engine->abort(rig.timeline.now());
    rig.run(2s);
    EXPECT_THAT(ann.log.ended, SizeIs(1));
}

TEST(MemberJournal, WhatWaitedIsToldThoughTheDiskFailsBeforeTheSessionGoesOn) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    ann.log.reads = false;
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), "one"));
    rig.run(50ms);
    rig.durable(ann)->journal.is_broken = true;
    rig.restart(ann);
    rig.run(10ms);  // the disk has failed
    rig.connect(ann);
    rig.run(50ms);
    ASSERT_TRUE(ann.engine->is_restored());
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), "two"));
    rig.run(50ms);
    EXPECT_THAT(texts(ann.log.messages), ElementsAre("one", "one", "two"));
}

TEST(MemberJournal, WithoutAGraceTheNextProcessJoinsAnew) {
    DurableRig rig;
    auto& ann = rig.add_durable("ann", MemberOptions{});
    rig.connect(ann);
    rig.run(20ms);
    ASSERT_TRUE(ann.engine->is_joined());
    for (int life = 0; life < 3; ++life) {
        rig.restart(ann);
        rig.run(10ms);
        ASSERT_FALSE(ann.engine->has_ended()) << "life " << life;
        rig.connect(ann);
        rig.run(700ms);
        EXPECT_TRUE(ann.engine->is_joined());
    }
}

TEST(MemberJournal, WhenTheGraceIsOverTheNextProcessJoinsAnew) {
    CoordinatorOptions impatient = DurableRig::patient();
    impatient.grace = 1s;
    DurableRig rig{impatient};
    auto& ann = rig.join_durable("ann");
    rig.restart(ann);
    rig.run(2s);
    ASSERT_FALSE(ann.engine->has_ended()) << ann.log.ended[0].cause().explain();
    rig.connect(ann);
    rig.run(700ms);
    EXPECT_TRUE(ann.engine->is_joined());
}

TEST(MemberJournal, WhoClosesBeforeItIsInDoesNotJoinAnew) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    rig.kill();
    rig.journal.disk().clear();
    rig.restart();
    rig.restart(ann);
    ann.engine->close(3, "enough", 1s, rig.timeline.now());
    rig.connect(ann);
    rig.run(50ms);
    EXPECT_FALSE(ann.engine->wants_link());
    rig.run(2s);
    EXPECT_THAT(ann.log.ended, SizeIs(1));
}

TEST(MemberJournal, NothingIsToldBeforeItIsIn) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE(seed);
        SeededRandomness jitter{seed};
        DurableRig rig;
        (void)rig.join("bob", DurableRig::patient_member());
        auto& ann = rig.join_durable("ann");
        rig.restart(ann);
        rig.connect(ann, [&](MemoryLink& link) { link.jitter = &jitter; });
        rig.run(50ms);
        ASSERT_TRUE(ann.engine->is_joined());
        EXPECT_EQ(ann.log.too_early, 0);
        rig.run(40s);  // longer than a coordinator may keep its roster to itself
        EXPECT_TRUE(ann.engine->is_joined()) << ann.log.ended[0].cause().explain();
    }
}

TEST(MemberJournal, ALinkToAnotherCoordinatorDoesNotHarmTheOneThatResumes) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    rig.restart(ann);
    rig.run(10ms);
    auto& first = rig.connect(ann);
    first.freeze();
    HandMadePeer other{rig.timeline, ann.id, device(201), 99, MemoryLink::Side::coordinator};
    other.link.set_handler(
        MemoryLink::Side::member,
        ann.engine->on_link_up(other.link.port(MemoryLink::Side::member), rig.timeline.now()));
    rig.flush();
    ann.engine->on_link_down(first.port(MemoryLink::Side::member), LinkClosed{7, "bye"}, rig.timeline.now());
    rig.run(50ms);
    EXPECT_THAT(ann.log.forgotten, SizeIs(1));
}

TEST(MemberJournal, AfterALossOfPowerTheDeviceJoinsAnew) {
    DurableRig rig;
    auto& ann = rig.join_durable("ann");
    const auto older = rig.durable(ann)->journal.disk();
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "up"));
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), "down"));
    rig.run(50ms);
    rig.durable(ann)->journal.disk() = older;
    rig.restart(ann);
    rig.run(10ms);
    rig.connect(ann);
    rig.run(50ms);
    ASSERT_FALSE(ann.engine->has_ended()) << ann.log.ended[0].cause().explain();
    if (ann.engine->wants_link()) rig.connect(ann);
    rig.run(700ms);
    EXPECT_TRUE(ann.engine->is_joined());
}

TEST(MemberJournal, TheRosterComesThoughTheCoordinatorDiesBeforeItIsSafe) {
    for (Duration after{}; after < 10ms; after += 500us) {
        SCOPED_TRACE(after / 1us);
        DurableRig rig;
        auto& ann = rig.join_durable("ann");
        rig.restart(ann);
        rig.run(10ms);
        rig.journal.delay = 20ms;
        rig.connect(ann);
        rig.run(after);
        rig.kill_and_restart();
        rig.journal.delay = 500us;
        rig.run(100ms);
        ASSERT_TRUE(ann.engine->is_joined());
        EXPECT_EQ(ann.engine->roster().peers.size(), 2);
    }
}

}  // namespace
}  // namespace muster::session
