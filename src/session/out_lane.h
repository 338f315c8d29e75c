#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/slice.h"
#include "link/link_port.h"
#include "session/journal.h"
#include "session/lane.h"
#include "session/safe_count.h"

namespace muster::session {

/// Credit that several lanes of messages share: what the receiver is ready to queue, counted since the start.
struct Credit {
    std::uint64_t used = 0;
    std::uint64_t limit = 0;
};

/// A part of a lane as a journal keeps it.
struct SavedPiece {
    std::uint64_t begin = 0;
    std::size_t cost = 0;
    Slice octets;
};

/// The sending end of a lane: keeps what is queued until the peer's session has acknowledged it, packs small
/// pieces into shared chunks, and hands them to the stream of the current link by reference.
class OutLane {
public:
    enum class Stop {
        drained,    ///< everything queued has been handed down
        credit,     ///< the peer's queue has no room: an acknowledgement gives more
        link,       ///< the link has enough unsent octets: on_stream_writable
        journal,    ///< what is queued is not in the journal yet
        no_stream,  ///< attach() first
    };

    explicit OutLane(LaneId id) : id_(id) {}
    OutLane(const OutLane&) = delete;
    OutLane& operator=(const OutLane&) = delete;

    LaneId id() const { return id_; }

    /// Makes room for `size` octets (at most kLargestPiece) and returns where to write them. They are one
    /// piece with what is appended before the next seal(): credit is taken for whole pieces.
    std::byte* append(std::size_t size, std::size_t cost);
    /// Copies octets of any size that need no credit of their own.
    void append_copy(ByteView octets);
    /// Queues octets by reference, behind what was appended, as part of the same piece.
    void append_shared(Slice octets);
    /// Ends the piece at hand: cheap, once per flush.
    void seal();
    /// Nothing follows what is queued.
    void finish() { finished_ = true; }
    bool is_finished() const { return finished_; }

    /// Limits what may be handed down to this offset (streams).
    void raise_limit(std::uint64_t offset) { limit_ = std::max(limit_, offset); }
    void set_limit(std::uint64_t offset) { limit_ = offset; }

    // For sessions with a journal. Nothing is handed down that it does not hold.
    /// Hands down nothing but what is safe. Before the first octet.
    void hold() { octets_.set(0); }
    /// No journal holds this lane back.
    void release() { octets_.set(kVarintMax); }
    bool has_news() const { return octets_.saved() < end_; }
    /// Adds what was queued since the last time, and what is not needed any more. Returns the cost of the former.
    std::uint64_t save(JournalBatch& batch, std::uint32_t session);
    void on_written() { octets_.on_written(); }
    bool is_held() const { return sent_ < end_ && sent_ >= octets_.safe(); }
    /// Octets that the peer could have acknowledged.
    std::size_t owed() const { return static_cast<std::size_t>(std::min(octets_.safe(), end_) - acked_); }
    /// Takes up a lane that another process left: its end, and the pieces before it that the peer has not acknowledged.
    /// False if they do not belong together.
    bool restore(std::uint64_t end, std::vector<SavedPiece> pieces);
    /// What pieces cost that the peer turned out to have, and that were never charged. Asked once.
    std::size_t take_uncharged() { return std::exchange(uncharged_, 0); }

    /// The link stream for this lane; the lane continues at `next`.
    void attach(link::StreamId stream) { stream_ = stream; }
    link::StreamId stream() const { return stream_; }
    bool has_stream() const { return stream_ >= 0; }
    /// The link is gone; on the next one the lane continues from `offset`, or from the newest
    /// acknowledgement. False if `offset` was never sent.
    bool rewind(std::uint64_t offset);
    void detach() { stream_ = abandoned_ = -1; }
    /// A stream of the current link that the lane left behind, to be reset; -1 if there is none. Asked once.
    link::StreamId take_abandoned() { return std::exchange(abandoned_, -1); }

    /// Hands down what credit and link allow. `credit` null: none is needed.
    Stop pump(link::LinkPort& port, Credit* credit);

    /// The peer has everything below `offset`; the end counts for one. False if it was never sent.
    bool on_acked(std::uint64_t offset);

    std::uint64_t end() const { return end_ + (finished_ ? 1 : 0); }  ///< where the peer will be at the end
    std::uint64_t next() const { return sent_; }                      ///< where the link stream begins
    std::size_t unacked() const { return static_cast<std::size_t>(end_ - acked_); }
    bool has_unsent() const { return sent_ < end_ || (finished_ && !end_sent_); }
    bool is_acked() const { return acked_ == end_ && (!finished_ || end_acked_); }

    /// Largest piece for append(): beyond it sharing is cheaper than copying.
    static constexpr std::size_t kLargestPiece = 4096;

private:
    struct Segment {
        Slice octets;
        std::uint64_t begin = 0;
        std::size_t cost = 0;  // not charged yet
    };

    void start_chunk(std::size_t size);
    bool has_pieces() const { return next_ < segments_.size(); }
    std::size_t sendable(const Segment& segment, std::size_t from) const;
    void drop_acked();
    void forget_storage();

    LaneId id_;
    link::StreamId stream_ = -1, abandoned_ = -1;
    bool finished_ = false, end_sent_ = false, end_acked_ = false;
    bool end_told_ = false;  // on any link
    std::uint64_t acked_ = 0, sent_ = 0, end_ = 0;
    std::uint64_t highest_ = 0;  // handed down at least once, on any link
    std::uint64_t limit_ = kVarintMax;
    SafeCount octets_{kVarintMax};
    std::uint64_t erased_ = 0;
    std::size_t uncharged_ = 0;
    std::size_t first_ = 0;  // segments_[first_] is the oldest that is not acknowledged
    std::size_t next_ = 0;   // segments_[next_] holds sent_
    std::vector<Segment> segments_;

    // Small pieces are written one behind the other into a chunk; segments refer to its parts.
    std::shared_ptr<std::byte[]> chunk_;
    std::size_t chunk_size_ = 0, chunk_used_ = 0, chunk_sealed_ = 0;
    std::size_t open_cost_ = 0;  // of the octets appended since seal()
};

}  // namespace muster::session
