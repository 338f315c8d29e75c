// Sessions that outlive their links: whole nodes in virtual time, discovery included.
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session_rig.h"

namespace muster::sim {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Duration kGrace = 30s;
constexpr Duration kBeat = 10ms;

/// Numbered messages from one end to the other.
struct Talk {
    std::uint32_t sent = 0;
    std::vector<std::uint32_t> received;
    TimePoint last{};

    void hear(const session::MessageView& message, TimePoint now) {
        std::uint32_t number = 0;
        std::memcpy(&number, message.payload.data(), sizeof number);
        received.push_back(number);
        last = now;
    }
    bool is_exact() const {
        for (std::size_t i = 0; i < received.size(); ++i)
            if (received[i] != i) return false;
        return received.size() == sent;
    }
};

class ResumeSim : public testing::Test {
protected:
    ~ResumeSim() override {
        member->node.kill();
        coordinator->node.kill();
    }

    /// Both joined, on one LAN, and talking both ways a hundred times per second.
    void begin(Profile profile = Profile::realtime, Duration hosts_grace = kGrace,
               Duration members_grace = kGrace) {
        coordinator =
            std::make_unique<SimCoordinator>(clock, network, coordinator_host, Habits{profile, hosts_grace});
        coordinator->when_message = [this](const auto& message) { up.hear(message, clock.now()); };
        coordinator->start();
        member = std::make_unique<SimMember>(clock, network, member_host, 2, Habits{profile, members_grace});
        member->when_message = [this](const auto& message) { down.hear(message, clock.now()); };
        member->start();
        ASSERT_TRUE(clock.run_until([this] { return coordinator->joined == 1 && member->peers == 2; }, 5s));
        talk();
        clock.run_for(1s);
        ASSERT_TRUE(up.received.size() > 90 && down.received.size() > 90);
    }
    void talk() {
        if (is_quiet) return;
        const auto payload = [](const std::uint32_t& number) { return std::as_bytes(std::span{&number, 1}); };
        if (member->core->session().send(Recipients::coordinator(), {}, payload(up.sent))) ++up.sent;
        if (coordinator->core->session().send(Recipients::everyone(), {}, payload(down.sent))) ++down.sent;
        member->node.turn();
        coordinator->node.turn();
        clock.after(kBeat, [this] { talk(); });
    }
    /// Waits for what is under way; true if everything came once and in its order.
    bool all_arrived() {
        is_quiet = true;
        clock.run_for(1s);
        return up.is_exact() && down.is_exact();
    }
    /// Runs until something arrives in both directions, and says how long that took.
    Duration until_both_hear() {
        const TimePoint begin = clock.now();
        const auto heard = [&] { return up.last >= begin && down.last >= begin; };
        return clock.run_until(heard, 60s) ? clock.now() - begin : Duration::max();
    }
    bool is_one_session() const {
        return !member->ended && coordinator->left == 0 && coordinator->joined == 1;
    }

