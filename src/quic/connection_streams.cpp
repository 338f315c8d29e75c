// The application's streams on their bearers: opening, orders, credit, and what the peer says about them.

#include <algorithm>

#include "quic/connection_impl.h"

namespace muster::quic {
namespace {

StreamKind kind_of(Direction direction) {
    return direction == Direction::unidirectional ? StreamKind::one_way : StreamKind::two_way;
}

}  // namespace

Result<StreamId> ConnectionImpl::open_stream(Direction direction) {
    if (!conn_ || pending_close_) return Error{Errc::not_connected, "the connection is closed"};
    StreamId bearer = -1;
    const int rv = ngtcp2_conn_open_bidi_stream(conn_.get(), &bearer, nullptr);
    if (rv == NGTCP2_ERR_STREAM_ID_BLOCKED)
        return Error{Errc::queue_full, "the peer allows no more streams now"};
    if (rv != 0) return Error{Errc::not_connected, std::string{"opening a stream: "} + ngtcp2_strerror(rv)};
    Stream& stream = add_stream(bearer);
    stream.local = true;
    stream.kind = kind_of(direction);
    if (stream.kind == StreamKind::one_way) stream.id |= kOneWayBit;
    ngtcp2_conn_set_stream_user_data(conn_.get(), bearer, &stream);
    return stream.id;
}

Stream* ConnectionImpl::find(StreamId id) {
    const auto it = streams_.find(bearer_of(id));
    if (it == streams_.end() || it->second.kind == StreamKind::unknown || it->second.id != id) return nullptr;
    return &it->second;
}

const Stream* ConnectionImpl::find(StreamId id) const { return const_cast<ConnectionImpl*>(this)->find(id); }

Stream& ConnectionImpl::add_stream(StreamId bearer) {
    return streams_.try_emplace(bearer, bearer).first->second;
}

void ConnectionImpl::make_ready(Stream& stream) {
    stream.unlink();
    ready_.push_back(stream);
    mark_dirty();
}

void ConnectionImpl::announce(Stream& stream) {
    if (!stream.local || std::exchange(stream.announced, true)) return;
    static constexpr std::byte kOctets[] = {std::byte{0}, std::byte{1}};
    const auto which = static_cast<std::size_t>(stream.kind);
    stream.queue.push(Slice{nullptr, ByteView{kOctets}.subspan(which, 1)});
    stream.announcing = true;
}

void ConnectionImpl::write(StreamId id, Slice octets) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->send_closed || stream->finishing || !can_send(id) || octets.empty())
        return;
    announce(*stream);
    stream->queue.push(std::move(octets));
    if (stream->queue.unsent() >= shared_.config.low_water) stream->above_low_water = true;
    if (!stream->is_linked()) make_ready(*stream);
}

void ConnectionImpl::finish(StreamId id) {
    Stream* stream = find(id);
    if (stream == nullptr || !can_send(id)) return;
    announce(*stream);
    end_sending(*stream);
}

void ConnectionImpl::end_sending(Stream& stream) {
    if (stream.send_closed || std::exchange(stream.finishing, true)) return;
    if (!stream.is_linked()) make_ready(stream);
}

void ConnectionImpl::reset(StreamId id, std::uint64_t code) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->send_closed || !can_send(id)) return;
    stream->reset_code = std::min(code, kLargestCode);
    const bool unheard = stream->local && (!stream->announced || stream->announcing);
    stop(*stream);
    orders_.push_back(stream->bearer());
    mark_dirty();
    if (!unheard) return;
    // A peer that hears of the reset first never ends its direction of the bearer: so the
    // kind goes out before.
    stream->announced = false;
    announce(*stream);
    make_ready(*stream);
}

void ConnectionImpl::stop_sending(StreamId id, std::uint64_t code) {
    Stream* stream = find(id);
    if (stream == nullptr || stream->stop_ordered || !can_receive(id)) return;
    stream->stop_code = std::min(code, kLargestCode);
    stream->stop_ordered = true;
    orders_.push_back(stream->bearer());
    mark_dirty();
}

std::size_t ConnectionImpl::unsent(StreamId id) const {
    const Stream* stream = find(id);
    return stream == nullptr ? 0 : stream->queue.unsent() - (stream->announcing ? 1 : 0);
}

void ConnectionImpl::return_credit(StreamId bearer, std::size_t octets) {
    ngtcp2_conn_extend_max_stream_offset(conn_.get(), bearer, octets);
    ngtcp2_conn_extend_max_offset(conn_.get(), octets);
    mark_dirty();
}

