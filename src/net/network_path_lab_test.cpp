// Paths on a real kernel, in namespaces of their own: near0 has 10.77.0.1/24, near1 10.78.0.1/24.
#include <functional>
#include <optional>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/lab_namespace.h"

#include "muster/network_path.h"

namespace muster::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using testing::SizeIs;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }
Endpoint to(const char* address, InterfaceIndex by = InterfaceIndex::none) { return {ip(address), 9, by}; }

class PathLab : public os::TwoHosts {
protected:
    static NetworkPath now() {
        const auto path = current_path();
        EXPECT_TRUE(path.has_value());
        return path.has_value() ? *path : NetworkPath{};
    }
    static NetworkPath towards(const Endpoint& remote) {
        const auto path = path_to(remote);
        EXPECT_TRUE(path.has_value()) << remote.to_string();
        return path.has_value() ? *path : NetworkPath{};
    }
};

TEST_F(PathLab, TwoCablesReachTheirLinks) {
    const NetworkPath path = now();
    EXPECT_TRUE(path.is_satisfied());
    EXPECT_EQ(path.reach, PathReach::link);
    EXPECT_EQ(path.reason, PathReason::no_route);
    EXPECT_THAT(path.interfaces, SizeIs(2));
    EXPECT_EQ(towards(to("10.77.0.2")).route->interface, index("near0"));
    EXPECT_EQ(towards(to("10.78.0.2")).route->source, ip("10.78.0.1"));
    EXPECT_EQ(towards(to("203.0.113.1")).reason, PathReason::no_route);
    EXPECT_TRUE(towards(to("10.77.0.1")).route->is_local);
    EXPECT_TRUE(towards(to("127.0.0.1")).is_satisfied());
    EXPECT_TRUE(towards(to("fe80::2", index("near0"))).is_satisfied());
    EXPECT_FALSE(path_to(to("fe80::2")).has_value()) << "which link?";
}

TEST_F(PathLab, ADefaultRouteReachesEverywhere) {
    os::run("ip route add default via 10.77.0.2");
    const NetworkPath path = now();
    EXPECT_EQ(path.reach, PathReach::everywhere);
    EXPECT_EQ(path.interfaces.front().interface.index, index("near0"));
    ASSERT_THAT(path.gateways, SizeIs(1));
    EXPECT_EQ(path.gateways.front().address, ip("10.77.0.2"));
    const NetworkPath there = towards(to("203.0.113.1"));
    EXPECT_TRUE(there.is_satisfied());
    EXPECT_EQ(there.route->gateway, ip("10.77.0.2"));
    EXPECT_EQ(there.route->table, 254U);
}

TEST_F(PathLab, ManyRoutesOfOneFamilyHideNoneOfTheOther) {
    os::run("ip -6 route add default via fe80::2 dev near0 && ip route add default via 10.77.0.2");
    ASSERT_TRUE(now().supports_ipv6);
    os::run(
        "seq 0 4999 | awk '{print \"route add 10.\" 100 + int($1 / 250) \".\" $1 % 250 \".0/24 dev near1\"}' "
        "| "
        "ip -batch -");
    EXPECT_EQ(now().reach, PathReach::everywhere);
    EXPECT_TRUE(now().supports_ipv4);
    EXPECT_TRUE(now().supports_ipv6);
    EXPECT_THAT(now().gateways, SizeIs(2));
}

TEST_F(PathLab, RoutesAndRulesThatForbid) {
    os::run("ip route add default via 10.77.0.2 metric 100");
    os::run("ip route add blackhole 203.0.113.0/24");
    os::run("ip route add prohibit 198.51.100.0/24");
    EXPECT_EQ(towards(to("203.0.113.1")).reason, PathReason::route_forbids);
    EXPECT_EQ(towards(to("198.51.100.1")).reason, PathReason::route_forbids);
    EXPECT_EQ(now().reason, PathReason::none);
    os::run("ip route add unreachable default metric 1");
    EXPECT_EQ(now().reason, PathReason::route_forbids);
    EXPECT_EQ(now().reach, PathReach::link) << "that is still there";
    os::run("ip rule add pref 5 prohibit");
    EXPECT_EQ(now().reason, PathReason::rule_forbids);
    os::run("ip rule del pref 5 && ip -6 route add blackhole 2001:db8::/32");
    EXPECT_EQ(towards(to("2001:db8::1")).reason, PathReason::route_forbids);
}

