#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>

#include "files/frames.h"
#include "files/progress.h"
#include "files/worker.h"

namespace muster::files {

/// The sending end of one file over one bidirectional, ordered byte stream. Does no I/O: stream octets,
/// storage replies and time go in; stream octets, storage requests, deadlines and events come out.
///
/// Its driver, after every call and every reply, does until none of them has anything to say:
///   next_request() -> a SourceWorker on another thread -> on_storage()
///   want_write() -> next_output() as the stream takes octets; the pulling is the back-pressure: nothing is
///                   read from disk that the stream does not want, but for the read-ahead window
///   output_finished() -> close this half of the stream
///   next_event() -> the application
///   next_wakeup() -> a timer -> on_timer()
///   done() -> reset the stream if the peer has not closed its half, destroy the engine
///
/// Both ends agree on the result. A cancel that crosses the end of the transfer loses: if the receiver has
/// stored the file, both ends say so. Only the loss of the whole session can leave them of two minds.
/// Strand: the session's.
class FileSender {
public:
    struct Options {
        TransferId id{};
        std::string path;  ///< For the receipt and for texts; the SourceWorker opens it.
        SendFileOptions send;
        std::size_t chunk = 256 * 1024;        ///< Octets per read and data frame: 4 KiB to 1 MiB.
        std::size_t read_ahead = 1024 * 1024;  ///< Octets held in memory at most, at least one chunk.
    };
    using Event = std::variant<FileAccepted, FileProgress, FileFinished>;

    FileSender(Options options, TimePoint now);
    FileSender(FileSender&&) = default;  // only before its driver holds a reference
    FileSender(const FileSender&) = delete;
    FileSender& operator=(const FileSender&) = delete;

    // The stream.
    /// Takes what the peer sent; all of it, always.
    std::size_t on_stream_bytes(ByteView octets, TimePoint now);
    /// The peer closed its half.
    void on_stream_end(TimePoint now);
    /// The stream is gone: reset by the peer (cancelled_by_peer), session lost or closed.
    /// Nothing more is sent.
    void on_stream_reset(Error why, TimePoint now);
    /// The stream is gone and the peer is not: what it did not confirm is sent over a fresh one, after the same offer. The
    /// driver opens that if this is true; if not, the transfer is over.
    bool on_stream_lost(const Error& why, TimePoint now);
    void on_stream_renewed(TimePoint now) { heard_at_ = spoke_at_ = now; }
    bool want_write() const { return !out_.empty(); }
    /// At most `max` octets to write; empty if there are none.
    Slice next_output(std::size_t max, TimePoint now);
    /// Everything is said: the driver closes this half of the stream.
    bool output_finished() const { return state_ == State::finished && out_.empty(); }

    // The storage.
    std::optional<SourceRequest> next_request(TimePoint now);
    void on_storage(SourceReply reply, TimePoint now);
    /// As FileReceiver::on_storage_gone.
    void on_storage_gone(TimePoint now);

    // The time.
    TimePoint next_wakeup() const;
    void on_timer(TimePoint now);
    /// The session lost its link and may yet resume: no deadline runs until on_resumed().
    void on_interrupted() { interrupted_ = true; }
    void on_resumed(TimePoint now);

    // The application.
    /// Ends the transfer; the receiver sees the reason. Harmless when it is over.
    void cancel(std::string_view reason, TimePoint now);
    const FileProgress& progress() const { return meter_.progress(); }
    std::optional<Event> next_event();

    /// The result has been reported, storage is closed, and the stream needs nothing more.
    bool done() const;

private:
    enum class State { opening, offered, sending, confirming, finished };

    void on_frame(const FileFrameReader::Piece& piece, TimePoint now);
    void on_accept(ByteView body, TimePoint now);
    void on_progress(ByteView body, TimePoint now);
    void on_verdict(ByteView body, TimePoint now);
    void on_reason(ByteView body, TimePoint now);
    void on_opened(const SourceReply& reply, TimePoint now);
    void on_read(SourceReply& reply, TimePoint now);
    void on_read_all(const SourceReply& reply, TimePoint now);
    std::optional<Error> change_in(const SourceReply& reply) const;
    void read_more();
    void violation(std::string_view what, TimePoint now);
    /// Tells the peer, then ends.
    void fail(Error error, TimePoint now);
    /// Ends without a word: the peer knows, or is gone.
    void finish(Result<FileReceipt> result, TimePoint now);
    void end(Result<FileReceipt> result, TimePoint now);
    TimePoint deadline() const;

    Options options_;
    State state_ = State::opening;
    FileFrameReader in_;
    FileFrameQueue out_;

    std::deque<SourceRequest> requests_;  // at most kMaxStorageRequests
    std::size_t at_storage_ = 0;          // requests taken and not answered
    TimePoint storage_since_{};
    FileStat opened_as_;
    std::uint64_t resume_at_ = 0;  // octets that the receiver has from before
    std::uint64_t requested_ = 0;  // octets asked from storage
    std::uint64_t queued_ = 0;     // octets read, hashed and queued or skipped
    Sha256Digest digest_{};
    bool knows_digest_ = false;
    bool was_opened_ = false, was_accepted_ = false;  // over this stream or an earlier one

    TimePoint since_;  // of the present state
    TimePoint accepted_at_{};
    TimePoint heard_at_;
    TimePoint spoke_at_;
    TimePoint moved_at_{};  // when octets of the file last got on
    bool interrupted_ = false;
    bool peer_ended_ = false;
    std::optional<std::string> cancel_reason_;  // cancelled too late to be sure: the verdict decides

    ProgressMeter meter_;
    bool accepted_event_ = false;
    bool progress_event_ = false;
    std::optional<Result<FileReceipt>> finished_event_;
};

}  // namespace muster::files
