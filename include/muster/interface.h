#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "muster/endpoint.h"
#include "muster/error.h"
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

/// What an interface is for. The numbers are those of Apple's SIOCGIFFUNCTIONALTYPE, for programs that keep them.
enum class FunctionalType : std::uint8_t {
    unknown = 0,              ///< Tunnels, and what the kernel says nothing about.
    loopback = 1,             ///< IFF_LOOPBACK.
    wired = 2,                ///< Ethernet, and what looks like it.
    wifi_infrastructure = 3,  ///< IEEE 802.11, at or as an access point.
    wifi_peer_to_peer = 4,    ///< IEEE 802.11 without one: ad hoc, mesh, P2P, NAN, OCB.
    cellular = 5,             ///< A modem of a mobile network.
    coprocessor = 6,          ///< A USB gadget: this device is the peripheral of a host.
    companion = 7,            ///< Bluetooth (PAN, 6LoWPAN).
    management = 8,           ///< A name or alternative name says so: "bmc" or "mgmt", alone or with digits.
};

/// "unknown", "loopback", "wired", "wifi_infrastructure", "wifi_peer_to_peer", "cellular", "coprocessor", "companion",
/// "management": stable, for programs.
std::string_view to_string(FunctionalType type) noexcept;

/// The operational state as RFC 2863 has it (ifOperStatus); the numbers are the kernel's (IF_OPER_*).
enum class OperationalState : std::uint8_t {
    unknown = 0,  ///< The driver does not tell: usual for loopback and tunnels.
    not_present = 1,
    down = 2,
    lower_layer_down =
        3,  ///< What it stands on is down: the cable, the device below, the other end of a veth.
    testing = 4,
    dormant = 5,  ///< Waits for something: 802.1X, the keys of a Wi-Fi network.
    up = 6,
};

/// "unknown", "not_present", "down", "lower_layer_down", "testing", "dormant", "up": stable, for programs.
std::string_view to_string(OperationalState state) noexcept;

/// An address of the link layer: a MAC, or the longer or shorter one of another medium. A value.
class HardwareAddress {
public:
    static constexpr std::size_t kMaxSize = 20;  ///< Octets: InfiniBand has the longest.

    HardwareAddress() = default;
    /// More than kMaxSize octets are none: no medium that Muster knows has them.
    HardwareAddress(const std::uint8_t* octets, std::size_t size);

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    /// "02:fc:00:00:00:01"; empty if there is none.
    std::string to_string() const;

    bool operator==(const HardwareAddress&) const = default;

private:
    std::array<std::uint8_t, kMaxSize> octets_{};
    std::uint8_t size_ = 0;
};

/// Which addresses an interface has. Those that the kernel does not send from yet count as `tentative` only.
struct Addressed {
    bool ipv4 = false;        ///< One of IPv4 that is not link-local.
    bool ipv6 = false;        ///< One of IPv6 that is not link-local.
    bool link_local = false;  ///< 169.254.0.0/16 or fe80::/10: enough for Muster.
    bool tentative = false;   ///< Duplicate address detection runs for one, or has refused it.

    /// True if datagrams have an address to come from.
    bool any() const { return ipv4 || ipv6 || link_local; }
    bool operator==(const Addressed&) const = default;
};

/// One network interface as the kernel has it now. A value; never cached by Muster beyond
/// the next kernel event.
///
/// Whether it can be used is four facts that do not follow from each other: it is *present* (it is in the list at all),
/// *administratively up* (`up`), has a *carrier* (`carrier`), and is *addressed* (addressed()).
struct Interface {
    InterfaceIndex index = InterfaceIndex::none;
    std::string name;  ///< For people; never a key: names change and repeat. At most 15 octets, of any kind.
    bool up = false;   ///< Administratively up (IFF_UP).
    /// Packets can pass: the link below is there (IFF_LOWER_UP) and the operational state allows it (IFF_RUNNING). False
    /// while it is not `up`: then nobody knows whether there is a cable.
    bool carrier = false;
    bool multicast = false;  ///< Can send multicast (IFF_MULTICAST).
    bool loopback = false;
    bool point_to_point = false;
    InterfaceKind kind = InterfaceKind::wired;
    /// Not the kernel's: the PathPreferences of the session forbid it. No packet of the session leaves by it, and none
    /// that comes by it is taken.
    bool prohibited = false;
    FunctionalType functional_type = FunctionalType::unknown;
    OperationalState state = OperationalState::unknown;
    /// No device stands behind it: made by software (bridges, veth, tunnels, loopback).
    bool is_virtual = false;
    /// Leads to one other device by a cable of its own, with no network between: USB gadgets, Thunderbolt. (Apple:
    /// SIOCGIFDIRECTLINK.)
    bool direct_link = false;
    /// The other end of it, or what it stands on, is in another network namespace: `peer` is none.
    bool peer_is_elsewhere = false;
    std::uint16_t legacy_type =
        0;  ///< The kernel's ARPHRD_* (RFC 826 hardware type): 1 Ethernet, 772 loopback, ...
    /// Not the kernel's: what the session's PathPreferences say that it costs to use it; the lower, the better.
    unsigned cost = 0;
    /// Not the kernel's: it costs money, as one of kind cellular does, or one that the PathPreferences call metered.
    bool is_metered = false;
    /// Not the kernel's: little data is to go there, as the PathPreferences say.
    bool is_constrained = false;
    std::uint32_t mtu = 0;    ///< Octets.
    std::uint32_t flags = 0;  ///< All of the kernel's, as they are: IFF_* of netdevice(7).
    /// How often the carrier has come or gone since the interface exists, both counted: tells a flap that was over before
    /// anybody was told of it.
    std::uint32_t carrier_changes = 0;
    InterfaceIndex master = InterfaceIndex::none;  ///< The bridge, bond or VRF that it is a port of.
    /// The other end of a veth, or what it stands on (of a VLAN: the device below).
    InterfaceIndex peer = InterfaceIndex::none;
    HardwareAddress mac{};            ///< As it is now.
    HardwareAddress permanent_mac{};  ///< As the device was made; empty if it does not tell.
    /// What the kernel calls it: "veth", "bridge", "tun", "wireguard", "wwan"; empty for most hardware.
    std::string kernel_kind{};
    /// Of its device: "pci", "usb", "virtio"; empty if it has none, or the kernel (before 5.14) does not say.
    std::string bus{};
    /// Longer names (`ip link property`); never keys either. Of an interface that is not up the kernel announces no change of
    /// them: a monitor tells it together with the next one.
    std::vector<std::string> alternative_names{};
    std::vector<InterfaceAddress> addresses;

    Addressed addressed() const;
    /// One JSON object, stable; the members are in docs/CLI.md, "Interfaces".
    std::string to_json() const;

    bool operator==(const Interface&) const = default;
};

/// Reads all interfaces of this network namespace from the kernel, also those that are down or have no address, by index.
/// Synchronous; takes microseconds for a few of them (docs/MEASUREMENTS.md). Needs no privileges. Where /sys is missing, or
/// shows another namespace, some modems and Bluetooth devices look like Ethernet; hardware_of() says so. Any thread.
/// Errors: system (the kernel refused), timed_out (they never stopped changing, or no answer within a second).
Result<std::vector<Interface>> interfaces();

}  // namespace muster
