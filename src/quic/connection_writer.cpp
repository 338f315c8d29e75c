#include <algorithm>
#include <cstring>

#include "quic/engine_call.h"
#include "quic/packet_writer.h"

namespace muster::quic {

/// Collects packets of one path, one ECN mark and one size (the last may be smaller) into one Transmit.
class Batch {
public:
    Batch(Wire& wire, std::span<std::uint8_t> buffer) : wire_(wire), buffer_(buffer) {}

    std::span<std::uint8_t> free() const { return buffer_.subspan(used_); }
    std::size_t used() const { return used_; }
    std::size_t packets() const { return packets_; }
    std::size_t octets() const { return octets_; }

    /// The next packet stands at the beginning of free().
    void add(std::size_t size, PathId path, std::uint8_t ecn) {
        const bool fits = used_ == 0 || (path == path_ && ecn == ecn_ && size <= segment_);
        if (!fits) {
            const std::uint8_t* from = buffer_.data() + used_;
            send();
            std::memmove(buffer_.data(), from, size);
        }
        if (used_ == 0) {
            path_ = path;
            ecn_ = ecn;
            segment_ = size;
        }
        used_ += size;
        octets_ += size;
        ++packets_;
        if (size < segment_ || ++segments_ == kMaxSegments) send();
    }

    void send() {
        if (used_ > 0) wire_.send({path_, std::as_bytes(buffer_.first(used_)), segment_, ecn_});
        used_ = 0;
        segments_ = 0;
    }

private:
    static constexpr std::size_t kMaxSegments = 64;  // Linux: UDP_MAX_SEGMENTS

    Wire& wire_;
    std::span<std::uint8_t> buffer_;
    std::size_t used_ = 0, segment_ = 0, segments_ = 0, packets_ = 0, octets_ = 0;
    PathId path_{};
    std::uint8_t ecn_ = 0;
};

namespace {

// ngtcp2 0.12 allocates a STREAM frame of more pieces by itself, and leaks some of those it has to repeat.
constexpr std::size_t kPiecesPerFrame = 3;
// A packet has never room for more, so it makes no sense to gather more.
constexpr std::size_t kOctetsPerPacket = 1500;

}  // namespace

PacketWriter::PacketWriter(ConnectionImpl& connection, TimePoint now)
    : c_(connection), conn_(connection.conn_.get()), now_(to_ngtcp2(now)) {}

ngtcp2_ssize PacketWriter::next(ngtcp2_path* path, ngtcp2_pkt_info* info, std::span<std::uint8_t> out) {
    path_ = path;
    info_ = info;
    out_ = out;
    if (std::exchange(c_.datagrams_first_, !c_.datagrams_first_)) {
        if (const auto size = add_datagrams(); size != kMore) return size;
        if (const auto size = add_streams(); size != kMore) return size;
    } else {
        if (const auto size = add_streams(); size != kMore) return size;
        if (const auto size = add_datagrams(); size != kMore) return size;
    }
    // Acknowledgements, retransmissions, probes; and what has been collected so far.
    return ngtcp2_conn_writev_stream(conn_, path_, info_, out_.data(), out_.size(), nullptr,
                                     NGTCP2_WRITE_STREAM_FLAG_NONE, -1, nullptr, 0, now_);
}

ngtcp2_ssize PacketWriter::add_datagrams() {
    while (c_.datagrams_head_ < c_.datagrams_.size()) {
        const ByteView payload = c_.datagrams_[c_.datagrams_head_].view();
        if (payload.size() > c_.max_datagram()) {  // the path became narrower since it was queued
            pop_datagram();
            continue;
        }
        const ngtcp2_vec vec{reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(payload.data())),
                             payload.size()};
        int accepted = 0;
        const ngtcp2_ssize rv =
            ngtcp2_conn_writev_datagram(conn_, path_, info_, out_.data(), out_.size(), &accepted,
                                        NGTCP2_WRITE_DATAGRAM_FLAG_MORE, 0, &vec, 1, now_);
        if (accepted != 0) pop_datagram();
        if (rv == NGTCP2_ERR_WRITE_MORE) continue;
        if (rv != NGTCP2_ERR_INVALID_STATE && rv != NGTCP2_ERR_INVALID_ARGUMENT) return rv;
        pop_datagram();  // the peer takes none, or none so large
    }
    return kMore;
}

void PacketWriter::pop_datagram() {
    c_.datagrams_[c_.datagrams_head_++] = Slice{};
    if (c_.datagrams_head_ < c_.datagrams_.size()) return;
    c_.datagrams_.clear();
    c_.datagrams_head_ = 0;
}

ngtcp2_ssize PacketWriter::add_streams() {
    while (!c_.ready_.empty()) {
        Stream& stream = c_.ready_.front();
        c_.ready_.pop_front();
        const ngtcp2_ssize rv = add_stream(stream);
        if (rv != kMore) return rv;
    }
    return kMore;
}

