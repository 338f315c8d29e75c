#include "node/event_queue.h"

#include <algorithm>
#include <array>

#include "base/log.h"

namespace muster::node {
namespace {

template <class Lane>
EventNumber first_of(const Lane& lane) {
    return lane.empty() ? kNoEvent : lane.front().number;
}

template <class Lane>
auto take_first(Lane& lane) {
    auto value = std::move(lane.front().value);
    lane.pop_front();
    return value;
}

}  // namespace

bool EventQueue::push(Event event) {
    const bool taken = queue(std::move(event));
    serve();
    return taken;
}

void EventQueue::push_opening(Event event, StreamHandle stream) {
    openings_.push(next_++, std::move(event), stream);
    serve();
}

void EventQueue::on_stream_ended(StreamHandle stream) {
    count(dropped_openings_, openings_.on_ended(stream));
}

bool EventQueue::queue(Event event) {
    if (auto* message = std::get_if<Message>(&event)) {
        if (message->delivery != Delivery::unreliable)
            queue_message(std::move(*message));
        else
            count(dropped_unreliable_, unreliable_.push(next_++, std::move(*message)));
        return true;
    }
    if (auto* joined = std::get_if<PeerJoined>(&event)) {
        news_.push(next_++, std::move(*joined));
        return true;
    }
    if (auto* left = std::get_if<PeerLeft>(&event)) {
        count(dropped_news_, news_.push(next_++, std::move(*left)));
        return true;
    }
    if (auto* interrupted = std::get_if<PeerInterrupted>(&event)) {
        news_.push(next_++, std::move(*interrupted));
        return true;
    }
    if (auto* resumed = std::get_if<PeerResumed>(&event)) {
        count(dropped_news_, news_.push(next_++, std::move(*resumed)));
        return true;
    }
    if (auto* change = std::get_if<PathChanged>(&event)) {
        count(dropped_news_, news_.push(next_++, std::move(*change)));
        return true;
    }
    if (auto* found = std::get_if<FaultFound>(&event)) {
        count(dropped_news_, news_.push(next_++, std::move(*found)));
        return true;
    }
    return queue_rest(std::move(event));
}

bool EventQueue::queue_rest(Event event) {
    if (auto* undelivered = std::get_if<Undelivered>(&event)) {
        undelivered_.push_back({next_++, *undelivered});
        if (undelivered_.size() <= kMaxUndelivered) return true;
        undelivered_.pop_front();
        count(dropped_undelivered_, 1);
        return true;
    }
    if (std::holds_alternative<JoinRequest>(event) && requests_++ == kMaxJoinRequests) {
        --requests_;
        return false;
    }
    // One that waits says it already, and the network may repeat it without end.
    if (std::holds_alternative<GroupContested>(event) && std::exchange(is_contested_, true)) return true;
    rest_.push_back({next_++, std::move(event)});
    return true;
}

void EventQueue::queue_message(Message message) {
    Unread& unread = senders_[message.from];
    ++unread.messages;
    unread.octets += message.payload.size() + kEventOverhead;
    messages_.push_back({next_++, std::move(message)});
}

Message EventQueue::pop_message() {
    Message message = take_first(messages_);
    const auto found = senders_.find(message.from);
    Unread& unread = found->second;
    const std::size_t octets = message.payload.size() + kEventOverhead;
    if (unread.left_messages > 0) {
        --unread.left_messages;
        unread.left_octets -= octets;
        left_behind_ -= octets;
    } else {
        --unread.messages;
        unread.octets -= octets;
        taken_(message);
    }
    if (unread.messages + unread.left_messages == 0) senders_.erase(found);
    return message;
}

void EventQueue::on_left_behind(const DeviceId& member) {
    const auto found = senders_.find(member);
    if (found == senders_.end()) return;
    Unread& unread = found->second;
    left_behind_ += unread.octets;
    unread.left_messages += std::exchange(unread.messages, 0);
    unread.left_octets += std::exchange(unread.octets, 0);
    if (left_behind_ <= kMaxLeftBehind) return;
    count(dropped_left_, unread.left_messages);
    left_behind_ -= unread.left_octets;
    senders_.erase(found);
    std::erase_if(messages_, [&](const auto& entry) { return entry.value.from == member; });
}

std::optional<Event> EventQueue::try_pop() {
    const std::array firsts{first_of(messages_), unreliable_.first(),    news_.first(),
                            openings_.first(),   first_of(undelivered_), first_of(rest_)};
    const auto least = std::ranges::min_element(firsts);
    if (*least == kNoEvent) return std::nullopt;
    switch (least - firsts.begin()) {
        case 0: return pop_message();
        case 1: return unreliable_.pop();
        case 2: return news_.pop();
        case 3: return openings_.pop();
        case 4: return take_first(undelivered_);
        default: return pop_rest();
    }
}

Event EventQueue::pop_rest() {
    Event event = take_first(rest_);
    if (std::holds_alternative<JoinRequest>(event)) --requests_;
    if (std::holds_alternative<GroupContested>(event)) is_contested_ = false;
    return event;
}

void EventQueue::wait(WaitId id, Session::EventHandler handler) {
    if (waiter_.begin(id, std::move(handler))) serve();
}

void EventQueue::finish() {
    finished_ = true;
    serve();
}

EventsDropped EventQueue::dropped() const {
    EventsDropped all;
    all.unreliable = dropped_unreliable_;
    all.left_behind = dropped_left_;
    all.peer_news = dropped_news_;
    all.openings = dropped_openings_;
    all.undelivered = dropped_undelivered_;
    return all;
}

void EventQueue::count(Counter& counter, std::size_t dropped) {
    if (dropped == 0) return;
    counter += dropped;
    if (!std::exchange(has_dropped_, true))
        log_line(LogLevel::warning, "the application does not read its events: the oldest are dropped");
}

void EventQueue::serve() {
    if (!waiter_.is_waiting()) return;
    if (auto event = try_pop()) return waiter_.deliver(Result<Event>{std::move(*event)});
    if (finished_) waiter_.deliver(Result<Event>{Error{Errc::closed, "the session is over"}});
}

}  // namespace muster::node
