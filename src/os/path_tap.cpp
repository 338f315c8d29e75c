#include "os/path_tap.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr std::uint32_t kEnough =
    68;  // octets: the longest IP header, and what it carries as far as ports or id
constexpr int kMostPackets = 4096;
constexpr std::size_t kMostCounts = 64;

std::uint8_t octet(ByteView octets, std::size_t at) { return std::to_integer<std::uint8_t>(octets[at]); }

std::uint16_t word(ByteView octets, std::size_t at) {
    return static_cast<std::uint16_t>(octet(octets, at) << 8 | octet(octets, at + 1));
}

template <class Octets>
IpAddress address_at(ByteView packet, std::size_t at) {
    Octets octets{};
    std::memcpy(octets.data(), packet.data() + at, octets.size());
    return IpAddress{octets};
}

std::optional<TappedTraffic::Protocol> protocol_of(std::uint8_t number) {
    switch (number) {
        case IPPROTO_ICMP:
        case IPPROTO_ICMPV6: return TappedTraffic::Protocol::icmp;
        case IPPROTO_TCP: return TappedTraffic::Protocol::tcp;
        case IPPROTO_UDP: return TappedTraffic::Protocol::udp;
        default: return std::nullopt;
    }
}

std::uint32_t word_of(const IpAddress& address, std::size_t word) {
    std::uint32_t value = 0;
    std::memcpy(&value, address.v6().data() + 4 * word, sizeof value);
    return ntohl(value);
}

/// Lets pass in the kernel what comes from the host or goes there.
Result<> filter(int socket, const IpAddress& host) {
    const bool v6 = host.is_v6();
    std::array<sock_filter, 32> code{};
    std::size_t size = 0;
    const auto add = [&](std::uint16_t what, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
        code[size++] = {what, yes, no, value};
    };
    add(BPF_LD | BPF_H | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PROTOCOL), 0, 0);
    add(BPF_JMP | BPF_JEQ | BPF_K, v6 ? ETH_P_IPV6 : ETH_P_IP, 1, 0);
    add(BPF_RET | BPF_K, 0, 0, 0);
    const std::size_t words = v6 ? 4 : 1;
    for (const std::uint32_t at : v6 ? std::array{8U, 24U} : std::array{12U, 16U}) {
        for (std::size_t word = 0; word < words; ++word) {
            add(BPF_LD | BPF_W | BPF_ABS, at + static_cast<std::uint32_t>(4 * word), 0, 0);
            const auto behind_yes = static_cast<std::uint8_t>(2 * (words - word - 1) + 1);
            add(BPF_JMP | BPF_JEQ | BPF_K, word_of(host, word), 0, behind_yes);
        }
        add(BPF_RET | BPF_K, kEnough, 0, 0);
    }
    add(BPF_RET | BPF_K, 0, 0, 0);
    const sock_fprog program{static_cast<unsigned short>(size), code.data()};
    if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0) return {};
    return system_error("filter what is tapped", errno);
}

/// Enters what tells one question from another; false for ICMP that is no ping.
bool enter_ports(ByteView payload, bool v6, TappedHeader& header) {
    if (header.protocol != TappedTraffic::Protocol::icmp) {
        header.source_port = word(payload, 0);
        header.target_port = word(payload, 2);
        return true;
    }
    const auto type = octet(payload, 0);
    const bool is_request = type == (v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
    if (!is_request && type != (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY)) return false;
    (is_request ? header.source_port : header.target_port) = word(payload, 4);
    return true;
}

}  // namespace

std::optional<TappedHeader> parse_tapped_header(ByteView packet) {
    constexpr std::size_t kV4 = 20, kV6 = 40, kPorts = 6;
    constexpr std::uint16_t kFragmentOffset = 0x1fff;
    if (packet.size() < kV4) return std::nullopt;
    const auto version = octet(packet, 0) >> 4;
    if (version != 4 && (version != 6 || packet.size() < kV6)) return std::nullopt;
    const bool v6 = version == 6;
    const std::size_t size = v6 ? kV6 : static_cast<std::size_t>(octet(packet, 0) & 0x0f) * 4;
    if (size < kV4 || packet.size() < size + kPorts) return std::nullopt;
    if (!v6 && (word(packet, 6) & kFragmentOffset) != 0) return std::nullopt;
    const auto protocol = protocol_of(octet(packet, v6 ? 6 : 9));
    if (!protocol) return std::nullopt;
    TappedHeader header;
    header.protocol = *protocol;
    header.source = v6 ? address_at<IpAddress::V6>(packet, 8) : address_at<IpAddress::V4>(packet, 12);
    if (!enter_ports(packet.subspan(size), v6, header)) return std::nullopt;
    return header;
}

Result<std::unique_ptr<PathTap>> PathTap::open(const IpAddress& host) {
    // Of no protocol at first: nothing may come before the filter stands.
    FileDescriptor socket{::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket.is_open() && (errno == EPERM || errno == EACCES))
        return Error{Errc::unsupported, "listening to the wire is not permitted"};
    if (!socket.is_open()) return system_error("listen to the wire", errno);
    if (auto done = filter(socket.get(), host); !done) return done.error();
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);  // of one protocol it would not see what goes out
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return system_error("listen to the wire", errno);
    return std::unique_ptr<PathTap>{new PathTap{std::move(socket), host}};
}

void PathTap::read() {
    std::array<std::byte, kEnough> buffer{};
    for (int i = 0; i < kMostPackets; ++i) {
        sockaddr_ll from{};
        socklen_t size = sizeof from;
        const auto got = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                    reinterpret_cast<sockaddr*>(&from), &size);
        if (got < 0) return;
        const auto packet = parse_tapped_header(ByteView{buffer}.first(static_cast<std::size_t>(got)));
        if (packet) count(InterfaceIndex{static_cast<std::uint32_t>(from.sll_ifindex)}, *packet);
    }
}

bool PathTap::has_missed() {
    tpacket_stats told{};
    socklen_t size = sizeof told;
    // Each call begins to count anew.
    if (::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &told, &size) == 0)
        has_missed_ |= told.tp_drops > 0;
    return has_missed_;
}

void PathTap::count(InterfaceIndex interface, const TappedHeader& packet) {
    const bool has_come = packet.source == host_;
    const TappedTraffic::Flow flow{packet.protocol, has_come ? packet.target_port : packet.source_port};
    if (std::ranges::find(flows_, flow) == flows_.end()) return;
    auto& counts = traffic_.counts;
    auto found = std::ranges::find_if(counts, [&](const TappedTraffic::Count& each) {
        return each.interface == interface && each.protocol == packet.protocol;
    });
    if (found == counts.end()) {
        if (counts.size() == kMostCounts) return;
        counts.push_back({interface, packet.protocol, 0, 0});
        found = counts.end() - 1;
    }
    ++(has_come ? found->came : found->sent);
}

}  // namespace muster::os
