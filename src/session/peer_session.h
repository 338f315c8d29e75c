#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "session/inbox.h"
#include "session/kept_messages.h"
#include "session/link_binding.h"
#include "session/outbox.h"
#include "session/saved_session.h"
#include "session/stream_table.h"
#include "session/violation.h"

#include "muster/session_types.h"
#include "muster/time.h"

namespace muster::session {

class PeerSession;

/// What the peer may send on a stream before it hears more.
std::size_t first_stream_credit(const SessionLimits& limits);

/// What a PeerSession tells the engine that owns it. The engine must not free the session from inside.
class PeerEvents {
public:
    virtual ~PeerEvents() = default;
    virtual void on_message(PeerSession& peer, const Address& address, const SendOptions& how,
                            ByteView payload) = 0;
    /// A frame of the control lane that is not the session's own. Whether it breaks the protocol.
    virtual Violation on_frame(PeerSession& peer, FrameType type, ByteView body) = 0;
    virtual void on_stream_opened(PeerSession& peer, StreamNumber stream, const Address& address,
                                  ByteView header) = 0;
    virtual void on_stream_data(PeerSession& peer, StreamNumber stream, ByteView data, bool fin) = 0;
    virtual void on_stream_reset(PeerSession& peer, StreamNumber stream, std::uint64_t code,
                                 std::string_view reason) = 0;
    virtual void on_stream_writable(PeerSession& peer, StreamNumber stream) = 0;
    virtual void on_stream_delivered(PeerSession& peer, StreamNumber stream) = 0;
    /// A message that was refused with queue_full would be taken now.
    virtual void on_writable(PeerSession& peer) = 0;
    /// Something is to be done: flush() soon.
    virtual void on_busy(PeerSession& peer) = 0;
};

/// One session as one end sees it: what was accepted and not acknowledged, what was received, over
/// whatever link is there now. The same at both ends. Ends are noticed by the owner: look at end()
/// after every flush().
class PeerSession final : public LaneSink, private InboxEvents, private StreamEvents {
public:
    struct Config {
        LinkBinding::End end{};
        SessionLimits limits;             ///< ours
        ReceiveLimits peer;               ///< what the peer takes
        Duration grace{};                 ///< how long the session waits for a fresh link
        Duration patience = kNoPatience;  ///< how long the queue may stay full without progress
        bool journaled = false;           ///< see Journal
    };
    static constexpr Duration kNoPatience = Duration::max();

    PeerSession(const Config& config, PeerEvents& events);
    ~PeerSession() override;
    PeerSession(const PeerSession&) = delete;
    PeerSession& operator=(const PeerSession&) = delete;

    // verbs
    /// `shared` may hold the payload's octets already, or be null.
    Result<void> send(const Address& address, const SendOptions& options, ByteView payload,
                      const Slice* shared);
    bool is_full_for(std::size_t payload) const { return outbox_.is_full_for(payload); }
    /// Counts as a send that was answered with queue_full: on_writable follows.
    void note_refusal() {
        refused_ = true;
        busy();
    }
    bool has_refused() const { return refused_; }
    bool is_accepting() const { return phase_ == Phase::live && !end_; }
    void send_frame(ByteView frame);
    void consume_messages(std::size_t octets, std::size_t messages);
    Result<StreamNumber> open_stream(const Address& address, ByteView header);
    Result<void> write(StreamNumber stream, Slice octets);
    void finish(StreamNumber stream) { streams_.finish(stream); }
    void reset(StreamNumber stream, std::uint64_t code, std::string_view reason);
    void consume(StreamNumber stream, std::size_t octets) { streams_.consume(stream, octets); }
    const StreamTable& streams() const { return streams_; }
    /// For whoever passes a stream on: takes octets past the limit, which the credit given to
    /// their sender bounds.
    void pass_on(StreamNumber stream, Slice octets) { streams_.pass_on(stream, std::move(octets)); }
    /// on_stream_writable follows once the stream's buffer is half empty.
    void want_writable(StreamNumber stream) { streams_.want_writable(stream); }
    const Outbox& outbox() const { return outbox_; }

    /// Flushes and says goodbye; the session ends when the peer has everything, or at `deadline`. Idempotent.
    void close(CloseCode code, std::string_view reason, TimePoint deadline);
    bool is_closing() const { return phase_ != Phase::live; }
    /// True from the goodbye until a fresh link asks for it again.
    bool has_said_goodbye() const { return phase_ == Phase::told; }
    /// While closing: the peer is done with the session, so it ends now. `missed`: what kept the peer from
    /// hearing all of it, if that is not certain.
    void end_closing(std::optional<Error> missed);
    /// Ends at once; `code` and the message of `cause` are what the peer is told by the link.
    void fail(Error cause, LinkCode code);

