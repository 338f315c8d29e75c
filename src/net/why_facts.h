#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/network_facts.h"
#include "os/address_checks.h"
#include "os/proof_findings.h"

#include "muster/endpoint.h"
#include "muster/time.h"

namespace muster::net {

/// One way to the host: as any socket goes, or as one goes that is bound to an interface.
struct WayFacts {
    InterfaceIndex bound_to = InterfaceIndex::none;
    os::RouteAnswer answer;
    std::optional<os::ProofFindings> proof;      ///< None: nothing was sent this way.
    std::optional<os::NeighbourEntry> next_hop;  ///< After the proof; none: the kernel has no entry.

    InterfaceIndex interface() const {
        return answer.entry.hops.empty() ? InterfaceIndex::none : answer.entry.hops.front().interface;
    }
    bool operator==(const WayFacts&) const = default;
};

/// All that `why` judges by. A value.
struct WhyFacts {
    std::string target;        ///< As it was asked.
    std::string name_trouble;  ///< Why the name has no address; empty: it has, or is an address.
    Endpoint remote;           ///< Port 0: the host alone is asked.
    bool asks_udp = false;
    std::string wanted;  ///< The interface by which it is expected; empty: any.
    NetworkFacts network;
    std::optional<WayFacts> plain;  ///< None where only a bound socket can go: link-local addresses.
    /// By the interface that is wanted, or by one that could be meant instead of that of `plain`.
    std::optional<WayFacts> other;
    std::vector<os::DuplicateAddress> duplicates;
    bool is_ipv6_disabled = false;             ///< On the interface that is wanted, or at all.
    std::uint64_t reverse_path_drops = 0;      ///< By rp_filter, while it was asked.
    std::optional<os::TappedTraffic> traffic;  ///< None: the wire could not be listened to.
    Duration asked_for{};                      ///< How long answers were waited for.
    std::vector<std::string> vanished;         ///< Interfaces that went while it was asked.
    std::vector<std::string> unread;           ///< What could not be looked at, and what that would take.
};

}  // namespace muster::net
