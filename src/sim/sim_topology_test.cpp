// Hosts, their interfaces, addresses and stations.
#include <stdexcept>

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

TEST_F(SimNetworkTest, AnInterfaceThatIsDownSaysSoAndLosesWhatIsInFlight) {
    const auto lan = network_.add_lan({.quality = {.delay = 10ms}});
    const auto a = host(lan), b = host(lan);
    clock_.run_for(1ms);
    send(a, b, "in flight");
    network_.take_down(b, kEth0);
    EXPECT_EQ(send(b, a, "x"), SendStatus::path_suspect);
    clock_.run_for(1s);
    EXPECT_THAT(at(b).got, IsEmpty());
    EXPECT_EQ(network_.counters()[Fate::down], 1u);
    EXPECT_EQ(at(b).told, 2);
    EXPECT_FALSE(at(b).interfaces[1].up);
    EXPECT_EQ(at(a).told, 1) << "nobody tells the other side";
    network_.bring_up(b, kEth0);
    send(a, b, "up again");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).texts(), ElementsAre("up again"));
    expect_balance();
}

TEST_F(SimNetworkTest, WithoutCarrierSendingSucceedsSilentlyAsInAKernel) {
    const auto lan = network_.add_lan();
    const auto a = host(lan), b = host(lan);
    network_.unplug(a, kEth0);
    EXPECT_EQ(send(a, b, "x"), SendStatus::sent);
    clock_.run_for(1s);
    EXPECT_THAT(at(b).got, IsEmpty());
    EXPECT_FALSE(at(a).interfaces[1].carrier);
    EXPECT_TRUE(at(a).interfaces[1].up);
}

TEST_F(SimNetworkTest, AnAddressChangeMovesWhatIsReachable) {
    const auto lan = network_.add_lan();
    const auto a = host(lan), b = host(lan);
    const auto old = address(b);
    network_.remove_address(b, kEth0, old);
    network_.add_address(b, kEth0, {ip("fe80::99"), 64});
    send(a, old, "old");
    send(a, ip("fe80::99"), "new");
    clock_.run_for(1s);
    EXPECT_THAT(at(b).texts(), ElementsAre("new"));
    EXPECT_EQ(at(b).interfaces[1].addresses[0].address, ip("fe80::99"));
    EXPECT_EQ(at(b).told, 1) << "changes of one moment are told once";
    const SimSend from_old{{old, 1, {}}, {address(a), 2, kEth0}, as_bytes("x"), 0, 0};
    EXPECT_EQ(network_.send(b, from_old), SendStatus::path_suspect);
}

TEST_F(SimNetworkTest, ATentativeAddressIsNoSource) {
    const auto lan = network_.add_lan();
    const auto a = host(lan, {.addresses = {{ip("fe80::1"), 64, true}}});
    const auto b = host(lan);
    EXPECT_EQ(send(a, b, "x"), SendStatus::path_suspect);
    network_.add_address(a, kEth0, {ip("fe80::1"), 64, false});
    EXPECT_EQ(send(a, b, "x"), SendStatus::sent);
}

TEST_F(SimNetworkTest, RoutesByPrefixWhereNoInterfaceIsNamed) {
    const auto one = network_.add_lan(), two = network_.add_lan();
    const auto a = host(one, {.addresses = {{ip("10.0.1.1"), 24}}});
    network_.attach(a, two, {.addresses = {{ip("10.0.2.1"), 24}}});
    const auto b = host(two, {.addresses = {{ip("10.0.2.2"), 24}}});
    EXPECT_EQ(send(a, ip("10.0.2.2"), "x", InterfaceIndex::none), SendStatus::sent);
    EXPECT_EQ(send(a, ip("10.0.2.2"), "wrong interface", kEth0), SendStatus::sent);
    EXPECT_EQ(send(a, ip("10.0.2.2"), "no such interface", InterfaceIndex{9}), SendStatus::path_suspect);
    clock_.run_for(1s);
    ASSERT_THAT(at(b).texts(), ElementsAre("x"));
    EXPECT_EQ(at(b).got[0].remote.address, ip("10.0.2.1"));
}

TEST_F(SimNetworkTest, AHostReachesItselfByLoopback) {
    const auto lan = network_.add_lan();
    const auto a = host(lan);
    send(a, a, "own address");
    send(a, ip("127.0.0.1"), "loopback", InterfaceIndex{1});
    clock_.run_for(1s);
    EXPECT_THAT(at(a).texts(), ElementsAre("own address", "loopback"));
    EXPECT_EQ(at(a).got[0].remote.interface, InterfaceIndex{1});
}

TEST_F(SimNetworkTest, WakesAStationWhenItAsksAndFlushesAfterEveryInput) {
    const auto lan = network_.add_lan();
    const auto a = host(lan);
    at(a).wakeup = SimClock::kStart + 5s;
    at(a).more = 3;
    clock_.run_for(10s);
    EXPECT_THAT(at(a).woken, ElementsAre(SimClock::kStart + 5s));
    EXPECT_EQ(at(a).flushes, 1 + 3 + 1) << "start, three times more, timer";
    at(a).wakeup = SimClock::kStart + 20s;
    network_.turn(a);
    clock_.run_for(20s);
    EXPECT_THAT(at(a).woken, SizeIs(2));
}

TEST_F(SimNetworkTest, AKilledStationHearsNothingMore) {
    const auto lan = network_.add_lan();
    const auto a = host(lan), b = host(lan);
    at(b).wakeup = SimClock::kStart + 5s;
    clock_.run_for(1s);
    send(a, b, "x");
    network_.set_station(b, nullptr);
    network_.unplug(b, kEth0);
    clock_.run_for(10s);
    EXPECT_THAT(at(b).got, IsEmpty());
    EXPECT_THAT(at(b).woken, IsEmpty());
    EXPECT_EQ(at(b).told, 1);
}

TEST_F(SimNetworkTest, AStationThatHoldsTheTimeIsNamed) {
    const auto a = host(network_.add_lan());
    at(a).stuck = true;
    at(a).wakeup = SimClock::kStart;
    EXPECT_THROW(clock_.run_for(1s), std::logic_error);
}

}  // namespace
}  // namespace muster::sim
