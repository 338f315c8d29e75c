#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/lane.h"
#include "session/session_rig.h"

namespace muster::session {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

std::vector<std::string> numbered(int count) {
    std::vector<std::string> out;
    for (int i = 0; i < count; ++i) out.push_back("message " + std::to_string(i));
    return out;
}

TEST(Messages, ArriveOnceInOrderPerChannel) {
    Rig rig;
    SeededRandomness late{7};
    auto& ann = rig.add("ann");
    rig.connect(ann, [&](MemoryLink& link) {
        link.jitter = &late;
        link.piece = 50;
    });
    rig.run(20ms);
    const auto sent = numbered(1000);
    for (std::size_t i = 0; i < sent.size(); ++i) {
        const SendOptions on{ChannelId{static_cast<std::uint16_t>(i % 3)}};
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), sent[i], on));
        if (i % 10 == 0) rig.run(1ms);
    }
    rig.run(100ms);
    ASSERT_THAT(rig.log.messages, SizeIs(1000));
    for (std::size_t channel = 0; channel < 3; ++channel) {
        std::vector<std::string> got, want;
        for (const Message& message : rig.log.messages)
            if (message.channel == ChannelId{static_cast<std::uint16_t>(channel)})
                got.emplace_back(as_text(message.payload));
        for (std::size_t i = channel; i < sent.size(); i += 3) want.push_back(sent[i]);
        EXPECT_EQ(got, want);
    }
}

TEST(Messages, OfEverySizeArriveWhole) {
    Rig rig;
    auto& ann = rig.join("ann");
    std::vector<std::string> sent;
    for (const std::size_t size :
         {0u, 1u, 15u, 16u, 63u, 64u, 4000u, 4096u, 4097u, 16383u, 16384u, 65536u, 1u << 20})
        sent.emplace_back(size, static_cast<char>('a' + sent.size()));
    for (const std::string& text : sent) {
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), text));
        ASSERT_TRUE(say(*rig.coordinator, Recipients::one(ann.id), text));
    }
    rig.run(100ms);
    EXPECT_EQ(texts(rig.log.messages), sent);
    EXPECT_EQ(texts(ann.log.messages), sent);
}

TEST(Messages, TooLargeIsRefusedBeforeAnythingIsQueued) {
    Rig rig;
    auto& ann = rig.join("ann");
    const std::string text((1 << 20) + 1, 'x');
    EXPECT_EQ(say(*ann.engine, Recipients::coordinator(), text).error().code(), Errc::too_large);
    EXPECT_EQ(say(*rig.coordinator, Recipients::everyone(), text).error().code(), Errc::too_large);
    EXPECT_EQ(
        say(*ann.engine, Recipients::coordinator(), std::string(1300, 'x'), SendOptions{Delivery::unreliable})
            .error()
            .code(),
        Errc::too_large);
}

TEST(Messages, UnreliableOnesAreDatagramsAndMayGetLost) {
    Rig rig;
    auto& ann = rig.join("ann");
    const SendOptions loose{Delivery::unreliable};
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "one", loose));
    rig.run(5ms);
    bool drop = true;
    ann.link->before_delivery = [&] { return !drop; };
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "two", loose));
    rig.run(5ms);
    drop = false;
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "three", loose));
    rig.run(5ms);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("one", "three"));
    EXPECT_EQ(rig.log.messages[0].delivery, Delivery::unreliable);
}

TEST(Messages, UnorderedOnesAreNotHeldUpByALostPacket) {
    Rig rig;
    auto& ann = rig.join("ann");
    const SendOptions any{ChannelId{5}, Delivery::unordered};
    // The first message's stream is late by a second, as if its packet had to be sent again.
    ann.link->delay = 1s;
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "late", any));
    rig.flush();
    ann.link->delay = 1ms;
    for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), std::to_string(i), any));
    rig.run(10ms);
    EXPECT_THAT(rig.log.messages, SizeIs(20)) << "all but the late one";
    rig.run(1s);
    ASSERT_THAT(rig.log.messages, SizeIs(21));
    EXPECT_EQ(as_text(rig.log.messages.back().payload), "late");
    EXPECT_EQ(rig.log.messages.back().channel, ChannelId{5});
}

