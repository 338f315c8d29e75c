#include "session/member_engine.h"

#include <algorithm>

#include "base/text.h"
#include "session/member_impl.h"

namespace muster::session {
// What the session brings

void MemberEngine::Impl::on_message(PeerSession& peer, const Address& address, const SendOptions& how,
                                    ByteView payload) {
    if (address.kind == Address::Kind::everyone || address.ids.size() > 1) {
        if (how.delivery == Delivery::unreliable) return;
        return peer.fail({Errc::protocol_violation, "the coordinator sent a message from nobody"},
                         LinkCode::protocol_violation);
    }
    if (how.delivery == Delivery::unreliable && !has_joined_) return;
    if ((!journal_.is_open() && has_joined_) || how.delivery == Delivery::unreliable)
        return listener_.on_message({origin(address), how.channel, how.delivery, payload});
    Address sender = address;
    sender.channel = how.channel;
    session_->kept().add(std::move(sender), how.delivery, payload);
}

Violation MemberEngine::Impl::on_frame(PeerSession&, FrameType type, ByteView body) {
    if (type == FrameType::roster) {
        auto update = RosterUpdate::parse(body);
        if (!update) return "a roster that cannot be read";
        const auto applied = roster_.apply(std::move(*update), *this);
        if (applied == MemberRoster::Applied::whole) {
            announce();
            roster_deadline_ = kNever;
            listener_.on_roster(roster_.roster());
        }
        if (applied == MemberRoster::Applied::refused) return "a roster that does not fit the last one";
        return {};
    }
    if (type == FrameType::addresses) {
        auto list = AddressList::parse(body);
        if (!list) return "a list of addresses that cannot be read";
        addresses_ = {addresses_.revision + 1, std::move(list->endpoints)};
        return {};
    }
    if (type == FrameType::undelivered) {
        const auto notice = UndeliveredNotice::parse(body);
        if (!notice) return "a notice that cannot be read";
        listener_.on_undelivered(notice->what);
        return {};
    }
    if ((static_cast<std::uint64_t>(type) & 1) != 0) return {};  // of a later version, and can be skipped
    return "a frame of an unknown type";
}

void MemberEngine::Impl::on_stream_opened(PeerSession&, StreamNumber stream, const Address& address,
                                          ByteView header) {
    listener_.on_stream_opened(StreamHandle{static_cast<std::uint64_t>(stream)}, origin(address), header);
}

void MemberEngine::Impl::on_stream_data(PeerSession&, StreamNumber stream, ByteView data, bool fin) {
    listener_.on_stream_data(StreamHandle{static_cast<std::uint64_t>(stream)}, data, fin);
}

void MemberEngine::Impl::on_stream_reset(PeerSession&, StreamNumber stream, std::uint64_t code,
                                         std::string_view reason) {
    listener_.on_stream_reset(StreamHandle{static_cast<std::uint64_t>(stream)}, code, reason);
}

void MemberEngine::Impl::on_stream_writable(PeerSession&, StreamNumber stream) {
    listener_.on_stream_writable(StreamHandle{static_cast<std::uint64_t>(stream)});
}

void MemberEngine::Impl::on_stream_delivered(PeerSession&, StreamNumber stream) {
    listener_.on_stream_delivered(StreamHandle{static_cast<std::uint64_t>(stream)});
}

// Verbs

Result<void> MemberEngine::Impl::send(const Recipients& to, const SendOptions& options, ByteView payload) {
    if (!is_joined()) return Error{Errc::not_connected, "this device is not a member"};
    if (options.cookie > kVarintMax) return Error{Errc::bad_input, "a cookie is at most 2^62 - 1"};
    address_.channel = options.channel;
    address_.ids.clear();
    address_.kind = to.kind() == Recipients::Kind::everyone ? Address::Kind::everyone : Address::Kind::direct;
    if (to.kind() == Recipients::Kind::listed) {
        if (to.ids().empty() || to.ids().size() > options_.limits.recipients)
            return Error{Errc::bad_input, "a message goes to 1 to " +
                                              std::to_string(options_.limits.recipients) +
                                              " listed recipients; for more, address everyone"};
        for (const DeviceId& id : to.ids())
            if (id == self_ || !roster_.contains(id))
                return Error{Errc::unknown_peer, "there is no other peer " + id.to_string()};
        if (to.ids().size() > 1 || to.ids().front() != coordinator_.id) {
            address_.kind = Address::Kind::listed;
            address_.ids.assign(to.ids().begin(), to.ids().end());
        }
    }
    return session_->send(address_, options, payload, nullptr);
}

void MemberEngine::Impl::consume_messages(std::size_t octets, std::size_t messages) {
    if (!is_joined()) return;
    session_->consume_messages(octets, messages);
    if (!journal_.is_open()) return;
    session_->kept().on_consumed(messages);
    busy_ = true;
}

Result<StreamHandle> MemberEngine::Impl::open_stream(const DeviceId& to, ByteView header) {
    if (!is_joined()) return Error{Errc::not_connected, "this device is not a member"};
    Address address;
    if (to != coordinator_.id) {
        if (to == self_ || !roster_.contains(to))
            return Error{Errc::unknown_peer, "there is no other peer " + to.to_string()};
        address.kind = Address::Kind::listed;
        address.ids.push_back(to);
    }
    const auto opened = session_->open_stream(address, header);
    if (!opened) return opened.error();
    return StreamHandle{static_cast<std::uint64_t>(*opened)};
}

void MemberEngine::Impl::close(CloseCode code, std::string_view reason, TimePoint deadline) {
    if (ended_ || early_end_) return;
    busy_ = true;
    const Closed how{Closed::By::this_end, code, cleaned(reason, kMaxReasonSize)};
    if (!has_joined_) drop_session(how);
    if (session_ != nullptr) return session_->close(code, reason, deadline);
    for (Attempt& attempt : attempts_) {
        attempt.stage = Stage::leaving;
        attempt.binding->close(code, reason);
    }
    finish_with(how);
}

void MemberEngine::Impl::abort() {
    if (ended_ || early_end_) return;
    const Error cause{Errc::cancelled, "this end gave up"};
    if (!has_joined_) drop_session(cause);
    if (session_ != nullptr) session_->fail(cause, LinkCode::aborted);
    for (Attempt& attempt : attempts_) leave(attempt, LinkCode::aborted, "");
    finish_with(cause);
}

bool MemberEngine::Impl::is_interrupted() const {
    return session_ != nullptr && !ended_ && !session_->end() && session_->binding() == nullptr;
}

bool MemberEngine::Impl::wants_link() const {
    if (joins_anew_ && !early_end_) return !has_stage(Stage::joining);
    return is_interrupted() && !has_stage(Stage::resuming);
}

const link::LinkPort* MemberEngine::Impl::link() const {
    return is_joined() && session_->binding() != nullptr ? &session_->binding()->port() : nullptr;
}

// Time

void MemberEngine::Impl::finish_with(Departure how) {
    busy_ = true;
    if (session_ == nullptr && !early_end_) early_end_ = std::move(how);
}

TimePoint MemberEngine::Impl::next_wakeup() const {
    if (busy_) return now_;
    TimePoint next = end_deadline_;
    if (session_ != nullptr) next = std::min({next, session_->next_wakeup(), roster_deadline_});

    for (const Attempt& attempt : attempts_) next = std::min(next, attempt.deadline);
    return next;
}

void MemberEngine::Impl::flush(TimePoint now) {
    if (flushing_) return;  // from inside an event: the flush under way sees it
    flushing_ = true;
    now_ = now;
    std::erase_if(graves_, [](const auto& binding) { return !binding->is_running(); });
    dropped_session_.reset();
    for (int round = 0; round < kFlushRounds; ++round) {
        busy_ = false;
        check_attempts(now);
        check_roster(now);
        if (has_joined_) tell_kept();
        if (session_ != nullptr) session_->flush(now);
        for (const Attempt& attempt : attempts_) attempt.binding->flush();
        report(now);
        if (!busy_) break;
    }
    if (journal_.is_idle()) save();
    flushing_ = false;
}

void MemberEngine::Impl::check_attempts(TimePoint now) {
    for (std::size_t i = 0; i < attempts_.size(); ++i) {
        Attempt& attempt = attempts_[i];
        if (now < attempt.deadline) continue;
        const Stage was = attempt.stage;
        leave(attempt, was == Stage::leaving ? LinkCode::done : LinkCode::timed_out, "no answer in time");
        if (was == Stage::leaving) continue;
        lose_attempt(was, {Errc::timed_out, was == Stage::joining
                                                ? "the coordinator did not answer the request to join in time"
                                                : "the coordinator did not answer in time"});
    }
}

// A coordinator that lives, lets us in and says no more would keep a join waiting for ever.
void MemberEngine::Impl::check_roster(TimePoint now) {
    if (now < roster_deadline_) return;
    roster_deadline_ = kNever;
    if (session_ == nullptr || session_->end()) return;
    session_->fail(
        {Errc::timed_out, "the coordinator let this device in, and did not say who is there in time"},
        LinkCode::timed_out);
}

void MemberEngine::Impl::report(TimePoint now) {
    if (ended_) return tell_end(now);
    if (has_joined_ && !session_->end() && !interruption_told_) {
        if (const auto& why = session_->interruption()) {
            interruption_told_ = true;
            listener_.on_interrupted(Error{*why});
        }
    }
    const auto over = session_ != nullptr ? session_->end() : std::nullopt;
    if (over && !has_joined_) {
        const Departure& how = *over;
        forget_session(how.is_lost()
                           ? how.cause()
                           : Error{Errc::closed, "the coordinator closed it: " + how.closed().reason});
    }
    if (session_ != nullptr && session_->end()) early_end_ = session_->end();
    if (!early_end_) return;
    ended_ = true;
    end_deadline_ = now + kDiskPatience;
    for (Attempt& attempt : attempts_) {
        if (attempt.stage == Stage::joining || attempt.stage == Stage::resuming)
            leave(attempt, LinkCode::done, "");
        if (attempt.stage != Stage::carrying) continue;
        attempt.stage = Stage::leaving;
        attempt.deadline = now + kLinger;
        attempt.binding->go_deaf();
    }
    if (has_joined_) {
        is_session_over_ = true;
        if (!session_->is_closing()) {
            session_->kept().stop_journaling();  // nobody delivers it again
            tell_kept();
        }
    }
    if (session_ != nullptr) {
        session_->detach();
        for (const StreamNumber stream : session_->streams().numbers())
            listener_.on_stream_ended(StreamHandle{static_cast<std::uint64_t>(stream)}, *early_end_);
    }
    wipe_secret(secret_);
    tell_end(now);
}

/// Another process would go on with it; but no disk holds up the end for ever.
void MemberEngine::Impl::tell_end(TimePoint now) {
    const bool is_saving = journal_.is_writing() || (journal_.is_open() && is_session_over_);
    if (!early_end_ || end_deadline_ == kNever || (is_saving && now < end_deadline_)) return;
    end_deadline_ = kNever;
    listener_.on_ended(*early_end_);
}

// The face

Result<std::unique_ptr<MemberEngine>> MemberEngine::create(MemberOptions options, const DeviceId& self,
                                                           MemberListener& listener) {
    if (auto good = check_name(options.name); !good) return good.error();
    if (auto good = check_info(options.info); !good) return good.error();
    if (auto good = check_limits(options.limits); !good) return good.error();
    if (options.context.size() > kMaxContextSize)
        return Error{Errc::too_large, "the context of a request has at most " +
                                          std::to_string(kMaxContextSize) + " octets, this one has " +
                                          std::to_string(options.context.size())};
    auto impl = std::make_unique<Impl>(std::move(options), self, listener);
    return std::unique_ptr<MemberEngine>{new MemberEngine{std::move(impl)}};
}

MemberEngine::MemberEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MemberEngine::~MemberEngine() = default;

link::LinkHandler& MemberEngine::on_link_up(link::LinkPort& port, TimePoint now) {
    return impl_->on_link_up(port, now);
}
void MemberEngine::on_link_down(link::LinkPort& port, const LinkEnd& how, TimePoint now) {
    impl_->on_link_down(port, how, now);
}
Result<MemberEngine::Restored> MemberEngine::start_journal(Journal& journal, const JournalContents& saved,
                                                           const Error& why, TimePoint now) {
    return impl_->start_journal(journal, saved, why, now);
}
void MemberEngine::on_journal_written(TimePoint now) { impl_->on_journal_written(now); }
void MemberEngine::on_journal_failed(TimePoint now) { impl_->on_journal_failed(now); }
const JournalWriter& MemberEngine::journal() const { return impl_->journal(); }
TimePoint MemberEngine::next_wakeup() const { return impl_->next_wakeup(); }
void MemberEngine::on_timer(TimePoint now) { impl_->flush(now); }
void MemberEngine::flush(TimePoint now) { impl_->flush(now); }
bool MemberEngine::is_interrupted() const { return impl_->is_interrupted(); }
bool MemberEngine::wants_link() const { return impl_->wants_link(); }
const link::LinkPort* MemberEngine::link() const { return impl_->link(); }
bool MemberEngine::is_joined() const { return impl_->is_joined(); }
bool MemberEngine::is_restored() const { return impl_->is_restored(); }
std::optional<DeviceId> MemberEngine::restored_with() const { return impl_->restored_with(); }
bool MemberEngine::has_ended() const { return impl_->has_ended(); }
Result<void> MemberEngine::send(const Recipients& to, const SendOptions& options, ByteView payload) {
    return impl_->send(to, options, payload);
}
void MemberEngine::consume_messages(std::size_t octets, std::size_t messages) {
    impl_->consume_messages(octets, messages);
}
void MemberEngine::close(CloseCode code, std::string_view reason, Duration deadline, TimePoint now) {
    impl_->close(code, reason, now + deadline);
}
void MemberEngine::abort(TimePoint) { impl_->abort(); }
std::optional<Error> MemberEngine::shortfall() const { return impl_->shortfall(); }
const Roster& MemberEngine::roster() const { return impl_->roster(); }
const MemberEngine::CoordinatorAddresses& MemberEngine::coordinator_addresses() const {
    return impl_->coordinator_addresses();
}
Result<StreamHandle> MemberEngine::open_stream(const DeviceId& to, ByteView header) {
    return impl_->open_stream(to, header);
}

namespace {
StreamNumber number_of(StreamHandle stream) { return StreamNumber{static_cast<std::uint32_t>(stream)}; }
}  // namespace

Result<void> MemberEngine::write(StreamHandle stream, Slice octets) {
    auto* const session = impl_->session();
    if (session == nullptr) return Error{Errc::not_connected, "this device is not a member"};
    return session->write(number_of(stream), std::move(octets));
}
std::size_t MemberEngine::writable(StreamHandle stream) const {
    const auto* const session = impl_->session();
    return session == nullptr ? 0 : session->streams().writable(number_of(stream));
}
void MemberEngine::finish(StreamHandle stream) {
    if (auto* session = impl_->session()) session->finish(number_of(stream));
}
void MemberEngine::reset(StreamHandle stream, std::uint64_t code, std::string_view reason) {
    if (auto* session = impl_->session()) session->reset(number_of(stream), code, reason);
}
void MemberEngine::consume(StreamHandle stream, std::size_t octets) {
    if (auto* session = impl_->session()) session->consume(number_of(stream), octets);
}

}  // namespace muster::session
