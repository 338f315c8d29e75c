#include "session/peer_session.h"

#include <algorithm>

#include "base/check.h"
#include "base/duration_text.h"
#include "base/text.h"
#include "session/stream_port.h"

namespace muster::session {
namespace {

using namespace std::chrono_literals;

// Acknowledgements are for the sender's memory, not for its speed: one per 64 KiB keeps a replay buffer of 4
// MiB far from full, and one per 25 ms lets a quiet session forget soon without a packet per message.
constexpr std::size_t kAckOctets = 64 * 1024;
constexpr Duration kAckDelay = 25ms;

// A stream that nobody reads holds that much at the receiver; it grows to SessionLimits::stream_buffer as the
// application reads.
constexpr std::size_t kFirstStreamCredit = 64 * 1024;

// Waiting for a peer on the control lane. Roster and notices are bounded by who sends them; stream resets are
// not, and a peer that makes us send so many without reading is no peer. The longest roster (10,000 members
// with all that they may say of themselves) may wait beside them.
constexpr std::size_t kMaxControlQueued = 48 << 20;
constexpr std::size_t kMaxResetsQueued = 8 << 20;

// Every session reads the control lane, whatever its application does. With so much waiting there, a peer is
// given up that takes nothing of it for as long as the patience lasts.
constexpr std::size_t kControlWaiting = 64 * 1024;

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

// The journal

bool PeerSession::has_news() const {
    return outbox_.has_news() || inbox_.has_news() || streams_.has_news() || kept_.has_news();
}

void PeerSession::save(JournalBatch& batch, std::uint32_t number, std::uint64_t owed) {
    outbox_.save(batch, number);
    SessionCounters counters;
    counters.inbox = inbox_.save(batch, number);
    counters.inbox.consumed = std::min(counters.inbox.consumed + owed, counters.inbox.used);
    streams_.save(batch, number);
    kept_.save(batch, number);
    counters.saved_cost = outbox_.saved_cost();
    counters.next_message = kept_.next_number();
    batch.put({number, JournalPart::counters}, 0, Slice::from(counters.encoded()));
}

void PeerSession::on_written(TimePoint now) {
    // From here on the peer can take what waited; until now it was our disk.
    if (!outbox_.is_owed()) {
        progress_at_ = now;
        if (full_since_ != kNever) full_since_ = now;
    }
    if (outbox_.control_owed() <= kControlWaiting) control_progress_at_ = now;
    outbox_.on_written();
    inbox_.on_written();
    streams_.on_written();
    kept_.on_written();
    busy();
}

void PeerSession::stop_journaling() {
    config_.journaled = false;
    outbox_.stop_journaling();
    inbox_.stop_journaling();
    streams_.stop_journaling();
    kept_.stop_journaling();
    busy();
}

bool PeerSession::restore(SavedSession saved, Error why, TimePoint now) {
    std::vector<std::uint64_t> open;
    const bool fits = outbox_.restore(std::move(saved.out_lanes), saved.counters.saved_cost) &&
                      inbox_.restore(std::move(saved.in_lanes), saved.counters.inbox) &&
                      kept_.restore(saved.counters.next_message, saved.messages) &&
                      (saved.streams.empty() || streams_.restore(saved.streams.view(), open));
    if (!fits) return false;
    for (const std::uint64_t stream : open)
        send_reset(
            {stream, static_cast<std::uint64_t>(ResetCode::restarted), "the other end was started anew"});
    on_link_lost(std::move(why), now);
    return true;
}

// Time

void PeerSession::flush(TimePoint now) {
    if (binding_ != nullptr && binding_->is_running()) return;  // called from inside an event: not now
    if (!end_) check_deadlines(now);
    if (!end_) answer_goodbye();
    if (end_) return;
    streams_.forget_done();
    if (binding_ == nullptr || !binding_->is_open()) return;
    outbox_.pump(*binding_);
    streams_.pump(*binding_);
    acknowledge(now);  // before a goodbye: the other end may be closing too, and wants to know what arrived
    if (phase_ == Phase::flushing) say_goodbye();
    binding_->flush();
    watch_queue(now);
}

void PeerSession::check_deadlines(TimePoint now) {
    if (now >= close_deadline_) {
        // The peer does not take it in time: tell it by the link's own goodbye, which needs no credit.
        if (binding_ != nullptr) binding_->close(closing_.code, closing_.reason);
        return finish_with(closing_, late());
    }
    if (!interrupted_ || now < grace_deadline_) return;
    const Error why = std::move(Error{*interrupted_}.saw(
        {"resume", "", "no other link within the grace of " + in_milliseconds(config_.grace)}));
    finish_with(phase_ == Phase::live ? Departure{why} : Departure{closing_}, why);
}

Error PeerSession::late() const {
    Error late{Errc::timed_out, "the peer had not confirmed everything when the time to close was over"};
    if (interrupted_) late.saw({"link", "", interrupted_->message()});
    return late;
}

Evidence PeerSession::outstanding() const {
    const std::string peer = config_.end == LinkBinding::End::member ? "the coordinator" : "the member";
    if (!has_outstanding()) return {"close", peer, "it has all that was sent"};
    return {"close", peer,
            "not known to have arrived: " + std::to_string(outbox_.queued()) + " octets of messages, " +
                std::to_string(streams_.outstanding()) + " of streams"};
}

bool PeerSession::has_received_all(const Goodbye& goodbye) const {
    return std::ranges::all_of(goodbye.ends, [this](const Position& end) {
        return kind_of(end.lane) == LaneKind::stream
                   ? streams_.has_received(number_of(end.lane), end.received)
                   : inbox_.has_received(end.lane, end.received);
    });
}

void PeerSession::answer_goodbye() {
    if (!peer_goodbye_ || binding_ == nullptr || !has_received_all(*peer_goodbye_)) return;
    binding_->send_empty(FrameType::goodbye_ack);
    binding_->flush();
    std::optional<Error> missed;
    if (has_outstanding()) missed = Error{Errc::closed, "the peer closed before it had everything"};
    if (phase_ != Phase::live) return finish_with(closing_, missed);  // both said goodbye: each its own
    finish_with(Closed{Closed::By::peer, peer_goodbye_->code, peer_goodbye_->reason}, missed);
}

void PeerSession::say_goodbye() {
    if (outbox_.has_unsent() || streams_.has_unsent()) return;
    Goodbye goodbye;
    goodbye.code = closing_.code;
    goodbye.reason = closing_.reason;
    outbox_.collect_ends(goodbye.ends);
    streams_.collect_ends(goodbye.ends);
    binding_->send(goodbye);
    phase_ = Phase::told;
}

void PeerSession::acknowledge(TimePoint now) {
    const std::size_t octets = inbox_.unacknowledged() + streams_.unacknowledged();
    const bool urgent = inbox_.is_urgent() || streams_.is_urgent() || octets >= kAckOctets ||
                        (phase_ != Phase::live && octets > 0);
    if (!urgent && octets == 0) {
        ack_due_ = kNever;
        return;
    }
    if (!urgent && now < ack_due_) {
        if (ack_due_ == kNever) ack_due_ = now + kAckDelay;
        return;
    }
    if (binding_->is_congested()) {  // said later, then with newer numbers
        ack_due_ = now + kAckDelay;
        return;
    }
    Ack ack;
    ack.message_credit = inbox_.message_credit();
    inbox_.take_changed(ack.positions);
    streams_.take_changed(ack.positions);
    binding_->send(ack);
    ack_due_ = kNever;
}

void PeerSession::watch_queue(TimePoint now) {
    const bool fresh = std::exchange(fresh_link_, false);
    if (fresh) control_progress_at_ = now;
    const bool progress = !outbox_.is_owed() || progress_seen_ != outbox_.acknowledged();
    if (progress || fresh) progress_at_ = now;
    progress_seen_ = outbox_.acknowledged();
    watch_control(now);
    if (end_ || !refused_) return;
    if (outbox_.queued() < config_.limits.send_buffer / 2) {
        refused_ = false;
        full_since_ = kNever;
        if (phase_ == Phase::live) events_.on_writable(*this);
        return;
    }
    if (full_since_ == kNever) full_since_ = now;
    if (config_.patience == kNoPatience || now - std::max(full_since_, progress_at_) < config_.patience)
        return;
    fail({Errc::too_slow, "the peer left its queue of " + std::to_string(config_.limits.send_buffer) +
                              " octets full for too long"},
         LinkCode::too_slow);
}

void PeerSession::watch_control(TimePoint now) {
    const bool waits = outbox_.control_owed() > kControlWaiting;
    if (!waits || control_seen_ != outbox_.control_acknowledged()) control_progress_at_ = now;
    control_seen_ = outbox_.control_acknowledged();
    if (config_.patience == kNoPatience || now - control_progress_at_ < config_.patience) return;
    fail({Errc::too_slow, "the peer does not read what the session tells it"}, LinkCode::too_slow);
}

TimePoint PeerSession::next_wakeup() const {
    if (end_) return kNever;
    TimePoint next = std::min(close_deadline_, grace_deadline_);
    if (binding_ == nullptr) return next;
    next = std::min(next, ack_due_);
    if (full_since_ != kNever && config_.patience != kNoPatience)
        next = std::min(next, std::max(full_since_, progress_at_) + config_.patience);
    if (outbox_.control_owed() > kControlWaiting && config_.patience != kNoPatience)
        next = std::min(next, control_progress_at_ + config_.patience);
    return next;
}

}  // namespace muster::session
