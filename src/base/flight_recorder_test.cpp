#include "base/flight_recorder.h"

#include <algorithm>

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace muster {
namespace {

using namespace std::chrono_literals;

Endpoint endpoint(std::uint8_t host, std::uint16_t port = 4711) {
    return {IpAddress{IpAddress::V4{192, 0, 2, host}}, port, InterfaceIndex{2}};
}

Interface interface_called(const std::string& name, std::uint32_t index) {
    Interface made;
    made.index = InterfaceIndex{index};
    made.name = name;
    made.up = made.carrier = true;
    return made;
}

class FlightRecorderTest : public testing::Test {
protected:
    std::vector<std::string> kinds() const {
        std::vector<std::string> found;
        for (const TimelineEntry& each : recorder.read(now).entries) found.emplace_back(kind_of(each.what));
        return found;
    }
    template <class What>
    const What& at(const Timeline& timeline, std::size_t index) const {
        return std::get<What>(timeline.entries.at(index).what);
    }

    TimePoint now{1h};
    FlightRecorder recorder{Timeline{}};
    const DeviceId peer{{1}}, other{{2}};
};

TEST_F(FlightRecorderTest, KeepsTheLatestEntriesAndCountsTheOthers) {
    for (std::size_t i = 0; i < FlightRecorder::kMaxEntries + 10; ++i)
        recorder.record(peer, seen::Joined{std::to_string(i)}, now += 1ms);
    const Timeline told = recorder.read(now);
    ASSERT_EQ(told.entries.size(), FlightRecorder::kMaxEntries);
    EXPECT_EQ(told.left_out, 10u);
    EXPECT_EQ(at<seen::Joined>(told, 0).name, "10");
    EXPECT_EQ(told.entries.back().at, now);
}

TEST_F(FlightRecorderTest, IsBoundedInOctetsWhateverOthersSay) {
    Error long_story{Errc::lost, std::string(4096, 'x')};
    for (int i = 0; i < 64; ++i) long_story.saw({"phase", std::string(512, 'y'), std::string(512, 'z')});
    for (std::size_t i = 0; i < 200; ++i) recorder.record(peer, seen::Interrupted{long_story}, now += 1ms);
    const std::size_t size = recorder.read(now).entries.size();
    EXPECT_LT(size * 64 * 1024, FlightRecorder::kMaxOctets + 128 * 1024);
    EXPECT_GE(size, 3u);
    EXPECT_EQ(recorder.read(now).left_out, 200 - size);
}

TEST_F(FlightRecorderTest, ADialThatFailsAgainAndAgainIsOneEntryWithTheLatestCandidates) {
    for (int i = 1; i <= 500; ++i) {
        Error why{Errc::unreachable, "nobody answered"};
        why.saw({"probe", "eth0", "try " + std::to_string(i)});
        recorder.record(peer, seen::DialEnded{.outcome = seen::DialEnded::Outcome::failed, .why = why},
                        now += 3s);
    }
    const Timeline told = recorder.read(now);
    ASSERT_EQ(told.entries.size(), 1u);
    EXPECT_EQ(told.entries[0].times, 500u);
    EXPECT_EQ(told.entries[0].until, now);
    EXPECT_EQ(at<seen::DialEnded>(told, 0).why.evidence()[0].finding, "try 500");
    // another peer's, another failure and a success are none of them
    recorder.record(
        other, seen::DialEnded{.outcome = seen::DialEnded::Outcome::failed, .why = {Errc::unreachable, ""}},
        now);
    recorder.record(
        peer, seen::DialEnded{.outcome = seen::DialEnded::Outcome::failed, .why = {Errc::untrusted, ""}},
        now);
    recorder.record(peer, seen::DialEnded{.outcome = seen::DialEnded::Outcome::linked}, now);
    recorder.record(peer, seen::DialEnded{.outcome = seen::DialEnded::Outcome::linked}, now);
    EXPECT_EQ(recorder.read(now).entries.size(), 5u);
}

TEST_F(FlightRecorderTest, WhatAnybodyCanCauseDoesNotDriveOutTheRest) {
    recorder.record(peer, seen::Interrupted{Error{Errc::lost, "silence"}}, now);
    for (int i = 0; i < 100'000; ++i) {
        const auto number = static_cast<std::uint16_t>(i);
        recorder.record({}, seen::IcmpError{endpoint(1, number), "no_port", endpoint(7).address},
                        now += 100us);
    }
    const Timeline told = recorder.read(now);  // ten seconds: 32 at once, four a second
    EXPECT_LE(told.entries.size(), 1 + 32 + 41u);
    EXPECT_EQ(kind_of(told.entries[0].what), "interrupted");
    std::uint64_t told_of = told.left_out;
    for (const TimelineEntry& each : told.entries) told_of += each.times;
    EXPECT_EQ(told_of, 100'001u);
}

TEST_F(FlightRecorderTest, OnePeerDoesNotDriveOutWhatWasSeenOfTheOthers) {
    const auto told_of_other = [&] {
        return std::ranges::count(recorder.read(now).entries, other, &TimelineEntry::peer);
    };
    recorder.on_interfaces(std::vector{interface_called("eth0", 2)}, now);
    for (int i = 0; i < 100; ++i) recorder.record(other, seen::Resumed{1s}, now += 1ms);
    for (int i = 0; i < 10'000; ++i) {
        recorder.record(peer, seen::Joined{"loop"}, now += 1ms);
        recorder.record(peer, seen::Left{Closed{Closed::By::peer, 0, "bye"}}, now += 1ms);
    }
    EXPECT_EQ(told_of_other(), 100);
    EXPECT_EQ(kinds().front(), "interface_changed");
    EXPECT_EQ(kinds().size(), FlightRecorder::kMaxEntries);
    EXPECT_EQ(kinds().back(), "left");
    for (int i = 0; i < 100; ++i) recorder.record(other, seen::Resumed{1s}, now += 1ms);
    EXPECT_EQ(told_of_other(), 200) << "who fills the room makes place for the others";
}

TEST_F(FlightRecorderTest, OnePeerDoesNotDriveOutTheOthersByLongStoriesEither) {
    recorder.record(other, seen::Resumed{1s}, now);
    const Error long_story{Errc::lost, std::string(8192, 'x')};
    for (int i = 0; i < 1000; ++i) recorder.record(peer, seen::Interrupted{long_story}, now += 1ms);
    EXPECT_EQ(kinds().front(), "resumed");
    EXPECT_LT(kinds().size(), 70u);
}

TEST_F(FlightRecorderTest, TheSameRefusalIsCountedAndAnOldOneIsNews) {
    const seen::SendRefused refused{{endpoint(1), "eth0", {}}, "filtered"};
    for (int i = 0; i < 1000; ++i) recorder.record({}, refused, now += 1ms);
    EXPECT_EQ(recorder.read(now).entries.size(), 1u);
    EXPECT_EQ(recorder.read(now).entries[0].times, 1000u);
    recorder.record({}, refused, now += 1min);
    EXPECT_EQ(recorder.read(now).entries.size(), 2u);
}

TEST_F(FlightRecorderTest, TellsWhatHasChangedOfTheInterfacesAndNothingElse) {
    std::vector<Interface> all{interface_called("eth0", 2), interface_called("eth1", 3)};
    recorder.on_interfaces(all, now);
    recorder.on_interfaces(all, now += 1s);
    EXPECT_EQ(kinds().size(), 2u);
    all[0].carrier = false;
    recorder.on_interfaces(all, now += 1s);
    all.pop_back();
    recorder.on_interfaces(all, now += 1s);
    const Timeline told = recorder.read(now);
    ASSERT_EQ(told.entries.size(), 4u);
    EXPECT_FALSE(at<seen::InterfaceChanged>(told, 2).interface.carrier);
    EXPECT_EQ(at<seen::InterfaceChanged>(told, 3).interface.name, "eth1");
    EXPECT_TRUE(at<seen::InterfaceChanged>(told, 3).is_gone);
}

TEST_F(FlightRecorderTest, KeepsOfAnInterfaceWithManyAddressesAndNamesTheFirst) {
    Interface crowded = interface_called("eth0", 2);
    crowded.addresses.assign(100, {*IpAddress::parse("192.0.2.1"), 24, false});
    crowded.alternative_names.assign(64, std::string(127, 'n'));
    recorder.on_interfaces(std::vector{crowded}, now);
    const Timeline told = recorder.read(now);
    const Interface& kept = at<seen::InterfaceChanged>(told, 0).interface;
    EXPECT_EQ(kept.addresses.size(), 16u);
    EXPECT_EQ(kept.alternative_names.size(), 4u);
}

TEST_F(FlightRecorderTest, KnowsTheInterfacesBeforeItsFirstEntry) {
    std::vector<Interface> all{interface_called("eth0", 2), interface_called("eth1", 3)};
    recorder.on_interfaces(all, now);
    all[0].carrier = false;
    all.pop_back();
    recorder.on_interfaces(all, now);
    for (std::size_t i = 0; i < FlightRecorder::kMaxEntries; ++i)
        recorder.record(DeviceId{{static_cast<std::uint8_t>(i % 8)}}, seen::Joined{}, now);
    const Timeline told = recorder.read(now);
    ASSERT_EQ(told.before.size(), 1u);
    EXPECT_EQ(told.before[0].name, "eth0");
    EXPECT_FALSE(told.before[0].carrier);
}

TEST_F(FlightRecorderTest, IsToldInWordsAndInJson) {
    recorder.record(
        peer, seen::PathLost{{endpoint(1), "eth0", {}}, Fault::link_dead, "eth0 has no carrier", 5ms, true},
        now);
    recorder.record(other, seen::Left{Closed{Closed::By::peer, 7, "home\x1b[31m"}}, now += 250ms);
    const Timeline told = recorder.read(now += 1s);
    const std::string words = told.to_text(10);
    EXPECT_NE(words.find("-1.250 s  path_lost"), std::string::npos) << words;
    EXPECT_NE(words.find("192.0.2.1:4711 by eth0 (in use): eth0 has no carrier (link_dead)"),
              std::string::npos)
        << words;
    EXPECT_EQ(words.find('\x1b'), std::string::npos);
    EXPECT_EQ(told.to_text(1).find("path_lost"), std::string::npos);
    const auto json = boost::json::parse(told.to_json());
    const auto& first = json.at("entries").at(0);
    EXPECT_EQ(first.at("kind").as_string(), "path_lost");
    EXPECT_EQ(first.at("ago_ms").as_double(), 1250);
    EXPECT_EQ(first.at("way").at("interface").as_string(), "eth0");
    EXPECT_EQ(first.at("fault").as_string(), "link_dead");
    EXPECT_EQ(json.at("entries").at(1).at("code").as_int64(), 7);
}

TEST_F(FlightRecorderTest, APartIsAboutOnePeerAndNobodyInParticular) {
    recorder.record(peer, seen::Joined{"one"}, now);
    recorder.record(other, seen::Joined{"other"}, now);
    recorder.on_interfaces(std::vector{interface_called("eth0", 2)}, now);
    EXPECT_EQ(recorder.read(now).of(peer, 64).entries.size(), 2u);
    const Timeline latest = recorder.read(now).of(peer, 1);
    ASSERT_EQ(latest.entries.size(), 1u);
    EXPECT_EQ(kind_of(latest.entries[0].what), "interface_changed");
    EXPECT_EQ(latest.left_out, 1u);
}

TEST_F(FlightRecorderTest, APartCostsWhatItHoldsAndNotWhatTheWholeHolds) {
    Error why{Errc::lost, std::string(200, 'x')};
    for (int i = 0; i < 8; ++i) why.saw({"a phase that is long", std::string(40, 'y'), std::string(40, 'z')});
    Timeline whole;
    whole.entries.resize(FlightRecorder::kMaxEntries);
    for (TimelineEntry& each : whole.entries) each = {.peer = other, .what = seen::Interrupted{why}};
    const auto fastest = [](auto work) {
        Duration best = 1h;
        for (int i = 0; i < 20; ++i) {
            const auto begin = std::chrono::steady_clock::now();
            EXPECT_LE(work().entries.size(), FlightRecorder::kMaxEntries);
            best = std::min<Duration>(best, std::chrono::steady_clock::now() - begin);
        }
        return best;
    };
    const Duration all = fastest([&] { return Timeline{whole}; });
    const Duration part = fastest([&] { return whole.of(peer, 64); });
    EXPECT_LT(part * 5, all) << part.count() << " ns and " << all.count() << " ns";
}

}  // namespace
}  // namespace muster
