#include "os/path_tap.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr std::uint32_t kEnough = 64;  // octets: an IP header as far as its addresses
constexpr int kMostPackets = 4096;
constexpr std::size_t kMostCounts = 64;

std::uint8_t octet(ByteView octets, std::size_t at) { return std::to_integer<std::uint8_t>(octets[at]); }

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

}  // namespace

std::optional<TappedHeader> parse_tapped_header(ByteView packet) {
    constexpr std::size_t kV4 = 20, kV6 = 40;
    if (packet.size() < kV4) return std::nullopt;
    const auto version = octet(packet, 0) >> 4;
    if (version != 4 && (version != 6 || packet.size() < kV6)) return std::nullopt;
    const auto protocol = protocol_of(octet(packet, version == 4 ? 9 : 6));
    if (!protocol) return std::nullopt;
    const auto source =
        version == 4 ? address_at<IpAddress::V4>(packet, 12) : address_at<IpAddress::V6>(packet, 8);
    return TappedHeader{source, *protocol};
}

Result<std::unique_ptr<PathTap>> PathTap::open(const IpAddress& host) {
    // Of no protocol at first: nothing may come before the filter stands.
    FileDescriptor socket{::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
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

void PathTap::count(InterfaceIndex interface, const TappedHeader& packet) {
    auto& counts = traffic_.counts;
    auto found = std::ranges::find_if(counts, [&](const TappedTraffic::Count& each) {
        return each.interface == interface && each.protocol == packet.protocol;
    });
    if (found == counts.end()) {
        if (counts.size() == kMostCounts) return;
        counts.push_back({interface, packet.protocol, 0, 0});
        found = counts.end() - 1;
    }
    ++(packet.source == host_ ? found->came : found->sent);
}

}  // namespace muster::os
