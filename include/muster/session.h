#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "muster/byte_stream.h"
#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/explanation.h"
#include "muster/file_handles.h"
#include "muster/file_transfer.h"
#include "muster/path_preferences.h"
#include "muster/report.h"
#include "muster/session_types.h"
#include "muster/time.h"
#include "muster/timeline.h"

namespace muster {

namespace detail {
class SessionNode;
}

/// A device has joined, or was there already when this end joined.
struct PeerJoined {
    PeerInfo peer;
    bool is_restored = false;  ///< Its session was taken up from a journal: it joined another process.
};

/// A device has left: closed with its own code and reason, or lost with the cause.
struct PeerLeft {
    PeerInfo peer;
    Departure how;
};

/// The link to a peer is gone, and its session waits for another one: until PeerResumed, or until the grace is over
/// (HostOptions::grace, JoinOptions::grace) and PeerLeft or SessionEnded follows. What is sent meanwhile waits,
/// within the limits of the session; streams and files stand still; unreliable messages are dropped. Told at both
/// ends of the link: to a coordinator about a member, to a member about its coordinator, and to nobody else.
struct PeerInterrupted {
    PeerInfo peer;
    Error why;  ///< Error::fault() says which kind of thing failed, as far as it was known then.
};

/// The session goes on over another link where it stood: nothing reliable was lost, doubled or reordered.
struct PeerResumed {
    PeerInfo peer;
    Duration after{};  ///< Since PeerInterrupted.
};

/// What goes to a peer takes another way from now on: another interface, or another address at either end. Nothing
/// reliable was lost, and the session was not interrupted. Told at both ends of the link.
struct PathChanged {
    PeerInfo peer;
    Endpoint from, to;          ///< The peer's end of the path; the interface is ours.
    std::string why;            ///< For people: "eth0 has no carrier", "no answer for 43 ms".
    Fault fault = Fault::none;  ///< Of the path that was left; none if it was good, and another one better.
};

/// More has become known of why a peer is interrupted, or why its path was left, than that no answer came: the
/// event before said Fault::silent, and this one says what it was. At most one for each such event, within a second as
/// a rule; never a second opinion on what was known already.
struct FaultFound {
    PeerInfo peer;
    Error why;  ///< Error::fault() is neither none nor silent.
};

/// A peer has opened a byte stream to this end.
struct StreamOpened {
    ByteStream stream;
};

/// A peer offers a file.
struct FileOffered {
    IncomingFile file;
};

/// Another coordinator hosts the same group on the network and has proved its key (coordinators only). This one
/// goes on, but newcomers may find the other. Once per rival.
struct GroupContested {
    DeviceId id;       ///< Proven.
    std::string name;  ///< What it calls itself; may be empty. Anybody on the network could have said it.
    Endpoint at;       ///< Where its announcement came from, and its port.
};

/// The journal (HostOptions::journal, JoinOptions::journal) cannot be written any more. The sessions go on, and do not outlive this process;
/// the file is gone, for it would mislead another one.
struct JournalFailed {
    Error why;
};

/// The session is over; no further event comes.
struct SessionEnded {
    Departure how;
};

/// What happens in a session, in the order in which it happened.
using Event = std::variant<Message, PeerJoined, PeerLeft, PeerInterrupted, PeerResumed, PathChanged,
                           FaultFound, StreamOpened, FileOffered, JoinRequest, Undelivered, GroupContested,
                           JournalFailed, SessionEnded>;

/// What the queue of events gave up because the application did not read it; counted since the start.
struct EventsDropped {
    EventsDropped() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    /// Unreliable messages beyond 4 MiB, each counted with 256 octets more: the oldest of the sender first.
    std::uint64_t unreliable = 0;
    /// Reliable messages of members that have left: beyond 64 MiB those of the one that left last.
    std::uint64_t left_behind = 0;
    /// PeerJoined and PeerLeft, PeerInterrupted and PeerResumed: while 1024 wait, what comes and goes unread is not
    /// told, neither its beginning nor its end; nor is an interruption that ended in a departure, nor of several
    /// PathChanged or FaultFound of one peer any but the last.
    std::uint64_t peer_news = 0;
    /// StreamOpened and FileOffered that the peer had ended already: beyond 64 the oldest.
    std::uint64_t openings = 0;
    /// Undelivered beyond 4096: the oldest.
    std::uint64_t undelivered = 0;