TEST(Messages, OrderedOnesWaitForTheLatePacketOfTheirChannelOnly) {
    Rig rig;  // the control of the test above
    auto& ann = rig.join("ann");
    ann.link->delay = 1s;
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "late"));
    rig.flush();
    ann.link->delay = 1ms;
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "behind it"));
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "other channel", SendOptions{ChannelId{2}}));
    rig.run(10ms);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("other channel"));
    rig.run(1s);
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("other channel", "late", "behind it"));
}

TEST(Messages, GoFromMemberToMemberThroughTheCoordinator) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    auto& eve = rig.join("eve");
    ASSERT_TRUE(say(*ann.engine, Recipients::one(bob.id), "for bob"));
    ASSERT_TRUE(say(*ann.engine, Recipients::several({bob.id, eve.id, rig.id}), "for three"));
    ASSERT_TRUE(say(*ann.engine, Recipients::everyone(), "for all"));
    ASSERT_TRUE(say(*bob.engine, Recipients::one(eve.id), "from bob"));
    ASSERT_TRUE(say(*rig.coordinator, Recipients::one(eve.id), "from the coordinator"));
    rig.run(20ms);
    EXPECT_THAT(texts(bob.log.messages), ElementsAre("for bob", "for three", "for all"));
    EXPECT_THAT(texts(rig.log.messages), ElementsAre("for three", "for all"));
    EXPECT_THAT(texts(eve.log.messages),
                UnorderedElementsAre("for three", "for all", "from bob", "from the coordinator"));
    EXPECT_THAT(ann.log.messages, IsEmpty());
    for (const Message& message : bob.log.messages) EXPECT_EQ(message.from, ann.id);
    for (const Message& message : eve.log.messages) {
        const auto text = as_text(message.payload);
        EXPECT_EQ(message.from, text == "from bob"               ? bob.id
                                : text == "from the coordinator" ? rig.id
                                                                 : ann.id);
    }
}

TEST(Messages, UnorderedAndUnreliableOnesArePassedOnToo) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    ASSERT_TRUE(say(*ann.engine, Recipients::one(bob.id), "unordered",
                    SendOptions{ChannelId{3}, Delivery::unordered}));
    ASSERT_TRUE(
        say(*ann.engine, Recipients::one(bob.id), "loose", SendOptions{ChannelId{4}, Delivery::unreliable}));
    rig.run(20ms);
    ASSERT_THAT(bob.log.messages, SizeIs(2));
    for (const Message& message : bob.log.messages) {
        EXPECT_EQ(message.from, ann.id);
        EXPECT_EQ(message.channel, message.delivery == Delivery::unordered ? ChannelId{3} : ChannelId{4});
    }
}

