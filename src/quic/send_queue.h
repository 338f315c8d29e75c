#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/slice.h"

namespace muster::quic {

/// What one stream has to send, and what it has sent but not seen acknowledged. Large slices are shared;
/// those of up to kSmall octets are copied together into chunks, for a packet of many tiny pieces costs more
/// in bookkeeping than the copy, and a tiny slice could pin a large buffer.
class SendQueue {
public:
    static constexpr std::size_t kSmall = 1452;
    static constexpr std::size_t kFirstChunk = 2048;
    static constexpr std::size_t kLargestChunk = 16 * 1024;

    void push(Slice octets);
    /// Octets never sent so far.
    std::size_t unsent() const { return static_cast<std::size_t>(pushed_ - sent_); }
    /// Octets kept: unsent and unacknowledged ones.
    std::size_t held() const { return static_cast<std::size_t>(pushed_ - acked_); }
    /// Borrows the next unsent octets, at most `limit` and as many pieces as fit; returns the pieces.
    std::size_t gather(std::span<ByteView> out, std::size_t limit) const;
    /// The first `octets` of the unsent ones have gone out; they stay borrowed until acknowledged.
    void mark_sent(std::size_t octets);
    /// The first `octets` of those sent have arrived.
    void mark_acked(std::uint64_t octets);
    /// Forgets what was never sent.
    void drop_unsent();

private:
    struct Piece {
        Slice keep;
        ByteView view;
    };

    void push_small(ByteView octets);
    void compact();
    void release();

    std::vector<Piece> pieces_;
    std::size_t head_ = 0;           // pieces_ before it are acknowledged
    std::size_t head_offset_ = 0;    // octets of pieces_[head_] that are acknowledged
    std::size_t cursor_ = 0;         // first piece with unsent octets
    std::size_t cursor_offset_ = 0;  // octets of it that are sent
    std::uint64_t pushed_ = 0, sent_ = 0, acked_ = 0;

    std::shared_ptr<std::byte[]> chunk_;
    std::size_t chunk_size_ = 0, chunk_used_ = 0;
};

}  // namespace muster::quic
