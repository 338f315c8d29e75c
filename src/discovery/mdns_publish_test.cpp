// What a responder does by itself: RFC 6762 sections 8, 9, 10.1, and how others see it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery/mdns_test_wire.h"

namespace muster::discovery::testing {
namespace {

using names::DnsType;

constexpr auto kName = "svc._muster._udp.local";

bool is_probe(const Sent& sent) { return !sent.message.authorities.empty(); }

TEST(MdnsPublish, Section8_1_ProbesThreeTimes250msApartAndAnnouncesAfterThat) {
    Wire wire;
    auto& host = wire.add();
    const auto begin = wire.now;
    ASSERT_TRUE(host.engine->advertise(service("svc", Uniqueness::probe), wire.now));
    wire.run_for(3s);
    const auto probes = wire.packets(is_probe);
    ASSERT_EQ(probes.size(), 3U);
    EXPECT_LE(probes[0].when - begin, 250ms);
    EXPECT_EQ(probes[1].when - probes[0].when, 250ms);
    EXPECT_EQ(probes[2].when - probes[1].when, 250ms);
    EXPECT_TRUE(asks(probes[0], kName));
    EXPECT_EQ(probes[0].message.questions[0].type, DnsType::any);
    const auto announced =
        wire.packets([](const Sent& sent) { return is_response(sent) && has_answer(sent, DnsType::srv); });
    ASSERT_EQ(announced.size(), 2U);
    EXPECT_EQ(announced[0].when - probes[2].when, 250ms);
    EXPECT_EQ(announced[1].when - announced[0].when, 1s);
}

TEST(MdnsPublish, Section8_1_KnownUniqueNamesAreAnnouncedAtOnceAndAgainAfterOneSecondAndNeverAgain) {
    Wire wire;
    auto& host = wire.add();
    const auto begin = wire.now;
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(3600s);
    EXPECT_TRUE(wire.packets(is_probe).empty());
    const auto announced = wire.packets(is_response);
    ASSERT_EQ(announced.size(), 2U);  // 8.3: no periodic announcements
    EXPECT_EQ(announced[0].when, begin);
    EXPECT_EQ(announced[1].when - begin, 1s);
    EXPECT_EQ(Wire::told(host).size(), 1U);
}

TEST(MdnsPublish, Section8_1_WhileProbingNothingIsAnswered) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc", Uniqueness::probe), wire.now));
    wire.run_for(300ms);
    wire.inject(query({ask(kName, DnsType::srv)}));
    wire.run_for(200ms);
    EXPECT_TRUE(wire.packets([](const Sent& sent) { return has_answer(sent, DnsType::srv); }).empty());
}

TEST(MdnsPublish, Section8_1_ADefendedNameIsRenamedAndProbedAgain) {
    Wire wire;
    auto& owner = wire.add();
    ASSERT_TRUE(owner.engine->advertise(service("svc"), wire.now));
    wire.run_for(2s);
    auto& late = wire.add();
    ASSERT_TRUE(late.engine->advertise(service("svc", Uniqueness::probe), wire.now));
    wire.run_for(4s);
    const auto told = Wire::told(late);
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0].second.kind, AdvertiseEvent::Kind::renamed);
    EXPECT_EQ(told[0].second.instance, "svc (2)");
    EXPECT_EQ(told[1].second.kind, AdvertiseEvent::Kind::announced);
    EXPECT_EQ(Wire::told(owner).size(), 1U) << "the first owner keeps its name";
}

