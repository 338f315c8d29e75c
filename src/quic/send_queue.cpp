#include "quic/send_queue.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace muster::quic {

void SendQueue::push(Slice octets) {
    if (octets.empty()) return;
    pushed_ += octets.size();
    if (octets.size() <= kSmall) return push_small(octets.view());
    const ByteView view = octets.view();
    pieces_.push_back({std::move(octets), view});
}

void SendQueue::push_small(ByteView octets) {
    if (!chunk_ || chunk_size_ - chunk_used_ < octets.size()) {
        chunk_size_ = std::clamp(chunk_size_ * 2, kFirstChunk, kLargestChunk);
        chunk_ = std::make_shared_for_overwrite<std::byte[]>(chunk_size_);
        chunk_used_ = 0;
    }
    std::byte* at = chunk_.get() + chunk_used_;
    std::memcpy(at, octets.data(), octets.size());
    chunk_used_ += octets.size();
    if (head_ < pieces_.size()) {
        Piece& last = pieces_.back();
        const bool adjoins =
            last.view.data() + last.view.size() == at && last.keep.view().data() == chunk_.get();
        if (adjoins) {
            last.view = {last.view.data(), last.view.size() + octets.size()};
            return;
        }
    }
    pieces_.push_back({Slice{chunk_, {chunk_.get(), chunk_size_}}, {at, octets.size()}});
}

std::size_t SendQueue::gather(std::span<ByteView> out, std::size_t limit) const {
    std::size_t count = 0;
    std::size_t offset = cursor_offset_;
    for (std::size_t i = cursor_; i < pieces_.size() && count < out.size() && limit > 0; ++i, offset = 0) {
        const ByteView rest = pieces_[i].view.subspan(offset);
        if (rest.empty()) continue;
        out[count] = rest.first(std::min(rest.size(), limit));
        limit -= out[count].size();
        ++count;
    }
    return count;
}

void SendQueue::mark_sent(std::size_t octets) {
    MUSTER_CHECK(octets <= unsent());
    sent_ += octets;
    while (octets > 0) {
        const std::size_t rest = pieces_[cursor_].view.size() - cursor_offset_;
        if (octets < rest) {
            cursor_offset_ += octets;
            return;
        }
        octets -= rest;
        // The last piece stays under the cursor: push_small may still make it longer.
        if (cursor_ + 1 == pieces_.size()) {
            cursor_offset_ = pieces_[cursor_].view.size();
            return;
        }
        ++cursor_;
        cursor_offset_ = 0;
    }
}

void SendQueue::mark_acked(std::uint64_t octets) {
    MUSTER_CHECK(octets <= sent_ - acked_);
    acked_ += octets;
    if (acked_ == pushed_) return release();
    while (octets > 0) {
        const std::size_t rest = pieces_[head_].view.size() - head_offset_;
        if (octets < rest) {
            head_offset_ += static_cast<std::size_t>(octets);
            break;
        }
        octets -= rest;
        head_offset_ = 0;
        pieces_[head_++].keep = Slice{};
    }
    if (cursor_ < head_) {
        cursor_ = head_;
        cursor_offset_ = 0;
    }
    compact();
}

void SendQueue::drop_unsent() {
    pushed_ = sent_;
    if (acked_ == pushed_) return release();
    Piece& last = pieces_[cursor_];
    last.view = last.view.first(cursor_offset_);
    pieces_.resize(cursor_ + 1);
    chunk_.reset();  // the truncated piece must not grow again
}

// Moves the living pieces to the front once the dead ones are the majority, so that each piece is moved at
// most once per halving.
void SendQueue::compact() {
    constexpr std::size_t kWorthwhile = 32;
    if (head_ < kWorthwhile || head_ < pieces_.size() / 2) return;
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(head_));
    cursor_ -= head_;
    head_ = 0;
}

// An idle stream holds no memory to speak of.
void SendQueue::release() {
    constexpr std::size_t kKeptPieces = 8;
    pieces_.clear();
    if (pieces_.capacity() > kKeptPieces) pieces_.shrink_to_fit();
    head_ = head_offset_ = cursor_ = cursor_offset_ = 0;
    chunk_.reset();
    chunk_size_ = 0;
}

}  // namespace muster::quic
