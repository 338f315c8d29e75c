#pragma once

// What came of asking a host. No system header: pure code may use it.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/path_findings.h"

#include "muster/time.h"

namespace muster::os {

/// What came back when a host was asked along one way.
struct ProofFindings {
    enum class Echo : std::uint8_t { not_asked, not_permitted, none, came };
    enum class Port : std::uint8_t { not_asked, silent, open, closed, failed };

    Echo ping = Echo::not_asked;
    Echo large_ping = Echo::not_asked;  ///< As large as the interface takes, and not to be divided.
    std::uint32_t large_size = 0;       ///< Octets of that IP packet.
    Duration round_trip{};              ///< Of the first answer, of whichever kind.
    Port port = Port::not_asked;
    int port_error = 0;  ///< Port::failed: an errno.
    /// The errno with which the kernel refused to send, 0 if it did not.
    int ping_refusal = 0, datagram_refusal = 0, port_refusal = 0;
    bool other_port_answers = false;  ///< The host said that port 9 (discard) is closed: it is there.
    bool host_reports = false;        ///< It has sent an ICMP error, of whatever kind: it is there.
    /// The ICMP error that came back, other than those that say that a port is closed at the host itself; that about the port
    /// that was asked for, if there is one. `to` has the port: 0 of pings.
    std::optional<IcmpReport> report;
    std::optional<std::uint32_t> path_mtu;  ///< Octets: what routers have told by now.

    bool operator==(const ProofFindings&) const = default;
};

/// What was asked of one host and came back, as it passed an interface: before any filter for what comes in, after all for
/// what goes out. What else this machine has to do with the host is not counted.
struct TappedTraffic {
    enum class Protocol : std::uint8_t { icmp, tcp, udp };  // icmp: pings alone
    /// By what a question, and the answer to it, is told from other packets.
    struct Flow {
        Protocol protocol = Protocol::icmp;
        std::uint16_t port = 0;  ///< The own one; of pings their id.

        bool operator==(const Flow&) const = default;
    };
    struct Count {
        InterfaceIndex interface = InterfaceIndex::none;
        Protocol protocol = Protocol::icmp;
        std::uint32_t sent = 0, came = 0;

        bool operator==(const Count&) const = default;
    };
    std::vector<Count> counts;

    bool operator==(const TappedTraffic&) const = default;
};

}  // namespace muster::os
