#include "session/member_roster.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

namespace muster::session {

MemberRoster::Applied MemberRoster::apply(RosterUpdate update, RosterEvents& events) {
    const bool begins_full = update.kind == RosterUpdate::Kind::full && !update.joined.empty() &&
                             update.joined.front().is_coordinator;
    if (awaits_full_ && !begins_full) return Applied::partly;
    awaits_full_ = false;
    if (!has_pending_) {
        pending_ = std::move(update);
        has_pending_ = true;
    } else {
        if (update.kind != pending_.kind || update.to != pending_.to) return Applied::refused;
        pending_.more = update.more;
        std::ranges::move(update.joined, std::back_inserter(pending_.joined));
        std::ranges::move(update.left, std::back_inserter(pending_.left));
    }
    if (pending_.joined.size() > limit_ || pending_.left.size() > limit_) return Applied::refused;
    if (pending_.more) return Applied::partly;
    has_pending_ = false;
    RosterUpdate whole = std::exchange(pending_, {});
    const bool is_newer = whole.to > roster_.revision;
    const bool is_repeated = whole.kind == RosterUpdate::Kind::full && whole.to == roster_.revision;
    if (!is_newer && !is_repeated) return Applied::refused;
    const bool fits =
        whole.kind == RosterUpdate::Kind::full ? apply_full(whole, events) : apply_delta(whole, events);
    return fits ? Applied::whole : Applied::refused;
}

bool MemberRoster::apply_delta(RosterUpdate& update, RosterEvents& events) {
    if (update.from != roster_.revision) return false;
    std::vector<std::pair<PeerInfo, Departure>> gone;
    for (auto& [id, how] : update.left) {
        const auto found = std::ranges::find(roster_.peers, id, &PeerInfo::id);
        if (found == roster_.peers.end()) return false;
        ids_.erase(id);
        gone.emplace_back(std::move(*found), std::move(how));
        roster_.peers.erase(found);
    }
    if (roster_.peers.size() + update.joined.size() > limit_) return false;
    const std::size_t before = roster_.peers.size();
    for (PeerInfo& peer : update.joined) {
        if (!ids_.insert(peer.id).second) return false;
        roster_.peers.push_back(std::move(peer));
    }
    roster_.revision = update.to;
    for (const auto& [peer, how] : gone)
        if (is_told_of(peer)) events.on_peer_left(peer, how);
    for (std::size_t i = before; i < roster_.peers.size(); ++i)
        if (is_told_of(roster_.peers[i])) events.on_peer_joined(roster_.peers[i]);
    return true;
}

bool MemberRoster::apply_full(RosterUpdate& update, RosterEvents& events) {
    std::unordered_set<DeviceId> ids;
    for (const PeerInfo& peer : update.joined)
        if (!ids.insert(peer.id).second) return false;
    const Roster before = std::exchange(roster_, {});
    ids_ = std::move(ids);
    roster_.revision = update.to;
    roster_.peers = std::move(update.joined);
    std::unordered_map<DeviceId, const PeerInfo*> former;
    for (const PeerInfo& peer : before.peers) former.emplace(peer.id, &peer);
    // A peer that is described differently has left and come back.
    std::unordered_set<DeviceId> same;
    for (const PeerInfo& peer : roster_.peers)
        if (const auto old = former.find(peer.id); old != former.end() && *old->second == peer)
            same.insert(peer.id);
    const Departure unseen = Error{Errc::lost, "it left while the coordinator could not tell this end"};
    for (const PeerInfo& peer : before.peers)
        if (is_told_of(peer) && !same.contains(peer.id)) events.on_peer_left(peer, unseen);
    for (const PeerInfo& peer : roster_.peers)
        if (is_told_of(peer) && !same.contains(peer.id)) events.on_peer_joined(peer);
    return true;
}

}  // namespace muster::session
