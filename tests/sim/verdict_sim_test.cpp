// What links are told to have failed for: facts at the rim, verdicts in events, in virtual time.
#include <gtest/gtest.h>

#include "link_rig.h"

namespace muster {
namespace {

using namespace std::chrono_literals;
using Report = PathFindings::Report;

class VerdictSim : public testing::Test {
protected:
    void build(std::size_t lans = 1) {
        for (std::size_t i = 0; i < lans; ++i) {
            lan.push_back(network.add_lan());
            at_coordinator.push_back(network.attach(coordinator.host, lan[i]));
            at_member.push_back(network.attach(member.host, lan[i]));
        }
        coordinator.station.start(coordinator);
        member.station.start(member);
        clock.run_for(1ms);
        const Endpoint first = coordinator_at(0);
        member.dial({&first, 1}, coordinator.key.id(), clock.now());
        ASSERT_TRUE(clock.run_until([&] { return member.port && coordinator.port; }, 5s));
        std::vector<link::OfferedPath> others;
        for (std::size_t i = 0; i < lans; ++i)
            others.push_back({{.remote = coordinator_at(i), .local = {}}, 0});
        member.engine.offer_paths(*member.port, others, clock.now());
        clock.run_for(2s);
    }
    ~VerdictSim() override {
        member.station.kill();
        coordinator.station.kill();
    }
    Endpoint coordinator_at(std::size_t i) const {
        for (const Interface& interface : network.interfaces(coordinator.host))
            if (interface.index == at_coordinator[i])
                return {interface.addresses[0].address, kPort, at_member[i]};
        return {};
    }
    static PathFindings found(Report report) {
        PathFindings findings;
        findings.report = report;
        findings.by_peer = true;
        return findings;
    }
    const Error& cause() const { return std::get<Error>(*member.end); }

