#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/writer.h"
#include "session/journal_rig.h"
#include "session/saved_session.h"

namespace muster::session {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(SessionJournal, ASessionOutlivesTheCoordinatorsProcess) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    ASSERT_THAT(ann.log.coordinator, SizeIs(1));
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "before"));
    rig.run(50ms);
    rig.kill();
    rig.run(10ms);
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "meanwhile"));
    rig.restart();
    EXPECT_EQ(rig.restored.sessions, 1);
    ASSERT_THAT(rig.log.joined, SizeIs(2)) << "the new process hears who is there";
    EXPECT_EQ(rig.log.joined[1].name, "ann");
    ASSERT_THAT(rig.log.interrupted, SizeIs(1));
    EXPECT_EQ(rig.log.interrupted[0].message(), "the process was started anew");
    ASSERT_TRUE(say(*rig.coordinator, Recipients::everyone(), "from the new one"));
    rig.connect(ann);
    rig.run(50ms);
    EXPECT_EQ(rig.log.resumed, 1);
    EXPECT_EQ(ann.log.resumed, 1);
    EXPECT_THAT(ann.log.ended, IsEmpty());
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("before", "meanwhile"));
    EXPECT_THAT(texts(ann.log.messages), ElementsAre("from the new one"));
}

TEST(SessionJournal, WithoutOneTheSessionIsLost) {
    Rig rig{DurableRig::patient()};
    auto& ann = rig.join("ann", DurableRig::patient_member());
    ann.link->freeze();
    rig.coordinator = CoordinatorEngine::create(DurableRig::patient(), rig.id, rig.random, rig.log).value();
    rig.log.engine = rig.coordinator.get();
    rig.connect(ann);
    rig.run(50ms);
    ASSERT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_TRUE(ann.log.ended[0].is_lost());
}

TEST(SessionJournal, WhatWaitsForAMemberIsSentByTheNextProcess) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    bob.link->freeze();
    std::vector<std::string> said;
    for (int i = 0; i < 300; ++i) {
        said.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i) * 40, '.'));
        ASSERT_TRUE(say(*ann.engine, Recipients::one(bob.id), said.back()));
    }
    rig.run(100ms);
    ASSERT_THAT(bob.log.messages, IsEmpty()) << "this test tests nothing";
    rig.kill_and_restart();
    rig.run(200ms);
    EXPECT_EQ(texts(bob.log.messages), said);
    EXPECT_THAT(bob.log.messages[0].from, ann.id);
}

TEST(SessionJournal, NothingIsKnownOutsideThatTheJournalDoesNotHave) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    rig.run(50ms);
    rig.journal.delay = 1s;
    ASSERT_TRUE(say(*ann.engine, Recipients::everyone(), "early"));
    rig.run(300ms);
    EXPECT_THAT(rig.log.messages, IsEmpty());
    EXPECT_THAT(bob.log.messages, IsEmpty());
    rig.run(2s);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("early"));
    EXPECT_THAT(texts(bob.log.messages), ElementsAre("early"));
}

TEST(SessionJournal, AMessageThatTheApplicationHadInItsHandIsDeliveredAgainAndSaysSo) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    rig.log.reads = false;
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "one"));
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "two"));
    rig.run(50ms);
    rig.coordinator->consume_messages(ann.id, 3);  // done with the first
    rig.run(50ms);
    rig.kill_and_restart();
    rig.run(50ms);
    ASSERT_THAT(texts(rig.log.messages), ElementsAre("one", "two", "two"));
    EXPECT_FALSE(rig.log.messages[1].redelivered);
    EXPECT_TRUE(rig.log.messages[2].redelivered);
    EXPECT_EQ(rig.log.messages[1].number, 1);
    EXPECT_EQ(rig.log.messages[2].number, 1);
    rig.coordinator->consume_messages(ann.id, 3);
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "three"));
    rig.run(50ms);
    EXPECT_EQ(rig.log.messages.back().number, 2);
    EXPECT_FALSE(rig.log.messages.back().redelivered);
}

TEST(SessionJournal, CreditOutlivesTheProcess) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    rig.log.reads = false;
    const std::string text(100'000, 'x');
    std::size_t taken = 0, said = 0;
    std::set<std::uint64_t> numbers;
    for (int round = 0; round < 40; ++round) {
        while (said < 200 && say(*ann.engine, Recipients::coordinator(), text)) ++said;
        rig.run(50ms);
        for (const Message& message : rig.log.messages) numbers.insert(message.number);
        ASSERT_LE(numbers.size() - taken, 20) << "more than the receive queue";
        ASSERT_GE(numbers.size() - taken, said == 200 ? 0 : 15) << "credit was lost";
        if (round % 5 == 4) rig.kill_and_restart();
        rig.coordinator->consume_messages(ann.id, 5 * text.size(), 5);
        taken += 5;
    }
    EXPECT_THAT(ann.log.ended, IsEmpty());
    EXPECT_THAT(rig.log.left, IsEmpty());
    EXPECT_EQ(numbers.size(), said);
    EXPECT_EQ(said, 200);
}

