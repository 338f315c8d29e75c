#include "link/race.h"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "base/crypto.h"

namespace muster::link {
namespace {

using namespace std::chrono_literals;

Path path(std::uint8_t host, std::uint32_t interface) {
    return {.remote = {IpAddress{IpAddress::V4{10, 0, 0, host}}, 4711, InterfaceIndex{interface}},
            .local = {}};
}

class RaceTest : public testing::Test {
protected:
    Race race(std::optional<DeviceId> expected = {}) {
        RaceOptions options;
        options.expected = expected;
        return Race{options, random_, budget_, now_};
    }
    std::uint64_t nonce_of(Race& race, const Path& path) {
        for (const auto& probe : race.due_probes(now_)) nonces_[probe.path] = probe.nonce;
        return nonces_.at(path);
    }
    SeededRandomness random_{1};
    ProbeBudget budget_;
    TimePoint now_{1s};
    DeviceId coordinator_ = DeviceKey::from_seed(Bytes(32)).value().id();
    std::map<Path, std::uint64_t> nonces_;
};

TEST_F(RaceTest, ProbesAllCandidatesAtOnce) {
    Race race = this->race();
    for (std::uint8_t i = 1; i <= 16; ++i) race.add(path(i, i), now_);
    EXPECT_EQ(race.due_probes(now_).size(), 16u);
    EXPECT_TRUE(race.due_probes(now_).empty());
    EXPECT_EQ(race.due_probes(now_ + 20ms).size(), 16u);
}

TEST_F(RaceTest, FirstAnswerGetsTheHandshakeAtOnce) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    race.add(path(2, 2), now_);
    const auto nonce = nonce_of(race, path(2, 2));
    EXPECT_FALSE(race.next_handshake(now_));
    now_ += 1ms;
    ASSERT_EQ(race.on_reply(nonce, path(2, 2), coordinator_, now_), Race::Reply::answered);
    const auto winner = race.next_handshake(now_);
    ASSERT_TRUE(winner);
    EXPECT_EQ(race.path(*winner), path(2, 2));
}

TEST_F(RaceTest, PausesGrowToTheLongestOne) {
    RaceOptions options;
    options.longest_pause = 100ms;
    Race race{options, random_, budget_, now_};
    race.add(path(1, 1), now_);
    std::vector<Duration> pauses;
    for (int i = 0; i < 6; ++i) {
        EXPECT_EQ(race.due_probes(now_).size(), 1u);
        pauses.push_back(race.next_wakeup() - now_);
        now_ = race.next_wakeup();
    }
    EXPECT_EQ(pauses, (std::vector<Duration>{20ms, 40ms, 80ms, 100ms, 100ms, 100ms}));
}

TEST_F(RaceTest, ARenewalAsksWhoIsSilentAndWhoFailedAtOnceAndQuickly) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    race.add(path(2, 2), now_);
    race.rule_out(path(3, 3), "no carrier");
    const auto nonce = nonce_of(race, path(2, 2));
    ASSERT_EQ(race.on_reply(nonce, path(2, 2), coordinator_, now_), Race::Reply::answered);
    race.on_handshake_failed(race.next_handshake(now_).value(), "the wrong key", now_);
    const TimePoint began = now_;
    for (; now_ < began + 3s; now_ = race.next_wakeup()) (void)race.due_probes(now_);
    (void)race.due_probes(now_);
    EXPECT_TRUE(race.due_probes(now_ + 500ms).empty()) << "long pauses by now";
    EXPECT_TRUE(race.renew(now_).empty());
    EXPECT_EQ(race.due_probes(now_).size(), 2u);
    EXPECT_EQ(race.due_probes(now_ + 20ms).size(), 2u);
    now_ += 21ms;
    ASSERT_EQ(race.on_reply(nonce, path(2, 2), coordinator_, now_), Race::Reply::answered);
    EXPECT_TRUE(race.next_handshake(now_));
    EXPECT_NE(race.failure(now_).explain().find("answered in 21 ms"), std::string::npos)
        << "not since the first probe, three seconds ago: " << race.failure(now_).explain();
}

