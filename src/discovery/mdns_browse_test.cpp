// What a querier does: RFC 6762 sections 5.2, 7.3, 10, and what the application sees of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery/mdns_test_wire.h"

namespace muster::discovery::testing {
namespace {

using names::DnsType;

constexpr auto kName = "svc._muster._udp.local";
constexpr auto kType = "_muster._udp.local";

std::vector<Sent> questions(const Wire& wire, std::string_view name, TimePoint since = TimePoint{}) {
    return wire.packets([&](const Sent& sent) { return asks(sent, name); }, since);
}

struct Browsing {
    Wire wire;
    Wire::Host& host;
    TimePoint begin;
    explicit Browsing(bool sole = false)
        : host(wire.add([&](auto& options) { options.sole_on_port = sole; })) {
        wire.run_for(10s);  // the interface is not new any more
        begin = wire.now;
        EXPECT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    }
    std::vector<std::pair<TimePoint, ServiceEvent>> seen(std::string_view name = "svc") const {
        return Wire::seen(host, name);
    }
};

TEST(MdnsBrowse, Section5_2_AsksAtOnceThenAfterOneSecondAndThenAtDoubledIntervalsUpToAnHour) {
    Browsing browsing;
    browsing.wire.run_for(8h);
    const auto asked = questions(browsing.wire, kType);
    ASSERT_GT(asked.size(), 14U);
    EXPECT_EQ(asked[0].when, browsing.begin);
    Duration interval = 1s;
    for (std::size_t i = 1; i < asked.size(); ++i) {
        EXPECT_EQ(asked[i].when - asked[i - 1].when, interval) << i;
        interval = std::min<Duration>(interval * 2, 1h);
    }
}

TEST(MdnsBrowse, Section5_2_WhenALinkAppearsTheQuestionWaits20To120msButAUniqueOneDoesNot) {
    Wire wire;
    auto& host = wire.add();
    wire.plug(host, {});
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    ASSERT_TRUE(host.engine->resolve_unique({"coord", "_muster._udp", {}}, wire.now));
    wire.run_for(1s);
    const auto plugged = wire.now;
    wire.plug(host, {Wire::ethernet(1)});
    wire.run_for(500ms);
    const auto shared = questions(wire, kType, plugged);
    const auto unique = wire.packets(
        [](const Sent& sent) {
            return asks(sent, "coord._muster._udp.local") && sent.from == SendFrom::mdns_port;
        },
        plugged);
    ASSERT_EQ(shared.size(), 1U);
    ASSERT_EQ(unique.size(), 1U);
    EXPECT_GE(shared[0].when - plugged, 20ms);
    EXPECT_LE(shared[0].when - plugged, 120ms);
    EXPECT_EQ(unique[0].when, plugged);
    EXPECT_EQ(unique[0].message.questions.size(), 1U) << "in a packet of its own";
}

TEST(MdnsBrowse, Section5_2_WhatIsAskedAtTheStartOfTheProgramGoesOutAtOnce) {
    Wire wire;
    auto& host = wire.add_asleep();
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    const auto started = wire.now;
    wire.plug(host, {Wire::ethernet(host.number)});
    wire.run_for(10ms);
    const auto asked = questions(wire, kType);
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0].when, started);
}

TEST(MdnsBrowse, Section5_4_AsksForUnicastAnswersOnlyOnAFreshLinkAndAloneOnThePort) {
    for (const bool sole : {true, false}) {
        Wire wire;
        auto& host = wire.add([&](auto& options) { options.sole_on_port = sole; });
        ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
        wire.run_for(5s);
        const auto asked = questions(wire, kType);
        ASSERT_GE(asked.size(), 2U);
        EXPECT_EQ(asked[0].message.questions[0].unicast_response, sole);
        EXPECT_FALSE(asked[1].message.questions[0].unicast_response);
    }
    Browsing later{true};
    later.wire.run_for(1s);
    EXPECT_FALSE(questions(later.wire, kType)[0].message.questions[0].unicast_response);
}

