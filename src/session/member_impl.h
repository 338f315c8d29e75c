#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "session/engine_bounds.h"
#include "session/handover.h"
#include "session/journal_writer.h"
#include "session/member_engine.h"
#include "session/member_roster.h"
#include "session/peer_session.h"

// The inside of MemberEngine: links and what is asked and answered on them before a session rides there
// (member_links.cpp); verbs, events, time and ends (member_engine.cpp); the journal (member_journal.cpp).

namespace muster::session {

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
    Result<Restored> start_journal(Journal& journal, const JournalContents& saved, const Error& why,
                                   TimePoint now);
    void on_journal_written(TimePoint now);
    void on_journal_failed(TimePoint now);
    const JournalWriter& journal() const { return journal_; }
    TimePoint next_wakeup() const;
    void flush(TimePoint now);

    bool is_joined() const { return has_joined_ && !ended_; }
    bool is_restored() const { return is_restored_; }
    std::optional<DeviceId> restored_with() const {
        return is_restored_ ? std::optional{coordinator_.id} : std::nullopt;
    }
    bool has_ended() const { return ended_; }
    bool is_interrupted() const;
    bool wants_link() const;
    const link::LinkPort* link() const;
    std::optional<Error> shortfall() const {
        return ended_ && session_ != nullptr ? session_->shortfall() : std::nullopt;
    }
    Result<void> send(const Recipients& to, const SendOptions& options, ByteView payload);
    void close(CloseCode code, std::string_view reason, TimePoint deadline);
    void abort();
    const Roster& roster() const { return roster_.roster(); }
    const CoordinatorAddresses& coordinator_addresses() const { return addresses_; }
    void consume_messages(std::size_t octets, std::size_t messages);
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
    Violation on_frame(PeerSession& peer, FrameType type, ByteView body) override;
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
    void on_peer_joined(const PeerInfo& peer) override {
        announce();
        listener_.on_peer_joined(peer);
    }
    void on_peer_left(const PeerInfo& peer, const Departure& how) override {
        listener_.on_peer_left(peer, how);
    }

    Attempt* find(const LinkBinding& binding);
    bool has_stage(Stage stage) const;
    void start_join(Attempt& attempt, TimePoint now);
    void start_resume(Attempt& attempt, TimePoint now);
    void ask_to_resume(Attempt& attempt);
    void on_answer(Attempt& attempt, FrameType type, ByteView body);
    void on_welcome(Attempt& attempt, ByteView body);
    void on_resumed(Attempt& attempt, ByteView body);
    void on_refused(Attempt& attempt, ByteView body);
    void leave(Attempt& attempt, LinkCode code, std::string_view reason);
    void lose_attempt(Stage was, Error cause);
    void check_attempts(TimePoint now);
    void check_roster(TimePoint now);
    void announce();
    void drop_session(const Departure& how);
    void forget_session(const Error& why);
    void finish_with(Departure how);
    void report(TimePoint now);
    void tell_end(TimePoint now);

    // member_journal.cpp
    std::string restore(std::span<const JournalEntry> entries, const Error& why);
    void save();
    void tell_kept();
    void ask_if_safe();

    DeviceId origin(const Address& address) const {
        return address.kind == Address::Kind::listed ? address.ids.front() : coordinator_.id;
    }

    MemberOptions options_;
    DeviceId self_;
    MemberListener& listener_;
    std::vector<Attempt> attempts_;
    std::vector<std::unique_ptr<LinkBinding>>
        graves_;  // freed at the next flush: their methods may be running
    std::unique_ptr<PeerSession> session_, dropped_session_;  // the latter likewise

    MemberRoster roster_;
    TimePoint roster_deadline_ = kNever;  // of the first one, with which the join is complete
    CoordinatorAddresses addresses_;
    PeerInfo coordinator_;
    SessionId session_id_{};
    Secret secret_{};
    std::uint64_t last_attempt_ = 0;
    std::optional<Error> link_lost_;      // the session's link went while another one is about to take over
    std::optional<Departure> early_end_;  // without a session
    bool has_joined_ = false;          // on_joined was called; for a session from a journal, with its roster
    bool joins_anew_ = false;          // after on_session_forgotten
    bool ended_ = false;               // on_ended was called, or waits for the journal
    TimePoint end_deadline_ = kNever;  // for the journal, until on_ended was called

    bool interruption_told_ = false;
    bool busy_ = false, flushing_ = false;
    TimePoint now_{};  // of the last input that had one

    JournalWriter journal_;
    bool is_restored_ = false;
    bool is_identity_saved_ = false;
    bool is_session_over_ = false;  // the journal is to be told
    // Numbers of resumptions grow from process to process: the upper half counts those.
    std::uint64_t life_ = 0;
    SafeCount lives_{kVarintMax};
    Address address_;  // of the message being sent; kept for its storage
};

}  // namespace muster::session
