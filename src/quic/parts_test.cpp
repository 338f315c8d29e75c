#include <deque>

#include <gtest/gtest.h>

#include "base/writer.h"
#include "quic/block_pool.h"
#include "quic/frame_guard.h"
#include "quic/send_queue.h"
#include "quic/test_world.h"
#include "quic/timer_heap.h"

namespace muster::quic::test {
namespace {

struct Sleeper {
    TimerSlot timer;
    TimePoint when = kNever;
};

TEST(TimerHeap, PopsInOrderWhateverHappensInBetween) {
    SeededRandomness random{1};
    std::vector<Sleeper> sleepers(500);
    TimerHeap<Sleeper> heap;
    for (int round = 0; round < 20'000; ++round) {
        Sleeper& sleeper = sleepers[uniform(random, sleepers.size())];
        sleeper.when = uniform(random, 5) == 0
                           ? kNever
                           : TimePoint{} + std::chrono::milliseconds{static_cast<int>(uniform(random, 1000))};
        heap.set(sleeper, sleeper.when);
        TimePoint earliest = kNever;
        if (round % 50 == 0) {
            for (const Sleeper& each : sleepers) earliest = std::min(earliest, each.when);
            ASSERT_EQ(heap.next(), earliest);
        }
    }
    TimePoint last{};
    std::size_t popped = 0, armed = 0;
    for (const Sleeper& each : sleepers) armed += each.when == kNever ? 0u : 1u;
    while (Sleeper* sleeper = heap.pop(TimePoint{} + 1h)) {
        EXPECT_GE(sleeper->when, last);
        last = sleeper->when;
        ++popped;
    }
    EXPECT_EQ(popped, armed);
    EXPECT_EQ(heap.next(), kNever);
}

TEST(TimerHeap, LeavesTheFutureAlone) {
    Sleeper sleeper;
    TimerHeap<Sleeper> heap;
    heap.set(sleeper, TimePoint{} + 5s);
    EXPECT_EQ(heap.pop(TimePoint{} + 4s), nullptr);
    EXPECT_EQ(heap.pop(TimePoint{} + 5s), &sleeper);
    heap.remove(sleeper);
    EXPECT_EQ(heap.pop(TimePoint{} + 6s), nullptr);
}

// Random sizes, each block filled with a mark of its own that must still be there when it is given back.
TEST(BlockPool, KeepsItsBlocksApart) {
    SeededRandomness random{3};
    BlockPool pool;
    struct Held {
        unsigned char* memory;
        std::size_t size;
        unsigned char mark;
    };
    std::vector<Held> held;
    const auto check = [](const Held& each) {
        return std::all_of(each.memory, each.memory + each.size,
                           [&](unsigned char c) { return c == each.mark; });
    };
    for (int round = 0; round < 5000; ++round) {
        const std::size_t size = uniform(random, uniform(random, 2) == 0 ? 200 : 30'000);
        const auto mark = static_cast<unsigned char>(round);
        if (held.size() < 50 || uniform(random, 2) == 0) {
            auto* memory = static_cast<unsigned char*>(pool.allocate(size));
            ASSERT_NE(memory, nullptr);
            ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory) % alignof(std::max_align_t), 0u);
            std::memset(memory, mark, size);
            held.push_back({memory, size, mark});
            continue;
        }
        Held& victim = held[uniform(random, held.size())];
        ASSERT_TRUE(check(victim));
        if (uniform(random, 4) == 0) {
            victim.memory = static_cast<unsigned char*>(pool.resize(victim.memory, size));
            const std::size_t kept = std::min(size, victim.size);
            victim.size = kept;
            ASSERT_TRUE(check(victim));
            victim.size = size;
            std::memset(victim.memory, victim.mark, size);
            continue;
        }
        pool.release(victim.memory);
        victim = held.back();
        held.pop_back();
    }
    for (const Held& each : held) {
        EXPECT_TRUE(check(each));
        pool.release(each.memory);
    }
}

TEST(BlockPool, UsesABlockAgain) {
    BlockPool pool;
    void* first = pool.allocate(8208);
    pool.release(first);
    EXPECT_EQ(pool.allocate(8200), first);
}

TEST(BlockPool, GivesZerosWhenAskedTo) {
    BlockPool pool;
    const ngtcp2_mem* memory = pool.interface();
    auto* octets = static_cast<unsigned char*>(memory->calloc(10, 1000, memory->user_data));
    EXPECT_TRUE(std::all_of(octets, octets + 10'000, [](unsigned char c) { return c == 0; }));
    memory->free(octets, memory->user_data);
    EXPECT_EQ(memory->calloc(SIZE_MAX / 2, 3, memory->user_data), nullptr);
}

template <class... Number>
Bytes frame(std::uint8_t type, Number... numbers) {
    Bytes out;
    Writer writer{out};
    writer.write(type);
    (writer.write_varint(numbers), ...);
    return out;
}

Bytes new_connection_id(std::uint64_t number, std::uint64_t retire_prior_to) {
    Bytes out = frame(0x18, number, retire_prior_to);
    Writer{out}.write(std::uint8_t{8}).write(Bytes(8 + 16));
    return out;
}

Bytes joined(std::initializer_list<Bytes> frames) {
    Bytes out;
    for (const Bytes& each : frames) out.insert(out.end(), each.begin(), each.end());
    return out;
}

TEST(FrameGuard, StopsWhatWouldAbortTheEngine) {
    FrameGuard guard;
    guard.begin();
    EXPECT_TRUE(guard.inspect(new_connection_id(5, 0)));
    EXPECT_FALSE(guard.has_violation());
    EXPECT_FALSE(guard.inspect(new_connection_id(50, 50)));
    EXPECT_TRUE(guard.has_violation());
}

TEST(FrameGuard, FindsItBehindEveryOtherFrame) {
    Bytes sized_stream = frame(0x0e, 0u, 0u, 3u);
    sized_stream.resize(sized_stream.size() + 3, std::byte{0x18});
    Bytes path_challenge = frame(0x1a);
    path_challenge.resize(9, std::byte{0x18});
    const std::vector<Bytes> others{frame(0x00),
                                    frame(0x01),
                                    frame(0x02, 9u, 0u, 1u, 2u, 0u, 1u),
                                    frame(0x03, 9u, 0u, 0u, 2u, 1u, 2u, 3u),
                                    frame(0x04, 1u, 2u, 3u),
                                    frame(0x05, 4u, 7u),
                                    frame(0x06, 0u, 0u),
                                    frame(0x07, 0u),
                                    sized_stream,
                                    frame(0x10, 1'000'000u),
                                    frame(0x11, 4u, 70'000u),
                                    frame(0x12, 3u),
                                    frame(0x13, 3u),
                                    frame(0x14, 3u),
                                    frame(0x15, 4u, 3u),
                                    frame(0x16, 3u),
                                    frame(0x17, 3u),
                                    new_connection_id(1, 0),
                                    frame(0x19, 3u),
                                    path_challenge,
                                    frame(0x1c, 1u, 0u, 0u),
                                    frame(0x1d, 1u, 0u),
                                    frame(0x1e),
                                    frame(0x31, 0u)};
    for (const Bytes& other : others) {
        FrameGuard guard;
        guard.begin();
        EXPECT_TRUE(guard.inspect(other)) << static_cast<int>(other[0]);
        EXPECT_FALSE(guard.inspect(joined({other, new_connection_id(3, 1)}))) << static_cast<int>(other[0]);
    }
}

TEST(FrameGuard, RefusesTypesItCannotSkip) {
    for (const unsigned type : {0x1fu, 0x20u, 0x28u, 0x2fu, 0x32u, 0x40u, 0x58u, 0xffu}) {
        FrameGuard guard;
        guard.begin();
        EXPECT_FALSE(guard.inspect(frame(static_cast<std::uint8_t>(type), 0u, 0u))) << type;
    }
}

TEST(FrameGuard, ReportsStopSending) {
    FrameGuard guard;
    guard.begin();
    EXPECT_TRUE(guard.inspect(joined({frame(0x01), frame(0x05, 4u, 99u), frame(0x05, 8u, 1u)})));
    ASSERT_EQ(guard.stops().size(), 2u);
    EXPECT_EQ(guard.stops()[0].stream, 4);
    EXPECT_EQ(guard.stops()[0].code, 99u);
}

std::string gathered(const SendQueue& queue, std::size_t limit) {
    std::array<ByteView, 8> views;
    const std::size_t count = queue.gather(views, limit);
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += as_text(views[i]);
    return text;
}

// Against a plain string that does the same: random pushes, sends, acknowledgements.
TEST(SendQueue, KeepsEveryOctetUntilItIsAcknowledged) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SeededRandomness random{seed};
        SendQueue queue;
        std::string model;  // everything pushed
        std::size_t sent = 0, acked = 0;
        std::deque<std::pair<const std::byte*, std::size_t>>
            borrowed;  // sent, unacknowledged: address, offset
        for (int round = 0; round < 3000; ++round) {
            const auto action = uniform(random, 4);
            if (action <= 1) {
                const std::string text = pattern(uniform(random, seed % 2 == 0 ? 4000 : 200), random.next());
                queue.push(slice(text));
                model += text;
            } else if (action == 2) {
                const std::size_t limit = uniform(random, 1500);
                const std::string text = gathered(queue, limit);
                ASSERT_EQ(text, model.substr(sent, text.size()));
                const std::size_t take = uniform(random, text.size() + 1);
                std::array<ByteView, 1> first;
                if (take > 0 && queue.gather(first, 1) == 1) borrowed.emplace_back(first[0].data(), sent);
                queue.mark_sent(take);
                sent += take;
            } else {
                const std::size_t take = uniform(random, sent - acked + 1);
                queue.mark_acked(take);
                acked += take;
                while (!borrowed.empty() && borrowed.front().second < acked) borrowed.pop_front();
            }
            ASSERT_EQ(queue.unsent(), model.size() - sent);
            ASSERT_EQ(queue.held(), model.size() - acked);
            for (const auto& [at, offset] : borrowed) ASSERT_EQ(static_cast<char>(*at), model[offset]);
        }
    }
}

TEST(SendQueue, MakesOnePieceOfManySmallOnes) {
    SendQueue queue;
    for (int i = 0; i < 10; ++i) queue.push(slice("0123456789"));
    std::array<ByteView, 8> views;
    EXPECT_EQ(queue.gather(views, 1500), 1u);
    EXPECT_EQ(views[0].size(), 100u);
}

TEST(SendQueue, SharesLargeSlices) {
    SendQueue queue;
    const Slice large = slice(pattern(5000));
    queue.push(large);
    std::array<ByteView, 8> views;
    ASSERT_EQ(queue.gather(views, 5000), 1u);
    EXPECT_EQ(views[0].data(), large.view().data());
}

TEST(SendQueue, DropsWhatWasNeverSentAndNothingElse) {
    SendQueue queue;
    queue.push(slice("abcdef"));
    queue.mark_sent(3);
    queue.drop_unsent();
    EXPECT_EQ(queue.unsent(), 0u);
    EXPECT_EQ(queue.held(), 3u);
    queue.push(slice("xyz"));
    EXPECT_EQ(gathered(queue, 100), "xyz");
    queue.mark_sent(3);
    queue.mark_acked(6);
    EXPECT_EQ(queue.held(), 0u);
}

TEST(SendQueue, LetsGoOfAcknowledgedSlices) {
    SendQueue queue;
    auto owner = std::make_shared<Bytes>(Bytes(2000));
    queue.push(Slice{owner, ByteView{*owner}});
    queue.push(slice(pattern(2000)));
    EXPECT_EQ(owner.use_count(), 2);
    queue.mark_sent(2500);
    queue.mark_acked(1999);
    EXPECT_EQ(owner.use_count(), 2);
    queue.mark_acked(1);
    EXPECT_EQ(owner.use_count(), 1);
}

}  // namespace
}  // namespace muster::quic::test
