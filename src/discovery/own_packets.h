#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "discovery/mdns_types.h"

namespace muster::discovery {

/// Tells our own multicast packets, which the kernel loops back and which may return through a second
/// interface of the same network, from those of another program on this host, which come from the same
/// address and port. Each packet sent is recognised once per link; an equal packet that comes once more is
/// somebody else's.
class OwnPackets {
public:
    void on_sent(ByteView packet, TimePoint now);
    /// True if this is one of ours; the caller has checked that its source address is one of this host's.
    bool take(ByteView packet, LinkId arrived, TimePoint now);

private:
    // The kernel loops back at once; a bridge between two of our interfaces needs microseconds. One second is
    // a process that did not get the processor for so long.
    static constexpr Duration kKept = std::chrono::seconds{1};
    static constexpr std::size_t kRemembered =
        128;  // packets within that second; older ones are forgotten first

    struct Sent {
        std::uint64_t digest = 0;
        TimePoint when{};
        std::vector<LinkId> seen;
    };
    std::vector<Sent> sent_;
    std::size_t next_ = 0;
};

}  // namespace muster::discovery
