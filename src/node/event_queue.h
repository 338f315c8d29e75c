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
        : executor_(std::move(executor)), taken_(std::move(taken)) {}

    void push(Event event);
    std::optional<Event> try_pop();
    /// One waiter at a time: a second one is told queue_full.
    void wait(Session::EventHandler handler);
    void cancel_wait();
    /// No further events: after those queued, waiters are told `closed`.
    void finish();

private:
    void serve();

    boost::asio::any_io_executor executor_;
    std::function<void(const Event&)> taken_;
    std::deque<Event> events_;
    Waiter<Session::EventHandler> waiter_;
    bool finished_ = false;
};

}  // namespace muster::node
