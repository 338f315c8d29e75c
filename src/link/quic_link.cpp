#include "link/quic_link.h"

namespace muster::link {

void QuicLink::bring_up(LinkHandler& handler, Profile profile, TimePoint now) {
    handler_ = &handler;
    liveness_.emplace(profile, dial_.has_value(), now);
}

void QuicLink::derive_keys() {
    const Bytes material = connection_->export_key("EXPORTER-muster-heartbeat", {}, HeartbeatKeys::kMaterial);
    keys_ = HeartbeatKeys::from(material, dial_.has_value());
}

void QuicLink::on_heard() {
    if (!liveness_ || !is_up()) return;
    liveness_->on_heard(engine_.now_);
    engine_.reschedule(*this);
}

Bytes QuicLink::heartbeat_request(TimePoint now) {
    last_request_ = now;
    return encode(Heartbeat{.counter = ++sent_counter_}, keys_);
}

std::optional<Bytes> QuicLink::on_heartbeat(ByteView datagram, TimePoint now) {
    const auto beat = open_heartbeat(datagram, keys_);
    if (!beat || beat->counter <= highest_heard_) return std::nullopt;
    highest_heard_ = beat->counter;
    on_heard();
    if (!beat->is_request()) {
        if (beat->echo == sent_counter_) rtt_ = now - last_request_;
        return std::nullopt;
    }
    return encode(Heartbeat{.counter = ++sent_counter_, .echo = beat->counter}, keys_);
}

Result<StreamId> QuicLink::open_stream(Direction direction) {
    return connection_->open_stream(direction == Direction::bidirectional ? quic::Direction::bidirectional
                                                                          : quic::Direction::unidirectional);
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
    engine_.pin(path);
    engine_.unpin(path_);
    path_ = path;
}

}  // namespace muster::link
