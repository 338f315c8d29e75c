// Datagrams on their way: quality, routers, partitions; replay and scale.
#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/sim_network_rig.h"

namespace muster::sim {
namespace {

using namespace std::chrono_literals;
using os::SendStatus;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(SimNetworkTest, DeliversUnicastAfterTheDelayAndAnswersWork) {
    const auto lan = network_.add_lan({.quality = {.delay = 3ms}});
    const auto a = host(lan), b = host(lan), c = host(lan);
    ASSERT_EQ(send(a, b, "ping"), SendStatus::sent);
    clock_.run_for(1s);
    ASSERT_THAT(at(b).got, SizeIs(1));
    EXPECT_EQ(at(b).got[0].when, SimClock::kStart + 3ms);
    EXPECT_EQ(at(b).got[0].remote, (Endpoint{address(a), 1000, kEth0}));
    EXPECT_EQ(at(b).got[0].local, (Endpoint{address(b), 2000, kEth0}));
    ASSERT_THAT(at(a).texts(), ElementsAre("pong"));
    EXPECT_EQ(at(a).got[0].when, SimClock::kStart + 6ms);
    EXPECT_THAT(at(c).got, IsEmpty());
    expect_balance();
}

TEST_F(SimNetworkTest, MulticastReachesAllOthersOfItsLanOnly) {
    const auto lan = network_.add_lan(), other = network_.add_lan();
    network_.add_router(lan, other);
    const auto a = host(lan), b = host(lan), c = host(lan), d = host(other);
    send(a, ip("ff02::fb"), "hello");
    clock_.run_for(1s);
    EXPECT_THAT(at(a).got, IsEmpty());
    EXPECT_THAT(at(b).texts(), ElementsAre("hello"));
    EXPECT_EQ(at(b).got[0].local.address, ip("ff02::fb"));
    EXPECT_EQ(at(b).got[0].hop_limit, 255);
    EXPECT_THAT(at(c).texts(), ElementsAre("hello"));
    EXPECT_THAT(at(d).got, IsEmpty());
    network_.forbid_multicast(lan);
    send(a, ip("ff02::fb"), "blocked");
    send(a, b, "unicast passes");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).texts(), ElementsAre("hello", "unicast passes"));
}

TEST_F(SimNetworkTest, AnInterfaceThatIsDetachedIsGoneWithItsAddresses) {
    const auto lan = network_.add_lan({.quality = {.delay = 3ms}});
    const auto a = host(lan), b = host(lan);
    const auto was = address(b);
    send(a, was, "on its way");
    network_.detach(b, kEth0);
    send(a, was, "too late");
    send(a, ip("ff02::fb"), "to all");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).got, IsEmpty());
    EXPECT_THAT(network_.interfaces(b), SizeIs(1)) << "loopback";
    EXPECT_EQ(send(b, a, "without interface"), SendStatus::path_suspect);
    const auto anew = network_.attach(b, lan);
    EXPECT_NE(anew, kEth0);
    send(a, network_.interfaces(b).back().addresses[0].address, "again");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).texts(), ElementsAre("again"));
}

TEST_F(SimNetworkTest, TheFilterSeesWhatGoesWhereAndSwallowsIt) {
    const auto lan = network_.add_lan();
    const auto a = host(lan), b = host(lan), c = host(lan);
    network_.set_filter([&](const Passing& passing) {
        return passing.to == b && passing.in == kEth0 && passing.from == a && passing.size > 48 + 4 &&
               passing.source.port == 1000;
    });
    send(a, b, "ping");
    send(a, b, "large");
    send(c, b, "large from another");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).texts(), ElementsAre("ping", "large from another"));
    EXPECT_EQ(network_.counters()[Fate::blocked], 1u);
    network_.set_filter(nullptr);
    send(a, b, "large");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).got, SizeIs(3));
}

TEST_F(SimNetworkTest, ACableMayDoubleToo) {
    const auto lan = network_.add_lan();
    const auto a = host(lan), b = host(lan);
    network_.set_cable(b, kEth0, {}, {.duplicate = 1});
    send(a, b, "twice");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).texts(), ElementsAre("twice", "twice"));
}

TEST_F(SimNetworkTest, RoutersForwardUnicastOfGlobalScopeOverSeveralLans) {
    const auto one = network_.add_lan({.quality = {.delay = 1ms}});
    const auto two = network_.add_lan({.quality = {.delay = 1ms}});
    const auto three = network_.add_lan({.quality = {.delay = 1ms}});
    network_.add_router(one, two);
    network_.add_router(two, three);
    const auto a = host(one, {.addresses = {{ip("10.0.1.1"), 24}}});
    const auto b = host(three, {.addresses = {{ip("10.0.3.1"), 24}}});
    const auto scoped = host(three);
    send(a, b, "ping");
    send(a, scoped, "fe80 stays on its link");
    clock_.run_for(1s);
    ASSERT_THAT(at(b).texts(), ElementsAre("ping"));
    EXPECT_EQ(at(b).got[0].when, SimClock::kStart + 3ms);
    EXPECT_EQ(at(b).got[0].hop_limit, 62);
    EXPECT_THAT(at(a).texts(), ElementsAre("pong"));
    EXPECT_THAT(at(scoped).got, IsEmpty());
    network_.remove_router(two, three);
    send(a, b, "no way");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).got, SizeIs(1));
}

