#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "muster/interface.h"
#include "muster/time.h"

namespace muster::net {

/// What one of the two times of listening brought by an interface.
struct HeardOnLink {
    std::uint64_t on_wire = 0;  ///< Datagrams to group and port before any filter (MulticastTap).
    std::uint64_t taken =
        0;  ///< Of the same those that a socket of our own got; it has joined only the second time.

    bool operator==(const HeardOnLink&) const = default;
};

/// A sender that sockets of this machine name for a group on one interface.
struct SourceFacts {
    IpAddress source;
    std::uint32_t including = 0;  ///< How many take what it sends, of those that take only what is named.
    std::uint32_t excluding = 0;  ///< How many take everything but.

    bool operator==(const SourceFacts&) const = default;
};

/// A group on one interface, as an examination found it.
struct LinkFacts {
    /// `prohibited`: not where it is expected. It is looked at nevertheless: the sender may be there.
    Interface interface;
    std::uint32_t members = 0;  ///< Sockets of this machine that had joined here before the examination.
    HeardOnLink before, after;  ///< ... the membership was announced afresh.
    Duration first_after{};     ///< From announcing to the first of `after.on_wire`, if there is one.
    static constexpr std::size_t kMostSenders = 16, kMostPorts = 16;
    std::vector<IpAddress> senders;          ///< To group and port, the first kMostSenders.
    std::vector<std::uint16_t> other_ports;  ///< To which the group was sent, the first kMostPorts.
    std::vector<SourceFacts> sources;
    unsigned queries = 0;  ///< For memberships that came while listening.
    int rp_filter = 0;
    unsigned igmp_version = 0;  ///< As in GroupMembership.
    bool has_ear = false;     ///< A socket of our own has joined here; otherwise `after.taken` says nothing.
    bool is_refused = false;  ///< A policy forbade our own join.

    bool operator==(const LinkFacts&) const = default;
};

/// A socket of some program with the port.
struct SocketFacts {
    std::string owner;  ///< "receiver (4711)"; empty if it cannot be seen.
    IpAddress local;
    InterfaceIndex bound_to = InterfaceIndex::none;
    std::uint32_t drops = 0;  ///< During the examination.
    std::optional<bool> hears_others_groups;

    bool operator==(const SocketFacts&) const = default;
};

/// All that an examination of a multicast group saw. A value.
struct MulticastFacts {
    IpAddress group;
    std::uint16_t port = 0;
    std::vector<LinkFacts> links;  ///< All that can do multicast; loopback only as in takes_part().
    std::vector<SocketFacts> sockets;
    Duration listened_after{};             ///< From announcing to the end.
    bool is_tapped = false;                ///< Otherwise `on_wire` is not known.
    std::uint64_t tap_losses = 0;          ///< Packets that came too fast to be looked at.
    bool has_own_socket = false;           ///< Otherwise the port cannot be shared, and `taken` is not known.
    std::string sockets_error;             ///< Why `sockets` is not known; empty if it is.
    std::uint64_t reverse_path_drops = 0;  ///< During the examination, of the whole machine, as the next two.
    std::uint64_t group_packets = 0;
    std::uint64_t delivered = 0;
    std::uint32_t groups_joined =
        0;                          ///< On this machine, but for those of the kernel; IPv4 only, as the next.
    std::uint32_t group_limit = 0;  ///< For one socket; 0: none.

    bool operator==(const MulticastFacts&) const = default;
};

}  // namespace muster::net