TEST(SessionJournal, StreamsEndAndSayWhy) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    const auto to_coordinator = ann.engine->open_stream(rig.id, as_bytes("a"));
    const auto to_bob = ann.engine->open_stream(bob.id, as_bytes("b"));
    const auto from_coordinator = rig.coordinator->open_stream(bob.id, as_bytes("c"));
    ASSERT_TRUE(to_coordinator && to_bob && from_coordinator);
    ASSERT_TRUE(ann.engine->write(*to_bob, Slice::copy_of(as_bytes("hello"))));
    rig.run(50ms);
    ASSERT_THAT(bob.log.streams, SizeIs(2));
    ASSERT_TRUE(ann.engine->write(*to_bob, Slice::copy_of(as_bytes("nobody hears"))));
    rig.kill_and_restart();
    rig.run(200ms);
    const auto gone = static_cast<std::uint64_t>(ResetCode::restarted);
    const auto both_are_there = static_cast<std::uint64_t>(ResetCode::relay_restarted);
    EXPECT_EQ(ann.log.streams[*to_coordinator].reset_code, gone);
    EXPECT_EQ(ann.log.streams[*to_bob].reset_code, both_are_there);
    for (const auto& [handle, seen] : bob.log.streams)
        EXPECT_EQ(seen.reset_code, seen.header == "b" ? both_are_there : gone) << seen.header;
    // New ones can be opened, in all directions.
    ASSERT_TRUE(ann.engine->open_stream(bob.id, as_bytes("d")));
    ASSERT_TRUE(bob.engine->open_stream(rig.id, as_bytes("e")));
    ASSERT_TRUE(rig.coordinator->open_stream(ann.id, as_bytes("f")));
    rig.run(100ms);
    EXPECT_THAT(bob.log.streams, SizeIs(3));
    EXPECT_THAT(ann.log.streams, SizeIs(3)) << "two of its own that were reset, and the new one";
    EXPECT_THAT(rig.log.streams, SizeIs(2));
    EXPECT_THAT(ann.log.ended, IsEmpty());
    EXPECT_THAT(bob.log.ended, IsEmpty());
}

TEST(SessionJournal, TheRosterGoesOnWhereItStood) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    rig.run(100ms);
    const auto before = ann.log.revisions.back();
    rig.kill();
    rig.run(10ms);
    rig.restart();
    rig.connect(ann);
    rig.run(50ms);
    EXPECT_EQ(rig.coordinator->roster().peers.size(), 3);
    EXPECT_EQ(ann.log.revisions.back(), before) << "nothing has changed, nothing is to be told";
    rig.run(61s);  // bob does not come back
    EXPECT_THAT(rig.log.left, SizeIs(1));
    EXPECT_THAT(ann.log.left, SizeIs(1));
    auto& cid = rig.join("cid", DurableRig::patient_member());
    rig.run(100ms);
    EXPECT_THAT(cid.log.joined, SizeIs(1));
    EXPECT_EQ(ann.engine->roster().peers.size(), 3);
    (void)bob;
}

TEST(SessionJournal, WhoLeftIsForgotten) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    rig.join("bob", DurableRig::patient_member());
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "last words"));
    ann.engine->close(7, "done", 5s, rig.timeline.now());
    rig.run(100ms);
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("last words"));
    rig.coordinator->close(0, "good night", 5s, rig.timeline.now());
    rig.run(100ms);
    EXPECT_EQ(rig.log.closed, 1);
    EXPECT_THAT(rig.journal.contents().entries, SizeIs(1)) << "only the coordinator's own is left";
}

TEST(SessionJournal, AWelcomeThatTheJournalDoesNotHaveWasNeverSaid) {
    DurableRig rig;
    rig.journal.delay = 100ms;
    auto& ann = rig.add("ann", DurableRig::patient_member());
    rig.connect(ann);
    rig.run(30ms);
    EXPECT_THAT(rig.log.joined, SizeIs(1));
    EXPECT_THAT(ann.log.coordinator, IsEmpty());
    ann.link->cut();
    rig.run(10ms);
    EXPECT_THAT(rig.log.left, SizeIs(1)) << "nobody can resume what nobody knows";
    rig.run(1s);
    EXPECT_THAT(rig.journal.contents().entries, SizeIs(1));
}

