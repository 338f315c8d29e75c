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

void EventQueue::wait(WaitId id, Session::EventHandler handler) {
    if (waiter_.begin(id, std::move(handler))) serve();
}

void EventQueue::finish() {
    finished_ = true;
    serve();
}

void EventQueue::serve() {
    if (!waiter_.is_waiting()) return;
    if (auto event = try_pop()) return waiter_.deliver(Result<Event>{std::move(*event)});
    if (finished_) waiter_.deliver(Result<Event>{Error{Errc::closed, "the session is over"}});
}

}  // namespace muster::node