TEST_F(SimNetworkTest, LosesAndDoublesAsManyAsItWasTold) {
    const auto lan = network_.add_lan({.quality = {.delay = 1ms, .loss = 0.1, .duplicate = 0.05}});
    const auto a = host(lan), b = host(lan);
    for (int i = 0; i < 20'000; ++i) send(a, b, "x");
    clock_.run_for(1s);
    const auto& n = network_.counters();
    EXPECT_NEAR(static_cast<double>(n[Fate::lost]), 2000, 170);  // four standard deviations
    EXPECT_NEAR(static_cast<double>(n[Fate::duplicated]), 1000, 125);
    EXPECT_EQ(at(b).got.size(), n[Fate::delivered]);
    expect_balance();
}

TEST_F(SimNetworkTest, JitterKeepsTheOrderOfASenderAndReorderingBreaksIt) {
    const auto lan = network_.add_lan({.quality = {.delay = 1ms, .jitter = 10ms}});
    const auto a = host(lan), b = host(lan);
    const auto send_numbers = [&] {
        at(b).got.clear();
        for (int i = 0; i < 1000; ++i) {
            send(a, b, std::to_string(10'000 + i));
            clock_.run_for(1ms);
        }
        clock_.run_for(1s);
        ASSERT_THAT(at(b).got, SizeIs(1000));
    };
    send_numbers();
    EXPECT_TRUE(std::ranges::is_sorted(at(b).texts()));
    std::set<Duration> gaps;
    for (std::size_t i = 1; i < 1000; ++i) gaps.insert(at(b).got[i].when - at(b).got[i - 1].when);
    EXPECT_EQ(*gaps.begin(), 0ms) << "catching up with one that was late";
    EXPECT_GT(*gaps.rbegin(), 3ms);
    network_.set_quality(lan, {.delay = 1ms, .reorder = 0.1, .reorder_by = 2ms});
    send_numbers();
    EXPECT_FALSE(std::ranges::is_sorted(at(b).texts()));
    EXPECT_NEAR(static_cast<double>(network_.counters()[Fate::held_back]), 100, 40);
}

TEST_F(SimNetworkTest, BandwidthSpreadsAndAFullQueueDrops) {
    const auto lan = network_.add_lan({.quality = {}});
    // 8 Mbit/s is 1 octet per microsecond: 952 octets and 48 of headers take 1 ms; 10 ms of queue hold 11.
    const auto a = host(lan, {.cable = {.bits_per_second = 8'000'000, .queue_limit = 10ms}});
    const auto b = host(lan);
    for (int i = 0; i < 20; ++i) send(a, b, std::string(952, 'x'));
    clock_.run_for(1s);
    ASSERT_THAT(at(b).got, SizeIs(11));
    EXPECT_EQ(at(b).got[0].when, SimClock::kStart + 1ms);
    EXPECT_EQ(at(b).got[10].when, SimClock::kStart + 11ms);
    EXPECT_EQ(network_.counters()[Fate::queue_full], 9u);
    expect_balance();
}

TEST_F(SimNetworkTest, PartitionsSeparateUntilHealed) {
    const auto lan = network_.add_lan();
    const auto a = host(lan), b = host(lan), c = host(lan);
    network_.partition(lan, std::vector{a});
    send(a, b, "x");
    send(b, a, "x");
    send(a, ip("ff02::fb"), "x");
    send(b, c, "same part");
    clock_.run_for(1s);
    EXPECT_THAT(at(a).got, IsEmpty());
    EXPECT_THAT(at(b).got, IsEmpty());
    EXPECT_THAT(at(c).texts(), ElementsAre("same part"));
    network_.heal(lan);
    send(a, b, "healed");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).texts(), ElementsAre("healed"));
}

TEST_F(SimNetworkTest, AOneWayBlockLeavesTheOtherWayOpen) {
    const auto lan = network_.add_lan();
    const auto a = host(lan), b = host(lan);
    network_.block(a, b);
    send(a, b, "blocked");
    send(b, a, "open");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).got, IsEmpty());
    EXPECT_THAT(at(a).texts(), ElementsAre("open"));
    network_.unblock(a, b);
    send(a, b, "open again");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).texts(), ElementsAre("open again"));
}