TEST_F(PathLab, RulesAreFollowedAsTheKernelDoes) {
    os::run("ip route add default via 10.77.0.2 table 7");
    EXPECT_EQ(now().reason, PathReason::no_route);
    os::run("ip rule add pref 10 iif lo lookup 7");
    EXPECT_EQ(now().reach, PathReach::everywhere) << "iif lo: what this machine sends";
    os::run("ip rule del pref 10 && ip rule add pref 10 iif near1 lookup 7");
    EXPECT_EQ(now().reason, PathReason::no_route) << "what it forwards";
    os::run("ip rule del pref 10 && ip rule add pref 5 goto 40000 && ip rule add pref 10 lookup 7");
    EXPECT_EQ(now().reach, PathReach::everywhere) << "there is no rule 40000";
    os::run("ip rule add pref 40000 lookup 8");
    EXPECT_EQ(now().reason, PathReason::no_route);
}

// User report U18: the right interface, but without an address of its own.
TEST_F(PathLab, ABoundSocketWithoutAnOwnAddressIsToldSo) {
    os::run("ip addr flush dev near0");
    EXPECT_EQ(towards(to("192.168.4.1", index("near0"))).reason, PathReason::no_address);
    os::run("ip addr add fe80::1/64 nodad dev near0");
    const NetworkPath path = towards(to("192.168.4.1", index("near0")));
    EXPECT_EQ(path.reason, PathReason::foreign_source);
    EXPECT_EQ(path.route->source, ip("10.78.0.1"));
    os::run("ip addr add 192.168.4.2/24 dev near0");
    EXPECT_TRUE(towards(to("192.168.4.1", index("near0"))).is_satisfied());
}

TEST_F(PathLab, AnUnnumberedInterfaceCarriesTheAddressOfAnother) {
    os::run("ip addr flush dev near0 && ip route add default dev near0");
    EXPECT_EQ(now().reason, PathReason::no_address);
    os::run("ip addr add 192.0.2.77/32 dev lo");
    EXPECT_EQ(now().reach, PathReach::everywhere);
    const NetworkPath path = towards(to("203.0.113.1"));
    EXPECT_TRUE(path.is_satisfied());
    EXPECT_EQ(path.route->source, ip("192.0.2.77"));
    EXPECT_TRUE(towards(to("203.0.113.1", index("near0"))).is_satisfied());
    os::run("ip addr del 192.0.2.77/32 dev lo && ip route replace default dev near0 src 10.78.0.1");
    EXPECT_EQ(now().reach, PathReach::everywhere);
    EXPECT_TRUE(towards(to("203.0.113.1")).is_satisfied());
    EXPECT_EQ(towards(to("203.0.113.1", index("near0"))).reason, PathReason::foreign_source)
        << "whoever binds to it gets no answer there";
}

TEST_F(PathLab, AnAddressPairIsViableWhileItsAddressIsThere) {
    const Endpoint peer = to("10.77.0.2");
    EXPECT_TRUE(path_between(ip("10.77.0.1"), peer)->is_satisfied());
    EXPECT_EQ(path_between(ip("10.78.0.1"), peer)->reason, PathReason::foreign_source);
    os::run(
        "ip addr add 10.77.0.5/24 dev near0 && ip addr del 10.77.0.1/24 dev near0 && ip addr add "
        "10.77.0.5/24 dev near0 || true");
    EXPECT_EQ(path_between(ip("10.77.0.1"), peer)->reason, PathReason::source_gone);
    EXPECT_FALSE(path_between(ip("fe80::1"), peer).has_value());
}

TEST_F(PathLab, ANeighbourThatDoesNotAnswerIsTold) {
    os::run("ip neigh replace 10.77.0.99 dev near0 nud failed");
    EXPECT_EQ(towards(to("10.77.0.99")).reason, PathReason::neighbour_silent);
    EXPECT_TRUE(towards(to("10.77.0.99")).is_satisfied());
    os::run("ip neigh replace 10.77.0.98 lladdr 02:00:00:00:00:01 dev near0 nud reachable");
    EXPECT_EQ(towards(to("10.77.0.98")).on_link, LinkProof::verified);
}

TEST_F(PathLab, PreferencesCount) {
    os::run("ip route add default via 10.77.0.2");
    PathPreferences only;
    only.require = {"near1"};
    EXPECT_EQ(current_path(only)->reach, PathReach::link);
    EXPECT_EQ(path_to(to("10.77.0.2"), only)->reason, PathReason::not_allowed);
    only.require = {"none"};
    EXPECT_EQ(current_path(only)->reason, PathReason::not_allowed);
    only.require = {""};
    EXPECT_FALSE(current_path(only).has_value());
}

