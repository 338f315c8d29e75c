#include <utility>

#include "session/member_impl.h"

namespace muster::session {
namespace {

// The coordinator's journal has another: one is never taken for the other.
constexpr std::uint64_t kFormat = 2;

// There is one session at a time.
constexpr std::uint32_t kSession = 1;

constexpr std::uint64_t kMostLives = std::uint64_t{1} << 29;

std::optional<std::uint64_t> parse_life(const JournalEntry& owner) {
    Reader in{owner.value.view()};
    std::uint64_t format = 0, life = 0;
    const bool whole = owner.key == JournalKey{0, JournalPart::owner} && in.read_varint(format) &&
                       format == kFormat && in.read_varint(life) && in.empty();
    return whole && life < kMostLives ? std::optional{life} : std::nullopt;
}

}  // namespace

Result<MemberEngine::Restored> MemberEngine::Impl::start_journal(Journal& journal,
                                                                 const JournalContents& saved,
                                                                 const Error& why, TimePoint now) {
    now_ = now;
    std::span<const JournalEntry> rest{saved.entries};
    const auto life = rest.empty() ? std::optional<std::uint64_t>{0} : parse_life(rest.front());
    if (!life) return Error{Errc::bad_input, "the journal is not a member's, or is of another version"};
    if (!rest.empty()) rest = rest.subspan(1);
    journal_.open(journal);
    life_ = *life + 1;
    lives_.set(0);
    last_attempt_ = life_ << 32;
    busy_ = true;
    Restored told;
    const std::string wrong = !saved.damaged.empty() ? "it is damaged"
                              : rest.empty()         ? std::string{}
                                                     : restore(rest, why);
    if (!wrong.empty()) {
        told.left_out.push_back(wrong);
        is_session_over_ = true;
    }
    told.sessions = session_ != nullptr ? 1 : 0;
    return told;
}

/// What is wrong with it; empty if the session was restored.
std::string MemberEngine::Impl::restore(std::span<const JournalEntry> entries, const Error& why) {
    static const std::string kNonsense = "its entries make no sense";
    if (entries.front().key.session != kSession || entries.back().key.session != kSession) return kNonsense;
    auto saved = SavedSession::parse(entries);
    if (!saved || !saved->identity.peer.is_coordinator || saved->identity.peer.id == self_) return kNonsense;
    const SessionIdentity& identity = saved->identity;
    PeerSession::Config config;
    config.end = LinkBinding::End::member;
    config.limits = identity.limits;
    config.peer = identity.peer_limits;
    config.grace = identity.grace;
    config.journaled = true;
    auto session = std::make_unique<PeerSession>(config, *this);
    const SessionId id = identity.session;
    const Secret secret = identity.secret;
    PeerInfo coordinator = identity.peer;
    if (!session->restore(std::move(*saved), why, now_)) return kNonsense;
    session_ = std::move(session);
    session_id_ = id;
    secret_ = secret;
    coordinator_ = std::move(coordinator);
    is_identity_saved_ = is_restored_ = true;
    roster_.await_full();
    return {};
}

void MemberEngine::Impl::save() {
    JournalBatch batch;
    if (lives_.saved() != life_) {
        lives_.save(life_);
        Bytes owner;
        Writer{owner}.write_varint(kFormat).write_varint(life_);
        batch.put({0, JournalPart::owner}, 0, Slice::from(std::move(owner)));
    }
    if (std::exchange(is_session_over_, false)) {
        is_identity_saved_ = false;
        batch.erase_session(kSession);
    }
    if (session_ != nullptr && !session_->end()) {
        const bool is_new = !std::exchange(is_identity_saved_, true);
        if (is_new) {
            batch.erase_session(kSession);  // what an earlier one may have left
            const PeerSession::Config& agreed = session_->config();
            SessionIdentity identity{coordinator_,  session_id_, secret_,
                                     agreed.limits, agreed.peer, agreed.grace};
            batch.put({kSession, JournalPart::identity}, 0, Slice::from(identity.encoded()));
            wipe_secret(identity.secret);
        }
        if (is_new || session_->has_news()) session_->save(batch, kSession, 0);
    }
    journal_.write(std::move(batch));
}

/// Another process must not use the number of a resumption again.
void MemberEngine::Impl::ask_if_safe() {
    if (lives_.safe() < life_) return;
    for (Attempt& attempt : attempts_)
        if (attempt.stage == Stage::resuming && attempt.number == 0) ask_to_resume(attempt);
}

void MemberEngine::Impl::on_journal_written(TimePoint now) {
    now_ = now;
    busy_ = true;
    journal_.on_written();
    lives_.on_written();
    if (session_ != nullptr) session_->on_written(now);
    ask_if_safe();
}

void MemberEngine::Impl::on_journal_failed(TimePoint now) {
    now_ = now;
    busy_ = true;
    journal_.on_failed();
    lives_.set(life_);
    ask_if_safe();
    if (session_ == nullptr) return;
    session_->stop_journaling();
    if (has_joined_) tell_kept();
}

void MemberEngine::Impl::tell_kept() {
    for (const KeptMessages::Kept& kept : session_->kept().take_safe())
        listener_.on_message({origin(kept.from), kept.from.channel, kept.delivery, kept.payload(),
                              kept.number, kept.redelivered});
}

}  // namespace muster::session
