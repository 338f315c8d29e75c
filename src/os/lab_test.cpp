// What only a kernel with real cables can show. Each test runs in namespaces of its own.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "os/interface_watch.h"
#include "os/lab_namespace.h"
#include "os/multicast_socket.h"
#include "os/udp_socket.h"

namespace muster::os {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int kPatience = 2000;
constexpr std::uint16_t kPort = 5353;  // in namespaces of our own every port is free

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

struct Heard {
    Bytes octets;
    Endpoint remote;
    IpAddress local;
    std::uint8_t hop_limit;
};

/// Reads all that comes until `count` have come or nothing comes for `patience` ms.
template <class Socket>
std::vector<Heard> hear(Socket& socket, std::size_t count, int patience = kPatience) {
    std::vector<Heard> heard;
    std::vector<ReceivedDatagram> batch(16);
    while (heard.size() < count) {
        pollfd wait{socket.native_handle(), POLLIN, 0};
        if (::poll(&wait, 1, patience) != 1) break;
        for (const auto& received : std::span{batch}.first(socket.receive(batch))) {
            for (auto rest = received.octets; !rest.empty();) {
                const auto size = std::min(rest.size(), received.segment);
                heard.push_back(
                    {to_bytes(rest.first(size)), received.remote, received.local, received.hop_limit});
                rest = rest.subspan(size);
            }
        }
    }
    return heard;
}

// What a veth carries is there when sendmsg returns; this long is waited for what must not come.
constexpr int kAtOnce = 20;

// ---- UDP
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

// ---- Multicast
// ----------------------------------------------------------------------------------------------

class MulticastLab : public TwoHosts, public testing::WithParamInterface<IpFamily> {
protected:
    bool v6() const { return GetParam() == IpFamily::v6; }
    IpAddress group() const { return v6() ? ip("ff02::fb") : ip("224.0.0.251"); }
    IpAddress far_address() const { return v6() ? ip("fe80::2") : ip("10.77.0.2"); }

    std::unique_ptr<MulticastSocket> open(PortSharing sharing = PortSharing::address,
                                          BindTo bind = BindTo::wildcard,
                                          InterfaceIndex interface = InterfaceIndex::none) {
        auto socket = MulticastSocket::open({group(), kPort, sharing, bind, interface});
        EXPECT_TRUE(socket.has_value()) << (socket ? "" : socket.error().message());
        return socket ? std::move(*socket) : nullptr;
    }
    SendStatus say(MulticastSocket& socket, const Endpoint& to, std::string_view text) {
        return socket.send({to, {}, as_bytes(text), 0, 0}).status;
    }
};

TEST_P(MulticastLab, HearsWhereItJoinedAndTellsInterfaceGroupAndHopLimit) {
    const auto speaker = open();
    far_.enter();
    const auto listener = open();
    ASSERT_TRUE(listener->join(index("far1")).has_value());
    ASSERT_TRUE(listener->join(index("far1")).has_value()) << "twice is harmless";
    const Endpoint expected{v6() ? ip("fe80::1") : ip("10.78.0.1"), kPort, index("far1")};
    near_.enter();
    ASSERT_EQ(say(*speaker, {group(), kPort, index("near0")}, "by the wrong cable"), SendStatus::sent);
    ASSERT_EQ(say(*speaker, {group(), kPort, index("near1")}, "by the right cable"), SendStatus::sent);
    const auto heard = hear(*listener, 2, kAtOnce);
    ASSERT_THAT(heard, SizeIs(1));
    EXPECT_EQ(as_text(heard[0].octets), "by the right cable");
    EXPECT_EQ(heard[0].remote, expected);
    EXPECT_EQ(heard[0].local, group());
    EXPECT_EQ(heard[0].hop_limit, 255);
}

TEST_P(MulticastLab, HearsNoMoreAfterLeavingAndOthersOfThisHostHearUs) {
    const auto speaker = open();
    const auto neighbour = open();
    ASSERT_TRUE(neighbour->join(index("near0")).has_value());
    ASSERT_TRUE(speaker->join(index("near0")).has_value());
    speaker->leave(index("near0"));
    say(*speaker, {group(), kPort, index("near0")}, "hello");
    EXPECT_THAT(hear(*neighbour, 1), SizeIs(1)) << "loopback is on";
    EXPECT_THAT(hear(*speaker, 1, kAtOnce), IsEmpty());
}

TEST_P(MulticastLab, HearsOnlyWhatItJoinedItself) {
    const auto speaker = open();
    far_.enter();
    const auto other = open();
    const auto listener = open();
    ASSERT_TRUE(other->join(index("far0")).has_value());
    near_.enter();
    say(*speaker, {group(), kPort, index("near0")}, "hello");
    EXPECT_THAT(hear(*other, 1), SizeIs(1));
    EXPECT_THAT(hear(*listener, 1, kAtOnce), IsEmpty());
}

TEST_P(MulticastLab, NamesNoInterfaceIsRefusedNotGuessed) {
    const auto socket = open();
    EXPECT_EQ(socket->join(InterfaceIndex::none).error().code(), Errc::bad_input);
    EXPECT_EQ(socket->join(InterfaceIndex{4711}).error().code(), Errc::system);
    EXPECT_EQ(say(*socket, {group(), kPort, InterfaceIndex::none}, "x"), SendStatus::dropped);
}

TEST_P(MulticastLab, ExclusiveBindDetectsAResponderThatShares) {
    const auto first = open(PortSharing::address_and_port);
    const auto second = MulticastSocket::open({group(), kPort, PortSharing::exclusive});
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code(), Errc::already_exists);
}

