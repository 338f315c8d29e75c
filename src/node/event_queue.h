#pragma once

#include <deque>
#include <functional>
#include <optional>

#include <boost/asio/any_io_executor.hpp>

#include "node/completion.h"

#include "muster/session.h"

namespace muster::node {

/// Events between the session's strand and the application. Not bounded by itself: messages are bounded by
/// the session's flow control, because credit goes back only when the application takes them; the other
/// events by the roster, the stream and the file limits.
class EventQueue {
public:
    /// `taken` is called with each event on its way out.
    EventQueue(boost::asio::any_io_executor executor, std::function<void(const Event&)> taken)
        : waiter_(std::move(executor), "waiting for an event"), taken_(std::move(taken)) {}

    void push(Event event);
    std::optional<Event> try_pop();
    /// One wait at a time: a second one is told bad_input.
    void wait(WaitId id, Session::EventHandler handler);
    void cancel(WaitId id) { waiter_.cancel(id); }
    /// No further events: after those queued, waiters are told `closed`.
    void finish();

private:
    void serve();

    SingleWaiter<void(Result<Event>)> waiter_;
    std::function<void(const Event&)> taken_;
    std::deque<Event> events_;
    bool finished_ = false;
};

}  // namespace muster::node