class MonitoredPathLab : public PathLab {
protected:
    MonitoredPathLab() {
        auto opened = PathMonitor::open(io_.get_executor(), [this](const NetworkPath& path) {
            told_.push_back(path);
            told_at_ = SteadyClock::now();
        });
        EXPECT_TRUE(opened.has_value());
        monitor_.emplace(std::move(*opened));
    }
    bool until(const std::function<bool()>& holds) {
        const auto deadline = SteadyClock::now() + 2s;
        while (!holds() && SteadyClock::now() < deadline) io_.run_one_for(50ms);
        return holds();
    }
    void run_for(Duration duration) {
        const auto deadline = SteadyClock::now() + duration;
        while (SteadyClock::now() < deadline) io_.run_one_for(10ms);
    }

    asio::io_context io_;
    std::vector<NetworkPath> told_;
    TimePoint told_at_{};
    std::optional<PathMonitor> monitor_;
};

TEST_F(MonitoredPathLab, TheFirstPathIsThereBeforeAnythingIsTold) {
    EXPECT_TRUE(monitor_->current().is_satisfied());
    EXPECT_EQ(monitor_->current().revision, 1U);
    run_for(100ms);
    EXPECT_THAT(told_, SizeIs(0));
}

TEST_F(MonitoredPathLab, ARouteThatComesIsToldOnceAndOneThatGoesAtOnce) {
    os::run("ip route add default via 10.77.0.2");
    ASSERT_TRUE(until([&] { return monitor_->current().reach == PathReach::everywhere; }));
    run_for(300ms);
    EXPECT_THAT(told_, SizeIs(1));
    os::run("ip route del default");
    const auto gone = SteadyClock::now();
    ASSERT_TRUE(until([&] { return monitor_->current().reach == PathReach::link; }));
    EXPECT_LT(told_at_ - gone, 200ms) << "no waiting until it has settled";
    EXPECT_EQ(monitor_->current().revision, 3U);
}

TEST_F(MonitoredPathLab, TheFinalStateIsTheKernels) {
    for (int i = 0; i < 200; ++i) {
        const std::string table = std::to_string(100 + i % 7);
        os::run(i % 2 == 0 ? "ip route add default via 10.77.0.2 metric " + table + " 2>/dev/null || true"
                           : "ip route del default metric " + std::to_string(100 + (i + 3) % 7) +
                                 " 2>/dev/null || true");
        io_.poll();
    }
    run_for(400ms);
    NetworkPath last = monitor_->current();
    std::uint64_t revision = 1;
    for (const NetworkPath& each : told_) EXPECT_GT(each.revision, std::exchange(revision, each.revision));
    last.revision = 0;
    EXPECT_EQ(last, now());
}

TEST_F(MonitoredPathLab, ItWaitsNeitherForEverNorBackwards) {
    for (const Duration wrong : {Duration{-1}, Duration{2h}, Duration::max()}) {
        PathMonitorOptions options;
        options.quiet = wrong;
        const auto never = [](const NetworkPath&) {};
        EXPECT_EQ(PathMonitor::open(io_.get_executor(), never, options).error().code(), Errc::bad_input);
        options.quiet = 1ms;
        options.max_delay = wrong;
        EXPECT_EQ(PathMonitor::open(io_.get_executor(), never, options).error().code(), Errc::bad_input);
    }
}

TEST_F(MonitoredPathLab, WithoutDescriptorsItTriesAgainAndDoesNotSpin) {
    os::run("ip link set near0 down");
    {
        const os::NoMoreDescriptors none;
        EXPECT_LT(io_.run_for(500ms), 100U) << "turns of the event loop";
        EXPECT_THAT(told_, SizeIs(0));
    }
    EXPECT_TRUE(until([&] { return !told_.empty(); }))
        << "no event comes any more, but the cable is still out";
}

TEST_F(MonitoredPathLab, ItMayBeDestroyedWhereItTells) {
    bool was_told = false;
    auto opened = PathMonitor::open(io_.get_executor(), [&](const NetworkPath&) {
        was_told = true;
        monitor_.reset();
    });
    ASSERT_TRUE(opened.has_value());
    monitor_.emplace(std::move(*opened));
    os::run("ip link set near0 down");
    ASSERT_TRUE(until([&] { return was_told; }));
    os::run("ip link set near1 down");
    run_for(100ms);
    EXPECT_FALSE(monitor_.has_value());
}

}  // namespace
}  // namespace muster::net
