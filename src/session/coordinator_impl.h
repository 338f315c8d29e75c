#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/rate_limit.h"
#include "session/coordinator_engine.h"
#include "session/coordinator_roster.h"
#include "session/deadline_queue.h"
#include "session/engine_bounds.h"
#include "session/handover.h"
#include "session/journal_writer.h"
#include "session/peer_session.h"

// The inside of CoordinatorEngine: links and their doors (coordinator_admission.cpp), messages
// (coordinator_routing.cpp), byte streams (coordinator_streams.cpp), roster, time and ends
// (coordinator_engine.cpp), the journal (coordinator_journal.cpp).

namespace muster::session {

/// Notices and roster updates waiting for a member from which on it gets no more credit, and no more streams.
inline constexpr std::size_t kNoticesWaiting = 256 * 1024;

class CoordinatorMember;

/// A link that has come up, from its first octet until it is down.
struct Door {
    enum class Stage : std::uint8_t {
        hello,     ///< has not said yet what it wants
        asked,     ///< waits for the application's decision
        probing,   ///< its device is a member already: waits for that one's sign of life
        accepted,  ///< is let in by the next flush
        saving,    ///< is a member; its welcome waits for the journal
        inside,    ///< carries a member's session
        leaving,   ///< of no more use; waits for link down
    };

    std::unique_ptr<LinkBinding> binding;
    Stage stage = Stage::hello;
    bool said_hello = false;
    JoinRequest request;
    ReceiveLimits limits;
    std::uint64_t grace_ms = 0;           // the device's
    CoordinatorMember* member = nullptr;  // once there is one
    TimePoint listed_at = kNever;         // DeadlineQueue
};

/// Sessions are numbered through the lives of all processes with the same journal.
inline constexpr std::uint32_t kLastSerial = 0xfffffffe;

// What one member may have copied to several others by unreliable messages, which no credit holds back: one
// datagram in may be thousands out. 64 MiB/s is half of a 1 Gbit/s uplink, and 880 recipients of a 1200-octet
// message at 60 Hz; half of it would get in the way of large groups, and all of the uplink would leave nothing
// for the others.
inline constexpr double kCopiesPerSecond = 64 << 20;
inline constexpr double kCopiesAtOnce = kCopiesPerSecond / 4;

/// A member as the coordinator sees it.
class CoordinatorMember final : public PeerEvents {
public:
    CoordinatorMember(CoordinatorEngine::Impl& coordinator, PeerInfo who, std::uint32_t number,
                      const PeerSession::Config& config)
        : info(std::move(who)), serial(number), session(config, *this), coordinator_(coordinator) {}
    ~CoordinatorMember() override { wipe_secret(secret); }

    /// Messages of one sender that wait in this member's queue, up to a point of it.
    struct Passed {
        std::uint64_t mark = 0;  // of Outbox::accepted()
        std::uint32_t from = 0;
        std::size_t cost = 0;
    };

    const PeerInfo info;
    const std::uint32_t serial;  // never used again
    SessionId session_id{};
    Secret secret{};
    std::uint64_t last_attempt = 0;
    std::uint64_t roster_sent = 0;  // the revision that it has been sent
    std::uint64_t addresses_sent = 0;
    bool knows_roster = true;  // false: another process than the one that was sent it
    bool is_slow = false;      // as the application was told: sends to several do not wait for it

    std::size_t place = 0;            // in the list for everyone
    std::size_t control_counted = 0;  // its part of control_total_
    bool interruption_told = false;
    bool is_unsaved = false;  // listed in unsaved_
    bool has_identity_saved = false;
    std::uint64_t roster_saved = 0;  // roster_sent as the journal has it
    Door* saving = nullptr;          // where its welcome waits for the journal

    // What it sent to others: see pass_on() in coordinator_routing.cpp.
    std::deque<Passed> passed;           // to it, by others
    std::size_t passed_outstanding = 0;  // from it, in the queues of others
    double fan_out = 0;  // recipients of its messages, weighted by octets; 0: it has sent none
    std::vector<std::uint32_t> channel_openers;  // serials: who made the channels towards it

    RateLimit copies{kCopiesAtOnce, kCopiesPerSecond};  // octets of unreliable messages, once per recipient
    bool was_rationed = false;                          // some were not copied, and the log was told
    std::size_t held_octets = 0, held_messages = 0;     // credit that it gets back later

    TimePoint listed_at = kNever;  // DeadlineQueue
    PeerSession session;           // last: its destructor may still look at the rest

private:
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
    void on_writable(PeerSession& peer) override;
    void on_busy(PeerSession& peer) override;

