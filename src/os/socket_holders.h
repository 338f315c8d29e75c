#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace muster::os {

/// A process that has a socket open, and as which descriptor.
struct SocketHolder {
    int pid = 0;
    int descriptor = -1;

    bool operator==(const SocketHolder&) const = default;
};

/// One holder of each socket, by inode; those that cannot be seen (another user's) are left out. Looks at each descriptor of
/// the machine once, and at no more than 65,536 of them.
std::map<std::uint32_t, SocketHolder> holders_of(const std::set<std::uint32_t>& inodes);

/// "name (pid)"
std::string name_of(const SocketHolder& holder);

/// Whether an IPv6 socket takes what others have joined (IPV6_MULTICAST_ALL), which the kernel does not tell from outside:
/// looks through a copy of the descriptor. Nullopt if that is not allowed (ptrace rights).
std::optional<bool> hears_others_groups_v6(const SocketHolder& holder);

}  // namespace muster::os
