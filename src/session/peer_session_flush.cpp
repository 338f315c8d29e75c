#include <algorithm>

#include "base/duration_text.h"
#include "session/peer_session.h"
#include "session/stream_port.h"

// Of PeerSession: what the journal has of it, and what happens in time.

namespace muster::session {
namespace {

using namespace std::chrono_literals;

// Acknowledgements are for the sender's memory, not for its speed: one per 64 KiB keeps a replay buffer of 4
// MiB far from full, and one per 25 ms lets a quiet session forget soon without a packet per message.
constexpr std::size_t kAckOctets = 64 * 1024;
constexpr Duration kAckDelay = 25ms;

// Every session reads the control lane, whatever its application does. With so much waiting there, a peer is
// given up that takes nothing of it for as long as the patience lasts.
constexpr std::size_t kControlWaiting = 64 * 1024;

// A peer gets on that takes this much of what waits for it, or all of it. A little at a time would hold up those who
// send to it for as long as it likes: 16 KiB a second, as long as others wait a quarter of a second for it, are the
// slowest modem that anybody has.
constexpr std::size_t kProgress = 4 * 1024;

// Links in a row on which nothing arrives and that excuse it all the same.
constexpr int kFreshLinks = 8;

}  // namespace

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
    std::vector<StreamTable::SavedStream> open;
    const bool fits = outbox_.restore(std::move(saved.out_lanes), saved.counters.saved_cost) &&
                      inbox_.restore(std::move(saved.in_lanes), saved.counters.inbox) &&
                      kept_.restore(saved.counters.next_message, saved.messages) &&
                      (saved.streams.empty() || streams_.restore(saved.streams.view(), open));
    if (!fits) return false;
    for (const auto& [number, is_relayed] : open) {
        if (is_relayed && config_.end == LinkBinding::End::coordinator)
            send_reset({number, static_cast<std::uint64_t>(ResetCode::relay_restarted),
                        "the coordinator was started anew"});
        else
            send_reset(
                {number, static_cast<std::uint64_t>(ResetCode::restarted), "the other end was started anew"});
    }
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
    note_full(now);  // without a link too: others wait for it all the same
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

/// Each lane is asked about until it is complete, and not again.
bool PeerSession::has_received_all(Goodbye& goodbye) const {
    std::erase_if(goodbye.ends, [this](const Position& end) {
        return kind_of(end.lane) == LaneKind::stream
                   ? streams_.has_received(number_of(end.lane), end.received)
                   : inbox_.has_received(end.lane, end.received);
    });
    return goodbye.ends.empty();
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

void PeerSession::note_full(TimePoint now) {
    const bool is_full = refused_ && outbox_.queued() >= config_.limits.send_buffer / 2;
    if (is_full && full_since_ == kNever) full_since_ = now;
}

void PeerSession::watch_queue(TimePoint now) {
    const std::uint64_t taken = outbox_.acknowledged() - progress_seen_;
    const bool progress = !outbox_.is_owed() || taken >= std::min<std::uint64_t>(kProgress, progress_due_);
    if (progress) fresh_links_ = 0;
    const bool fresh = std::exchange(fresh_link_, false) && fresh_links_++ < kFreshLinks;
    if (fresh) control_progress_at_ = now;
    if (progress || fresh) {
        progress_at_ = now;
        progress_seen_ = outbox_.acknowledged();
        progress_due_ = std::max<std::uint64_t>(1, outbox_.queued());
    }
    watch_control(now);
    if (end_ || !refused_) return;
    if (outbox_.queued() < config_.limits.send_buffer / 2) {
        refused_ = false;
        full_since_ = kNever;
        if (phase_ == Phase::live) events_.on_writable(*this);
        return;
    }
    note_full(now);
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
