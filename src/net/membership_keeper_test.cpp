#include "net/membership_keeper.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::net {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Ge;
using testing::IsEmpty;
using testing::Le;
using testing::SizeIs;

class MembershipKeeperTest : public testing::Test {
protected:
    /// Lets time pass; returns when the membership was announced, counted from the call.
    std::vector<Duration> pass(Duration time) {
        std::vector<Duration> announced;
        const TimePoint begin = now_;
        for (; keeper_.next_wakeup() <= begin + time;) {
            now_ = std::max(now_, keeper_.next_wakeup());
            if (keeper_.on_timer(now_) != MembershipKeeper::Due::nothing) announced.push_back(now_ - begin);
        }
        now_ = begin + time;
        return announced;
    }

    std::vector<Duration> hear_every(Duration interval, int times) {
        std::vector<Duration> announced;
        for (int i = 0; i < times; ++i) {
            const auto more = pass(interval);
            announced.insert(announced.end(), more.begin(), more.end());
            keeper_.on_heard(now_);
        }
        return announced;
    }

    TimePoint now_{1h};
    MembershipKeeper keeper_{now_};
};

TEST_F(MembershipKeeperTest, AnnouncesOnceAMinuteWhateverComes) {
    EXPECT_THAT(pass(3min), ElementsAre(60s, 120s, 180s));
    EXPECT_THAT(hear_every(50ms, 20 * 120), SizeIs(2));
}

TEST_F(MembershipKeeperTest, TellsARoutineFromSomethingMissed) {
    now_ += 60s;
    EXPECT_EQ(keeper_.on_timer(now_), MembershipKeeper::Due::refresh);
    EXPECT_EQ(keeper_.on_timer(now_), MembershipKeeper::Due::nothing);
    keeper_.on_link_changed(now_);
    EXPECT_EQ(keeper_.on_timer(now_), MembershipKeeper::Due::asking);
}

TEST_F(MembershipKeeperTest, AnnouncesSoonAfterWhatCameRegularlyStaysAway) {
    hear_every(50ms, 100);
    const auto announced = pass(10s);
    ASSERT_THAT(announced, SizeIs(Ge(4u)));
    EXPECT_EQ(announced[0], 250ms);
    EXPECT_EQ(announced[1] - announced[0], 250ms);
    EXPECT_EQ(announced[2] - announced[1], 500ms) << "a port that learns needs longer";
    EXPECT_THAT(pass(1h), SizeIs(Le(62u))) << "and not for ever so often";
}

TEST_F(MembershipKeeperTest, LeavesOffWhenItComesAgain) {
    hear_every(50ms, 100);
    EXPECT_THAT(pass(300ms), SizeIs(1));
    EXPECT_THAT(hear_every(50ms, 100), IsEmpty());
}

TEST_F(MembershipKeeperTest, WaitsLongerForWhoSpeaksSeldom) {
    hear_every(3s, 15);
    EXPECT_THAT(pass(2900ms), IsEmpty());
    EXPECT_THAT(pass(20s), SizeIs(Ge(1u)));
}

TEST_F(MembershipKeeperTest, AnnouncesAtOnceWhenTheLinkIsBackAlsoIfNothingWasHeardEver) {
    pass(10s);
    keeper_.on_link_changed(now_);
    EXPECT_EQ(keeper_.next_wakeup(), now_);
    EXPECT_THAT(pass(1s), ElementsAre(0ms, 250ms, 750ms));
}

TEST_F(MembershipKeeperTest, TellsASwitchThatForgetsSoonOftenEnough) {
    int outages = 0;
    TimePoint told = now_;
    const auto live = [&](Duration time) {  // the switch forgets after 20 s
        for (const TimePoint end = now_ + time; now_ < end;) {
            if (!pass(10ms).empty()) told = now_;
            const bool is_due = (now_.time_since_epoch() / 10ms) % 5 == 0;
            if (is_due && now_ < told + 20s && keeper_.on_heard(now_)) ++outages;
        }
    };
    live(1min);
    EXPECT_EQ(outages, 2);
    live(10min);
    EXPECT_EQ(outages, 2) << "it is told every ten seconds now";
}

TEST_F(MembershipKeeperTest, TakesASenderThatBecomesSlowerForNoForgetfulSwitch) {
    hear_every(50ms, 100);
    int revived = 0;
    for (int i = 0; i < 60; ++i) {  // each of them falls together with the third announcement
        pass(1s);
        revived += keeper_.on_heard(now_);
    }
    EXPECT_LE(revived, 1) << "by chance";
    EXPECT_THAT(hear_every(1s, 600), SizeIs(10)) << "and is announced once a minute, as before";
}

TEST_F(MembershipKeeperTest, DoesNotFloodTheNetworkForASenderThatPausesAllTheTime) {
    std::size_t announced = 0;
    for (int pause = 0; pause < 600; ++pause) {
        announced += hear_every(20ms, 30).size();
        announced += pass(400ms).size();
    }
    EXPECT_THAT(announced, Le(6u + 60 + 60)) << "ten minutes: what the rate allows, and the refresh";
}

}  // namespace
}  // namespace muster::net