    // links
    /// The session goes on over this link. `heard`: what the peer said about how far it is, if it resumes.
    void attach(LinkBinding& binding, const Ack* heard);
    LinkBinding* binding() const { return binding_; }
    /// Leaves the link without a word.
    void detach();
    /// The link is gone: waits for another one, or ends.
    void on_link_lost(Error cause, TimePoint now);
    /// The peer closed the link with an application's code.
    void on_link_closed(CloseCode code, std::string reason);
    const std::optional<Error>& interruption() const { return interrupted_; }
    /// How far we are, for the peer to continue there.
    Ack state() const;

    /// A frame of the control stream. Whether it breaks the protocol.
    Violation on_control_frame(FrameType type, ByteView body);
    void on_lane_data(LaneId lane, std::uint64_t position, ByteView data, bool fin) override;
    void on_datagram(ByteView payload) override;
    void on_link_ready() override { busy(); }

    // the journal
    /// Messages for the application: with a journal, the owner puts them here and takes them out again.
    KeptMessages& kept() { return kept_; }
    bool has_news() const;
    /// Adds all that is new. `owed`: credit that the owner gives back later, and not if the process dies.
    void save(JournalBatch& batch, std::uint32_t number, std::uint64_t owed);
    void on_written(TimePoint now);
    void stop_journaling();
    /// Takes up the session of another process, before anything else was done: it waits for a link, as after `why`. The
    /// streams are over. False: what was saved does not fit together.
    bool restore(SavedSession saved, Error why, TimePoint now);

    // time
    void flush(TimePoint now);
    TimePoint next_wakeup() const;
    /// Why the session has ended; nothing happens in it any more.
    const std::optional<Departure>& end() const { return end_; }
    const Config& config() const { return config_; }
    /// From end() on: what kept the peer from having all that this end accepted, or from hearing the goodbye;
    /// none if nothing did. Its evidence says how much is not known to have arrived.
    const std::optional<Error>& shortfall() const { return shortfall_; }
    /// Since when the queue has been full, not counting moments at which it was not half empty;
    /// kNever if it is not.
    TimePoint full_since() const { return full_since_; }
    /// When the peer last acknowledged a message, or the queue was empty.
    TimePoint progress_at() const { return progress_at_; }

    bool is_listed = false;  ///< The owner's mark: it knows that this session is busy.

private:
    enum class Phase : std::uint8_t {
        live,
        flushing,  ///< close() was called: hand down what was accepted
        told,      ///< the goodbye has been said; its acknowledgement is awaited
    };

    // InboxEvents
    void on_message(const Address& address, Delivery delivery, std::uint64_t cookie,
                    ByteView payload) override;
    Violation on_frame(FrameType type, ByteView body) override;
    // StreamEvents
    void on_opened(StreamNumber stream, const Address& address, ByteView header) override;
    void on_data(StreamNumber stream, ByteView data, bool fin) override;
    void on_reset(StreamNumber stream, std::uint64_t code, std::string_view reason) override;
    void on_writable(StreamNumber stream) override;
    void on_delivered(StreamNumber stream) override;
    void on_streams_busy() override { busy(); }
    void send_reset(const StreamReset& frame) override;

    void busy();
    void violate(const Violation& how);
    Violation on_ack(const Ack& ack);
    void send_datagram(const Address& address, ByteView payload);
    Result<void> check_datagram(const Address& address, ByteView payload) const;
    bool has_received_all(Goodbye& goodbye) const;
    void finish_with(Departure how, std::optional<Error> missed);
    bool has_outstanding() const { return outbox_.queued() > 0 || streams_.outstanding() > 0; }
    Evidence outstanding() const;
    Error late() const;
    void check_deadlines(TimePoint now);
    void answer_goodbye();
    void say_goodbye();
    void acknowledge(TimePoint now);
    void note_full(TimePoint now);
    void watch_queue(TimePoint now);
    void watch_control(TimePoint now);

    Config config_;
    PeerEvents& events_;
    Outbox outbox_;
    Inbox inbox_;
    StreamTable streams_;
    KeptMessages kept_;
    LinkBinding* binding_ = nullptr;
    Phase phase_ = Phase::live;
    Closed closing_;  // what close() was given
    TimePoint close_deadline_ = kNever;
    std::optional<Goodbye> peer_goodbye_;
    std::optional<Error> interrupted_;
    TimePoint grace_deadline_ = kNever;
    std::optional<Departure> end_;
    std::optional<Error> shortfall_;
    TimePoint ack_due_ = kNever;
    bool refused_ = false;  // a send was answered with queue_full
    TimePoint full_since_ = kNever;
    TimePoint progress_at_{};
    bool fresh_link_ = false;  // what was under way on the old one is no measure for the peer's pace
    int fresh_links_ = 0;      // in a row, without progress
    std::uint64_t progress_seen_ = 0,
                  progress_due_ = 1;  // acknowledged at progress_at_; and what waited then

    TimePoint control_progress_at_{};
    std::uint64_t control_seen_ = 0;
};

}  // namespace muster::session
