// What strangers may do to us: nothing but be counted.
#include <algorithm>

#include <gtest/gtest.h>

#include "base/random.h"
#include "discovery/mdns_test_wire.h"

namespace muster::discovery::testing {
namespace {

using names::DnsType;

constexpr auto kType = "_muster._udp.local";

TEST(MdnsHostile, GarbageIsCountedAndChangesNothing) {
    Wire wire;
    auto& host = wire.add();
    SeededRandomness random{5};
    for (int i = 0; i < 2000; ++i) {
        Bytes packet(uniform(random, 200));
        random.fill(packet);
        wire.inject(packet);
    }
    EXPECT_TRUE(host.events.empty());
    EXPECT_TRUE(wire.log.empty());
    EXPECT_GT(host.engine->counters().malformed, 1900U);
}

TEST(MdnsHostile, PacketsAboveNineThousandOctetsAreNotRead) {
    Wire wire;
    auto& host = wire.add();
    wire.inject(Bytes(9000));
    EXPECT_EQ(host.engine->counters().malformed, 1U);
}

TEST(MdnsHostile, APacketFullOfQuestionsCostsNoMoreThanItsLimit) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(5s);
    wire.log.clear();
    names::Message flood;
    for (int i = 0; i < 1400; ++i) flood.questions.push_back(ask(kType, DnsType::ptr));
    wire.inject(flood);
    wire.run_for(2s);
    EXPECT_EQ(wire.log.size(), 1U);
    EXPECT_EQ(host.engine->counters().queries_refused, 1U);
}

TEST(MdnsHostile, UnicastRepliesAndDeferredQueriesAreBounded) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(5s);
    wire.log.clear();
    auto truncated = query({ask(kType, DnsType::ptr)});
    truncated.header.truncated = true;
    for (int i = 0; i < 1000; ++i) {
        const auto source = "10.0.0." + std::to_string(i % 250 + 2);
        wire.inject(query({ask(kType, DnsType::ptr)}), source, static_cast<std::uint16_t>(20000 + i));
        wire.inject(truncated, source);
    }
    wire.run_for(2s);
    EXPECT_LE(wire.packets([](const Sent& sent) { return !sent.multicast; }).size(), kMaxReplies);
    EXPECT_GT(host.engine->counters().queries_refused, 0U);
}

TEST(MdnsHostile, WhoComesBeyondTheUnicastLimitHearsTheOneMulticastAnswer) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(5s);
    wire.log.clear();
    for (int i = 0; i < 2000; ++i)  // as a few hundred devices do that are powered on together
        wire.inject(query({ask("svc._muster._udp.local", DnsType::srv)}),
                    "10.0.0." + std::to_string(i % 100 + 2), static_cast<std::uint16_t>(20000 + i));
    wire.run_for(200ms);
    const auto by_multicast = wire.packets([](const Sent& sent) { return sent.multicast; });
    ASSERT_EQ(by_multicast.size(), 1U);
    EXPECT_EQ(by_multicast[0].message.answers.at(0).type, DnsType::srv);
    EXPECT_EQ(host.engine->counters().unicasts_refused + wire.log.size() - 1, 2000U);
}

TEST(MdnsHostile, TheCacheIsBoundedAndARealServiceThatIsKnownStays) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    for (int i = 0; i < 2; ++i) wire.inject(announcement("real", "h.local", "10.0.0.9"));  // section 8.3
    for (int i = 0; i < 6000; ++i)
        wire.inject(response({ptr(kType, "fake" + std::to_string(i) + "._muster._udp.local", 0x7fffffff)}));
    EXPECT_GT(host.engine->counters().cache_evicted, 0U);
    wire.inject(announcement("real", "h.local", "10.0.0.9"));
    EXPECT_EQ(Wire::seen(host, "real").size(), 1U);
    wire.run_for(25h);  // no life is longer than a day
    const auto begin = wire.now;
    wire.inject(announcement("fresh", "f.local", "10.0.0.10"));
    wire.run_for(10ms);
    ASSERT_EQ(Wire::seen(host, "fresh").size(), 1U);
    EXPECT_GE(Wire::seen(host, "fresh")[0].first, begin);
}