// No credit holds datagrams back, and one to everyone is many: nobody may spend all of the uplink.
TEST(Messages, UnreliableOnesToEveryoneAreRationedPerSender) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    auto& cem = rig.join("cem");
    const SendOptions loose{Delivery::unreliable};
    const std::string text(1000, 'x');
    constexpr std::size_t kSent = 20'000;
    for (std::size_t i = 0; i < kSent; ++i) {
        ASSERT_TRUE(say(*ann.engine, Recipients::everyone(), text, loose));
        if (i % 200 == 0) rig.run(1ms);
    }
    rig.run(20ms);
    EXPECT_THAT(rig.log.messages, SizeIs(kSent)) << "the coordinator's own copy costs nobody anything";
    const std::size_t passed = cem.log.messages.size();
    EXPECT_GT(passed, 5'000u);
    EXPECT_LT(passed, 15'000u);
    ASSERT_TRUE(say(*bob.engine, Recipients::everyone(), "of bob", loose));
    ASSERT_TRUE(say(*ann.engine, Recipients::one(cem.id), "to one", loose));
    rig.run(20ms);
    EXPECT_THAT(cem.log.messages, SizeIs(passed + 2)) << "others are not held back, nor messages to one";
    rig.run(1s);
    ASSERT_TRUE(say(*ann.engine, Recipients::everyone(), "again", loose));
    rig.run(20ms);
    EXPECT_EQ(as_text(cem.log.messages.back().payload), "again");
}

TEST(Messages, ForPeersThatAreNotThereAreRefusedOrReported) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    EXPECT_EQ(say(*ann.engine, Recipients::one(device(99)), "x").error().code(), Errc::unknown_peer);
    EXPECT_EQ(say(*ann.engine, Recipients::one(ann.id), "x").error().code(), Errc::unknown_peer);
    EXPECT_EQ(say(*rig.coordinator, Recipients::one(device(99)), "x").error().code(), Errc::unknown_peer);
    EXPECT_EQ(say(*ann.engine, Recipients::several({}), "x").error().code(), Errc::bad_input);
    EXPECT_EQ(say(*rig.coordinator, Recipients::coordinator(), "x").error().code(), Errc::bad_input);
    // Bob is gone by the time that the message reaches the coordinator.
    ASSERT_TRUE(rig.coordinator->close_member(bob.id, 0, "", 1s, rig.timeline.now()));
    rig.flush();
    SendOptions marked{ChannelId{2}};
    marked.cookie = 4711;
    ASSERT_TRUE(say(*ann.engine, Recipients::one(bob.id), "too late", marked));
    rig.run(20ms);
    ASSERT_THAT(ann.log.undelivered, SizeIs(1));
    EXPECT_EQ(ann.log.undelivered[0].to, bob.id);
    EXPECT_EQ(ann.log.undelivered[0].cookie, 4711u);
    EXPECT_EQ(ann.log.undelivered[0].channel, ChannelId{2});
    EXPECT_EQ(ann.log.undelivered[0].why, Errc::unknown_peer);
}

TEST(Messages, BeforeJoiningAndAfterLeavingAreRefused) {
    Rig rig;
    auto& ann = rig.add("ann");
    EXPECT_EQ(say(*ann.engine, Recipients::coordinator(), "x").error().code(), Errc::not_connected);
    rig.connect(ann);
    rig.run(10ms);
    ann.engine->close(0, "", 1s, rig.timeline.now());
    EXPECT_EQ(say(*ann.engine, Recipients::coordinator(), "x").error().code(), Errc::not_connected);
    rig.run(10ms);
    EXPECT_EQ(say(*ann.engine, Recipients::coordinator(), "x").error().code(), Errc::not_connected);
}

TEST(Messages, SmallOnesShareTheirOverhead) {
    Rig rig;
    auto& ann = rig.join("ann");
    const auto before = ann.link->octets_sent(MemoryLink::Side::member);
    const std::string text(100, 'x');
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), text));
    rig.run(100ms);
    EXPECT_THAT(rig.log.messages, SizeIs(1000));
    EXPECT_LT(ann.link->octets_sent(MemoryLink::Side::member) - before, 103'000u) << "two octets per message";
}

TEST(Messages, AcknowledgementsAreBatched) {
    Rig rig;
    auto& ann = rig.join("ann");
    rig.run(1s);
    const auto before = ann.link->octets_sent(MemoryLink::Side::coordinator);
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "x"));
        rig.run(1ms);
    }
    EXPECT_LT(ann.link->octets_sent(MemoryLink::Side::coordinator) - before, 150u) << "about one in 25 ms";
}

TEST(Messages, IdleSessionNeverWakesUp) {
    Rig rig;
    rig.join("ann");
    rig.run(1s);
    const auto before = rig.wakeups;
    rig.run(24h);
    EXPECT_EQ(rig.wakeups, before);
    EXPECT_EQ(rig.coordinator->next_wakeup(), kNever);
    EXPECT_EQ(rig.members[0]->engine->next_wakeup(), kNever);
}

