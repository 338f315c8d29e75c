#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>

#include <boost/asio/any_io_executor.hpp>

#include "node/completion.h"
#include "node/event_lanes.h"

#include "muster/session.h"

namespace muster::node {

/// Events between the session's strand and the application, in the order in which they happened. No remote
/// grows it without bound while the application does not read: reliable messages are bounded by the session's
/// flow control, since credit goes back only when they are taken, and by kMaxLeftBehind once their sender is
/// gone; everything else by the limits below and in event_lanes.h. What is dropped is counted.
class EventQueue {
public:
    /// Octets of reliable messages whose senders' sessions are over. Beyond it, those of the member that left
    /// last are dropped: with each new session a member gets new credit, however much it left behind before.
    static constexpr std::size_t kMaxLeftBehind = 64 << 20;
    static constexpr std::size_t kMaxUndelivered = 4096;  ///< the oldest is dropped
    static constexpr std::size_t kMaxJoinRequests = 256;  ///< the newest is not taken

    /// `taken` is called with each reliable message on its way out whose sender is owed credit for it.
    EventQueue(boost::asio::any_io_executor strand, std::function<void(const Message&)> taken)
        : waiter_(std::move(strand), "waiting for an event"), taken_(std::move(taken)) {}

    /// False for a join request that finds no room: the device is to be refused.
    bool push(Event event);
    /// StreamOpened or FileOffered, on this stream.
    void push_opening(Event event, StreamHandle stream);
    void on_stream_ended(StreamHandle stream);
    /// The session with this member is over: its messages are owed to nobody.
    void on_left_behind(const DeviceId& member);

    std::optional<Event> try_pop();
    /// One wait at a time: a second one is told bad_input.
    void wait(WaitId id, Session::EventHandler handler);
    void cancel(WaitId id) { waiter_.cancel(id); }
    /// No further events: after those queued, waiters are told `closed`.
    void finish();

    /// Any thread.
    EventsDropped dropped() const;

private:
    template <class Value>
    struct Numbered {
        EventNumber number = 0;
        Value value;
    };
    template <class Value>
    using Lane = std::deque<Numbered<Value>>;
    struct Unread {
        std::size_t messages = 0, octets = 0;
        std::size_t left_messages = 0, left_octets = 0;  // of former sessions; older than the others
    };
    using Counter = std::atomic<std::uint64_t>;

    bool queue(Event event);
    bool queue_rest(Event event);
    void queue_message(Message message);
    Message pop_message();
    Event pop_rest();
    void count(Counter& counter, std::size_t dropped);
    void serve();

    SingleWaiter<void(Result<Event>)> waiter_;
    std::function<void(const Message&)> taken_;

    EventNumber next_ = 0;
    Lane<Message> messages_;  // reliable ones
    std::unordered_map<DeviceId, Unread> senders_;
    std::size_t left_behind_ = 0;  // octets
    UnreliableLane unreliable_;
    PeerNewsLane news_;
    OpeningLane openings_;
    Lane<Undelivered> undelivered_;
    Lane<Event> rest_;
    std::size_t requests_ = 0;   // in rest_
    bool is_contested_ = false;  // GroupContested is in rest_
    Counter dropped_unreliable_{0}, dropped_left_{0}, dropped_news_{0}, dropped_openings_{0},
        dropped_undelivered_{0};
    bool has_dropped_ = false;
    bool finished_ = false;
};

}  // namespace muster::node
