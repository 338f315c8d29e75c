#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muster/endpoint.h"

namespace muster::os {

/// An IPv6 address that another device on the link has as well: the kernel does not use it.
struct DuplicateAddress {
    std::string interface;
    IpAddress address;

    bool operator==(const DuplicateAddress&) const = default;
};

/// Those in the text of /proc/net/if_inet6, at most 256; lines that make no sense are left out. Pure.
std::vector<DuplicateAddress> parse_duplicates(std::string_view text);

/// Those of this machine; nullopt if the file cannot be read (no /proc, no IPv6).
std::optional<std::vector<DuplicateAddress>> read_duplicates();

/// Whether IPv6 is switched off on an interface (sysctl disable_ipv6; empty: on all), or the kernel has none. Nullopt: cannot
/// be read.
std::optional<bool> is_ipv6_disabled(const std::string& interface);

}  // namespace muster::os