    CoordinatorEngine::Impl& coordinator_;
};

class CoordinatorEngine::Impl final : public BindingOwner {
public:
    Impl(CoordinatorOptions options, const DeviceId& self, Randomness& random, CoordinatorListener& listener);
    ~Impl() override;

    // links and admission
    link::LinkHandler& on_link_up(link::LinkPort& port, TimePoint now);
    void on_link_down(link::LinkPort& port, const LinkEnd& how, TimePoint now);
    void accept(std::uint64_t ticket);
    void refuse(std::uint64_t ticket, Errc why, std::string_view reason);

    void set_addresses(std::vector<Endpoint> addresses);

    // the journal
    Result<Restored> start_journal(Journal& journal, const JournalContents& saved, const Error& why,
                                   TimePoint now);
    void on_journal_written(TimePoint now);
    void on_journal_failed(TimePoint now);
    const JournalWriter& journal() const { return journal_; }

    // time and ends
    TimePoint next_wakeup() const;
    void flush(TimePoint now);
    Result<void> close_member(const DeviceId& id, CloseCode code, std::string_view reason,
                              TimePoint deadline);
    void close(CloseCode code, std::string_view reason, TimePoint deadline);
    void abort();
    const std::optional<Error>& shortfall() const { return shortfall_; }
    const Roster& roster() const { return roster_.roster(); }
    bool is_interrupted(const DeviceId& id) const;
    const link::LinkPort* link_of(const DeviceId& id) const;

    // messages
    Result<void> send(const Recipients& to, const SendOptions& options, ByteView payload);
    void consume_messages(const DeviceId& from, std::size_t octets, std::size_t messages);

    // streams
    Result<StreamHandle> open_stream(const DeviceId& to, ByteView header);
    CoordinatorMember* owner_of(StreamHandle stream) const;
    static StreamNumber number_of(StreamHandle stream) {
        return StreamNumber{static_cast<std::uint32_t>(static_cast<std::uint64_t>(stream))};
    }

    // what members bring
    void on_message(CoordinatorMember& from, const Address& address, const SendOptions& how,
                    ByteView payload);
    void on_stream_opened(CoordinatorMember& from, StreamNumber stream, const Address& address,
                          ByteView header);
    void on_stream_data(CoordinatorMember& from, StreamNumber stream, ByteView data, bool fin);
    void on_stream_reset(CoordinatorMember& from, StreamNumber stream, std::uint64_t code,
                         std::string_view reason);
    void on_stream_writable(CoordinatorMember& from, StreamNumber stream);
    void on_stream_delivered(CoordinatorMember& from, StreamNumber stream);
    void on_writable(CoordinatorMember& member) { listener_.on_writable(member.info.id); }
    void on_busy(CoordinatorMember& member);

private:
    /// The two halves of a stream from member to member.
    struct Relay {
        StreamHandle other{};
        std::size_t held = 0;  // octets that this half's sender gets credit for when the other half has room
    };

    // BindingOwner
    void on_control_frame(LinkBinding& binding, FrameType type, ByteView body) override;
    void on_violation(LinkBinding& binding, std::string what) override;
    void on_binding_ready(LinkBinding& binding) override;

    // coordinator_admission.cpp
    Door* door_of(const LinkBinding& binding);
    Door* door_with(std::uint64_t ticket);
    void on_first_frames(Door& door, FrameType type, ByteView body);
    void on_hello(Door& door, ByteView body);
    void on_join(Door& door, ByteView body);
    void on_resume(Door& door, ByteView body);
    std::optional<Error> objection_to(const JoinRequest& request, const ReceiveLimits& limits) const;
    void consider(Door& door);
    void turn_away(Door& door, Errc why, std::string_view reason);
    void leave(Door& door, LinkCode code, std::string_view reason);
    void on_pong(Door& door);
    void on_door_deadline(Door& door);
    void admit(Door& door);
    static void lose_newcomer(Door& door);
    std::unique_ptr<CoordinatorMember> make_member(PeerInfo info, std::uint32_t serial,
                                                   PeerSession::Config config);
    void add_member(std::unique_ptr<CoordinatorMember> made);
    void let_in(CoordinatorMember& member, Door& door);

    bool is_saving_end() const {
        return journal_.is_writing() || (journal_.is_open() && !unsaved_ends_.empty());
    }
    bool is_trusted(const DeviceId& id) const {
        return options_.trust.kind != TrustPolicy::Kind::allow || allowed_.contains(id);
    }