TEST(MdnsPublish, OnConflictReportSaysWhoHoldsTheNameAndStopsUntilToldToProbeAgain) {
    Wire wire;
    auto& owner = wire.add();
    auto first = service("svc", Uniqueness::probe);
    ASSERT_TRUE(first.txt.set("name", "stage"));
    const auto held = owner.engine->advertise(first, wire.now);
    wire.run_for(3s);
    auto& late = wire.add();
    auto second = service("svc", Uniqueness::probe);
    second.on_conflict = OnConflict::report;
    second.port = 4712;
    const auto id = late.engine->advertise(second, wire.now);
    wire.run_for(4s);
    auto told = Wire::told(late);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].second.kind, AdvertiseEvent::Kind::conflict);
    EXPECT_EQ(told[0].second.holder.host, "m-host1.local");
    EXPECT_EQ(told[0].second.holder.port, 4711);
    EXPECT_EQ(told[0].second.holder.txt.get("name"), "stage");
    EXPECT_EQ(told[0].second.holder.source.address, *IpAddress::parse("10.0.0.1"));
    owner.engine->withdraw(*held, wire.now);
    wire.run_for(2s);
    late.engine->probe_again(*id, wire.now);
    wire.run_for(2s);
    told = Wire::told(late);
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[1].second.kind, AdvertiseEvent::Kind::announced);
}

TEST(MdnsPublish, OnConflictReportComesAtOnceForANameThatIsHeld) {
    Wire wire;
    auto& owner = wire.add();
    ASSERT_TRUE(owner.engine->advertise(service("svc", Uniqueness::probe), wire.now));
    wire.run_for(3s);
    auto& late = wire.add();
    auto second = service("svc", Uniqueness::probe);
    second.on_conflict = OnConflict::report;
    const auto begin = wire.now;
    ASSERT_TRUE(late.engine->advertise(second, wire.now));
    wire.run_for(4s);
    const auto told = Wire::told(late);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].second.kind, AdvertiseEvent::Kind::conflict);
    EXPECT_EQ(told[0].first - begin, 2 * Wire::kTravel)
        << "the holder is asked before the first probe may go";
    EXPECT_EQ(wire.packets([](const Sent& sent) { return sent.from == SendFrom::ephemeral; }).size(), 1U);
}

TEST(MdnsPublish, ANameThatIsKeptIsSaidAgainAndNeverGivenUp) {
    Wire wire;
    auto& host = wire.add();
    auto kept = service("svc");
    kept.on_conflict = OnConflict::keep;
    ASSERT_TRUE(host.engine->advertise(kept, wire.now));
    wire.run_for(3s);
    const auto begin = wire.now;
    for (int i = 0; i < 20; ++i) {
        wire.inject(response({srv(kName, "evil.local", 1), txt(kName, "\x03z=1")}));
        wire.run_for(500ms);
    }
    const auto told = Wire::told(host);
    ASSERT_EQ(told.size(), 1U) << "announced once, no conflict told";
    const auto said = wire.packets(
        [](const Sent& sent) { return is_response(sent) && has_answer(sent, DnsType::srv); }, begin);
    EXPECT_GE(said.size(), 5U);
    EXPECT_LE(said.size(), 11U) << "each record at most once in a second";
    EXPECT_TRUE(wire.packets(is_probe).empty());
    wire.log.clear();
    wire.inject(query({ask(kName, DnsType::srv)}));
    wire.run_for(2s);
    EXPECT_FALSE(wire.packets([](const Sent& sent) { return has_answer(sent, DnsType::srv); }).empty());
}

TEST(MdnsPublish, Section8_2_OfTwoThatProbeTogetherExactlyOneGetsTheName) {
    for (int port = 4700; port < 4720; ++port) {  // the larger data wins, whoever starts first
        Wire wire;
        auto& a = wire.add();
        auto& b = wire.add();
        auto mine = service("svc", Uniqueness::probe);
        auto theirs = mine;
        theirs.port = static_cast<std::uint16_t>(port);
        ASSERT_TRUE(a.engine->advertise(mine, wire.now));
        wire.run_for(std::chrono::milliseconds{(port - 4700) * 13});
        ASSERT_TRUE(b.engine->advertise(theirs, wire.now));
        wire.run_for(10s);
        int renamed = 0;
        for (const auto& host : wire.hosts) {
            ASSERT_FALSE(Wire::told(*host).empty());
            EXPECT_EQ(Wire::told(*host).back().second.kind, AdvertiseEvent::Kind::announced);
            renamed += Wire::told(*host).back().second.instance == "svc (2)" ? 1 : 0;
        }
        // Equal records (port 4711 on both, but other hosts) still differ in their SRV target.
        EXPECT_EQ(renamed, 1) << "port " << port;
    }
}