    SimClock clock;
    SimNetwork network{clock, seed()};
    LanId lan = network.add_lan();
    HostId coordinator_host = network.add_host("coordinator");
    HostId member_host = network.add_host("member");
    InterfaceIndex coordinator_port = network.attach(coordinator_host, lan);
    InterfaceIndex member_port = network.attach(member_host, lan);
    std::unique_ptr<SimCoordinator> coordinator;
    std::unique_ptr<SimMember> member;
    Talk up, down;
    bool is_quiet = false;

private:
    static std::uint64_t seed() { return 1; }
};

TEST_F(ResumeSim, AnIdleMemberHearsOfARestartWithItsNextHeartbeat) {
    begin(Profile::balanced);
    is_quiet = true;
    clock.run_for(1s);
    coordinator->node.kill();
    auto next = std::make_unique<SimCoordinator>(clock, network, coordinator_host, Profile::balanced);
    next->start();
    const TimePoint restarted = clock.now();
    ASSERT_TRUE(clock.run_until([&] { return !member->interrupted_at.empty(); }, 5s));
    EXPECT_LE(member->interrupted_at.front() - restarted, 410ms) << "silence would take up to 1.2 s";
    next->node.kill();
}

TEST_F(ResumeSim, TheOwnCableComesBack) {
    begin();
    network.unplug(member_host, member_port);
    clock.run_for(8s);
    EXPECT_THAT(member->interrupted_at, SizeIs(1));
    EXPECT_EQ(member->core->current_link(), nullptr);
    EXPECT_EQ(coordinator->interrupted, 1u);
    network.plug(member_host, member_port);
    EXPECT_LE(until_both_hear(), 15ms) << "as soon as the kernel says that there is a carrier";
    EXPECT_THAT(member->resumed_at, SizeIs(1));
    EXPECT_EQ(coordinator->resumed, 1u);
    EXPECT_NE(member->core->current_link(), nullptr);
    EXPECT_NE(coordinator->core->link_of(member->key.id()), nullptr);
    EXPECT_TRUE(all_arrived());
    EXPECT_TRUE(is_one_session());
    EXPECT_EQ(member->core->links().links(), 1u);
}

TEST_F(ResumeSim, TheOwnCableComesBackAgainAndAgain) {
    begin();
    for (int i = 0; i < 20; ++i) {
        network.unplug(member_host, member_port);
        clock.run_for(Duration{137ms} * i);
        network.plug(member_host, member_port);
        clock.run_for(Duration{1ms} * i);  // also in the middle of the handshake
    }
    EXPECT_LE(until_both_hear(), 200ms);
    EXPECT_TRUE(all_arrived());
    EXPECT_TRUE(is_one_session());
}

TEST_F(ResumeSim, TheCoordinatorsCableComesBack) {
    for (const Duration outage : {Duration{50ms}, Duration{1s}, Duration{8s}}) {
        if (!member) begin();
        network.unplug(coordinator_host, coordinator_port);
        clock.run_for(outage);
        network.plug(coordinator_host, coordinator_port);
        // The kernel tells the member nothing: it must be told by the coordinator, or learn that its link is gone.
        EXPECT_LE(until_both_hear(), outage < 200ms ? Duration{250ms} : outage / 64 + 60ms);
    }
    EXPECT_TRUE(all_arrived());
    EXPECT_TRUE(is_one_session());
}

TEST_F(ResumeSim, TheCoordinatorSaysThatItsCableIsBack) {
    begin(Profile::low_power);
    network.unplug(coordinator_host, coordinator_port);
    clock.run_for(20s);
    ASSERT_THAT(member->interrupted_at, SizeIs(1));
    network.plug(coordinator_host, coordinator_port);
    EXPECT_LE(until_both_hear(), 15ms) << "the member's own probes are a second apart";
    EXPECT_TRUE(all_arrived());
    EXPECT_TRUE(is_one_session());
}

TEST_F(ResumeSim, SilenceThatNobodyCanExplainEnds) {
    begin(Profile::balanced);
    network.partition(lan, std::array{member_host});
    clock.run_for(20s);
    EXPECT_THAT(member->interrupted_at, SizeIs(1));
    network.heal(lan);
    EXPECT_LE(until_both_hear(), Duration{20s} / 64 + 60ms);
    EXPECT_TRUE(all_arrived());
    EXPECT_TRUE(is_one_session());
}

TEST_F(ResumeSim, TheCoordinatorComesBackAtAnotherAddress) {
    begin();
    const auto known = network.interfaces(coordinator_host)[1].addresses[0];
    network.unplug(coordinator_host, coordinator_port);
    clock.run_for(2s);
    network.remove_address(coordinator_host, coordinator_port, known.address);
    InterfaceAddress other = known;
    other.address = IpAddress::parse("fe80::4711").value();
    network.add_address(coordinator_host, coordinator_port, other);
    network.plug(coordinator_host, coordinator_port);
    EXPECT_LE(until_both_hear(), 2s) << "discovery runs while the session is interrupted";
    EXPECT_TRUE(all_arrived());
    EXPECT_TRUE(is_one_session());
    EXPECT_THAT(member->watches, IsEmpty()) << "and ends with the interruption";
}

TEST_F(ResumeSim, WithoutDiscoveryANewAddressIsNotFound) {
    begin();
    member->discovers_again = false;
    const auto known = network.interfaces(coordinator_host)[1].addresses[0];
    network.unplug(coordinator_host, coordinator_port);
    clock.run_for(2s);
    network.remove_address(coordinator_host, coordinator_port, known.address);
    InterfaceAddress other = known;
    other.address = IpAddress::parse("fe80::4711").value();
    network.add_address(coordinator_host, coordinator_port, other);
    network.plug(coordinator_host, coordinator_port);
    clock.run_for(kGrace);
    ASSERT_TRUE(member->ended);
    EXPECT_THAT(member->ended->cause().explain(), HasSubstr("no other link within the grace of 30000 ms"));
}

TEST_F(ResumeSim, NoOtherCoordinatorWillDo) {
    begin();
    coordinator->node.kill();
    SimCoordinator other{clock, network, coordinator_host, Habits{Profile::realtime, kGrace},
                         77};  // same place, same group
    other.start();
    clock.run_for(kGrace + 5s);
    EXPECT_EQ(other.joined, 0u);
    EXPECT_THAT(member->resumed_at, IsEmpty());
    ASSERT_TRUE(member->ended && member->ended->is_lost());
    EXPECT_EQ(member->ended->cause().code(), Errc::lost);
    is_quiet = true;
    other.node.kill();
}

TEST_F(ResumeSim, ACoordinatorThatWasStartedAnewKnowsNoSession) {
    begin();
    is_quiet = true;
    coordinator->node.kill();
    clock.run_for(1s);
    const auto former = std::move(coordinator);  // the clock may still call it
    coordinator =
        std::make_unique<SimCoordinator>(clock, network, coordinator_host, Habits{Profile::realtime, kGrace});
    coordinator->start();
    ASSERT_TRUE(clock.run_until([this] { return member->ended.has_value(); }, 2s))
        << "long before the grace is over";
    ASSERT_TRUE(member->ended->is_lost());
    EXPECT_EQ(member->ended->cause().code(), Errc::lost);
    EXPECT_THAT(member->ended->cause().message(), HasSubstr("started anew"));
    clock.run_for(5s);
    EXPECT_EQ(member->core->links().links(), 0u);
}

TEST_F(ResumeSim, ACopyOfTheKeyDoesNotTakeTheMembersPlace) {
    begin();
    const HostId elsewhere = network.add_host("copy");
    network.attach(elsewhere, lan);
    SimMember copy{clock, network, elsewhere, 2, Habits{Profile::realtime, kGrace}};
    copy.start();
    clock.run_for(3s);
    ASSERT_TRUE(copy.ended && copy.ended->is_lost());
    EXPECT_EQ(copy.ended->cause().code(), Errc::name_in_use);
    const link::LinkPort* link = coordinator->core->link_of(member->key.id());
    ASSERT_NE(link, nullptr) << "the link of the one that was turned away was not the member's";
    EXPECT_TRUE(all_arrived());
    EXPECT_TRUE(is_one_session());
    copy.node.kill();
}

TEST_F(ResumeSim, TheShorterGraceEndsBothEnds) {
    begin(Profile::realtime, kGrace, 3s);
    network.unplug(member_host, member_port);
    clock.run_for(4s);
    ASSERT_TRUE(member->ended && member->ended->is_lost());
    EXPECT_EQ(member->ended->cause().code(), Errc::link_down);
    EXPECT_EQ(coordinator->lost, 1u);
    is_quiet = true;
    network.plug(member_host, member_port);
    clock.run_for(1s);
    EXPECT_EQ(member->core->links().links(), 0u) << "nobody looks for a link any more";
}

TEST_F(ResumeSim, WithoutGraceALostLinkIsTheEnd) {
    begin(Profile::realtime, kGrace, {});
    network.unplug(member_host, member_port);
    clock.run_for(200ms);
    EXPECT_TRUE(member->ended && member->ended->is_lost());
    EXPECT_EQ(coordinator->lost, 1u);
    EXPECT_THAT(member->interrupted_at, IsEmpty());
    is_quiet = true;
}

TEST_F(ResumeSim, AGoodbyeWhileInterruptedIsSaidOnTheNextLink) {
    begin();
    network.unplug(member_host, member_port);
    clock.run_for(500ms);
    is_quiet = true;
    member->core->session().close(7, "enough", 5s, clock.now());
    member->node.turn();
    clock.run_for(2s);
    EXPECT_FALSE(member->ended);
    network.plug(member_host, member_port);
    ASSERT_TRUE(clock.run_until([this] { return member->ended.has_value(); }, 100ms));
    EXPECT_FALSE(member->core->session().shortfall());
    EXPECT_EQ(coordinator->left, 1u);
    EXPECT_EQ(coordinator->lost, 0u);
    EXPECT_TRUE(up.is_exact()) << "what was sent before is there";
}

TEST_F(ResumeSim, AGoodbyeThatFindsNoLinkGivesUpAtItsDeadline) {
    begin();
    network.unplug(member_host, member_port);
    clock.run_for(500ms);
    is_quiet = true;
    member->core->session().close(7, "enough", 1s, clock.now());
    member->node.turn();
    clock.run_for(1100ms);
    ASSERT_TRUE(member->ended);
    EXPECT_TRUE(member->ended->is_closed());
    ASSERT_TRUE(member->core->session().shortfall());
    EXPECT_THAT(member->core->session().shortfall()->explain(), HasSubstr("carrier"));
    EXPECT_EQ(member->core->links().links(), 0u);
}

TEST_F(ResumeSim, AnAbortWhileInterruptedEndsAtOnce) {
    begin();
    network.unplug(member_host, member_port);
    clock.run_for(500ms);
    is_quiet = true;
    member->core->session().abort(clock.now());
    member->node.turn();
    clock.run_for(1ms);
    ASSERT_TRUE(member->ended && member->ended->is_lost());
    network.plug(member_host, member_port);
    clock.run_for(2s);
    EXPECT_EQ(member->core->links().links(), 0u);
    EXPECT_EQ(coordinator->resumed, 0u);
}

TEST_F(ResumeSim, TheCoordinatorClosesWhileAMemberIsAway) {
    begin();
    network.unplug(member_host, member_port);
    clock.run_for(500ms);
    is_quiet = true;
    coordinator->core->session().close(3, "the show is over", 2s, clock.now());
    coordinator->node.turn();
    clock.run_for(500ms);
    network.plug(member_host, member_port);
    ASSERT_TRUE(clock.run_until([this] { return member->ended.has_value(); }, 1s));
    ASSERT_TRUE(member->ended->is_closed());
    EXPECT_EQ(member->ended->closed().reason, "the show is over");
}

/// Has a coordinator's key, and closes every link as soon as it stands: too many ask at the same time.
class FullHouse final : public node::Core, private link::LinkEvents {
public:
    FullHouse(SimClock& clock, SimNetwork& network, HostId host, const DeviceKey& key)
        : node_(clock, network, host, kPort), links_(options(key), network.random(host), node_, *this) {
        node_.start(*this);
    }
    ~FullHouse() override { node_.kill(); }
    std::size_t links = 0;

private:
    static link::LinkOptions options(const DeviceKey& key) {
        link::LinkOptions how{key};
        how.group = link::group_tag(kGroup);
        how.accepts = true;
        return how;
    }
    void on_datagram(const link::Path& from, ByteView datagram, std::uint8_t ecn, TimePoint now) override {
        links_.on_datagram(from, datagram, ecn, now);
    }
    void on_refused(const link::Path&, SendRefusal, TimePoint) override {}
    void on_icmp(const IcmpReport&, TimePoint) override {}
    void on_findings(const link::Path&, const PathFindings&, TimePoint) override {}
    void on_interfaces(std::span<const Interface> interfaces, TimePoint now) override {
        links_.on_interfaces(interfaces, now);
    }
    void on_timer(TimePoint now) override { links_.on_timer(now); }
    TimePoint next_wakeup() const override { return links_.next_wakeup(); }
    bool flush(TimePoint now) override { return links_.flush(now); }

