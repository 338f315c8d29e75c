#include "link/path_table.h"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "link/probe.h"
#include "link/way_back.h"

namespace muster::link {
namespace {

using namespace std::chrono_literals;

constexpr InterfaceIndex kFirst{2}, kSecond{3};

Path path_to(std::uint8_t host, InterfaceIndex interface, std::uint8_t local = 0) {
    const auto address = [](std::uint8_t number) { return IpAddress{IpAddress::V4{10, 0, 0, number}}; };
    return {.remote = {address(host), 4711, interface}, .local = local ? address(local) : IpAddress{}};
}

Interface interface_with(InterfaceIndex index, std::vector<std::uint8_t> addresses) {
    Interface made;
    made.index = index;
    made.name = "eth" + std::to_string(static_cast<int>(index) - 2);
    made.up = made.carrier = true;
    for (const std::uint8_t number : addresses)
        made.addresses.push_back({IpAddress{IpAddress::V4{10, 0, 0, number}}, 24});
    return made;
}

/// Answers for the paths that work, after their round trip.
class PathTableTest : public testing::Test {
protected:
    void run(Duration time) {
        for (const TimePoint end = now + time; now < end; now += 1ms) {
            std::erase_if(under_way, [&](const auto& entry) {
                const auto& [at, question, from] = entry;
                if (at > now) return false;
                table.on_answer(question, from, now);
                return true;
            });
            if (traffic) table.on_traffic(now);
            while (const auto due = table.next_question(now)) {
                const Path along = table.path(*due);
                ++asked[along.remote.address.to_string()];
                const bool full = table.wants_full(*due, now);
                table.on_asked(*due, ++counter, full, now);
                if (full && narrow == along.remote.address) continue;
                if (const auto way = works.find(along.remote.address); way != works.end()) {
                    Path from = along;
                    from.local = path_to(0, kFirst, source).local;
                    under_way.emplace_back(now + way->second, counter, from);
                }
            }
            ASSERT_GT(table.next_wakeup(now), now) << "nothing is due any more";
            if (const auto move = table.next_move(now)) {
                moves.push_back(*move);
                table.on_moved(move->to, now);
            }
        }
    }

    void offer(std::initializer_list<OfferedPath> paths) { table.offer({paths.begin(), paths.size()}, now); }