TEST(MdnsPublish, Section8_2_TheLoserWaitsOneSecond) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc", Uniqueness::probe), wire.now));
    wire.run_for(300ms);
    auto rival = query({ask(kName, DnsType::any)});
    rival.authorities = {srv(kName, "zzz.local", 65535)};
    rival.authorities[0].cache_flush = false;
    // TXT sorts before SRV (16 < 33): a rival with SRV alone is later at the first record.
    const auto lost = wire.now;
    wire.inject(rival);
    wire.run_for(3s);
    const auto probes = wire.packets(is_probe, lost + 1us);
    ASSERT_GE(probes.size(), 1U);
    EXPECT_EQ(probes[0].when - lost, 1s);
    EXPECT_EQ(probes.size(), 3U) << "all three again";
}

TEST(MdnsPublish, Section8_1_FiftyServicesShareTheirProbesAndAnnouncements) {
    Wire wire;
    auto& host = wire.add();
    for (int i = 0; i < 50; ++i)
        ASSERT_TRUE(host.engine->advertise(service("svc " + std::to_string(i), Uniqueness::probe), wire.now));
    wire.run_for(5s);
    EXPECT_EQ(Wire::told(host).size(), 50U);
    EXPECT_LE(wire.packets(is_probe).size(), 3U * 4U);
    EXPECT_LE(wire.packets(is_response).size(), 2U * 5U + 2U);
    for (const auto& sent : wire.log) EXPECT_LE(sent.size, 1452U);
}

TEST(MdnsPublish, Section9_AConflictAfterAnnouncingMakesUsProbeAndKeepTheNameIfNobodyDefendsIt) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(5s);
    const auto conflict = wire.now;
    wire.inject(response({srv(kName, "other.local", 99)}));
    wire.run_for(3s);
    EXPECT_EQ(wire.packets(is_probe, conflict).size(), 3U);
    EXPECT_FALSE(
        wire.packets([](const Sent& sent) { return has_answer(sent, DnsType::srv); }, conflict).empty());
    EXPECT_EQ(Wire::told(host).back().second.instance, "svc");
}

TEST(MdnsPublish, Section9_TheSameDataFromSomebodyElseIsNoConflict) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(5s);
    wire.inject(response({srv(kName, "m-host1.local", 4711)}));
    wire.run_for(3s);
    EXPECT_TRUE(wire.packets(is_probe).empty());
    EXPECT_EQ(host.engine->counters().conflicts, 0U);
}

TEST(MdnsPublish, ManyConflictsSlowTheProbingDown) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(2s);
    const auto begin = wire.now;
    for (int i = 0; i < 600; ++i) {  // somebody contradicts whatever we say, every 100 ms for a minute
        const auto told = Wire::told(host);
        const auto name = told.back().second.instance + "._muster._udp.local";
        wire.inject(response({srv(name, "evil.local", 1)}));
        wire.run_for(100ms);
    }
    // Section 8.1: at most one attempt in five seconds after the first fifteen.
    EXPECT_LE(wire.packets(is_probe, begin).size(), 15U * 3U + 12U * 3U + 6U);
}

TEST(MdnsPublish, Section8_4_ChangedTxtIsAnnouncedWithTheCacheFlushBit) {
    Wire wire;
    auto& host = wire.add();
    auto& browser = wire.add();
    ASSERT_TRUE(browser.engine->browse({"_muster._udp", ""}, wire.now));
    const auto id = host.engine->advertise(service("svc"), wire.now);
    wire.run_for(5s);
    TxtRecord txt;
    ASSERT_TRUE(txt.set("state", "busy"));
    const auto changed = wire.now;
    host.engine->update_txt(*id, txt, wire.now);
    wire.run_for(3s);
    const auto packets = wire.packets(is_response, changed);
    ASSERT_EQ(packets.size(), 2U);
    ASSERT_EQ(packets[0].message.answers.size(), 1U);
    EXPECT_TRUE(packets[0].message.answers[0].cache_flush);
    const auto seen = Wire::seen(browser, "svc");
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1].second.kind, ServiceEvent::Kind::updated);
    EXPECT_EQ(seen[1].second.instance.txt.get("state"), "busy");
    EXPECT_LE(seen[1].first - changed, 1ms);
}