TEST_F(RaceTest, ARenewalBeginsHandshakesAnewThatHaveHung) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    const auto nonce = nonce_of(race, path(1, 1));
    ASSERT_EQ(race.on_reply(nonce, path(1, 1), coordinator_, now_), Race::Reply::answered);
    const auto first = race.next_handshake(now_).value();
    EXPECT_TRUE(race.renew(now_ + 499ms).empty()) << "it may still come to something";
    EXPECT_TRUE(race.due_probes(now_ + 499ms).empty());
    now_ += 500ms;
    EXPECT_EQ(race.renew(now_), std::vector{first});
    EXPECT_EQ(race.due_probes(now_).size(), 1u);
    ASSERT_EQ(race.on_reply(nonce, path(1, 1), coordinator_, now_), Race::Reply::answered);
    EXPECT_EQ(race.next_handshake(now_), first);
}

TEST_F(RaceTest, WhatIsRuledOutOnItsWayIsNotProbedUntilItIsAddedAgain) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    EXPECT_EQ(race.due_probes(now_).size(), 1u);
    race.rule_out(path(1, 1), "eth0 has no carrier");
    EXPECT_TRUE(race.renew(now_).empty());
    EXPECT_TRUE(race.due_probes(now_ + 1s).empty());
    EXPECT_NE(race.failure(now_).explain().find("eth0 has no carrier"), std::string::npos);
    race.add(path(1, 1), now_);
    EXPECT_EQ(race.due_probes(now_).size(), 1u);
}

TEST_F(RaceTest, AGreetingBringsTheNextProbeForwardButNoFlood) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    race.add(path(2, 2), now_);
    for (const TimePoint end = now_ + 3s; now_ < end; now_ = race.next_wakeup()) (void)race.due_probes(now_);
    EXPECT_EQ(race.due_probes(now_).size(), 2u);
    now_ += 500ms;
    race.on_greeting(path(1, 7), now_);
    const auto due = race.due_probes(now_);
    ASSERT_EQ(due.size(), 1u);
    EXPECT_EQ(due[0].path, path(1, 1));
    std::size_t probes = 0;
    for (const TimePoint end = now_ + 100ms; now_ < end; now_ += 100us) {
        race.on_greeting(path(1, 1), now_);
        probes += race.due_probes(now_).size();
    }
    EXPECT_LE(probes, 5u);
}

TEST_F(RaceTest, ADeadCandidateDelaysNobody) {
    Race race = this->race();
    for (std::uint8_t i = 1; i <= 8; ++i) race.add(path(i, i), now_);
    const auto nonce = nonce_of(race, path(8, 8));
    now_ += 300us;
    ASSERT_EQ(race.on_reply(nonce, path(8, 8), coordinator_, now_), Race::Reply::answered);
    EXPECT_TRUE(race.next_handshake(now_));
}

TEST_F(RaceTest, TheNextBestStartsBesideAHandshakeThatHangs) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    race.add(path(2, 2), now_);
    const auto first = nonce_of(race, path(1, 1)), second = nonces_.at(path(2, 2));
    race.on_reply(first, path(1, 1), coordinator_, now_ + 1ms);
    race.on_reply(second, path(2, 2), coordinator_, now_ + 2ms);
    ASSERT_TRUE(race.next_handshake(now_ + 2ms));
    EXPECT_FALSE(race.next_handshake(now_ + 3ms)) << "the first one needs its chance";
    EXPECT_TRUE(race.next_handshake(now_ + 62ms));
}

TEST_F(RaceTest, AFailedHandshakeGivesTheNextOneItsTurnAtOnce) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    race.add(path(2, 2), now_);
    const auto first = nonce_of(race, path(1, 1)), second = nonces_.at(path(2, 2));
    race.on_reply(first, path(1, 1), coordinator_, now_ + 1ms);
    race.on_reply(second, path(2, 2), coordinator_, now_ + 2ms);
    const auto tried = race.next_handshake(now_ + 2ms);
    race.on_handshake_failed(*tried, "handshake: alert 42", now_ + 3ms);
    EXPECT_TRUE(race.next_handshake(now_ + 3ms));
}

