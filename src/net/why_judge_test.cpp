#include "net/why_judge.h"

#include <cerrno>
#include <chrono>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::net {
namespace {

using namespace std::chrono_literals;
using os::ProofFindings;
using os::RouteAction;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Echo = ProofFindings::Echo;
using Port = ProofFindings::Port;
using State = os::NeighbourEntry::State;

constexpr InterfaceIndex kLan{2}, kOther{3};

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

Interface made(const char* name, InterfaceIndex index, std::vector<InterfaceAddress> addresses) {
    Interface each;
    each.name = name;
    each.index = index;
    each.up = each.carrier = true;
    each.mtu = 1500;
    each.addresses = std::move(addresses);
    return each;
}

os::RouteEntry line(const char* prefix, std::uint8_t length, InterfaceIndex by,
                    const char* gateway = nullptr) {
    os::RouteEntry entry;
    entry.table = 254;
    entry.to = {ip(prefix), length};
    entry.is_v6 = entry.to.address.is_v6();
    os::NextHop hop;
    hop.interface = by;
    if (gateway != nullptr) hop.gateway = ip(gateway);
    entry.hops = {hop};
    return entry;
}

os::RoutingRule main_rule(bool v6 = false) {
    os::RoutingRule rule;
    rule.is_v6 = v6;
    rule.priority = 32766;
    rule.table = 254;
    return rule;
}

/// A host 10.9.0.2 on the LAN whose port 80 was asked; nothing has come back yet.
class WhyJudge : public testing::Test {
protected:
    WhyJudge() {
        facts.target = "10.9.0.2:80";
        facts.remote = {ip("10.9.0.2"), 80, InterfaceIndex::none};
        facts.network.interfaces = {made("lan0", kLan, {{ip("10.9.0.1"), 24, false}}),
                                    made("alt0", kOther, {{ip("10.8.0.1"), 24, false}})};
        facts.network.routing.routes = {line("10.9.0.0", 24, kLan), line("10.8.0.0", 24, kOther)};
        facts.network.routing.rules = {main_rule()};
        facts.plain = way(kLan);
        facts.asked_for = 3s;
    }

    static WayFacts way(InterfaceIndex by, const char* gateway = nullptr) {
        WayFacts made;
        made.answer.entry = line("10.9.0.2", 32, by, gateway);
        made.answer.entry.source = by == kLan ? ip("10.9.0.1") : ip("10.8.0.1");
        made.proof = ProofFindings{};
        made.proof->ping = Echo::none;
        made.proof->port = Port::silent;
        return made;
    }
    static os::NeighbourEntry hop(State state, const char* address = "10.9.0.2") {
        os::NeighbourEntry entry;
        entry.address = ip(address);
        entry.interface = kLan;
        entry.state = state;
        return entry;
    }
    void refuse(int error) {
        facts.plain->answer = {};
        facts.plain->answer.error = error;
        facts.plain->proof.reset();
    }
    std::vector<WhyCause> causes() const {
        std::vector<WhyCause> all;
        for (const WhyFinding& each : judge(facts).findings) {
            EXPECT_FALSE(each.signal.empty()) << to_string(each.cause);
            EXPECT_FALSE(cure_of(each.cause).empty()) << to_string(each.cause);
            all.push_back(each.cause);
        }
        return all;
    }
    Interface& lan() { return facts.network.interfaces.front(); }
    Interface& other() { return facts.network.interfaces.back(); }
    ProofFindings& proof() { return *facts.plain->proof; }