TEST(MdnsPublish, Section10_1_AGoodbyeRemovesTheServiceForTheApplicationAtOnce) {
    Wire wire;
    auto& host = wire.add();
    auto& browser = wire.add();
    ASSERT_TRUE(browser.engine->browse({"_muster._udp", ""}, wire.now));
    const auto id = host.engine->advertise(service("svc"), wire.now);
    wire.run_for(5s);
    const auto gone = wire.now;
    host.engine->withdraw(*id, wire.now);
    wire.run_for(100ms);
    const auto seen = Wire::seen(browser, "svc");
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[1].second.kind, ServiceEvent::Kind::left);
    EXPECT_EQ(seen[1].second.reason, LeftReason::goodbye);
    EXPECT_LE(seen[1].first - gone, 1ms);
    EXPECT_EQ(seen[1].second.instance.endpoints.size(), 2U) << "as it was last";
}

TEST(MdnsPublish, Section10_1_WhoSharesARecordRescuesItFromSomebodyElsesGoodbye) {
    Wire wire;
    auto& host = wire.add();
    auto& browser = wire.add();
    ASSERT_TRUE(browser.engine->browse({"_muster._udp", ""}, wire.now));
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(5s);
    wire.inject(response({ptr("_muster._udp.local", kName, 0)}));
    wire.run_for(2s);
    const auto seen = Wire::seen(browser, "svc");
    ASSERT_EQ(seen.size(), 3U);
    EXPECT_EQ(seen[1].second.kind, ServiceEvent::Kind::left);
    EXPECT_EQ(seen[2].second.kind, ServiceEvent::Kind::found);
}

TEST(MdnsPublish, ShutDownSaysGoodbyeForEverythingAndThenNothing) {
    Wire wire;
    auto& host = wire.add();
    ASSERT_TRUE(host.engine->advertise(service("a"), wire.now));
    ASSERT_TRUE(host.engine->advertise(service("b"), wire.now));
    wire.run_for(5s);
    const auto end = wire.now;
    host.engine->shut_down(wire.now);
    const auto packets = wire.packets(is_response, end);
    ASSERT_EQ(packets.size(), 1U);
    for (const auto& record : packets[0].message.answers) EXPECT_EQ(record.ttl, 0U);
    wire.inject(query({ask("_muster._udp.local", DnsType::ptr)}));
    wire.run_for(5s);
    EXPECT_EQ(wire.packets(is_response, end).size(), 1U);
    EXPECT_EQ(host.engine->next_wakeup(), kNever);
}

TEST(MdnsPublish, AnInterfaceThatAppearsLaterGetsTheServicesToo) {
    Wire wire;
    auto& host = wire.add();
    auto& browser = wire.add();
    wire.plug(host, {});
    ASSERT_TRUE(browser.engine->browse({"_muster._udp", ""}, wire.now));
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(5s);
    EXPECT_TRUE(Wire::seen(browser, "svc").empty());
    const auto plugged = wire.now;
    wire.plug(host, {Wire::ethernet(1)});
    wire.run_for(1s);
    const auto seen = Wire::seen(browser, "svc");
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_LE(seen[0].first - plugged, 1ms);
}

TEST(MdnsPublish, AnAddressThatChangesIsAnnouncedAndTheOldOneTakenBack) {
    Wire wire;
    auto& host = wire.add();
    auto& browser = wire.add();
    ASSERT_TRUE(browser.engine->browse({"_muster._udp", ""}, wire.now));
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(5s);
    auto eth = Wire::ethernet(1);
    eth.addresses[0].address = *IpAddress::parse("10.0.0.77");
    const auto changed = wire.now;
    wire.plug(host, {eth});
    wire.run_for(2s);
    const auto seen = Wire::seen(browser, "svc");
    ASSERT_GE(seen.size(), 2U);
    EXPECT_EQ(seen.back().second.kind, ServiceEvent::Kind::updated);
    std::vector<std::string> endpoints;
    for (const auto& endpoint : seen.back().second.instance.endpoints)
        endpoints.push_back(endpoint.to_string());
    EXPECT_THAT(endpoints, ::testing::UnorderedElementsAre("10.0.0.77:4711", "[fe80::1%2]:4711"));
    EXPECT_LE(seen.back().first - changed, 1ms);
}