TEST(SessionJournal, ADamagedSessionIsLeftOutAndTheOthersGoOn) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    rig.run(50ms);
    rig.kill();
    for (auto& [key, entry] : rig.journal.disk())
        if (key.session == 1 && key.part == JournalPart::identity)
            entry.value = Slice::copy_of(as_bytes("?"));
    rig.run(10ms);
    rig.restart();
    EXPECT_EQ(rig.restored.sessions, 1);
    EXPECT_THAT(rig.restored.left_out, ElementsAre("session 1: its entries make no sense"));
    rig.connect(ann);
    rig.connect(bob);
    rig.run(100ms);
    EXPECT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(bob.log.resumed, 1);
    EXPECT_EQ(bob.engine->roster().peers.size(), 2) << "the one who is missing is missing for all";
    for (const auto& [key, entry] : rig.journal.disk()) EXPECT_NE(key.session, 1);
}

TEST(SessionJournal, WhoIsNotAllowedAnyMoreIsLeftOut) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    rig.run(50ms);
    rig.kill();
    rig.run(10ms);
    rig.options.trust = TrustPolicy::allow({bob.id});
    rig.restart();
    ASSERT_THAT(rig.restored.left_out, SizeIs(1));
    EXPECT_THAT(rig.restored.left_out[0], testing::HasSubstr("not allowed"));
    rig.connect(ann);
    rig.connect(bob);
    rig.run(100ms);
    EXPECT_THAT(ann.log.ended, SizeIs(1));
    EXPECT_EQ(bob.log.resumed, 1);
}

TEST(SessionJournal, TheEndWaitsUntilTheJournalKnowsIt) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    rig.run(50ms);
    rig.journal.delay = 400ms;
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "keeps it busy"));
    rig.run(10ms);
    rig.coordinator->close(0, "good night", 100ms, rig.timeline.now());
    while (rig.log.closed == 0) ASSERT_TRUE(rig.step(rig.timeline.now() + 10s));
    EXPECT_THAT(rig.journal.contents().entries, SizeIs(1))
        << "the next process would wake up who was told goodbye";
}

TEST(SessionJournal, ADiskThatHangsDoesNotHoldUpTheEnd) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    rig.run(50ms);
    rig.journal.delay = 24h;
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "keeps it busy"));
    rig.connect(rig.add("bob", DurableRig::patient_member()));
    rig.run(10ms);
    rig.coordinator->close(0, "good night", 2s, rig.timeline.now());
    rig.run(4s);
    EXPECT_EQ(rig.log.closed, 1);
}

TEST(SessionJournal, ADiskThatHangsIsNotTheMembersFault) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    rig.run(50ms);
    rig.journal.delay = 20s;
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "keeps it busy"));
    rig.run(10ms);
    const std::string text(100'000, 'x');
    while (say(*rig.coordinator, Recipients::one(ann.id), text)) {
    }
    rig.run(15s);
    EXPECT_THAT(rig.log.left, IsEmpty());
    rig.journal.delay = 500us;
    rig.run(10s);
    EXPECT_THAT(rig.log.left, IsEmpty());
    EXPECT_GE(ann.log.messages.size(), 40u);
}

TEST(SessionJournal, CreditIsToldThoughNothingElseHappensToItsMember) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    rig.run(100ms);
    bob.log.reads = false;
    const std::string text(50'000, 'x');
    std::size_t said = 0;
    for (int i = 0; i < 60; ++i, rig.run(50ms))
        while (say(*ann.engine, Recipients::one(bob.id), text)) ++said;
    bob.log.reads = true;
    for (const auto& message : bob.log.messages) bob.engine->consume_messages(message.payload.size());
    rig.run(30s);
    EXPECT_EQ(bob.log.messages.size() + ann.log.undelivered.size(), said);
    EXPECT_TRUE(say(*ann.engine, Recipients::one(bob.id), text));
}

TEST(SessionJournal, WhoDoesNotReadIsDroppedWhateverElseIsGoingOn) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    rig.run(50ms);
    bob.log.reads = false;
    const std::string text(50'000, 'x');
    for (int i = 0; i < 200 && bob.log.ended.empty(); ++i, rig.run(50ms)) {
        while (say(*rig.coordinator, Recipients::one(bob.id), text)) {
        }
        if (i % 4 == 0) rig.connect(rig.add("x" + std::to_string(i), DurableRig::patient_member()));
    }
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_EQ(rig.log.left[0].first.id, bob.id);
    EXPECT_THAT(ann.log.ended, IsEmpty());
}

class SlowDisk : public testing::TestWithParam<int> {
public:
    SlowDisk() {
        rig.run(50ms);
        rig.journal.delay = std::chrono::milliseconds{GetParam()};
    }
    void expect_all(std::size_t said) {
        rig.journal.delay = 1ms;
        rig.run(60s);
        EXPECT_THAT(rig.log.undelivered, IsEmpty());
        EXPECT_THAT(ann.log.undelivered, IsEmpty());
        EXPECT_THAT(cid.log.undelivered, IsEmpty());
        EXPECT_EQ(bob.log.messages.size(), said);
        EXPECT_THAT(rig.log.left, IsEmpty());
    }