TEST_F(RaceTest, SilentHandshakesGiveTheirPlacesUp) {
    Race race = this->race();
    for (std::uint8_t i = 1; i <= 7; ++i) race.add(path(i, i), now_);
    (void)nonce_of(race, path(1, 1));
    for (std::uint8_t i = 1; i <= 7; ++i)
        race.on_reply(nonces_.at(path(i, i)), path(i, i), coordinator_, now_ + i * 1ms);
    const TimePoint start = now_ = now_ + 10ms;
    std::vector<Duration> turns;
    while (turns.size() < 7 && !race.is_over(now_)) {
        while (race.next_handshake(now_)) turns.push_back(now_ - start);
        (void)race.due_probes(now_);
        ASSERT_GT(race.next_wakeup(), now_);
        now_ = race.next_wakeup();
    }
    EXPECT_EQ(turns, (std::vector<Duration>{0ms, 60ms, 120ms, 500ms, 560ms, 620ms, 1000ms}));
}

TEST_F(RaceTest, ARefusedCandidateComesAgainAfterAPause) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    race.no_more_coming();
    race.on_reply(nonce_of(race, path(1, 1)), path(1, 1), coordinator_, now_ + 1ms);
    const TimePoint start = now_;
    int refusals = 0;
    for (; !race.is_over(now_); now_ = race.next_wakeup()) {
        while (race.next_handshake(now_)) {
            race.on_handshake_refused(0, "handshake: too many devices wait", now_);
            ++refusals;
            EXPECT_GE(race.next_wakeup(), now_ + 50ms);
            if (refusals == 1) {
                EXPECT_LE(race.next_wakeup(), now_ + 100ms);
            }
        }
    }
    EXPECT_EQ(now_, start + 5s) << "until patience is over, however often";
    EXPECT_GE(refusals, 8);
    EXPECT_LE(refusals, 20);
    const Error error = race.failure(now_);
    EXPECT_EQ(error.code(), Errc::handshake_failed);
    EXPECT_NE(error.evidence()[0].finding.find("too many devices wait"), std::string::npos);
}

TEST_F(RaceTest, ARefusalGivesTheNextOneItsTurnAtOnce) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    race.add(path(2, 2), now_);
    const auto first = nonce_of(race, path(1, 1)), second = nonces_.at(path(2, 2));
    race.on_reply(first, path(1, 1), coordinator_, now_ + 1ms);
    race.on_reply(second, path(2, 2), coordinator_, now_ + 2ms);
    const auto tried = race.next_handshake(now_ + 2ms);
    race.on_handshake_refused(*tried, "handshake: too many connections", now_ + 3ms);
    const auto next = race.next_handshake(now_ + 3ms);
    ASSERT_TRUE(next);
    EXPECT_NE(*next, *tried);
}

TEST_F(RaceTest, BelievesNoReplyFromElsewhereOrFromAnotherDevice) {
    Race race = this->race(coordinator_);
    race.add(path(1, 1), now_);
    const auto nonce = nonce_of(race, path(1, 1));
    EXPECT_EQ(race.on_reply(nonce + 1, path(1, 1), coordinator_, now_), Race::Reply::ignored) << "nonce";
    EXPECT_EQ(race.on_reply(nonce, path(9, 1), coordinator_, now_), Race::Reply::ignored) << "address";
    EXPECT_EQ(race.on_reply(nonce, path(1, 1), DeviceId{}, now_), Race::Reply::stranger);
    EXPECT_FALSE(race.next_handshake(now_));
    EXPECT_NE(race.evidence(now_)[0].finding.find("another device"), std::string::npos);
}

TEST_F(RaceTest, ProbesSlowDownButDoNotStop) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    int probes = 0;
    const TimePoint end = now_ + 5s;
    while (!race.is_over(now_)) {
        probes += static_cast<int>(race.due_probes(now_).size());
        now_ = race.next_wakeup();
    }
    EXPECT_EQ(now_, end);
    EXPECT_GE(probes, 9);
    EXPECT_LE(probes, 12);
}

TEST_F(RaceTest, ExplainsEveryCandidate) {
    Race race = this->race();
    race.add(path(1, 1), now_);
    race.rule_out(path(2, 2), "eth1 has no carrier");
    (void)race.due_probes(now_);
    const Error error = race.failure(now_ + 5s);
    EXPECT_EQ(error.code(), Errc::unreachable);
    ASSERT_EQ(error.evidence().size(), 2u);
    EXPECT_EQ(error.evidence()[0].finding, "no answer to 1 probes in 5000 ms");
    EXPECT_EQ(error.evidence()[1].finding, "eth1 has no carrier");
    EXPECT_FALSE(error.cure().empty());
}