    bool on_admit(const DeviceId&, std::optional<link::DialId>) override { return true; }
    link::LinkHandler& on_link_up(link::LinkPort& link, const link::LinkFacts&,
                                  std::optional<link::DialId>) override {
        ++links;
        link.close(static_cast<std::uint64_t>(session::LinkCode::full), "");
        return deaf_;
    }
    void on_path_changed(link::LinkPort&, const link::PathChange&) override {}
    void on_fault_found(const DeviceId&, const Error&) override {}
    void on_link_end(link::LinkPort&, const link::LinkEnd&) override {}
    void on_dial_failed(link::DialId, Error) override {}
    void on_stranger(link::DialId, const DeviceId&, const Endpoint&) override {}

    SimNode node_;
    link::DeafLinkHandler deaf_;
    link::LinkEngine links_;
};

TEST_F(ResumeSim, WhoHasNoRoomIsNotAskedAHundredTimesASecond) {
    begin();
    is_quiet = true;
    coordinator->node.kill();
    FullHouse house{clock, network, coordinator_host, coordinator->key};
    clock.run_for(10s);
    EXPECT_FALSE(member->ended) << "there may be room later";
    EXPECT_GE(house.links, 8u);
    EXPECT_LE(house.links, 25u);
}

/// A coordinator and a member that talk over several LANs, each of which loses, doubles and reorders, and goes away at
/// random: also while the session is being resumed or its link goes elsewhere.
class Trouble {
public:
    Trouble(std::uint64_t seed, std::size_t lans) : network(clock, seed), random(seed) {
        const Quality bad{.delay = 1ms, .jitter = 2ms, .loss = 0.05, .duplicate = 0.02, .reorder = 0.05};
        for (std::size_t i = 0; i < lans; ++i) {
            const LanId lan = network.add_lan({.quality = bad});
            ways.push_back({lan, network.attach(there, lan), network.attach(here, lan)});
        }
        coordinator = std::make_unique<SimCoordinator>(clock, network, there, Habits{Profile::realtime, 60s});
        member = std::make_unique<SimMember>(clock, network, here, 2, Habits{Profile::realtime, 60s});
        coordinator->when_message = [this](const auto& message) { up.hear(message, clock.now()); };
        member->when_message = [this](const auto& message) { down.hear(message, clock.now()); };
    }
    Trouble(const Trouble&) = delete;
    Trouble& operator=(const Trouble&) = delete;
    ~Trouble() {
        member->node.kill();
        coordinator->node.kill();
    }

