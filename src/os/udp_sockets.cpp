#include "os/udp_sockets.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "os/file_descriptor.h"
#include "os/netlink_attributes.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr std::size_t kMostSockets = 256;
constexpr std::size_t kBufferSize = 32768;  // what the kernel fills per read of a dump
constexpr int kMostReads = 256;
constexpr timeval kPatience{.tv_sec = 1, .tv_usec = 0};
constexpr std::uint8_t kMulticastAllBit = 0x40;  // mc_all in inet_diag_sockopt

IpAddress address_of(const inet_diag_msg& socket) {
    if (socket.idiag_family == AF_INET6) {
        IpAddress::V6 octets{};
        std::memcpy(octets.data(), socket.id.idiag_src, octets.size());
        return IpAddress{octets};
    }
    IpAddress::V4 octets{};
    std::memcpy(octets.data(), socket.id.idiag_src, octets.size());
    return IpAddress{octets};
}

UdpSocketFacts facts_of(const nlmsghdr& message, const inet_diag_msg& socket) {
    UdpSocketFacts facts;
    facts.local = address_of(socket);
    facts.port = ntohs(socket.id.idiag_sport);
    facts.bound_to = InterfaceIndex{socket.id.idiag_if};
    facts.inode = socket.idiag_inode;
    const Attributes<INET_DIAG_SOCKOPT> attributes{message, sizeof(inet_diag_msg)};
    const auto memory = attributes.octets(INET_DIAG_SKMEMINFO);
    constexpr std::size_t kDrops = SK_MEMINFO_DROPS * sizeof(std::uint32_t);
    if (memory.size() >= kDrops + sizeof facts.drops)
        std::memcpy(&facts.drops, memory.data() + kDrops, sizeof facts.drops);
    const auto v6_only = attributes.octets(INET_DIAG_SKV6ONLY);
    facts.is_v6_only = !v6_only.empty() && v6_only[0] != std::byte{0};
    const auto options = attributes.octets(INET_DIAG_SOCKOPT);
    if (!options.empty() && socket.idiag_family == AF_INET)
        facts.hears_others_groups = (std::to_integer<std::uint8_t>(options[0]) & kMulticastAllBit) != 0;
    return facts;
}

int error_of(const nlmsghdr& message) {
    constexpr int kLargestErrno = 4096;  // as the kernel has it: MAX_ERRNO
    if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(nlmsgerr)) return EBADMSG;
    const int error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message))->error;
    return error <= 0 && error > -kLargestErrno ? -error : EBADMSG;
}

Result<> ask(int socket, std::uint8_t family) {
    struct {
        nlmsghdr header;
        inet_diag_req_v2 request;
    } message{};
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.request.sdiag_family = family;
    message.request.sdiag_protocol = IPPROTO_UDP;
    message.request.idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1);
    message.request.idiag_states = ~0u;
    if (::send(socket, &message, sizeof message, 0) >= 0) return {};
    return system_error("ask for the UDP sockets", errno);
}

Result<> read_family(std::uint8_t family, std::uint16_t port, std::vector<UdpSocketFacts>& out) {
    const FileDescriptor socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)};
    if (!socket.is_open()) return system_error("open a netlink socket", errno);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    if (auto asked = ask(socket.get(), family); !asked) return asked;
    const auto buffer = std::make_unique<std::byte[]>(kBufferSize);
    for (int reads = 0; reads < kMostReads; ++reads) {
        const auto size = ::recv(socket.get(), buffer.get(), kBufferSize, 0);
        if (size < 0) return system_error("read the UDP sockets", errno);
        const auto ended = parse_udp_sockets({buffer.get(), static_cast<std::size_t>(size)}, port, out);
        if (ended == 0) return {};
        if (ended == ENOENT)
            return Error{Errc::unsupported, "read the UDP sockets: the kernel has no udp_diag"};
        if (ended) return system_error("read the UDP sockets", *ended);
    }
    return Error{Errc::timed_out, "reading the UDP sockets: the kernel did not come to an end"};
}

}  // namespace

std::optional<int> parse_udp_sockets(ByteView messages, std::uint16_t port,
                                     std::vector<UdpSocketFacts>& out) {
    while (messages.size() >= sizeof(nlmsghdr)) {
        const auto* message = reinterpret_cast<const nlmsghdr*>(messages.data());
        if (message->nlmsg_len < sizeof(nlmsghdr) || message->nlmsg_len > messages.size()) return EBADMSG;
        if (message->nlmsg_type == NLMSG_DONE) return 0;
        if (message->nlmsg_type == NLMSG_ERROR) return error_of(*message);
        const bool is_whole = message->nlmsg_len >= NLMSG_HDRLEN + sizeof(inet_diag_msg);
        if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY && is_whole) {
            const auto& socket = *static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(message));
            if (ntohs(socket.id.idiag_sport) == port && out.size() < kMostSockets)
                out.push_back(facts_of(*message, socket));
        }
        messages = messages.subspan(std::min<std::size_t>(MNL_ALIGN(message->nlmsg_len), messages.size()));
    }
    return std::nullopt;
}

Result<std::vector<UdpSocketFacts>> udp_sockets(std::uint16_t port, bool v6) {
    std::vector<UdpSocketFacts> sockets;
    if (auto read = read_family(AF_INET6, port, sockets); !read && v6) return read.error();
    if (v6) return sockets;
    // "::" may be open to IPv4 as well.
    std::erase_if(sockets, [](const auto& each) { return !each.local.is_unspecified() || each.is_v6_only; });
    if (auto read = read_family(AF_INET, port, sockets); !read) return read.error();
    return sockets;
}

}  // namespace muster::os
