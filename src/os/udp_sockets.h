#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "muster/endpoint.h"
#include "muster/error.h"

struct nlmsghdr;

namespace muster::os {

/// A UDP socket of some program on this machine.
struct UdpSocketFacts {
    IpAddress local;
    std::uint16_t port = 0;
    InterfaceIndex bound_to = InterfaceIndex::none;  ///< SO_BINDTODEVICE.
    bool is_v6_only = false;                         ///< It gets nothing of IPv4.
    std::uint32_t inode = 0;
    std::uint32_t drops =
        0;  ///< Because its buffer was full, a checksum was wrong, or a filter of its own said no. Wraps.
    std::optional<bool> hears_others_groups;  ///< IP_MULTICAST_ALL; IPv4 only, and of a kernel from 5.10 on.

    bool operator==(const UdpSocketFacts&) const = default;
};

/// Of an answer of NETLINK_SOCK_DIAG; none if it makes no sense.
std::optional<UdpSocketFacts> parse_udp_socket(const nlmsghdr& message);

/// The UDP sockets with this port that can get datagrams of this family, at most 256. Errors: system, unsupported (the
/// kernel has no udp_diag), timed_out.
Result<std::vector<UdpSocketFacts>> udp_sockets(std::uint16_t port, bool v6);

}  // namespace muster::os
