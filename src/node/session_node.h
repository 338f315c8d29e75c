#pragma once

#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <boost/asio/any_io_executor.hpp>

#include "base/flight_recorder.h"
#include "base/random.h"
#include "link/link_engine.h"
#include "node/event_queue.h"
#include "node/file_threads.h"
#include "node/journal_file.h"
#include "node/runner.h"
#include "node/send_waits.h"
#include "node/stream_board.h"
#include "session/events.h"
#include "session/journaled.h"

#include "muster/identity.h"
#include "muster/report.h"
#include "muster/session.h"

namespace muster::discovery {
class MdnsService;
}

namespace muster::detail {

/// What the running coordinator and the running member share: the strand, the sockets, and the application's
/// side of events, messages, streams and files. All calls on strand() unless said otherwise.
class SessionNode : public std::enable_shared_from_this<SessionNode> {
public:
    SessionNode(const SessionNode&) = delete;
    SessionNode& operator=(const SessionNode&) = delete;
    virtual ~SessionNode();

    // Any thread.
    const boost::asio::any_io_executor& strand() const { return strand_; }
    const DeviceId& id() const { return identity_.id(); }
    Roster roster() const;
    EventsDropped events_dropped() const { return events_.dropped(); }

    void next_event(node::WaitId id, Session::EventHandler handler) {
        settle_message();
        events_.wait(id, std::move(handler));
    }
    void cancel_next_event(node::WaitId id) { events_.cancel(id); }
    std::optional<Event> try_next_event() {
        settle_message();
        return events_.try_pop();
    }
    void send(Recipients to, Bytes payload, const SendOptions& options, node::WaitId id,
              Session::DoneHandler handler) {
        waits_.send(std::move(to), std::move(payload), options, id, std::move(handler));
    }
    void cancel_send(node::WaitId id);
    Result<void> try_send(const Recipients& to, ByteView payload, const SendOptions& options);
    /// Streams and files; any thread may take it.
    StreamBoard& board() { return *board_; }
    struct Goodbye {
        CloseCode code = 0;
        std::string reason;
        Duration deadline{};
    };
    void close(const Goodbye& goodbye, node::WaitId id, Session::DoneHandler handler);
    /// Ends the wait only: the goodbye is on its way.
    void cancel_close(node::WaitId id);
    void abort();
    /// The application dropped its handle.
    void abandon();
    virtual std::optional<PeerPath> path_to(const DeviceId& peer) = 0;
    Explanation explain(const DeviceId& peer);
    std::string report(const ReportOptions& options);
    Timeline timeline() { return recorder().read(SteadyClock::now()); }
    Result<void> set_path_preferences(PathPreferences preferences);

protected:
    SessionNode(boost::asio::any_io_executor strand, Identity identity, std::shared_ptr<node::Runner> runner,
                std::unique_ptr<node::JournalFile> journal);

    virtual session::StreamPort& streams() = 0;
    virtual FlightRecorder& recorder() = 0;
    virtual Result<void> engine_send(const Recipients& to, const SendOptions& options, ByteView payload) = 0;
    virtual void engine_consume(const DeviceId& from, std::size_t octets) = 0;
    virtual session::Journaled& journaled() = 0;
    /// Takes up the sessions that the last process left in the file, and keeps them there from now on. Once, and only
    /// with a file.
    void start_journal();
    virtual void engine_close(CloseCode code, std::string_view reason, Duration deadline) = 0;
    virtual void engine_abort() = 0;
    /// After the end: what the engine's shortfall() says.
    virtual std::optional<Error> engine_shortfall() const = 0;
    /// Begins the end of discovery: the goodbye goes out while the sessions still flush.
    virtual void on_closing() = 0;
    /// The sockets of links use them already: discovery too.
    virtual void on_path_preferences(const PathPreferences& preferences) = 0;
    /// True when no link is left that has something to say.
    virtual bool is_quiet() const = 0;

