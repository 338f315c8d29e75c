#include "os/socket_message.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include <netinet/udp.h>

#include "os/system_error.h"

namespace muster::os {
namespace {

IpAddress::V4 octets_of(const in_addr& address) {
    IpAddress::V4 octets{};
    std::memcpy(octets.data(), &address, octets.size());
    return octets;
}

in_addr to_in_addr(const IpAddress& address) {
    in_addr out{};
    const auto octets = address.v4();
    std::memcpy(&out, octets.data(), octets.size());
    return out;
}

in6_addr to_in6_addr(const IpAddress& address) {
    in6_addr out{};
    if (address.is_v6()) std::memcpy(&out, address.v6().data(), address.v6().size());
    return out;
}

bool needs_scope(const IpAddress& address) {
    // ff01::/16 and ff02::/16 mean something else on every interface, as fe80::/10 does (RFC 4007).
    return address.is_link_local() || (address.is_multicast() && (address.v6()[1] & 0x0f) <= 2);
}

template <class T>
bool read_control(const cmsghdr& message, T& value) {
    if (message.cmsg_len < CMSG_LEN(sizeof(T))) return false;
    std::memcpy(&value, CMSG_DATA(&message), sizeof(T));
    return true;
}

void apply_v4(const cmsghdr& message, ReceivedDatagram& out) {
    int number = 0;
    std::uint8_t octet = 0;
    in_pktinfo info{};
    if (message.cmsg_type == IP_PKTINFO && read_control(message, info)) {
        out.remote.interface = InterfaceIndex{static_cast<std::uint32_t>(info.ipi_ifindex)};
        out.local = to_address(info.ipi_addr);
    } else if (message.cmsg_type == IP_TOS && read_control(message, octet)) {
        out.ecn = octet & 3;
    } else if (message.cmsg_type == IP_TTL && read_control(message, number)) {
        out.hop_limit = static_cast<std::uint8_t>(number);
    }
}

void apply_v6(const cmsghdr& message, ReceivedDatagram& out) {
    int number = 0;
    in6_pktinfo info{};
    if (message.cmsg_type == IPV6_PKTINFO && read_control(message, info)) {
        out.remote.interface = InterfaceIndex{info.ipi6_ifindex};
        out.local = to_address(info.ipi6_addr);
    } else if (message.cmsg_type == IPV6_TCLASS && read_control(message, number)) {
        out.ecn = static_cast<std::uint8_t>(number & 3);
    } else if (message.cmsg_type == IPV6_HOPLIMIT && read_control(message, number)) {
        out.hop_limit = static_cast<std::uint8_t>(number);
    }
}

void apply_control(const cmsghdr& message, ReceivedDatagram& out) {
    int segment = 0;
    if (message.cmsg_level == IPPROTO_IP) return apply_v4(message, out);
    if (message.cmsg_level == IPPROTO_IPV6) return apply_v6(message, out);
    if (message.cmsg_level == SOL_UDP && message.cmsg_type == UDP_GRO && read_control(message, segment) &&
        segment > 0)
        out.segment = static_cast<std::size_t>(segment);
}

}  // namespace

socklen_t to_socket_address(const Endpoint& endpoint, SocketAddress& out) {
    out = {};
    if (endpoint.address.is_v4()) {
        out.v4.sin_family = AF_INET;
        out.v4.sin_port = htons(endpoint.port);
        out.v4.sin_addr = to_in_addr(endpoint.address);
        return sizeof out.v4;
    }
    out.v6 = {};
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = htons(endpoint.port);
    out.v6.sin6_addr = to_in6_addr(endpoint.address);
    if (needs_scope(endpoint.address)) out.v6.sin6_scope_id = static_cast<std::uint32_t>(endpoint.interface);
    return sizeof out.v6;
}

IpAddress to_address(const in_addr& address) { return IpAddress{octets_of(address)}; }

IpAddress to_address(const in6_addr& address) {
    IpAddress::V6 octets{};
    std::memcpy(octets.data(), &address, octets.size());
    return IpAddress{octets};
}

Result<> set_option(int socket, int level, int name, int value, const char* what) {
    if (::setsockopt(socket, level, name, &value, sizeof value) == 0) return {};
    const int error = errno;
    return system_error(std::string{"set socket option "} + what, error);
}

void enlarge_buffer(int socket, int forced, int plain, std::uint32_t octets) {
    const int value = static_cast<int>(std::min<std::uint32_t>(octets, 1u << 30));
    if (::setsockopt(socket, SOL_SOCKET, forced, &value, sizeof value) == 0) return;
    ::setsockopt(socket, SOL_SOCKET, plain, &value,
                 sizeof value);  // cut to net.core.[rw]mem_max; good enough
}

Result<FileDescriptor> open_udp(IpFamily family) {
    const bool v6 = family == IpFamily::v6;
    FileDescriptor opened{::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const int socket = opened.get();
    if (!opened.is_open())
        return system_error(v6 ? "open an IPv6 UDP socket" : "open an IPv4 UDP socket", errno);
    auto done = v6 ? set_option(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO")
                   : set_option(socket, IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO");
    if (done && v6) done = set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
    if (!done) return done.error();
    return opened;
}

Result<std::uint16_t> bind_udp(int socket, const Endpoint& address) {
    SocketAddress name{};
    socklen_t size = to_socket_address(address, name);
    int error = ::bind(socket, &name.any, size) == 0 ? 0 : errno;
    if (error != 0) return system_error("bind UDP " + address.to_string(), error);
    error = ::getsockname(socket, &name.any, &size) == 0 ? 0 : errno;
    if (error != 0) return system_error("ask for the bound port", error);
    return ntohs(address.address.is_v4() ? name.v4.sin_port : name.v6.sin6_port);
}

template <class T>
void OutgoingMessage::append(msghdr& header, int level, int type, const T& value) {
    auto* message = reinterpret_cast<cmsghdr*>(control_.data() + header.msg_controllen);
    message->cmsg_level = level;
    message->cmsg_type = type;
    message->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(message), &value, sizeof value);
    header.msg_controllen += CMSG_SPACE(sizeof value);
    header.msg_control = control_.data();
}

void OutgoingMessage::build(const SendRequest& request, std::size_t segment, std::uint8_t ecn,
                            msghdr& header) {
    const bool v6 = request.remote.address.is_v6();
    const auto index = static_cast<std::uint32_t>(request.remote.interface);
    header = {};
    header.msg_namelen = to_socket_address(request.remote, address_);
    header.msg_name = &address_;
    octets_ = {const_cast<std::byte*>(request.octets.data()), request.octets.size()};  // sendmsg only reads
    header.msg_iov = &octets_;
    header.msg_iovlen = 1;
    if (index != 0 || !request.local.is_unspecified()) {
        if (v6) {
            append(header, IPPROTO_IPV6, IPV6_PKTINFO, in6_pktinfo{to_in6_addr(request.local), index});
        } else {
            append(header, IPPROTO_IP, IP_PKTINFO,
                   in_pktinfo{static_cast<int>(index), to_in_addr(request.local), {}});
        }
    }
    if (ecn != 0) append(header, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, int{ecn});
    if (segment != 0) append(header, SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(segment));
}

int send_message(int socket, const msghdr& header) {
    for (;;) {
        if (::sendmsg(socket, &header, MSG_NOSIGNAL) >= 0) return 0;
        if (errno != EINTR) return errno;
    }
}

ReceiveBatch::ReceiveBatch(std::size_t count, std::size_t slot_size)
    : slot_size_(slot_size),
      storage_(std::make_unique_for_overwrite<std::byte[]>(count * slot_size)),
      slots_(count),
      headers_(count) {}

std::size_t ReceiveBatch::read(int socket, std::span<ReceivedDatagram> out, std::uint64_t& discarded) {
    // A round may bring nothing but what must be discarded, and the caller would wait although more is there.
    // Four rounds bound the work that a flood of such datagrams can cause in one call.
    constexpr int kRounds = 4;
    has_failed_ = false;
    const auto limit = std::min(out.size(), slots_.size());
    for (int round = 0; round < kRounds; ++round) {
        const int received = read_once(socket, limit);
        if (received <= 0) return 0;
        std::size_t used = 0;
        for (std::size_t slot = 0; slot < static_cast<std::size_t>(received); ++slot)
            if (parse(slot, out[used]))
                ++used;
            else
                ++discarded;
        if (used > 0) return used;
    }
    return 0;
}

int ReceiveBatch::read_once(int socket, std::size_t limit) {
    for (std::size_t i = 0; i < limit; ++i) {
        slots_[i].octets = {storage_.get() + i * slot_size_, slot_size_};
        msghdr& header = headers_[i].msg_hdr;
        header = {};
        header.msg_name = &slots_[i].address;
        header.msg_namelen = sizeof slots_[i].address;
        header.msg_iov = &slots_[i].octets;
        header.msg_iovlen = 1;
        header.msg_control = slots_[i].control.data();
        header.msg_controllen = slots_[i].control.size();
    }
    // An error that an earlier send left on the socket is reported here once and means nothing: read on.
    constexpr int kAttempts = 4;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const int received =
            ::recvmmsg(socket, headers_.data(), static_cast<unsigned>(limit), MSG_DONTWAIT, nullptr);
        if (received >= 0 || errno == EAGAIN) return received;
        has_failed_ = true;
    }
    return 0;
}

bool ReceiveBatch::parse(std::size_t slot, ReceivedDatagram& out) {
    msghdr& header = headers_[slot].msg_hdr;
    const SocketAddress& from = slots_[slot].address;
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return false;
    out = {};
    out.octets = {storage_.get() + slot * slot_size_, headers_[slot].msg_len};
    out.segment = out.octets.size();
    if (from.any.sa_family == AF_INET) {
        out.remote = {to_address(from.v4.sin_addr), ntohs(from.v4.sin_port), InterfaceIndex::none};
    } else {
        out.remote = {to_address(from.v6.sin6_addr), ntohs(from.v6.sin6_port), InterfaceIndex::none};
    }
    for (cmsghdr* message = CMSG_FIRSTHDR(&header); message != nullptr;
         message = CMSG_NXTHDR(&header, message))
        apply_control(*message, out);
    return out.remote.interface != InterfaceIndex::none;
}

}  // namespace muster::os
