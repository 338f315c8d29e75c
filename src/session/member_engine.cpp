#include "session/member_engine.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "session/handover.h"
#include "session/member_roster.h"
#include "session/peer_session.h"
#include "session/text_rules.h"

namespace muster::session {
namespace {

using namespace std::chrono_literals;

// After the session's end the link lives that long, so that the last word gets out; then this end closes it.
constexpr Duration kLinger = 2s;

// Rounds of events that cause events in one flush(); the rest waits for the next one.
constexpr int kFlushRounds = 16;

}  // namespace

class MemberEngine::Impl final : public BindingOwner, public PeerEvents, public RosterEvents {
public:
    Impl(MemberOptions options, const DeviceId& self, MemberListener& listener)
        : options_(std::move(options)),
          self_(self),
          listener_(listener),
          roster_(self, options_.limits.members + 1) {}

    ~Impl() override {
        wipe_secret(secret_);
        session_.reset();  // before the bindings that it points to
    }

    link::LinkHandler& on_link_up(link::LinkPort& port, TimePoint now);
    void on_link_down(link::LinkPort& port, const LinkEnd& how, TimePoint now);
    TimePoint next_wakeup() const;
    void flush(TimePoint now);

    bool is_joined() const { return session_ != nullptr && !ended_; }
    bool has_ended() const { return ended_; }
    Result<void> send(const Recipients& to, const SendOptions& options, ByteView payload);
    void close(CloseCode code, std::string_view reason, TimePoint deadline);
    void abort();
    const Roster& roster() const { return roster_.roster(); }
    PeerSession* session() { return is_joined() ? session_.get() : nullptr; }
    const PeerSession* session() const { return is_joined() ? session_.get() : nullptr; }
    Result<StreamHandle> open_stream(const DeviceId& to, ByteView header);

private:
    enum class Stage : std::uint8_t {
        joining,   ///< waits for welcome or refused
        resuming,  ///< waits for resumed or refused
        carrying,  ///< the session rides on it
        leaving,   ///< of no more use; waits for link down
    };
    struct Attempt {
        std::unique_ptr<LinkBinding> binding;
        Stage stage = Stage::leaving;
        TimePoint deadline = kNever;
        std::uint64_t number = 0;  // of the resumption
    };

    // BindingOwner
    void on_control_frame(LinkBinding& binding, FrameType type, ByteView body) override;
    void on_violation(LinkBinding& binding, std::string what) override;
    void on_binding_ready(LinkBinding&) override {}
    // PeerEvents
    void on_message(PeerSession& peer, const Address& address, const SendOptions& how,
                    ByteView payload) override;
    std::string on_frame(PeerSession& peer, FrameType type, ByteView body) override;
    void on_stream_opened(PeerSession& peer, StreamNumber stream, const Address& address,
                          ByteView header) override;
    void on_stream_data(PeerSession& peer, StreamNumber stream, ByteView data, bool fin) override;
    void on_stream_reset(PeerSession& peer, StreamNumber stream, std::uint64_t code,
                         std::string_view reason) override;
    void on_stream_writable(PeerSession& peer, StreamNumber stream) override;
    void on_stream_delivered(PeerSession& peer, StreamNumber stream) override;
    void on_writable(PeerSession&) override { listener_.on_writable(); }
    void on_busy(PeerSession&) override { busy_ = true; }
    // RosterEvents
    void on_peer_joined(const PeerInfo& peer) override { listener_.on_peer_joined(peer); }
    void on_peer_left(const PeerInfo& peer, const Departure& how) override {
        listener_.on_peer_left(peer, how);
    }

    Attempt* find(const LinkBinding& binding);
    bool has_stage(Stage stage) const;
    void start_join(Attempt& attempt, TimePoint now);
    void start_resume(Attempt& attempt, TimePoint now);
    void on_answer(Attempt& attempt, FrameType type, ByteView body);
    void on_welcome(Attempt& attempt, ByteView body);
    void on_resumed(Attempt& attempt, ByteView body);
    void on_refused(Attempt& attempt, ByteView body);
    void leave(Attempt& attempt, LinkCode code, std::string_view reason);
    void lose_attempt(Stage was, Error cause);
    void check_attempts(TimePoint now);
    void finish_with(Departure how);
    void report(TimePoint now);
    DeviceId origin(const Address& address) const {
        return address.kind == Address::Kind::listed ? address.ids.front() : coordinator_.id;
    }