    WhyFacts facts;
};

TEST_F(WhyJudge, FindsNothingWhereThePortAnswers) {
    proof().port = Port::open;
    proof().ping = Echo::came;
    proof().large_ping = Echo::came;
    const WhyAnswer answer = judge(facts);
    EXPECT_TRUE(answer.reaches);
    EXPECT_THAT(answer.findings, IsEmpty());
    ASSERT_TRUE(answer.way.has_value());
    EXPECT_EQ(answer.way->prefix, "10.9.0.0/24");
    EXPECT_EQ(answer.way->rule, 32766U);
}

TEST_F(WhyJudge, AName) {
    facts.name_trouble = "Name or service not known";
    EXPECT_THAT(causes(), ElementsAre(WhyCause::name_unknown));
}

TEST_F(WhyJudge, ALinkLocalAddressNeedsItsInterface) {
    facts.remote.address = ip("fe80::1");
    facts.plain.reset();
    EXPECT_THAT(causes(), ElementsAre(WhyCause::no_scope));
}

TEST_F(WhyJudge, AnInterfaceThatIsNotThere) {
    facts.wanted = "wlan7";
    EXPECT_THAT(causes(), ElementsAre(WhyCause::interface_missing));
    facts.wanted = "sixteen_octets_0";
    EXPECT_THAT(judge(facts).findings.front().signal, HasSubstr("at most 15"));
}

TEST_F(WhyJudge, AnInterfaceThatCarriesNothingAndTheDetour) {
    facts.wanted = "alt0";
    facts.other = way(kOther);
    other().up = false;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::interface_down, WhyCause::default_elsewhere));
    other().up = true;
    other().carrier = false;
    EXPECT_THAT(causes().front(), WhyCause::no_carrier);
    other().carrier = true;
    other().addresses.clear();
    EXPECT_THAT(causes().front(), WhyCause::no_address);
}

TEST_F(WhyJudge, Ipv6AddressesThatAreNotUsed) {
    facts.remote.address = ip("2001:db8::2");
    facts.wanted = "lan0";
    lan().addresses = {{ip("fe80::5"), 64, false}, {ip("2001:db8::1"), 64, true}};
    EXPECT_THAT(causes().front(), WhyCause::address_tentative);
    facts.duplicates = {{"lan0", ip("2001:db8::1")}};
    EXPECT_THAT(causes().front(), WhyCause::address_duplicate);
    lan().addresses.clear();
    facts.duplicates.clear();
    facts.is_ipv6_disabled = true;
    EXPECT_THAT(causes().front(), WhyCause::ipv6_disabled);
}

TEST_F(WhyJudge, RoutesThatLeadNowhere) {
    facts.remote.address = ip("192.0.2.1");
    refuse(ENETUNREACH);
    EXPECT_THAT(causes(), ElementsAre(WhyCause::no_route));
    for (const auto& [error, action, cause] :
         {std::tuple{EINVAL, RouteAction::blackhole, WhyCause::blackhole},
          std::tuple{EACCES, RouteAction::prohibit, WhyCause::prohibit},
          std::tuple{EHOSTUNREACH, RouteAction::unreachable, WhyCause::unreachable}}) {
        refuse(error);
        auto entry = line("192.0.2.0", 24, InterfaceIndex::none);
        entry.action = action;
        entry.hops.clear();
        facts.network.routing.routes.push_back(entry);
        EXPECT_THAT(causes(), ElementsAre(cause));
        facts.network.routing.routes.pop_back();
    }
}

TEST_F(WhyJudge, ARuleThatForbidsIsNotARoute) {
    refuse(EACCES);
    auto rule = main_rule();
    rule.priority = 100;
    rule.action = os::RoutingRule::Action::prohibit;
    facts.network.routing.rules.insert(facts.network.routing.rules.begin(), rule);
    EXPECT_THAT(causes(), ElementsAre(WhyCause::rule_forbids));
    EXPECT_THAT(judge(facts).findings.front().signal, HasSubstr("100"));
}

TEST_F(WhyJudge, WithoutRouteTheInterfaceThatHadItIsToBlame) {
    refuse(ENETUNREACH);
    lan().up = false;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::interface_down));
}

TEST_F(WhyJudge, TheSameSubnetOnTwoInterfaces) {
    other().addresses = {{ip("10.9.0.77"), 24, false}};
    facts.other = way(kOther);
    facts.other->bound_to = kOther;
    facts.plain->next_hop = hop(State::failed);
    EXPECT_THAT(causes(), ElementsAre(WhyCause::same_subnet, WhyCause::host_silent));
    EXPECT_EQ(judge(facts).findings.front().certainty, WhyCertainty::likely);
    facts.other->proof->port = Port::open;
    EXPECT_EQ(judge(facts).findings.front().certainty, WhyCertainty::certain);
    EXPECT_THAT(judge(facts).findings.front().signal, HasSubstr("bound to alt0 gets an answer"));
}

TEST_F(WhyJudge, ATunnelTakesIt) {
    facts.network.interfaces.push_back(made("vpn0", InterfaceIndex{4}, {}));
    facts.network.interfaces.back().kind = InterfaceKind::tunnel;
    facts.network.routing.routes.push_back(line("0.0.0.0", 1, InterfaceIndex{4}));
    facts.remote.address = ip("100.64.0.1");
    facts.plain = way(InterfaceIndex{4});
    facts.other = way(kLan);
    facts.other->bound_to = kLan;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::vpn, WhyCause::lost_beyond));
}