    bool operator==(const EventsDropped&) const = default;
};

/// How one peer is reached right now.
struct PeerPath {
    Endpoint remote;                   ///< Where its datagrams come from (UDP); to_text() prints it.
    std::string interface;             ///< "eth0"; empty if unknown
    Duration round_trip{};             ///< Smoothed.
    Duration found_after{};            ///< Members: start to the first answer of the coordinator.
    Duration connected_after{};        ///< Members: start to the encrypted link.
    std::vector<Evidence> candidates;  ///< What was tried on the way, and what came of it.
};

/// What a coordinator and its members share: events in, messages, streams and files out. It outlives its
/// link: when that is lost, the session waits for another one (PeerInterrupted), and goes on where it stood,
/// or ends as lost when the grace is over (HostOptions::grace, JoinOptions::grace). After that a device joins
/// again as a new member, and what had not arrived is not sent again. A session outlives
/// the process of its coordinator, or of its member, if that has a journal (HostOptions::journal, JoinOptions::journal).
/// A resource; movable. Its destructor aborts what still runs; prefer close(). What a disk is at
/// then holds up the session's strand for a second at most, with a journal for two. Any thread; completions run on the
/// handler's associated executor. Every operation takes any Asio completion token: a callback,
/// use_future, use_awaitable (the default).
class Session {
public:
    using executor_type = boost::asio::any_io_executor;
    using EventHandler = boost::asio::any_completion_handler<void(Result<Event>)>;
    using DoneHandler = boost::asio::any_completion_handler<void(Result<void>)>;
    using StreamHandler = boost::asio::any_completion_handler<void(Result<ByteStream>)>;

    explicit Session(std::shared_ptr<detail::SessionNode> node) : node_(std::move(node)) {}
    Session(Session&&) noexcept = default;
    Session& operator=(Session&&) noexcept;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session();

    /// The strand on which the session lives.
    executor_type get_executor() const;
    /// This device.
    const DeviceId& id() const;
    /// Everyone in the session, as last told by the coordinator. A snapshot.
    Roster roster() const;