TEST(MdnsBrowse, FindsAServiceWithAllThatOnePacketSaysAndAsksNothingMore) {
    Browsing browsing;
    browsing.wire.run_for(100ms);
    browsing.wire.inject(announcement("svc", "h.local", "10.0.0.9"));
    browsing.wire.run_for(100ms);
    const auto seen = browsing.seen();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].second.kind, ServiceEvent::Kind::found);
    const auto& instance = seen[0].second.instance;
    EXPECT_EQ(instance.type, "_muster._udp");
    EXPECT_EQ(instance.host, "h.local");
    EXPECT_EQ(instance.txt.get("a"), "b");
    ASSERT_EQ(instance.endpoints.size(), 1U);
    EXPECT_EQ(instance.endpoints[0].to_string(), "10.0.0.9:4711");
    EXPECT_EQ(instance.endpoints[0].interface, Wire::kEth);
    EXPECT_TRUE(questions(browsing.wire, kName).empty());
}

TEST(MdnsBrowse, ALinkLocalAddressKeepsTheInterfaceItWasLearnedOnAlsoWhenLearnedOverIpv4) {
    Browsing browsing;
    browsing.wire.inject(announcement("svc", "h.local", "fe80::9"));
    browsing.wire.run_for(10ms);
    ASSERT_EQ(browsing.seen().size(), 1U);
    EXPECT_EQ(browsing.seen()[0].second.instance.endpoints[0].to_string(), "[fe80::9%2]:4711");
}

TEST(MdnsBrowse, AsksForWhatIsMissing) {
    Browsing browsing;
    browsing.wire.inject(response({ptr(kType, kName)}));
    browsing.wire.run_for(50ms);
    const auto asked = questions(browsing.wire, kName);
    ASSERT_EQ(asked.size(), 1U);
    browsing.wire.inject(response({srv(kName, "h.local", 80)}));
    browsing.wire.run_for(50ms);
    EXPECT_EQ(questions(browsing.wire, "h.local").size(), 1U) << "A and AAAA together";
    EXPECT_TRUE(browsing.seen().empty());
    browsing.wire.inject(response({address("h.local", "10.0.0.9")}));
    browsing.wire.run_for(900ms);
    EXPECT_TRUE(browsing.seen().empty()) << "TXT is still asked for";
    browsing.wire.run_for(200ms);
    ASSERT_EQ(browsing.seen().size(), 1U) << "without TXT after a second";
}

TEST(MdnsBrowse, Section7_1_ListsWhatItKnowsWhileHalfOfItsLifeIsAhead) {
    Browsing browsing;
    browsing.wire.run_for(100ms);
    browsing.wire.inject(announcement("svc", "h.local", "10.0.0.9"));
    browsing.wire.run_for(2s);
    const auto asked = questions(browsing.wire, kType);
    ASSERT_EQ(asked.size(), 2U);
    ASSERT_EQ(asked[1].message.answers.size(), 1U);
    EXPECT_EQ(std::get<names::DnsName>(asked[1].message.answers[0].data), dns(kName));
    EXPECT_LE(asked[1].message.answers[0].ttl, 4500U);
    EXPECT_FALSE(asked[1].message.answers[0].cache_flush);
}

TEST(MdnsBrowse, Section7_2_KnownAnswersThatDoNotFitFollowWithTheTruncatedBit) {
    Browsing browsing;
    browsing.wire.run_for(100ms);
    for (int i = 0; i < 200; ++i)
        browsing.wire.inject(response({ptr(
            kType, "a rather long name of a service, number " + std::to_string(i) + "._muster._udp.local")}));
    browsing.wire.log.clear();
    browsing.wire.run_until(browsing.begin + 1001ms);
    const auto sent = browsing.wire.packets([](const Sent& each) {
        return !is_response(each) && !each.message.answers.empty() &&
               each.message.answers[0].name == dns(kType);
    });
    ASSERT_GE(sent.size(), 2U);
    std::size_t known = 0;
    for (std::size_t i = 0; i < sent.size(); ++i) {
        EXPECT_EQ(sent[i].message.header.truncated, i + 1 < sent.size());
        EXPECT_EQ(sent[i].message.questions.empty(), i > 0);
        known += sent[i].message.answers.size();
    }
    EXPECT_EQ(known, 200U);
}

