#include "files/progress.h"

#include <gtest/gtest.h>

namespace muster::files {
namespace {

using namespace std::chrono_literals;

TEST(ProgressMeter, SettlesOnASteadyRateAndTheTimeThatRemains) {
    TimePoint now{};
    ProgressMeter meter;
    meter.start(0, 100'000'000, now);
    for (int i = 1; i <= 100; ++i) meter.advance(static_cast<std::uint64_t>(i) * 100'000, now += 100ms);
    EXPECT_NEAR(meter.progress().octets_per_second, 1e6, 1);
    ASSERT_TRUE(meter.progress().remaining);
    EXPECT_NEAR(std::chrono::duration<double>(*meter.progress().remaining).count(), 90.0, 0.1);
    EXPECT_DOUBLE_EQ(meter.progress().fraction(), 0.1);
}

TEST(ProgressMeter, FollowsAChangeOfRateWithinAFewSeconds) {
    TimePoint now{};
    ProgressMeter meter;
    meter.start(0, 1'000'000'000, now);
    std::uint64_t done = 0;
    for (int i = 0; i < 50; ++i) meter.advance(done += 100'000, now += 100ms);
    for (int i = 0; i < 60; ++i) meter.advance(done += 1'000'000, now += 100ms);
    EXPECT_GT(meter.progress().octets_per_second, 9.4e6);
    for (int i = 0; i < 60; ++i) meter.advance(done, now += 100ms);
    EXPECT_LT(meter.progress().octets_per_second, 0.6e6);
}

TEST(ProgressMeter, CountsOnlyWhatThisTransferMovedAsSpeed) {
    TimePoint now{};
    ProgressMeter meter;
    meter.start(900, 1000, now);
    meter.advance(910, now += 1s);
    EXPECT_NEAR(meter.progress().octets_per_second, 10, 0.01);
}

TEST(ProgressMeter, PromisesNothingWithoutARate) {
    TimePoint now{};
    ProgressMeter meter;
    meter.start(0, 1000, now);
    meter.advance(0, now += 1s);
    EXPECT_FALSE(meter.progress().remaining);
}

TEST(ProgressMeter, ShowsTenTimesASecondAndTheEndOnce) {
    TimePoint now{};
    ProgressMeter meter;
    meter.start(0, 1000, now);
    int shown = 0;
    for (std::uint64_t i = 1; i <= 1000; ++i) {
        meter.advance(i, now += 1ms);
        shown += meter.due(now) ? 1 : 0;
    }
    EXPECT_EQ(shown, 10);
    EXPECT_FALSE(meter.due(now + 1s));
}

TEST(ProgressMeter, EmptyFileIsComplete) {
    ProgressMeter meter;
    meter.start(0, 0, TimePoint{});
    EXPECT_EQ(meter.progress().fraction(), 1.0);
    EXPECT_TRUE(meter.due(TimePoint{}));
}

}  // namespace
}  // namespace muster::files
