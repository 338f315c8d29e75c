#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/hand_made_peer.h"
#include "session/journal_rig.h"
#include "session/out_lane.h"

// Nobody can hold up others, whether it means to or not.

namespace muster::session {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::SizeIs;

constexpr LaneId kMain = lane_id(LaneKind::ordered, 0);

/// Lets nothing come from a member or to it, and both ends know.
void cut_off(Rig& rig, Rig::MemberNode& node) {
    node.link->cut();
    rig.run(1ms);
}

TEST(Fairness, WhoIsInterruptedHoldsUpSendsToAllNoLongerThanWhoIsSlow) {
    Rig rig{DurableRig::patient()};
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    cut_off(rig, bob);
    const std::string text(100'000, 'x');
    while (say(*rig.coordinator, Recipients::everyone(), text)) rig.run(1ms);
    EXPECT_THAT(rig.log.writable, IsEmpty());
    rig.run(300ms);
    EXPECT_THAT(rig.log.writable, Contains(bob.id)) << "who waits with a send must hear that it can go on";
    EXPECT_TRUE(say(*rig.coordinator, Recipients::everyone(), text));
    rig.run(50ms);
    ASSERT_THAT(rig.log.undelivered, SizeIs(1));
    EXPECT_EQ(rig.log.undelivered[0].to, bob.id);
    EXPECT_FALSE(ann.log.messages.empty());
}

TEST(Fairness, WhoWaitsForAMemberHearsThatItIsGone) {
    Rig rig;
    auto& bob = rig.join("bob");
    bob.log.reads = false;
    const std::string text(100'000, 'x');
    while (say(*rig.coordinator, Recipients::one(bob.id), text)) rig.run(1ms);
    bob.link->cut();
    rig.run(1s);
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_THAT(rig.log.writable, Contains(bob.id));
}

TEST(Fairness, OneMemberCannotTakeAllChannelsTowardsAnother) {
    Rig rig;
    auto& mallory = rig.join("mallory");
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    for (std::uint16_t i = 1; i <= 32; ++i)
        ASSERT_TRUE(say(*mallory.engine, Recipients::everyone(), "", SendOptions{ChannelId{i}}));
    rig.run(50ms);
    EXPECT_THAT(bob.log.messages, SizeIs(8)) << "a quarter";
    EXPECT_FALSE(mallory.log.undelivered.empty());
    bob.log.messages.clear();
    ASSERT_TRUE(say(*ann.engine, Recipients::one(bob.id), "main"));
    ASSERT_TRUE(say(*ann.engine, Recipients::one(bob.id), "other", SendOptions{ChannelId{100}}));
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(bob.id), "own", SendOptions{ChannelId{101}}));
    rig.run(50ms);
    EXPECT_THAT(bob.log.messages, SizeIs(3));
    EXPECT_THAT(ann.log.undelivered, IsEmpty());
}

TEST(Fairness, MainIsForEverybodyWhenAllOtherChannelsAreTaken) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    for (std::uint16_t who = 0; who < 5; ++who) {
        auto& mallory = rig.join("mallory " + std::to_string(who));
        for (std::uint16_t i = 1; i <= 8; ++i)
            ASSERT_TRUE(say(*mallory.engine, Recipients::one(bob.id), "",
                            SendOptions{ChannelId{static_cast<std::uint16_t>(100 * who + i)}}));
        rig.run(50ms);
    }
    EXPECT_THAT(bob.log.messages, SizeIs(31));
    ASSERT_TRUE(say(*ann.engine, Recipients::one(bob.id), "main"));
    rig.run(50ms);
    EXPECT_EQ(as_text(bob.log.messages.back().payload), "main");
}

TEST(Fairness, AnOctetAtATimeIsNoProgress) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& eve = rig.join("eve");
    HandMadeMember mallory{rig, device(9), 7};
    mallory.send(Hello{});
    mallory.send(HandMadeMember::request());
    rig.run(10ms);
    std::uint64_t acknowledged = 0;
    std::function<void()> nibble = [&] {
        Ack ack;
        ack.positions.push_back({kMain, ++acknowledged, 0});
        mallory.send(ack);
        rig.timeline.in(200ms, nibble);
    };
    const std::string text(10'000, 'x');
    for (int i = 0; i < 200; ++i) {
        (void)say(*ann.engine, Recipients::one(device(9)), text);
        rig.run(1ms);
    }
    nibble();
    for (int i = 0; i < 200; ++i) {
        (void)say(*ann.engine, Recipients::one(device(9)), text);
        (void)say(*ann.engine, Recipients::one(eve.id), "hello");
        rig.run(10ms);
    }
    EXPECT_FALSE(mallory.down) << "this test tests nothing";
    EXPECT_GT(eve.log.messages.size(), 100);
}