TEST(MdnsBrowse, Section7_3_AQuestionThatSomebodyElseHasJustAskedIsNotRepeated) {
    Browsing browsing;
    browsing.wire.run_until(browsing.begin + 2900ms);
    ASSERT_EQ(questions(browsing.wire, kType).size(), 2U);
    browsing.wire.inject(query({ask(kType, DnsType::ptr)}));
    browsing.wire.run_until(browsing.begin + 3500ms);
    EXPECT_EQ(questions(browsing.wire, kType).size(), 2U);
    Browsing control;
    control.wire.run_until(control.begin + 2900ms);
    control.wire.inject(
        query({ask(kType, DnsType::ptr)}, {ptr(kType, kName)}));  // it will not get what we need
    control.wire.run_until(control.begin + 3500ms);
    EXPECT_EQ(questions(control.wire, kType).size(), 3U);
}

TEST(MdnsBrowse, Section5_2_RefreshesAt80To97PercentAndDropsWhatNobodyRenews) {
    Browsing browsing;
    browsing.wire.inject(announcement("svc", "h.local", "10.0.0.9"));
    browsing.wire.run_for(1s);
    const auto since = browsing.wire.now;
    browsing.wire.run_for(200s);
    const auto asked = questions(browsing.wire, kName, since);
    ASSERT_GE(asked.size(), 4U);
    const double life = 120.0;
    const double expected[] = {0.80, 0.85, 0.90, 0.95};
    for (std::size_t i = 0; i < 4; ++i) {
        const double at = std::chrono::duration<double>(asked[i].when - browsing.begin).count() / life;
        EXPECT_GE(at, expected[i] - 0.001) << i;
        EXPECT_LE(at, expected[i] + 0.021) << i;
    }
    const auto seen = browsing.seen();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1].second.kind, ServiceEvent::Kind::left);
    EXPECT_EQ(seen[1].second.reason, LeftReason::expired);
    EXPECT_EQ(seen[1].first - browsing.begin, 120s);
}

TEST(MdnsBrowse, ALivingServiceStaysForDays) {
    Wire wire;
    auto& host = wire.add();
    auto& browser = wire.add();
    ASSERT_TRUE(browser.engine->browse({"_muster._udp", ""}, wire.now));
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(48h);
    EXPECT_EQ(Wire::seen(browser, "svc").size(), 1U);
    EXPECT_LT(wire.log.size(), 48U * 3600U / 20U) << "at most 0.05 packets in a second";
}

TEST(MdnsBrowse, Section10_1_ARecordRescuedWithinASecondIsFoundAgain) {
    Browsing browsing;
    browsing.wire.inject(announcement("svc", "h.local", "10.0.0.9"));
    browsing.wire.inject(response({ptr(kType, kName, 0)}));
    browsing.wire.run_for(500ms);
    browsing.wire.inject(response({ptr(kType, kName)}));
    browsing.wire.run_for(10ms);
    std::vector<ServiceEvent::Kind> kinds;
    for (const auto& [when, event] : browsing.seen()) kinds.push_back(event.kind);
    using enum ServiceEvent::Kind;
    EXPECT_THAT(kinds, ::testing::ElementsAre(found, left, found));
}

