#include "session/coordinator_engine.h"

#include <algorithm>

#include "base/text.h"
#include "session/coordinator_impl.h"

namespace muster::session {
namespace {

using namespace std::chrono_literals;

// Roster updates waiting for a member from which on it gets no more of them, but a full roster once it has
// read what it has.
constexpr std::size_t kRosterWaiting = 256 * 1024;

// Octets of rosters and notices that wait for all members together. Beyond it newcomers get theirs when the
// others have read: a crowd that joins and never reads costs no more than this.
constexpr std::size_t kRostersWaiting = 64 << 20;

}  // namespace

// CoordinatorMember: passes on what its session brings

void CoordinatorMember::on_message(PeerSession&, const Address& address, const SendOptions& how,
                                   ByteView payload) {
    coordinator_.on_message(*this, address, how, payload);
}
Violation CoordinatorMember::on_frame(PeerSession&, FrameType type, ByteView) {
    if ((static_cast<std::uint64_t>(type) & 1) != 0) return {};  // of a later version, and can be skipped
    return "a frame that only the coordinator sends";
}
void CoordinatorMember::on_stream_opened(PeerSession&, StreamNumber stream, const Address& address,
                                         ByteView header) {
    coordinator_.on_stream_opened(*this, stream, address, header);
}
void CoordinatorMember::on_stream_data(PeerSession&, StreamNumber stream, ByteView data, bool fin) {
    coordinator_.on_stream_data(*this, stream, data, fin);
}
void CoordinatorMember::on_stream_reset(PeerSession&, StreamNumber stream, std::uint64_t code,
                                        std::string_view reason) {
    coordinator_.on_stream_reset(*this, stream, code, reason);
}
void CoordinatorMember::on_stream_writable(PeerSession&, StreamNumber stream) {
    coordinator_.on_stream_writable(*this, stream);
}
void CoordinatorMember::on_stream_delivered(PeerSession&, StreamNumber stream) {
    coordinator_.on_stream_delivered(*this, stream);
}
void CoordinatorMember::on_writable(PeerSession&) { coordinator_.on_writable(*this); }
void CoordinatorMember::on_busy(PeerSession&) { coordinator_.on_busy(*this); }

// The engine

CoordinatorEngine::Impl::Impl(CoordinatorOptions options, const DeviceId& self, Randomness& random,
                              CoordinatorListener& listener)
    : options_(std::move(options)),
      self_(self),
      random_(random),
      listener_(listener),
      allowed_(options_.trust.allowed.begin(), options_.trust.allowed.end()),
      roster_(PeerInfo{self, options_.name, options_.info, true}) {}

CoordinatorEngine::Impl::~Impl() {
    members_.clear();  // before the bindings that their sessions point to
    gone_.clear();
}

void CoordinatorEngine::Impl::on_busy(CoordinatorMember& member) {
    if (std::exchange(member.session.is_listed, true)) return;
    busy_.push_back(&member);
}

TimePoint CoordinatorEngine::Impl::next_wakeup() const {
    const bool saves = journal_.is_idle() && !(unsaved_.empty() && unsaved_ends_.empty());
    if (!busy_.empty() || !accepted_.empty() || again_ || saves) return now_;
    const bool ends = life_ == Life::closing && members_.empty();
    return std::min(
        {door_deadlines_.next(), member_deadlines_.next(), roster_.due(), ends ? end_deadline_ : kNever});
}

void CoordinatorEngine::Impl::flush(TimePoint now) {
    if (flushing_) return;  // from inside an event: the flush under way sees it
    flushing_ = true;
    now_ = now;
    std::erase_if(graves_, [](const auto& door) { return !door->binding->is_running(); });
    while (Door* const door = door_deadlines_.take_due(now)) on_door_deadline(*door);
    while (CoordinatorMember* const member = member_deadlines_.take_due(now)) on_busy(*member);
    for (int round = 0; round < kFlushRounds; ++round) {
        again_ = false;
        for (CoordinatorMember* const member : std::exchange(busy_, {})) {
            member->session.is_listed = false;
            flush_member(*member);
        }
        gone_.clear();
        for (Door* const door : std::exchange(accepted_, {})) admit(*door);
        change_roster();
        for (const Undelivered& what : std::exchange(undelivered_, {})) listener_.on_undelivered(what);
        if (busy_.empty() && accepted_.empty() && !again_) break;
    }
    if (journal_.is_idle()) save();
    finish_closing();
    flushing_ = false;
}

void CoordinatorEngine::Impl::flush_member(CoordinatorMember& member) {
    if (find(member.info.id) != &member) return;  // removed in this round
    PeerSession& session = member.session;
    if (member.saving != nullptr && !session.is_closing() && !session.end()) return;
    const bool stalled = is_stalled(member);
    if (journal_.is_open()) tell_kept(member);
    session.flush(now_);
    if (journal_.is_open()) note_unsaved(member);
    count_control(member, session.binding() != nullptr ? session.outbox().control_queued() : 0);
    if (const auto& how = session.end()) return remove(member, Departure{*how});
    settle_passed(member, stalled);
    if (member.held_messages > 0) return_credit(member, 0, 0);
    const bool behind =
        member.roster_sent > 0 && (!member.knows_roster || !roster_.covers(member.roster_sent));
    if (behind && session.outbox().control_queued() == 0) send_roster(member);
    if (member.addresses_sent != addresses_revision_) send_addresses(member);
    if (const auto& why = session.interruption(); why && !member.interruption_told) {
        member.interruption_told = true;
        listener_.on_interrupted(member.info, Error{*why});
    }
    TimePoint next = session.next_wakeup();
    if (session.outbox().is_owed()) {
        if (!member.passed.empty()) next = std::min(next, session.progress_at() + options_.stall_limit);
        const bool was_slow = std::exchange(member.is_slow, is_slow(member));
        if (member.is_slow && !was_slow && session.has_refused())
            listener_.on_writable(member.info.id);  // nobody waits for it any more
        if (!member.is_slow && session.full_since() != kNever)
            next = std::min(next, session.full_since() + options_.stall_limit);
    }

    member_deadlines_.set(member, next);
}

/// A session has ended: tells everyone, and frees it at the end of the round.
void CoordinatorEngine::Impl::remove(CoordinatorMember& member, const Departure& how) {
    member_deadlines_.set(member, kNever);
    count_control(member, 0);
    if (member.session.is_listed) std::erase(busy_, &member);
    member.session.is_listed = true;  // for good: nobody is to put it there again
    settle_passed(member, true);
    if (!member.session.is_closing()) {
        member.session.kept().stop_journaling();  // nobody delivers it again
        tell_kept(member);
    }
    note_shortfall(member);
    if (LinkBinding* const binding = member.session.binding()) {
        Door* const door = door_of(*binding);
        member.session.detach();
        binding->go_deaf();
        if (door != nullptr) door->stage = Door::Stage::leaving;
        if (door != nullptr) door_deadlines_.set(*door, now_ + kLinger);
    }
    for (const auto& [port, door] : doors_)
        if (door->member == &member && door->stage != Door::Stage::leaving) leave(*door, LinkCode::done, "");
    end_streams(member, how);
    const DeviceId id = member.info.id;
    everyone_.back()->place = member.place;
    everyone_[member.place] = everyone_.back();
    everyone_.pop_back();
    by_serial_.erase(member.serial);
    const auto found = members_.find(id);
    if (journal_.is_open() && member.has_identity_saved) unsaved_ends_.push_back(member.serial);
    if (member.is_unsaved) std::erase(unsaved_, &member);
    gone_.push_back(std::move(found->second));
    members_.erase(found);
    roster_.remove(id, how);
    listener_.on_member_left(gone_.back()->info, how);
    // Who waits for it waits for others too, or hears that there is no such member.
    if (gone_.back()->session.has_refused()) listener_.on_writable(id);
}

/// Makes a new revision of what changed: newcomers get it at once, everyone else in batches.
void CoordinatorEngine::Impl::change_roster() {
    newcomers_wait_ |= roster_.commit();
    if (life_ != Life::open)
        return roster_.told(now_, 0, 0);  // everyone leaves: nobody needs to know who else
    if (newcomers_wait_) welcome_newcomers();
    if (now_ < roster_.due()) return;
    std::size_t octets = 0;
    for (CoordinatorMember* const member : everyone_) {
        const bool current = member->roster_sent == roster_.revision();
        const bool busy = member->session.outbox().control_queued() >= kRosterWaiting;
        if (current || busy || !roster_.covers(member->roster_sent)) continue;
        for (const Bytes& frame : roster_.delta(member->roster_sent)) {
            octets += frame.size();
            member->session.send_frame(frame);
        }
        member->roster_sent = roster_.revision();
    }
    roster_.told(now_, everyone_.size(), octets);
}

/// Sends newcomers the roster, as long as not too much of it waits for others.
void CoordinatorEngine::Impl::welcome_newcomers() {
    newcomers_wait_ = false;
    for (CoordinatorMember* const member : everyone_) {
        if (member->roster_sent > 0) continue;
        newcomers_wait_ = control_total_ >= kRostersWaiting;
        if (newcomers_wait_) return;
        send_roster(*member);
        count_control(*member, member->session.outbox().control_queued());
    }
}

void CoordinatorEngine::Impl::count_control(CoordinatorMember& member, std::size_t octets) {
    control_total_ += octets - std::exchange(member.control_counted, octets);
}

void CoordinatorEngine::Impl::set_addresses(std::vector<Endpoint> addresses) {
    if (addresses.size() > AddressList::kMax) addresses.resize(AddressList::kMax);
    if (addresses == addresses_) return;
    addresses_ = std::move(addresses);
    ++addresses_revision_;
    for (CoordinatorMember* const member : everyone_) on_busy(*member);
}

/// Whoever does not read gets the newest list when it does.
void CoordinatorEngine::Impl::send_addresses(CoordinatorMember& member) {
    if (member.roster_sent == 0 || member.session.outbox().control_queued() > 0) return;
    member.session.send_frame(encode(AddressList{addresses_}));
    member.addresses_sent = addresses_revision_;
}

void CoordinatorEngine::Impl::send_roster(CoordinatorMember& member) {
    for (const Bytes& frame : roster_.full()) member.session.send_frame(frame);
    member.knows_roster = true;
    member.roster_sent = roster_.revision();
}

Result<void> CoordinatorEngine::Impl::close_member(const DeviceId& id, CloseCode code,
                                                   std::string_view reason, TimePoint deadline) {
    CoordinatorMember* const member = find(id);
    if (member == nullptr) return Error{Errc::unknown_peer, "no member has the id " + id.to_string()};
    member->session.close(code, reason, deadline);
    return {};
}

void CoordinatorEngine::Impl::close(CloseCode code, std::string_view reason, TimePoint deadline) {
    if (life_ != Life::open) return;
    life_ = Life::closing;
    again_ = true;
    closing_ = {Closed::By::this_end, code, cleaned(reason, kMaxReasonSize)};
    end_deadline_ = std::max(deadline, now_) + kDiskPatience;
    accepted_.clear();
    for (const auto& [port, door] : doors_) {
        if (door->member != nullptr || door->stage == Door::Stage::leaving) continue;
        if (door->stage == Door::Stage::hello)
            leave(*door, LinkCode::done, "the coordinator is closing");
        else
            turn_away(*door, Errc::closed, "the coordinator is closing: " + closing_.reason);
    }
    for (CoordinatorMember* const member : everyone_) member->session.close(code, closing_.reason, deadline);
}

void CoordinatorEngine::Impl::abort() {
    if (life_ == Life::closed) return;
    life_ = Life::closing;
    again_ = true;
    accepted_.clear();
    end_deadline_ = now_ + kDiskPatience;
    const Error cause{Errc::cancelled, "this end gave up"};
    for (CoordinatorMember* const member : everyone_) member->session.fail(cause, LinkCode::aborted);
    for (const auto& [port, door] : doors_)
        if (door->stage != Door::Stage::inside) leave(*door, LinkCode::aborted, "");
}

bool CoordinatorEngine::Impl::is_interrupted(const DeviceId& id) const {
    const CoordinatorMember* const member = find(id);
    return member != nullptr && !member->session.end() && member->session.binding() == nullptr;
}

const link::LinkPort* CoordinatorEngine::Impl::link_of(const DeviceId& id) const {
    const CoordinatorMember* const member = find(id);
    const bool has_link = member != nullptr && member->session.binding() != nullptr;
    return has_link ? &member->session.binding()->port() : nullptr;
}

void CoordinatorEngine::Impl::note_shortfall(const CoordinatorMember& member) {
    const auto& missed = member.session.shortfall();
    if (life_ != Life::closing || !missed || missed->code() == Errc::closed) return;
    if (!shortfall_)
        shortfall_ =
            Error{missed->code(), "'" + member.info.name +
                                      "' has not confirmed that it has everything: " + missed->message()};
    shortfall_->saw({"close", member.info.name + " (" + member.info.id.short_string() + "...)",
                     missed->message() + "; " + missed->evidence().back().finding});
}

void CoordinatorEngine::Impl::finish_closing() {
    if (life_ != Life::closing || !members_.empty()) return;
    // Another process would wake them up; but no disk holds up the end for ever.
    if (is_saving_end() && now_ < end_deadline_) return;
    life_ = Life::closed;
    listener_.on_closed();
}

// The face

Result<std::unique_ptr<CoordinatorEngine>> CoordinatorEngine::create(CoordinatorOptions options,
                                                                     const DeviceId& self, Randomness& random,
                                                                     CoordinatorListener& listener) {
    if (auto good = check_name(options.name); !good) return good.error();
    if (auto good = check_info(options.info); !good) return good.error();
    if (auto good = check_limits(options.limits); !good) return good.error();
    auto impl = std::make_unique<Impl>(std::move(options), self, random, listener);
    return std::unique_ptr<CoordinatorEngine>{new CoordinatorEngine{std::move(impl)}};
}

CoordinatorEngine::CoordinatorEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CoordinatorEngine::~CoordinatorEngine() = default;

link::LinkHandler& CoordinatorEngine::on_link_up(link::LinkPort& port, TimePoint now) {
    return impl_->on_link_up(port, now);
}
void CoordinatorEngine::on_link_down(link::LinkPort& port, const LinkEnd& how, TimePoint now) {
    impl_->on_link_down(port, how, now);
}
TimePoint CoordinatorEngine::next_wakeup() const { return impl_->next_wakeup(); }
void CoordinatorEngine::set_addresses(std::vector<Endpoint> addresses) {
    impl_->set_addresses(std::move(addresses));
}
Result<CoordinatorEngine::Restored> CoordinatorEngine::start_journal(Journal& journal,
                                                                     const JournalContents& saved,
                                                                     const Error& why, TimePoint now) {
    return impl_->start_journal(journal, saved, why, now);
}
void CoordinatorEngine::on_journal_written(TimePoint now) { impl_->on_journal_written(now); }
void CoordinatorEngine::on_journal_failed(TimePoint now) { impl_->on_journal_failed(now); }
const JournalWriter& CoordinatorEngine::journal() const { return impl_->journal(); }
void CoordinatorEngine::on_timer(TimePoint now) { impl_->flush(now); }
void CoordinatorEngine::flush(TimePoint now) { impl_->flush(now); }
void CoordinatorEngine::accept(std::uint64_t ticket) { impl_->accept(ticket); }
void CoordinatorEngine::refuse(std::uint64_t ticket, Errc why, std::string_view reason) {
    impl_->refuse(ticket, why, reason);
}
Result<void> CoordinatorEngine::send(const Recipients& to, const SendOptions& options, ByteView payload) {
    return impl_->send(to, options, payload);
}
void CoordinatorEngine::consume_messages(const DeviceId& from, std::size_t octets, std::size_t messages) {
    impl_->consume_messages(from, octets, messages);
}
Result<void> CoordinatorEngine::close_member(const DeviceId& member, CloseCode code, std::string_view reason,
                                             Duration deadline, TimePoint now) {
    return impl_->close_member(member, code, reason, now + deadline);
}
void CoordinatorEngine::close(CloseCode code, std::string_view reason, Duration deadline, TimePoint now) {
    impl_->close(code, reason, now + deadline);
}
void CoordinatorEngine::abort(TimePoint) { impl_->abort(); }
std::optional<Error> CoordinatorEngine::shortfall() const { return impl_->shortfall(); }
const Roster& CoordinatorEngine::roster() const { return impl_->roster(); }
bool CoordinatorEngine::is_interrupted(const DeviceId& member) const { return impl_->is_interrupted(member); }
const link::LinkPort* CoordinatorEngine::link_of(const DeviceId& member) const {
    return impl_->link_of(member);
}
Result<StreamHandle> CoordinatorEngine::open_stream(const DeviceId& to, ByteView header) {
    return impl_->open_stream(to, header);
}
Result<void> CoordinatorEngine::write(StreamHandle stream, Slice octets) {
    CoordinatorMember* const member = impl_->owner_of(stream);
    if (member == nullptr) return Error{Errc::not_connected, "the stream is closed"};
    return member->session.write(Impl::number_of(stream), std::move(octets));
}
std::size_t CoordinatorEngine::writable(StreamHandle stream) const {
    const CoordinatorMember* const member = impl_->owner_of(stream);
    return member == nullptr ? 0 : member->session.streams().writable(Impl::number_of(stream));
}
void CoordinatorEngine::finish(StreamHandle stream) {
    if (auto* member = impl_->owner_of(stream)) member->session.finish(Impl::number_of(stream));
}
void CoordinatorEngine::reset(StreamHandle stream, std::uint64_t code, std::string_view reason) {
    if (auto* member = impl_->owner_of(stream)) member->session.reset(Impl::number_of(stream), code, reason);
}
void CoordinatorEngine::consume(StreamHandle stream, std::size_t octets) {
    if (auto* member = impl_->owner_of(stream)) member->session.consume(Impl::number_of(stream), octets);
}

}  // namespace muster::session
