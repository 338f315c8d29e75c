#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/ids.h"
#include "muster/interface.h"
#include "muster/profile.h"
#include "muster/session_types.h"
#include "muster/time.h"

namespace muster {

/// What a timeline tells of: one type for each kind of thing that a node sees happen. Values.
namespace seen {

/// One way to a peer, as it was when something happened to it.
struct Way {
    Endpoint remote{};        ///< The peer's end.
    std::string interface{};  ///< Ours, by the name that it had then; empty if unknown.
    IpAddress local{};        ///< Ours; unspecified if the kernel chose.

    bool operator==(const Way&) const = default;
};

/// An interface is new, has changed, or is gone: up, carrier, addresses, preferences.
struct InterfaceChanged {
    Interface interface{};  ///< As it is now; as it was last if it is gone.
    bool is_gone = false;

    bool operator==(const InterfaceChanged&) const = default;
};

/// A search for a peer is over.
struct DialEnded {
    enum class Outcome : std::uint8_t {
        linked,  ///< A link stands.
        failed,
        dropped,  ///< Nobody needs it any more.
    };

    Outcome outcome{};
    Duration took{};
    Error why{};                         ///< Of one that failed.
    std::vector<Evidence> candidates{};  ///< What became of each; the first 16.
    std::size_t left_out = 0;            ///< More of them.

    bool operator==(const DialEnded&) const = default;
};

/// An encrypted link to the peer stands.
struct LinkUp {
    Way way{};
    bool is_dialed = false;  ///< This end has looked for the other.
    Duration took{};         ///< The handshake.

    bool operator==(const LinkUp&) const = default;
};

/// A link has ended; the session may go on over another one.
struct LinkEnded {
    Way way{};
    std::optional<Error> lost{};  ///< None: it was closed.
    std::string reason{};         ///< Of a close.
    Duration silence{};           ///< Since the peer was heard last.

    bool operator==(const LinkEnded&) const = default;
};

/// A path to the peer answers, for the first time or again.
struct PathProven {
    Way way{};
    Duration round_trip{};

    bool operator==(const PathProven&) const = default;
};

/// A path that had answered does not serve any more.
struct PathLost {
    Way way{};
    Fault fault = Fault::none;
    std::string why{};   ///< "eth0 has no carrier", "no answer to 4 questions in 43 ms"
    Duration silence{};  ///< Since the first question that nothing has answered.
    bool in_use = false;

    bool operator==(const PathLost&) const = default;
};

/// The link goes on over another path.
struct PathMoved {
    Way from{}, to{};
    std::string why{};
    Fault fault = Fault::none;  ///< Of the path that was left.

    bool operator==(const PathMoved&) const = default;
};

/// It is known now why nothing was heard.
struct FaultFound {
    Error why{};  ///< Error::fault() and the evidence for it.

    bool operator==(const FaultFound&) const = default;
};

/// The kernel refused to send.
struct SendRefused {
    Way way{};
    std::string_view refusal{};  ///< "filtered", "no_route", "no_interface", "no_source"

    bool operator==(const SendRefused&) const = default;
};

/// An ICMP error came back for one of our packets. Anybody who saw the packet can have made it up.
struct IcmpError {
    Endpoint to{};
    std::string_view report{};  ///< "no_port", "prohibited", "no_host", "no_network"
    IpAddress reporter{};

    bool operator==(const IcmpError&) const = default;
};

struct Joined {
    std::string name{};
    bool operator==(const Joined&) const = default;
};

struct Interrupted {
    Error why{};
    bool operator==(const Interrupted&) const = default;
};

struct Resumed {
    Duration after{};
    bool operator==(const Resumed&) const = default;
};

/// A peer has left.
struct Left {
    Departure how = Closed{};
    bool operator==(const Left&) const = default;
};

/// The session of this end is over.
struct Ended {
    Departure how = Closed{};
    bool operator==(const Ended&) const = default;
};

/// The journal of this end failed.
struct JournalFailed {
    Error why{};
    bool operator==(const JournalFailed&) const = default;
};

}  // namespace seen

using Seen = std::variant<seen::InterfaceChanged, seen::DialEnded, seen::LinkUp, seen::LinkEnded,
                          seen::PathProven, seen::PathLost, seen::PathMoved, seen::FaultFound,
                          seen::SendRefused, seen::IcmpError, seen::Joined, seen::Interrupted, seen::Resumed,
                          seen::Left, seen::Ended, seen::JournalFailed>;

/// "interface_changed", "dial_ended", "link_up", "link_ended", "path_proven", "path_lost", "path_moved", "fault_found",
/// "send_refused", "icmp_error", "joined", "interrupted", "resumed", "left", "ended", "journal_failed": stable, for
/// programs.
std::string_view kind_of(const Seen& what);

struct TimelineEntry {
    TimePoint at{};                                ///< When it happened first.
    std::chrono::system_clock::time_point when{};  ///< The same by the clock on the wall, as that stood then.
    /// The same thing that comes again soon (a refused packet, an ICMP error, a dial that fails as the one before) is
    /// one entry: how often it has come, and when last. What is kept of it is the latest.
    std::uint32_t times = 1;
    TimePoint until{};
    std::optional<DeviceId> peer{};  ///< None: it is about nobody in particular.
    Seen what{};
};

/// What a node has seen happen, the latest 1,024 entries and at most 512 KiB of them: its flight recorder, read out. Holds
/// no message, no key and nothing that an application has said but names and reasons.
struct Timeline {
    Timeline() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    TimePoint taken{};  ///< When it was read out.
    DeviceId self;
    bool is_coordinator = false;
    Profile profile = Profile::balanced;
    Duration grace{};
    std::vector<Interface> before;       ///< The interfaces before the first entry.
    std::vector<TimelineEntry> entries;  ///< Oldest first.
    /// Entries that gave their place to later ones, and refused packets and ICMP errors that came too fast to be kept:
    /// beyond 32 at once and 4 a second.
    std::uint64_t left_out = 0;

    /// What matters for one peer: entries about it, and about nobody in particular; the latest `most` of them.
    Timeline of(const DeviceId& peer, std::size_t most) const;
    /// What is at fault with this peer, if it is interrupted or was lost; none if nothing is known of that.
    Fault fault_of(const DeviceId& peer) const;
    /// One line for each of the latest `most` entries: the time on the wall, how long ago, what.
    std::string to_text(std::size_t most) const;
    /// One object, as `timeline` in docs/REPORT.md.
    std::string to_json() const;
    /// A scenario file (docs/LAB.md) with the network and the faults of this timeline, to be run in the simulator or in the
    /// laboratory; docs/REPORT.md says what it does not repeat. Errors: not_connected (no link ever stood: there is
    /// nothing to repeat).
    Result<std::string> to_scenario() const;
};

}  // namespace muster
