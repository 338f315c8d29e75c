#include <algorithm>
#include <utility>

#include "session/coordinator_impl.h"

namespace muster::session {
namespace {

constexpr std::uint64_t kFormat = 1;

/// What the journal knows of the coordinator itself.
struct Owner {
    std::uint64_t next_serial = 1;
    std::uint64_t roster_revision = 1;

    Bytes encoded() const {
        Bytes value;
        Writer{value}.write_varint(kFormat).write_varint(next_serial).write_varint(roster_revision);
        return value;
    }
    static std::optional<Owner> parse(ByteView value) {
        Reader in{value};
        Owner told;
        std::uint64_t format = 0;
        const bool whole = in.read_varint(format) && format == kFormat && in.read_varint(told.next_serial) &&
                           in.read_varint(told.roster_revision) && in.empty();
        if (!whole || told.next_serial == 0 || told.next_serial > kLastSerial ||
            told.roster_revision > kMostCounted)
            return std::nullopt;
        return told;
    }
};

}  // namespace

Result<CoordinatorEngine::Restored> CoordinatorEngine::Impl::start_journal(Journal& journal,
                                                                           const JournalContents& saved,
                                                                           const Error& why, TimePoint now) {
    now_ = now;
    std::optional<Owner> owner = Owner{};
    std::span<const JournalEntry> rest{saved.entries};
    if (!rest.empty()) {
        const bool is_first = rest.front().key == JournalKey{0, JournalPart::owner};
        owner = is_first ? Owner::parse(rest.front().value.view()) : std::nullopt;
        rest = rest.subspan(1);
    }
    if (!owner)
        return Error{Errc::bad_input, "the journal does not say whose it is, or is of another version"};
    journal_.open(journal);
    next_serial_ = static_cast<std::uint32_t>(owner->next_serial);
    Restored told;
    const auto leave_out = [&](std::uint32_t serial, const std::string& why_not) {
        told.left_out.push_back("session " + std::to_string(serial) + ": " + why_not);
        unsaved_ends_.push_back(serial);
    };
    for (const std::uint32_t serial : saved.damaged) leave_out(serial, "it is damaged");
    while (!rest.empty()) {
        const std::uint32_t serial = rest.front().key.session;
        const auto other =
            std::ranges::find_if(rest, [serial](const auto& entry) { return entry.key.session != serial; });
        const auto size = static_cast<std::size_t>(other - rest.begin());
        const std::string wrong = restore_member(serial, rest.first(size), why);
        if (wrong.empty()) {
            ++told.sessions;
        } else {
            leave_out(serial, wrong);
        }
        rest = rest.subspan(size);
    }
    // Whoever is missing is missing in a newer roster, which all get who have the saved one.
    roster_saved_ = owner->roster_revision;
    roster_.restore(told.left_out.empty() ? roster_saved_ : roster_saved_ + 1);
    newcomers_wait_ = true;
    for (CoordinatorMember* const member : everyone_) listener_.on_member_joined(member->info);
    return told;
}

std::string CoordinatorEngine::Impl::restore_member(std::uint32_t serial,
                                                    std::span<const JournalEntry> entries, const Error& why) {
    static const std::string kNonsense = "its entries make no sense";
    auto saved = SavedSession::parse(entries);
    if (!saved || serial == 0 || serial >= next_serial_) return kNonsense;
    const SessionIdentity& identity = saved->identity;
    if (identity.peer.id == self_ || identity.peer.is_coordinator || find(identity.peer.id) != nullptr)
        return kNonsense;
    if (!is_trusted(identity.peer.id))
        return "device " + identity.peer.id.short_string() + " is not allowed any more";
    PeerSession::Config config;
    config.limits = identity.limits;
    config.peer = identity.peer_limits;
    config.grace = identity.grace;
    auto made = make_member(identity.peer, serial, config);
    made->session_id = identity.session;
    made->secret = identity.secret;
    made->has_identity_saved = true;
    made->roster_sent = made->roster_saved = saved->roster_sent;
    if (!made->session.restore(std::move(*saved), why, now_)) {
        std::erase(busy_, made.get());
        return kNonsense;
    }
    add_member(std::move(made));
    return {};
}

void CoordinatorEngine::Impl::note_unsaved(CoordinatorMember& member) {
    if (std::exchange(member.is_unsaved, true)) return;
    unsaved_.push_back(&member);
}

/// Hands all that is new to the journal. What comes until it is safe waits for the next time: the longer a write
/// takes, the more goes into one.
void CoordinatorEngine::Impl::save() {
    JournalBatch batch;
    for (const std::uint32_t serial : std::exchange(unsaved_ends_, {})) batch.erase_session(serial);
    for (CoordinatorMember* const member : std::exchange(unsaved_, {})) {
        member->is_unsaved = false;
        save_member(*member, batch);
    }
    if (roster_saved_ != roster_.revision() || serial_saved_ != next_serial_) {
        roster_saved_ = roster_.revision();
        serial_saved_ = next_serial_;
        batch.put({0, JournalPart::owner}, 0, Slice::from(Owner{serial_saved_, roster_saved_}.encoded()));
    }
    journal_.write(std::move(batch));
}

void CoordinatorEngine::Impl::save_member(CoordinatorMember& member, JournalBatch& batch) {
    PeerSession& session = member.session;
    const bool is_new = !std::exchange(member.has_identity_saved, true);
    if (session.end() || (!is_new && !session.has_news())) return;
    if (is_new) {
        const PeerSession::Config& agreed = session.config();
        SessionIdentity identity{member.info,   member.session_id, member.secret,
                                 agreed.limits, agreed.peer,       agreed.grace};
        batch.put({member.serial, JournalPart::identity}, 0, Slice::from(identity.encoded()));
        wipe_secret(identity.secret);
    }
    if (std::exchange(member.roster_saved, member.roster_sent) != member.roster_sent)
        batch.put({member.serial, JournalPart::roster}, member.roster_sent);
    session.save(batch, member.serial, member.held_octets + member.held_messages * kMessageOverhead);
    saving_.push_back(member.serial);
}

void CoordinatorEngine::Impl::on_journal_written(TimePoint now) {
    now_ = now;
    journal_.on_written();
    for (const std::uint32_t serial : std::exchange(saving_, {})) {
        const auto found = by_serial_.find(serial);
        if (found == by_serial_.end()) continue;
        found->second->session.on_written(now);
        let_in_saved(*found->second);
    }
}

void CoordinatorEngine::Impl::on_journal_failed(TimePoint now) {
    now_ = now;
    journal_.on_failed();
    saving_.clear();
    unsaved_ends_.clear();
    for (CoordinatorMember* const member : std::exchange(unsaved_, {})) member->is_unsaved = false;
    const auto all = everyone_;
    for (CoordinatorMember* const member : all) {
        member->session.stop_journaling();
        let_in_saved(*member);
        tell_kept(*member);
    }
}

void CoordinatorEngine::Impl::let_in_saved(CoordinatorMember& member) {
    Door* const door = std::exchange(member.saving, nullptr);
    if (door == nullptr) return;
    door->stage = Door::Stage::inside;
    if (!member.session.end()) let_in(member, *door);
}

/// What is for the application: at once, or when the journal has it.
void CoordinatorEngine::Impl::keep_or_tell(CoordinatorMember& from, const SendOptions& how,
                                           ByteView payload) {
    if (!journal_.is_open() || how.delivery == Delivery::unreliable)
        return listener_.on_message({from.info.id, how.channel, how.delivery, payload});
    Address origin;
    origin.channel = how.channel;
    from.session.kept().add(std::move(origin), how.delivery, payload);
    note_unsaved(from);
}

void CoordinatorEngine::Impl::tell_kept(CoordinatorMember& member) {
    for (const KeptMessages::Kept& kept : member.session.kept().take_safe())
        listener_.on_message({member.info.id, kept.from.channel, kept.delivery, kept.payload(), kept.number,
                              kept.redelivered});
}

}  // namespace muster::session
