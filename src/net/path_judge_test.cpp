#include "net/path_judge.h"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::net {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint32_t kMain = 254;
constexpr InterfaceIndex kEth{2}, kWlan{3};
constexpr auto kReachable = os::NeighbourEntry::State::reachable;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

Interface interface(InterfaceIndex index, const char* name, std::vector<const char*> addresses = {}) {
    Interface made;
    made.index = index;
    made.name = name;
    made.up = made.carrier = made.multicast = true;
    for (const char* each : addresses) made.addresses.push_back({ip(each), 24, false});
    return made;
}

/// A machine: interfaces, and default routes by them.
class World {
public:
    World& with(Interface interface) {
        facts.interfaces.push_back(std::move(interface));
        return *this;
    }
    World& default_by(InterfaceIndex by, const char* gateway, std::uint32_t metric = 0) {
        os::RouteEntry route;
        route.is_v6 = ip(gateway).is_v6();
        route.table = kMain;
        route.to.address = route.is_v6 ? ip("::") : ip("0.0.0.0");
        route.metric = metric;
        route.hops = {{.interface = by, .gateway = ip(gateway)}};
        facts.routing.routes.push_back(route);
        return *this;
    }
    World& neighbour(InterfaceIndex by, const char* address, os::NeighbourEntry::State state) {
        facts.routing.neighbours.push_back(
            {.interface = by, .address = ip(address), .state = state, .mac = {}, .confirmed_ms_ago = 70});
        return *this;
    }
    World& server(const char* address) {
        facts.dns_servers.push_back({ip(address), 53, InterfaceIndex::none});
        return *this;
    }
    NetworkPath path() const { return judge(with_rules()); }
    /// As the kernel would answer: by this interface, with this source.
    NetworkPath path_to(const char* remote, InterfaceIndex by, const char* source,
                        const char* gateway = nullptr, const char* local = nullptr) const {
        os::RouteAnswer answer;
        answer.entry.table = kMain;
        answer.entry.source = ip(source);
        answer.entry.hops = {
            {.interface = by, .gateway = gateway ? std::optional{ip(gateway)} : std::nullopt}};
        return judge(with_rules(),
                     {{ip(remote), 1, InterfaceIndex::none}, local ? std::optional{ip(local)} : std::nullopt},
                     answer);
    }
    /// The same for a socket that is bound to the interface.
    NetworkPath bound_path_to(const char* remote, InterfaceIndex by, const char* source) const {
        os::RouteAnswer answer;
        answer.entry.source = ip(source);
        answer.entry.hops = {{.interface = by, .gateway = std::nullopt}};
        return judge(with_rules(), {{ip(remote), 1, by}, std::nullopt}, answer);
    }
    NetworkPath no_path_to(const char* remote, int error, InterfaceIndex by = InterfaceIndex::none) const {
        return judge(with_rules(), {{ip(remote), 1, by}, std::nullopt}, {.error = error, .entry = {}});
    }

    NetworkFacts facts;

private:
    NetworkFacts with_rules() const {
        NetworkFacts all = facts;
        for (const bool v6 : {false, true}) {
            os::RoutingRule main;
            main.is_v6 = v6;
            main.priority = 32766;
            main.table = kMain;
            all.routing.rules.push_back(main);
        }
        return all;
    }
};

World home() {
    return World{}
        .with(interface(kEth, "eth0", {"192.0.2.7"}))
        .default_by(kEth, "192.0.2.1")
        .neighbour(kEth, "192.0.2.1", kReachable)
        .server("192.0.2.1");
}

TEST(PathJudge, AHomeNetworkReachesEverywhere) {
    const NetworkPath path = home().path();
    EXPECT_TRUE(path.is_satisfied());
    EXPECT_EQ(path.reach, PathReach::everywhere);
    EXPECT_EQ(path.reason, PathReason::none);
    EXPECT_TRUE(path.supports_ipv4);
    EXPECT_FALSE(path.supports_ipv6);
    EXPECT_TRUE(path.supports_dns);
    EXPECT_FALSE(path.is_expensive);
    ASSERT_THAT(path.gateways, SizeIs(1));
    EXPECT_EQ(path.gateways[0].proof, LinkProof::verified);
    EXPECT_EQ(path.gateways[0].heard, 70ms);
    EXPECT_EQ(Reachability::flags(path), Reachability::kReachable);
}