TEST_P(MulticastLab, BoundToTheGroupItLeavesUnicastToTheOtherProgram) {
    const auto speaker = open();
    far_.enter();
    const auto far0 = index("far0");
    const auto avahi = open(PortSharing::address_and_port);
    ASSERT_TRUE(avahi->join(far0).has_value());
    const auto ours = open(PortSharing::address_and_port, BindTo::group, v6() ? far0 : InterfaceIndex::none);
    ASSERT_TRUE(ours->join(far0).has_value());
    near_.enter();
    for (int i = 0; i < 50; ++i) {
        say(*speaker, {far_address(), kPort, index("near0")}, "unicast");
        say(*speaker, {group(), kPort, index("near0")}, "multicast");
    }
    EXPECT_THAT(hear(*avahi, 100), SizeIs(100));
    const auto heard = hear(*ours, 51, kAtOnce);
    EXPECT_THAT(heard, SizeIs(50));
    EXPECT_TRUE(std::ranges::all_of(heard, [](const auto& h) { return as_text(h.octets) == "multicast"; }));
}

TEST_P(MulticastLab, ControlBoundToTheWildcardItStealsUnicast) {
    far_.enter();
    const auto avahi = open(PortSharing::address_and_port);
    const auto ours = open(PortSharing::address_and_port);
    near_.enter();
    for (int i = 0; i < 50; ++i) {  // a new port each time, for the kernel chooses by a hash of the ports
        const auto speaker = MulticastSocket::open({.group = group()});
        ASSERT_TRUE(speaker.has_value());
        say(**speaker, {far_address(), kPort, index("near0")}, "unicast");
    }
    const auto stolen = hear(*ours, 50, kAtOnce).size();
    const auto left = hear(*avahi, 50, kAtOnce).size();
    EXPECT_EQ(stolen + left, 50u);
    EXPECT_GT(stolen, 0u);
}

TEST_P(MulticastLab, LoopbackAloneCarriesIpv4GroupsOnly) {
    const auto speaker = open();
    const auto listener = open();
    ASSERT_TRUE(listener->join(index("lo")).has_value());
    // The kernel gives loopback no ff00::/8 route.
    const auto status = say(*speaker, {group(), kPort, index("lo")}, "hello");
    EXPECT_EQ(status, v6() ? SendStatus::path_suspect : SendStatus::sent);
    EXPECT_THAT(hear(*listener, 1, v6() ? kAtOnce : kPatience), SizeIs(v6() ? 0 : 1));
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, MulticastLab, testing::Values(IpFamily::v4, IpFamily::v6),
                         [](const auto& info) { return info.param == IpFamily::v4 ? "v4" : "v6"; });

// ---- Interfaces
// ---------------------------------------------------------------------------------------------

class WatchLab : public TwoHosts {
protected:
    WatchLab() {
        auto opened = InterfaceWatch::open();
        EXPECT_TRUE(opened.has_value());
        watch_ = std::move(*opened);
    }

    const Interface* find(const std::string& name) const {
        const auto& all = watch_->interfaces();
        const auto found = std::ranges::find(all, name, &Interface::name);
        return found == all.end() ? nullptr : &*found;
    }