TEST_F(WhyJudge, ABorrowedAddress) {
    facts.wanted = "alt0";
    facts.other = way(kOther);
    facts.other->bound_to = kOther;
    facts.other->answer.entry.source = ip("10.9.0.1");
    EXPECT_THAT(causes().front(), WhyCause::foreign_source);
}

TEST_F(WhyJudge, ARefusalOfOurOwn) {
    proof().datagram_refusal = EPERM;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::own_firewall_out));
    proof().port = Port::open;
    EXPECT_THAT(causes(), IsEmpty()) << "what was asked for answers";
}

TEST_F(WhyJudge, AClosedPortAndARefusalThatNeverLeft) {
    proof().port = Port::closed;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::port_closed));
    facts.traffic = os::TappedTraffic{};
    EXPECT_THAT(causes(), ElementsAre(WhyCause::own_firewall_out));
}

TEST_F(WhyJudge, WhatTheWireShows) {
    facts.plain->next_hop = hop(State::reachable);
    facts.traffic = os::TappedTraffic{{{kLan, os::TappedTraffic::Protocol::tcp, 2, 2}}};
    EXPECT_THAT(causes(), ElementsAre(WhyCause::own_firewall_in));
    facts.reverse_path_drops = 2;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::rp_filter));
    facts.traffic = os::TappedTraffic{{{kLan, os::TappedTraffic::Protocol::icmp, 2, 0}}};
    facts.reverse_path_drops = 0;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::own_firewall_out)) << "pings left, and no SYN";
}

TEST_F(WhyJudge, RpFilterIsSeenWithoutPrivilegesToo) {
    facts.reverse_path_drops = 1;
    facts.plain->next_hop = hop(State::reachable);
    EXPECT_THAT(causes(), ElementsAre(WhyCause::rp_filter));
    EXPECT_EQ(judge(facts).findings.front().certainty, WhyCertainty::likely);
}

TEST_F(WhyJudge, AnswersByAnInterfaceToWhichTheSocketIsDeaf) {
    facts.wanted = "lan0";
    facts.other = std::exchange(facts.plain, std::nullopt);
    facts.other->bound_to = kLan;
    facts.traffic = os::TappedTraffic{
        {{kLan, os::TappedTraffic::Protocol::tcp, 2, 0}, {kOther, os::TappedTraffic::Protocol::tcp, 0, 2}}};
    EXPECT_THAT(causes(), ElementsAre(WhyCause::own_firewall_in));
    EXPECT_EQ(judge(facts).findings.front().certainty, WhyCertainty::possible) << "a filter need not exist";
}

TEST_F(WhyJudge, DropsOfOtherPacketsExplainNothing) {
    facts.reverse_path_drops = 60;
    facts.plain->next_hop = hop(State::failed);
    EXPECT_THAT(causes(), ElementsAre(WhyCause::host_silent)) << "nothing left, so no answer was dropped";
    facts.plain->next_hop = hop(State::reachable);
    facts.traffic = os::TappedTraffic{{{kLan, os::TappedTraffic::Protocol::tcp, 2, 0}}};
    EXPECT_THAT(causes(), ElementsAre(WhyCause::filtered)) << "the wire was seen, and nothing came";
}

TEST_F(WhyJudge, WhatRoutersSay) {
    facts.plain = way(kLan, "10.9.0.254");
    proof().report = IcmpReport{facts.remote, PathFindings::Report::no_network, ip("10.9.0.254")};
    EXPECT_THAT(causes(), ElementsAre(WhyCause::router_refuses));
    proof().report->report = PathFindings::Report::prohibited;
    proof().port = Port::failed;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::filtered));
    proof().report->reporter = ip("10.9.0.1");
    EXPECT_THAT(causes(), ElementsAre(WhyCause::own_firewall_out)) << "our own address says so";
}