    const std::string text = std::string(50'000, 'x');
    DurableRig rig;
    Rig::MemberNode& ann = rig.join("ann", DurableRig::patient_member());
    Rig::MemberNode& bob = rig.join("bob", DurableRig::patient_member());
    Rig::MemberNode& cid = rig.join("cid", DurableRig::patient_member());
};

TEST_P(SlowDisk, CostsTheCoordinatorNoMessage) {
    std::size_t said = 0;
    for (int i = 0; i < 500; ++i, rig.run(5ms))
        if (say(*rig.coordinator, Recipients::everyone(), text)) ++said;
    expect_all(said);
}

// Of one sender: several together may fill a recipient's queue beyond its bound, as over a slow network.
TEST_P(SlowDisk, CostsAMemberNoMessage) {
    std::size_t said = 0;
    for (int i = 0; i < 1000; ++i, rig.run(5ms))
        if (say(*ann.engine, Recipients::one(bob.id), text)) ++said;
    expect_all(said);
}

INSTANTIATE_TEST_SUITE_P(SessionJournal, SlowDisk, testing::Values(1, 50, 200, 300, 700, 2000));

TEST(SessionJournal, ADiskThatHangsIsNotToldFromAMemberThatDoesNotReadItsRoster) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    rig.run(100ms);
    rig.journal.delay = 7s;
    for (int i = 0; i < 150; ++i) {
        MemberOptions how = DurableRig::patient_member();
        how.info["k"] = std::string(900, 'i');
        rig.connect(rig.add("m" + std::to_string(i), how));
    }
    for (int i = 0; i < 400; ++i, rig.run(50ms)) (void)say(*ann.engine, Recipients::coordinator(), "tick");
    EXPECT_THAT(ann.log.ended, IsEmpty());
    EXPECT_THAT(rig.log.left, IsEmpty());
}

TEST(SessionJournal, AbsurdNumbersLeaveASessionOutAndAbortNothing) {
    using Part = JournalPart;
    for (const Part part : {Part::in_lane, Part::roster, Part::out_lane, Part::owner, Part::counters}) {
        for (const std::uint64_t number :
             {std::uint64_t{1} << 62, ~std::uint64_t{0}, (std::uint64_t{1} << 62) - 1}) {
            DurableRig rig;
            auto& ann = rig.join("ann", DurableRig::patient_member());
            (void)say(*ann.engine, Recipients::coordinator(), "hello");
            rig.run(50ms);
            rig.kill();
            for (auto& [key, entry] : rig.journal.disk()) {
                if (key.part != part) continue;
                entry.number = number;
                if (part != Part::owner && part != Part::counters) continue;
                Bytes value;
                for (int i = 0; i < 5; ++i) Writer{value}.write_varint(std::min(number, kVarintMax));
                entry.value = Slice::from(std::move(value));
            }
            rig.run(10ms);
            auto engine = CoordinatorEngine::create(rig.options, rig.id, rig.random, rig.log).value();
            const auto restored = engine->start_journal(rig.journal, rig.journal.contents(),
                                                        Error{Errc::lost, "restarted"}, rig.timeline.now());
            EXPECT_TRUE(!restored || restored->sessions == 0);
        }
    }
}

TEST(SessionJournal, AbsurdLimitsLeaveASessionOut) {
    DurableRig rig;
    (void)rig.join("ann", DurableRig::patient_member());
    rig.kill();
    for (auto& [key, entry] : rig.journal.disk()) {
        if (key.part != JournalPart::identity) continue;
        auto identity = SessionIdentity::parse(entry.value.view());
        ASSERT_TRUE(identity);
        identity->limits.receive_queue = std::size_t{1} << 61;
        entry.value = Slice::from(identity->encoded());
    }
    rig.run(10ms);
    auto engine = CoordinatorEngine::create(rig.options, rig.id, rig.random, rig.log).value();
    const auto restored = engine->start_journal(rig.journal, rig.journal.contents(),
                                                Error{Errc::lost, "restarted"}, rig.timeline.now());
    EXPECT_TRUE(!restored || restored->sessions == 0);
}

TEST(SessionJournal, WhenTheDiskFailsTheSessionsGoOnWithoutIt) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    rig.run(50ms);
    rig.journal.is_broken = true;
    auto& bob = rig.join("bob", DurableRig::patient_member());
    ASSERT_TRUE(say(*ann.engine, Recipients::everyone(), "one"));
    rig.run(50ms);
    ASSERT_TRUE(say(*ann.engine, Recipients::everyone(), "two"));
    rig.run(50ms);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("one", "two"));
    EXPECT_THAT(texts(bob.log.messages), ElementsAre("one", "two"));
    EXPECT_THAT(ann.log.ended, IsEmpty());
}

}  // namespace
}  // namespace muster::session
