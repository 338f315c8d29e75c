#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "link/link_port.h"
#include "session/events.h"
#include "session/journaled.h"
#include "session/stream_port.h"

#include "muster/endpoint.h"
#include "muster/session_types.h"
#include "muster/time.h"

namespace muster::session {

/// What a member's session tells its owner. Called from within the engine's inputs and flush(); every verb of
/// the engine may be called from inside, but the engine must not be destroyed there.
class MemberListener : public StreamListener {
public:
    /// We are in, by a new session or by one that a journal had; the roster is on its way.
    virtual void on_joined(const PeerInfo& coordinator) = 0;
    /// Every change of the roster, the first one included; peers that came or went were reported before.
    virtual void on_roster(const Roster& roster) = 0;
    virtual void on_peer_joined(const PeerInfo& peer) = 0;
    /// Messages that it sent before may still arrive.
    virtual void on_peer_left(const PeerInfo& peer, const Departure& how) = 0;
    /// Owes consume_messages(payload.size()) unless unreliable.
    virtual void on_message(const MessageView& message) = 0;
    virtual void on_undelivered(const Undelivered& what) = 0;
    /// A send that was refused with queue_full may be tried again.
    virtual void on_writable() = 0;
    /// The link went; the session waits for a fresh one until the grace is over.
    virtual void on_interrupted(const Error& why) = 0;
    virtual void on_resumed() = 0;
    /// The session that the journal had cannot go on: the coordinator does not know it any more, another one answered, or the
    /// grace was over. The coordinator is asked to let this device in anew, over another link.
    virtual void on_session_forgotten(const Error& why) = 0;
    /// The last event: refused before on_joined (lost with the refusal as cause), closed or lost.
    virtual void on_ended(const Departure& how) = 0;
};

struct MemberOptions {
    MemberOptions() {}  // NOLINT(modernize-use-equals-default): not an aggregate, see session_types.h

    std::string name;
    InfoMap info;
    Bytes context;
    SessionLimits limits;
    /// How long the session outlives its link; the coordinator's own grace bounds it too. 0:
    /// a lost link ends it.
    Duration grace{};
    /// From link up to the coordinator's answer, which may wait for a person.
    Duration join_deadline = std::chrono::seconds{30};
    /// From link up to the coordinator's answer to a resumption, which waits for nobody.
    Duration resume_deadline = std::chrono::seconds{5};
};

/// A member's end of its session. An engine: no I/O, no clock. One strand. Call flush() after every batch of
/// inputs and verbs: only there octets are handed to the link and timers are set.
class MemberEngine : public StreamPort, public Journaled {
public:
    /// `listener` must outlive the engine. Errors: bad_name, too_large (name, info, context),
    /// bad_input (limits that cannot work).
    static Result<std::unique_ptr<MemberEngine>> create(MemberOptions options, const DeviceId& self,
                                                        MemberListener& listener);
    MemberEngine(const MemberEngine&) = delete;
    MemberEngine& operator=(const MemberEngine&) = delete;
    ~MemberEngine() override;

    /// A link to the coordinator is up: joins, or resumes the session if there is one, also beside a link
    /// that still hangs. The handler takes the link's events; it and the port are used until on_link_down.
    link::LinkHandler& on_link_up(link::LinkPort& port, TimePoint now);
    /// A link is gone, also after the engine itself closed it. The port is not used any more. Not from inside
    /// LinkPort::close.
    void on_link_down(link::LinkPort& port, const LinkEnd& how, TimePoint now);

    /// Nothing is told before the first link: if it leads to the session's coordinator the session is resumed there, and
    /// on_joined and what waits for the application follow; otherwise it is joined anew. A session that is not resumed
    /// before the end stays in the journal, for the next process.
    Result<Restored> start_journal(Journal& journal, const JournalContents& saved, const Error& why,
                                   TimePoint now) override;
    void on_journal_written(TimePoint now) override;
    void on_journal_failed(TimePoint now) override;
    const JournalWriter& journal() const override;

    TimePoint next_wakeup() const;
    void on_timer(TimePoint now);
    void flush(TimePoint now);

    /// There is a session, without a link that carries it: it waits for one until the grace is over.
    bool is_interrupted() const;
    /// is_interrupted(), or to join anew after on_session_forgotten; and no link is about to do: bring one up.
    bool wants_link() const;
    /// The link that carries the session; null if none does.
    const link::LinkPort* link() const;
    /// True from on_joined to on_ended, also while interrupted.
    bool is_joined() const;
    /// The session was taken up from the journal.
    bool is_restored() const;
    /// Whose session the journal had; none if it had none, or that came to nothing.
    std::optional<DeviceId> restored_with() const;
    /// True after on_ended.
    bool has_ended() const;

    /// Queues a message; the coordinator passes on what is for others. Errors: too_large, unknown_peer (a
    /// listed id is not in the roster), queue_full (on_writable follows), not_connected.
    Result<void> send(const Recipients& to, const SendOptions& options, ByteView payload);
    /// Gives credit for messages of on_message that the application has dealt with.
    void consume_messages(std::size_t octets, std::size_t messages = 1);

    /// Leaves: accepts nothing more, flushes what was accepted, says goodbye with code and reason, waits for
    /// the coordinator's word that it has everything, at most until the deadline, then closes the link.
    /// on_ended follows, exactly once, and shortfall() says whether the word came. Idempotent. No message is
    /// delivered after it.
    void close(CloseCode code, std::string_view reason, Duration deadline, TimePoint now);
    /// Drops the link at once, without goodbye; the coordinator sees `lost`. on_ended follows in flush().
    void abort(TimePoint now);

    /// From on_ended on: why not all that was accepted is known to have arrived, or the goodbye to have been
    /// heard, with what is missing as evidence; none if it is. timed_out: the deadline of close().
    std::optional<Error> shortfall() const;

    const Roster& roster() const;
    /// Where the coordinator says that it can be reached, without interfaces. `revision` grows with every news of it.
    struct CoordinatorAddresses {
        std::uint64_t revision = 0;
        std::vector<Endpoint> endpoints;
    };
    const CoordinatorAddresses& coordinator_addresses() const;

    Result<StreamHandle> open_stream(const DeviceId& to, ByteView header) override;
    Result<void> write(StreamHandle stream, Slice octets) override;
    std::size_t writable(StreamHandle stream) const override;
    void finish(StreamHandle stream) override;
    void reset(StreamHandle stream, std::uint64_t code, std::string_view reason) override;
    void consume(StreamHandle stream, std::size_t octets) override;

    class Impl;  ///< Public in name only: its parts are spread over several files.

private:
    explicit MemberEngine(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace muster::session