    // what the engines' listeners tell
    void on_message(const session::MessageView& message) { push(message.copy()); }
    void on_writable() { waits_.retry(); }
    void push(Event event) { (void)events_.push(std::move(event)); }
    /// False if too many wait for the application already.
    bool push_request(const JoinRequest& request) { return events_.push(request); }
    void set_roster(const Roster& roster);
    /// All changes up to that revision were told by push_joined() and push_left().
    void set_roster_revision(std::uint64_t revision);
    /// Tells that a peer has come or gone, after the application's roster knows it: the engines tell changes
    /// one by one and make their next roster of all of them afterwards. Copying that whole each time would be
    /// quadratic while a large group fills.
    void push_joined(const PeerInfo& peer, bool is_restored = false);
    void push_left(const PeerInfo& peer, const Departure& how);
    /// The link to a peer is gone, and the session waits for another one.
    void push_interrupted(const PeerInfo& peer, const Error& why);
    void push_resumed(const PeerInfo& peer);
    bool is_interrupted(const DeviceId& peer) const { return interruptions_.contains(peer); }
    void push_path_changed(const PeerInfo& peer, const link::PathChange& change);
    void push_fault_found(const PeerInfo& peer, const Error& why);
    void record(const std::optional<DeviceId>& peer, Seen what) {
        recorder().record(peer, std::move(what), SteadyClock::now());
    }
    /// The cause of a loss with what was found out about it later.
    Error known_by_now(const DeviceId& peer, Error cause) const;
    /// The session with this member is over.
    void on_left_behind(const DeviceId& member) {
        events_.on_left_behind(member);
        if (in_hand_ && in_hand_->from == member) in_hand_.reset();  // its next session owes nothing for it
    }
    /// SessionEnded, and nothing after it.
    void ended(const Departure& how);
    bool has_ended() const { return has_ended_; }

    /// Where calls that may block run. Errors: system.
    Result<std::shared_ptr<node::FileWork>> file_work();
    /// Run by the runner after every turn: frees what is over.
    void after_flush();
    virtual const link::LinkEngine& links() const = 0;
    /// The link to this peer now; null if there is none.
    virtual const link::LinkPort* link_to(const DeviceId& peer) const = 0;
    /// What was tried to reach it, and what came of it.
    virtual std::vector<Evidence> tried(const DeviceId&) const { return {}; }
    PeerPath describe(const link::LinkEngine& links, const link::LinkPort& port) const;
    std::string interface_name(InterfaceIndex index) const;

    boost::asio::any_io_executor strand_;
    Identity identity_;
    SystemRandomness random_;
    std::shared_ptr<node::Runner> runner_;
    std::unique_ptr<node::JournalFile>
        journal_file_;  // outlives the engine; none: sessions end with the process

private:
    struct Closer {
        node::WaitId id{};
        Session::DoneHandler handler;
    };

    struct TakenMessage {
        DeviceId from;
        std::size_t octets = 0;
    };
    struct UnsafeSend {
        session::JournalMark mark{};
        node::WaitId id{};
        Session::DoneHandler handler;
    };

    void on_journal_failed(const Error& why);
    void settle_message();
    void on_send_taken(const SendOptions& options, node::WaitId id, Session::DoneHandler handler);
    void tell_safe();
    Result<void> close_outcome() const;
    /// All of an explanation but its timeline. `seen`: timeline().
    Explanation ways_to(const DeviceId& peer, const Timeline& seen);

    mutable std::mutex
        roster_mutex_;  // guards roster_ for roster() from other threads; no engine is behind it
    Roster roster_;

    node::EventQueue events_;
    node::SendWaits waits_;
    std::shared_ptr<StreamBoard> board_;  // owners: this, and what is posted to it
    std::list<Closer> closers_;
    struct Interruption {
        TimePoint since;
        std::optional<Error> found;  // why, if it was found out later
    };
    std::unordered_map<DeviceId, Interruption> interruptions_;
    std::shared_ptr<node::FileThreads> file_threads_;  // made when they are needed first
    std::shared_ptr<SessionNode> last_words_;          // itself, from abandon() until the links are quiet
    bool has_ended_ = false;
    std::optional<TakenMessage> in_hand_;  // the application has it, and has not asked for the next event
    std::deque<UnsafeSend> unsafe_sends_;  // wait for the journal
};

/// Forwards the stream events of an engine's listener to the SessionNode it is mixed into.
template <class Listener>
class StreamForwarder : public SessionNode, public Listener {
protected:
    using SessionNode::SessionNode;

private:
    void on_stream_opened(StreamHandle stream, const DeviceId& from, ByteView header) final {
        board().on_stream_opened(stream, from, header);
    }
    void on_stream_data(StreamHandle stream, ByteView data, bool fin) final {
        board().on_stream_data(stream, data, fin);
    }
    void on_stream_reset(StreamHandle stream, std::uint64_t code, std::string_view reason) final {
        board().on_stream_reset(stream, code, reason);
    }
    void on_stream_ended(StreamHandle stream, const Departure& how) final {
        board().on_stream_ended(stream, how);
    }
    void on_stream_writable(StreamHandle stream) final { board().on_stream_writable(stream); }
    void on_stream_delivered(StreamHandle stream) final { board().on_stream_delivered(stream); }
    void on_message(const session::MessageView& message) final { SessionNode::on_message(message); }
    void on_undelivered(const Undelivered& what) final { push(what); }
};

}  // namespace muster::detail