    bool begin() {
        coordinator->start();
        member->start();
        return clock.run_until([this] { return coordinator->joined == 1 && member->peers == 2; }, 10s);
    }
    void speak(Duration time) {
        const auto payload = [](const std::uint32_t& number) { return std::as_bytes(std::span{&number, 1}); };
        for (const TimePoint end = clock.now() + time; clock.now() < end; clock.run_for(5ms)) {
            if (member->core->session().send(Recipients::coordinator(), {}, payload(up.sent))) ++up.sent;
            if (coordinator->core->session().send(Recipients::everyone(), {}, payload(down.sent)))
                ++down.sent;
            member->node.turn();
            coordinator->node.turn();
        }
    }
    /// With several LANs, others may be out already, and stay so for a while.
    void suffer() {
        for (int i = 0; i < 25; ++i) {
            const Way& way = ways[uniform(random, ways.size())];
            const std::uint64_t what = uniform(random, 3);
            if (what == 0) network.unplug(here, way.near);
            if (what == 1) network.unplug(there, way.far);
            if (what == 2) network.partition(way.lan, std::array{here});
            speak(uniform(random, Duration{}, Duration{1s}));
            if (uniform(random, ways.size()) == 0) mend();
            speak(uniform(random, Duration{}, Duration{uniform(random, 2) ? 20ms : 1s}));
        }
        mend();
        clock.run_for(10s);
    }
    void mend() {
        for (const Way& way : ways) {
            network.plug(here, way.near);
            network.plug(there, way.far);
            network.heal(way.lan);
        }
    }

