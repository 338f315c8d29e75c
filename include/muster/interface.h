#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "muster/endpoint.h"
#include "muster/ids.h"

namespace muster {

/// One address of an interface.
struct InterfaceAddress {
    IpAddress address;
    std::uint8_t prefix_length = 0;
    /// IPv6 duplicate address detection still runs: the kernel will not send from this
    /// address yet (RFC 4862 5.4).
    bool tentative = false;

    bool operator==(const InterfaceAddress&) const = default;
};

/// One network interface as the kernel has it now. A value; never cached by Muster beyond
/// the next kernel event.
struct Interface {
    InterfaceIndex index = InterfaceIndex::none;
    std::string name;        ///< For people; never a key: names change and repeat.
    bool up = false;         ///< Administratively up (IFF_UP).
    bool carrier = false;    ///< The link below is there (IFF_LOWER_UP).
    bool multicast = false;  ///< Can send multicast (IFF_MULTICAST).
    bool loopback = false;
    bool point_to_point = false;
    std::uint32_t mtu = 0;  ///< Octets.
    std::vector<InterfaceAddress> addresses;

    bool operator==(const Interface&) const = default;
};

}  // namespace muster
