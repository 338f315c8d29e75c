#include <deque>

#include <gtest/gtest.h>

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
