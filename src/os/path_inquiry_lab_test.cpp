// What an inquiry finds on real cables. Each test runs in namespaces of its own.
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "os/lab_hear.h"
#include "os/lab_namespace.h"
#include "os/path_inquiry.h"
#include "os/udp_socket.h"

namespace muster::os {
namespace {

using namespace std::chrono_literals;
using Report = PathFindings::Report;
using Route = PathFindings::Route;

class InquiryLab : public TwoHosts {
protected:
    /// Asks about a port of the far host as the driver does.
    static PathFindings ask(const Endpoint& remote) {
        auto inquiry = PathInquiry::begin(remote, {});
        EXPECT_TRUE(inquiry.has_value());
        for (int i = 0; i < 14 && !(*inquiry)->look(); ++i) std::this_thread::sleep_for(5ms);
        return (*inquiry)->finish();
    }
    static Endpoint far_end(const std::string& address = "10.77.0.2") {
        return {ip(address.c_str()), 4711, index("near0")};
    }
    /// The kernel learns the link-layer address of the far host.
    void meet(const std::string& address) {
        UdpOptions options;
        options.family = IpFamily::v4;
        const auto socket = UdpSocket::open(options);
        ASSERT_TRUE(socket.has_value());
        const Bytes octets(1);
        (*socket)->send({.remote = {ip(address.c_str()), 9, index("near0")}, .local = {}, .octets = octets});
        std::this_thread::sleep_for(20ms);
    }
    void far_runs(const std::string& command) {
        far_.enter();
        run(command);
        near_.enter();
    }
};

TEST_F(InquiryLab, HearsThatNobodyListens) {
    for (const std::string address : {"10.77.0.2", "fe80::2"}) {
        const PathFindings found = ask(far_end(address));
        EXPECT_EQ(found.report, Report::no_port) << address;
        EXPECT_TRUE(found.by_peer) << address;
        EXPECT_TRUE(found.is_on_link) << address;
        EXPECT_EQ(found.route, Route::there) << address;
    }
}

TEST_F(InquiryLab, HearsTheDeviceOfAProgramThatIsSilent) {
    far_.enter();
    UdpOptions options;
    options.family = IpFamily::v4;
    const auto silent = UdpSocket::open(options);
    near_.enter();
    Endpoint there = far_end();
    there.port = (*silent)->port();
    meet("10.77.0.2");
    const PathFindings found = ask(there);
    EXPECT_EQ(found.report, Report::none);
    EXPECT_TRUE(found.device_answers);
    EXPECT_TRUE(found.was_probed);
    EXPECT_TRUE(found.hop_answers);
    EXPECT_GT(found.received.value_or(0), 0u);
}

TEST_F(InquiryLab, SeesADeviceThatDoesNotEvenAnswerForItsAddress) {
    meet("10.77.0.2");
    far_runs(
        "ip link set far0 arp off && nft add table inet t && nft add chain inet t in "
        "'{ type filter hook input priority 0; policy drop; }'");
    const PathFindings found = ask(far_end());
    EXPECT_EQ(found.report, Report::none);
    EXPECT_FALSE(found.device_answers);
    EXPECT_TRUE(found.was_probed);
    EXPECT_FALSE(found.hop_answers);
}

TEST_F(InquiryLab, HearsAFirewallThatSaysNo) {
    far_runs(
        "nft add table inet t && nft add chain inet t in '{ type filter hook input priority 0; }' && "
        "nft add rule inet t in udp dport 4711 reject with icmpx admin-prohibited");
    EXPECT_EQ(ask(far_end()).report, Report::prohibited);
    EXPECT_EQ(ask(far_end("fe80::2")).report, Report::prohibited);
}

TEST_F(InquiryLab, IsRefusedByTheOwnFilter) {
    run("nft add table inet t && nft add chain inet t out '{ type filter hook output priority 0; }' && "
        "nft add rule inet t out udp dport 4711 drop");
    EXPECT_EQ(ask(far_end()).refusal, SendRefusal::filtered);
}

TEST_F(InquiryLab, ReadsWhatTheRoutesSay) {
    const Endpoint remote{ip("203.0.113.1"), 4711, InterfaceIndex::none};
    EXPECT_EQ(ask(remote).route, Route::gone);
    for (const std::string kind : {"prohibit", "blackhole"}) {
        run("ip route add " + kind + " 203.0.113.1/32");
        EXPECT_EQ(ask(remote).route, Route::forbidden) << kind;
        EXPECT_EQ(ask({remote.address, 4711, index("near0")}).route, Route::forbidden) << kind;
        run("ip route del " + kind + " 203.0.113.1/32");
    }
    run("ip route add 203.0.113.0/24 via 10.77.0.2 dev near0");
    EXPECT_EQ(ask(remote).route, Route::there);
    EXPECT_FALSE(ask(remote).is_on_link);
    EXPECT_EQ(ask({remote.address, 4711, index("near1")}).route, Route::gone)
        << "over that interface there is only the last resort";
}

TEST_F(InquiryLab, ADestinationBehindSeveralRoutersIsNotOnTheLink) {
    run("ip route add 203.0.113.0/24 nexthop via 10.77.0.2 dev near0 nexthop via 10.78.0.2 dev near1");
    run("ip -6 route add 2001:db8::/32 nexthop via fe80::2 dev near0 nexthop via fe80::2 dev near1");
    for (const std::string address : {"203.0.113.1", "2001:db8::1"})
        for (const InterfaceIndex by : {InterfaceIndex::none, index("near0"), index("near1")}) {
            const PathFindings found = ask({ip(address.c_str()), 4711, by});
            EXPECT_EQ(found.route, Route::there) << address;
            EXPECT_FALSE(found.is_on_link) << address << ": a router that fails is not the peer";
        }
}

TEST_F(InquiryLab, AsksTheNeighboursToo) {
    meet("10.77.0.2");
    far_runs("ip addr add 10.77.0.3/24 dev far0 && ip addr add 10.77.0.4/24 dev far0");
    meet("10.77.0.3");
    meet("10.77.0.4");
    far_runs("ip addr del 10.77.0.4/24 dev far0");
    const PathFindings found = ask(far_end("10.77.0.2"));
    EXPECT_EQ(found.others_asked, 2u);
    EXPECT_EQ(found.others_answered, 1u);
}

}  // namespace
}  // namespace muster::os
