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

/// What an interface is, as far as the kernel tells.
enum class InterfaceKind : std::uint8_t {
    wired,     ///< Ethernet, and what looks like it: veth, bridges, bonds, VLANs.
    wifi,      ///< Has a radio of IEEE 802.11.
    cellular,  ///< A modem of a mobile network.
    tunnel,    ///< Through other interfaces: WireGuard, TUN, GRE, PPP and kin.
    loopback,
};

/// "wired", "wifi", "cellular", "tunnel", "loopback": stable, for programs.
std::string_view to_string(InterfaceKind kind) noexcept;

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
    InterfaceKind kind = InterfaceKind::wired;
    /// Not the kernel's: the PathPreferences of the session forbid it. No packet of the session leaves by it, and none
    /// that comes by it is taken.
    bool prohibited = false;
    /// Not the kernel's: what the session's PathPreferences say that it costs to use it; the lower, the better.
    unsigned cost = 0;
    std::uint32_t mtu = 0;  ///< Octets.
    std::vector<InterfaceAddress> addresses;

    bool operator==(const Interface&) const = default;
};

}  // namespace muster
