// Links between nodes in virtual time: found, shaken hands, kept, closed and lost.
#include <gtest/gtest.h>

#include "link_rig.h"

namespace muster {
namespace {

using namespace std::chrono_literals;
using link::Path;

class LinkSim : public testing::Test {
protected:
    void build(Profile profile = Profile::balanced) {
        coordinator = std::make_unique<LinkNode>(clock, network, "coordinator", 1, true, profile);
        member = std::make_unique<LinkNode>(clock, network, "member", 2, false, profile);
        lan = network.add_lan();
        coordinator_eth = network.attach(coordinator->host, lan);
        member_eth = network.attach(member->host, lan);
        coordinator->echoes = true;
        coordinator->station.start(*coordinator);
        member->station.start(*member);
        clock.run_for(1ms);
    }
    Endpoint coordinator_at() const {
        for (const Interface& interface : network.interfaces(coordinator->host))
            if (interface.index == coordinator_eth)
                return {interface.addresses[0].address, kPort, member_eth};
        return {};
    }
    bool connect(Duration patience = 6s) {
        const Endpoint target = coordinator_at();
        member->dial({&target, 1}, coordinator->key.id(), clock.now());
        const bool up = clock.run_until([&] { return member->port && coordinator->port; }, patience);
        if (!up && member->failure) ADD_FAILURE() << member->failure->explain();
        return up;
    }
    void exchange(std::string_view text) {
        const auto stream = member->port->open_stream(link::Direction::bidirectional);
        ASSERT_TRUE(stream);
        member->port->write(*stream, Slice::copy_of(as_bytes(text)));
        member->port->finish(*stream);
        member->station.turn();
        const std::string wanted{text};
        EXPECT_TRUE(clock.run_until([&] { return member->received == wanted; }, 5s))
            << "member has '" << member->received << "', coordinator '" << coordinator->received << "'";
    }