TEST(MdnsBrowse, Section10_2_TheCacheFlushBitReplacesWhatIsOlderThanASecond) {
    Browsing browsing;
    browsing.wire.inject(announcement("svc", "h.local", "10.0.0.9"));
    browsing.wire.run_for(500ms);
    browsing.wire.inject(
        response({address("h.local", "10.0.0.10")}));  // another of the same, within a second
    browsing.wire.run_for(5s);
    EXPECT_EQ(browsing.seen().back().second.instance.endpoints.size(), 2U);
    browsing.wire.inject(response({address("h.local", "10.0.0.11")}));
    browsing.wire.run_for(2s);
    const auto endpoints = browsing.seen().back().second.instance.endpoints;
    ASSERT_EQ(endpoints.size(), 1U);
    EXPECT_EQ(endpoints[0].to_string(), "10.0.0.11:4711");
}

TEST(MdnsBrowse, Section10_2_TheCacheFlushBitOnASharedPtrHidesNothingThatCameLately) {
    Browsing browsing;
    auto one = response({ptr(kType, kName)});
    browsing.wire.inject(announcement("svc", "h.local", "10.0.0.9"));
    auto other = announcement("other", "o.local", "10.0.0.10");
    other.answers[0].cache_flush = true;  // some devices do so
    browsing.wire.inject(other);
    browsing.wire.run_for(3s);
    EXPECT_EQ(browsing.seen().size(), 1U);
    EXPECT_EQ(browsing.seen("other").size(), 1U);
}

TEST(MdnsBrowse, Section10_3_WhatWasLearnedOnAnInterfaceGoesWithItAtOnce) {
    Browsing browsing;
    browsing.wire.inject(announcement("svc", "h.local", "10.0.0.9"));
    browsing.wire.run_for(5s);
    auto eth = Wire::ethernet(1);
    eth.carrier = false;
    const auto lost = browsing.wire.now;
    browsing.wire.plug(browsing.host, {eth});
    browsing.wire.run_for(1ms);
    const auto seen = browsing.seen();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1].second.reason, LeftReason::carrier_lost);
    EXPECT_EQ(seen[1].first, lost);
}

TEST(MdnsBrowse, AServiceOnTwoInterfacesStaysWhileOneOfThemIsThere) {
    Wire wire;
    auto& host = wire.add();
    wire.plug(host, {Wire::ethernet(1), Wire::ethernet(60, InterfaceIndex{5})});
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    for (const auto interface : {Wire::kEth, InterfaceIndex{5}}) {
        names::MessageWriter writer{announcement("svc", "h.local", "fe80::9").header, 1400};
        for (const auto& record : announcement("svc", "h.local", "fe80::9").answers)
            writer.add(names::Section::answer, record);
        host.engine->on_packet(
            {interface, {*IpAddress::parse("10.0.0.9"), kMdnsPort, interface}, Arrival::multicast},
            writer.finish(), wire.now);
    }
    wire.run_for(10ms);
    ASSERT_FALSE(Wire::seen(host, "svc").empty());
    EXPECT_EQ(Wire::seen(host, "svc").back().second.instance.endpoints.size(), 2U)
        << "one address, two networks";
    wire.plug(host, {Wire::ethernet(60, InterfaceIndex{5})});
    wire.run_for(10ms);
    const auto seen = Wire::seen(host, "svc");
    EXPECT_EQ(seen.back().second.kind, ServiceEvent::Kind::updated);
    ASSERT_EQ(seen.back().second.instance.endpoints.size(), 1U);
    EXPECT_EQ(seen.back().second.instance.endpoints[0].interface, InterfaceIndex{5});
}

TEST(MdnsBrowse, Section10_4_ReconfirmAsksTwiceOrMoreAndDropsAfterTenSecondsOfSilence) {
    Browsing browsing;
    browsing.wire.inject(announcement("svc", "h.local", "10.0.0.9"));
    browsing.wire.run_for(20s);
    const auto doubted = browsing.wire.now;
    ASSERT_TRUE(browsing.host.engine->reconfirm("svc", "_muster._udp", browsing.wire.now));
    browsing.wire.run_for(11s);
    EXPECT_GE(questions(browsing.wire, kName, doubted).size(), 2U);
    const auto seen = browsing.seen();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1].second.reason, LeftReason::reconfirm_failed);
    EXPECT_EQ(seen[1].first - doubted, 10s);
}