TEST(PathJudge, WithoutInterfacesThereIsNothing) {
    auto lo = interface(InterfaceIndex{1}, "lo", {"127.0.0.1"});
    lo.loopback = true;
    const NetworkPath path = World{}.with(lo).path();
    EXPECT_EQ(path.status, PathStatus::unsatisfied);
    EXPECT_EQ(path.reason, PathReason::no_interface);
    EXPECT_THAT(path.interfaces, IsEmpty());
    EXPECT_EQ(Reachability::flags(path), 0U);
}

TEST(PathJudge, TheObstacleThatIsNearestToBeingOvercomeIsTold) {
    auto down = interface(kEth, "eth0");
    down.up = false;
    EXPECT_EQ(World{}.with(down).path().reason, PathReason::interface_down);
    auto unplugged = interface(kWlan, "wlan0");
    unplugged.carrier = false;
    EXPECT_EQ(World{}.with(down).with(unplugged).path().reason, PathReason::no_carrier);
    EXPECT_EQ(World{}.with(down).with(interface(kWlan, "wlan0")).path().reason, PathReason::no_address);
    auto tentative = interface(kWlan, "wlan0", {"fe80::1"});
    tentative.addresses[0].tentative = true;
    EXPECT_EQ(World{}.with(down).with(tentative).path().reason, PathReason::address_tentative);
    auto prohibited = interface(kEth, "eth0", {"192.0.2.7"});
    prohibited.prohibited = true;
    EXPECT_EQ(World{}.with(prohibited).path().reason, PathReason::not_allowed);
}

TEST(PathJudge, LinkLocalAloneReachesTheLink) {
    const NetworkPath path = World{}.with(interface(kEth, "eth0", {"fe80::1"})).path();
    EXPECT_TRUE(path.is_satisfied());
    EXPECT_EQ(path.reach, PathReach::link);
    EXPECT_EQ(path.reason, PathReason::no_route) << "why not further";
    EXPECT_TRUE(path.supports_ipv6);
    EXPECT_FALSE(path.supports_ipv4);
    EXPECT_FALSE(path.supports_dns);
    EXPECT_EQ(Reachability::flags(path), Reachability::kReachable | Reachability::kDirect);
}

TEST(PathJudge, TheKernelsChoiceComesFirst) {
    const NetworkPath path = World{}
                                 .with(interface(kEth, "eth0", {"192.0.2.7"}))
                                 .with(interface(kWlan, "wlan0", {"198.51.100.7"}))
                                 .default_by(kEth, "192.0.2.1", 600)
                                 .default_by(kWlan, "198.51.100.1", 100)
                                 .path();
    ASSERT_THAT(path.interfaces, SizeIs(2));
    EXPECT_EQ(path.interfaces[0].interface.index, kWlan);
    EXPECT_THAT(path.gateways, SizeIs(2));
    EXPECT_EQ(path.gateways[0].interface, kWlan);
}

TEST(PathJudge, TheKernelsChoiceComesFirstAlsoIfAnotherOneIsPreferred) {
    auto modem = interface(kWlan, "wwan0", {"198.51.100.7"});
    modem.kind = InterfaceKind::cellular;
    modem.cost = 100;
    const NetworkPath path = World{}
                                 .with(interface(kEth, "eth0", {"192.0.2.7"}))
                                 .with(modem)
                                 .default_by(kEth, "192.0.2.1", 600)
                                 .default_by(kWlan, "198.51.100.1", 100)
                                 .path();
    ASSERT_THAT(path.interfaces, SizeIs(2));
    EXPECT_EQ(path.interfaces[0].interface.index, kWlan);
    EXPECT_NE(Reachability::flags(path) & Reachability::kCellular, 0U)
        << "so an unbound socket goes by the modem";
}