    /// Reads events until the condition holds; false if it does not within kPatience.
    bool until(const std::function<bool()>& holds) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds{kPatience};
        while (!holds() && std::chrono::steady_clock::now() < deadline) {
            pollfd wait{watch_->native_handle(), POLLIN, 0};
            ::poll(&wait, 1, 100);
            watch_->receive();
        }
        return holds();
    }

    std::unique_ptr<InterfaceWatch> watch_;
};

TEST_F(WatchLab, IsCompleteFromTheStart) {
    const auto* link = find("near0");
    ASSERT_NE(link, nullptr);
    EXPECT_EQ(link->index, index("near0"));
    EXPECT_TRUE(link->up && link->carrier && link->multicast && !link->loopback);
    EXPECT_EQ(link->mtu, 1500u);
    EXPECT_THAT(link->addresses, testing::UnorderedElementsAre(InterfaceAddress{ip("10.77.0.1"), 24, false},
                                                               InterfaceAddress{ip("fe80::1"), 64, false}));
    ASSERT_NE(find("lo"), nullptr);
    EXPECT_TRUE(find("lo")->loopback);
    EXPECT_FALSE(watch_->receive()) << "nothing has changed since";
}

TEST_F(WatchLab, FollowsCarrierAddressesNameMtuAndRemoval) {
    far_.enter();
    run("ip link set far0 down");
    near_.enter();
    EXPECT_TRUE(until([&] { return !find("near0")->carrier; }));
    EXPECT_TRUE(find("near0")->up);
    far_.enter();
    run("ip link set far0 up");
    near_.enter();
    EXPECT_TRUE(until([&] { return find("near0")->carrier; }));
    run("ip addr add 192.0.2.9/28 dev near0");
    EXPECT_TRUE(until([&] { return find("near0")->addresses.size() == 3; }));
    run("ip addr del 192.0.2.9/28 dev near0");
    EXPECT_TRUE(until([&] { return find("near0")->addresses.size() == 2; }));
    run("ip link set near0 mtu 1400");
    EXPECT_TRUE(until([&] { return find("near0")->mtu == 1400; }));
    run("ip link set near0 down");
    EXPECT_TRUE(until([&] { return !find("near0")->up; }));
    EXPECT_THAT(find("near0")->addresses, SizeIs(1)) << "going down takes the IPv6 addresses away";
    run("ip link set near0 name other0");
    EXPECT_TRUE(until([&] { return find("other0") != nullptr && find("near0") == nullptr; }));
    run("ip link del other0");
    EXPECT_TRUE(until([&] { return find("other0") == nullptr; }));
}

TEST_F(WatchLab, ShowsAddressesAsTentativeUntilTheyAreSettled) {
    run("ip addr add fe80::77/64 dev near0");  // with duplicate address detection: about one second
    const auto tentative = [&] {
        const auto& all = find("near0")->addresses;
        const auto found = std::ranges::find(all, ip("fe80::77"), &InterfaceAddress::address);
        return found == all.end() ? -1 : static_cast<int>(found->tentative);
    };
    EXPECT_TRUE(until([&] { return tentative() == 1; }));
    EXPECT_TRUE(until([&] { return tentative() == 0; })) << "detection ends within two seconds";
}

TEST_F(WatchLab, APortOfABridgeStaysAnInterface) {
    run("ip link add br0 type bridge && ip link set near0 master br0 && ip link set br0 up");
    EXPECT_TRUE(until([&] { return find("br0") != nullptr && find("br0")->carrier; }));
    run("ip link set near0 nomaster");
    EXPECT_TRUE(until([&] { return !find("br0")->carrier; }));
    EXPECT_NE(find("near0"), nullptr);
}

TEST_F(WatchLab, ReadsEverythingAfreshWhenEventsWereLost) {
    // The smallest buffer, filled without reading: the kernel has to drop events.
    const int tiny = 1;
    ASSERT_EQ(::setsockopt(watch_->native_handle(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny), 0);
    run("for i in $(seq 1 60); do ip addr add 10.99.0.$i/24 dev near1; done");
    EXPECT_TRUE(watch_->receive());
    EXPECT_GE(watch_->resyncs(), 1u);
    EXPECT_FALSE(watch_->is_stale());
    EXPECT_THAT(find("near1")->addresses, SizeIs(62));
    run("ip addr flush dev near1");
    EXPECT_TRUE(until([&] { return find("near1")->addresses.empty(); }));
}

}  // namespace
}  // namespace muster::os
