// UDP sockets on real cables. Each test runs in namespaces of its own.
#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/lab_hear.h"
#include "os/lab_namespace.h"
#include "os/udp_socket.h"

namespace muster::os {
namespace {

using testing::SizeIs;

// ----------------------------------------------------------------------------------------------------

class UdpLab : public TwoHosts {
protected:
    std::unique_ptr<UdpSocket> open(IpFamily family) {
        UdpOptions options;
        options.family = family;
        auto socket = UdpSocket::open(options);
        EXPECT_TRUE(socket.has_value());
        return std::move(*socket);
    }
    /// Opens a socket at the far host.
    std::unique_ptr<UdpSocket> open_far(IpFamily family) {
        far_.enter();
        auto socket = open(family);
        near_.enter();
        return socket;
    }
    SendOutcome send(UdpSocket& socket, const Endpoint& to, std::size_t size, std::size_t segment = 0,
                     IpAddress from = {}) {
        const Bytes octets(size);
        return socket.send({to, from, octets, segment, 0});
    }
};

TEST_F(UdpLab, ReachesTheSameLinkLocalAddressOnTwoCablesByTheirScope) {
    const auto sender = open(IpFamily::v6);
    const auto receiver = open_far(IpFamily::v6);
    for (const std::string cable : {"0", "1"}) {
        const Endpoint to{ip("fe80::2"), receiver->port(), index("near" + cable)};
        ASSERT_EQ(send(*sender, to, 10, 0, ip("fe80::1")).status, SendStatus::sent);
        const auto heard = hear(*receiver, 1);
        ASSERT_THAT(heard, SizeIs(1));
        far_.enter();
        EXPECT_EQ(heard[0].remote, (Endpoint{ip("fe80::1"), sender->port(), index("far" + cable)}));
        EXPECT_EQ(heard[0].local, ip("fe80::2"));
        near_.enter();
    }
}

TEST_F(UdpLab, LeavesByTheNamedInterfaceAlthoughTheRouteSaysOtherwise) {
    run("ip addr del 10.78.0.1/24 dev near1");
    run("ip addr add 10.79.0.1/24 dev near1");
    run("ip route add 10.78.0.0/24 via 10.77.0.2 dev near0");  // the wrong way to 10.78.0.2
    far_.enter();
    run("ip addr add 10.79.0.2/24 dev far1");
    near_.enter();
    const auto sender = open(IpFamily::v4);
    const auto receiver = open_far(IpFamily::v4);
    ASSERT_EQ(send(*sender, {ip("10.78.0.2"), receiver->port(), index("near1")}, 10).status,
              SendStatus::sent);
    const auto heard = hear(*receiver, 1);
    ASSERT_THAT(heard, SizeIs(1));
    EXPECT_EQ(heard[0].remote.address, ip("10.79.0.1")) << "the address of the named interface";
}

TEST_F(UdpLab, TellsWhatIsTooBigForTheInterfaceAndKeepsSegmentation) {
    run("ip link set near0 mtu 1280");
    for (const auto family : {IpFamily::v4, IpFamily::v6}) {
        const auto socket = open(family);
        const Endpoint to{family == IpFamily::v6 ? ip("fe80::2") : ip("10.77.0.2"), 9, index("near0")};
        EXPECT_EQ(send(*socket, to, 1400), (SendOutcome{SendStatus::too_big, EMSGSIZE, 1400}));
        EXPECT_EQ(send(*socket, to, 14000, 1400), (SendOutcome{SendStatus::too_big, EMSGSIZE, 14000}));
        EXPECT_TRUE(socket->segmentation()) << "the size was at fault";
        EXPECT_EQ(send(*socket, to, 12000, 1200).status, SendStatus::sent);
        EXPECT_EQ(socket->counters().gso_fallbacks, 0u);
    }
}

TEST_F(UdpLab, ABatchArrivesOverADeviceThatCannotCutIt) {
    run("ethtool -K near0 tx off tx-udp-segmentation off > /dev/null");
    for (const auto family : {IpFamily::v4, IpFamily::v6}) {
        const auto sender = open(family);
        const auto receiver = open_far(family);
        const Endpoint to{family == IpFamily::v6 ? ip("fe80::2") : ip("10.77.0.2"), receiver->port(),
                          index("near0")};
        ASSERT_EQ(send(*sender, to, 12077, 1200), (SendOutcome{SendStatus::sent, 0, 12077}));
        const auto heard = hear(*receiver, 11);
        ASSERT_THAT(heard, SizeIs(11));
        EXPECT_EQ(heard.back().octets.size(), 77u);
        // Newer kernels cut such batches themselves, older ones answer EIO: the receiver must not notice.
        EXPECT_EQ(sender->segmentation(), sender->counters().gso_fallbacks == 0);
    }
}

TEST_F(UdpLab, ALinkOrAddressThatWentMakesThePathSuspectAndHealsByItself) {
    struct Case {
        const char* breaks;
        const char* heals;
    };
    for (const auto& [breaks, heals] :
         {Case{"ip link set near0 down", "ip link set near0 up; ip addr replace fe80::1/64 nodad dev near0"},
          Case{"ip addr del 10.77.0.1/24 dev near0; ip addr del fe80::1/64 dev near0",
               "ip addr add 10.77.0.1/24 dev near0; ip addr add fe80::1/64 nodad dev near0"}}) {
        for (const auto family : {IpFamily::v4, IpFamily::v6}) {
            const bool v6 = family == IpFamily::v6;
            const auto socket = open(family);
            const Endpoint to{v6 ? ip("fe80::2") : ip("10.77.0.2"), 9, index("near0")};
            const auto from = v6 ? ip("fe80::1") : ip("10.77.0.1");
            ASSERT_EQ(send(*socket, to, 100, 0, from).status, SendStatus::sent);
            run(breaks);
            EXPECT_EQ(send(*socket, to, 100, 0, from).status, SendStatus::path_suspect)
                << breaks << " v6 " << v6;
            EXPECT_EQ(send(*socket, to, 3000, 1000, from).status, SendStatus::path_suspect) << breaks;
            EXPECT_TRUE(socket->segmentation());
            run(heals);
            EXPECT_EQ(send(*socket, to, 100, 0, from).status, SendStatus::sent) << heals << " v6 " << v6;
        }
    }
}

TEST_F(UdpLab, APacketFilterIsCountedNotBelieved) {
    run("nft add table inet t; nft add chain inet t out '{ type filter hook output priority 0; }'; "
        "nft add rule inet t out udp dport 9 drop");
    const auto socket = open(IpFamily::v4);
    const auto outcome = send(*socket, {ip("10.77.0.2"), 9, index("near0")}, 100);
    EXPECT_EQ(outcome, (SendOutcome{SendStatus::dropped, EPERM, 100}));
}

}  // namespace
}  // namespace muster::os
