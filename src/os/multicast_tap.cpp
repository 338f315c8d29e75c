#include "os/multicast_tap.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/reader.h"
#include "os/socket_message.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr std::size_t kLongestHeader =
    128;  // of IPv4 with all options, or IPv6 with some extensions, and UDP
constexpr int kMostPackets = 4096;
// The kernel counts some 770 octets for a small packet: this holds ten thousand, the default 277.
constexpr std::uint32_t kBuffer = 1 << 22;
constexpr std::uint8_t kIgmp = 2, kUdp = 17, kIcmp6 = 58, kHopByHop = 0, kFragment = 44;
constexpr std::uint8_t kIgmpQuery = 0x11, kMldQuery = 130;

std::uint8_t octet(ByteView octets, std::size_t at) { return std::to_integer<std::uint8_t>(octets[at]); }

template <class Octets>
IpAddress address_at(ByteView packet, std::size_t at) {
    Octets octets{};
    std::memcpy(octets.data(), packet.data() + at, octets.size());
    return IpAddress{octets};
}

/// What follows the IP header.
std::optional<TappedPacket> parse_payload(std::uint8_t protocol, ByteView payload, TappedPacket packet) {
    if (payload.size() < 4) return std::nullopt;
    if (protocol == kUdp) {
        packet.port = static_cast<std::uint16_t>(octet(payload, 2) << 8 | octet(payload, 3));
        return packet;
    }
    packet.kind = TappedPacket::Kind::query;
    const bool is_query = (protocol == kIgmp && octet(payload, 0) == kIgmpQuery) ||
                          (protocol == kIcmp6 && octet(payload, 0) == kMldQuery);
    return is_query ? std::optional{packet} : std::nullopt;
}

std::optional<TappedPacket> parse_v4(ByteView packet) {
    constexpr std::size_t kHeader = 20;
    const std::size_t header = static_cast<std::size_t>(octet(packet, 0) & 0x0f) * 4;
    if (header < kHeader || packet.size() < header) return std::nullopt;
    const bool is_later_fragment = (octet(packet, 6) & 0x1f) != 0 || octet(packet, 7) != 0;
    if (is_later_fragment) return std::nullopt;
    TappedPacket out;
    out.source = address_at<IpAddress::V4>(packet, 12);
    out.destination = address_at<IpAddress::V4>(packet, 16);
    return parse_payload(octet(packet, 9), packet.subspan(header), out);
}

/// Goes on to what follows an extension header; false if that is in another packet.
bool skip_extension(std::uint8_t& protocol, ByteView& payload) {
    constexpr std::size_t kUnit = 8;  // RFC 8200 section 4
    if (payload.size() < kUnit) return false;
    const bool is_fragment = protocol == kFragment;
    const bool is_later_fragment = is_fragment && (octet(payload, 2) != 0 || (octet(payload, 3) & 0xf8) != 0);
    if (is_later_fragment) return false;
    const std::size_t size = is_fragment ? kUnit : (static_cast<std::size_t>(octet(payload, 1)) + 1) * kUnit;
    protocol = octet(payload, 0);
    payload = payload.subspan(std::min(size, payload.size()));
    return true;
}

std::optional<TappedPacket> parse_v6(ByteView packet) {
    constexpr std::size_t kHeader = 40;
    if (packet.size() < kHeader) return std::nullopt;
    TappedPacket out;
    out.source = address_at<IpAddress::V6>(packet, 8);
    out.destination = address_at<IpAddress::V6>(packet, 24);
    auto protocol = octet(packet, 6);
    auto payload = packet.subspan(kHeader);
    // All MLD has the router alert (RFC 3810 section 5), and what is larger than the MTU comes in fragments.
    while (protocol == kHopByHop || protocol == kFragment)
        if (!skip_extension(protocol, payload)) return std::nullopt;
    return parse_payload(protocol, payload, out);
}

std::uint32_t word_of(const IpAddress& address, std::size_t word) {
    std::uint32_t value = 0;
    std::memcpy(&value, address.v6().data() + 4 * word, sizeof value);
    return ntohl(value);
}

/// Lets pass in the kernel what is for the group, and what may be a query.
Result<> filter(int socket, const IpAddress& group) {
    constexpr std::uint32_t kAll = kLongestHeader;
    const bool v6 = group.is_v6();
    std::array<sock_filter, 16> code{};
    std::size_t size = 0;
    const auto add = [&](std::uint16_t what, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
        code[size++] = {what, yes, no, value};
    };
    add(BPF_LD | BPF_B | BPF_ABS, v6 ? 6 : 9, 0, 0);
    add(BPF_JMP | BPF_JEQ | BPF_K, v6 ? kHopByHop : kIgmp, 0, 1);
    add(BPF_RET | BPF_K, kAll, 0, 0);
    const std::size_t words = v6 ? 4 : 1;
    for (std::size_t word = 0; word < words; ++word) {
        add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>((v6 ? 24 : 16) + 4 * word), 0, 0);
        const auto to_refusal = static_cast<std::uint8_t>(2 * (words - word - 1) + 1);
        add(BPF_JMP | BPF_JEQ | BPF_K, word_of(group, word), 0, to_refusal);
    }
    add(BPF_RET | BPF_K, kAll, 0, 0);
    add(BPF_RET | BPF_K, 0, 0, 0);
    const sock_fprog program{static_cast<unsigned short>(size), code.data()};
    if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0) return {};
    return system_error("filter what is tapped", errno);
}

}  // namespace

std::optional<TappedPacket> parse_tapped(ByteView packet) {
    constexpr std::size_t kShortest = 20;
    if (packet.size() < kShortest) return std::nullopt;
    const auto version = octet(packet, 0) >> 4;
    if (version == 4) return parse_v4(packet);
    return version == 6 ? parse_v6(packet) : std::nullopt;
}

Result<std::unique_ptr<MulticastTap>> MulticastTap::open(const IpAddress& group) {
    const auto protocol = htons(group.is_v6() ? ETH_P_IPV6 : ETH_P_IP);
    // Of no protocol at first: nothing may come before the filter stands.
    FileDescriptor socket{::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket.is_open()) return system_error("listen to the wire", errno);
    if (auto done = filter(socket.get(), group); !done) return done.error();
    enlarge_buffer(socket.get(), SO_RCVBUFFORCE, SO_RCVBUF, kBuffer);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = protocol;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return system_error("listen to the wire", errno);
    return std::unique_ptr<MulticastTap>{new MulticastTap{std::move(socket)}};
}

void MulticastTap::read(const OnPacket& on_packet) {
    std::array<std::byte, kLongestHeader> buffer{};
    for (int i = 0; i < kMostPackets; ++i) {
        sockaddr_ll from{};
        socklen_t size = sizeof from;
        const auto got = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                    reinterpret_cast<sockaddr*>(&from), &size);
        if (got < 0) return;
        const auto packet = parse_tapped(ByteView{buffer}.first(static_cast<std::size_t>(got)));
        if (packet) on_packet(InterfaceIndex{static_cast<std::uint32_t>(from.sll_ifindex)}, *packet);
    }
}

std::uint64_t MulticastTap::take_losses() {
    tpacket_stats counters{};
    socklen_t size = sizeof counters;  // reading sets them to zero
    return ::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &counters, &size) == 0
               ? counters.tp_drops
               : 0;
}

}  // namespace muster::os
