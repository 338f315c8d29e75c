#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muster/error.h"
#include "muster/ids.h"
#include "muster/interface.h"

// What takes longer to read than an Interface: the drivers are asked, one interface at a time.

namespace muster {

/// How a device on USB calls itself.
struct UsbIdentity {
    std::string path;           ///< Bus and ports, as long as it stays plugged in there: "1-1.2".
    std::uint16_t vendor = 0;   ///< idVendor, as usb.org numbers them.
    std::uint16_t product = 0;  ///< idProduct, as the vendor numbers them.
    std::string manufacturer;   ///< In the device's own words, as are the next two; may be empty.
    std::string product_name;
    std::string serial;

    bool operator==(const UsbIdentity&) const = default;
};

enum class Duplex : std::uint8_t { unknown, half, full };

/// "unknown", "half", "full": stable, for programs.
std::string_view to_string(Duplex duplex) noexcept;

/// The device behind an interface. What it does not have, or does not tell, is empty.
struct InterfaceHardware {
    std::string driver;          ///< "e1000e", "veth", "cdc_ncm"
    std::string driver_version;  ///< Of drivers in the kernel: the kernel's.
    std::string firmware;
    std::string bus;                     ///< "pci", "usb", "virtio"
    std::string bus_path;                ///< The device's name there: "0000:00:1f.6", "1-1.2:1.0"
    std::optional<std::uint32_t> speed;  ///< Mbit/s; none without carrier, and where there is no such thing.
    Duplex duplex = Duplex::unknown;
    std::optional<UsbIdentity> usb;
    /// What could not be read, and why. What an interface of this kind does not have at all is not listed.
    std::vector<Evidence> unread;

    bool operator==(const InterfaceHardware&) const = default;
    /// One JSON object, stable; the members are in docs/CLI.md, "Interfaces".
    std::string to_json() const;
};

/// Asks the driver and /sys about the device behind an interface. Synchronous; some drivers take milliseconds. Needs no
/// privileges. Any thread.
/// Errors: no_interface (there is none with this index, or it went meanwhile), system (no socket could be opened).
Result<InterfaceHardware> hardware_of(InterfaceIndex index);

/// What has passed an interface since it exists. The counters of one direction.
struct TrafficCount {
    std::uint64_t packets = 0;
    std::uint64_t octets = 0;
    std::uint64_t errors = 0;
    std::uint64_t dropped = 0;

    bool operator==(const TrafficCount&) const = default;
};

struct InterfaceStatistics {
    TrafficCount received;
    TrafficCount sent;
    std::uint64_t multicast_received = 0;
    std::uint64_t collisions = 0;
    std::uint32_t carrier_came = 0;  ///< How often the carrier has come ...
    std::uint32_t carrier_went = 0;  ///< ... and gone.

    bool operator==(const InterfaceStatistics&) const = default;
    /// One JSON object, stable; the members are in docs/CLI.md, "Interfaces".
    std::string to_json() const;
};

/// Reads the kernel's counters of one interface. Synchronous, some microseconds. Any thread.
/// Errors: no_interface (there is none with this index), system, timed_out (no answer within a second).
Result<InterfaceStatistics> statistics_of(InterfaceIndex index);

}  // namespace muster
