// Multicast on real cables. Each test runs in namespaces of its own.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/lab_hear.h"
#include "os/lab_namespace.h"
#include "os/multicast_socket.h"

namespace muster::os {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint16_t kPort = 5353;  // in namespaces of our own every port is free

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
    const auto heard = hear(*listener, 1);
    ASSERT_THAT(heard, SizeIs(1));
    EXPECT_THAT(hear(*listener, 1, kAtOnce), IsEmpty());
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
    const auto heard = hear(*ours, 50);
    EXPECT_THAT(heard, SizeIs(50));
    EXPECT_THAT(hear(*ours, 1, kAtOnce), IsEmpty());
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
    constexpr int kUntilNothingComes = 300;  // how many each gets is not known beforehand
    const auto stolen = hear(*ours, 50, kUntilNothingComes).size();
    const auto left = hear(*avahi, 50, kUntilNothingComes).size();
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

using MulticastScopeLab = TwoHosts;

TEST_F(MulticastScopeLab, OfAnIpv6GroupWiderThanALinkASocketOfOneInterfaceHearsOnlyThatOne) {
    const IpAddress group = ip("ff15::7:7");
    far_.enter();
    std::vector<std::unique_ptr<MulticastSocket>> listeners;
    for (const char* name : {"far0", "far1"}) {
        auto opened = MulticastSocket::open({group, kPort, PortSharing::address, BindTo::group, index(name)});
        ASSERT_TRUE(opened.has_value()) << opened.error().message();
        ASSERT_TRUE((*opened)->join(index(name)).has_value());
        listeners.push_back(*std::move(opened));
    }
    near_.enter();
    const auto speaker = MulticastSocket::open({.group = group});
    ASSERT_TRUE(speaker.has_value());
    ASSERT_EQ((*speaker)->send({{group, kPort, index("near0")}, {}, as_bytes("hello"), 0, 0}).status,
              SendStatus::sent);
    EXPECT_THAT(hear(*listeners[0], 1), SizeIs(1));
    EXPECT_THAT(hear(*listeners[1], 1, kAtOnce), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, MulticastLab, testing::Values(IpFamily::v4, IpFamily::v6),
                         [](const auto& info) { return info.param == IpFamily::v4 ? "v4" : "v6"; });

}  // namespace
}  // namespace muster::os
