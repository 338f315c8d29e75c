#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "muster/endpoint.h"

namespace muster::os {

/// A group that programs of this machine have joined on an interface.
struct GroupMembership {
    InterfaceIndex interface = InterfaceIndex::none;
    IpAddress group;
    std::uint32_t users = 0;  ///< How many sockets, the kernel itself included.
    /// Of IGMP, as spoken on the interface: 1 or 2 as long as somebody has asked in that version lately, or the machine is
    /// made to speak it (force_igmp_version). 0: not known, as always in IPv6.
    unsigned igmp_version = 0;

    bool operator==(const GroupMembership&) const = default;
};

/// A sender that is let in or kept out of a group on an interface.
struct SourceFilter {
    InterfaceIndex interface = InterfaceIndex::none;
    IpAddress group;
    IpAddress source;
    std::uint32_t including = 0;  ///< How many sockets want it.
    std::uint32_t excluding = 0;  ///< How many sockets do not.

    bool operator==(const SourceFilter&) const = default;
};

/// What the kernel has counted since this network namespace exists.
struct MulticastCounters {
    std::uint64_t group_packets = 0;       ///< IP packets to any group.
    std::uint64_t delivered = 0;           ///< IP packets that were given to a protocol.
    std::uint64_t reverse_path_drops = 0;  ///< Dropped by rp_filter; IPv4 only.

    bool operator==(const MulticastCounters&) const = default;
};

// Tables of /proc/net, read from text that anybody may have made up: lines that make no sense are left out, and no more
// than 4,096 are taken.

std::vector<GroupMembership> parse_igmp(std::string_view text);
std::vector<GroupMembership> parse_igmp6(std::string_view text);
std::vector<SourceFilter> parse_mcfilter(std::string_view text);
std::vector<SourceFilter> parse_mcfilter6(std::string_view text);
/// The number below `name` in the two lines of a protocol ("TcpExt", "Ip") of snmp or netstat; 0 if it is not there.
std::uint64_t counter_of(std::string_view text, std::string_view protocol, std::string_view name);
/// The number behind `name` in snmp6; 0 if it is not there.
std::uint64_t counter6_of(std::string_view text, std::string_view name);

// The same of this machine; empty or zero if they cannot be read.

std::vector<GroupMembership> read_memberships(bool v6);
std::vector<SourceFilter> read_source_filters(bool v6);
MulticastCounters read_multicast_counters(bool v6);
/// How strictly the way back of what comes by an interface is checked: 0 not at all, 1 by this interface, 2 by any.
int read_rp_filter(const std::string& interface);
/// How many groups one IPv4 socket may join (igmp_max_memberships).
std::uint32_t read_group_limit();

}  // namespace muster::os