TEST(PathJudge, ADefaultRouteByACableThatIsOutIsNone) {
    auto unplugged = interface(kEth, "eth0", {"192.0.2.7"});
    unplugged.carrier = false;
    const NetworkPath path = World{}
                                 .with(unplugged)
                                 .with(interface(kWlan, "wlan0", {"198.51.100.7"}))
                                 .default_by(kEth, "192.0.2.1")
                                 .path();
    EXPECT_EQ(path.reach, PathReach::link);
    EXPECT_EQ(path.reason, PathReason::no_carrier) << "what the kernel would take";
    EXPECT_THAT(path.gateways, IsEmpty());
}

TEST(PathJudge, ATunnelThatTakesEverythingAndIsDownIsNamed) {
    auto tunnel = interface(kWlan, "tun0");
    tunnel.kind = InterfaceKind::tunnel;
    tunnel.carrier = false;
    const NetworkPath path = World{}
                                 .with(interface(kEth, "eth0", {"192.0.2.7"}))
                                 .with(tunnel)
                                 .default_by(kWlan, "10.0.0.1", 50)
                                 .path();
    EXPECT_EQ(path.reason, PathReason::vpn_inactive);
    EXPECT_EQ(path.reach, PathReach::link);
}

TEST(PathJudge, AModemThatIsNotUpWouldHaveToConnect) {
    auto modem = interface(kWlan, "wwan0");
    modem.kind = InterfaceKind::cellular;
    modem.up = false;
    const NetworkPath path = World{}.with(modem).path();
    EXPECT_EQ(path.status, PathStatus::requires_connection);
    EXPECT_NE(Reachability::flags(path) & Reachability::kConnectionRequired, 0U);
}

TEST(PathJudge, ATunnelWouldHaveToConnectOnlyIfSomebodyHasSetItUp) {
    auto tunnel = interface(kWlan, "sit0");
    tunnel.kind = InterfaceKind::tunnel;
    tunnel.up = false;
    EXPECT_EQ(World{}.with(tunnel).path().status, PathStatus::unsatisfied)
        << "the kernel makes such for itself";
    EXPECT_EQ(World{}.with(tunnel).default_by(kWlan, "10.0.0.1").path().status,
              PathStatus::requires_connection);
    tunnel.addresses.push_back({ip("10.0.0.2"), 32, false});
    EXPECT_EQ(World{}.with(tunnel).path().status, PathStatus::requires_connection);
}

TEST(PathJudge, WhatTheKernelWouldChooseMayCostMoney) {
    auto modem = interface(kWlan, "wwan0", {"198.51.100.7"});
    modem.kind = InterfaceKind::cellular;
    modem.is_metered = modem.is_constrained = true;
    const NetworkPath chosen = World{}.with(modem).default_by(kWlan, "198.51.100.1").path();
    EXPECT_TRUE(chosen.is_expensive);
    EXPECT_TRUE(chosen.is_constrained);
    const NetworkPath other = home().with(modem).path();
    EXPECT_FALSE(other.is_expensive) << "another one is chosen";
    EXPECT_FALSE(other.is_constrained);
}

TEST(PathJudge, ServersCountIfThereIsAWayToThem) {
    EXPECT_FALSE(
        World{}.with(interface(kEth, "eth0", {"192.0.2.7"})).server("203.0.113.1").path().supports_dns);
    EXPECT_TRUE(World{}.with(interface(kEth, "eth0", {"192.0.2.7"})).server("127.0.0.1").path().supports_dns);
    os::RouteEntry on_link;
    on_link.table = kMain;
    on_link.to = {ip("192.0.2.0"), 24};
    on_link.hops.push_back({.interface = kEth, .gateway = {}});
    World world = World{}.with(interface(kEth, "eth0", {"192.0.2.7"})).server("192.0.2.53");
    EXPECT_FALSE(world.path().supports_dns);
    world.facts.routing.routes.push_back(on_link);
    EXPECT_TRUE(world.path().supports_dns);
}