    /// Waits for the next event. One wait at a time: a second one is told bad_input, and the first goes on.
    /// Whoever does not call it holds the senders back: at most
    /// SessionLimits::receive_queue octets of reliable messages per peer wait here; of what cannot be held
    /// back, some is dropped in the end, see events_dropped(). After SessionEnded was delivered
    /// it answers with Errc::closed, so that `while (auto event = co_await session.next_event())` ends.
    /// Errors: closed, cancelled, bad_input. Cancellation: total; no event is lost.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto next_event(Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<Event>)>(
            [this](auto handler) { start_next_event(std::move(handler)); }, token);
    }
    /// Returns an event that is already there, without waiting. Only on get_executor()'s strand.
    std::optional<Event> try_next_event();
    /// What next_event() will never tell, because it was not asked in time.
    EventsDropped events_dropped() const;

    /// Sends a message. Completes when every recipient's queue has taken it, and the journal, if this end
    /// has one; then it arrives as `options` promises unless the recipient's session ends. Waits
    /// while a queue is full. Errors: too_large,
    /// unknown_peer, not_connected, closed or lost (the session ended while it waited), queue_full (1024 sends or 64
    /// MiB wait already), cancelled, bad_input (no or too many recipients, a coordinator to itself, too many
    /// channels, the cookie). Cancellation: total while it waits for room; then nothing was sent. Once queued it is
    /// sent.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto send(Recipients to, Bytes payload, SendOptions options = {}, Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<void>)>(
            [this](auto handler, Recipients recipients, Bytes octets, SendOptions how) {
                start_send(std::move(recipients), std::move(octets), how, std::move(handler));
            },
            token, std::move(to), std::move(payload), options);
    }
    /// Queues a message if there is room, without waiting: queue_full otherwise. The fast way for many small
    /// messages; it does not wait for a journal. Only on get_executor()'s strand.
    Result<void> try_send(const Recipients& to, ByteView payload, const SendOptions& options = {});

    /// Opens a byte stream to a peer; waits for nobody. Errors: unknown_peer, not_connected, queue_full,
    /// too_large (name over 255 octets). Cancellation: none, it completes at once.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto open_stream(DeviceId to, std::string name, Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<ByteStream>)>(
            [this](auto handler, DeviceId peer, std::string label) {
                start_open_stream(peer, std::move(label), std::move(handler));
            },
            token, to, std::move(name));
    }

    /// Offers a file to a peer and returns at once; what becomes of it is told by the handle.
    OutgoingFile send_file(const DeviceId& to, std::string path, SendFileOptions options = {});

    /// How a peer is reached; nullopt for one without a link of its own, or while its session is interrupted. Members
    /// know only the coordinator's. Cancellation: none, it completes at once.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto path_to(DeviceId peer, Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(std::optional<PeerPath>)>(
            [this](auto handler, DeviceId id) { start_path_to(id, std::move(handler)); }, token, peer);
    }

    /// All that this end knows of how it reaches a peer: its paths and their state now, what was tried at first, what
    /// has happened since. Also of one that has left. Cancellation: none, it completes at once.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto explain(DeviceId peer, Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Explanation)>(
            [this](auto handler, DeviceId id) { start_explain(id, std::move(handler)); }, token, peer);
    }

    /// What this end has seen happen: the whole of its flight recorder, about all peers. Cancellation: none, it completes
    /// at once.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto timeline(Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Timeline)>(
            [this](auto handler) { start_timeline(std::move(handler)); }, token);
    }

    /// What a user can attach to a bug: this machine, and this session with its explanations, counters and timeline, as one JSON
    /// object (docs/REPORT.md). No secret is in it. Reading the kernel's interfaces and routes takes some milliseconds of the
    /// session's strand. Cancellation: none, it completes at once.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto report(ReportOptions options = {}, Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(std::string)>(
            [this](auto handler, ReportOptions how) { start_report(how, std::move(handler)); }, token,
            options);
    }

    /// Uses other interfaces from now on: a link over one that is prohibited now goes to another path at once, one that
    /// could go over a preferred or cheaper one does as soon as that has been steady for a second; without a gap
    /// wherever another path is ready. Errors: bad_input (a selector), no_interface (no interface would be
    /// left), closed; then nothing has changed. Cancellation: none, it completes at once.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto set_path_preferences(PathPreferences preferences, Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<void>)>(
            [this](auto handler, PathPreferences wanted) {
                start_set_path_preferences(std::move(wanted), std::move(handler));
            },
            token, std::move(preferences));
    }

    /// Leaves, or ends the session for everyone: stops accepting, delivers what was accepted, tells code and
    /// reason, waits for the other side's word, at most until `deadline`. SessionEnded follows: closed by
    /// this end, also if the link died meanwhile. Success means that the other side has confirmed all of it:
    /// a member's coordinator, or every member that did not leave by itself. (What a coordinator could not
    /// pass on comes as Undelivered.) Otherwise the evidence says how much is not known to have arrived.
    /// Errors: timed_out (the deadline passed first); closed (the other side closed before it had
    /// everything); cancelled (abort()); or what ended the session or its link meanwhile: lost, link_down,
    /// too_slow, protocol_violation. Idempotent: a later call waits for the same end, with the first one's
    /// code, reason and deadline, and after the end says again how it was. May be called from inside
    /// handlers. Cancellation: ends the wait (cancelled); the goodbye goes on.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto close(CloseCode code = 0, std::string reason = {}, Duration deadline = std::chrono::seconds{1},
               Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<void>)>(
            [this](auto handler, CloseCode number, std::string text, Duration limit) {
                start_close(number, std::move(text), limit, std::move(handler));
            },
            token, code, std::move(reason), deadline);
    }
    /// Drops everything at once, without goodbye; the others see `lost`. SessionEnded follows.
    void abort();

protected:
    std::shared_ptr<detail::SessionNode> node_;  // owners: this handle and the operations under way

private:
    using ExplainHandler = boost::asio::any_completion_handler<void(Explanation)>;
    using ReportHandler = boost::asio::any_completion_handler<void(std::string)>;
    using TimelineHandler = boost::asio::any_completion_handler<void(Timeline)>;
    using PathHandler = boost::asio::any_completion_handler<void(std::optional<PeerPath>)>;

    void start_next_event(EventHandler handler);
    void start_send(Recipients to, Bytes payload, SendOptions options, DoneHandler handler);
    void start_open_stream(const DeviceId& to, std::string name, StreamHandler handler);
    void start_path_to(const DeviceId& peer, PathHandler handler);
    void start_explain(const DeviceId& peer, ExplainHandler handler);
    void start_report(const ReportOptions& options, ReportHandler handler);
    void start_timeline(TimelineHandler handler);
    void start_set_path_preferences(PathPreferences preferences, DoneHandler handler);
    void start_close(CloseCode code, std::string reason, Duration deadline, DoneHandler handler);
};

}  // namespace muster