TEST(MdnsBrowse, Section10_4_ALivingServiceSurvivesReconfirm) {
    Wire wire;
    auto& host = wire.add();
    auto& browser = wire.add();
    ASSERT_TRUE(browser.engine->browse({"_muster._udp", ""}, wire.now));
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(20s);
    ASSERT_TRUE(browser.engine->reconfirm("svc", "_muster._udp", wire.now));
    wire.run_for(60s);
    EXPECT_EQ(Wire::seen(browser, "svc").size(), 1U);
}

TEST(MdnsBrowse, Section10_5_TwoUnansweredQuestionsOfOthersEndARecordWithinTenSeconds) {
    Browsing browsing;
    browsing.wire.inject(announcement("svc", "h.local", "10.0.0.9"));
    browsing.wire.run_for(20s);
    const auto first = browsing.wire.now;
    browsing.wire.inject(query({ask(kType, DnsType::ptr)}));
    browsing.wire.run_for(1s);
    browsing.wire.inject(query({ask(kType, DnsType::ptr)}));
    browsing.wire.run_for(20s);
    const auto seen = browsing.seen();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1].second.reason, LeftReason::reconfirm_failed);
    EXPECT_EQ(seen[1].first - first, 10s);
}

TEST(MdnsBrowse, Section10_5_AnAnswerOrAKnownAnswerOrASingleQuestionEndsNothing) {
    for (int way = 0; way < 3; ++way) {
        Browsing browsing;
        browsing.wire.inject(announcement("svc", "h.local", "10.0.0.9"));
        browsing.wire.run_for(20s);
        for (int i = 0; i < (way == 2 ? 1 : 2); ++i) {
            browsing.wire.inject(way == 1 ? query({ask(kType, DnsType::ptr)}, {ptr(kType, kName)})
                                          : query({ask(kType, DnsType::ptr)}));
            browsing.wire.run_for(1s);
        }
        if (way == 0) browsing.wire.inject(response({ptr(kType, kName)}));
        browsing.wire.run_for(30s);
        EXPECT_EQ(browsing.seen().size(), 1U) << "way " << way;
    }
}

TEST(MdnsBrowse, ASubtypeFindsOnlyItsMembers) {
    Wire wire;
    auto& host = wire.add();
    auto& browser = wire.add();
    ASSERT_TRUE(browser.engine->browse({"_muster._udp", "_g1"}, wire.now));
    auto member = service("in");
    member.subtypes = {"_g1"};
    ASSERT_TRUE(host.engine->advertise(member, wire.now));
    ASSERT_TRUE(host.engine->advertise(service("out"), wire.now));
    wire.run_for(5s);
    EXPECT_EQ(Wire::seen(browser, "in").size(), 1U);
    EXPECT_TRUE(Wire::seen(browser, "out").empty());
    EXPECT_EQ(Wire::seen(browser, "in")[0].second.instance.type, "_muster._udp");
}

TEST(MdnsBrowse, ResolveUniqueFindsTheServiceWithinTheTravelTime) {
    Wire wire;
    auto& host = wire.add();
    auto unlisted = service("coord");
    unlisted.listing = Listing::unlisted;
    ASSERT_TRUE(host.engine->advertise(unlisted, wire.now));
    auto& browser = wire.add();
    wire.run_for(60s);
    const auto asked = wire.now;
    ASSERT_TRUE(browser.engine->resolve_unique({"coord", "_muster._udp", {}}, wire.now));
    ASSERT_TRUE(browser.engine->browse({"_muster._udp", ""}, wire.now));
    wire.run_for(1s);
    const auto seen = Wire::seen(browser, "coord");
    ASSERT_EQ(seen.size(), 1U) << "an unlisted name is not browsed";
    EXPECT_EQ(seen[0].first - asked, 2 * Wire::kTravel);
    EXPECT_EQ(seen[0].second.instance.port, 4711);
}

