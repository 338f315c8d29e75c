// Sockets held to a link, on a real kernel: near0 and near1 lead to one other host, and the default route is near1's. User report
// U18: a device at 192.168.4.1 on near0, and no address there yet.
#include <cstring>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/lab_namespace.h"
#include "os/socket_message.h"

#include "muster/network_path.h"
#include "muster/socket_scope.h"

namespace muster::net {
namespace {

constexpr std::uint16_t kPort = 4711;
constexpr uid_t kNobody = 65534;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

os::FileDescriptor udp(int family = AF_INET) {
    return os::FileDescriptor{::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
}

InterfaceIndex held_to(const os::FileDescriptor& socket) {
    int index = 0;
    socklen_t size = sizeof index;
    EXPECT_EQ(::getsockopt(socket.get(), SOL_SOCKET, SO_BINDTOIFINDEX, &index, &size), 0);
    return InterfaceIndex{static_cast<std::uint32_t>(index)};
}

struct SocketName {
    SocketName(const char* address, std::uint16_t port)
        : size(os::to_socket_address({ip(address), port}, name)) {}

    os::SocketAddress name{};
    socklen_t size;
};

int bind_to(const os::FileDescriptor& socket, const char* address, std::uint16_t port) {
    const SocketName own{address, port};
    return ::bind(socket.get(), &own.name.any, own.size);
}

int connect_to(const os::FileDescriptor& socket, const char* address) {
    const SocketName remote{address, kPort};
    return ::connect(socket.get(), &remote.name.any, remote.size);
}

bool send_to(const os::FileDescriptor& socket, const char* address) {
    const SocketName remote{address, kPort};
    return ::sendto(socket.get(), "hello", 5, 0, &remote.name.any, remote.size) == 5;
}

class ScopeLab : public os::TwoHosts {
protected:
    ScopeLab() { os::run("ip addr flush dev near0 && ip route add default via 10.78.0.2"); }

    Endpoint device(const char* address = "192.168.4.1") const {
        return {ip(address), kPort, index("near0")};
    }

    static std::string reason_of(const Result<SocketScope>& refused) {
        return refused ? "none" : refused.error().evidence().front().finding;
    }
};

TEST_F(ScopeLab, ASocketGetsTheLinkAndAnOwnAddressThere) {
    os::run("ip addr add 192.168.4.77/24 dev near0");
    const auto socket = udp();
    const auto scope = scope_socket(socket.get(), device());
    ASSERT_TRUE(scope.has_value()) << scope.error().explain();
    EXPECT_EQ(*scope, (SocketScope{index("near0"), "near0", ip("192.168.4.77")}));
    EXPECT_EQ(held_to(socket), index("near0"));
    ASSERT_EQ(connect_to(socket, "192.168.4.1"), 0);
    EXPECT_EQ(path_of(socket.get())->route->source, ip("192.168.4.77"));
    EXPECT_TRUE(scope_socket(udp().get(), device()).has_value()) << "again, with another socket";
}

TEST_F(ScopeLab, WithoutAnAddressItIsRefusedAndYetHeld) {
    const auto socket = udp();
    auto refused = scope_socket(socket.get(), device());
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Errc::no_address) << refused.error().explain();
    EXPECT_EQ(reason_of(refused), "no_address");
    EXPECT_EQ(held_to(socket), index("near0")) << "whoever goes on regardless sends by no other link";
    os::run("ip addr add fe80::1/64 nodad dev near0");
    refused = scope_socket(socket.get(), device());
    EXPECT_EQ(refused.error().code(), Errc::no_address);
    EXPECT_EQ(reason_of(refused), "no_address") << "10.78.0.1 of near1 would be borrowed";
    os::run("ip addr add 169.254.7.7/16 dev near0");
    refused = scope_socket(socket.get(), device());
    EXPECT_EQ(refused.error().code(), Errc::no_route);
    EXPECT_EQ(refused.error().evidence().back().finding, "169.254.7.7/16");
    os::run("ip addr add 192.168.4.77/24 dev near0");
    EXPECT_TRUE(scope_socket(socket.get(), device()).has_value()) << "the same socket, when it has come";
}

TEST_F(ScopeLab, AnAddressThatIsStillBeingCheckedIsNamed) {
    os::run("sysctl -qw net.ipv6.conf.near0.accept_dad=1 net.ipv6.conf.near0.dad_transmits=20");
    os::run("ip addr flush dev near0 && ip addr add fd00:4::77/64 dev near0");
    EXPECT_EQ(reason_of(scope_socket(udp(AF_INET6).get(), device("fd00:4::1"))), "address_tentative");
}

TEST_F(ScopeLab, AnInterfaceThatCarriesNothingIsNamedWithWhatItLacks) {
    os::run("ip addr add 192.168.4.77/24 dev near0");
    const auto socket = udp();
    far_.enter();
    os::run("ip link set far0 down");
    near_.enter();
    auto refused = scope_socket(socket.get(), device());
    EXPECT_EQ(refused.error().code(), Errc::no_interface);
    EXPECT_EQ(reason_of(refused), "no_carrier");
    os::run("ip link set near0 down");
    refused = scope_socket(socket.get(), device());
    EXPECT_EQ(refused.error().code(), Errc::no_interface);
    EXPECT_EQ(reason_of(refused), "interface_down");
    const Endpoint there = device();
    os::run("ip link del near0");
    EXPECT_EQ(scope_socket(udp().get(), there).error().code(), Errc::no_interface);
}

TEST_F(ScopeLab, TheSameSubnetOnBothLinksIsNoDoubt) {
    os::run("ip addr add 192.168.4.50/24 dev near1 && ip addr add 192.168.4.77/24 dev near0");
    EXPECT_EQ(path_to({ip("192.168.4.1"), 1, {}})->route->interface, index("near1")) << "the first line wins";
    const auto scope = scope_socket(udp().get(), device());
    ASSERT_TRUE(scope.has_value()) << scope.error().explain();
    EXPECT_EQ(scope->source, ip("192.168.4.77"));
}

TEST_F(ScopeLab, WhatIsBoundAlreadyIsKeptOrRefused) {
    os::run("ip addr add 192.168.4.77/24 dev near0");
    const auto bound = [](const char* address, std::uint16_t port) {
        auto socket = udp();
        EXPECT_EQ(bind_to(socket, address, port), 0);
        return socket;
    };
    EXPECT_TRUE(scope_socket(bound("0.0.0.0", kPort).get(), device()).has_value());
    EXPECT_TRUE(scope_socket(bound("192.168.4.77", 0).get(), device()).has_value());
    EXPECT_EQ(reason_of(scope_socket(bound("10.78.0.1", 0).get(), device())), "foreign_source");
    const auto elsewhere = udp();
    ASSERT_TRUE(scope_socket(elsewhere.get(), {ip("10.78.0.2"), kPort, index("near1")}).has_value());
    EXPECT_EQ(scope_socket(elsewhere.get(), device()).error().code(), Errc::bad_input);
    const auto connected = udp();
    ASSERT_EQ(connect_to(connected, "10.78.0.2"), 0);
    EXPECT_EQ(scope_socket(connected.get(), device()).error().code(), Errc::bad_input);
}

TEST_F(ScopeLab, TcpThatHasBegunIsRefused) {
    os::run("ip addr add 192.168.4.77/24 dev near0");
    const auto tcp = [] {
        return os::FileDescriptor{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    };
    EXPECT_TRUE(scope_socket(tcp().get(), device()).has_value());
    const auto listening = tcp(), connecting = tcp();
    ASSERT_EQ(::listen(listening.get(), 1), 0);
    ASSERT_EQ(connect_to(connecting, "192.168.4.1"), -1);  // near0 has the subnet; nobody is there
    for (const auto* socket : {&listening, &connecting}) {
        const auto scope = scope_socket(socket->get(), device());
        ASSERT_FALSE(scope.has_value());
        EXPECT_EQ(scope.error().code(), Errc::bad_input);
        EXPECT_EQ(held_to(*socket), InterfaceIndex::none);
    }
}

TEST_F(ScopeLab, WhatIsNoDeviceOnALinkIsRefused) {
    os::run("ip addr add 192.168.4.77/24 dev near0");
    const auto socket = udp();
    const auto code = [&](const Endpoint& remote) {
        return scope_socket(socket.get(), remote).error().code();
    };
    EXPECT_EQ(code({ip("192.168.4.1"), kPort, {}}), Errc::bad_input) << "by which link?";
    EXPECT_EQ(code(device("239.1.2.3")), Errc::bad_input);
    EXPECT_EQ(code(device("fe80::2")), Errc::bad_input) << "of another family";
    EXPECT_EQ(code(device("192.168.4.77")), Errc::bad_input) << "it is this machine";
    EXPECT_EQ(scope_socket(-1, device()).error().code(), Errc::bad_input);
    const os::FileDescriptor local{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    EXPECT_EQ(scope_socket(local.get(), device()).error().code(), Errc::bad_input);
}

TEST_F(ScopeLab, NeitherPrivilegesNorIpv4AreNeeded) {
    os::run("ip addr add fe80::1/64 nodad dev near0 && ip addr add 192.168.4.77/24 dev near0");
    ASSERT_EQ(::seteuid(kNobody), 0);
    const auto v6 = scope_socket(udp(AF_INET6).get(), device("fe80::2"));
    const auto v4 = scope_socket(udp().get(), device());
    ASSERT_EQ(::seteuid(0), 0);
    ASSERT_TRUE(v6.has_value()) << v6.error().explain();
    EXPECT_EQ(v6->source, ip("fe80::1"));
    EXPECT_TRUE(v4.has_value());
}

TEST_F(ScopeLab, APathIsToldOfASocket) {
    os::run("ip addr add 192.168.4.77/24 dev near0");
    const auto scoped = udp(), plain = udp();
    EXPECT_EQ(path_of(plain.get()).error().code(), Errc::bad_input) << "where to?";
    EXPECT_EQ(path_of(plain.get(), {ip("203.0.113.1"), 1, {}})->route->interface, index("near1"));
    ASSERT_TRUE(scope_socket(scoped.get(), device()).has_value());
    EXPECT_EQ(path_of(scoped.get(), {ip("203.0.113.1"), 1, {}})->reason, PathReason::no_route)
        << "by near0, to which it is held";
    EXPECT_EQ(path_of(scoped.get(), {ip("10.78.0.2"), 1, index("near1")}).error().code(), Errc::bad_input);
    ASSERT_EQ(connect_to(scoped, "192.168.4.1"), 0);
    EXPECT_TRUE(path_of(scoped.get())->is_satisfied());
    os::run("ip addr del 192.168.4.77/24 dev near0");
    EXPECT_EQ(path_of(scoped.get())->reason, PathReason::source_gone) << "this socket is to be opened anew";
}

TEST_F(ScopeLab, AMappedAddressIsOneOfIpv4) {
    os::run("ip addr add 192.168.4.77/24 dev near0");
    EXPECT_TRUE(scope_socket(udp().get(), device("::ffff:192.168.4.1")).has_value());
    EXPECT_EQ(scope_socket(udp(AF_INET6).get(), device("::ffff:192.168.4.1")).error().code(), Errc::bad_input)
        << "a socket of IPv6 has no source of IPv4 to be given";
    const auto socket = udp(AF_INET6);
    ASSERT_EQ(connect_to(socket, "::ffff:10.78.0.2"), 0);
    const auto path = path_of(socket.get());
    ASSERT_TRUE(path.has_value()) << path.error().explain();
    EXPECT_EQ(path->route->source, ip("10.78.0.1"));
}

// Where each datagram goes, told by the sockets of the far host: the control goes wrong, five of five.
TEST_F(ScopeLab, NothingOfAHeldSocketLeavesByAnotherLink) {
    far_.enter();
    os::run("ip addr add 192.168.4.1/24 dev far0 && ip addr add 192.168.4.1/32 dev far1");
    const auto heard_on = [](const char* interface) {
        auto socket = udp();
        EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, interface,
                               static_cast<socklen_t>(std::strlen(interface))),
                  0);
        EXPECT_EQ(bind_to(socket, "0.0.0.0", kPort), 0);
        return socket;
    };
    const auto right = heard_on("far0"), wrong = heard_on("far1");
    near_.enter();
    const auto arrived = [](const os::FileDescriptor& socket) {
        char octets[16];
        int count = 0;
        pollfd wait{socket.get(), POLLIN, 0};
        while (::poll(&wait, 1, 200) > 0 && ::recv(socket.get(), octets, sizeof octets, 0) > 0) ++count;
        return count;
    };
    const auto control = udp();
    for (int i = 0; i < 5; ++i)
        EXPECT_TRUE(send_to(control, "192.168.4.1")) << "the kernel says that all is well";
    EXPECT_EQ(arrived(wrong), 5);
    EXPECT_EQ(arrived(right), 0);
    const auto early = udp();
    EXPECT_FALSE(scope_socket(early.get(), device()).has_value());
    for (int i = 0; i < 5; ++i) send_to(early, "192.168.4.1");
    EXPECT_EQ(arrived(wrong), 0) << "refused, used all the same, and yet by no other link";
    os::run("ip addr add 192.168.4.77/24 dev near0");
    const auto scoped = udp();
    ASSERT_TRUE(scope_socket(scoped.get(), device()).has_value());
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(send_to(scoped, "192.168.4.1"));
    EXPECT_GE(arrived(right), 5);
    EXPECT_EQ(arrived(wrong), 0);
}

}  // namespace
}  // namespace muster::net
