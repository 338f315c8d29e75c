#include "net/path_changes.h"

#include <gtest/gtest.h>

namespace muster::net {
namespace {

using namespace std::chrono_literals;

NetworkPath path(PathReach reach) {
    NetworkPath made;
    made.reach = reach;
    made.status = reach == PathReach::nothing ? PathStatus::unsatisfied : PathStatus::satisfied;
    return made;
}

class PathChangesTest : public testing::Test {
protected:
    TimePoint at(Duration after) const { return begin_ + after; }

    TimePoint begin_{1h};
    PathChanges changes_{{.quiet = 50ms, .max_delay = 250ms}, path(PathReach::link)};
};

TEST_F(PathChangesTest, ALossIsToldAtOnce) {
    ASSERT_TRUE(changes_.on_event(at(0ms)));
    const auto told = changes_.on_read(path(PathReach::nothing), at(0ms));
    ASSERT_TRUE(told);
    EXPECT_EQ(told->revision, 2U);
    EXPECT_EQ(changes_.told().reach, PathReach::nothing);
}

TEST_F(PathChangesTest, ANextHopThatFallsSilentIsToldAtOnce) {
    ASSERT_TRUE(changes_.on_event(at(0ms)));
    auto silent = path(PathReach::link);
    silent.on_link = LinkProof::failed;
    EXPECT_TRUE(changes_.on_read(silent, at(0ms)));
}

TEST_F(PathChangesTest, AGainIsToldWhenItHasSettled) {
    ASSERT_TRUE(changes_.on_event(at(0ms)));
    EXPECT_FALSE(changes_.on_read(path(PathReach::everywhere), at(0ms)));
    EXPECT_EQ(changes_.next_wakeup(), at(50ms));
    changes_.on_event(at(30ms));
    EXPECT_FALSE(changes_.on_read(path(PathReach::everywhere), at(30ms)));
    EXPECT_EQ(changes_.next_wakeup(), at(80ms));
    EXPECT_TRUE(changes_.on_read(path(PathReach::everywhere), at(80ms)));
    EXPECT_EQ(changes_.next_wakeup(), kNever);
}

TEST_F(PathChangesTest, WhatNeverSettlesIsToldInTheEnd) {
    int told = 0;
    for (auto t = 0ms; t < 1000ms; t += 5ms) {
        const bool is_due = changes_.next_wakeup() <= at(t);
        if (changes_.on_event(at(t)) || is_due) {
            auto seen = path(PathReach::everywhere);
            seen.supports_dns = t.count() % 2 == 0;  // changes all the time, never for the worse
            if (changes_.on_read(seen, at(t))) ++told;
        }
    }
    EXPECT_GE(told, 3);
    EXPECT_LE(told, 20);
}

TEST_F(PathChangesTest, EventsThatChangeNothingAreNotTold) {
    ASSERT_TRUE(changes_.on_event(at(0ms)));
    EXPECT_FALSE(changes_.on_read(path(PathReach::link), at(0ms)));
    EXPECT_FALSE(changes_.on_read(path(PathReach::link), at(50ms)));
    EXPECT_EQ(changes_.told().revision, 1U);
}

TEST_F(PathChangesTest, AFlapIsToldInBothDirectionsAndRevisionsOnlyGrow) {
    std::uint64_t last = 1;
    for (int i = 0; i < 100; ++i) {
        const auto now = at(i * 400ms);
        changes_.on_event(now);
        const auto lost = changes_.on_read(path(PathReach::nothing), now);
        ASSERT_TRUE(lost);
        EXPECT_EQ(lost->revision, ++last);
        changes_.on_event(now + 100ms);
        changes_.on_read(path(PathReach::link), now + 100ms);
        const auto back = changes_.on_read(path(PathReach::link), changes_.next_wakeup());
        ASSERT_TRUE(back);
        EXPECT_EQ(back->revision, ++last);
    }
}

TEST_F(PathChangesTest, AReadingThatFailsIsTriedAgainLaterAndItsChangeIsNotLost) {
    ASSERT_TRUE(changes_.on_event(at(0ms)));
    changes_.on_failure(at(0ms));
    EXPECT_EQ(changes_.next_wakeup(), at(0ms) + PathChanges::kRetry);
    EXPECT_FALSE(changes_.on_event(at(1ms)));
    EXPECT_GT(changes_.next_wakeup(), at(1ms)) << "no loop";
    const TimePoint later = at(10s);
    changes_.on_failure(later);
    EXPECT_FALSE(changes_.on_event(later));
    EXPECT_GT(changes_.next_wakeup(), later) << "nor when it waits for long";
    EXPECT_TRUE(changes_.on_read(path(PathReach::everywhere), later + 1s));
    EXPECT_EQ(changes_.next_wakeup(), kNever);
}

TEST_F(PathChangesTest, ReadingsThatTakeLongAreFewer) {
    ASSERT_TRUE(changes_.on_event(at(0ms)));
    changes_.on_read(path(PathReach::link), at(100ms), 100ms);
    EXPECT_FALSE(changes_.on_event(at(499ms)));
    EXPECT_EQ(changes_.next_wakeup(), at(500ms));
    changes_.on_read(path(PathReach::link), at(501ms), 1ms);
    EXPECT_TRUE(changes_.on_event(at(511ms))) << "it is quick again";
}

TEST_F(PathChangesTest, AFloodOfEventsIsNotReadEachTime) {
    int reads = 0;
    for (auto t = 0us; t < 1s; t += 100us)
        if (changes_.on_event(at(t)) || changes_.next_wakeup() <= at(t)) {
            ++reads;
            changes_.on_read(path(PathReach::link), at(t));
        }
    EXPECT_LE(reads, 110);
}

}  // namespace
}  // namespace muster::net