TEST(PathTo, TheRouteOfTheKernelIsTold) {
    const NetworkPath path = home().path_to("203.0.113.9", kEth, "192.0.2.7", "192.0.2.1");
    EXPECT_TRUE(path.is_satisfied());
    EXPECT_EQ(path.reach, PathReach::everywhere);
    EXPECT_EQ(path.on_link, LinkProof::verified);
    EXPECT_EQ(path.on_link_heard, 70ms);
    ASSERT_TRUE(path.route);
    EXPECT_EQ(path.route->interface, kEth);
    EXPECT_EQ(path.route->gateway, ip("192.0.2.1"));
    EXPECT_THAT(path.explain(), HasSubstr("by eth0, gateway 192.0.2.1, from 192.0.2.7"));
}

TEST(PathTo, WhatIsTrueElsewhereIsNotSaidOfADestination) {
    auto modem = interface(kWlan, "wwan0", {"198.51.100.7"});
    modem.kind = InterfaceKind::cellular;
    modem.is_metered = true;
    auto lo = interface(InterfaceIndex{1}, "lo", {"127.0.0.1"});
    lo.loopback = true;
    const World world = World{}
                            .with(lo)
                            .with(interface(kEth, "eth0", {"192.0.2.7", "fe80::7"}))
                            .with(modem)
                            .default_by(kEth, "fe80::1");
    const NetworkPath on_link = world.path_to("192.0.2.9", kEth, "192.0.2.7");
    EXPECT_TRUE(on_link.supports_ipv4) << "without an IPv4 route to everywhere";
    EXPECT_FALSE(on_link.supports_ipv6);
    const World costly = World{world}.default_by(kWlan, "198.51.100.1");
    ASSERT_TRUE(costly.path().is_expensive);
    EXPECT_FALSE(costly.path_to("127.0.0.1", InterfaceIndex{1}, "127.0.0.1").is_expensive);
    EXPECT_EQ(costly.path_to("127.0.0.1", InterfaceIndex{1}, "127.0.0.1").route->interface_name, "lo");
    const NetworkPath none = costly.no_path_to("2001:db8::1", ENETUNREACH);
    EXPECT_FALSE(none.is_expensive);
    EXPECT_FALSE(none.supports_ipv6) << "no packet leaves there";
}

TEST(PathTo, ErrorsOfTheKernelHaveReasons) {
    EXPECT_EQ(home().no_path_to("203.0.113.9", ENETUNREACH).reason, PathReason::no_route);
    EXPECT_EQ(home().no_path_to("203.0.113.9", EHOSTUNREACH).reason, PathReason::no_route);
    EXPECT_EQ(home().no_path_to("203.0.113.9", EACCES).reason, PathReason::route_forbids);
    EXPECT_EQ(home().no_path_to("203.0.113.9", EINVAL).reason, PathReason::route_forbids);
    auto down = interface(kWlan, "wlan0");
    down.up = false;
    EXPECT_EQ(home().with(down).no_path_to("203.0.113.9", ENETUNREACH, kWlan).reason,
              PathReason::interface_down);
    EXPECT_EQ(home().no_path_to("203.0.113.9", ENODEV, InterfaceIndex{9}).reason, PathReason::no_interface);
}

TEST(PathTo, TheAddressOfAnotherInterfaceBringsNoAnswer) {
    const World world = home().with(interface(kWlan, "wlan0", {"fe80::2"}));
    EXPECT_EQ(world.bound_path_to("192.168.4.1", kWlan, "192.0.2.7").reason, PathReason::foreign_source);
    EXPECT_TRUE(world.path_to("192.168.4.1", kWlan, "192.0.2.7").is_satisfied())
        << "a socket that is bound to nothing takes what the kernel chooses";
}

TEST(PathTo, AnInterfaceWithoutAddressCarriesTheMachines) {
    auto lo = interface(InterfaceIndex{1}, "lo", {"127.0.0.1", "192.0.2.77"});
    lo.loopback = true;
    const World world = World{}.with(lo).with(interface(kEth, "eth0")).default_by(kEth, "198.51.100.1");
    EXPECT_EQ(world.path().reach, PathReach::everywhere);
    EXPECT_TRUE(world.path().supports_ipv4);
    EXPECT_TRUE(world.path_to("203.0.113.9", kEth, "192.0.2.77").is_satisfied());
    EXPECT_TRUE(world.bound_path_to("203.0.113.9", kEth, "192.0.2.77").is_satisfied());
    lo.addresses.pop_back();
    const World without = World{}.with(lo).with(interface(kEth, "eth0")).default_by(kEth, "198.51.100.1");
    EXPECT_EQ(without.path().reason, PathReason::no_address);
}

