#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/session_rig.h"

namespace muster::session {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

Slice slice(std::string_view text) { return Slice::copy_of(as_bytes(text)); }

std::string pattern(std::size_t size) {
    std::string out(size, ' ');
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('!' + (i * 7 + i / 251) % 90);
    return out;
}

/// Writes all of `text`, as fast as the stream takes it.
void write_all(Rig& rig, StreamPort& port, StreamHandle stream, std::string_view text) {
    for (int guard = 0; !text.empty() && guard < 100'000; ++guard) {
        const std::string_view piece = text.substr(0, 64 * 1024);
        if (port.write(stream, slice(piece))) text.remove_prefix(piece.size());
        rig.run(2ms);
    }
    ASSERT_TRUE(text.empty());
}

TEST(Streams, CarryOctetsBothWaysAndEnd) {
    Rig rig;
    auto& ann = rig.join("ann");
    const auto stream = ann.engine->open_stream(rig.id, as_bytes("greeting"));
    ASSERT_TRUE(stream);
    ASSERT_TRUE(ann.engine->write(*stream, slice("hello ")));
    ASSERT_TRUE(ann.engine->write(*stream, slice("there")));
    rig.run(5ms);
    ASSERT_THAT(rig.log.streams, SizeIs(1));
    const auto theirs = rig.log.streams.begin()->first;
    auto& seen = rig.log.streams.begin()->second;
    EXPECT_EQ(seen.from, ann.id);
    EXPECT_EQ(seen.header, "greeting");
    EXPECT_EQ(seen.data, "hello there");
    EXPECT_FALSE(seen.fin);
    ASSERT_TRUE(rig.coordinator->write(theirs, slice("and back")));
    rig.coordinator->finish(theirs);
    ann.engine->finish(*stream);
    rig.run(50ms);
    EXPECT_TRUE(seen.fin);
    EXPECT_TRUE(seen.delivered);
    EXPECT_EQ(ann.log.streams[*stream].data, "and back");
    EXPECT_TRUE(ann.log.streams[*stream].fin);
    EXPECT_TRUE(ann.log.streams[*stream].delivered);
    EXPECT_EQ(ann.engine->write(*stream, slice("x")).error().code(), Errc::not_connected);
}

TEST(Streams, OpenFromTheCoordinatorToo) {
    Rig rig;
    auto& ann = rig.join("ann");
    const auto stream = rig.coordinator->open_stream(ann.id, as_bytes("config"));
    ASSERT_TRUE(stream);
    ASSERT_TRUE(rig.coordinator->write(*stream, slice("data")));
    rig.coordinator->finish(*stream);
    rig.run(5ms);
    ASSERT_THAT(ann.log.streams, SizeIs(1));
    EXPECT_EQ(ann.log.streams.begin()->second.from, rig.id);
    EXPECT_EQ(ann.log.streams.begin()->second.data, "data");
    EXPECT_TRUE(ann.log.streams.begin()->second.fin);
}

TEST(Streams, LargeOnesArriveWhole) {
    Rig rig;
    auto& ann = rig.join("ann");
    const std::string text = pattern(5 << 20);
    const auto stream = ann.engine->open_stream(rig.id, {}).value();
    write_all(rig, *ann.engine, stream, text);
    ann.engine->finish(stream);
    rig.run(100ms);
    EXPECT_EQ(rig.log.streams.begin()->second.data, text);
    EXPECT_TRUE(rig.log.streams.begin()->second.fin);
}

TEST(Streams, PassThroughTheCoordinatorWithBackPressure) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    bob.log.reads = false;
    const auto stream = ann.engine->open_stream(bob.id, as_bytes("for bob")).value();
    const std::string text = pattern(64 * 1024);
    std::string sent;
    for (int i = 0; i < 2000; ++i) {
        if (!ann.engine->write(stream, slice(text))) break;
        sent += text;
        rig.run(2ms);
    }
    rig.run(10s);
    EXPECT_LT(sent.size(), 6u << 20) << "nobody on the way takes without bound";
    ASSERT_THAT(bob.log.streams, SizeIs(1));
    auto& seen = bob.log.streams.begin()->second;
    EXPECT_EQ(seen.from, ann.id);
    EXPECT_EQ(seen.header, "for bob");
    EXPECT_LE(seen.data.size(), 64u * 1024) << "a stream that nobody reads stays small";
    EXPECT_THAT(rig.log.streams, IsEmpty()) << "the coordinator's application has nothing to do with it";
    EXPECT_THAT(rig.log.left, IsEmpty());
    bob.log.reads = true;
    bob.engine->consume(bob.log.streams.begin()->first, seen.data.size());
    rig.run(1s);
    EXPECT_EQ(ann.log.streams[stream].writable, 1);
    ann.engine->finish(stream);
    rig.run(1s);
    EXPECT_EQ(seen.data, sent);
    EXPECT_TRUE(seen.fin);
    ASSERT_TRUE(bob.engine->write(bob.log.streams.begin()->first, slice("thanks")));
    bob.engine->finish(bob.log.streams.begin()->first);
    rig.run(100ms);
    EXPECT_EQ(ann.log.streams[stream].data, "thanks");
    EXPECT_TRUE(ann.log.streams[stream].fin);
}