TEST(Messages, TooManyChannelsAreRefused) {
    Rig rig;
    auto& ann = rig.join("ann");
    for (std::uint16_t i = 0; i < 32; ++i)
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "x",
                        SendOptions{ChannelId{static_cast<std::uint16_t>(1000 * i)}}));
    EXPECT_EQ(say(*ann.engine, Recipients::coordinator(), "x", SendOptions{ChannelId{7}}).error().code(),
              Errc::bad_input);
    rig.run(20ms);
    EXPECT_THAT(rig.log.messages, SizeIs(32));
}

TEST(Messages, LinkWithFewStreamsOnlyDelaysThem) {
    Rig rig;
    auto& ann = rig.add("ann");
    rig.connect(ann, [](MemoryLink& link) { link.max_streams = 3; });
    rig.run(20ms);
    for (std::uint16_t i = 0; i < 3; ++i)
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "x", SendOptions{ChannelId{i}}));
    auto stream = ann.engine->open_stream(rig.id, as_bytes("s"));
    ASSERT_TRUE(stream);
    rig.run(20ms);
    EXPECT_THAT(rig.log.messages, SizeIs(3));
    EXPECT_THAT(rig.log.streams, IsEmpty()) << "no stream left for it: it waits, and nothing else does";
    ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "y"));
    rig.run(20ms);
    EXPECT_THAT(rig.log.messages, SizeIs(4));
}

// Who does not read

TEST(Backpressure, ReaderThatStopsHoldsTheSenderBackAndLosesNothing) {
    Rig rig;
    auto& ann = rig.join("ann");
    rig.log.reads = false;
    const std::string text(1000, 'x');
    int accepted = 0;
    while (true) {
        const auto sent = say(*ann.engine, Recipients::coordinator(), text);
        if (!sent) {
            EXPECT_EQ(sent.error().code(), Errc::queue_full);
            break;
        }
        if (++accepted % 100 == 0) rig.run(5ms);
        ASSERT_LT(accepted, 10'000);
    }
    rig.run(1s);
    std::size_t waiting = 0;
    for (const Message& message : rig.log.messages) waiting += message.payload.size() + kMessageOverhead;
    EXPECT_LE(waiting, SessionLimits{}.receive_queue) << "the reader's memory is bounded";
    EXPECT_EQ(ann.log.writable, 0);
    // Control still flows: others may join, and goodbyes are heard.
    rig.join("bob");
    EXPECT_THAT(ann.log.joined, SizeIs(1));
    EXPECT_EQ(ann.link->unconsumed(MemoryLink::Side::coordinator), 0u)
        << "the link itself is never held back";
    rig.log.reads = true;
    const std::size_t arrived = rig.log.messages.size();
    rig.coordinator->consume_messages(ann.id, arrived * text.size(), arrived);
    rig.run(1s);
    EXPECT_EQ(rig.log.messages.size(), static_cast<std::size_t>(accepted));
    EXPECT_EQ(ann.log.writable, 1);
}

TEST(Backpressure, EmptyMessagesAreBoundedToo) {
    Rig rig;
    auto& ann = rig.join("ann");
    rig.log.reads = false;
    for (int i = 0; i < 100'000; ++i)
        if (!say(*ann.engine, Recipients::coordinator(), "")) break;
    rig.run(1s);
    EXPECT_LE(rig.log.messages.size(), SessionLimits{}.receive_queue / kMessageOverhead);
}

TEST(Backpressure, LargestMessagesOnManyLanesDoNotLockEachOtherUp) {
    SessionLimits small;
    small.message = 64 * 1024;
    small.receive_queue = small.message + 128 * 1024;  // the least that is allowed
    CoordinatorOptions options;
    options.limits = small;
    Rig rig{std::move(options)};
    auto& ann = rig.join("ann");
    SeededRandomness late{3};
    ann.link->jitter = &late;
    ann.link->piece = 1000;
    const std::string large(small.message, 'l');
    for (std::uint16_t i = 0; i < 40; ++i) {
        const SendOptions how{ChannelId{static_cast<std::uint16_t>(i % 10)},
                              i % 2 == 0 ? Delivery::ordered : Delivery::unordered};
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), large, how));
        ASSERT_TRUE(say(*ann.engine, Recipients::coordinator(), "small", how));
    }
    rig.run(10s);
    EXPECT_THAT(rig.log.messages, SizeIs(80));
}