TEST(PathTo, ASocketWhoseAddressIsGoneIsNotViable) {
    EXPECT_EQ(home().path_to("203.0.113.9", kEth, "192.0.2.7", "192.0.2.1", "192.0.2.99").reason,
              PathReason::source_gone);
    EXPECT_TRUE(home().path_to("203.0.113.9", kEth, "192.0.2.7", "192.0.2.1", "192.0.2.7").is_satisfied());
}

TEST(PathTo, ANextHopThatDoesNotAnswerIsTold) {
    const World world = World{}
                            .with(interface(kEth, "eth0", {"192.0.2.7"}))
                            .neighbour(kEth, "192.0.2.9", os::NeighbourEntry::State::failed);
    const NetworkPath silent = world.path_to("192.0.2.9", kEth, "192.0.2.7");
    EXPECT_EQ(silent.reason, PathReason::neighbour_silent);
    EXPECT_EQ(silent.on_link, LinkProof::failed);
    EXPECT_TRUE(silent.is_satisfied()) << "the next packet makes the kernel ask again, and nothing else does";
    EXPECT_EQ(silent.reach, PathReach::link);
    EXPECT_EQ(world.path_to("192.0.2.8", kEth, "192.0.2.7").reason, PathReason::none);
}

TEST(PathTo, OnlyWhoHasAnsweredIsVerified) {
    using State = os::NeighbourEntry::State;
    const auto proof = [](State state) {
        const World world =
            World{}.with(interface(kEth, "eth0", {"192.0.2.7"})).neighbour(kEth, "192.0.2.9", state);
        return world.path_to("192.0.2.9", kEth, "192.0.2.7").on_link;
    };
    EXPECT_EQ(proof(State::reachable), LinkProof::verified);
    EXPECT_EQ(proof(State::stale), LinkProof::unknown);
    EXPECT_EQ(proof(State::delay), LinkProof::unknown)
        << "after hours without a word it begins like that as well";
    EXPECT_EQ(proof(State::permanent), LinkProof::unknown) << "somebody wrote it down; it has said nothing";
    EXPECT_EQ(proof(State::failed), LinkProof::failed);
}

TEST(NetworkPath, ANeighbourThatIsAskedAgainIsNoChange) {
    World world = home();
    const auto machine = [&](os::NeighbourEntry::State state) {
        world.facts.routing.neighbours.front().state = state;
        return world.path();
    };
    const auto route = [&](os::NeighbourEntry::State state) {
        world.facts.routing.neighbours.front().state = state;
        return world.path_to("203.0.113.9", kEth, "192.0.2.7", "192.0.2.1");
    };
    using State = os::NeighbourEntry::State;
    for (const State state : {State::stale, State::delay, State::probe}) {
        EXPECT_EQ(machine(State::reachable), machine(state));
        EXPECT_EQ(route(State::reachable), route(state));
    }
    EXPECT_FALSE(machine(State::reachable) == machine(State::failed));
    EXPECT_FALSE(route(State::probe) == route(State::failed));
}

TEST(Prefix, ContainsWhatBeginsAlike) {
    EXPECT_TRUE((os::Prefix{ip("192.0.2.0"), 25}.contains(ip("192.0.2.127"))));
    EXPECT_FALSE((os::Prefix{ip("192.0.2.0"), 25}.contains(ip("192.0.2.128"))));
    EXPECT_TRUE((os::Prefix{ip("::"), 0}.contains(ip("fe80::1"))));
    EXPECT_FALSE((os::Prefix{ip("0.0.0.0"), 0}.contains(ip("fe80::1"))));
    EXPECT_TRUE((os::Prefix{ip("fe80::1"), 128}.contains(ip("fe80::1"))));
    EXPECT_FALSE((os::Prefix{ip("fe80::1"), 255}.contains(ip("fe80::1"))));
}

}  // namespace
}  // namespace muster::net
