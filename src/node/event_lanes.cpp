#include "node/event_lanes.h"

#include <algorithm>
#include <utility>

namespace muster::node {

// UnreliableLane

std::size_t UnreliableLane::push(EventNumber number, Message message) {
    octets_ += message.payload.size() + kEventOverhead;
    queue_.push_back({number, std::move(message), {}});
    const Place place = std::prev(queue_.end());
    Sender& sender = senders_[place->message.from];
    if (sender.messages++ == 0)
        sender.first = place;
    else
        sender.last->next = place;
    sender.last = place;
    std::size_t dropped = 0;
    for (; octets_ > kMaxOctets && queue_.size() > 1; ++dropped)
        (void)take(sender.messages > 1 ? sender.first : queue_.begin());
    return dropped;
}

Message UnreliableLane::take(Place place) {
    const auto found = senders_.find(place->message.from);
    found->second.first = place->next;
    if (--found->second.messages == 0) senders_.erase(found);
    octets_ -= place->message.payload.size() + kEventOverhead;
    Message message = std::move(place->message);
    queue_.erase(place);
    return message;
}

// PeerNewsLane

void PeerNewsLane::push(EventNumber number, PeerJoined joined) {
    const DeviceId id = joined.peer.id;
    queue_.push_back({number, std::move(joined)});
    joins_.insert_or_assign(id, std::prev(queue_.end()));
}

void PeerNewsLane::push(EventNumber number, PeerInterrupted interrupted) {
    const DeviceId id = interrupted.peer.id;
    queue_.push_back({number, std::move(interrupted)});
    interruptions_.insert_or_assign(id, std::prev(queue_.end()));
}

std::size_t PeerNewsLane::push(EventNumber number, PathChanged change) {
    const DeviceId id = change.peer.id;
    return push_latest(moves_, number, id, std::move(change));
}

std::size_t PeerNewsLane::push(EventNumber number, FaultFound found) {
    const DeviceId id = found.peer.id;
    return push_latest(faults_, number, id, std::move(found));
}

std::size_t PeerNewsLane::push_latest(Beginnings& latest, EventNumber number, const DeviceId& id,
                                      Event event) {
    const std::size_t dropped = fold(latest, id) ? 1 : 0;
    queue_.push_back({number, std::move(event)});
    latest.insert_or_assign(id, std::prev(queue_.end()));
    return dropped;
}

std::size_t PeerNewsLane::push(EventNumber number, PeerLeft left) {
    std::size_t dropped = fold(interruptions_, left.peer.id) ? 1 : 0;
    dropped += fold(moves_, left.peer.id) ? 1 : 0;
    dropped += fold(faults_, left.peer.id) ? 1 : 0;
    if (fold(joins_, left.peer.id)) return dropped + 2;
    queue_.push_back({number, std::move(left)});
    return dropped;
}

std::size_t PeerNewsLane::push(EventNumber number, PeerResumed resumed) {
    const std::size_t dropped = fold(faults_, resumed.peer.id) ? 1 : 0;
    if (fold(interruptions_, resumed.peer.id)) return dropped + 2;
    queue_.push_back({number, std::move(resumed)});
    return dropped;
}

bool PeerNewsLane::fold(Beginnings& beginnings, const DeviceId& id) {
    const auto found = beginnings.find(id);
    if (found == beginnings.end()) return false;
    const Place place = found->second;
    beginnings.erase(found);
    if (queue_.size() <= kMaxTold) return false;
    queue_.erase(place);
    return true;
}

void PeerNewsLane::forget(Beginnings& beginnings, const DeviceId& id, Place place) {
    const auto found = beginnings.find(id);
    if (found != beginnings.end() && found->second == place) beginnings.erase(found);
}

Event PeerNewsLane::pop() {
    const Place place = queue_.begin();
    Event event = std::move(place->event);
    if (const auto* joined = std::get_if<PeerJoined>(&event)) forget(joins_, joined->peer.id, place);
    if (const auto* interrupted = std::get_if<PeerInterrupted>(&event))
        forget(interruptions_, interrupted->peer.id, place);
    if (const auto* change = std::get_if<PathChanged>(&event)) forget(moves_, change->peer.id, place);
    if (const auto* found = std::get_if<FaultFound>(&event)) forget(faults_, found->peer.id, place);
    queue_.pop_front();
    return event;
}

// OpeningLane

void OpeningLane::push(EventNumber number, Event event, StreamHandle stream) {
    queue_.push_back({number, std::move(event), stream});
    live_.emplace(stream, std::prev(queue_.end()));
}

std::size_t OpeningLane::on_ended(StreamHandle stream) {
    const auto found = live_.find(stream);
    if (found == live_.end()) return 0;
    ended_.push_back(found->second);
    live_.erase(found);
    if (ended_.size() <= kMaxEnded) return 0;
    queue_.erase(ended_.front());
    ended_.pop_front();
    return 1;
}

Event OpeningLane::pop() {
    const Place place = queue_.begin();
    Event event = std::move(place->event);
    if (live_.erase(place->stream) == 0) std::erase(ended_, place);
    queue_.pop_front();
    return event;
}

}  // namespace muster::node
