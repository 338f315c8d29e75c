#include "os/udp_sockets.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "os/netlink_attributes.h"
#include "os/netlink_messages.h"
#include "os/netlink_socket.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr std::size_t kMostSockets = 256;
constexpr Duration kPatience = std::chrono::seconds{1};
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

Result<> read_family(std::uint8_t family, std::uint16_t port, std::vector<UdpSocketFacts>& out) {
    auto kernel = NetlinkSocket::open(NETLINK_SOCK_DIAG, kPatience);
    if (!kernel) return kernel.error();
    auto* request = kernel->begin<inet_diag_req_v2>(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family);
    request->sdiag_protocol = IPPROTO_UDP;
    request->idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1);
    request->idiag_states = ~0u;
    const int error = kernel->ask([&](const nlmsghdr& answer) {
        auto facts = parse_udp_socket(answer);
        if (facts && facts->port == port && out.size() < kMostSockets) out.push_back(*facts);
    });
    if (error == 0 || error == EINTR) return {};  // sockets come and go all the time
    if (error == ENOENT) return Error{Errc::unsupported, "read the UDP sockets: the kernel has no udp_diag"};
    if (error == EAGAIN || error == ETIMEDOUT)
        return Error{Errc::timed_out, "reading the UDP sockets: the kernel did not come to an end"};
    return system_error("read the UDP sockets", error);
}

}  // namespace

std::optional<UdpSocketFacts> parse_udp_socket(const nlmsghdr& message) {
    const auto* socket = header_of<inet_diag_msg>(message);
    if (socket == nullptr || message.nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
    return facts_of(message, *socket);
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
