#include "node/event_queue.h"

namespace muster::node {

void EventQueue::push(Event event) {
    events_.push_back(std::move(event));
    serve();
}

std::optional<Event> EventQueue::try_pop() {
    if (events_.empty()) return std::nullopt;
    std::optional<Event> event{std::move(events_.front())};
    events_.pop_front();
    taken_(*event);
    return event;
}

void EventQueue::wait(Session::EventHandler handler) {
    if (waiter_)
        return complete(executor_, std::move(handler),
                        Result<Event>{Error{Errc::queue_full, "next_event is waiting already"}});
    waiter_.emplace(std::move(handler));
    serve();
}

void EventQueue::cancel_wait() {
    if (!waiter_) return;
    complete(executor_, node::take(waiter_),
             Result<Event>{Error{Errc::cancelled, "waiting for an event was cancelled"}});
}

void EventQueue::finish() {
    finished_ = true;
    serve();
}

void EventQueue::serve() {
    if (!waiter_) return;
    if (auto event = try_pop())
        return complete(executor_, node::take(waiter_), Result<Event>{std::move(*event)});
    if (finished_)
        complete(executor_, node::take(waiter_), Result<Event>{Error{Errc::closed, "the session is over"}});
}

}  // namespace muster::node