TEST(Streams, ResetEndsBothDirectionsWithItsReason) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    for (const DeviceId& to : {rig.id, bob.id}) {
        const auto stream = ann.engine->open_stream(to, {}).value();
        ASSERT_TRUE(ann.engine->write(stream, slice("half")));
        rig.run(10ms);
        ann.engine->reset(stream, 42, "changed my mind");
        EXPECT_EQ(ann.engine->writable(stream), 0u);
        rig.run(10ms);
        auto& seen = to == rig.id ? rig.log.streams.begin()->second : bob.log.streams.begin()->second;
        EXPECT_TRUE(seen.reset);
        EXPECT_EQ(seen.reset_code, 42u);
        EXPECT_EQ(seen.reset_reason, "changed my mind");
        EXPECT_FALSE(ann.log.streams[stream].reset) << "no event for who did it";
    }
}

TEST(Streams, ReceiverMayResetWhileDataIsUnderWay) {
    Rig rig;
    auto& ann = rig.join("ann");
    const auto stream = ann.engine->open_stream(rig.id, {}).value();
    ASSERT_TRUE(ann.engine->write(stream, slice(pattern(50'000))));
    rig.run(5ms);
    ASSERT_TRUE(ann.engine->write(stream, slice(pattern(5'000))));
    rig.flush();
    rig.coordinator->reset(rig.log.streams.begin()->first, 7, "enough");
    rig.run(100ms);
    EXPECT_TRUE(ann.log.streams[stream].reset);
    EXPECT_EQ(ann.log.streams[stream].reset_code, 7u);
    EXPECT_TRUE(ann.engine->is_joined());
}

TEST(Streams, ToNobodyAreRefused) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    EXPECT_EQ(ann.engine->open_stream(device(99), {}).error().code(), Errc::unknown_peer);
    EXPECT_EQ(ann.engine->open_stream(ann.id, {}).error().code(), Errc::unknown_peer);
    EXPECT_EQ(rig.coordinator->open_stream(device(99), {}).error().code(), Errc::unknown_peer);
    const Bytes long_header(kMaxStreamHeaderSize + 1);
    EXPECT_EQ(ann.engine->open_stream(bob.id, long_header).error().code(), Errc::too_large);
    // Bob is gone by the time that the stream reaches the coordinator.
    bob.link->cut(1s);
    rig.flush();
    rig.timeline.run_next();
    rig.flush();
    const auto stream = ann.engine->open_stream(bob.id, {}).value();
    rig.run(20ms);
    EXPECT_TRUE(ann.log.streams[stream].reset);
    EXPECT_EQ(ann.log.streams[stream].reset_code, static_cast<std::uint64_t>(ResetCode::unknown_peer));
}

TEST(Streams, EndWithTheMemberAtTheOtherEnd) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    const auto to_bob = ann.engine->open_stream(bob.id, {}).value();
    const auto to_all = bob.engine->open_stream(rig.id, {}).value();
    rig.run(10ms);
    bob.link->cut();
    rig.run(10ms);
    EXPECT_TRUE(ann.log.streams[to_bob].reset);
    EXPECT_EQ(ann.log.streams[to_bob].reset_code, static_cast<std::uint64_t>(ResetCode::peer_gone));
    ASSERT_TRUE(bob.log.streams[to_all].ended);
    EXPECT_EQ(*bob.log.streams[to_all].ended, bob.log.ended.at(0)) << "with its evidence";
    ASSERT_TRUE(rig.log.streams.begin()->second.ended);
    EXPECT_EQ(*rig.log.streams.begin()->second.ended, rig.log.left.at(0).second);
}

TEST(Streams, EndWithTheGoodbyeOfTheMemberAtTheOtherEnd) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    const auto to_bob = ann.engine->open_stream(bob.id, {}).value();
    const auto to_all = bob.engine->open_stream(rig.id, {}).value();
    rig.run(10ms);
    bob.engine->close(7, "lunch", 1s, rig.timeline.now());
    rig.run(50ms);
    EXPECT_TRUE(ann.log.streams[to_bob].reset);
    EXPECT_EQ(ann.log.streams[to_bob].reset_code, static_cast<std::uint64_t>(ResetCode::peer_closed));
    EXPECT_EQ(ann.log.streams[to_bob].reset_reason, "the peer closed its session with code 7: lunch");
    const auto& at_coordinator = rig.log.streams.begin()->second;
    ASSERT_TRUE(at_coordinator.ended && at_coordinator.ended->is_closed());
    EXPECT_EQ(at_coordinator.ended->closed(), (Closed{Closed::By::peer, 7, "lunch"}));
    ASSERT_TRUE(bob.log.streams[to_all].ended && bob.log.streams[to_all].ended->is_closed());
    EXPECT_EQ(bob.log.streams[to_all].ended->closed().by, Closed::By::this_end);
}

TEST(Streams, AsManyAsAgreedAndAgainAsManyAfterThem) {
    Rig rig;
    auto& ann = rig.join("ann");
    for (int round = 0; round < 5; ++round) {
        std::vector<StreamHandle> open;
        for (int i = 0; i < 64; ++i) {
            const auto stream = ann.engine->open_stream(rig.id, {});
            ASSERT_TRUE(stream) << "round " << round << " stream " << i;
            open.push_back(*stream);
        }
        EXPECT_EQ(ann.engine->open_stream(rig.id, {}).error().code(), Errc::queue_full);
        rig.run(50ms);
        for (const StreamHandle stream : open) ann.engine->finish(stream);
        rig.run(50ms);
        for (auto& [theirs, seen] : rig.log.streams) rig.coordinator->finish(theirs);
        rig.run(100ms);
    }
    EXPECT_THAT(rig.log.streams, SizeIs(5 * 64));
    for (const auto& [theirs, seen] : rig.log.streams) EXPECT_TRUE(seen.fin && !seen.reset);
    EXPECT_TRUE(ann.engine->is_joined());
}

TEST(Streams, OneMemberCannotTakeAllTowardsAnother) {
    Rig rig;
    auto& greedy = rig.join("greedy");
    auto& other = rig.join("other");
    auto& target = rig.join("target");
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(greedy.engine->open_stream(target.id, {}));
    rig.run(50ms);
    EXPECT_THAT(target.log.streams, SizeIs(16)) << "a quarter of 64";
    ASSERT_TRUE(other.engine->open_stream(target.id, {}));
    ASSERT_TRUE(rig.coordinator->open_stream(target.id, {}));
    rig.run(50ms);
    EXPECT_THAT(target.log.streams, SizeIs(18));
}

TEST(Streams, OpenedAndResetInBurstsDoNotLookLikeAnAttack) {
    Rig rig;
    SeededRandomness late{5};
    auto& ann = rig.add("ann");
    rig.connect(ann, [&](MemoryLink& link) { link.jitter = &late; });
    rig.run(20ms);
    for (int i = 0; i < 3000; ++i) {
        const auto stream = ann.engine->open_stream(rig.id, as_bytes("x"));
        ASSERT_TRUE(stream) << i;
        if (i % 3 != 0) rig.flush();
        if (i % 7 == 0) rig.run(1ms);
        ann.engine->reset(*stream, 1, "no");
    }
    rig.run(1s);
    EXPECT_TRUE(ann.engine->is_joined());
    EXPECT_THAT(rig.log.left, IsEmpty());
}

TEST(Streams, OnlyACoordinatorSaysThatItWasStartedAnew) {
    Rig rig;
    auto& ann = rig.join("ann");
    auto& bob = rig.join("bob");
    for (const DeviceId& to : {bob.id, rig.id}) {
        const auto stream = ann.engine->open_stream(to, as_bytes("h"));
        ASSERT_TRUE(stream);
        rig.run(20ms);
        ann.engine->reset(*stream, static_cast<std::uint64_t>(ResetCode::relay_restarted), "trust me");
        rig.run(20ms);
    }
    const auto restarted = static_cast<std::uint64_t>(ResetCode::restarted);
    ASSERT_EQ(bob.log.streams.size(), 1u);
    EXPECT_EQ(bob.log.streams.begin()->second.reset_code, restarted);
    ASSERT_EQ(rig.log.streams.size(), 1u);
    EXPECT_EQ(rig.log.streams.begin()->second.reset_code, restarted);
}

}  // namespace
}  // namespace muster::session
