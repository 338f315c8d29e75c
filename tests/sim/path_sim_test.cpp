// Links that go from path to path in virtual time: what fails, who notices, how long nothing arrives.
#include <gtest/gtest.h>

#include "link_rig.h"

namespace muster {
namespace {

using namespace std::chrono_literals;
using link::Path;

/// A coordinator and a member with an interface each on two LANs, and a stream on which both say something every 10 ms.
class PathSim : public testing::Test {
protected:
    void build(Profile profile = Profile::realtime, std::size_t lans = 2) {
        coordinator = std::make_unique<LinkNode>(clock, network, "coordinator", 1, true, profile);
        member = std::make_unique<LinkNode>(clock, network, "member", 2, false, profile);
        for (std::size_t i = 0; i < lans; ++i) {
            lan.push_back(network.add_lan());
            at_coordinator.push_back(network.attach(coordinator->host, lan.back()));
            at_member.push_back(network.attach(member->host, lan.back()));
        }
        coordinator->station.start(*coordinator);
        member->station.start(*member);
        clock.run_for(1ms);
        const Endpoint first = coordinator_at(0);
        member->dial({&first, 1}, coordinator->key.id(), clock.now());
        ASSERT_TRUE(clock.run_until([&] { return member->port && coordinator->port; }, 5s));
        std::vector<link::OfferedPath> others;
        for (std::size_t i = 0; i < lans; ++i)
            others.push_back({{.remote = coordinator_at(i), .local = {}}, 0});
        member->engine.offer_paths(*member->port, others, clock.now());
        up = member->port->open_stream(link::Direction::bidirectional).value();
        member->port->write(up, Slice::copy_of(as_bytes("x")));
        clock.run_for(10ms);
        coordinator->port->write(up, Slice::copy_of(as_bytes("y")));
        said = 1;
        clock.run_for(2s);
    }
    Endpoint coordinator_at(std::size_t i) const {
        for (const Interface& interface : network.interfaces(coordinator->host))
            if (interface.index == at_coordinator[i])
                return {interface.addresses[0].address, kPort, at_member[i]};
        return {};
    }
    void say() {
        if (!member->port || !coordinator->port) return;
        member->port->write(up, Slice::copy_of(as_bytes("x")));
        coordinator->port->write(up, Slice::copy_of(as_bytes("y")));
        member->station.turn();
        coordinator->station.turn();
        ++said;
    }
    /// Both talk for so long; returns the longest time in which one of them heard nothing.
    Duration talk(Duration time) {
        Duration gap{};
        TimePoint heard[2] = {clock.now(), clock.now()};
        std::size_t had[2] = {coordinator->received.size(), member->received.size()};
        for (const TimePoint end = clock.now() + time; clock.now() < end;) {
            say();
            for (int i = 0; i < 10; ++i) {
                clock.run_for(1ms);
                const std::size_t has[2] = {coordinator->received.size(), member->received.size()};
                for (int k = 0; k < 2; ++k) {
                    gap = std::max(gap, clock.now() - heard[k]);
                    if (has[k] > had[k]) heard[k] = clock.now();
                    had[k] = has[k];
                }
            }
        }
        return gap;
    }
    void expect_all_arrived() {
        clock.run_for(1s);
        EXPECT_FALSE(member->end) << member->how_it_ended();
        EXPECT_FALSE(coordinator->end) << coordinator->how_it_ended();
        EXPECT_EQ(coordinator->received.size(), said);
        EXPECT_EQ(member->received.size(), said);
    }
    std::string moves() const {
        std::string all;
        for (const auto& move : member->moves)
            all += move.from.to_string() + " -> " + move.to.to_string() + ": " + move.why + "\n";
        return all;
    }