    sim::SimClock clock;
    sim::SimNetwork network{clock, 1};
    sim::LanId lan{};
    InterfaceIndex coordinator_eth{}, member_eth{};
    std::unique_ptr<LinkNode> coordinator, member;
};

TEST_F(LinkSim, ConnectsWithinThreeRoundTripsAndCarriesStreams) {
    build();
    const TimePoint start = clock.now();
    ASSERT_TRUE(connect());
    EXPECT_LE(member->up_at - start,
              1ms);  // a probe and a TLS 1.3 handshake: two and a half round trips of 200 us
    EXPECT_EQ(member->port->peer(), coordinator->key.id());
    EXPECT_EQ(coordinator->port->peer(), member->key.id());
    ASSERT_EQ(member->facts.candidates.size(), 1u);
    exchange("hello");
}

TEST_F(LinkSim, SixteenDeadCandidatesDelayNothing) {
    build();
    std::vector<Endpoint> targets;
    for (std::uint8_t i = 1; i <= 16; ++i) {
        IpAddress::V6 dead{0xfe, 0x80};
        dead[15] = static_cast<std::uint8_t>(0xd0 + i);
        targets.push_back({IpAddress{dead}, kPort, member_eth});
    }
    targets.push_back(coordinator_at());
    const TimePoint start = clock.now();
    member->dial(targets, {}, clock.now());
    ASSERT_TRUE(clock.run_until([&] { return member->port != nullptr; }, 5s));
    EXPECT_LE(member->up_at - start, 1ms);
    EXPECT_EQ(member->facts.candidates.size(), 17u);
}

TEST_F(LinkSim, RefusesADeviceThatIsNotTheExpectedOne) {
    build();
    const Endpoint target = coordinator_at();
    member->dial({&target, 1}, DeviceKey::from_seed(Bytes(32, std::byte{9})).value().id(), clock.now());
    ASSERT_TRUE(clock.run_until([&] { return member->failure.has_value(); }, 10s));
    EXPECT_FALSE(member->port);
    EXPECT_NE(member->failure->explain().find("another device answers there"), std::string::npos);
}

TEST_F(LinkSim, AnImpostorThatLiesInItsProbeReplyFailsTheHandshake) {
    build();
    member->admits =
        DeviceKey::from_seed(Bytes(32, std::byte{9})).value().id();  // knows better than the race
    const Endpoint target = coordinator_at();
    member->dial({&target, 1}, {}, clock.now());
    ASSERT_TRUE(clock.run_until([&] { return member->failure.has_value(); }, 10s));
    EXPECT_EQ(member->failure->code(), Errc::handshake_failed);
    EXPECT_NE(member->failure->explain().find("identity"), std::string::npos) << member->failure->explain();
}

TEST_F(LinkSim, StrangersOfAnotherGroupGetNoAnswer) {
    build();
    LinkNode stranger{clock, network, "stranger", 3, false, Profile::balanced};
    (void)network.attach(stranger.host, lan);
    link::LinkOptions options{stranger.key};
    options.group = link::group_tag("elsewhere");
    link::LinkEngine elsewhere{options, network.random(stranger.host), stranger.station, stranger};
    stranger.station.start(stranger);
    const Path path{.remote = coordinator_at(), .local = {}};
    elsewhere.dial({}, {&path, 1}, clock.now());
    elsewhere.flush(clock.now());
    clock.run_for(1s);
    EXPECT_FALSE(stranger.port);
    EXPECT_EQ(coordinator->engine.links(), 0u);
}

// A full queue on the way may cost every heartbeat; what carries the link's own traffic proves the same.
class LinkTraffic : public LinkSim, public testing::WithParamInterface<bool> {};

TEST_P(LinkTraffic, OfOneDirectionKeepsBothEndsWithoutAnyHeartbeat) {
    build(Profile::realtime);
    coordinator->echoes = false;
    ASSERT_TRUE(connect());
    member->loses_heartbeats = coordinator->loses_heartbeats = true;
    LinkNode& sender = GetParam() ? *member : *coordinator;
    const auto stream = sender.port->open_stream(link::Direction::bidirectional);
    ASSERT_TRUE(stream);
    for (int i = 0; i < 200; ++i) {  // the other end has nothing to say but its acknowledgements
        ASSERT_TRUE(member->port && coordinator->port) << i * 10 << " ms, member: " << member->how_it_ended()
                                                       << ", coordinator: " << coordinator->how_it_ended();
        sender.port->write(*stream, Slice::copy_of(as_bytes("tick")));
        sender.station.turn();
        clock.run_for(10ms);
    }
    const TimePoint last = clock.now();
    ASSERT_TRUE(clock.run_until([&] { return member->end && coordinator->end; }, 5s))
        << "negative control: without traffic and heartbeats it is lost";
    EXPECT_LE(coordinator->end_at - last, liveness_bound(Profile::realtime) + 10ms);
}
INSTANTIATE_TEST_SUITE_P(EachWay, LinkTraffic, testing::Bool());

class LinkLoss : public LinkSim, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(LinkLoss, ConnectsThroughHeavyLoss) {
    build();
    network.set_quality(lan, {.delay = 1ms, .jitter = 1ms, .loss = 0.3, .duplicate = 0.05, .reorder = 0.1});
    for (std::uint64_t i = 0; i < GetParam(); ++i) (void)network.random(member->host).next();
    ASSERT_TRUE(connect(5s));
    exchange("through the noise");
}
INSTANTIATE_TEST_SUITE_P(Seeds, LinkLoss, testing::Range(std::uint64_t{0}, std::uint64_t{20}));

class LinkProfiles : public LinkSim, public testing::WithParamInterface<Profile> {};

TEST_P(LinkProfiles, AKilledMemberIsLostWithinTheBound) {
    build(GetParam());
    ASSERT_TRUE(connect());
    clock.run_for(3s);
    const TimePoint killed = clock.now();
    member->station.kill();
    ASSERT_TRUE(clock.run_until([&] { return coordinator->end.has_value(); }, 20s));
    EXPECT_TRUE(coordinator->lost(Errc::lost));
    EXPECT_LE(coordinator->end_at - killed, liveness_bound(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Each, LinkProfiles,
                         testing::Values(Profile::realtime, Profile::balanced, Profile::low_power));

TEST_F(LinkSim, TheRoundTripIsRightFromTheFirstHeartbeatOn) {
    build();
    ASSERT_TRUE(connect());
    for (int i = 0; i < 3000; ++i) {
        clock.run_for(1ms);
        for (const auto* node : {member.get(), coordinator.get()})
            ASSERT_LE(node->engine.rtt(*node->port), 100ms) << i << " ms after the handshake";
    }
}

TEST_F(LinkSim, AnIdleLinkOutlivesEveryTimeoutOfQuic) {
    build();
    ASSERT_TRUE(connect());
    clock.run_for(3h);
    ASSERT_TRUE(member->port);
    ASSERT_TRUE(coordinator->port);
    exchange("still here");
}

TEST_F(LinkSim, AGoodbyeIsClosedWithCodeAndReasonNeverLost) {
    build();
    ASSERT_TRUE(connect());
    member->port->close(7, "going home");
    member->station.turn();
    ASSERT_TRUE(clock.run_until([&] { return coordinator->end && member->end; }, 1s));
    const auto& told = std::get<link::LinkClosed>(*coordinator->end);
    EXPECT_TRUE(told.by_peer);
    EXPECT_EQ(told.code, 7u);
    EXPECT_EQ(told.reason, "going home");
    EXPECT_FALSE(std::get<link::LinkClosed>(*member->end).by_peer);
}

TEST_F(LinkSim, EveryCodeOfAnApplicationArrivesAsClosed) {
    build();
    for (const std::uint64_t code :
         {0ULL, 1ULL, 0x4c4f5354ULL, 0x7fffffffULL, 0x80000000ULL, 0xffffffffULL}) {
        ASSERT_TRUE(connect());
        member->port->close(code, "mine");
        member->station.turn();
        ASSERT_TRUE(clock.run_until([&] { return coordinator->end && member->end; }, 1s));
        const auto* told = std::get_if<link::LinkClosed>(&*coordinator->end);
        ASSERT_NE(told, nullptr) << code << ": " << coordinator->how_it_ended();
        EXPECT_EQ(told->code, code);
        coordinator->end.reset();
        member->end.reset();
    }
}

TEST_F(LinkSim, LosingTheOwnInterfaceIsNoticedAtOnceAndNamed) {
    build();
    ASSERT_TRUE(connect());
    const TimePoint cut = clock.now();
    network.unplug(coordinator->host, coordinator_eth);
    ASSERT_TRUE(clock.run_until([&] { return coordinator->end.has_value(); }, 20s));
    EXPECT_TRUE(coordinator->lost(Errc::link_down));
    EXPECT_LE(coordinator->end_at - cut, 1ms);
    EXPECT_NE(std::get<Error>(*coordinator->end).explain().find("has no carrier"), std::string::npos);
    ASSERT_TRUE(clock.run_until([&] { return member->end.has_value(); }, 20s));
    EXPECT_TRUE(member->lost(Errc::lost)) << "the member only hears silence";
}

TEST_F(LinkSim, OneWayDeathIsToldOverTheWayThatStillWorks) {
    build();
    ASSERT_TRUE(connect());
    clock.run_for(1s);
    network.block(member->host, coordinator->host);
    ASSERT_TRUE(clock.run_until([&] { return member->end && coordinator->end; }, 20s));
    EXPECT_TRUE(coordinator->lost(Errc::lost));
    EXPECT_TRUE(member->lost(Errc::lost)) << "giving a link up is no goodbye: " << member->how_it_ended();
    EXPECT_NE(member->how_it_ended().find("gave this link up"), std::string::npos) << member->how_it_ended();
}

// A run is replayed by its seed alone, so nothing may depend on where the links lie in memory.
TEST_F(LinkSim, LinksThatEndInOneMomentEndInTheOrderInWhichTheyCame) {
    for (const bool by_silence : {false, true}) {
        build();
        std::vector<std::unique_ptr<LinkNode>> crowd;
        for (std::uint8_t i = 0; i < 32; ++i) {
            crowd.push_back(std::make_unique<LinkNode>(clock, network, "member " + std::to_string(i),
                                                       static_cast<std::uint8_t>(10 + i), false,
                                                       Profile::balanced));
            (void)network.attach(crowd.back()->host, lan);
            crowd.back()->station.start(*crowd.back());
        }
        clock.run_for(1ms);
        const Endpoint target = coordinator_at();
        for (const auto& node : crowd) node->dial({&target, 1}, {}, clock.now());
        ASSERT_TRUE(clock.run_until([&] { return coordinator->risen.size() == crowd.size(); }, 5s));
        clock.run_for(3s);
        for (const auto& node : crowd)
            if (by_silence) node->station.kill();
        if (!by_silence) network.unplug(coordinator->host, coordinator_eth);
        ASSERT_TRUE(clock.run_until([&] { return coordinator->ended.size() == crowd.size(); }, 20s));
        EXPECT_EQ(coordinator->ended, coordinator->risen) << (by_silence ? "by silence" : "by carrier");
        for (const auto& node : crowd) node->station.kill();
        coordinator->station.kill();
        member->station.kill();
    }
}

TEST_F(LinkSim, OldLinksLeaveNothingBehind) {
    build();
    for (int round = 0; round < 200; ++round) {
        ASSERT_TRUE(connect()) << "round " << round;
        member->port->close(0, "again");
        member->station.turn();
        ASSERT_TRUE(clock.run_until([&] { return coordinator->end && member->end; }, 2s));
        coordinator->end.reset();
        member->end.reset();
    }
    clock.run_for(10s);
    EXPECT_EQ(coordinator->engine.links(), 0u);
    EXPECT_EQ(member->engine.links(), 0u);
    EXPECT_EQ(coordinator->engine.next_wakeup(), kNever);
}

TEST_F(LinkSim, GarbageFromManyAddressesChangesNothing) {
    build();
    ASSERT_TRUE(connect());
    SeededRandomness random{5};
    Bytes junk(1200);
    for (int i = 0; i < 20'000; ++i) {
        random.fill(junk);
        IpAddress::V6 from{0xfe, 0x80};
        for (std::size_t k = 8; k < 16; ++k) from[k] = static_cast<std::uint8_t>(random.next());
        const Path path{.remote = {IpAddress{from}, 1234, coordinator_eth}, .local = {}};
        const std::size_t size = uniform(random, junk.size());
        coordinator->engine.on_datagram(path, ByteView{junk}.first(size), 0, clock.now());
    }
    coordinator->station.turn();
    EXPECT_LE(coordinator->engine.links(), 1u);
    exchange("undisturbed");
}

}  // namespace
}  // namespace muster
