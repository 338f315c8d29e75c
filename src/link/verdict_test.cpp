#include "link/verdict.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "link/path_reports.h"

namespace muster::link {
namespace {

using namespace std::chrono_literals;
using Report = PathFindings::Report;
using Route = PathFindings::Route;

/// What an inquiry finds on one interface where nobody is known but the peer, and nothing comes.
PathFindings nothing() {
    PathFindings found;
    found.is_on_link = true;
    found.route = Route::there;
    found.received = 0;
    return found;
}

PathFindings reported(Report report, bool by_peer) {
    PathFindings found = nothing();
    found.report = report;
    found.by_peer = by_peer;
    return found;
}

Symptoms with(const PathFindings& found) {
    Symptoms seen;
    seen.path = "udp 192.0.2.1:4711";
    seen.interface = "eth0";
    seen.findings = found;
    return seen;
}

Fault fault_of(const Symptoms& seen) { return judge(seen).fault; }
Fault fault_of(const PathFindings& found) { return judge(with(found)).fault; }

TEST(Verdict, WithoutAnyEvidenceItIsSilent) {
    EXPECT_EQ(fault_of(Symptoms{}), Fault::silent);
    EXPECT_FALSE(judge(Symptoms{}).is_certain());
    EXPECT_EQ(fault_of(nothing()), Fault::silent)
        << "a dead peer and a dead interface look the same to two alone";
}

TEST(Verdict, TheOwnKernelGoesBeforeAllOthers) {
    Symptoms seen = with(reported(Report::no_port, true));
    seen.obstacle = {Fault::link_dead, "eth0 has no carrier"};
    EXPECT_EQ(fault_of(seen), Fault::link_dead);
    seen.obstacle = {Fault::path_moved, "eth0 no longer has the address 192.0.2.7"};
    EXPECT_EQ(fault_of(seen), Fault::path_moved);
}

TEST(Verdict, WhatThePeerSaysOfItsOwnEndIsBelieved) {
    Symptoms seen;
    seen.told = Fault::path_moved;
    EXPECT_EQ(fault_of(seen), Fault::path_moved);
    seen.is_forgotten = true;
    EXPECT_EQ(fault_of(seen), Fault::peer_dead) << "its successor knows nothing of the link";
}

TEST(Verdict, RefusedPacketsAreExplainedByTheRoute) {
    Symptoms seen = with(nothing());
    seen.refusal = SendRefusal::filtered;
    EXPECT_EQ(fault_of(seen), Fault::blocked_by_policy);
    seen.refusal = SendRefusal::no_interface;
    EXPECT_EQ(fault_of(seen), Fault::link_dead);
    seen.refusal = SendRefusal::no_route;
    EXPECT_EQ(fault_of(seen), Fault::path_moved);
    seen.refusal = SendRefusal::no_source;
    EXPECT_EQ(fault_of(seen), Fault::path_moved);
    seen.findings->route = Route::forbidden;
    EXPECT_EQ(fault_of(seen), Fault::blocked_by_policy) << "a blackhole route refuses like a missing source";
    seen.refusal = SendRefusal::none;
    seen.findings->route = Route::gone;
    EXPECT_EQ(fault_of(seen), Fault::path_moved);
}

TEST(Verdict, OnlyThePeersOwnDeviceKnowsThatNobodyListens) {
    EXPECT_EQ(fault_of(reported(Report::no_port, true)), Fault::peer_dead);
    EXPECT_EQ(fault_of(reported(Report::no_port, false)), Fault::blocked_by_policy)
        << "a router has no such port";
    EXPECT_EQ(fault_of(reported(Report::prohibited, false)), Fault::blocked_by_policy);
    EXPECT_EQ(fault_of(reported(Report::prohibited, true)), Fault::blocked_by_policy);
    EXPECT_EQ(fault_of(reported(Report::no_host, false)), Fault::peer_dead);
    EXPECT_EQ(fault_of(reported(Report::no_network, false)), Fault::path_moved);
}

TEST(Verdict, WhoIsAloneSilentAmongOthersIsDead) {
    PathFindings found = nothing();
    found.others_asked = 2;
    found.others_answered = 1;
    found.received = 3;
    EXPECT_EQ(fault_of(found), Fault::peer_dead);
    found.hop_answers = true;
    EXPECT_EQ(fault_of(found), Fault::silent) << "its device is there: the program hangs, or a filter drops";
    found.hop_answers = false;
    found.device_answers = true;
    EXPECT_EQ(fault_of(found), Fault::silent);
    found.device_answers = false;
    found.is_on_link = false;
    EXPECT_EQ(fault_of(found), Fault::silent) << "anything may have failed behind the router";
}

TEST(Verdict, WhenAllAreSilentAndNothingComesInTheInterfaceIsStuck) {
    PathFindings found = nothing();
    found.others_asked = 2;
    EXPECT_EQ(fault_of(found), Fault::radio_stuck);
    found.received = 1;
    EXPECT_EQ(fault_of(found), Fault::silent) << "something comes in";
    found.received.reset();
    EXPECT_EQ(fault_of(found), Fault::silent) << "nobody has counted";
}

TEST(Verdict, OtherLinksOverTheSameInterfaceAreWitnesses) {
    Symptoms seen = with(nothing());
    seen.links_heard = 3;
    EXPECT_EQ(fault_of(seen), Fault::peer_dead);
    seen.links_heard = 0;
    seen.links_silent = 3;
    EXPECT_EQ(fault_of(seen), Fault::radio_stuck);
}

TEST(Verdict, WaysThatFallSilentTogetherHaveTheirEndInCommon) {
    Symptoms seen = with(nothing());
    seen.silent_ways = 1;
    EXPECT_EQ(fault_of(seen), Fault::silent);
    seen.silent_ways = 2;
    EXPECT_EQ(fault_of(seen), Fault::peer_dead);
}

TEST(Verdict, APeerThatIsHeardElsewhereIsNotDead) {
    Symptoms seen = with(nothing());
    seen.peer_lives = true;
    seen.findings->others_asked = seen.findings->others_answered = 1;
    seen.findings->received = 2;
    EXPECT_EQ(fault_of(seen), Fault::link_dead) << "its own end of this path is cut";
    seen.findings = reported(Report::no_port, true);
    EXPECT_EQ(fault_of(seen), Fault::path_moved) << "somebody else has its address there";
}

TEST(Verdict, AddsClassEvidenceAndCureToAnError) {
    Symptoms seen = with(reported(Report::no_port, true));
    const Error error = with_verdict({Errc::lost, "nothing heard for 90 ms"}, judge(seen));
    EXPECT_EQ(error.fault(), Fault::peer_dead);
    EXPECT_FALSE(error.cure().empty());
    EXPECT_TRUE(
        std::ranges::any_of(error.evidence(), [](const Evidence& each) { return each.phase == "icmp"; }));
}

TEST(Verdict, ACertainOneReplacesACureThatWasAGuess) {
    const Error guess = Error{Errc::unreachable, "nobody answered"}.cure("look at everything");
    EXPECT_EQ(with_verdict(guess, judge(Symptoms{})).cure(), "look at everything");
    EXPECT_NE(with_verdict(guess, judge(with(reported(Report::no_port, true)))).cure(), "look at everything");
}

TEST(PathReports, TellsOnlyWhatCameSince) {
    PathReports reports;
    const TimePoint begin{1s};
    const Path path{.remote = {IpAddress{IpAddress::V4{192, 0, 2, 1}}, 4711}, .local = {}};
    reports.on_refused(path, SendRefusal::filtered, begin);
    reports.on_findings(path, nothing(), begin + 10ms);
    EXPECT_EQ(reports.of(path, begin).refusal, SendRefusal::filtered);
    EXPECT_TRUE(reports.of(path, begin).findings);
    EXPECT_EQ(reports.of(path, begin + 1ms).refusal, SendRefusal::none);
    EXPECT_FALSE(reports.of(path, begin + 11ms).findings);
}

TEST(PathReports, KeepsTheLatestWhenThereAreTooMany) {
    PathReports reports;
    const auto path = [](std::uint16_t port) {
        return Path{.remote = {IpAddress{IpAddress::V4{192, 0, 2, 1}}, port}, .local = {}};
    };
    for (std::uint16_t port = 1; port <= 1000; ++port)
        reports.on_refused(path(port), SendRefusal::filtered, TimePoint{} + 1ms * port);
    EXPECT_EQ(reports.of(path(1), TimePoint{}).refusal, SendRefusal::none);
    EXPECT_EQ(reports.of(path(1000), TimePoint{}).refusal, SendRefusal::filtered);
}

}  // namespace
}  // namespace muster::link
