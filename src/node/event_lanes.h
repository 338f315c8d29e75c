#pragma once

#include <cstdint>
#include <limits>
#include <list>
#include <unordered_map>

#include "muster/session.h"

namespace muster::node {

/// An event's place in the order of all that happened.
using EventNumber = std::uint64_t;
inline constexpr EventNumber kNoEvent = std::numeric_limits<EventNumber>::max();

/// What an event costs besides its payload, in octets: the lists' nodes and the allocations. Counted, so that
/// a flood of empty messages meets a limit too.
inline constexpr std::size_t kEventOverhead = 256;

// The kinds of events that flow control does not bound, each in a queue of its own with its own limit.
// EventQueue merges them in their order. first(): the number of the next one, or kNoEvent.

/// Unreliable messages. Beyond kMaxOctets the oldest of the same sender goes, so that a flood displaces
/// itself first; of a sender that has no other, the oldest of all.
class UnreliableLane {
public:
    static constexpr std::size_t kMaxOctets = 4 << 20;

    UnreliableLane() = default;
    UnreliableLane(const UnreliableLane&) = delete;  // it keeps iterators
    UnreliableLane& operator=(const UnreliableLane&) = delete;

    /// Returns how many messages were dropped for it.
    std::size_t push(EventNumber number, Message message);
    EventNumber first() const { return queue_.empty() ? kNoEvent : queue_.front().number; }
    Message pop() { return take(queue_.begin()); }

private:
    struct Entry {
        EventNumber number = 0;
        Message message;
        std::list<Entry>::iterator next;  // of the same sender; unless it is the last of them
    };
    using Place = std::list<Entry>::iterator;
    struct Sender {
        Place first, last;
        std::size_t messages = 0;
    };

    Message take(Place place);  // the first of its sender

    std::list<Entry> queue_;
    std::unordered_map<DeviceId, Sender> senders_;
    std::size_t octets_ = 0;
};

/// Who came and who left, whose link went and who is back. Told one by one; while kMaxTold wait, a beginning of which
/// the application has not heard when it ends is not told at all, nor is that end: arrival and departure, interruption
/// and resumption; of an interruption that ends in a departure, the departure is; of two changes of a path, or two faults found, the later
/// one. So at most one of each kind per peer is added to those, and members come and go without end in bounded
/// memory.
class PeerNewsLane {
public:
    static constexpr std::size_t kMaxTold = 1024;

    PeerNewsLane() = default;
    PeerNewsLane(const PeerNewsLane&) = delete;  // it keeps iterators
    PeerNewsLane& operator=(const PeerNewsLane&) = delete;

    void push(EventNumber number, PeerJoined joined);
    void push(EventNumber number, PeerInterrupted interrupted);
    std::size_t push(EventNumber number, PathChanged change);
    std::size_t push(EventNumber number, FaultFound found);
    /// Returns how many events were dropped.
    std::size_t push(EventNumber number, PeerLeft left);
    std::size_t push(EventNumber number, PeerResumed resumed);
    EventNumber first() const { return queue_.empty() ? kNoEvent : queue_.front().number; }
    Event pop();

private:
    struct Entry {
        EventNumber number = 0;
        Event event;
    };
    using Place = std::list<Entry>::iterator;
    using Beginnings = std::unordered_map<DeviceId, Place>;  // unread, and not followed by their end

    static void forget(Beginnings& beginnings, const DeviceId& id, Place place);
    std::size_t push_latest(Beginnings& latest, EventNumber number, const DeviceId& id, Event event);
    /// Drops the beginning, if it is there and there is no room.
    bool fold(Beginnings& beginnings, const DeviceId& id);

    std::list<Entry> queue_;
    Beginnings joins_, interruptions_, moves_, faults_;
};

/// Streams that were opened and files that were offered. Those that live are bounded by
/// SessionLimits::streams; of those that ended before the application heard of them the newest kMaxEnded are
/// kept, for a stream may have brought all its octets.
class OpeningLane {
public:
    static constexpr std::size_t kMaxEnded = 64;

    OpeningLane() = default;
    OpeningLane(const OpeningLane&) = delete;  // it keeps iterators
    OpeningLane& operator=(const OpeningLane&) = delete;

    void push(EventNumber number, Event event, StreamHandle stream);
    /// The stream has ended. Returns how many events were dropped.
    std::size_t on_ended(StreamHandle stream);
    EventNumber first() const { return queue_.empty() ? kNoEvent : queue_.front().number; }
    Event pop();

private:
    struct Entry {
        EventNumber number = 0;
        Event event;
        StreamHandle stream{};
    };
    using Place = std::list<Entry>::iterator;

    std::list<Entry> queue_;
    std::unordered_map<StreamHandle, Place> live_;
    std::list<Place> ended_;  // oldest end first
};

}  // namespace muster::node