TEST(MdnsBrowse, ResolveUniqueRepeatsByOneShotBeforeTheContinuousQuestionMay) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("coord"), wire.now));
    auto& browser = wire.add();
    wire.run_for(60s);
    host.cut = true;  // the first question is lost
    const auto asked = wire.now;
    ASSERT_TRUE(browser.engine->resolve_unique({"coord", "_muster._udp", {}}, wire.now));
    wire.run_for(50ms);
    host.cut = false;
    wire.run_for(1s);
    const auto seen = Wire::seen(browser, "coord");
    ASSERT_GE(seen.size(), 1U);
    EXPECT_EQ(seen[0].first - asked, 100ms + 2 * Wire::kTravel);
}

// What the sockets say about the port comes after the verbs, as in MdnsService.
void start(Wire& wire, Wire::Host& host, bool sole_on_port) {
    host.engine->set_sole_on_port(sole_on_port);
    wire.plug(host, {Wire::ethernet(host.number)});
}

TEST(MdnsBrowse, OnASharedPortTheSecondMemberOfASecondDoesNotWaitForItsAnswer) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("coord"), wire.now));
    wire.run_for(60s);
    for (int member = 0; member < 3; ++member) {
        auto& browser = wire.add_asleep();
        const auto asked = wire.now;
        ASSERT_TRUE(browser.engine->resolve_unique({"coord", "_muster._udp", {}}, wire.now));
        start(wire, browser, false);
        wire.run_for(90ms);  // the next one begins before the host may multicast the same again (section 6)
        const auto seen = Wire::seen(browser, "coord");
        ASSERT_FALSE(seen.empty()) << "member " << member;
        EXPECT_EQ(seen[0].first - asked, 2 * Wire::kTravel) << "member " << member;
    }
}

TEST(MdnsBrowse, ALoneServiceIsFoundAtOnceWhileItsContendedNameIsProbed) {
    for (const bool sole : {true, false}) {
        for (const auto age : {1ms, 50ms, 200ms, 500ms, 700ms}) {
            Wire wire;
            auto& host = wire.add();
            auto own = service("key"), contended = service("coord", Uniqueness::probe);
            own.subtypes = {"_g"};
            own.occupancy = Occupancy::one;
            contended.listing = Listing::unlisted;
            ASSERT_TRUE(host.engine->advertise(own, wire.now));
            ASSERT_TRUE(host.engine->advertise(contended, wire.now));
            wire.run_for(age);
            auto& browser = wire.add_asleep();
            const auto asked = wire.now;
            ASSERT_TRUE(browser.engine->resolve_unique({"coord", "_muster._udp", {}}, wire.now));
            ASSERT_TRUE(browser.engine->browse({"_muster._udp", "_g", Occupancy::one}, wire.now));
            start(wire, browser, sole);
            wire.run_for(50ms);
            const auto seen = Wire::seen(browser, "key");
            ASSERT_FALSE(seen.empty()) << "sole " << sole << ", age " << age.count();
            EXPECT_EQ(seen[0].first - asked, 2 * Wire::kTravel);
        }
    }
}

TEST(MdnsBrowse, ALostQuestionForALoneServiceIsRepeatedByOneShotUntilItIsFound) {
    Wire wire;
    auto& host = wire.add();
    auto own = service("key");
    own.subtypes = {"_g"};
    own.occupancy = Occupancy::one;
    ASSERT_TRUE(host.engine->advertise(own, wire.now));
    wire.run_for(200ms);
    auto& browser = wire.add();
    host.cut = true;
    const auto asked = wire.now;
    ASSERT_TRUE(browser.engine->browse({"_muster._udp", "_g", Occupancy::one}, wire.now));
    wire.run_for(50ms);
    host.cut = false;
    wire.run_for(700ms);
    ASSERT_FALSE(Wire::seen(browser, "key").empty());
    EXPECT_EQ(Wire::seen(browser, "key")[0].first - asked, 100ms + 2 * Wire::kTravel);
    const auto repeats = wire.packets([](const Sent& sent) {
        return asks(sent, "_g._sub._muster._udp.local") && sent.from == SendFrom::ephemeral;
    });
    EXPECT_EQ(repeats.size(), 1U) << "no more once it is found";
}

