#include "session/link_binding.h"

#include <algorithm>
#include <utility>

namespace muster::session {
namespace {

// What a member keeps of lanes that overtake the welcome on the control stream: one connection window of the
// link (docs/PROTOCOL.md), since it gives no credit for it meanwhile.
constexpr std::size_t kMaxEarly = 4 << 20;
constexpr std::size_t kMaxEarlyPieces = 16 * 1024;

// Unsent octets of the control stream from which on acknowledgements and pongs are left out: they would say
// old news, and a peer that asks without reading must not grow us.
constexpr std::size_t kCongested = 64 * 1024;

constexpr std::size_t kMaxLaneHeader = 16;  // two varints

// Streams of the peer that are open on one link: the link allows fewer itself.
constexpr std::size_t kMaxIncoming = 1024;

/// Marks that an event of the link is under way.
class Running {
public:
    explicit Running(int& count) : count_(count) { ++count_; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() { --count_; }

private:
    int& count_;
};

bool is_bidirectional(link::StreamId stream) { return (stream & 2) == 0; }

}  // namespace

LinkBinding::LinkBinding(link::LinkPort& port, BindingOwner& owner, End end)
    : port_(port), owner_(owner), end_(end) {}

bool LinkBinding::is_remote(link::StreamId stream) const {
    return ((stream & 1) != 0) == (end_ == End::member);  // bit 0: opened by the coordinator
}

void LinkBinding::violate(std::string what) {
    if (open_ && !deaf_) owner_.on_violation(*this, std::move(what));
}

void LinkBinding::send_nonce(FrameType type, std::uint64_t nonce) {
    Bytes body;
    Writer{body}.write(nonce);
    write_frame(control_out_, type, body);
}

bool LinkBinding::is_congested() const { return control_ >= 0 && port_.unsent(control_) >= kCongested; }

void LinkBinding::flush() {
    if (!open_ || control_out_.empty()) return;
    if (control_ < 0) {
        if (end_ == End::coordinator) return;  // the member opens it, and has not yet
        const auto stream = port_.open_stream(link::Direction::bidirectional);
        if (!stream) return;  // on_streams_available
        control_ = *stream;
    }
    port_.write(control_, Slice::from(std::exchange(control_out_, {})));
}

bool LinkBinding::open_lane(OutLane& lane) {
    if (out_of_streams_) return false;
    const auto stream = port_.open_stream(link::Direction::unidirectional);
    if (!stream) {
        out_of_streams_ = true;
        return false;
    }
    lane.attach(*stream);
    Bytes header;
    Writer{header}.write_varint(static_cast<std::uint64_t>(lane.id())).write_varint(lane.next());
    port_.write(*stream, Slice::from(std::move(header)));
    return true;
}

OutLane::Stop LinkBinding::pump(OutLane& lane, Credit* credit) {
    if (!open_) return OutLane::Stop::link;
    if (const auto abandoned = lane.take_abandoned(); abandoned >= 0)
        port_.reset(abandoned, static_cast<std::uint64_t>(LinkCode::superseded));
    OutLane::Stop stop = lane.pump(port_, credit);
    if (stop != OutLane::Stop::no_stream) return stop;
    return open_lane(lane) ? lane.pump(port_, credit) : OutLane::Stop::link;
}

void LinkBinding::reset(OutLane& lane) {
    if (open_ && lane.has_stream()) port_.reset(lane.stream(), static_cast<std::uint64_t>(LinkCode::done));
    lane.detach();
}

void LinkBinding::stop(LaneId lane) {
    if (!open_) return;
    for (const auto& [stream, incoming] : incoming_)
        if (incoming.known && incoming.lane == lane)
            port_.stop_sending(stream, static_cast<std::uint64_t>(LinkCode::done));
}

void LinkBinding::attach(LaneSink* sink) {
    sink_ = sink;
    if (sink == nullptr) return;
    const Running running{running_};
    early_octets_ = 0;
    for (const Early& piece : std::exchange(early_, {}))
        if (open_ && !deaf_ && sink_ != nullptr) on_lane_stream(piece.stream, piece.data, piece.fin);
}

void LinkBinding::close(std::uint64_t code, std::string_view reason) {
    if (!open_) return;
    flush();
    open_ = false;
    sink_ = nullptr;
    early_.clear();
    port_.close(code, reason);
}

void LinkBinding::on_stream_data(link::StreamId stream, ByteView data, bool fin) {
    if (!open_ || deaf_) return;
    const Running running{running_};
    if (stream == control_) return on_control_data(stream, data, fin);
    if (!is_remote(stream)) return violate("octets on a stream that only this end may write");
    if (is_bidirectional(stream)) {
        if (end_ == End::member || control_ >= 0) return violate("a second control stream");
        control_ = stream;
        return on_control_data(stream, data, fin);
    }
    if (sink_ == nullptr) return keep_early(stream, data, fin);
    on_lane_stream(stream, data, fin);
}

void LinkBinding::on_control_data(link::StreamId stream, ByteView data, bool fin) {
    port_.consume(stream, data.size());
    while (open_ && !deaf_) {
        const auto outcome = control_in_.next(data);
        if (outcome == FrameSplitter::Outcome::too_large) return violate("a control frame that is too large");
        if (outcome == FrameSplitter::Outcome::need_more) break;
        owner_.on_control_frame(*this, control_in_.type(), control_in_.body());
    }
    if (fin && open_) violate("the end of the control stream without a goodbye");
}

void LinkBinding::keep_early(link::StreamId stream, ByteView data, bool fin) {
    if (end_ == End::coordinator) return violate("a lane before the welcome");
    early_octets_ += data.size();
    if (early_octets_ > kMaxEarly || early_.size() >= kMaxEarlyPieces)
        return violate("too much before the welcome");
    early_.push_back({stream, to_bytes(data), fin});
}

void LinkBinding::on_lane_stream(link::StreamId stream, ByteView data, bool fin) {
    port_.consume(stream, data.size());
    if (incoming_.size() >= kMaxIncoming && !incoming_.contains(stream)) return violate("too many streams");
    Incoming& in = incoming_[stream];
    if (!in.known) {
        const std::size_t had = in.header.size();
        const ByteView start = data.first(std::min(data.size(), kMaxLaneHeader));
        in.header.insert(in.header.end(), start.begin(), start.end());
        Reader reader{in.header};
        std::uint64_t lane = 0;
        if (!reader.read_varint(lane) || !reader.read_varint(in.position)) {
            if (fin) violate("a stream that ends before it says its lane");
            return;
        }
        data = data.subspan(in.header.size() - reader.remaining() - had);
        in.lane = LaneId{lane};
        in.known = true;
        Bytes{}.swap(in.header);
    }
    const std::uint64_t position = in.position;
    in.position += data.size();
    if (sink_ == nullptr) return;
    sink_->on_lane_data(in.lane, position, data, fin);  // may close, but never forgets this binding
}

void LinkBinding::on_stream_reset(link::StreamId stream, std::uint64_t) {
    // Lanes are given up by frames; the link's own reset only says that nothing more comes on this stream.
    incoming_.erase(stream);
    std::erase_if(early_, [stream](const Early& piece) { return piece.stream == stream; });
    if (stream == control_) violate("a reset of the control stream");
}

void LinkBinding::on_stop_sending(link::StreamId stream, std::uint64_t) {
    if (stream == control_) violate("a stop of the control stream");
}

void LinkBinding::on_stream_closed(link::StreamId stream) { incoming_.erase(stream); }

void LinkBinding::on_stream_writable(link::StreamId) {
    if (sink_ != nullptr) sink_->on_link_ready();
}

void LinkBinding::on_streams_available(link::Direction) {
    out_of_streams_ = false;
    owner_.on_binding_ready(*this);
    if (sink_ != nullptr) sink_->on_link_ready();
}

void LinkBinding::on_datagram(ByteView payload) {
    const Running running{running_};
    if (open_ && !deaf_ && sink_ != nullptr) sink_->on_datagram(payload);
}

}  // namespace muster::session