    // coordinator_journal.cpp
    /// What is wrong with it; empty if it was restored.
    std::string restore_member(std::uint32_t serial, std::span<const JournalEntry> entries, const Error& why);
    void save();
    void save_member(CoordinatorMember& member, JournalBatch& batch);
    void note_unsaved(CoordinatorMember& member);
    void let_in_saved(CoordinatorMember& member);
    void tell_kept(CoordinatorMember& member);
    void keep_or_tell(CoordinatorMember& from, const SendOptions& how, ByteView payload);

    // coordinator_routing.cpp
    CoordinatorMember* find(const DeviceId& id) const;
    Result<void> send_to_all(const std::vector<CoordinatorMember*>& to, const SendOptions& options,
                             ByteView payload);
    bool is_slow(const CoordinatorMember& member) const;
    bool is_stalled(const CoordinatorMember& member) const;
    bool may_copy(CoordinatorMember& from, const Address& address, std::size_t payload);
    static void note_fan_out(CoordinatorMember& from, std::size_t recipients, std::size_t cost);
    static bool may_make_channel(const CoordinatorMember& from, const CoordinatorMember& to,
                                 ChannelId channel);
    Errc pass_on(CoordinatorMember& from, CoordinatorMember& to, const SendOptions& how, ByteView payload,
                 const Slice* shared);
    void notify_undelivered(CoordinatorMember& sender, const DeviceId& to, const SendOptions& how, Errc why);
    void return_credit(CoordinatorMember& member, std::size_t octets, std::size_t messages);
    void settle_passed(CoordinatorMember& member, bool all);

    // coordinator_streams.cpp
    static StreamHandle handle_of(const CoordinatorMember& member, StreamNumber stream) {
        return StreamHandle{std::uint64_t{member.serial} << 32 | static_cast<std::uint64_t>(stream)};
    }
    std::size_t relayed(const CoordinatorMember& from, const CoordinatorMember& to) const;
    void end_streams(CoordinatorMember& member, const Departure& how);
    void prune_relays();

    // coordinator_engine.cpp
    void flush_member(CoordinatorMember& member);
    void remove(CoordinatorMember& member, const Departure& how);
    void change_roster();
    void send_roster(CoordinatorMember& member);
    void send_addresses(CoordinatorMember& member);
    void note_shortfall(const CoordinatorMember& member);
    void welcome_newcomers();
    void count_control(CoordinatorMember& member, std::size_t octets);
    void finish_closing();

    CoordinatorOptions options_;
    DeviceId self_;
    Randomness& random_;
    CoordinatorListener& listener_;
    std::unordered_set<DeviceId> allowed_;
    TimePoint now_{};  // of the last input that had one

    std::unordered_map<const link::LinkPort*, std::unique_ptr<Door>> doors_;
    std::vector<Door*> accepted_;
    std::vector<std::unique_ptr<Door>> graves_;  // freed when no event of theirs is under way
    std::vector<std::unique_ptr<CoordinatorMember>> gone_;
    DeadlineQueue<Door> door_deadlines_;
    std::size_t strangers_ = 0;  // doors whose link has not become a member's
    std::uint64_t next_ticket_ = 1;

    std::unordered_map<DeviceId, std::unique_ptr<CoordinatorMember>> members_;
    std::unordered_map<std::uint32_t, CoordinatorMember*> by_serial_;
    std::vector<CoordinatorMember*> everyone_;
    std::vector<CoordinatorMember*> busy_;
    DeadlineQueue<CoordinatorMember> member_deadlines_;
    std::uint32_t next_serial_ = 1;

    std::vector<Endpoint> addresses_;
    std::uint64_t addresses_revision_ = 0;
    CoordinatorRoster roster_;
    bool newcomers_wait_ = false;    // for the roster
    std::size_t control_total_ = 0;  // octets on all control lanes that are not acknowledged yet

    std::unordered_map<StreamHandle, Relay> relays_;
    std::vector<Undelivered> undelivered_;    // to be told by the next flush
    std::vector<CoordinatorMember*> chosen_;  // recipients of the message being sent; kept for their storage
    Address origin_;                          // likewise
    enum class Life : std::uint8_t { open, closing, closed } life_ = Life::open;
    Closed closing_;
    TimePoint end_deadline_ = kNever;  // for the journal, once all members have gone
    std::optional<Error> shortfall_;   // of all members together, from close() or abort() on
    bool flushing_ = false, again_ = false;

    JournalWriter journal_;
    std::vector<CoordinatorMember*> unsaved_;  // have news for the journal, perhaps
    std::vector<std::uint32_t> saving_;        // are in the batch on its way
    std::vector<std::uint32_t> unsaved_ends_;  // sessions that are over
    std::uint64_t roster_saved_ = 0;
    std::uint32_t serial_saved_ = 0;
};

}  // namespace muster::session