    struct Way {
        LanId lan{};
        InterfaceIndex far{}, near{};
    };
    SimClock clock;
    SimNetwork network;
    SeededRandomness random;
    HostId there = network.add_host("coordinator"), here = network.add_host("member");
    std::vector<Way> ways;
    std::unique_ptr<SimCoordinator> coordinator;
    std::unique_ptr<SimMember> member;
    Talk up, down;
};

// MUSTER_SEEDS=10000 for a long run.
std::uint64_t seeds() {
    const char* text = std::getenv("MUSTER_SEEDS");
    return text ? std::strtoull(text, nullptr, 10) : 20;
}

void expect_all_survive(std::size_t lans, std::size_t interruptions) {
    std::size_t interrupted = 0;
    for (std::uint64_t seed = 1; seed <= seeds() && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed) + ", " + std::to_string(lans) + " LANs");
        Trouble trouble{seed, lans};
        ASSERT_TRUE(trouble.begin());
        trouble.suffer();
        EXPECT_TRUE(trouble.up.is_exact());
        EXPECT_TRUE(trouble.down.is_exact());
        EXPECT_FALSE(trouble.member->ended);
        EXPECT_EQ(trouble.coordinator->left, 0u);
        EXPECT_EQ(trouble.member->resumed_at.size(), trouble.member->interrupted_at.size());
        interrupted += trouble.member->interrupted_at.size();
    }
    EXPECT_GE(interrupted, interruptions * seeds()) << "too little trouble to show anything";
}

TEST(ResumeSimSeeds, EverythingComesOnceAndInOrderOverOneLan) { expect_all_survive(1, 5); }
TEST(ResumeSimSeeds, EverythingComesOnceAndInOrderOverThreeLans) { expect_all_survive(3, 1); }

}  // namespace
}  // namespace muster::sim
