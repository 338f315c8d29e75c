// How questions are answered: RFC 6762 sections 5.4, 6, 7.1, 7.2, 7.4, and the size and number of packets.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery/mdns_test_wire.h"

namespace muster::discovery::testing {
namespace {

using names::DnsType;

constexpr auto kName = "svc._muster._udp.local";
constexpr auto kType = "_muster._udp.local";
constexpr auto kGroup = "_group._sub._muster._udp.local";

// A host that has said everything it had to say, more than the quarter of a life ago that
// section 5.4 asks about.
struct Quiet {
    Wire wire;
    Wire::Host& host;
    explicit Quiet(int services = 1) : host(wire.add()) {
        for (int i = 0; i < services; ++i) {
            auto registration = service(i == 0 ? "svc" : "svc " + std::to_string(i));
            registration.subtypes = {"_group"};
            EXPECT_TRUE(host.engine->advertise(registration, wire.now));
        }
        wire.run_for(2000s);
        wire.log.clear();
    }
};

TEST(MdnsAnswer, Section6_AUniqueRecordIsAnsweredAtOnce) {
    Quiet quiet;
    const auto asked = quiet.wire.now;
    quiet.wire.inject(query({ask(kName, DnsType::srv)}));
    quiet.wire.run_for(1ms);
    ASSERT_EQ(quiet.wire.log.size(), 1U);
    EXPECT_EQ(quiet.wire.log[0].when, asked);
    EXPECT_TRUE(has_answer(quiet.wire.log[0], DnsType::srv));
    EXPECT_EQ(quiet.wire.log[0].message.additionals.size(), 3U) << "section 12.2: addresses, and TXT";
}

TEST(MdnsAnswer, Section6_SharedRecordsWaitUniformly20To120ms) {
    Quiet quiet;
    std::vector<double> delays;
    for (int i = 0; i < 400; ++i) {
        quiet.wire.log.clear();
        const auto asked = quiet.wire.now;
        quiet.wire.inject(query({ask(kType, DnsType::ptr)}));
        quiet.wire.run_for(2s);
        ASSERT_EQ(quiet.wire.log.size(), 1U);
        delays.push_back(std::chrono::duration<double, std::milli>(quiet.wire.log[0].when - asked).count());
    }
    std::ranges::sort(delays);
    EXPECT_GE(delays.front(), 20.0);
    EXPECT_LE(delays.back(), 120.0);
    double worst = 0;  // Kolmogorov-Smirnov distance to the uniform distribution; 1.36 / sqrt(400) at 5 %
    for (std::size_t i = 0; i < delays.size(); ++i)
        worst = std::max(worst, std::abs((delays[i] - 20.0) / 100.0 - static_cast<double>(i) / 400.0));
    EXPECT_LT(worst, 0.068);
}

TEST(MdnsAnswer, Section6_AUniqueQuestionBesideASharedOneLosesTheExemption) {
    Quiet quiet;
    const auto asked = quiet.wire.now;
    quiet.wire.inject(query({ask(kName, DnsType::srv), ask(kType, DnsType::ptr)}));
    quiet.wire.run_for(1s);
    ASSERT_FALSE(quiet.wire.log.empty());
    EXPECT_GE(quiet.wire.log[0].when - asked, 20ms);
}

// A host whose subtype is its alone by the application's rules, just announced.
struct Lone {
    Wire wire;
    Wire::Host& host;
    explicit Lone(Occupancy occupancy = Occupancy::one) : host(wire.add()) {
        auto registration = service("svc");
        registration.subtypes = {"_group"};
        registration.occupancy = occupancy;
        EXPECT_TRUE(host.engine->advertise(registration, wire.now));
        wire.run_for(50ms);
    }
    // How long the answer takes, and whether it is multicast.
    std::pair<Duration, bool> ask_for(std::vector<names::Question> questions, std::uint16_t port) {
        wire.log.clear();
        const auto asked = wire.now;
        wire.inject(query(std::move(questions)), "10.0.0.9", port);
        wire.run_for(900ms);
        EXPECT_FALSE(wire.log.empty());
        return wire.log.empty() ? std::pair{Duration::max(), false}
                                : std::pair{wire.log[0].when - asked, wire.log[0].multicast};
    }
};

TEST(MdnsAnswer, Section6_ALoneSubtypeIsAnsweredByUnicastAtOnce) {
    Lone one_shot, unicast_question;
    EXPECT_EQ(one_shot.ask_for({ask(kGroup, DnsType::ptr)}, 50000), std::pair(Duration{}, false));
    EXPECT_EQ(one_shot.wire.log[0].message.additionals.size(), 4U) << "section 12.1: all that one needs";
    EXPECT_EQ(unicast_question.ask_for({ask(kGroup, DnsType::ptr, true)}, kMdnsPort),
              std::pair(Duration{}, false));
}

TEST(MdnsAnswer, Section6_ALoneSubtypeIsMulticastWithTheDelayOfSharedRecords) {
    Lone lone;
    lone.wire.run_for(5s);
    const auto [delay, multicast] = lone.ask_for({ask(kGroup, DnsType::ptr)}, kMdnsPort);
    EXPECT_TRUE(multicast);
    EXPECT_GE(delay, 20ms);
}

TEST(MdnsAnswer, Section6_OtherSharedRecordsWaitAlsoBeforeAUnicastAnswer) {
    Lone lone, many{Occupancy::many};
    EXPECT_GE(lone.ask_for({ask(kType, DnsType::ptr)}, 50000).first, 20ms);
    EXPECT_GE(lone.ask_for({ask(kGroup, DnsType::ptr), ask(kType, DnsType::ptr)}, 50000).first, 20ms);
    EXPECT_GE(many.ask_for({ask(kGroup, DnsType::ptr)}, 50000).first, 20ms);
}

TEST(MdnsAnswer, Section6_ALoneSubtypeWaitsWhileSomebodyElseIsHeardUnderIt) {
    Lone lone;
    lone.wire.inject(response({ptr(kGroup, "other._muster._udp.local")}));
    EXPECT_GE(lone.ask_for({ask(kGroup, DnsType::ptr)}, 50000).first, 20ms);
    lone.wire.inject(response({ptr(kGroup, "other._muster._udp.local", 0)}));
    EXPECT_EQ(lone.ask_for({ask(kGroup, DnsType::ptr)}, 50000).first, Duration{});
}

TEST(MdnsAnswer, Section6_AQuestionForSomebodyElsesNameLosesTheExemptionAndIsNotAnswered) {
    Quiet quiet;
    const auto asked = quiet.wire.now;
    quiet.wire.inject(query({ask(kName, DnsType::srv), ask("other._muster._udp.local", DnsType::srv)}));
    quiet.wire.run_for(1s);
    ASSERT_EQ(quiet.wire.log.size(), 1U);
    EXPECT_GE(quiet.wire.log[0].when - asked, 20ms);
    EXPECT_EQ(quiet.wire.log[0].message.answers.size(), 1U);
}

TEST(MdnsAnswer, Section6_ARecordIsMulticastAtMostOnceInASecond) {
    Quiet quiet;
    for (int i = 0; i < 100; ++i) {
        quiet.wire.inject(query({ask(kName, DnsType::srv)}));
        quiet.wire.run_for(50ms);
    }
    quiet.wire.run_for(2s);
    const auto answers = quiet.wire.packets([](const Sent& sent) { return has_answer(sent, DnsType::srv); });
    EXPECT_GE(answers.size(), 5U);
    EXPECT_LE(answers.size(), 7U);
    for (std::size_t i = 1; i < answers.size(); ++i) EXPECT_GE(answers[i].when - answers[i - 1].when, 1s);
}

TEST(MdnsAnswer, Section6_AProbeIsAnsweredAtOnceAndAgainAfter250ms) {
    Quiet quiet;
    auto probe = query({ask(kName, DnsType::any)});
    probe.authorities = {srv(kName, "rival.local", 1)};
    const auto begin = quiet.wire.now;
    for (int i = 0; i < 3; ++i) {
        quiet.wire.inject(probe);
        quiet.wire.run_for(250ms);
    }
    const auto answers = quiet.wire.packets([](const Sent& sent) { return has_answer(sent, DnsType::srv); });
    ASSERT_EQ(answers.size(), 3U);
    EXPECT_EQ(answers[0].when, begin);
    EXPECT_EQ(answers[1].when - begin, 250ms);
}

TEST(MdnsAnswer, Section6_1_AMissingTypeOfOurNameIsDeniedByNsec) {
    Quiet quiet;
    quiet.wire.inject(query({ask(kName, DnsType::a)}));
    quiet.wire.run_for(1ms);
    ASSERT_EQ(quiet.wire.log.size(), 1U);
    ASSERT_TRUE(has_answer(quiet.wire.log[0], DnsType::nsec));
    const auto& nsec = std::get<names::NsecData>(quiet.wire.log[0].message.answers[0].data);
    EXPECT_THAT(nsec.types, ::testing::ElementsAre(DnsType::txt, DnsType::srv));
}

TEST(MdnsAnswer, Section6_4_FiftyServicesAreAnsweredInAFewPackets) {
    Quiet quiet{50};
    quiet.wire.inject(query({ask(kType, DnsType::ptr)}));
    quiet.wire.run_for(500ms);
    std::size_t answers = 0;
    for (const auto& sent : quiet.wire.log)
        for (const auto& record : sent.message.answers) answers += record.type == DnsType::ptr ? 1 : 0;
    EXPECT_EQ(answers, 50U);
    EXPECT_LE(quiet.wire.log.size(), 5U);
    for (const auto& sent : quiet.wire.log) EXPECT_LE(sent.size, 1452U);
}

TEST(MdnsAnswer, Section6_7_AOneShotQueryIsAnsweredByUnicastWithItsIdItsQuestionAndShortLives) {
    Quiet quiet;
    auto asked = query({ask(kName, DnsType::srv)});
    asked.header.id = 4242;
    quiet.wire.inject(asked, "10.0.0.9", 50000);
    quiet.wire.run_for(500ms);
    ASSERT_EQ(quiet.wire.log.size(), 1U);
    const auto& sent = quiet.wire.log[0];
    EXPECT_FALSE(sent.multicast);
    EXPECT_EQ(sent.to.to_string(), "10.0.0.9:50000");
    EXPECT_EQ(sent.message.header.id, 4242);
    EXPECT_EQ(sent.message.questions, asked.questions);
    for (const auto& record : sent.message.answers) {
        EXPECT_LE(record.ttl, 10U);
        EXPECT_FALSE(record.cache_flush);
    }
}

TEST(MdnsAnswer, Section5_4_AUnicastQuestionGetsAUnicastAnswerIfTheRecordWasMulticastLately) {
    Quiet quiet;
    quiet.wire.inject(query({ask(kName, DnsType::srv, true)}), "10.0.0.9");
    quiet.wire.run_for(5s);
    ASSERT_EQ(quiet.wire.log.size(), 2U)
        << "others have not heard it for long: all get it, and the one who asked";
    EXPECT_EQ(std::ranges::count_if(quiet.wire.log, &Sent::multicast), 1);
    for (const auto& sent : quiet.wire.log)
        if (!sent.multicast) EXPECT_EQ(sent.to.to_string(), "10.0.0.9:5353");
    quiet.wire.inject(query({ask(kName, DnsType::srv, true)}), "10.0.0.9");
    quiet.wire.run_for(1s);
    ASSERT_EQ(quiet.wire.log.size(), 3U);
    EXPECT_FALSE(quiet.wire.log[2].multicast);
    EXPECT_EQ(quiet.wire.log[2].to.to_string(), "10.0.0.9:5353");
}

TEST(MdnsAnswer, Section7_1_KnownAnswersAreNotRepeatedUnlessTheyAreOld) {
    Quiet quiet;
    quiet.wire.inject(query({ask(kType, DnsType::ptr)}, {ptr(kType, kName, 2250)}));
    quiet.wire.run_for(1s);
    EXPECT_TRUE(quiet.wire.log.empty());
    quiet.wire.inject(query({ask(kType, DnsType::ptr)}, {ptr(kType, kName, 2249)}));
    quiet.wire.run_for(1s);
    EXPECT_EQ(quiet.wire.log.size(), 1U);
}

TEST(MdnsAnswer, Section7_2_ATruncatedQueryWaitsForItsKnownAnswers) {
    Quiet quiet{2};
    auto first = query({ask(kType, DnsType::ptr)}, {ptr(kType, kName)});
    first.header.truncated = true;
    const auto asked = quiet.wire.now;
    quiet.wire.inject(first);
    quiet.wire.run_for(200ms);
    quiet.wire.inject(query({}, {ptr(kType, "svc\\ 1._muster._udp.local")}));
    quiet.wire.run_for(1s);
    EXPECT_TRUE(quiet.wire.log.empty()) << "both were known";
    quiet.wire.inject(first);
    const auto again = quiet.wire.now;
    quiet.wire.run_for(1s);
    ASSERT_EQ(quiet.wire.log.size(), 1U);
    EXPECT_GE(quiet.wire.log[0].when - again, 400ms);
    EXPECT_LE(quiet.wire.log[0].when - again, 500ms);
    EXPECT_GT(again, asked);
}

TEST(MdnsAnswer, Section7_4_AnAnswerThatSomebodyElseGivesFirstIsNotRepeated) {
    Quiet quiet;
    constexpr auto kTypes = "_services._dns-sd._udp.local";
    quiet.wire.inject(query({ask(kTypes, DnsType::ptr)}));
    quiet.wire.inject(response({ptr(kTypes, kType)}));
    quiet.wire.run_for(1s);
    EXPECT_TRUE(quiet.wire.log.empty());
    quiet.wire.inject(query({ask(kTypes, DnsType::ptr)}));
    quiet.wire.inject(response({ptr(kTypes, kType, 100)}));  // too short a life: ours is needed
    quiet.wire.run_for(1s);
    EXPECT_FALSE(quiet.wire.log.empty());
}

TEST(MdnsAnswer, SubtypesAndTheListOfTypesAreAnswered) {
    Quiet quiet;
    quiet.wire.inject(query({ask("_group._sub._muster._udp.local", DnsType::ptr)}));
    quiet.wire.run_for(1s);
    ASSERT_EQ(quiet.wire.log.size(), 1U);
    EXPECT_EQ(std::get<names::DnsName>(quiet.wire.log[0].message.answers[0].data), dns(kName));
    quiet.wire.inject(query({ask("_services._dns-sd._udp.local", DnsType::ptr)}));
    quiet.wire.run_for(1s);
    ASSERT_EQ(quiet.wire.log.size(), 2U);
    EXPECT_EQ(std::get<names::DnsName>(quiet.wire.log[1].message.answers[0].data), dns(kType));
}

TEST(MdnsAnswer, Section11_UnicastQuestionsFromOtherNetworksAreIgnored) {
    Quiet quiet;
    auto asked = query({ask(kName, DnsType::srv)});
    names::MessageWriter writer{asked.header, 512};
    writer.add(asked.questions[0]);
    const auto packet = writer.finish();
    quiet.wire.inject(packet, "192.0.2.1", kMdnsPort, Arrival::unicast);
    quiet.wire.run_for(1s);
    EXPECT_TRUE(quiet.wire.log.empty());
    quiet.wire.inject(packet, "10.0.0.9", kMdnsPort, Arrival::unicast);
    quiet.wire.run_for(1s);
    ASSERT_EQ(quiet.wire.log.size(), 1U);
    EXPECT_FALSE(quiet.wire.log[0].multicast);
}

TEST(MdnsAnswer, Section18_MessagesWithAnOpcodeOrRcodeAreIgnored) {
    Quiet quiet;
    auto asked = query({ask(kName, DnsType::srv)});
    asked.header.opcode = 5;
    quiet.wire.inject(asked);
    asked.header.opcode = 0;
    asked.header.rcode = 3;
    quiet.wire.inject(asked);
    quiet.wire.run_for(1s);
    EXPECT_TRUE(quiet.wire.log.empty());
    EXPECT_EQ(quiet.host.engine->counters().malformed, 2U);
}

TEST(MdnsAnswer, AnInterfaceIsToldItsOwnAddressesOnly) {
    Wire wire;
    auto& host = wire.add();
    auto other = Wire::ethernet(50, InterfaceIndex{7});
    wire.plug(host, {Wire::ethernet(1), other});
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(3s);
    for (const auto& sent : wire.packets([](const Sent& each) { return is_response(each); }))
        for (const auto& record : sent.message.answers)
            if (record.type == DnsType::a)
                EXPECT_EQ(std::get<IpAddress>(record.data).to_string(),
                          sent.link.interface == Wire::kEth ? "10.0.0.1" : "10.0.0.50");
}

}  // namespace
}  // namespace muster::discovery::testing
