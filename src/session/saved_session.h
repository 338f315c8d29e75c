#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "session/frame.h"
#include "session/inbox.h"
#include "session/journal.h"
#include "session/outbox.h"

#include "muster/session_types.h"
#include "muster/time.h"

namespace muster::session {

/// No number in a journal is larger: none that counts octets or messages gets there, and sums stay far from the end.
inline constexpr std::uint64_t kMostCounted = std::uint64_t{1} << 60;

/// Who a session is with, and what was agreed with it.
struct SessionIdentity {
    PeerInfo peer;
    SessionId session{};
    Secret secret{};
    SessionLimits limits;  ///< ours, as the peer knows them
    ReceiveLimits peer_limits;
    Duration grace{};

    Bytes encoded() const;
    static std::optional<SessionIdentity> parse(ByteView value);
};

/// Counters of one session.
struct SessionCounters {
    Inbox::Counters inbox;
    std::uint64_t saved_cost = 0;    ///< Outbox
    std::uint64_t next_message = 0;  ///< KeptMessages

    Bytes encoded() const;
    static std::optional<SessionCounters> parse(ByteView value);
};

/// One session as a journal has it.
struct SavedSession {
    SessionIdentity identity;
    SessionCounters counters;
    std::vector<SavedOutLane> out_lanes;
    std::vector<SavedInLane> in_lanes;
    std::vector<JournalEntry> messages;
    Slice streams;
    std::uint64_t roster_sent = 0;

    /// From all entries of one session, sorted by key; none if they do not make one.
    static std::optional<SavedSession> parse(std::span<const JournalEntry> entries);
};

}  // namespace muster::session