TEST_F(SimNetworkTest, TheInterfacesMtuIsToldAndTheLansIsABlackHole) {
    const auto lan = network_.add_lan({.mtu = 1280});
    const auto a = host(lan), b = host(lan);
    EXPECT_EQ(send(a, b, std::string(1500 - 48, 'x')), SendStatus::sent);
    EXPECT_EQ(send(a, b, std::string(1500 - 47, 'x')), SendStatus::too_big);
    send(a, b, std::string(1280 - 48, 'y'));
    clock_.run_for(1s);
    ASSERT_THAT(at(b).got, SizeIs(1));
    EXPECT_EQ(at(b).got[0].text[0], 'y');
    EXPECT_EQ(network_.counters()[Fate::too_big], 1u);
}

TEST_F(SimNetworkTest, CutsABatchIntoItsDatagrams) {
    const auto lan = network_.add_lan();
    const auto a = host(lan), b = host(lan);
    const std::string text = "aaabbbcccd";
    network_.send(a, {{{}, 1, {}}, {address(b), 2, kEth0}, as_bytes(text), 3, 0});
    clock_.run_for(1s);
    EXPECT_THAT(at(b).texts(), ElementsAre("aaa", "bbb", "ccc", "d"));
}

TEST_F(SimNetworkTest, TracesEveryFate) {
    const auto lan = network_.add_lan();
    const auto a = host(lan), b = host(lan);
    std::map<Fate, int> seen;
    network_.set_trace([&](const TraceEvent& event) { ++seen[event.fate]; });
    send(a, b, "x");
    send(a, ip("fe80::dead"), "x");
    clock_.run_for(1s);
    EXPECT_THAT(seen, ElementsAre(testing::Pair(Fate::sent, 2), testing::Pair(Fate::delivered, 1),
                                  testing::Pair(Fate::no_receiver, 1)));
}

/// A busy hour in a bad network; returns what tells whether it was the same one.
std::uint64_t bad_hour(std::uint64_t seed) {
    SimClock clock;
    SimNetwork network{clock, seed};
    const auto lan = network.add_lan(
        {.quality = {.delay = 1ms, .jitter = 5ms, .loss = 0.05, .duplicate = 0.02, .reorder = 0.05}});
    std::vector<std::unique_ptr<Recorder>> stations;
    for (std::uint32_t i = 0; i < 20; ++i) {
        const auto id = network.add_host("h" + std::to_string(i));
        network.attach(id, lan);
        stations.push_back(std::make_unique<Recorder>(network, id));
    }
    for (std::uint32_t i = 0; i < 2000; ++i) {
        clock.after(i * 1s, [&network, i] {
            const HostId from{i % 20}, to{static_cast<std::uint32_t>(uniform(network.random(from), 20))};
            const auto address = network.interfaces(to)[1].addresses[0].address;
            network.send(from, {{{}, 1, {}}, {address, 2, kEth0}, as_bytes("ping"), 0, 0});
            if (i % 100 == 0) network.take_down(to, kEth0);
            if (i % 100 == 50) network.bring_up(to, kEth0);
        });
    }
    clock.run_for(1h);
    return network.trace_hash();
}

TEST(SimNetworkReplay, TheSameSeedGivesTheSameRunAndAnotherSeedAnother) {
    const auto first = bad_hour(1);
    EXPECT_EQ(first, bad_hour(1));
    EXPECT_NE(first, bad_hour(2));
}

TEST(SimNetworkScale, AThousandHostsHearAThousandMulticasts) {
    SimClock clock;
    SimNetwork network{clock, 1};
    const auto lan = network.add_lan();
    std::vector<std::unique_ptr<Recorder>> stations;
    const std::string text(100, 'x');
    for (std::uint32_t i = 0; i < 1000; ++i) {
        network.attach(network.add_host("h"), lan);
        network.set_station(HostId{i}, nullptr);
    }
    class Counter final : public Station {
    public:
        void on_datagram(const Datagram& datagram, TimePoint) override { octets += datagram.octets.size(); }
        void on_interfaces(std::span<const Interface>, TimePoint) override {}
        void on_timer(TimePoint) override {}
        TimePoint next_wakeup() const override { return kNever; }
        bool flush(TimePoint) override { return false; }
        std::size_t octets = 0;
    } counter;
    for (std::uint32_t i = 0; i < 1000; ++i) network.set_station(HostId{i}, &counter);
    for (std::uint32_t i = 0; i < 1000; ++i)
        network.send(HostId{i}, {{{}, 1, {}}, {ip("ff02::fb"), 2, kEth0}, as_bytes(text), 0, 0});
    clock.run_for(1s);
    EXPECT_EQ(counter.octets, 1000u * 999 * 100);
    EXPECT_EQ(network.in_flight(), 0u);
}

}  // namespace
}  // namespace muster::sim
