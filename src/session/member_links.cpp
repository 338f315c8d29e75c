#include <algorithm>
#include <utility>

#include "session/member_impl.h"

namespace muster::session {

link::LinkHandler& MemberEngine::Impl::on_link_up(link::LinkPort& port, TimePoint now) {
    now_ = now;
    Attempt& attempt = attempts_.emplace_back();
    attempt.binding = std::make_unique<LinkBinding>(port, *this, LinkBinding::End::member);
    busy_ = true;
    if (session_ != nullptr && !has_joined_ && port.peer() != coordinator_.id)
        forget_session({Errc::lost, "the session that the journal had is with another coordinator"});
    const bool over = ended_ || early_end_ || (session_ != nullptr && session_->end());
    if (over || has_stage(Stage::joining)) {
        leave(attempt, LinkCode::superseded,
              over ? "the session has ended" : "another link is joining already");
    } else if (session_ == nullptr) {
        start_join(attempt, now);
    } else {
        start_resume(attempt, now);
    }
    return *attempts_.back().binding;
}

void MemberEngine::Impl::start_join(Attempt& attempt, TimePoint now) {
    attempt.stage = Stage::joining;
    attempt.deadline = now + options_.join_deadline;
    Join join;
    join.name = options_.name;
    join.info = options_.info;
    join.context = options_.context;
    join.limits = receive_limits(options_.limits);
    join.grace_ms = grace_in_ms(options_.grace);
    attempt.binding->send(Hello{});
    attempt.binding->send(join);
}

void MemberEngine::Impl::start_resume(Attempt& attempt, TimePoint now) {
    for (Attempt& other : attempts_)  // a newer link is the better one
        if (other.stage == Stage::resuming) leave(other, LinkCode::superseded, "a newer link resumes");
    attempt.stage = Stage::resuming;
    attempt.deadline = now + options_.resume_deadline;
    ask_if_safe();
}

void MemberEngine::Impl::ask_to_resume(Attempt& attempt) {
    attempt.number = ++last_attempt_;
    Resume resume;
    resume.session = session_id_;
    resume.attempt = attempt.number;
    resume.starts_anew = roster_.awaits_full();
    resume.proof =
        resume_proof(LinkBinding::End::member, attempt.binding->port(), secret_, session_id_, attempt.number);
    resume.state = session_->state();
    attempt.binding->send(Hello{});
    attempt.binding->send(resume);
}

void MemberEngine::Impl::on_link_down(link::LinkPort& port, const LinkEnd& how, TimePoint now) {
    now_ = now;
    busy_ = true;
    const auto found =
        std::ranges::find_if(attempts_, [&port](const Attempt& a) { return &a.binding->port() == &port; });
    if (found == attempts_.end()) return;
    const Stage was = found->stage;
    const bool carried = session_ != nullptr && session_->binding() == found->binding.get();
    found->binding->forget_port();
    graves_.push_back(std::move(found->binding));
    attempts_.erase(found);
    const auto* closed = std::get_if<LinkClosed>(&how);
    const bool superseded =
        closed != nullptr && closed->code == static_cast<std::uint64_t>(LinkCode::superseded);
    const Error cause = closed != nullptr ? cause_of(*closed) : std::get<Error>(how);
    if (carried && (closed == nullptr || superseded) && has_stage(Stage::resuming)) {
        session_->detach();
        link_lost_ = cause;
    } else if (carried) {
        end_link(*session_, how, now);
    } else if (was == Stage::resuming && closed != nullptr &&
               closed->code < static_cast<std::uint64_t>(LinkCode::done)) {
        session_->on_link_closed(static_cast<CloseCode>(closed->code),
                                 closed->reason);  // the answer to the resumption
    } else if (was == Stage::joining || was == Stage::resuming) {
        lose_attempt(was, cause);
    }
}

/// The session of an earlier process goes on, and all that it was told before is known again.
void MemberEngine::Impl::announce() {
    if (!std::exchange(has_joined_, true)) listener_.on_joined(coordinator_);
}

/// Nobody was told of it but who stands at the ends of its streams. It stays in the journal.
void MemberEngine::Impl::drop_session(const Departure& how) {
    if (session_ == nullptr) return;
    session_->detach();
    dropped_session_ = std::move(session_);  // its methods may be running
    for (const StreamNumber stream : dropped_session_->streams().numbers())
        listener_.on_stream_ended(StreamHandle{static_cast<std::uint64_t>(stream)}, how);

    link_lost_.reset();
    roster_deadline_ = kNever;
    is_restored_ = false;
    for (Attempt& attempt : attempts_)
        if (attempt.stage == Stage::resuming || attempt.stage == Stage::carrying)
            leave(attempt, LinkCode::superseded, "the session is not resumed");
}

/// What the journal had is of no use.
void MemberEngine::Impl::forget_session(const Error& why) {
    drop_session(why);
    wipe_secret(secret_);
    is_session_over_ = true;
    joins_anew_ = true;
    listener_.on_session_forgotten(why);
}

/// An attempt came to nothing. Joining: that was all. Resuming: the session waits for the next link.
void MemberEngine::Impl::lose_attempt(Stage was, Error cause) {
    if (was == Stage::joining) return finish_with(std::move(cause));
    if (link_lost_ && !has_stage(Stage::resuming))
        session_->on_link_lost(*std::exchange(link_lost_, {}), now_);
}

void MemberEngine::Impl::leave(Attempt& attempt, LinkCode code, std::string_view reason) {
    attempt.stage = Stage::leaving;
    attempt.deadline = kNever;
    attempt.binding->close(code, reason);
}

MemberEngine::Impl::Attempt* MemberEngine::Impl::find(const LinkBinding& binding) {
    const auto found =
        std::ranges::find_if(attempts_, [&binding](const Attempt& a) { return a.binding.get() == &binding; });
    return found == attempts_.end() ? nullptr : &*found;
}

bool MemberEngine::Impl::has_stage(Stage stage) const {
    return std::ranges::any_of(attempts_, [stage](const Attempt& attempt) { return attempt.stage == stage; });
}

// Control frames

void MemberEngine::Impl::on_control_frame(LinkBinding& binding, FrameType type, ByteView body) {
    Attempt* const attempt = find(binding);
    if (attempt == nullptr || attempt->stage == Stage::leaving) return;
    busy_ = true;
    std::uint64_t nonce = 0;
    if (type == FrameType::ping && Reader{body}.read(nonce)) {
        if (!binding.is_congested()) binding.send_nonce(FrameType::pong, nonce);
        return;
    }
    if (attempt->stage != Stage::carrying) return on_answer(*attempt, type, body);
    if (session_->binding() != &binding) return;
    if (const Violation broken = session_->on_control_frame(type, body))
        on_violation(binding, std::string{broken.what()});
}

void MemberEngine::Impl::on_answer(Attempt& attempt, FrameType type, ByteView body) {
    if (type == FrameType::refused) return on_refused(attempt, body);
    if (type == FrameType::welcome && attempt.stage == Stage::joining) return on_welcome(attempt, body);
    if (type == FrameType::resumed && attempt.stage == Stage::resuming) return on_resumed(attempt, body);
    if ((static_cast<std::uint64_t>(type) & 1) == 0)
        on_violation(*attempt.binding, "an answer to nothing asked");
}

void MemberEngine::Impl::on_welcome(Attempt& attempt, ByteView body) {
    const auto welcome = Welcome::parse(body);
    if (!welcome || welcome->version != kVersion || !are_sensible(welcome->limits))
        return on_violation(*attempt.binding, "a welcome that cannot be read");
    session_id_ = welcome->session;
    secret_ = welcome->secret;
    coordinator_ = {attempt.binding->peer(), welcome->name, welcome->info, true};
    PeerSession::Config config;
    config.end = LinkBinding::End::member;
    config.limits = options_.limits;
    config.peer = welcome->limits;
    config.grace = shorter_grace(options_.grace, welcome->grace_ms);
    config.journaled = journal_.is_open();
    session_ = std::make_unique<PeerSession>(config, *this);
    attempt.stage = Stage::carrying;
    roster_deadline_ = std::exchange(attempt.deadline, kNever);
    has_joined_ = true;
    joins_anew_ = false;
    LinkBinding& binding = *attempt.binding;  // the listener may bring up links: `attempt` may move
    listener_.on_joined(coordinator_);
    session_->attach(binding, nullptr);
}

void MemberEngine::Impl::on_resumed(Attempt& attempt, ByteView body) {
    const auto resumed = Resumed::parse(body);
    LinkBinding& binding = *attempt.binding;
    if (!resumed) return on_violation(binding, "a resumption that cannot be read");
    const Sha256Digest proof =
        resume_proof(LinkBinding::End::coordinator, binding.port(), secret_, session_id_, attempt.number);
    if (!equal_in_constant_time(std::as_bytes(std::span{proof}), std::as_bytes(std::span{resumed->proof})))
        return on_violation(binding, "a resumption without proof");
    attempt.stage = Stage::carrying;
    attempt.deadline = kNever;
    link_lost_.reset();
    for (Attempt& other : attempts_)
        if (other.stage == Stage::carrying && &other != &attempt)
            leave(other, LinkCode::superseded, "the session moved to a fresh link");
    session_->attach(binding, &resumed->state);
    if (!has_joined_) roster_deadline_ = now_ + options_.join_deadline;
    if (std::exchange(interruption_told_, false)) listener_.on_resumed();
}

void MemberEngine::Impl::on_refused(Attempt& attempt, ByteView body) {
    const auto refused = Refused::parse(body);
    const Stage was = attempt.stage;
    Error cause =
        refused ? Error{refused->why, refused->reason.empty() ? "the coordinator refused without a reason"
                                                              : "the coordinator refused: " + refused->reason}
                : Error{Errc::protocol_violation, "the coordinator sent a refusal that cannot be read"};
    leave(attempt, LinkCode::done, "");
    if (was == Stage::joining) return finish_with(std::move(cause));
    if (!has_joined_) return forget_session(cause);
    // The coordinator does not know the session any more: no link can save it. After our goodbye it means
    // that it was heard.
    if (session_->is_closing()) {
        const bool heard = cause.code() == Errc::lost && session_->has_said_goodbye();
        return session_->end_closing(heard ? std::nullopt : std::optional{std::move(cause)});
    }
    session_->detach();
    session_->fail(std::move(cause), LinkCode::done);
}

void MemberEngine::Impl::on_violation(LinkBinding& binding, std::string what) {
    Attempt* const attempt = find(binding);
    if (attempt == nullptr || attempt->stage == Stage::leaving) return;
    busy_ = true;
    const Stage was = attempt->stage;
    Error cause{Errc::protocol_violation, "the coordinator sent " + what};
    if (was == Stage::carrying && session_->binding() == &binding)
        return session_->fail(std::move(cause), LinkCode::protocol_violation);
    leave(*attempt, LinkCode::protocol_violation, cause.message());
    lose_attempt(was, std::move(cause));
}

}  // namespace muster::session
