#include "sim/sim_clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::sim {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

class SimClockTest : public testing::Test {
protected:
    std::function<void()> log(int number) {
        return [this, number] { seen_.push_back(number); };
    }

    SimClock clock_;
    std::vector<int> seen_;
};

TEST_F(SimClockTest, JumpsFromEventToEventInOrderOfTimeAndThenOfScheduling) {
    clock_.after(3h, log(4));
    clock_.after(1s, log(1));
    clock_.after(2s, log(2));
    clock_.after(2s, log(3));
    while (clock_.step()) {
    }
    EXPECT_THAT(seen_, ElementsAre(1, 2, 3, 4));
    EXPECT_EQ(clock_.now(), SimClock::kStart + 3h);
    EXPECT_EQ(clock_.events(), 4u);
}

TEST_F(SimClockTest, RunsUpToAndIncludingTheEnd) {
    clock_.after(1s, log(1));
    clock_.after(2s, log(2));
    clock_.run_for(1s);
    EXPECT_THAT(seen_, ElementsAre(1));
    clock_.run_for(500ms);
    EXPECT_EQ(clock_.now(), SimClock::kStart + 1500ms);
    EXPECT_THAT(seen_, ElementsAre(1));
}

TEST_F(SimClockTest, AStepMayScheduleMoreEvenForNowAndThePast) {
    clock_.after(1s, [this] {
        clock_.at(clock_.now() - 1h, log(1));
        clock_.after(0s, log(2));
    });
    clock_.run_for(1s);
    EXPECT_THAT(seen_, ElementsAre(1, 2));
}

TEST_F(SimClockTest, RunsUntilSomethingHoldsOrPatienceEnds) {
    clock_.after(1s, log(1));
    clock_.after(5s, log(2));
    EXPECT_TRUE(clock_.run_until([this] { return !seen_.empty(); }, 10s));
    EXPECT_EQ(clock_.now(), SimClock::kStart + 1s);
    EXPECT_FALSE(clock_.run_until([this] { return seen_.size() > 2; }, 10s));
    EXPECT_EQ(clock_.now(), SimClock::kStart + 11s);
}

TEST_F(SimClockTest, ATimerFiresOnceAtItsLastDeadline) {
    std::vector<Duration> fired;
    SimTimer timer{clock_, [&] { fired.push_back(clock_.now() - SimClock::kStart); }};
    timer.arm(SimClock::kStart + 5s);
    timer.arm(SimClock::kStart + 9s);
    timer.arm(SimClock::kStart + 2s);
    timer.arm(SimClock::kStart + 7s);
    clock_.run_for(20s);
    EXPECT_THAT(fired, ElementsAre(7s));
    timer.arm(SimClock::kStart + 30s);
    timer.arm(kNever);
    clock_.run_for(20s);
    EXPECT_THAT(fired, ElementsAre(7s));
}

TEST_F(SimClockTest, ATimerMovedLaterATousandTimesCostsOneEvent) {
    SimTimer timer{clock_, log(1)};
    for (int i = 0; i < 1000; ++i) timer.arm(SimClock::kStart + 1s + std::chrono::milliseconds{i});
    EXPECT_EQ(clock_.pending(), 1u);
    clock_.run_for(10s);
    EXPECT_THAT(seen_, ElementsAre(1));
    EXPECT_EQ(clock_.events(), 2u);
}

TEST_F(SimClockTest, KeepsBrokenInvariantsWithTheirTime) {
    clock_.watch("nothing was seen", 1s, [this] { return seen_.empty(); });
    clock_.after(2500ms, log(1));
    clock_.run_for(3500ms);
    ASSERT_EQ(clock_.violations().size(), 1u);
    EXPECT_THAT(clock_.violations()[0], testing::HasSubstr("nothing was seen at 3.0"));
    clock_.run_for(1h);
    EXPECT_EQ(clock_.violations().size(), 64u) << "the first 64 are enough";
}

}  // namespace
}  // namespace muster::sim
