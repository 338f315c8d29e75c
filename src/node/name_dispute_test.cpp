#include "node/name_dispute.h"

#include <gtest/gtest.h>

namespace muster::node {
namespace {

using namespace std::chrono_literals;
using Kind = NameVerdict::Kind;

DeviceId device(std::uint8_t number) {
    DeviceId id;
    id.bytes[0] = number;
    return id;
}

class NameDisputeTest : public testing::Test {
protected:
    /// Somebody claims the name, and this comes of asking him.
    std::optional<NameVerdict> claimed(const std::optional<DeviceId>& proven, bool in_use = true) {
        EXPECT_TRUE(dispute.on_claim({}));
        dispute.on_answer(proven, in_use, now);
        return dispute.take_verdict();
    }

    NameDispute dispute;
    TimePoint now{1h};
};

TEST_F(NameDisputeTest, TheHolderIsAskedOnceAtATime) {
    EXPECT_TRUE(dispute.on_claim({.at = {}, .id = {}, .name = "first"}));
    EXPECT_FALSE(dispute.on_claim({.at = {}, .id = {}, .name = "second"}));
    EXPECT_EQ(dispute.claim().name, "first");
    dispute.on_answer(std::nullopt, false, now);
    EXPECT_TRUE(dispute.on_claim({.at = {}, .id = {}, .name = "second"}));
    EXPECT_EQ(dispute.claim().name, "second");
}

TEST_F(NameDisputeTest, AClaimWithoutAKeyTakesNothing) {
    const auto verdict = claimed(std::nullopt, false);
    ASSERT_TRUE(verdict);
    EXPECT_EQ(verdict->kind, Kind::unproven);
    EXPECT_FALSE(dispute.take_verdict()) << "told once";
}

TEST_F(NameDisputeTest, AProvedKeyTakesANameThatNobodyKnowsYet) {
    const auto verdict = claimed(device(2), false);
    ASSERT_TRUE(verdict);
    EXPECT_EQ(verdict->kind, Kind::taken);
    EXPECT_EQ(verdict->proven, device(2));
    EXPECT_EQ(dispute.next_wakeup(), kNever) << "it is over";
}

TEST_F(NameDisputeTest, ANameInUseIsNeverGivenUp) {
    dispute.on_announced();
    const auto announced = claimed(device(2), false);
    ASSERT_TRUE(announced);
    EXPECT_EQ(announced->kind, Kind::contested);
    EXPECT_FALSE(claimed(device(2))) << "one rival is told once";
    const auto another = claimed(device(3));
    ASSERT_TRUE(another);
    EXPECT_EQ(another->kind, Kind::contested);
    EXPECT_EQ(another->proven, device(3));
}

TEST_F(NameDisputeTest, MembersMakeANameOnesOwnBeforeItIsAnnounced) {
    const auto verdict = claimed(device(2), true);
    ASSERT_TRUE(verdict);
    EXPECT_EQ(verdict->kind, Kind::contested);
}

TEST_F(NameDisputeTest, TheNameIsTriedForAgainAfterPausesThatGrow) {
    for (const Duration pause : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
        (void)claimed(std::nullopt);
        ASSERT_EQ(dispute.next_wakeup(), now + pause);
        dispute.on_timer(now + pause - 1ms);
        EXPECT_FALSE(dispute.take_verdict());
        now += pause;
        dispute.on_timer(now);
        const auto verdict = dispute.take_verdict();
        ASSERT_TRUE(verdict);
        EXPECT_EQ(verdict->kind, Kind::probe_again);
        EXPECT_EQ(dispute.next_wakeup(), kNever);
    }
}

TEST_F(NameDisputeTest, AfterTwoMinutesOfPeaceThePausesAreShortAgain) {
    for (int claim = 0; claim < 4; ++claim) (void)claimed(std::nullopt);
    EXPECT_EQ(dispute.next_wakeup(), now + 8s);
    now += 120s;
    (void)claimed(std::nullopt);
    EXPECT_EQ(dispute.next_wakeup(), now + 16s);
    now += 120s + 1ms;
    (void)claimed(std::nullopt);
    EXPECT_EQ(dispute.next_wakeup(), now + 1s);
}

}  // namespace
}  // namespace muster::node