TEST(MdnsPublish, TentativeAddressesAreNotAnnounced) {
    Wire wire;
    auto& host = wire.add();
    auto eth = Wire::ethernet(1);
    eth.addresses[1].tentative = true;
    wire.plug(host, {eth});
    ASSERT_TRUE(host.engine->advertise(service("svc"), wire.now));
    wire.run_for(100ms);
    EXPECT_TRUE(wire.packets([](const Sent& sent) { return has_answer(sent, DnsType::aaaa); }).empty());
    eth.addresses[1].tentative = false;
    wire.plug(host, {eth});
    wire.run_for(1500ms);
    EXPECT_FALSE(wire.packets([](const Sent& sent) { return has_answer(sent, DnsType::aaaa); }).empty());
}

TEST(MdnsPublish, TwoInterfacesOfOneNetworkDoNotConflictWithThemselves) {
    Wire wire;
    auto& host = wire.add();
    wire.plug(host, {});
    wire.hosts[0]->interfaces.clear();
    auto second = Wire::ethernet(8, InterfaceIndex{3});
    wire.plug(host, {Wire::ethernet(1), second});
    ASSERT_TRUE(host.engine->advertise(service("svc", Uniqueness::probe), wire.now));
    // What leaves by one interface comes back by the other, as on one switch.
    for (int i = 0; i < 400; ++i) {
        const auto before = wire.log.size();
        wire.run_for(10ms);
        for (std::size_t k = before; k < wire.log.size(); ++k) {
            const auto sent = wire.log[k];
            if (!sent.multicast || sent.message.questions.size() > 1) continue;
            names::MessageWriter writer{sent.message.header, 1452};
            for (const auto& question : sent.message.questions) writer.add(question);
            for (const auto& record : sent.message.answers) writer.add(names::Section::answer, record);
            for (const auto& record : sent.message.authorities) writer.add(names::Section::authority, record);
            for (const auto& record : sent.message.additionals)
                writer.add(names::Section::additional, record);
            const bool first = sent.link.interface == Wire::kEth;
            PacketInfo info;
            info.interface = first ? InterfaceIndex{3} : Wire::kEth;
            info.source = {*IpAddress::parse(first ? "10.0.0.1" : "10.0.0.8"), kMdnsPort, info.interface};
            host.engine->on_packet(info, writer.finish(), wire.now);
        }
    }
    EXPECT_EQ(host.engine->counters().conflicts, 0U);
    for (const auto& [when, event] : Wire::told(host)) EXPECT_EQ(event.kind, AdvertiseEvent::Kind::announced);
}

TEST(MdnsPublish, BadRegistrationsAreRefusedWithTheirReason) {
    Wire wire;
    auto& engine = *wire.add().engine;
    const auto code = [&](Registration registration) {
        return engine.advertise(std::move(registration), wire.now).error().code();
    };
    auto bad_type = service("svc");
    bad_type.type = "http._tcp";
    EXPECT_EQ(code(bad_type), Errc::bad_input);
    EXPECT_EQ(code(service("")), Errc::bad_name);
    EXPECT_EQ(code(service("a\tb")), Errc::bad_name);
    EXPECT_EQ(code(service(std::string(64, 'x'))), Errc::bad_name);
    auto no_port = service("svc");
    no_port.port = 0;
    EXPECT_EQ(code(no_port), Errc::bad_input);
    ASSERT_TRUE(engine.advertise(service("svc"), wire.now));
    EXPECT_EQ(code(service("SVC")), Errc::name_in_use);
}

}  // namespace
}  // namespace muster::discovery::testing