TEST(Backpressure, MemberThatStaysFullIsDroppedAndNobodyElseIsDisturbed) {
    Rig rig;
    auto& slow = rig.join("slow");
    auto& good = rig.join("good");
    slow.log.reads = false;
    const std::string text(10'000, 'x');
    std::uint64_t sent = 0;
    const TimePoint start = rig.timeline.now();
    TimePoint dropped{};
    rig.log.when_left = [&](const PeerInfo&) { dropped = rig.timeline.now(); };
    while (rig.timeline.now() - start < 8s) {
        for (int i = 0; i < 10; ++i)
            if (say(*rig.coordinator, Recipients::everyone(), text)) ++sent;
        rig.run(5ms);
    }
    rig.run(1s);
    EXPECT_EQ(good.log.messages.size(), sent);
    EXPECT_GT(sent, 10'000u) << "the slow one held the others up for no longer than the stall limit";
    ASSERT_THAT(rig.log.left, SizeIs(1));
    EXPECT_EQ(rig.log.left[0].first.name, "slow");
    EXPECT_EQ(rig.log.left[0].second.cause().code(), Errc::too_slow);
    EXPECT_GT(dropped - start, 5s);
    EXPECT_LT(dropped - start, 7s);
    ASSERT_THAT(slow.log.ended, SizeIs(1));
    EXPECT_EQ(slow.log.ended[0].cause().code(), Errc::too_slow);
    EXPECT_FALSE(rig.log.undelivered.empty());
    EXPECT_EQ(rig.log.undelivered[0].why, Errc::queue_full);
    EXPECT_EQ(rig.log.undelivered[0].to, slow.id);
}

TEST(Backpressure, RelayedMessagesThrottleTheirSenderInsteadOfGettingLost) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    const std::string text(1000, 'x');
    std::size_t sent = 0;
    bob.log.reads = false;
    // Bob reads only a little at a time: slower than Ann sends, but never stalled.
    for (int round = 0; round < 400; ++round) {
        while (say(*ann.engine, Recipients::one(bob.id), text)) ++sent;
        rig.run(20ms);
        bob.engine->consume_messages(50 * text.size(), 50);
    }
    bob.log.reads = true;
    bob.engine->consume_messages(bob.log.messages.size() * text.size(), bob.log.messages.size());
    rig.run(5s);
    EXPECT_THAT(ann.log.undelivered, IsEmpty());
    EXPECT_EQ(bob.log.messages.size(), sent);
    EXPECT_GT(sent, 20'000u);
}

TEST(Backpressure, SenderToAStalledMemberIsToldAndCanTalkToOthers) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    auto& eve = rig.join("eve");
    bob.log.reads = false;
    const std::string text(10'000, 'x');
    std::uint64_t cookie = 0;
    std::size_t for_eve = 0;
    for (int round = 0; round < 500 && ann.log.undelivered.empty(); ++round) {
        for (int i = 0; i < 20; ++i) {
            SendOptions marked;
            marked.cookie = ++cookie;
            (void)say(*ann.engine, Recipients::one(bob.id), text, marked);
        }
        if (say(*ann.engine, Recipients::one(eve.id), "still here")) ++for_eve;
        rig.run(10ms);
    }
    ASSERT_FALSE(ann.log.undelivered.empty());
    EXPECT_EQ(ann.log.undelivered[0].why, Errc::queue_full);
    EXPECT_EQ(ann.log.undelivered[0].to, bob.id);
    EXPECT_GT(ann.log.undelivered[0].cookie, 0u);
    rig.run(300ms);
    EXPECT_EQ(eve.log.messages.size(), for_eve);
    EXPECT_TRUE(bob.engine->is_joined()) << "not for longer than its patience yet";
    rig.run(6s);
    EXPECT_FALSE(bob.engine->is_joined());
    EXPECT_TRUE(ann.engine->is_joined());
}

}  // namespace
}  // namespace muster::session