TEST(MdnsHostile, RecordsThatNobodyAskedForAreNotKept) {
    Wire wire;
    auto& host = wire.add();
    for (int i = 0; i < 1000; ++i)
        wire.inject(announcement("svc" + std::to_string(i), "h.local", "10.0.0.9"));
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    wire.run_for(10ms);
    EXPECT_TRUE(host.events.empty());
}

TEST(MdnsHostile, WhoFillsTheCacheDoesNotHideWhatComesLater) {
    for (const bool by_many : {false, true}) {
        Wire wire;
        auto& host = wire.add();
        ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
        for (int i = 0; i < 2000; ++i) {
            const auto source = "10.0.0." + std::to_string(by_many ? 2 + i % 200 : 200);
            const auto name = std::to_string(i);
            wire.inject(announcement("junk" + name, "h" + name + ".local", "10.0.0.77"), source);
        }
        wire.inject(announcement("late", "late.local", "10.0.0.9"), "10.0.0.9");
        wire.run_for(10ms);
        EXPECT_EQ(Wire::seen(host, "late").size(), 1U);
    }
}

TEST(MdnsHostile, OneSourceCannotHaveTheWholeCacheEvenIfItRepeatsItself) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    for (int i = 0; i < 4000; ++i) {
        const auto name = std::to_string(i / 2);  // everything twice
        wire.inject(announcement("junk" + name, "h" + name + ".local", "10.0.0.77"));
    }
    EXPECT_GT(host.engine->counters().cache_refused, 0U);
    wire.inject(announcement("late", "late.local", "10.0.0.9"), "10.0.0.9");
    wire.run_for(10ms);
    EXPECT_EQ(Wire::seen(host, "late").size(), 1U);
}

TEST(MdnsHostile, ManyAddressesOfAHostDoNotHideTheOneThatIsNamedLater) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    for (int i = 0; i < 90; ++i) {
        wire.inject(announcement("svc", "h.local", "10.0.1." + std::to_string(i + 1)));
        wire.run_for(1ms);
    }
    wire.inject(announcement("svc", "h.local", "10.0.0.9"), "10.0.0.9");
    wire.run_for(10ms);
    const auto seen = Wire::seen(host, "svc");
    ASSERT_FALSE(seen.empty());
    const auto& endpoints = seen.back().second.instance.endpoints;
    EXPECT_EQ(endpoints.size(), 64U);
    EXPECT_NE(std::ranges::find(endpoints, *IpAddress::parse("10.0.0.9"), &Endpoint::address),
              endpoints.end());
}

TEST(MdnsHostile, NoAnswerLeavesTheLink) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(5s);
    wire.log.clear();
    wire.inject(query({ask("svc._muster._udp.local", DnsType::any)}), "203.0.113.7", 53);
    wire.inject(query({ask("svc._muster._udp.local", DnsType::srv, true)}), "203.0.113.7");
    wire.run_for(2s);
    for (const auto& sent : wire.log) EXPECT_TRUE(sent.multicast) << sent.to.to_string();
    EXPECT_EQ(wire.log.size(), 1U) << "a participant on another subnet is answered by multicast";
    EXPECT_EQ(host.engine->counters().foreign, 1U);
}

// Nor is anybody asked or believed at 0.0.0.0, except on loopback, where the kernel has no better source.
TEST(MdnsHostile, AnUnspecifiedSourceIsThisHostOnLoopbackAndNobodyElsewhere) {
    for (const bool is_loopback : {true, false}) {
        Wire wire;
        auto& host = wire.add();
        auto interface = Wire::ethernet(1);
        interface.loopback = is_loopback;
        if (is_loopback) interface.addresses = {{*IpAddress::parse("127.0.0.1"), 8}};
        wire.plug(host, {interface});
        ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
        wire.run_for(5s);
        wire.log.clear();
        wire.inject(query({ask("svc._muster._udp.local", DnsType::srv)}), "0.0.0.0", 20000);
        wire.run_for(1s);
        ASSERT_EQ(wire.log.size(), is_loopback ? 1U : 0U);
        if (is_loopback) EXPECT_EQ(wire.log[0].to.address, *IpAddress::parse("127.0.0.1"));
    }
}

