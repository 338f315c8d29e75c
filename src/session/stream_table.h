#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "session/frame.h"
#include "session/journal.h"
#include "session/link_binding.h"
#include "session/out_lane.h"
#include "session/safe_count.h"
#include "session/violation.h"

namespace muster::session {

/// Numbers a stream of one session; bit 0: opened by the coordinator.
enum class StreamNumber : std::uint32_t {};

/// What a StreamTable tells the session it belongs to.
class StreamEvents {
public:
    virtual ~StreamEvents() = default;
    /// `address`: to whom (at the coordinator) or from whom (at a member).
    virtual void on_opened(StreamNumber stream, const Address& address, ByteView header) = 0;
    virtual void on_data(StreamNumber stream, ByteView data, bool fin) = 0;
    virtual void on_reset(StreamNumber stream, std::uint64_t code, std::string_view reason) = 0;
    virtual void on_writable(StreamNumber stream) = 0;
    virtual void on_delivered(StreamNumber stream) = 0;
    /// Something has to be sent: flush the session.
    virtual void on_streams_busy() = 0;
    virtual void send_reset(const StreamReset& frame) = 0;
};

/// The byte streams of one session: a lane in each direction, credit by offset, ends and resets.
class StreamTable {
public:
    struct Config {
        LinkBinding::End end{};
        std::size_t buffer = 0;        ///< octets kept per stream and direction
        std::size_t incoming = 0;      ///< streams of the peer's that may be open, in either direction
        std::size_t outgoing = 0;      ///< streams that we may have open
        std::size_t first_credit = 0;  ///< what the peer may send on a stream before we say more
        std::size_t peer_credit = 0;   ///< what we may send on a stream before the peer says more
        bool journaled = false;        ///< the peer hears of no stream that is not in a journal
    };

    StreamTable(const Config& config, StreamEvents& events);
    ~StreamTable();
    StreamTable(const StreamTable&) = delete;
    StreamTable& operator=(const StreamTable&) = delete;

    Result<StreamNumber> open(const Address& address, ByteView header);
    Result<void> write(StreamNumber stream, Slice octets);
    void pass_on(StreamNumber stream, Slice octets);
    void want_writable(StreamNumber stream);
    std::size_t writable(StreamNumber stream) const;
    void finish(StreamNumber stream);
    void reset(StreamNumber stream, std::uint64_t code, std::string_view reason, LinkBinding* binding);
    void consume(StreamNumber stream, std::size_t octets);
    bool contains(StreamNumber stream) const { return streams_.contains(stream); }
    std::vector<StreamNumber> numbers() const;

    /// Whether the peer broke the protocol.
    Violation on_lane_data(std::uint64_t number, std::uint64_t position, ByteView data, bool fin,
                           LinkBinding* binding);
    Violation on_reset_frame(const StreamReset& frame, LinkBinding* binding);
    Violation on_acked(std::uint64_t number, const Position& position);

    /// Frees what has ended. Only from the session's flush: no call that may hold a
    /// stream is under way there.
    void forget_done();
    void pump(LinkBinding& binding);
    bool has_unsent() const;
    /// Octets queued or sent that the peer has not acknowledged.
    std::size_t outstanding() const;
    /// Octets received since the last take_changed(); what has to be told at once is told first.
    std::size_t unacknowledged() const { return unacknowledged_; }
    bool is_urgent() const { return urgent_; }
    /// Takes the positions that changed since the last time.
    void take_changed(std::vector<Position>& out);
    /// Adds all positions; takes none.
    void add_all(std::vector<Position>& out) const;
    void collect_ends(std::vector<Position>& out) const;
    /// True if this stream has been received up to the end that a goodbye names.
    bool has_received(std::uint64_t number, std::uint64_t end) const;

    // For sessions with a journal. It keeps which streams there are, not what is on them.
    bool has_news() const { return news_; }
    void save(JournalBatch& batch, std::uint32_t session);
    void on_written();
    void stop_journaling();
    struct SavedStream {
        std::uint64_t number = 0;
        bool is_relayed = false;  ///< to or from another member
    };
    /// Before anything was opened. The streams that were open are over, and counted as used; they are in `open`.
    /// False: it cannot be.
    bool restore(ByteView saved, std::vector<SavedStream>& open);

    void detach();
    /// On a fresh link: continue where the peer is.
    Violation rewind(const std::vector<Position>& positions);

private:
    struct Stream;

    static Position position_of(const Stream& stream);
    bool is_ours(std::uint64_t number) const;
    Stream* find(StreamNumber stream) const;
    Stream* take_in(std::uint64_t number, Violation& violation);
    bool take_header(Stream& stream, ByteView& data, Violation& violation);
    void deliver(Stream& stream, ByteView data, bool fin);
    void give_credit(Stream& stream);
    void tell_progress(Stream& stream);
    void settle(Stream& stream);
    void note_news() { news_ = config_.journaled; }
    bool may_be_told(std::uint64_t number) const;

    Config config_;
    StreamEvents& events_;
    std::unordered_map<StreamNumber, std::unique_ptr<Stream>> streams_;
    std::vector<StreamNumber> done_;        // to be forgotten when no call is under way
    std::vector<std::uint64_t> forgotten_;  // lanes to acknowledge although their stream is forgotten
    std::vector<std::uint64_t> unseen_;     // the peer's streams below next_theirs_ of which nothing has come
    std::uint64_t next_ours_ = 0, next_theirs_ = 0;  // without bit 0
    std::size_t ours_open_ = 0, theirs_open_ = 0;
    std::size_t theirs_kept_ = 0;  // open, or waiting for the acknowledgement of their end
    std::size_t unacknowledged_ = 0;
    bool urgent_ = false;
    bool news_ = false;  // for the journal
    SafeCount theirs_;   // next_theirs_
};

}  // namespace muster::session
