#include "net/arrival_rhythm.h"

#include <gtest/gtest.h>

namespace muster::net {
namespace {

using namespace std::chrono_literals;

class ArrivalRhythmTest : public testing::Test {
protected:
    /// Returns how many of them were late.
    int hear_every(Duration gap, int times) {
        int late = 0;
        for (int i = 0; i < times; ++i) {
            now_ += gap;
            late += now_ >= rhythm_.late_at();
            rhythm_.on_arrival(now_);
        }
        return late;
    }

    TimePoint now_{1h};
    ArrivalRhythm rhythm_;
};

TEST_F(ArrivalRhythmTest, HasNoneUntilItHasHeardSome) {
    EXPECT_EQ(rhythm_.late_at(), kNever);
    hear_every(50ms, 8);
    EXPECT_EQ(rhythm_.late_at(), kNever);
    hear_every(50ms, 1);
    EXPECT_EQ(rhythm_.late_at(), now_ + 250ms);
}

TEST_F(ArrivalRhythmTest, KeepsItThroughOutages) {
    hear_every(50ms, 100);
    for (int outage = 0; outage < 20; ++outage) {
        EXPECT_EQ(hear_every(5s, 1), 1) << "outage " << outage;
        EXPECT_EQ(hear_every(50ms, 20), 0);
    }
}

TEST_F(ArrivalRhythmTest, LearnsAnotherOfASenderThatBecomesSlower) {
    hear_every(50ms, 100);
    EXPECT_EQ(hear_every(1s, 300), 8);
    EXPECT_EQ(hear_every(2s, 300), 8);
    EXPECT_EQ(hear_every(50ms, 300), 0) << "and of one that becomes quicker";
    EXPECT_EQ(rhythm_.late_at(), now_ + 250ms);
}

TEST_F(ArrivalRhythmTest, LetsWhoSpeaksByTheClockBeALittleLate) {
    hear_every(1s, 300);
    EXPECT_EQ(hear_every(1100ms, 1), 0);
    EXPECT_EQ(hear_every(2s, 1), 1);
}

}  // namespace
}  // namespace muster::net