TEST(MdnsBrowse, ResolveUniqueAsksTheLastKnownAddressDirectly) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("coord"), wire.now));
    auto& browser = wire.add();
    wire.run_for(60s);
    ResolveRequest request{"coord", "_muster._udp", {{*IpAddress::parse("10.0.0.1"), 9, Wire::kEth}}};
    const auto asked = wire.now;
    ASSERT_TRUE(browser.engine->resolve_unique(request, wire.now));
    wire.run_for(10ms);
    const auto direct = wire.packets(
        [](const Sent& sent) { return !sent.multicast && asks(sent, "coord._muster._udp.local"); }, asked);
    ASSERT_EQ(direct.size(), 1U);
    EXPECT_EQ(direct[0].to.to_string(), "10.0.0.1:5353");
}

TEST(MdnsBrowse, AnAnswerToAOneShotQueryThatWasNeverAskedIsIgnored) {
    Browsing browsing;
    names::MessageWriter writer{announcement("svc", "h.local", "10.0.0.9").header, 1400};
    for (const auto& record : announcement("svc", "h.local", "10.0.0.9").answers)
        writer.add(names::Section::answer, record);
    browsing.wire.inject(writer.finish(), "10.0.0.9", kMdnsPort, Arrival::one_shot);
    browsing.wire.run_for(10ms);
    EXPECT_TRUE(browsing.seen().empty());
}

TEST(MdnsBrowse, AProgramSeesItsOwnServices) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("before"), wire.now));
    wire.run_for(10s);
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    wire.run_for(10ms);
    const auto after = host.engine->advertise(service("after"), wire.now);
    wire.run_for(10ms);
    ASSERT_EQ(Wire::seen(host, "before").size(), 1U);
    ASSERT_EQ(Wire::seen(host, "after").size(), 1U);
    host.engine->withdraw(*after, wire.now);
    wire.run_for(10ms);
    EXPECT_EQ(Wire::seen(host, "after").back().second.kind, ServiceEvent::Kind::left);
}

TEST(MdnsBrowse, StoppedWatchesSayNothingAndAskNothing) {
    Wire wire;
    auto& host = wire.add();
    const auto id = host.engine->browse({"_muster._udp", ""}, wire.now);
    wire.run_for(10ms);
    host.engine->stop(*id);
    const auto stopped = wire.now;
    wire.inject(announcement("svc", "h.local", "10.0.0.9"));
    wire.run_for(100s);
    EXPECT_TRUE(host.events.empty());
    EXPECT_TRUE(wire.packets([](const Sent&) { return true; }, stopped).empty());
    EXPECT_EQ(host.engine->next_wakeup(), kNever);
}

TEST(MdnsBrowse, LoopbackTakesPartOnlyWhileItIsAlone) {
    Wire wire;
    auto& host = wire.add();
    Interface lo;
    lo.index = InterfaceIndex{1};
    lo.name = "lo";
    lo.up = lo.carrier = lo.loopback = true;
    lo.addresses.push_back({*IpAddress::parse("127.0.0.1"), 8, false});
    wire.plug(host, {lo});
    EXPECT_NE(host.engine->links().find(InterfaceIndex{1}), nullptr);
    wire.plug(host, {lo, Wire::ethernet(1)});
    EXPECT_EQ(host.engine->links().find(InterfaceIndex{1}), nullptr);
    EXPECT_NE(host.engine->links().find(Wire::kEth), nullptr);
}

}  // namespace
}  // namespace muster::discovery::testing
