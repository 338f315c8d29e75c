#pragma once

#include <string>
#include <unordered_set>

#include "session/frame.h"

namespace muster::session {

/// What changes a member hears of.
class RosterEvents {
public:
    virtual ~RosterEvents() = default;
    virtual void on_peer_joined(const PeerInfo& peer) = 0;
    virtual void on_peer_left(const PeerInfo& peer, const Departure& how) = 0;
};

/// A member's copy of the roster, kept up by the coordinator's updates.
class MemberRoster {
public:
    MemberRoster(const DeviceId& self, std::size_t limit) : self_(self), limit_(limit) {}

    const Roster& roster() const { return roster_; }
    bool contains(const DeviceId& id) const { return ids_.contains(id); }

    enum class Applied : std::uint8_t { partly, whole, refused };
    /// Applies an update; tells of members that came and went, not of this one and not of the coordinator.
    /// `partly`: the rest follows. `refused`: it does not fit what is known, or is too large.
    Applied apply(RosterUpdate update, RosterEvents& events);
    /// Another process has had what the next updates build on: nothing counts before a full one begins.
    void await_full() { awaits_full_ = true; }
    bool awaits_full() const { return awaits_full_; }

private:
    bool apply_delta(RosterUpdate& update, RosterEvents& events);
    bool apply_full(RosterUpdate& update, RosterEvents& events);
    bool is_told_of(const PeerInfo& peer) const { return peer.id != self_ && !peer.is_coordinator; }

    DeviceId self_;
    std::size_t limit_;
    Roster roster_;
    std::unordered_set<DeviceId> ids_;
    RosterUpdate pending_;  // pieces of an update that is not complete
    bool has_pending_ = false;
    bool awaits_full_ = false;
};

}  // namespace muster::session
