#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "muster/endpoint.h"

namespace muster {

/// Why the kernel refused to send a packet along a path.
enum class SendRefusal : std::uint8_t {
    none,
    filtered,      ///< EPERM, EACCES: a packet filter, or a route that prohibits.
    no_route,      ///< ENETUNREACH, EHOSTUNREACH.
    no_interface,  ///< ENODEV, ENETDOWN.
    no_source,     ///< EINVAL, EADDRNOTAVAIL: the own address is gone; a blackhole route says the same.
};

/// Stable, for programs.
constexpr std::string_view to_string(SendRefusal refusal) {
    switch (refusal) {
        case SendRefusal::none: return "none";
        case SendRefusal::filtered: return "filtered";
        case SendRefusal::no_route: return "no_route";
        case SendRefusal::no_interface: return "no_interface";
        case SendRefusal::no_source: return "no_source";
    }
    return "unknown";
}

/// What was found out about a path from which nothing came any more, by asking around for some ten milliseconds.
/// Facts without judgement.
struct PathFindings {
    /// The ICMP error that a packet to the peer's port brought back.
    enum class Report : std::uint8_t { none, no_port, prohibited, no_host, no_network };
    enum class Route : std::uint8_t { unknown, there, gone, forbidden };

    Report report = Report::none;
    IpAddress reporter;       ///< Who sent it.
    bool by_peer = false;     ///< The peer's own address did.
    bool is_on_link = false;  ///< No router stands between.
    bool was_probed = false;  ///< The kernel was made to ask for the link-layer address of the next hop anew,
    bool hop_answers = false;     ///< and got an answer; the next hop is the peer itself if it is on link.
    bool device_answers = false;  ///< The peer's device said that another port of it is closed.
    Route route = Route::unknown;
    SendRefusal refusal = SendRefusal::none;  ///< Of the packet to the peer's port.
    unsigned others_asked = 0;                ///< Neighbours on the same interface, other than the next hop.
    unsigned others_answered = 0;
    std::optional<std::uint64_t> received;  ///< Packets that the interface received meanwhile, from anybody.

    bool operator==(const PathFindings&) const = default;
};

/// Stable, for programs.
constexpr std::string_view to_string(PathFindings::Report report) {
    switch (report) {
        case PathFindings::Report::none: return "none";
        case PathFindings::Report::no_port: return "no_port";
        case PathFindings::Report::prohibited: return "prohibited";
        case PathFindings::Report::no_host: return "no_host";
        case PathFindings::Report::no_network: return "no_network";
    }
    return "unknown";
}

/// An ICMP error that one of our packets has brought back. Anybody who saw the packet can have made it up.
struct IcmpReport {
    Endpoint to;  ///< Where the packet was sent.
    PathFindings::Report report = PathFindings::Report::none;
    IpAddress reporter;

    bool operator==(const IcmpReport&) const = default;
};

}  // namespace muster
