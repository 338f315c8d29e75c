#include "link/quic_link.h"

#include <algorithm>

namespace muster::link {

void QuicLink::bring_up(LinkHandler& handler, Profile profile, TimePoint now) {
    handler_ = &handler;
    liveness_.emplace(profile, dial_.has_value(), now);
}

void QuicLink::begin_paths(Profile profile, TimePoint now) {
    handshake_took_ = now - started_;
    if (const Path* path = engine_.find_path(path_); path && dial_) paths_.emplace(profile, *path, now);
}

void QuicLink::derive_keys() {
    const Bytes material = connection_->export_key("EXPORTER-muster-heartbeat", {}, HeartbeatKeys::kMaterial);
    keys_ = HeartbeatKeys::from(material, dial_.has_value());
}

void QuicLink::set_path(quic::PathId path) {
    engine_.pin(path);
    engine_.unpin(path_);
    path_ = path;
}

TimePoint QuicLink::next_wakeup(TimePoint now) const {
    if (!liveness_) return kNever;
    const TimePoint next = std::min(liveness_->next_wakeup(), way_back_.next_wakeup());
    return paths_ ? std::min(next, paths_->next_wakeup(now)) : next;
}

void QuicLink::on_heard() {
    if (!liveness_ || !is_up()) return;
    liveness_->on_heard(engine_.now_);
    // Most packets change nothing for the paths, and looking at all of them for each would cost.
    if (!paths_ || paths_->on_traffic(engine_.now_)) engine_.reschedule(*this);
}

Bytes QuicLink::ask(TimePoint now) {
    if (const auto current = paths_ ? paths_->current_index() : std::nullopt) return ask(*current, now);
    last_asked_ = now;
    last_question_ = ++sent_counter_;
    return encode(Heartbeat{.counter = last_question_}, keys_);
}

Bytes QuicLink::ask(PathTable::Index path, TimePoint now) {
    if (!paths_) return ask(now);
    const bool full = paths_->wants_full(path, now);
    paths_->on_asked(path, ++sent_counter_, full, now);
    const auto kind = full ? Heartbeat::Kind::full : Heartbeat::Kind::small;
    return encode(Heartbeat{.kind = kind, .counter = sent_counter_}, keys_);
}

Bytes QuicLink::leave_request() {
    return encode(
        Heartbeat{.kind = Heartbeat::Kind::leave, .counter = ++sent_counter_, .echo = way_back_.number()},
        keys_);
}

QuicLink::Heard QuicLink::on_heartbeat(ByteView datagram, const Path& from, TimePoint now) {
    const auto beat = open_heartbeat(datagram, keys_);
    if (!beat || !heard_.take(beat->counter) || !liveness_) return {};
    liveness_->on_heard(now);
    const Path* current = engine_.find_path(path_);
    if (!paths_ && current && *current != from) way_back_.note(from);
    if (beat->is_question())
        return {true, encode(Heartbeat{.kind = beat->kind, .counter = ++sent_counter_, .echo = beat->counter},
                             keys_)};
    if (beat->is_answer() && !paths_ && beat->echo == last_question_) rtt_ = now - last_asked_;
    if (beat->is_answer() && paths_) paths_->on_answer(beat->echo, from, now);
    if (beat->is_leave_request() && paths_) paths_->on_leave_request(from, beat->echo, now);
    return {true, std::nullopt};
}

// Anybody may have sent it; more often than this nobody makes us ask.
void QuicLink::on_unknown(TimePoint now) {
    if (!liveness_ || now < not_doubted_before_) return;
    not_doubted_before_ = now + std::chrono::milliseconds{100};
    connection_->send_datagram(Slice::from(Bytes(1)));  // too short to be a message of a session
}

Result<StreamId> QuicLink::open_stream(Direction direction) {
    return connection_->open_stream(direction == Direction::bidirectional ? quic::Direction::bidirectional
                                                                          : quic::Direction::unidirectional);
}

void QuicLink::let_in() {
    connection_->let_in();
    engine_.record_link_up(*this);
}

bool QuicLink::on_admit(const DeviceId& peer) {
    refused_ = !engine_.admit(*this, peer);
    return !refused_;
}

void QuicLink::on_stream_data(quic::StreamId stream, ByteView data, bool fin) {
    if (handler_) handler_->on_stream_data(stream, data, fin);
}

void QuicLink::on_stream_reset(quic::StreamId stream, std::uint64_t code) {
    if (handler_) handler_->on_stream_reset(stream, code);
}

void QuicLink::on_stop_sending(quic::StreamId stream, std::uint64_t code) {
    if (handler_) handler_->on_stop_sending(stream, code);
}

void QuicLink::on_stream_closed(quic::StreamId stream) {
    if (handler_) handler_->on_stream_closed(stream);
}

void QuicLink::on_stream_writable(quic::StreamId stream) {
    if (handler_) handler_->on_stream_writable(stream);
}

void QuicLink::on_streams_available(quic::Direction direction) {
    if (!handler_) return;
    handler_->on_streams_available(direction == quic::Direction::bidirectional ? Direction::bidirectional
                                                                               : Direction::unidirectional);
}

void QuicLink::on_datagram(ByteView payload) {
    if (handler_) handler_->on_datagram(payload);
}

void QuicLink::on_path_changed(quic::PathId path) {
    if (path != path_) engine_.path_changed(*this, path);
}

}  // namespace muster::link
