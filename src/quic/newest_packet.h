#pragma once

#include <cstdint>

#include "muster/bytes.h"

namespace muster::quic {

/// Tells the newest packet of a peer from older ones and from replays of packets that an eavesdropper kept:
/// both decrypt as well as any, but prove nothing about now.
class NewestPacket {
public:
    /// `header` of a packet that was decrypted: without header protection, the packet number at its end.
    /// True if the packet is of the application's number space (1-RTT) and newer than all before it.
    bool take(ByteView header) {
        if (header.empty() || (std::to_integer<unsigned>(header[0]) & 0x80) != 0) return false;
        const std::size_t size = (std::to_integer<std::size_t>(header[0]) & 3) + 1;
        if (header.size() <= size) return false;
        std::uint64_t sent = 0;
        for (const std::byte octet : header.last(size))
            sent = sent << 8 | std::to_integer<std::uint64_t>(octet);
        const std::uint64_t number = whole(sent, std::uint64_t{1} << (8 * size));
        if (number < next_) return false;
        next_ = number + 1;
        return true;
    }

private:
    /// RFC 9000 appendix A.3: the number next to the expected one that ends in these octets.
    std::uint64_t whole(std::uint64_t sent, std::uint64_t window) const {
        const std::uint64_t guess = (next_ & ~(window - 1)) | sent;
        if (guess + window / 2 <= next_) return guess + window;
        if (guess > next_ + window / 2 && guess >= window) return guess - window;
        return guess;
    }

    std::uint64_t next_ = 0;
};

}  // namespace muster::quic