    sim::SimClock clock;
    sim::SimNetwork network{clock, 1};
    std::vector<sim::LanId> lan;
    std::vector<InterfaceIndex> at_coordinator, at_member;
    std::unique_ptr<LinkNode> coordinator, member;
    link::StreamId up{};
    std::size_t said = 0;
};

TEST_F(PathSim, StaysWhereItIsAsLongAsThatWorks) {
    build();
    EXPECT_LE(talk(30s), 13ms);
    EXPECT_EQ(moves(), "");
    expect_all_arrived();
}

TEST_F(PathSim, LosingTheOwnCarrierCostsNothingWithAWarmPath) {
    build();
    talk(1s);
    network.unplug(member->host, at_member[0]);
    EXPECT_LE(talk(1s), 15ms) << moves();
    ASSERT_EQ(member->moves.size(), 1u) << moves();
    EXPECT_EQ(member->moves[0].to.remote.interface, at_member[1]);
    EXPECT_EQ(member->moves[0].why, "eth0 has no carrier");
    ASSERT_EQ(coordinator->moves.size(), 1u);
    EXPECT_EQ(coordinator->moves[0].to.remote.interface, at_coordinator[1]);
    expect_all_arrived();
}

TEST_F(PathSim, TheCoordinatorAsksToLeaveThePathThatFailsAtItsSide) {
    build();
    talk(1s);
    network.unplug(coordinator->host, at_coordinator[0]);
    EXPECT_LE(talk(1s), 15ms) << moves();
    ASSERT_EQ(member->moves.size(), 1u) << moves();
    EXPECT_EQ(member->moves[0].why, "the peer can no longer use the path");
    expect_all_arrived();
}

class PathSilence : public PathSim, public testing::WithParamInterface<int> {
protected:
    void fall_silent() {
        const sim::HostId there[] = {coordinator->host};
        if (GetParam() == 0) return network.partition(lan[0], there);
        network.set_quality(lan[0], {.delay = 100us, .loss = 1});
    }
};

TEST_P(PathSilence, IsNoticedAndLeftWithinTheBoundOfTheProfile) {
    for (int phase = 0; phase < 20; ++phase) {
        SetUp();
        lan.clear(), at_coordinator.clear(), at_member.clear();
        said = 0;
        build();
        talk(1s + phase * 3ms);
        fall_silent();
        EXPECT_LE(talk(1s), 65ms) << moves();
        EXPECT_EQ(member->moves.size(), 1u) << moves();
        expect_all_arrived();
        member->station.kill();
        coordinator->station.kill();
    }
}
INSTANTIATE_TEST_SUITE_P(Kinds, PathSilence, testing::Values(0, 1));

TEST_F(PathSim, WithoutASecondPathSilenceEndsTheLink) {
    build(Profile::realtime, 1);
    talk(1s);
    network.set_quality(lan[0], {.delay = 100us, .loss = 1});
    talk(1s);
    EXPECT_TRUE(member->lost(Errc::lost)) << "negative control: " << member->how_it_ended();
    EXPECT_TRUE(coordinator->lost(Errc::lost)) << coordinator->how_it_ended();
}

TEST_F(PathSim, TheCoordinatorsNewAddressIsFoundWithoutAnyOtherPath) {
    build(Profile::realtime, 1);
    talk(1s);
    const IpAddress old = coordinator_at(0).address;
    const auto fresh = IpAddress::parse("fe80::77:1").value();
    network.add_address(coordinator->host, at_coordinator[0], {fresh, 64});
    network.remove_address(coordinator->host, at_coordinator[0], old);
    EXPECT_LE(talk(1s), 15ms) << moves() << member->how_it_ended();
    ASSERT_EQ(member->moves.size(), 1u) << moves();
    EXPECT_EQ(member->moves[0].to.remote.address, fresh);
    expect_all_arrived();
}

TEST_F(PathSim, TheMembersNewAddressIsAMoveOnTheSameInterface) {
    build(Profile::realtime, 1);
    talk(1s);
    const IpAddress old = member->engine.path(*member->port).local;
    const auto fresh = IpAddress::parse("fe80::77:2").value();
    network.add_address(member->host, at_member[0], {fresh, 64});
    network.remove_address(member->host, at_member[0], old);
    EXPECT_LE(talk(1s), 15ms) << moves() << member->how_it_ended();
    ASSERT_EQ(member->moves.size(), 1u) << moves();
    EXPECT_EQ(member->moves[0].to.local, fresh);
    expect_all_arrived();
}

TEST_F(PathSim, BothEndsLoseTheirInterfaceAtOnce) {
    build();
    talk(1s);
    network.unplug(member->host, at_member[0]);
    network.unplug(coordinator->host, at_coordinator[0]);
    EXPECT_LE(talk(1s), 15ms) << moves();
    expect_all_arrived();
}

TEST_F(PathSim, ThereAndBackAgainManyTimes) {
    build();
    for (int i = 0; i < 40; ++i) {
        const auto which = static_cast<std::size_t>(i % 2);
        network.unplug(member->host, at_member[which]);
        EXPECT_LE(talk(500ms), 15ms) << i << "\n" << moves();
        network.plug(member->host, at_member[which]);
        talk(500ms);
    }
    EXPECT_EQ(member->moves.size(), 40u);
    expect_all_arrived();
}

TEST_F(PathSim, TheLastPathThatFailsEndsTheLinkAndNamesAll) {
    build();
    talk(1s);
    network.unplug(member->host, at_member[0]);
    talk(300ms);
    const TimePoint cut = clock.now();
    network.unplug(member->host, at_member[1]);
    ASSERT_TRUE(clock.run_until([&] { return member->end.has_value(); }, 5s));
    EXPECT_LE(member->end_at - cut, 1ms);
    EXPECT_TRUE(member->lost(Errc::link_down)) << member->how_it_ended();
}

TEST_F(PathSim, LossAloneIsNoReasonToLeaveForAPathThatLosesAsMuch) {
    build();
    for (const auto each : lan) network.set_quality(each, {.delay = 1ms, .jitter = 1ms, .loss = 0.15});
    talk(60s);
    EXPECT_LE(member->moves.size(), 6u) << moves();
    for (const auto each : lan) network.set_quality(each, {.delay = 1ms});
    expect_all_arrived();
}

TEST_F(PathSim, AMuchQuickerPathIsTakenWithoutAGap) {
    build();
    network.set_quality(lan[0], {.delay = 20ms});
    EXPECT_LE(talk(20s), 60ms) << moves();
    ASSERT_EQ(member->moves.size(), 1u) << moves();
    EXPECT_NE(member->moves[0].why.find("quicker"), std::string::npos);
    expect_all_arrived();
}

TEST_F(PathSim, APathThatCarriesOnlySmallPacketsIsNotTaken) {
    build();
    network.set_mtu(lan[1], 600);
    talk(3s);
    network.unplug(member->host, at_member[0]);
    ASSERT_TRUE(clock.run_until([&] { return member->end.has_value(); }, 5s));
    EXPECT_TRUE(member->lost(Errc::link_down)) << member->how_it_ended();
    EXPECT_EQ(moves(), "");
}

// Heartbeats that somebody kept, sent again from another address, or made without the key.
TEST_F(PathSim, ForgedAndReplayedHeartbeatsMoveNobody) {
    build();
    std::vector<Bytes> kept;
    member->tap = [&](ByteView octets) {
        if (link::heartbeat_tag(octets)) kept.push_back(to_bytes(octets));
    };
    network.unplug(coordinator->host, at_coordinator[0]);  // makes requests to leave
    talk(1s);
    member->tap = {};
    ASSERT_FALSE(kept.empty());
    const auto before = member->moves.size();
    const Path elsewhere{.remote = {IpAddress::parse("fe80::bad").value(), 4711, at_member[1]}, .local = {}};
    for (Bytes& octets : kept) {
        member->engine.on_datagram(elsewhere, octets, 0, clock.now());
        octets[12] ^= std::byte{1};
        member->engine.on_datagram(elsewhere, octets, 0, clock.now());
    }
    member->station.turn();
    talk(2s);
    EXPECT_EQ(member->moves.size(), before) << moves();
    for (const auto& facts : member->engine.paths(*member->port))
        EXPECT_NE(facts.path.remote.address, elsewhere.remote.address);
    expect_all_arrived();
}

}  // namespace
}  // namespace muster