    MemberOptions options_;
    DeviceId self_;
    MemberListener& listener_;
    std::vector<Attempt> attempts_;
    std::vector<std::unique_ptr<LinkBinding>>
        graves_;  // freed at the next flush: their methods may be running
    std::unique_ptr<PeerSession> session_;
    MemberRoster roster_;
    PeerInfo coordinator_;
    SessionId session_id_{};
    Secret secret_{};
    std::uint64_t last_attempt_ = 0;
    std::optional<Error> link_lost_;      // the session's link went while another one is about to take over
    std::optional<Departure> early_end_;  // without a session
    bool ended_ = false;                  // on_ended was called
    bool interruption_told_ = false;
    bool busy_ = false, flushing_ = false;
    TimePoint now_{};  // of the last input that had one
    Address address_;  // of the message being sent; kept for its storage
};

// Links

link::LinkHandler& MemberEngine::Impl::on_link_up(link::LinkPort& port, TimePoint now) {
    now_ = now;
    Attempt& attempt = attempts_.emplace_back();
    attempt.binding = std::make_unique<LinkBinding>(port, *this, LinkBinding::End::member);
    busy_ = true;
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
    attempt.binding->send(Hello{});
    attempt.binding->send(join);
}

void MemberEngine::Impl::start_resume(Attempt& attempt, TimePoint now) {
    for (Attempt& other : attempts_)  // a newer link is the better one
        if (other.stage == Stage::resuming) leave(other, LinkCode::superseded, "a newer link resumes");
    attempt.stage = Stage::resuming;
    attempt.deadline = now + options_.resume_deadline;
    attempt.number = ++last_attempt_;
    Resume resume;
    resume.session = session_id_;
    resume.attempt = attempt.number;
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
    } else if (was == Stage::joining || was == Stage::resuming) {
        lose_attempt(was, cause);
    }
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
    if (std::string broken = session_->on_control_frame(type, body); !broken.empty())
        on_violation(binding, std::move(broken));
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
    const auto theirs = std::chrono::milliseconds{
        static_cast<std::int64_t>(std::min<std::uint64_t>(welcome->grace_ms, std::uint64_t{1} << 40))};
    PeerSession::Config config;
    config.end = LinkBinding::End::member;
    config.limits = options_.limits;
    config.peer = welcome->limits;
    config.grace = std::min<Duration>(options_.grace, theirs);
    session_ = std::make_unique<PeerSession>(config, *this);
    attempt.stage = Stage::carrying;
    attempt.deadline = kNever;
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
    // The coordinator does not know the session any more: no link can save it. If it is closing, it heard the
    // goodbye.
    session_->detach();
    if (session_->is_closing()) return session_->on_link_closed(0, {});
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

// What the session brings

void MemberEngine::Impl::on_message(PeerSession& peer, const Address& address, const SendOptions& how,
                                    ByteView payload) {
    if (address.kind == Address::Kind::everyone || address.ids.size() > 1) {
        if (how.delivery == Delivery::unreliable) return;
        return peer.fail({Errc::protocol_violation, "the coordinator sent a message from nobody"},
                         LinkCode::protocol_violation);
    }
    const DeviceId from = origin(address);
    listener_.on_message({from, how.channel, how.delivery, payload});
}

std::string MemberEngine::Impl::on_frame(PeerSession&, FrameType type, ByteView body) {
    if (type == FrameType::roster) {
        auto update = RosterUpdate::parse(body);
        if (!update) return "a roster that cannot be read";
        const auto applied = roster_.apply(std::move(*update), *this);
        if (applied == MemberRoster::Applied::whole) listener_.on_roster(roster_.roster());
        return applied == MemberRoster::Applied::refused ? "a roster that does not fit the last one" : "";
    }
    if (type == FrameType::undelivered) {
        const auto notice = UndeliveredNotice::parse(body);
        if (!notice) return "a notice that cannot be read";
        listener_.on_undelivered(notice->what);
        return {};
    }
    return (static_cast<std::uint64_t>(type) & 1) != 0 ? "" : "a frame of an unknown type";
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
    if (session_ != nullptr) return session_->close(code, reason, deadline);
    for (Attempt& attempt : attempts_) {
        attempt.stage = Stage::leaving;
        attempt.binding->close(code, reason);
    }
    finish_with(Closed{Closed::By::this_end, code, cleaned(reason, kMaxReasonSize)});
}

void MemberEngine::Impl::abort() {
    if (ended_ || early_end_) return;
    const Error cause{Errc::cancelled, "this end gave up"};
    if (session_ != nullptr) session_->fail(cause, LinkCode::aborted);
    for (Attempt& attempt : attempts_) leave(attempt, LinkCode::aborted, "");
    finish_with(cause);
}

// Time

void MemberEngine::Impl::finish_with(Departure how) {
    busy_ = true;
    if (session_ == nullptr && !early_end_) early_end_ = std::move(how);
}

TimePoint MemberEngine::Impl::next_wakeup() const {
    if (busy_) return now_;
    TimePoint next = session_ != nullptr ? session_->next_wakeup() : kNever;
    for (const Attempt& attempt : attempts_) next = std::min(next, attempt.deadline);
    return next;
}

void MemberEngine::Impl::flush(TimePoint now) {
    if (flushing_) return;  // from inside an event: the flush under way sees it
    flushing_ = true;
    now_ = now;
    std::erase_if(graves_, [](const auto& binding) { return !binding->is_running(); });
    for (int round = 0; round < kFlushRounds; ++round) {
        busy_ = false;
        check_attempts(now);
        if (session_ != nullptr) session_->flush(now);
        for (const Attempt& attempt : attempts_) attempt.binding->flush();
        report(now);
        if (!busy_) break;
    }
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

void MemberEngine::Impl::report(TimePoint now) {
    if (ended_) return;
    if (session_ != nullptr && session_->is_interrupted() && !session_->end() && !interruption_told_) {
        interruption_told_ = true;
        listener_.on_interrupted(*session_->interruption());
    }
    if (session_ != nullptr && session_->end()) early_end_ = session_->end();
    if (!early_end_) return;
    ended_ = true;
    for (Attempt& attempt : attempts_) {
        if (attempt.stage == Stage::joining || attempt.stage == Stage::resuming)
            leave(attempt, LinkCode::done, "");
        if (attempt.stage != Stage::carrying) continue;
        attempt.stage = Stage::leaving;
        attempt.deadline = now + kLinger;
        attempt.binding->go_deaf();
    }
    if (session_ != nullptr) {
        session_->detach();
        for (const StreamNumber stream : session_->streams().numbers())
            listener_.on_stream_reset(StreamHandle{static_cast<std::uint64_t>(stream)},
                                      static_cast<std::uint64_t>(ResetCode::peer_gone),
                                      "the session has ended");
    }
    wipe_secret(secret_);
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
TimePoint MemberEngine::next_wakeup() const { return impl_->next_wakeup(); }
void MemberEngine::on_timer(TimePoint now) { impl_->flush(now); }
void MemberEngine::flush(TimePoint now) { impl_->flush(now); }
bool MemberEngine::is_joined() const { return impl_->is_joined(); }
bool MemberEngine::has_ended() const { return impl_->has_ended(); }
Result<void> MemberEngine::send(const Recipients& to, const SendOptions& options, ByteView payload) {
    return impl_->send(to, options, payload);
}
void MemberEngine::consume_messages(std::size_t octets, std::size_t messages) {
    if (auto* session = impl_->session()) session->consume_messages(octets, messages);
}
void MemberEngine::close(CloseCode code, std::string_view reason, Duration deadline, TimePoint now) {
    impl_->close(code, reason, now + deadline);
}
void MemberEngine::abort(TimePoint) { impl_->abort(); }
const Roster& MemberEngine::roster() const { return impl_->roster(); }
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