// Puts the stream back to the end of the queue if it has more than the packet takes: streams take turns.
ngtcp2_ssize PacketWriter::add_stream(Stream& stream) {
    const bool fin_due = stream.finishing && !stream.fin_sent;
    if (!stream.has_work()) return kMore;
    if (stream.queue.unsent() > 0 && ngtcp2_conn_get_max_data_left(conn_) == 0) {
        c_.starved_.push_back(stream);
        return kMore;
    }
    std::array<ByteView, kPiecesPerFrame> views;
    std::array<ngtcp2_vec, kPiecesPerFrame> vecs;
    const std::size_t count = stream.queue.gather(views, kOctetsPerPacket);
    std::size_t gathered = 0;
    for (std::size_t i = 0; i < count; ++i) {
        vecs[i] = {reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(views[i].data())), views[i].size()};
        gathered += views[i].size();
    }
    const bool all = gathered == stream.queue.unsent();
    std::uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_NONE;
    if (all && fin_due) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    const bool may_leave_room = all ? has_other_work() : gathered < kOctetsPerPacket;
    if (may_leave_room) flags |= NGTCP2_WRITE_STREAM_FLAG_MORE;
    ngtcp2_ssize accepted = -1;
    const ngtcp2_ssize rv =
        ngtcp2_conn_writev_stream(conn_, path_, info_, out_.data(), out_.size(), &accepted, flags,
                                  stream.bearer(), vecs.data(), count, now_);
    if (accepted >= 0) {
        const auto taken = static_cast<std::size_t>(accepted);
        note_sent(stream, taken, all && fin_due && taken == gathered);
    }
    return conclude(stream, rv);
}

void PacketWriter::note_sent(Stream& stream, std::size_t octets, bool fin) {
    stream.queue.mark_sent(octets);
    if (octets > 0 && std::exchange(stream.announcing, false) && stream.send_closed) c_.orders_due_ = true;
    stream.fin_sent |= fin;
    if (!stream.above_low_water || stream.queue.unsent() >= c_.shared_.config.low_water) return;
    stream.above_low_water = false;
    c_.drained_.push_back(stream.id);
}

ngtcp2_ssize PacketWriter::conclude(Stream& stream, ngtcp2_ssize rv) {
    switch (rv) {
        case NGTCP2_ERR_STREAM_DATA_BLOCKED: return kMore;  // Events::stream_window wakes it up
        case NGTCP2_ERR_STREAM_SHUT_WR:
        case NGTCP2_ERR_STREAM_NOT_FOUND: c_.stop(stream); return kMore;
        case 0: c_.ready_.push_front(stream); return 0;
        default: break;
    }
    const bool fill_on = rv == NGTCP2_ERR_WRITE_MORE;
    if (stream.has_work()) c_.ready_.insert(fill_on ? c_.ready_.begin() : c_.ready_.end(), stream);
    return fill_on ? kMore : rv;
}

bool PacketWriter::has_other_work() const {
    return !c_.ready_.empty() || c_.datagrams_head_ < c_.datagrams_.size();
}

int ConnectionImpl::fill(Batch& batch, TimePoint now, bool& full) {
    if (const int rv = carry_out_orders(); rv != 0) return rv;
    const std::size_t room = ngtcp2_conn_get_max_tx_udp_payload_size(conn_.get());
    const std::size_t quantum = std::min(ngtcp2_conn_get_send_quantum(conn_.get()), kBatchOctets);
    PacketWriter writer{*this, now};
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info{};
    while (batch.octets() < quantum) {
        const ngtcp2_ssize size = writer.next(&path.path, &info, batch.free().first(room));
        if (size < 0) return static_cast<int>(size);
        if (size == 0) return 0;
        batch.add(static_cast<std::size_t>(size), SyntheticPath::id_of(path.path),
                  static_cast<std::uint8_t>(info.ecn));
    }
    full = true;
    return 0;
}

ConnectionImpl::Burst ConnectionImpl::write(TimePoint now, Wire& wire, std::span<std::uint8_t> buffer) {
    if (!conn_ || abandoned_) return {};
    // What was written before close() gets one batch; the rest of it is dropped. A client's last handshake
    // packet may be among it, without which the server would not understand our reason.
    const bool closing = pending_close_.has_value();
    const bool last_words = closing && pending_close_->application && phase_ == Phase::established;
    Burst burst;
    if (!closing || last_words) burst = write_batch(now, wire, buffer);
    if (pending_close_ && conn_) {
        write_close(now, wire, buffer);
        return {burst.packets + 1, false};
    }
    if (!conn_) return burst;
    rearm();
    report_path();
    if (!abandoned_) report_low_water();
    return burst;
}

ConnectionImpl::Burst ConnectionImpl::write_batch(TimePoint now, Wire& wire, std::span<std::uint8_t> buffer) {
    Batch batch{wire, buffer};
    bool full = false;
    const int rv = [&] {
        EngineCall call{*this};
        return fill(batch, now, full);
    }();
    batch.send();
    counters_.packets_sent += batch.packets();
    counters_.bytes_sent += batch.octets();
    if (rv != 0) {
        fail(rv, now);
        return {batch.packets(), false};
    }
    if (shared_.config.paced) ngtcp2_conn_update_pkt_tx_time(conn_.get(), to_ngtcp2(now));
    return {batch.packets(), orders_due_ || (full && !shared_.config.paced)};
}

}  // namespace muster::quic