TEST(Fairness, ASmallMessageToManyDoesNotExcuseWhatWaitsForOne) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    std::vector<DeviceId> many;
    many.reserve(60);
    for (int i = 0; i < 60; ++i) many.push_back(rig.join("m" + std::to_string(i)).id);
    bob.log.reads = false;
    const std::string text(10'000, 'x');
    int refused = 0;
    for (int round = 0; round < 400; ++round) {
        for (int i = 0; i < 8; ++i) (void)say(*ann.engine, Recipients::one(bob.id), text);
        refused += !say(*ann.engine, Recipients::several(many), "");
        rig.run(20ms);
        bob.engine->consume_messages(5 * text.size(), 5);  // slow, and never stalled
    }
    EXPECT_LT(refused, 400) << "this test tests nothing";
    EXPECT_THAT(ann.log.undelivered, IsEmpty()) << "ann alone has filled the queue of bob";
}

TEST(Fairness, StreamsThatComeAndGoLeaveLittleForWhoIsInterrupted) {
    Rig rig{DurableRig::patient()};
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    cut_off(rig, bob);
    const std::string reason(250, 'x');
    for (int i = 0; i < 1'000; ++i) {
        std::vector<StreamHandle> streams;
        for (int k = 0; k < 8; ++k)
            if (const auto stream = ann.engine->open_stream(bob.id, as_bytes("header")))
                streams.push_back(*stream);
        rig.run(3ms);
        for (const StreamHandle stream : streams) ann.engine->reset(stream, 1, reason);
        rig.run(3ms);
    }
    const auto& link = rig.connect(bob);
    rig.run(1s);
    EXPECT_TRUE(bob.engine->is_joined());
    EXPECT_THAT(bob.log.ended, IsEmpty());
    EXPECT_LT(link.octets_sent(MemoryLink::Side::coordinator), std::uint64_t{1} << 20);
    ASSERT_TRUE(ann.engine->open_stream(bob.id, as_bytes("now")));
    rig.run(50ms);
    EXPECT_FALSE(bob.log.streams.empty());
}

TEST(Fairness, NobodySpinsWhileTheDiskWrites) {
    DurableRig rig;
    auto& ann = rig.join("ann", DurableRig::patient_member());
    auto& bob = rig.join("bob", DurableRig::patient_member());
    cut_off(rig, bob);
    rig.run(1s);
    rig.journal.delay = 2s;
    ASSERT_TRUE(say(*ann.engine, Recipients::one(bob.id), "hello"));
    const std::uint64_t before = rig.wakeups;
    rig.run(1s);
    EXPECT_LT(rig.wakeups - before, 100);
}

// The end of a stream that the peer's disk had not taken yet: it asks for all of it again, and acknowledges it then.
TEST(Fairness, TheEndOfAStreamMayBeAcknowledgedBeforeItIsRepeated) {
    Timeline timeline;
    MemoryLink link{timeline, device(1), device(2), 1};
    link::LinkPort& port = link.port(MemoryLink::Side::member);
    OutLane told{lane_id(LaneKind::stream, 0)}, never_told{lane_id(LaneKind::stream, 2)};
    for (OutLane* lane : {&told, &never_told}) {
        lane->append_copy(as_bytes("abc"));
        lane->finish();
    }
    told.attach(port.open_stream(link::Direction::unidirectional).value());
    told.pump(port, nullptr);
    ASSERT_TRUE(told.rewind(0));
    EXPECT_TRUE(told.has_unsent());
    EXPECT_TRUE(told.on_acked(4));
    EXPECT_TRUE(told.is_acked());
    EXPECT_FALSE(told.has_unsent());
    EXPECT_FALSE(never_told.on_acked(4));
}

}  // namespace
}  // namespace muster::session