TEST_F(RaceTest, ARuledOutPathMayComeBack) {
    Race race = this->race();
    race.rule_out(path(1, 1), "eth0 still checks its IPv6 address for duplicates");
    EXPECT_TRUE(race.due_probes(now_).empty());
    race.add(path(1, 1), now_);
    race.add(path(1, 1), now_);
    EXPECT_EQ(race.due_probes(now_).size(), 1u);
}

TEST_F(RaceTest, EndsEarlyWhenAllHaveFailedAndNothingMoreComes) {
    Race race = this->race(coordinator_);
    race.add(path(1, 1), now_);
    race.on_reply(nonce_of(race, path(1, 1)), path(1, 1), DeviceId{}, now_);
    EXPECT_FALSE(race.is_over(now_));
    race.no_more_coming();
    EXPECT_TRUE(race.is_over(now_));
}

TEST_F(RaceTest, WhatAnybodyNamedGivesWayToWhatIsNamedLater) {
    Race race = this->race();
    race.add(path(1, 1), now_);  // by the owner
    for (std::uint32_t i = 1; i <= 70; ++i) race.add(path(2, i), now_ += 1ms, NamedBy::anybody);
    (void)race.due_probes(now_);
    race.add(path(3, 1), now_ += 1ms, NamedBy::anybody);
    const auto nonce = nonce_of(race, path(3, 1));
    EXPECT_EQ(race.on_reply(nonce, path(3, 1), coordinator_, now_), Race::Reply::answered);
    for (std::uint32_t i = 1; i <= 1000; ++i) race.add(path(4, i), now_ += 1ms, NamedBy::anybody);
    const auto winner = race.next_handshake(now_);
    ASSERT_TRUE(winner);
    EXPECT_EQ(race.path(*winner), path(3, 1)) << "who has answered stays";
    const auto seen = race.evidence(now_);
    EXPECT_EQ(seen.size(), 64u);
    EXPECT_EQ(seen[0].subject, path(1, 1).to_string()) << "and so does what the owner named";
}

TEST_F(RaceTest, WhatAnybodyNamedGetsNoMoreProbesThanTheBudgetHas) {
    Race race = this->race();
    for (std::uint32_t i = 1; i <= 63; ++i) race.add(path(2, i), now_, NamedBy::anybody);
    race.add(path(1, 1), now_);
    std::size_t probes = 0, own = 0;
    const TimePoint end = now_ + 5s;
    while (now_ < end) {
        for (const auto& probe : race.due_probes(now_)) ++(probe.path == path(1, 1) ? own : probes);
        ASSERT_GT(race.next_wakeup(), now_) << "no spinning while the budget is empty";
        now_ = race.next_wakeup();
    }
    EXPECT_LE(probes, 64u + 50u);
    EXPECT_GE(own, 9u) << "what the owner named is free";
}

TEST_F(RaceTest, APathThatIsNewIsProbedThoughTheOthersHaveUsedUpTheirShare) {
    Race race = this->race();
    for (std::uint32_t i = 1; i <= 20; ++i) race.add(path(2, i), now_, NamedBy::anybody);
    for (int i = 0; i < 200; ++i, now_ += 10ms) (void)race.due_probes(now_);
    race.add(path(3, 1), now_, NamedBy::anybody);
    const auto due = race.due_probes(now_);
    EXPECT_TRUE(std::ranges::any_of(due, [](const auto& probe) { return probe.path == path(3, 1); }));
}

TEST_F(RaceTest, HoldsAtMost64Candidates) {
    Race race = this->race();
    for (std::uint32_t i = 1; i <= 1000; ++i) race.add(path(1, i), now_);
    for (std::uint32_t i = 1; i <= 1000; ++i) race.rule_out(path(2, i), "no");
    EXPECT_EQ(race.due_probes(now_).size(), 64u);
}

}  // namespace
}  // namespace muster::link