    TimePoint now = TimePoint{} + 1h;
    const Path first = path_to(1, kFirst, 9), second = path_to(2, kSecond);
    PathTable table{Profile::realtime, first, now};
    std::map<IpAddress, Duration> works{{first.remote.address, 1ms}, {second.remote.address, 1ms}};
    std::map<std::string, int> asked;
    std::vector<std::tuple<TimePoint, std::uint64_t, Path>> under_way;
    std::vector<Move> moves;
    std::uint64_t counter = 0;
    std::optional<IpAddress> narrow;
    bool traffic = true;
    std::uint8_t source = 9;  // the own address from which the kernel sends
};

TEST_F(PathTableTest, AsksNothingWhileThereIsOnlyThePathInUse) {
    run(10s);
    EXPECT_TRUE(asked.empty());
    EXPECT_EQ(table.next_wakeup(now), kNever);
}

TEST_F(PathTableTest, KeepsAnotherPathWarmAtTheRateOfTheProfile) {
    offer({{second, 0}});
    run(10s);
    EXPECT_NEAR(asked["10.0.0.1"], 500, 30);
    EXPECT_NEAR(asked["10.0.0.2"], 40, 5);
    traffic = false;
    asked.clear();
    run(10s);
    EXPECT_NEAR(asked["10.0.0.1"], 250, 20);
    EXPECT_NEAR(asked["10.0.0.2"], 10, 5);
    EXPECT_TRUE(moves.empty());
}

TEST_F(PathTableTest, AsksASilentPathLessAndLess) {
    works.erase(second.remote.address);
    offer({{second, 0}});
    run(300s);
    EXPECT_LE(asked["10.0.0.2"], 25) << "every 30 s in the end";
    EXPECT_EQ(table.facts(now)[1].is_ready, false);
    EXPECT_NE(table.facts(now)[1].finding.find("no answer"), std::string::npos);
}

TEST_F(PathTableTest, LeavesASilentPathForOneThatAnswersNow) {
    offer({{second, 0}});
    run(3s);
    works.erase(first.remote.address);
    const TimePoint dead = now;
    for (int i = 0; i < 100 && moves.empty(); ++i) run(1ms);
    ASSERT_EQ(moves.size(), 1u);
    EXPECT_EQ(moves[0].to.remote, second.remote);
    EXPECT_LE(now - dead, 65ms);
    EXPECT_EQ(moves[0].why.find("no answer for"), 0u);
}

TEST_F(PathTableTest, LeavesAPathThatHadAnOutageAsSoonAsAnyOther) {
    offer({{second, 0}});
    run(1s);
    works.erase(second.remote.address);
    run(20s);
    works[second.remote.address] = 1ms;
    run(5s);
    works.erase(first.remote.address);
    run(1s);
    ASSERT_EQ(moves.size(), 1u);
    works[first.remote.address] = 1ms;
    run(1s);
    works.erase(second.remote.address);
    const TimePoint dead = now;
    for (int i = 0; i < 200 && moves.size() == 1; ++i) run(1ms);
    EXPECT_LE(now - dead, 70ms);
}

TEST_F(PathTableTest, StaysWhenTheOtherPathIsAsSilent) {
    offer({{second, 0}});
    run(3s);
    works.clear();
    run(1s);
    EXPECT_TRUE(moves.empty()) << "it was ready a moment ago, but does not answer now";
}

TEST_F(PathTableTest, ReturnsToACheaperPathOnlyWhenItHasBeenSteady) {
    offer({{first, 0}, {second, 1}});
    run(1s);
    works.erase(first.remote.address);
    run(1s);
    ASSERT_EQ(moves.size(), 1u);
    works[first.remote.address] = 1ms;
    const TimePoint healed = now;
    for (int i = 0; i < 10'000 && moves.size() == 1; ++i) run(1ms);
    ASSERT_EQ(moves.size(), 2u);
    EXPECT_GE(now - healed, 1500ms);
    EXPECT_LE(now - healed, 5s);
    EXPECT_NE(moves[1].why.find("costs less"), std::string::npos);
    // The oftener it fails, the longer it must have been steady.
    Duration longest{};
    for (int i = 0; i < 5; ++i) {
        works.erase(first.remote.address);
        run(1s);
        works[first.remote.address] = 1ms;
        const TimePoint again = now;
        for (const auto had = moves.size(); moves.size() == had;) run(1ms);
        EXPECT_GE(now - again, longest);
        longest = now - again;
    }
    EXPECT_GE(longest, 30s);
}

TEST_F(PathTableTest, TakesAnotherAddressOfItsInterface) {
    run(10ms);
    source = 7;
    table.on_interfaces(std::vector{interface_with(kFirst, {7})});
    EXPECT_FALSE(table.obstacle().is_empty());
    EXPECT_TRUE(table.has_hope());
    EXPECT_FALSE(table.next_move(now)) << "nothing has answered yet";
    run(5ms);
    ASSERT_EQ(moves.size(), 1u);
    EXPECT_EQ(moves[0].to.remote, first.remote);
}

TEST_F(PathTableTest, GivesUpHopeWithTheLastInterface) {
    offer({{second, 0}});
    run(1s);
    Interface dark = interface_with(kFirst, {9});
    dark.carrier = false;
    table.on_interfaces(std::vector{dark, interface_with(kSecond, {9})});
    EXPECT_EQ(table.obstacle(), (Obstacle{Fault::link_dead, "eth0 has no carrier"}));
    EXPECT_TRUE(table.has_hope());
    table.on_interfaces(std::vector{dark});
    EXPECT_FALSE(table.has_hope());
}

TEST_F(PathTableTest, GoesWhereThePeerAsksItToGo) {
    const Path offered = path_to(3, kSecond, 9);
    works[offered.remote.address] = 1ms;
    table.on_leave_request(offered, 1, now);
    run(5ms);
    ASSERT_EQ(moves.size(), 1u);
    EXPECT_EQ(moves[0].to.remote, offered.remote);
}

TEST_F(PathTableTest, AnOfferThatNobodyAnswersIsForgotten) {
    table.on_leave_request(path_to(3, kSecond, 9), 1, now);
    run(2s);
    EXPECT_TRUE(moves.empty());
    asked.clear();
    run(10s);
    EXPECT_LE(asked["10.0.0.3"], 20);
}

// A malicious peer names strangers as paths, and goes on asking to leave.
TEST_F(PathTableTest, RequestsToLeaveDoNotMakeAFlood) {
    for (int i = 0; i < 100; ++i) {
        std::vector<OfferedPath> strangers;
        for (std::uint8_t host = 10; host < 60; ++host) strangers.push_back({path_to(host, kSecond), 0});
        table.offer(strangers, now);
        table.on_leave_request(path_to(static_cast<std::uint8_t>(100 + i), kSecond),
                               static_cast<std::uint64_t>(i + 1), now);
        run(100ms);
    }
    int questions = 0;
    for (const auto& [to, times] : asked)
        if (to != "10.0.0.1") questions += times;
    EXPECT_LE(questions, 1500) << "150 strangers in 10 s, ten each";
    EXPECT_TRUE(moves.empty());
}

TEST_F(PathTableTest, StaysBoundedAndKeepsWhatIsReady) {
    offer({{second, 0}});
    run(1s);
    for (int i = 0; i < 20; ++i) {
        std::vector<OfferedPath> junk{{second, 0}};
        for (int k = 0; k < 100; ++k)
            junk.push_back({{.remote = {IpAddress{IpAddress::V4{10, 1, static_cast<std::uint8_t>(i),
                                                                static_cast<std::uint8_t>(k)}},
                                        4711, kSecond},
                             .local = {}},
                            0});
        table.offer(junk, now);
        EXPECT_LE(table.facts(now).size(), 64u);
        run(30ms);
    }
    const auto facts = table.facts(now);
    EXPECT_TRUE(std::ranges::any_of(facts, &PathFacts::is_current));
    EXPECT_EQ(std::ranges::count_if(facts, &PathFacts::is_ready), 2);
}

TEST_F(PathTableTest, ForgetsWhatIsNoLongerOfferedAndDoesNotAnswer) {
    offer({{second, 0}, {path_to(3, kSecond), 0}});
    run(1s);
    EXPECT_EQ(table.facts(now).size(), 3u);
    offer({{path_to(4, kSecond), 0}});
    EXPECT_EQ(table.facts(now).size(), 3u) << "the second answers, so it stays";
}

TEST_F(PathTableTest, CopiesOfOneRequestToLeaveMoveItOnce) {
    const Path third = path_to(3, kSecond, 9), fourth = path_to(4, kSecond, 9);
    works[third.remote.address] = works[fourth.remote.address] = 1ms;
    offer({{third, 0}, {fourth, 0}});
    run(1s);
    for (int i = 0; i < 5; ++i) {
        table.on_leave_request(third, 1, now);
        run(2ms);
        table.on_leave_request(fourth, 1, now);
        run(2ms);
    }
    ASSERT_EQ(moves.size(), 1u);
    table.on_leave_request(fourth, 2, now);
    run(10ms);
    EXPECT_EQ(moves.size(), 2u);
}

TEST_F(PathTableTest, LeavesAPathThatCarriesOnlySmallPackets) {
    offer({{second, 0}});
    run(2s);
    narrow = first.remote.address;
    const TimePoint since = now;
    for (int i = 0; i < 3000 && moves.empty(); ++i) run(1ms);
    ASSERT_EQ(moves.size(), 1u);
    EXPECT_EQ(moves[0].why, "only small packets pass");
    EXPECT_LE(now - since, 1s);
}

TEST_F(PathTableTest, IgnoresAnswersFromElsewhereAndToNothing) {
    offer({{second, 0}});
    const auto due = table.next_question(now);
    ASSERT_TRUE(due);
    EXPECT_EQ(table.path(*due), second);
    table.on_asked(*due, 77, true, now);
    table.on_answer(77, path_to(200, kSecond, 9), now + 1ms);
    table.on_answer(78, second, now + 1ms);
    EXPECT_FALSE(table.facts(now + 1ms)[1].is_ready);
    table.on_answer(77, path_to(2, kSecond, 9), now + 1ms);
    EXPECT_TRUE(table.facts(now + 1ms)[1].is_ready);
}

TEST_F(PathTableTest, AKnownPathCostsTheSameWhoeverAsksForIt) {
    offer({{.path = first, .cost = 1}, {.path = second, .cost = 3}});
    run(1s);
    table.on_leave_request(second, 1, now);
    run(1s);
    ASSERT_EQ(moves.size(), 1u) << "as asked";
    run(2min);
    ASSERT_EQ(moves.size(), 2u);
    EXPECT_EQ(moves[1].to, first);
    EXPECT_NE(moves[1].why.find("costs less"), std::string::npos);
}

TEST(ReplayWindow, LetsEachCounterPassOnceAlsoALittleLate) {
    ReplayWindow window;
    EXPECT_TRUE(window.take(5));
    EXPECT_FALSE(window.take(5));
    EXPECT_TRUE(window.take(3));
    EXPECT_FALSE(window.take(3));
    EXPECT_TRUE(window.take(100));
    EXPECT_FALSE(window.take(36)) << "too late to know";
    EXPECT_TRUE(window.take(37));
    EXPECT_FALSE(window.take(5));
    EXPECT_TRUE(window.take(std::uint64_t{1} << 63));
    EXPECT_FALSE(window.take(100));
}

TEST(WayBack, AsksAlongAllThatWasHeardAndIsBounded) {
    WayBack way;
    const Path current = path_to(1, kFirst, 9);
    for (std::uint8_t i = 0; i < 50; ++i) way.note(path_to(i, kSecond, 9));
    const TimePoint now = TimePoint{} + 1h;
    EXPECT_EQ(way.next_wakeup(), kNever);
    ASSERT_TRUE(
        way.begin(current, {Fault::link_dead, "no carrier"}, std::vector{interface_with(kSecond, {9})}, now));
    EXPECT_EQ(way.due(now).size(), 8u);
    EXPECT_TRUE(way.due(now).empty()) << "not before a pause";
    EXPECT_EQ(way.due(way.next_wakeup()).size(), 8u);
    way.end();
    EXPECT_EQ(way.next_wakeup(), kNever);
    EXPECT_FALSE(way.begin(current, {Fault::link_dead, "gone"}, {}, now)) << "nowhere to ask";
}

}  // namespace
}  // namespace muster::link
