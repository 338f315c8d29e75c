#include "base/bounded_queue.h"

#include <memory>

#include <gtest/gtest.h>

namespace muster {
namespace {

TEST(BoundedQueue, GivesBackInOrder) {
    BoundedQueue<int> queue{3, WhenFull::refuse};
    EXPECT_TRUE(queue.push(1) && queue.push(2));
    EXPECT_EQ(queue.pop(), 1);
    EXPECT_EQ(queue.pop(), 2);
    EXPECT_EQ(queue.pop(), std::nullopt);
    EXPECT_EQ(queue.dropped(), 0u);
}

TEST(BoundedQueue, RefusesAndCountsAtItsLimit) {
    BoundedQueue<int> queue{2, WhenFull::refuse};
    EXPECT_TRUE(queue.push(1) && queue.push(2));
    EXPECT_TRUE(queue.full());
    EXPECT_FALSE(queue.push(3));
    EXPECT_EQ(queue.dropped(), 1u);
    EXPECT_EQ(queue.pop(), 1);
    EXPECT_TRUE(queue.push(4));
    EXPECT_EQ(queue.size(), 2u);
}

TEST(BoundedQueue, DropsTheOldestAndCountsAtItsLimit) {
    BoundedQueue<int> queue{2, WhenFull::drop_oldest};
    for (const int value : {1, 2, 3, 4}) EXPECT_TRUE(queue.push(value));
    EXPECT_EQ(queue.dropped(), 2u);
    EXPECT_EQ(queue.pop(), 3);
    EXPECT_EQ(queue.pop(), 4);
}

TEST(BoundedQueue, OfNoRoomHoldsNothing) {
    for (const auto when_full : {WhenFull::refuse, WhenFull::drop_oldest}) {
        BoundedQueue<int> queue{0, when_full};
        EXPECT_FALSE(queue.push(1));
        EXPECT_TRUE(queue.empty());
        EXPECT_EQ(queue.dropped(), 1u);
    }
}

TEST(BoundedQueue, TakesWhatCanOnlyBeMoved) {
    BoundedQueue<std::unique_ptr<int>> queue{1, WhenFull::drop_oldest};
    queue.push(std::make_unique<int>(7));
    EXPECT_EQ(**queue.pop(), 7);
}

}  // namespace
}  // namespace muster
