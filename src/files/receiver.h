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

/// The receiving end of one file over one bidirectional, ordered byte stream; the counterpart of
/// FileSender, driven the same way, with a SinkWorker.
///
/// on_stream_bytes() takes only as much as there is room for; what it leaves the driver does not consume from
/// the stream and offers again once want_bytes() is true: so a slow disk holds back the sender.
///
/// The file appears under its name only after its SHA-256 was verified and it was synced to disk. Whatever
/// else happens, nothing is left behind; the result is reported when that is so.
/// Strand: the session's.
class FileReceiver {
public:
    struct Options {
        DeviceId from;
        std::size_t chunk = 256 * 1024;                     ///< Octets per write: 4 KiB to 1 MiB.
        Duration patience = std::chrono::minutes{10};       ///< For the application to answer the offer.
        Duration stall = std::chrono::seconds{30};          ///< For a sender that says nothing.
        std::uint64_t size_limit = std::uint64_t{1} << 62;  ///< Larger offers are declined (too_large).
    };
    using Event = std::variant<FileOffer, FileProgress, FileFinished>;

    FileReceiver(Options options, TimePoint now);
    FileReceiver(FileReceiver&&) = default;  // only before its driver holds a reference
    FileReceiver(const FileReceiver&) = delete;
    FileReceiver& operator=(const FileReceiver&) = delete;

    // The stream; as FileSender.
    /// Takes octets from the front and returns how many.
    std::size_t on_stream_bytes(ByteView octets, TimePoint now);
    /// False: the storage is behind; octets offered now would not be taken.
    bool want_bytes() const { return state_ != State::receiving || room() > 0; }
    /// The peer closed its half, and all octets before that were taken.
    void on_stream_end(TimePoint now);
    void on_stream_reset(Error why, TimePoint now);
    /// The stream is gone and the peer is not: if this is true, what came is kept for as long as a sender may say nothing,
    /// and on_stream_renewed() follows if the sender offers the transfer again; if not, the transfer is over.
    bool on_stream_lost(const Error& why, TimePoint now);
    void on_stream_renewed(TimePoint now);
    bool want_write() const { return !out_.empty(); }
    Slice next_output(std::size_t max, TimePoint now);
    bool output_finished() const { return is_over() && out_.empty(); }

    // The storage.
    std::optional<SinkRequest> next_request(TimePoint now);
    void on_storage(SinkReply reply, TimePoint now);
    /// There is no storage any more, and nothing that was asked is answered: the session is gone, and the
    /// stream before it. Whoever holds the worker removes the part by destroying it. Idempotent.
    void on_storage_gone(TimePoint now);

    // The time.
    TimePoint next_wakeup() const;
    void on_timer(TimePoint now);
    void on_interrupted() { interrupted_ = true; }
    void on_resumed(TimePoint now);

    // The application.
    /// Takes the offer. If the name chosen here is not fit, the offer is declined and the result is bad_name. Nothing
    /// happens when nothing is on offer any more: the result says what became of it.
    void accept(const ReceiveFileOptions& receive, TimePoint now);
    /// Refuses the offer; the sender sees the reason. Harmless when there is none.
    void decline(std::string_view reason, TimePoint now);
    /// Ends the transfer and removes what came; the sender sees the reason. Too late once the file is
    /// verified and being named.
    void cancel(std::string_view reason, TimePoint now);
    const FileProgress& progress() const { return meter_.progress(); }
    std::optional<Event> next_event();

    bool done() const;

private:
    /// cleaning: the result is known, the part file is being removed.
    enum class State { waiting, offered, creating, receiving, publishing, cleaning, finished };

    bool is_over() const { return state_ == State::cleaning || state_ == State::finished; }
    std::size_t room() const;
    void on_frame(const FileFrameReader::Piece& piece, TimePoint now);
    void on_offer(ByteView body, TimePoint now);
    void on_offer_again(const OfferFrame& again, TimePoint now);
    void say_result();
    void on_data(ByteView octets, TimePoint now);
    void on_end(ByteView body, TimePoint now);
    void on_cancel(ByteView body, TimePoint now);
    void on_created(TimePoint now);
    void on_written(std::uint64_t octets, TimePoint now);
    void on_published(std::string path, TimePoint now);
    void write_chunk();
    void report(TimePoint now);
    void say(Slice frame);
    void violation(std::string_view what, TimePoint now);
    /// Tells the peer with a frame of this type, then ends.
    void fail(FileFrame how, Error error, TimePoint now);
    void end(Result<FileReceipt> result, TimePoint now);
    void ask(SinkRequest request) { requests_.push_back(std::move(request)); }
    TimePoint deadline() const;

    Options options_;
    State state_ = State::waiting;
    FileFrameReader in_;
    FileFrameQueue out_;

    FileOffer offer_;
    ReceiveFileOptions receive_;
    std::deque<SinkRequest> requests_;  // at most kMaxStorageRequests, and a discard
    std::size_t at_storage_ = 0;
    TimePoint storage_since_{};
    bool part_exists_ = false;
    Bytes chunk_;                 // octets that are not yet a write
    std::uint64_t received_ = 0;  // octets of the file taken from the stream
    std::uint64_t written_ = 0;   // octets asked to be written
    std::uint64_t stored_ = 0;    // octets known to be written
    std::uint64_t reported_ = 0;
    std::uint64_t resumed_at_ = 0;  // received_ when the present stream began
    Sha256Digest digest_{};

    TimePoint since_;
    TimePoint accepted_at_{};
    TimePoint heard_at_;
    TimePoint spoke_at_;
    TimePoint moved_at_{};  // when octets of the file last got on
    bool interrupted_ = false;
    bool peer_ended_ = false;
    bool stream_gone_ = false;
    bool awaits_stream_ = false;  // the sender may begin another one
    bool awaits_offer_ = false;   // the same as before, on another stream

    ProgressMeter meter_;
    bool offer_event_ = false;
    bool progress_event_ = false;
    std::optional<Result<FileReceipt>> result_;
    bool result_taken_ = false;
};

}  // namespace muster::files