TEST_F(WhyJudge, WhatIsSaidOfPort9IsNotSaidOfThePort) {
    proof().report = IcmpReport{{ip("10.9.0.2"), 9, {}}, PathFindings::Report::prohibited, ip("10.9.0.2")};
    proof().host_reports = true;
    facts.plain->next_hop = hop(State::reachable);
    ASSERT_THAT(causes(), ElementsAre(WhyCause::filtered));
    EXPECT_EQ(judge(facts).findings.front().certainty, WhyCertainty::likely) << "the port itself was silent";
    EXPECT_THAT(judge(facts).findings.front().signal,
                HasSubstr("10.9.0.2 answers, and its TCP port 80 is silent"));
    proof().port = Port::failed;
    EXPECT_EQ(judge(facts).findings.front().certainty, WhyCertainty::certain);
    facts.remote.port = 0;
    proof().port = Port::not_asked;
    EXPECT_THAT(causes(), IsEmpty()) << "who says that something is prohibited is there";
}

TEST_F(WhyJudge, ARefusalOfOtherPacketsIsNotCertainlyOneOfThePort) {
    proof().datagram_refusal = EPERM;
    proof().ping = Echo::not_permitted;
    EXPECT_EQ(judge(facts).findings.front().certainty, WhyCertainty::likely);
    proof().ping = Echo::none;
    proof().ping_refusal = EPERM;
    EXPECT_EQ(judge(facts).findings.front().certainty, WhyCertainty::certain);
    facts.traffic = os::TappedTraffic{{{kLan, os::TappedTraffic::Protocol::tcp, 2, 0}}};
    facts.plain->next_hop = hop(State::reachable);
    EXPECT_THAT(causes(), ElementsAre(WhyCause::filtered)) << "it has left";
}

TEST_F(WhyJudge, SilenceOfTheNextHop) {
    facts.plain->next_hop = hop(State::incomplete);
    EXPECT_THAT(causes(), ElementsAre(WhyCause::host_silent));
    facts.asked_for = 100ms;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::filtered)) << "too early to say that it does not answer";
    facts.plain = way(kLan, "10.9.0.254");
    facts.plain->next_hop = hop(State::failed, "10.9.0.254");
    EXPECT_THAT(causes(), ElementsAre(WhyCause::gateway_silent));
    EXPECT_EQ(judge(facts).findings.front().certainty, WhyCertainty::certain);
}

TEST_F(WhyJudge, SilenceOfThePort) {
    proof().ping = Echo::came;
    proof().large_ping = Echo::came;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::filtered));
    facts.asks_udp = true;
    proof().other_port_answers = true;
    EXPECT_THAT(causes(), IsEmpty()) << "a closed UDP port would have said so";
}

TEST_F(WhyJudge, SilenceBehindARouter) {
    facts.plain = way(kLan, "10.9.0.254");
    facts.plain->next_hop = hop(State::reachable, "10.9.0.254");
    EXPECT_THAT(causes(), ElementsAre(WhyCause::lost_beyond));
}

TEST_F(WhyJudge, LargePacketsThatVanish) {
    proof().port = Port::open;
    proof().ping = Echo::came;
    proof().large_ping = Echo::none;
    proof().large_size = 1500;
    EXPECT_THAT(causes(), ElementsAre(WhyCause::mtu_black_hole));
    proof().path_mtu = 1400;
    EXPECT_THAT(causes(), IsEmpty()) << "a router has told";
}

TEST_F(WhyJudge, AnInterfaceThatWentMeanwhile) {
    proof().port = Port::open;
    facts.vanished = {"lan0"};
    EXPECT_THAT(causes(), ElementsAre(WhyCause::interface_missing));
    EXPECT_FALSE(judge(facts).reaches);
}

TEST_F(WhyJudge, SaysWhatCouldNotBeRead) {
    facts.unread = {"packets on the wire: needs root"};
    EXPECT_THAT(judge(facts).unread, ElementsAre(HasSubstr("wire")));
    EXPECT_THAT(judge(facts).explain(), HasSubstr("could not be read"));
}

TEST_F(WhyJudge, AConnectedInterfaceWithoutAddressIsAPossibilityBehindTheDefaultRoute) {
    facts.network.routing.routes.push_back(line("0.0.0.0", 0, kLan, "10.9.0.254"));
    facts.remote.address = ip("192.168.4.1");
    facts.plain = way(kLan, "10.9.0.254");
    other().addresses.clear();
    const WhyAnswer answer = judge(facts);
    ASSERT_EQ(answer.findings.size(), 2U);
    EXPECT_EQ(answer.findings.front().cause, WhyCause::lost_beyond);
    EXPECT_EQ(answer.findings.back().cause, WhyCause::no_address);
    EXPECT_EQ(answer.findings.back().certainty, WhyCertainty::possible);
}

}  // namespace
}  // namespace muster::net
