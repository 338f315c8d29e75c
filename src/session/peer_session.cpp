#include "session/peer_session.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "session/stream_port.h"

namespace muster::session {
namespace {

// A stream that nobody reads holds that much at the receiver; it grows to SessionLimits::stream_buffer as the
// application reads.
constexpr std::size_t kFirstStreamCredit = 64 * 1024;

// Waiting for a peer on the control lane. Roster and notices are bounded by who sends them; stream resets are
// not, and a peer that makes us send so many without reading is no peer. The longest roster (10,000 members
// with all that they may say of themselves) may wait beside them.
constexpr std::size_t kMaxControlQueued = 48 << 20;
constexpr std::size_t kMaxResetsQueued = 8 << 20;

Outbox::Config outbox_config(const PeerSession::Config& config) {
    return {config.limits.send_buffer, std::min<std::uint64_t>(config.peer.message, config.limits.message),
            std::min<std::uint64_t>(config.peer.channels, config.limits.channels), config.peer.message_credit,
            config.journaled};
}

Inbox::Config inbox_config(const PeerSession::Config& config) {
    return {config.limits.message, config.limits.recipients, config.limits.channels,
            config.limits.receive_queue, config.journaled};
}

StreamTable::Config stream_config(const PeerSession::Config& config) {
    return {config.end,
            config.limits.stream_buffer,
            config.limits.streams,
            static_cast<std::size_t>(std::min<std::uint64_t>(config.peer.streams, config.limits.streams)),
            first_stream_credit(config.limits),
            static_cast<std::size_t>(config.peer.stream_credit),
            config.journaled};
}

}  // namespace

std::size_t first_stream_credit(const SessionLimits& limits) {
    return std::min(kFirstStreamCredit, limits.stream_buffer);
}

PeerSession::PeerSession(const Config& config, PeerEvents& events)
    : config_(config),
      events_(events),
      outbox_(outbox_config(config)),
      inbox_(inbox_config(config), *this),
      streams_(stream_config(config), *this) {}

PeerSession::~PeerSession() {
    if (binding_ != nullptr && binding_->sink() == this) binding_->attach(nullptr);
}

void PeerSession::busy() {
    if (!is_listed) events_.on_busy(*this);
}

// Verbs

Result<void> PeerSession::send(const Address& address, const SendOptions& options, ByteView payload,
                               const Slice* shared) {
    if (!is_accepting()) return Error{Errc::not_connected, "the session is closing or has ended"};
    if (options.delivery == Delivery::unreliable) {
        if (auto fits = check_datagram(address, payload); !fits) return fits;
        send_datagram(address, payload);
        return {};
    }
    auto sent = outbox_.send(address, options, payload, shared);
    if (!sent && sent.error().code() == Errc::queue_full) refused_ = true;
    busy();
    return sent;
}

Result<void> PeerSession::check_datagram(const Address& address, ByteView payload) const {
    if (binding_ == nullptr || !binding_->is_open()) return {};  // dropped, as it may be
    const std::size_t head = 8 + 20 * address.ids.size();
    const std::size_t most = std::max(binding_->port().max_datagram(), head) - head;
    if (payload.size() <= most) return {};
    return Error{Errc::too_large, "an unreliable message has at most " + std::to_string(most) +
                                      " octets on this link, this one has " + std::to_string(payload.size())};
}

void PeerSession::send_datagram(const Address& address, ByteView payload) {
    if (binding_ == nullptr || !binding_->is_open()) return;
    Bytes datagram;
    datagram.reserve(payload.size() + 32);
    Writer writer{datagram};
    address.write(writer);
    writer.write(payload);
    binding_->port().send_datagram(Slice::from(std::move(datagram)));
}

void PeerSession::send_frame(ByteView frame) {
    if (end_) return;
    outbox_.send_frame(frame);
    busy();
}

void PeerSession::consume_messages(std::size_t octets, std::size_t messages) {
    inbox_.consume(octets, messages);
    if (inbox_.is_urgent()) busy();
}

Result<StreamNumber> PeerSession::open_stream(const Address& address, ByteView header) {
    if (!is_accepting()) return Error{Errc::not_connected, "the session is closing or has ended"};
    return streams_.open(address, header);
}

Result<void> PeerSession::write(StreamNumber stream, Slice octets) {
    if (!is_accepting()) return Error{Errc::not_connected, "the session is closing or has ended"};
    return streams_.write(stream, std::move(octets));
}

void PeerSession::reset(StreamNumber stream, std::uint64_t code, std::string_view reason) {
    if (!end_) streams_.reset(stream, std::min(code, kVarintMax), reason, binding_);
}

void PeerSession::close(CloseCode code, std::string_view reason, TimePoint deadline) {
    if (phase_ != Phase::live || end_) return;
    phase_ = Phase::flushing;
    closing_ = {Closed::By::this_end, code, cleaned(reason, kMaxReasonSize)};
    close_deadline_ = deadline;
    inbox_.mute();
    busy();
}

void PeerSession::fail(Error cause, LinkCode code) {
    if (end_) return;
    if (binding_ != nullptr) binding_->close(code, cause.message());
    finish_with(cause, cause);
}

void PeerSession::violate(const Violation& how) {
    fail({Errc::protocol_violation, "the peer sent " + std::string{how.what()}},
         LinkCode::protocol_violation);
}

void PeerSession::end_closing(std::optional<Error> missed) {
    detach();
    finish_with(closing_, std::move(missed));
}

void PeerSession::finish_with(Departure how, std::optional<Error> missed) {
    if (end_) return;
    end_ = std::move(how);
    if (missed) shortfall_ = std::move(*missed).saw(outstanding());
    inbox_.mute();
    busy();
}

// Links

void PeerSession::attach(LinkBinding& binding, const Ack* heard) {
    detach();
    binding_ = &binding;
    interrupted_.reset();
    grace_deadline_ = kNever;
    // A goodbye belongs to its link: each end says its own again.
    if (phase_ == Phase::told) phase_ = Phase::flushing;
    peer_goodbye_.reset();
    fresh_link_ = true;
    if (heard != nullptr) {
        outbox_.on_credit(heard->message_credit);
        Violation broken = outbox_.rewind(heard->positions);
        if (!broken) broken = streams_.rewind(heard->positions);
        if (broken) return violate(broken);
    }
    busy();
    binding.attach(this);
}

void PeerSession::detach() {
    if (binding_ == nullptr) return;
    if (binding_->sink() == this) binding_->attach(nullptr);
    binding_ = nullptr;
    outbox_.detach();
    streams_.detach();
}

void PeerSession::on_link_lost(Error cause, TimePoint now) {
    detach();
    if (end_) return;
    if (config_.grace <= Duration::zero())
        return finish_with(phase_ == Phase::live ? Departure{cause} : Departure{closing_}, cause);
    interrupted_ = std::move(cause);
    grace_deadline_ = now + config_.grace;
    busy();
}

void PeerSession::on_link_closed(CloseCode code, std::string reason) {
    detach();
    if (end_) return;
    reason = cleaned(reason, kMaxReasonSize);
    std::optional<Error> missed;
    if (has_outstanding()) missed = Error{Errc::closed, "the peer closed before it had everything"};
    finish_with(phase_ == Phase::live ? Closed{Closed::By::peer, code, reason} : closing_, missed);
}

Ack PeerSession::state() const {
    Ack all;
    all.message_credit = inbox_.message_credit();
    inbox_.add_all(all.positions);
    streams_.add_all(all.positions);
    return all;
}

Violation PeerSession::on_control_frame(FrameType type, ByteView body) {
    if (end_) return {};
    if (type == FrameType::ack) {
        const auto ack = Ack::parse(body);
        return ack ? on_ack(*ack) : "an acknowledgement that cannot be read";
    }
    if (type == FrameType::goodbye) {
        auto goodbye = Goodbye::parse(body);
        if (!goodbye || peer_goodbye_) return "a goodbye that cannot be";
        peer_goodbye_ = std::move(goodbye);
        busy();
        return {};
    }
    if (type == FrameType::goodbye_ack) {
        if (phase_ != Phase::told) return "an answer to a goodbye that was never said";
        if (binding_ != nullptr) binding_->close(LinkCode::done, closing_.reason);
        finish_with(closing_, std::nullopt);
        return {};
    }
    if ((static_cast<std::uint64_t>(type) & 1) != 0) return {};  // of a later version, and can be skipped
    return "a control frame that must not be here";
}

Violation PeerSession::on_ack(const Ack& ack) {
    outbox_.on_credit(ack.message_credit);
    for (const Position& position : ack.positions) {
        Violation broken = kind_of(position.lane) == LaneKind::stream
                               ? streams_.on_acked(number_of(position.lane), position)
                               : outbox_.on_acked(position);
        if (broken) return broken;
        if (end_) return {};
    }
    busy();
    return {};
}

void PeerSession::on_lane_data(LaneId lane, std::uint64_t position, ByteView data, bool fin) {
    if (end_) return;
    Violation broken;
    if (kind_of(lane) == LaneKind::stream) {
        broken = streams_.on_lane_data(number_of(lane), position, data, fin, binding_);
    } else {
        broken = fin ? "the end of a lane that has none" : inbox_.on_lane_data(lane, position, data);
    }
    if (broken) return violate(broken);
    busy();
}

void PeerSession::on_datagram(ByteView payload) {
    Reader in{payload};
    Address address;
    if (end_ || phase_ != Phase::live) return;
    if (!address.read(in, config_.limits.recipients)) return;  // a datagram proves nothing: it is dropped
    events_.on_message(*this, address, SendOptions{address.channel, Delivery::unreliable}, in.rest());
}

// What the inbox and the streams bring

void PeerSession::on_message(const Address& address, Delivery delivery, std::uint64_t cookie,
                             ByteView payload) {
    SendOptions how{address.channel, delivery};
    how.cookie = cookie;
    events_.on_message(*this, address, how, payload);
}

Violation PeerSession::on_frame(FrameType type, ByteView body) {
    if (end_) return {};
    if (type == FrameType::stream_reset) {
        const auto frame = StreamReset::parse(body);
        return frame ? streams_.on_reset_frame(*frame, binding_) : "a stream reset that cannot be read";
    }
    return events_.on_frame(*this, type, body);
}

void PeerSession::on_opened(StreamNumber stream, const Address& address, ByteView header) {
    if (end_ || phase_ != Phase::live)
        return reset(stream, static_cast<std::uint64_t>(ResetCode::peer_closed), "the session is closing");
    events_.on_stream_opened(*this, stream, address, header);
}

void PeerSession::on_data(StreamNumber stream, ByteView data, bool fin) {
    if (end_ || phase_ != Phase::live) return streams_.consume(stream, data.size());
    events_.on_stream_data(*this, stream, data, fin);
}

void PeerSession::on_reset(StreamNumber stream, std::uint64_t code, std::string_view reason) {
    if (!end_) events_.on_stream_reset(*this, stream, code, reason);
}

void PeerSession::on_writable(StreamNumber stream) {
    if (!end_ && phase_ == Phase::live) events_.on_stream_writable(*this, stream);
}

void PeerSession::on_delivered(StreamNumber stream) {
    if (!end_) events_.on_stream_delivered(*this, stream);
}

void PeerSession::send_reset(const StreamReset& frame) {
    send_frame(encode(frame));
    if (outbox_.control_queued() > kMaxResetsQueued + kMaxControlQueued)
        fail({Errc::too_slow, "the peer does not read what the session tells it"}, LinkCode::too_slow);
}

}  // namespace muster::session
