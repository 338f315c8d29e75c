#include "session/out_lane.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/check.h"

namespace muster::session {
namespace {

// Chunks begin small, so that a session with little to say stays small, and double up to a size at which the
// allocation costs nothing per message.
constexpr std::size_t kFirstChunk = 1024;
constexpr std::size_t kLargestChunk = 64 * 1024;

// Octets handed down ahead of the link: enough for a full congestion window on a fast LAN between two
// flushes; more would only grow what a move or a reset has to throw away.
constexpr std::size_t kLinkAhead = 512 * 1024;

// Pieces are sealed at this cost, so that a receiver with room for one message more has room for one piece.
constexpr std::size_t kPieceCost = 64 * 1024;

}  // namespace

std::byte* OutLane::append(std::size_t size, std::size_t cost) {
    MUSTER_CHECK(size <= kLargestPiece && !finished_);
    if (open_cost_ >= kPieceCost) seal();
    if (chunk_size_ - chunk_used_ < size) start_chunk(size);
    std::byte* const place = chunk_.get() + chunk_used_;
    chunk_used_ += size;
    end_ += size;
    open_cost_ += cost;
    return place;
}

void OutLane::append_copy(ByteView octets) {
    while (!octets.empty()) {
        const ByteView piece = octets.first(std::min(octets.size(), kLargestPiece));
        std::memcpy(append(piece.size(), 0), piece.data(), piece.size());
        octets = octets.subspan(piece.size());
    }
}

void OutLane::append_shared(Slice octets) {
    MUSTER_CHECK(!finished_);
    if (octets.empty()) return;
    seal();
    const std::uint64_t begin = end_;
    end_ += octets.size();
    segments_.push_back({std::move(octets), begin, 0});
}

void OutLane::seal() {
    const std::size_t size = chunk_used_ - chunk_sealed_;
    if (size == 0) return;
    Slice piece{chunk_, ByteView{chunk_.get() + chunk_sealed_, size}};
    segments_.push_back({std::move(piece), end_ - size, open_cost_});
    chunk_sealed_ = chunk_used_;
    open_cost_ = 0;
}

void OutLane::start_chunk(std::size_t size) {
    seal();
    chunk_size_ = std::clamp(2 * chunk_size_, std::max(size, kFirstChunk), kLargestChunk);
    chunk_ = std::make_shared_for_overwrite<std::byte[]>(chunk_size_);
    chunk_used_ = chunk_sealed_ = 0;
}

bool OutLane::rewind(std::uint64_t offset) {
    stream_ = -1;
    seal();
    // An acknowledgement on the old link may have overtaken what the peer said when it began to resume.
    if (!on_acked(std::max(offset, acked_))) return false;
    sent_ = acked_;
    end_sent_ = end_acked_;
    next_ = first_;
    return true;
}

std::size_t OutLane::sendable(const Segment& segment, std::size_t from) const {
    const std::uint64_t limit = std::min(limit_, octets_.safe());
    const std::uint64_t room = limit > sent_ ? limit - sent_ : 0;
    return static_cast<std::size_t>(std::min<std::uint64_t>(segment.octets.size() - from, room));
}

OutLane::Stop OutLane::pump(link::LinkPort& port, Credit* credit) {
    seal();
    if (!has_unsent()) return Stop::drained;
    if (is_held()) return Stop::journal;  // that there is such a lane is news, too
    if (!has_stream()) return Stop::no_stream;
    while (has_pieces()) {
        if (port.unsent(stream_) >= kLinkAhead) return Stop::link;
        Segment& segment = segments_[next_];
        if (is_held()) return Stop::journal;
        if (credit != nullptr && segment.cost > 0) {
            if (credit->limit < credit->used + segment.cost) return Stop::credit;
            credit->used += segment.cost;
            segment.cost = 0;  // a replay is not charged again: the receiver's count goes on, too
        }
        const auto from = static_cast<std::size_t>(sent_ - segment.begin);
        const std::size_t size = sendable(segment, from);
        if (size == 0) return Stop::credit;
        sent_ += size;
        highest_ = std::max(highest_, sent_);
        const bool whole = from + size == segment.octets.size();
        Slice octets = from == 0 && whole ? segment.octets : segment.octets.subslice(from, size);
        if (whole) ++next_;
        port.write(stream_, std::move(octets));
    }
    if (!finished_ || end_sent_) return Stop::drained;
    end_sent_ = end_told_ = true;
    port.finish(stream_);
    return Stop::drained;
}

bool OutLane::on_acked(std::uint64_t offset) {
    if (end_told_ && (offset == end_ + 1 || offset == kAllReceived)) {
        end_sent_ = end_acked_ = true;
        offset = end_;
    }
    if (offset == kAllReceived) return true;  // the peer has given up a stream: its reset is on the way
    if (offset > highest_) return false;
    if (offset <= acked_) return true;  // an older acknowledgement
    acked_ = offset;
    if (sent_ < acked_) {
        // The peer got on its old link what we were about to repeat: jump, which takes a new stream.
        sent_ = acked_;
        if (stream_ >= 0) abandoned_ = stream_;
        stream_ = -1;
    }
    drop_acked();
    return true;
}

void OutLane::drop_acked() {
    const auto end_of = [](const Segment& segment) { return segment.begin + segment.octets.size(); };
    for (; first_ < segments_.size() && end_of(segments_[first_]) <= acked_; ++first_) {
        uncharged_ += segments_[first_].cost;
        segments_[first_].octets = {};
    }
    next_ = std::max(next_, first_);
    if (first_ == segments_.size()) return forget_storage();
    if (first_ < 64 || first_ * 2 < segments_.size()) return;
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(first_));
    next_ -= first_;
    first_ = 0;
}