void ConnectionImpl::let_in() {
    if (!conn_ || !Arrival::is_stranger || Arrival::crowd == nullptr) return;
    shared_.arrivals.leave(*this);
    const Config& config = shared_.config;
    const std::uint64_t window = config.stranger_window.value_or(config.connection_window);
    const std::uint64_t all_streams = config.max_streams_bidi + config.max_streams_uni;
    const std::uint64_t streams = config.stranger_streams.value_or(all_streams);
    if (window < config.connection_window)
        ngtcp2_conn_extend_max_offset(conn_.get(), config.connection_window - window);
    if (streams < all_streams) ngtcp2_conn_extend_max_streams_bidi(conn_.get(), all_streams - streams);
    mark_dirty();
}

void ConnectionImpl::consume(StreamId id, std::size_t octets) {
    if (!conn_) return;
    Stream* stream = find(id);
    std::size_t& owed = stream == nullptr ? orphaned_ : stream->unconsumed;
    octets = std::min(octets, owed);
    if (octets == 0) return;
    owed -= octets;
    return_credit(bearer_of(id), octets);
}

// False: nothing of this stream concerns the application.
bool ConnectionImpl::learn_kind(Stream& stream, ByteView& octets) {
    if (stream.kind != StreamKind::unknown) return can_receive(stream.id);
    if (octets.empty()) {  // ended without a word
        end_sending(stream);
        return false;
    }
    const auto kind = std::to_integer<std::uint8_t>(octets.front());
    if (kind > static_cast<std::uint8_t>(StreamKind::one_way)) {
        plan_close({{CloseInfo::Kind::internal, NGTCP2_PROTOCOL_VIOLATION, "unknown kind of stream"},
                    false,
                    NGTCP2_PROTOCOL_VIOLATION});
        return false;
    }
    stream.kind = static_cast<StreamKind>(kind);
    octets = octets.subspan(1);
    return_credit(stream.bearer(), 1);
    if (stream.kind == StreamKind::one_way) {
        stream.id |= kOneWayBit;
        end_sending(stream);
    }
    return true;
}

void ConnectionImpl::on_octets(Stream& stream, ByteView octets, bool fin) {
    if (!learn_kind(stream, octets)) {
        if (!octets.empty()) return_credit(stream.bearer(), octets.size());
        return;
    }
    stream.unconsumed += octets.size();
    if (hears() && (fin || !octets.empty())) handler_->on_stream_data(stream.id, octets, fin);
}

// Nothing more will be sent; what is on its way stays until ngtcp2 lets go of it.
void ConnectionImpl::stop(Stream& stream) {
    stream.send_closed = true;
    stream.announcing = false;
    stream.finishing = false;
    stream.above_low_water = false;
    stream.queue.drop_unsent();
    stream.unlink();
}

void ConnectionImpl::report_stops() {
    const std::vector<FrameGuard::Stop> stops = shared_.guard.stops();  // events may lead to other packets
    for (const FrameGuard::Stop& order : stops) {
        const auto it = streams_.find(order.stream);
        if (it == streams_.end() || it->second.send_closed) continue;
        Stream& stream = it->second;
        const bool tells = stream.kind != StreamKind::unknown && can_send(stream.id);
        stop(stream);
        if (tells && hears()) handler_->on_stop_sending(stream.id, order.code);
        if (abandoned_) return;
    }
}

void ConnectionImpl::forget_stream(Stream& stream) {
    const StreamId id = stream.id;
    const bool tells = stream.kind != StreamKind::unknown;
    orphaned_ += stream.unconsumed;
    streams_.erase(stream.bearer());
    if (tells && hears()) handler_->on_stream_closed(id);
}

void ConnectionImpl::report_low_water() {
    const std::vector<StreamId> drained = std::exchange(drained_, {});
    for (const StreamId id : drained) {
        if (!hears()) return;
        handler_->on_stream_writable(id);
    }
}

// What the application ordered since the last flush. Not while a packet is half-written: ngtcp2 puts these
// frames in front of those already in the packet, and would take them for sent.
int ConnectionImpl::carry_out_orders() {
    orders_due_ = false;
    for (const StreamId bearer : std::exchange(orders_, {})) {
        const auto it = streams_.find(bearer);
        if (it == streams_.end()) continue;
        if (it->second.announcing) {
            orders_.push_back(bearer);
            continue;
        }
        if (const auto code = std::exchange(it->second.stop_code, std::nullopt)) {
            if (const int rv = engine::shut_down_reading(conn_.get(), bearer, *code); rv != 0) return rv;
        }
        if (const auto code = std::exchange(it->second.reset_code, std::nullopt)) {
            if (const int rv = engine::shut_down_writing(conn_.get(), bearer, *code); rv != 0) return rv;
        }
    }
    if (!starved_.empty() && ngtcp2_conn_get_max_data_left(conn_.get()) > 0)
        ready_.splice(ready_.end(), starved_);
    return 0;
}

}  // namespace muster::quic
