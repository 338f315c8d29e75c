#include "os/ping_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/scoped_socket.h"
#include "os/socket_message.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr std::size_t kEchoHeader = 8, kShortestV4 = 20, kV6Header = 40;
constexpr int kMostReads = 64;  // what other pings of this machine bring; the rest at the next look

std::uint8_t octet(ByteView octets, std::size_t at) { return std::to_integer<std::uint8_t>(octets[at]); }
std::uint16_t word(ByteView octets, std::size_t at) {
    return static_cast<std::uint16_t>(octet(octets, at) << 8 | octet(octets, at + 1));
}
void put_word(std::vector<std::byte>& octets, std::size_t at, std::uint16_t value) {
    octets[at] = static_cast<std::byte>(value >> 8);
    octets[at + 1] = static_cast<std::byte>(value & 0xff);
}

/// RFC 1071; what is behind the header is zero and adds nothing.
std::uint16_t checksum(ByteView header) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < header.size(); i += 2) sum += word(header, i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

Result<> prepare(int socket, const Endpoint& remote) {
    const bool v6 = remote.address.is_v6();
    const int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    (void)set_option(socket, level, v6 ? IPV6_RECVERR : IP_RECVERR, 1, "RECVERR");
    static_assert(static_cast<int>(IPV6_PMTUDISC_PROBE) == static_cast<int>(IP_PMTUDISC_PROBE));
    (void)set_option(socket, level, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, IP_PMTUDISC_PROBE,
                     "MTU_DISCOVER");
    if (remote.interface == InterfaceIndex::none) return {};
    return set_option(socket, SOL_SOCKET, SO_BINDTOIFINDEX, static_cast<int>(remote.interface),
                      "SO_BINDTOIFINDEX");
}

}  // namespace

std::optional<EchoReply> parse_echo_reply(ByteView packet, bool is_v6, bool has_ip_header) {
    if (has_ip_header) {
        if (packet.size() < kShortestV4) return std::nullopt;
        const std::size_t header = static_cast<std::size_t>(octet(packet, 0) & 0x0f) * 4;
        if (header < kShortestV4 || packet.size() < header) return std::nullopt;
        packet = packet.subspan(header);
    }
    if (packet.size() < kEchoHeader) return std::nullopt;
    const int reply = is_v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
    if (octet(packet, 0) != reply || octet(packet, 1) != 0) return std::nullopt;
    return EchoReply{word(packet, 4), word(packet, 6)};
}

Result<PingSocket> PingSocket::open(const Endpoint& remote, int& why) {
    const bool v6 = remote.address.is_v6();
    const int family = v6 ? AF_INET6 : AF_INET;
    const int protocol = v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
    bool is_raw = false;
    FileDescriptor socket{::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)};
    if (!socket.is_open()) {
        is_raw = true;
        socket = FileDescriptor{::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)};
    }
    if (!socket.is_open()) {
        why = errno;
        return system_error("open a socket for pings", why);
    }
    if (auto fine = prepare(socket.get(), remote); !fine) {
        why = ENODEV;
        return fine.error();
    }
    SocketAddress name{};
    const socklen_t size = to_socket_address({remote.address, 0, remote.interface}, name);
    if (::connect(socket.get(), &name.any, size) != 0) {
        why = errno;
        return system_error("ping " + remote.address.to_string(), why);
    }
    return PingSocket{std::move(socket), v6, is_raw};
}

PingSocket::PingSocket(FileDescriptor socket, bool is_v6, bool is_raw)
    : socket_(std::move(socket)), is_v6_(is_v6), is_raw_(is_raw) {}

/// A kernel's ping socket has an id of its own, as its port; raw sockets get the answers to all pings of this machine.
std::uint16_t PingSocket::id() const {
    if (!is_raw_) {
        const auto facts = socket_facts(socket_.get());
        return facts ? facts->port : std::uint16_t{0};
    }
    return static_cast<std::uint16_t>(static_cast<unsigned>(::getpid()) * 31U +
                                      static_cast<unsigned>(socket_.get()));
}

int PingSocket::send(std::uint16_t sequence, std::size_t size) {
    const std::size_t header = is_v6_ ? kV6Header : kShortestV4;
    std::vector<std::byte> packet(std::max(size, header + kEchoHeader) - header);
    packet[0] = static_cast<std::byte>(is_v6_ ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
    put_word(packet, 4, id());
    put_word(packet, 6, sequence);
    if (!is_v6_) put_word(packet, 2, checksum(ByteView{packet}.first(kEchoHeader)));
    return ::send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0 ? errno : 0;
}

std::optional<std::uint16_t> PingSocket::receive() {
    std::array<std::byte, 128> buffer;  // the rest is zeros
    for (int i = 0; i < kMostReads; ++i) {
        const auto got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EAGAIN) return std::nullopt;
        if (got < 0) continue;  // an ICMP error, which stands in the error queue as well
        const auto packet = ByteView{buffer}.first(static_cast<std::size_t>(got));
        const auto reply = parse_echo_reply(packet, is_v6_, is_raw_ && !is_v6_);
        if (reply && (!is_raw_ || reply->id == id())) return reply->sequence;
    }
    return std::nullopt;
}

std::optional<std::uint32_t> PingSocket::path_mtu() const {
    int mtu = 0;
    socklen_t size = sizeof mtu;
    const int level = is_v6_ ? IPPROTO_IPV6 : IPPROTO_IP;
    if (::getsockopt(socket_.get(), level, is_v6_ ? IPV6_MTU : IP_MTU, &mtu, &size) != 0 || mtu <= 0)
        return std::nullopt;
    return static_cast<std::uint32_t>(mtu);
}

}  // namespace muster::os