TEST(MdnsHostile, RepliesByUnicastAreLimited) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(5s);
    wire.log.clear();
    for (int i = 0; i < 20000; ++i) {
        const auto source = "10.0.0." + std::to_string(i % 250 + 2);
        wire.inject(query({ask("svc._muster._udp.local", DnsType::srv)}), source, 20000);
        wire.run_for(100us);
    }
    const auto replies = wire.packets([](const Sent& sent) { return !sent.multicast; });
    EXPECT_GE(replies.size(), 1024U);
    EXPECT_LE(replies.size(), 1024U + 800U + 1U) << "1,024 at once and 400 a second, for two seconds";
}

TEST(MdnsHostile, NamesWithControlCharactersAreNeverShown) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    wire.inject(announcement("bad\\010name", "h.local", "10.0.0.9"));
    wire.inject(announcement("bad\\255name", "h.local", "10.0.0.9"));
    wire.inject(announcement("good", "h.local", "10.0.0.9"));
    wire.run_for(10ms);
    ASSERT_EQ(host.events.size(), 1U);
}

TEST(MdnsHostile, APtrThatPointsOutsideItsTypeIsIgnored) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    for (const auto* target :
         {"x._http._tcp.local", "local", ".", "a.b._muster._udp.local", "_muster._udp.local"})
        wire.inject(response({ptr(kType, target)}));
    wire.run_for(50ms);
    EXPECT_TRUE(host.events.empty());
    EXPECT_TRUE(wire.packets([](const Sent& sent) { return asks(sent, "x._http._tcp.local"); }).empty());
}

TEST(MdnsHostile, Section6_ResponsesFromOtherPortsAreNotBelieved) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    wire.inject(announcement("svc", "h.local", "10.0.0.9"), "10.0.0.9", 5354);
    wire.run_for(10ms);
    EXPECT_TRUE(host.events.empty());
    EXPECT_EQ(host.engine->counters().foreign, 1U);
}

TEST(MdnsHostile, PacketsFromInterfacesThatDoNotTakePartAreIgnored) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    names::MessageWriter writer{announcement("svc", "h.local", "10.0.0.9").header, 1400};
    for (const auto& record : announcement("svc", "h.local", "10.0.0.9").answers)
        writer.add(names::Section::answer, record);
    const auto packet = writer.finish();
    host.engine->on_packet(
        {InterfaceIndex{99}, {*IpAddress::parse("10.0.0.9"), kMdnsPort}, Arrival::multicast}, packet,
        wire.now);
    host.engine->on_packet(
        {InterfaceIndex::none, {*IpAddress::parse("10.0.0.9"), kMdnsPort}, Arrival::multicast}, packet,
        wire.now);
    EXPECT_FALSE(host.engine->poll_event());
}

TEST(MdnsHostile, AnotherProgramOnThisHostIsHeardThoughItsPacketsComeFromOurAddress) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    wire.run_for(60s);
    wire.log.clear();
    wire.inject(announcement("neighbour", "n.local", "10.0.0.1"), "10.0.0.1");
    wire.inject(query({ask(kType, DnsType::ptr)}), "10.0.0.1");
    wire.run_for(1s);
    EXPECT_EQ(Wire::seen(host, "neighbour").size(), 1U);
    EXPECT_FALSE(wire.packets([](const Sent& sent) { return is_response(sent); }).empty());
}

TEST(MdnsHostile, InterfacesThatComeAndGoAThousandTimesLeaveNothingBehind) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    ASSERT_TRUE(host.engine->browse({"_muster._udp", ""}, wire.now));
    for (int i = 0; i < 1000; ++i) {
        wire.plug(host, i % 2 == 0 ? std::vector<Interface>{}
                                   : std::vector{Wire::ethernet(
                                         1, InterfaceIndex{static_cast<std::uint32_t>(2 + i)})});
        wire.run_for(7ms);
    }
    const auto seen = Wire::seen(host, "svc");
    ASSERT_FALSE(seen.empty());
    for (std::size_t i = 0; i < seen.size(); ++i)
        EXPECT_EQ(seen[i].second.kind, i % 2 == 0 ? ServiceEvent::Kind::found : ServiceEvent::Kind::left)
            << i;
    EXPECT_EQ(host.engine->links().all().size(), 1U);
}

}  // namespace
}  // namespace muster::discovery::testing
