#include "discovery/event_board.h"

#include <utility>

namespace muster::discovery {

void EventBoard::push(const ServiceEvent& event) {
    using enum ServiceEvent::Kind;
    const auto place = waiting_.find(event.instance.name);
    if (place == waiting_.end()) {
        waiting_[event.instance.name] = order_.insert(order_.end(), event);
        return;
    }
    auto& waiting = *place->second;
    const auto was = waiting.kind;
    if (was == found && event.kind == left) {  // came and went unseen
        order_.erase(place->second);
        waiting_.erase(place);
        return;
    }
    waiting = event;
    if (was == found) waiting.kind = found;
    if (was == left && event.kind == found) waiting.kind = updated;
}

std::optional<ServiceEvent> EventBoard::pop() {
    if (order_.empty()) return std::nullopt;
    std::optional<ServiceEvent> event{std::move(order_.front())};
    waiting_.erase(event->instance.name);
    order_.pop_front();
    return event;
}

}  // namespace muster::discovery