std::uint64_t OutLane::save(JournalBatch& batch, std::uint32_t session) {
    seal();
    const JournalKey key{session, JournalPart::octets, static_cast<std::uint64_t>(id_), 0};
    const auto begins_before = [](const Segment& segment, std::uint64_t offset) {
        return segment.begin < offset;
    };
    const auto unsaved = std::lower_bound(segments_.begin() + static_cast<std::ptrdiff_t>(first_),
                                          segments_.end(), octets_.saved(), begins_before);
    std::uint64_t cost = 0;
    for (const Segment& segment : std::span{unsaved, segments_.end()}) {
        JournalKey at = key;
        at.offset = segment.begin;
        batch.put(at, segment.cost, segment.octets);
        cost += segment.cost;
    }
    octets_.save(end_);
    const std::uint64_t needed = first_ < segments_.size() ? segments_[first_].begin : end_;
    if (needed == erased_) return cost;
    erased_ = needed;
    JournalKey below = key;
    below.offset = needed;
    batch.erase_below(below);
    return cost;
}

bool OutLane::restore(std::uint64_t end, std::vector<SavedPiece> pieces) {
    acked_ = pieces.empty() ? end : pieces.front().begin;
    end_ = acked_;
    for (SavedPiece& piece : pieces) {
        if (piece.begin != end_ || piece.octets.empty() || piece.octets.size() > end - end_) return false;
        end_ += piece.octets.size();
        segments_.push_back({std::move(piece.octets), piece.begin, piece.cost});
    }
    // The other process may have handed down all of it.
    sent_ = acked_;
    highest_ = end_;
    octets_.set(end_);
    return end_ == end;
}

void OutLane::forget_storage() {
    segments_.clear();
    if (segments_.capacity() > 16) segments_.shrink_to_fit();
    first_ = next_ = 0;
    if (acked_ != end_) return;  // the chunk has octets that are not sealed yet
    chunk_.reset();
    // The next chunk is twice that: as large as this one if it was used well, half of it if it was not.
    chunk_size_ /= chunk_used_ < chunk_size_ / 2 ? 4 : 2;
    chunk_used_ = chunk_sealed_ = chunk_size_;
}

}  // namespace muster::session
