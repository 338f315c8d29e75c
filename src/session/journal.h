#pragma once

#include <compare>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/slice.h"

namespace muster::session {

/// What a row of the journal is about.
enum class JournalPart : std::uint8_t {
    owner = 0,     ///< the coordinator or member itself; of session 0
    identity = 1,  ///< who the peer is, and what was agreed with it
    counters = 2,  ///< credit, and how many messages there were
    out_lane = 3,  ///< one for each lane: where it ends, and the last address on it
    octets = 4,  ///< one for each piece of a lane that the peer has not acknowledged; offset: where it begins
    in_lane = 5,  ///< one for each lane: how far it was received, and the last address on it
    message = 6,  ///< one for each message that waits for the application; offset: its number
    streams = 7,  ///< which numbers were used, and which streams are open
    roster = 8,   ///< the revision that the peer was sent
};

struct JournalKey {
    std::uint32_t session = 0;
    JournalPart part{};
    std::uint64_t lane = 0;
    std::uint64_t offset = 0;

    auto operator<=>(const JournalKey&) const = default;
};

struct JournalEntry {
    JournalKey key;
    std::uint64_t number = 0;  ///< below 2^62; what it counts depends on the part
    Slice value;
};

/// What another process left in a journal.
struct JournalContents {
    std::vector<JournalEntry> entries;   ///< sorted by key
    std::vector<std::uint32_t> damaged;  ///< sessions of which something is missing; none of their entries
};

/// Changes of a journal, to be made in this order, all of them or none.
class JournalBatch {
public:
    enum class Kind : std::uint8_t {
        put,            ///< replaces the entry with the same key
        erase_below,    ///< of the same session, part and lane: all with a lower offset
        erase_session,  ///< all of the session
    };
    struct Change {
        Kind kind{};
        JournalEntry entry;
    };

    void put(const JournalKey& key, std::uint64_t number, Slice value = {}) {
        changes_.push_back({Kind::put, {key, number, std::move(value)}});
    }
    void erase_below(const JournalKey& key) { changes_.push_back({Kind::erase_below, {key, 0, {}}}); }
    void erase_session(std::uint32_t session) {
        changes_.push_back({Kind::erase_session, {{.session = session}, 0, {}}});
    }

    bool empty() const { return changes_.empty(); }
    const std::vector<Change>& changes() const { return changes_; }

private:
    std::vector<Change> changes_;
};

/// Keeps what the sessions of one engine must not forget when the process dies. The engine hands over one batch
/// at a time, and lets nobody know of what is in it (no octet leaves, nothing is acknowledged, no message
/// reaches the application) before it is told that the batch is safe.
class Journal {
public:
    virtual ~Journal() = default;
    /// Begins to write. The engine's on_journal_written() or on_journal_failed() is to be called, later and not from
    /// inside, on its strand.
    virtual void write(JournalBatch batch) = 0;
};

}  // namespace muster::session
