#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "link/link_port.h"
#include "session/events.h"
#include "session/journaled.h"
#include "session/stream_port.h"

#include "muster/endpoint.h"
#include "muster/session_types.h"
#include "muster/time.h"

namespace muster::session {

/// What a coordinator tells its owner. Called from within the engine's inputs and flush(); every verb of the
/// engine may be called from inside, but the engine must not be destroyed there.
class CoordinatorListener : public StreamListener {
public:
    /// Only with Admission::ask: answer with accept() or refuse(), now or before the decision deadline.
    virtual void on_join_request(const JoinRequest& request) = 0;
    virtual void on_member_joined(const PeerInfo& member) = 0;
    /// The last event about a member; its streams have been reset before.
    virtual void on_member_left(const PeerInfo& member, const Departure& how) = 0;
    /// Owes consume_messages(from, payload.size()) unless unreliable.
    virtual void on_message(const MessageView& message) = 0;
    /// One of several recipients did not get a message.
    virtual void on_undelivered(const Undelivered& what) = 0;
    /// A send that was refused with queue_full because of this member may be tried again.
    virtual void on_writable(const DeviceId& member) = 0;
    /// The member's link went; its session waits for a fresh one until the grace is over.
    virtual void on_interrupted(const PeerInfo& member, const Error& why) = 0;
    virtual void on_resumed(const PeerInfo& member) = 0;
    /// close() is complete: every member has gone.
    virtual void on_closed() = 0;
};

struct CoordinatorOptions {
    enum class Admission : std::uint8_t { automatic, ask };
    enum class Names : std::uint8_t { may_repeat, must_differ };

    CoordinatorOptions() {}  // NOLINT(modernize-use-equals-default): not an aggregate, see session_types.h

    std::string name;
    InfoMap info;
    SessionLimits limits;
    TrustPolicy trust;
    Admission admission = Admission::automatic;
    Names names = Names::may_repeat;
    /// How long a session outlives its link; the member's own grace bounds it too. 0: a lost link ends it.
    Duration grace{};
    /// A link that does not say who it is for.
    Duration hello_deadline = std::chrono::seconds{5};
    /// A request that the application does not answer is refused. Less than the member's own patience of 30
    /// s, so that the member hears the reason.
    Duration decision_deadline = std::chrono::seconds{25};
    /// A member whose queue stays full that long is dropped with too_slow.
    Duration patience = std::chrono::seconds{5};
    /// A member whose queue has been full that long no longer holds up those who send to
    /// everyone: it is skipped.
    Duration stall_limit = std::chrono::milliseconds{250};
    /// A device joins although it is a member: the old link gets that long to prove that it lives.
    Duration duplicate_probe = std::chrono::milliseconds{500};
};

/// The coordinator's end of all its sessions: admission, roster, routing. An engine: no I/O, no clock.
/// One strand. Call flush() after every batch of inputs and verbs: only there octets are handed to the links,
/// timers are set and members that are gone are freed.
class CoordinatorEngine : public StreamPort, public Journaled {
public:
    /// `random` and `listener` must outlive the engine. Errors: bad_name, too_large (own name or info),
    /// bad_input (limits that cannot work).
    static Result<std::unique_ptr<CoordinatorEngine>> create(CoordinatorOptions options, const DeviceId& self,
                                                             Randomness& random,
                                                             CoordinatorListener& listener);
    CoordinatorEngine(const CoordinatorEngine&) = delete;
    CoordinatorEngine& operator=(const CoordinatorEngine&) = delete;
    ~CoordinatorEngine() override;

    /// A member's link is up. The handler takes the link's events; it and the port are
    /// used until on_link_down.
    link::LinkHandler& on_link_up(link::LinkPort& port, TimePoint now);
    /// Members that were there are there, and interrupted, and the listener is told all of that and what waits for the
    /// application. Sessions of devices that are not allowed any more are left out; their members hear that they are
    /// lost.
    Result<Restored> start_journal(Journal& journal, const JournalContents& saved, const Error& why,
                                   TimePoint now) override;
    void on_journal_written(TimePoint now) override;
    void on_journal_failed(TimePoint now) override;
    const JournalWriter& journal() const override;

    /// A link is gone, also after the engine itself closed it. The port is not used any more. Not from inside
    /// LinkPort::close.
    /// `how`: the link's close code and reason if the peer closed it, otherwise why it was lost. Codes of
    /// 2^32 and above are the session's own (see LinkCode); pass them on as they are.
    void on_link_down(link::LinkPort& port, const LinkEnd& how, TimePoint now);

    /// Where this coordinator can be reached now; members are told, so that they know other ways to it. The first 16
    /// count.
    void set_addresses(std::vector<Endpoint> addresses);

    TimePoint next_wakeup() const;
    void on_timer(TimePoint now);
    void flush(TimePoint now);

    /// Answers a join request. Ignored if the request is gone (timed out, link lost).
    void accept(std::uint64_t ticket);
    void refuse(std::uint64_t ticket, Errc why, std::string_view reason);

    /// Queues a message. Kind coordinator is bad_input here.
    /// To one: queue_full if its queue is full. To several or everyone: queue_full, and nobody gets it, while
    /// a recipient is full since less than the stall limit; one that is full for longer is left out with
    /// on_undelivered. Unreliable messages are dropped for whoever cannot take them now.
    /// Errors: too_large, unknown_peer (one of the listed), queue_full, not_connected (closing).
    Result<void> send(const Recipients& to, const SendOptions& options, ByteView payload);
    /// Gives a member credit for messages of on_message that the application has dealt with, in the order in which it
    /// had them.
    void consume_messages(const DeviceId& from, std::size_t octets, std::size_t messages = 1);

    /// Removes one member with a goodbye. Error unknown_peer.
    Result<void> close_member(const DeviceId& member, CloseCode code, std::string_view reason,
                              Duration deadline, TimePoint now);
    /// Says goodbye to everyone: refuses newcomers, flushes what was accepted, then tells code and reason,
    /// and waits for the members' word that they have it, at most until the deadline. on_closed follows,
    /// exactly once. Idempotent.
    void close(CloseCode code, std::string_view reason, Duration deadline, TimePoint now);
    /// Drops every link at once, without goodbye; members see `lost`. on_closed follows.
    void abort(TimePoint now);
    /// From on_closed on: why not every member is known to have all that was accepted for it and to have
    /// heard the goodbye, with what each one lacks as evidence; none if all have. A member that left by
    /// itself meanwhile lacks nothing.
    std::optional<Error> shortfall() const;

    const Roster& roster() const;
    /// The member's session waits for a link.
    bool is_interrupted(const DeviceId& member) const;
    /// The link that carries a member's session; null if none does.
    const link::LinkPort* link_of(const DeviceId& member) const;

    Result<StreamHandle> open_stream(const DeviceId& to, ByteView header) override;
    Result<void> write(StreamHandle stream, Slice octets) override;
    std::size_t writable(StreamHandle stream) const override;
    void finish(StreamHandle stream) override;
    void reset(StreamHandle stream, std::uint64_t code, std::string_view reason) override;
    void consume(StreamHandle stream, std::size_t octets) override;

    class Impl;  ///< Public in name only: its parts are spread over several files.

private:
    explicit CoordinatorEngine(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace muster::session
