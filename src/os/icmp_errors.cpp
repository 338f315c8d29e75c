#include "os/icmp_errors.h"

#include <array>
#include <cstddef>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <sys/time.h>
// After those of the C library, which it builds on.
#include <linux/errqueue.h>

#include "os/socket_message.h"

namespace muster::os {
namespace {

using Report = PathFindings::Report;

// RFC 4443 section 3.1; the C library has no names for these.
constexpr std::uint8_t kPolicyFails = 5, kRouteRejects = 6;

Report report_of(const sock_extended_err& error) {
    if (error.ee_origin == SO_EE_ORIGIN_ICMP && error.ee_type == ICMP_DEST_UNREACH) {
        switch (error.ee_code) {
            case ICMP_PORT_UNREACH:
            case ICMP_PROT_UNREACH: return Report::no_port;
            case ICMP_NET_ANO:
            case ICMP_HOST_ANO:
            case ICMP_PKT_FILTERED: return Report::prohibited;
            case ICMP_HOST_UNREACH:
            case ICMP_HOST_UNKNOWN: return Report::no_host;
            case ICMP_NET_UNREACH:
            case ICMP_NET_UNKNOWN: return Report::no_network;
            default: return Report::none;
        }
    }
    if (error.ee_origin != SO_EE_ORIGIN_ICMP6 || error.ee_type != ICMP6_DST_UNREACH) return Report::none;
    switch (error.ee_code) {
        case ICMP6_DST_UNREACH_NOPORT: return Report::no_port;
        case ICMP6_DST_UNREACH_ADMIN:
        case kPolicyFails:
        case kRouteRejects: return Report::prohibited;
        case ICMP6_DST_UNREACH_ADDR: return Report::no_host;
        case ICMP6_DST_UNREACH_NOROUTE: return Report::no_network;
        default: return Report::none;
    }
}

Endpoint endpoint_of(const SocketAddress& name) {
    if (name.any.sa_family == AF_INET)
        return {to_address(name.v4.sin_addr), ntohs(name.v4.sin_port), InterfaceIndex::none};
    return {to_address(name.v6.sin6_addr), ntohs(name.v6.sin6_port), InterfaceIndex::none};
}

}  // namespace

std::optional<IcmpReport> read_icmp(int socket) {
    alignas(cmsghdr) std::array<std::byte, 512> control{};
    SocketAddress to{};
    msghdr header{};
    header.msg_name = &to;
    header.msg_namelen = sizeof to;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    if (::recvmsg(socket, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return std::nullopt;
    IcmpReport told;
    if (header.msg_namelen > 0) told.to = endpoint_of(to);
    for (cmsghdr* message = CMSG_FIRSTHDR(&header); message != nullptr;
         message = CMSG_NXTHDR(&header, message)) {
        const bool v4 = message->cmsg_level == IPPROTO_IP && message->cmsg_type == IP_RECVERR;
        const bool v6 = message->cmsg_level == IPPROTO_IPV6 && message->cmsg_type == IPV6_RECVERR;
        if (!v4 && !v6) continue;
        const auto* error = reinterpret_cast<const sock_extended_err*>(CMSG_DATA(message));
        const auto* offender = reinterpret_cast<const SocketAddress*>(SO_EE_OFFENDER(error));
        told.report = report_of(*error);
        told.reporter = endpoint_of(*offender).address;
    }
    return told;
}

}  // namespace muster::os
