#include "link/liveness.h"

#include <gtest/gtest.h>

namespace muster::link {
namespace {

using namespace std::chrono_literals;
using Verdict = Liveness::Verdict;

constexpr Profile kProfiles[] = {Profile::realtime, Profile::balanced, Profile::low_power};

/// Lets time pass without a sound from the peer; returns when the verdict falls.
Duration silence_until_verdict(Profile profile, bool is_dialer, TimePoint heard) {
    Liveness liveness{profile, is_dialer, heard};
    for (int step = 0; step < 1000; ++step) {
        const TimePoint now = liveness.next_wakeup();
        if (liveness.on_timer(now) == Verdict::lost) return now - heard;
    }
    return Duration::max();
}

TEST(Liveness, CallsASilentPeerLostWithinTheStatedBound) {
    for (const Profile profile : kProfiles) {
        for (const bool is_dialer : {true, false}) {
            const Duration took = silence_until_verdict(profile, is_dialer, TimePoint{1s});
            EXPECT_LE(took, liveness_bound(profile));
            EXPECT_GE(took, liveness_bound(profile) * 3 / 4) << "so early a verdict would flap";
        }
    }
}

TEST(Liveness, LateTimersDoNotAddUp) {
    const TimePoint heard{1s};
    for (const bool is_dialer : {true, false}) {
        Liveness liveness{Profile::balanced, is_dialer, heard};
        TimePoint now;
        do now = liveness.next_wakeup() + 15ms;
        while (liveness.on_timer(now) != Verdict::lost);
        EXPECT_LE(now - heard, liveness_bound(Profile::balanced));
    }
}

TEST(Liveness, NeverLosesAPeerThatAnswers) {
    TimePoint now{1s};
    Liveness liveness{Profile::realtime, true, now};
    for (int beat = 0; beat < 10'000; ++beat) {
        now = liveness.next_wakeup();
        const Verdict verdict = liveness.on_timer(now);
        ASSERT_NE(verdict, Verdict::lost);
        if (verdict == Verdict::send_probe) liveness.on_heard(now + 1ms);
    }
}

TEST(Liveness, OnlyTheDialerBeatsWhileAllIsWell) {
    const TimePoint start{1s};
    Liveness dialer{Profile::balanced, true, start};
    Liveness acceptor{Profile::balanced, false, start};
    EXPECT_EQ(dialer.next_wakeup(), start + 400ms);
    EXPECT_EQ(dialer.on_timer(start + 400ms), Verdict::send_probe);
    EXPECT_GT(acceptor.next_wakeup(), start + 400ms);
    acceptor.on_heard(start + 400ms);
    EXPECT_EQ(acceptor.next_wakeup(), start + 900ms);
}

TEST(Liveness, DoesNotBlameThePeerForOurOwnStall) {
    const TimePoint start{1s};
    Liveness liveness{Profile::realtime, false, start};
    const TimePoint woke = start + 10s;  // this process did not run for ten seconds
    EXPECT_EQ(liveness.on_timer(woke), Verdict::send_probe);
    liveness.on_heard(woke + 1ms);
    EXPECT_EQ(liveness.on_timer(liveness.next_wakeup()), Verdict::send_probe);
}

TEST(Liveness, RecoversFromDoubt) {
    const TimePoint start{1s};
    Liveness liveness{Profile::balanced, false, start};
    EXPECT_EQ(liveness.on_timer(start + 500ms), Verdict::send_probe);
    EXPECT_EQ(liveness.on_timer(start + 565ms), Verdict::send_probe);
    liveness.on_heard(start + 600ms);
    EXPECT_EQ(liveness.unanswered(), 0);
    EXPECT_EQ(liveness.next_wakeup(), start + 1100ms);
    EXPECT_EQ(liveness.on_timer(start + 700ms), Verdict::alive);
}

}  // namespace
}  // namespace muster::link