    sim::SimClock clock;
    sim::SimNetwork network{clock, 1};
    LinkNode coordinator{clock, network, "coordinator", 1, true, Profile::realtime};
    LinkNode member{clock, network, "member", 2, false, Profile::realtime};
    std::vector<sim::LanId> lan;
    std::vector<InterfaceIndex> at_coordinator, at_member;
};

TEST_F(VerdictSim, SilenceAloneIsCalledSilent) {
    build();
    coordinator.station.kill();
    clock.run_for(200ms);
    ASSERT_TRUE(member.end);
    EXPECT_EQ(cause().fault(), Fault::silent);
    EXPECT_FALSE(cause().cure().empty());
}

TEST_F(VerdictSim, WhoIsToldThatNobodyListensWaitsNoLonger) {
    build();
    member.station.set_findings(found(Report::no_port));
    const TimePoint killed = clock.now();
    coordinator.station.kill();
    ASSERT_TRUE(clock.run_until([&] { return member.end.has_value(); }, 1s));
    EXPECT_EQ(cause().fault(), Fault::peer_dead);
    EXPECT_LE(member.end_at - killed, 100ms) << "the bound is 150 ms";
}

TEST_F(VerdictSim, AForgedReportDoesNotEndALinkThatIsHeard) {
    build();
    for (int i = 0; i < 100; ++i) {
        member.engine.on_icmp({coordinator_at(0), Report::no_port, coordinator_at(0).address}, clock.now());
        member.station.turn();
        clock.run_for(10ms);
    }
    EXPECT_FALSE(member.end);
}

TEST_F(VerdictSim, WhatIsFoundLaterIsToldOnce) {
    build();
    coordinator.station.kill();
    clock.run_for(200ms);
    ASSERT_TRUE(member.end);
    ASSERT_EQ(cause().fault(), Fault::silent);
    member.station.set_findings(found(Report::prohibited));
    clock.run_for(10s);
    ASSERT_EQ(member.faults_found.size(), 1u);
    EXPECT_EQ(member.faults_found[0].fault(), Fault::blocked_by_policy);
}

TEST_F(VerdictSim, WhatIsCertainIsNotTakenBack) {
    build();
    network.unplug(member.host, at_member[0]);
    clock.run_for(1ms);
    ASSERT_TRUE(member.end);
    EXPECT_EQ(cause().fault(), Fault::link_dead);
    member.station.set_findings(found(Report::no_port));
    clock.run_for(10s);
    EXPECT_TRUE(member.faults_found.empty());
}

TEST_F(VerdictSim, NothingIsFoundOutAboutWhoIsBack) {
    build();
    coordinator.station.kill();
    clock.run_for(200ms);
    ASSERT_TRUE(member.end);
    coordinator.station.start(coordinator);
    const Endpoint there = coordinator_at(0);
    member.dial({&there, 1}, coordinator.key.id(), clock.now());
    ASSERT_TRUE(clock.run_until([&] { return member.port != nullptr; }, 500ms));
    member.station.set_findings(found(Report::prohibited));
    clock.run_for(10s);
    EXPECT_TRUE(member.faults_found.empty());
}

TEST_F(VerdictSim, TheEndThatCannotMoveNamesItsOwnInterface) {
    build();
    network.unplug(coordinator.host, at_coordinator[0]);
    clock.run_for(1ms);
    ASSERT_TRUE(coordinator.end);
    EXPECT_EQ(std::get<Error>(*coordinator.end).fault(), Fault::link_dead);
}

TEST_F(VerdictSim, APathThatIsLeftSaysWhy) {
    build(2);
    network.unplug(member.host, at_member[0]);
    clock.run_for(100ms);
    ASSERT_EQ(member.moves.size(), 1u);
    EXPECT_EQ(member.moves[0].fault, Fault::link_dead);
    network.plug(member.host, at_member[0]);
    clock.run_for(5s);
    network.remove_address(member.host, at_member[1], member.moves[0].to.local);
    clock.run_for(100ms);
    ASSERT_EQ(member.moves.size(), 2u);
    EXPECT_EQ(member.moves[1].fault, Fault::path_moved);
}

TEST_F(VerdictSim, TheEndThatCannotMoveSaysWhyItsPathFails) {
    build(2);
    network.unplug(coordinator.host, at_coordinator[0]);
    clock.run_for(100ms);
    ASSERT_EQ(member.moves.size(), 1u);
    EXPECT_EQ(member.moves[0].fault, Fault::link_dead) << "the member has its carrier, and was told";
    ASSERT_EQ(coordinator.moves.size(), 1u);
    EXPECT_EQ(coordinator.moves[0].fault, Fault::link_dead);
}

TEST_F(VerdictSim, APathThatFallsSilentIsExplainedAfterTheMove) {
    build(2);
    PathFindings alone;
    alone.is_on_link = alone.was_probed = true;
    alone.others_asked = alone.others_answered = 2;
    network.set_quality(lan[0], {.loss = 1});
    ASSERT_TRUE(clock.run_until([&] { return !member.moves.empty(); }, 3s));
    EXPECT_EQ(member.moves[0].fault, Fault::silent);
    member.engine.on_findings(member.moves[0].from, alone, clock.now());
    ASSERT_EQ(member.faults_found.size(), 1u);
    EXPECT_EQ(member.faults_found[0].fault(), Fault::link_dead)
        << "the peer lives: only its end of this path is gone";
}

TEST_F(VerdictSim, RefusedPacketsNameThePolicy) {
    build();
    network.block(member.host, coordinator.host);
    network.block(coordinator.host, member.host);
    const link::Path path = member.engine.path(*member.port);
    clock.run_for(20ms);
    member.engine.on_refused(path, SendRefusal::filtered, clock.now());
    clock.run_for(500ms);
    ASSERT_TRUE(member.end);
    EXPECT_EQ(cause().fault(), Fault::blocked_by_policy);
}

}  // namespace
}  // namespace muster
