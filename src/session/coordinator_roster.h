#pragma once

#include <cstdint>
#include <map>
#include <variant>
#include <vector>

#include "session/frame.h"

#include "muster/session_types.h"
#include "muster/time.h"

namespace muster::session {

/// Who is there, as the coordinator knows it, and the updates that bring the copies of the members up to it.
/// Changes are told to everyone in batches: in a large group that fills, a packet to each for every single
/// join would be quadratic, and leave no time for the joins themselves.
class CoordinatorRoster {
public:
    explicit CoordinatorRoster(PeerInfo coordinator);

    const Roster& roster() const { return roster_; }
    std::uint64_t revision() const { return roster_.revision; }

    /// After a restart: all that was added is in copies of that revision.
    void restore(std::uint64_t revision);
    void add(const PeerInfo& peer);
    void remove(const DeviceId& id, const Departure& how);
    /// Makes a revision of what was added and removed since the last one. False: nothing was.
    bool commit();

    /// When everyone is to be told what has changed; kNever if all were told.
    TimePoint due() const { return changes_.empty() ? kNever : due_; }
    /// A copy of that revision can be brought up to date by delta().
    bool covers(std::uint64_t revision) const { return revision >= told_; }
    /// Frames that bring a copy of a covered revision up to date; valid until the next commit() or told().
    const std::vector<Bytes>& delta(std::uint64_t from);
    /// Frames of the whole roster.
    std::vector<Bytes> full() const;
    /// Everyone whom it is any use to tell has been told; `audience` is how many those are.
    void told(TimePoint now, std::size_t audience, std::size_t octets);

private:
    struct Change {
        std::uint64_t revision;
        std::variant<PeerInfo, RosterUpdate::Left> what;
    };

    RosterUpdate changes_since(std::uint64_t revision) const;

    Roster roster_;
    std::uint64_t told_;                                  // the revision that everyone was told
    std::vector<Change> changes_;                         // since; those of a revision to come at the end
    std::map<std::uint64_t, std::vector<Bytes>> deltas_;  // made for members of these revisions
    TimePoint due_{};
};

}  // namespace muster::session
