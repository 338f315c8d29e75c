#include "node/coordinator_core.h"

#include <algorithm>

namespace muster::node {

Result<std::unique_ptr<CoordinatorCore>> CoordinatorCore::create(link::LinkOptions link,
                                                                 session::CoordinatorOptions session,
                                                                 Randomness& random, link::Medium& medium,
                                                                 session::CoordinatorListener& listener) {
    const DeviceId self = link.key.id();
    link.accepts = true;
    std::unique_ptr<CoordinatorCore> core{new CoordinatorCore(std::move(link), random, medium)};
    auto engine = session::CoordinatorEngine::create(std::move(session), self, random, listener);
    if (!engine) return engine.error();
    core->session_ = std::move(*engine);
    return core;
}

CoordinatorCore::CoordinatorCore(link::LinkOptions link, Randomness& random, link::Medium& medium)
    : links_(std::move(link), random, medium, *this) {}

const link::LinkPort* CoordinatorCore::link_of(const DeviceId& member) const {
    const auto found = ports_.find(member);
    return found == ports_.end() ? nullptr : found->second;
}

void CoordinatorCore::on_datagram(const link::Path& from, ByteView datagram, std::uint8_t ecn,
                                  TimePoint now) {
    now_ = now;
    links_.on_datagram(from, datagram, ecn, now);
}

void CoordinatorCore::on_interfaces(std::span<const Interface> interfaces, TimePoint now) {
    now_ = now;
    links_.on_interfaces(interfaces, now);
}

void CoordinatorCore::on_timer(TimePoint now) {
    now_ = now;
    links_.on_timer(now);
    session_->on_timer(now);
}

TimePoint CoordinatorCore::next_wakeup() const {
    return std::min(links_.next_wakeup(), session_->next_wakeup());
}

bool CoordinatorCore::flush(TimePoint now) {
    now_ = now;
    session_->flush(now);
    links_.flush(now);
    session_->flush(now);  // what the links told while they wrote: streams became writable, links ended
    return links_.flush(now);
}

bool CoordinatorCore::on_admit(const DeviceId&, std::optional<link::DialId>) {
    return true;  // refusing needs a reason, and only the session can tell it to the other side
}

link::LinkHandler& CoordinatorCore::on_link_up(link::LinkPort& link, const link::LinkFacts&,
                                               std::optional<link::DialId>) {
    ports_[link.peer()] = &link;
    return session_->on_link_up(link, now_);
}

void CoordinatorCore::on_link_end(link::LinkPort& link, const link::LinkEnd& end) {
    if (const auto found = ports_.find(link.peer()); found != ports_.end() && found->second == &link)
        ports_.erase(found);
    session_->on_link_down(link, session_end(end), now_);
}

session::LinkEnd session_end(const link::LinkEnd& end) {
    if (const auto* closed = std::get_if<link::LinkClosed>(&end))
        return session::LinkClosed{closed->code, closed->reason};
    return std::get<Error>(end);
}

}  // namespace muster::node
