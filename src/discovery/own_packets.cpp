#include "discovery/own_packets.h"

#include <algorithm>

#include "base/fnv.h"

namespace muster::discovery {
namespace {

// Nobody gains by a collision, since only packets from this host's own addresses are compared.
std::uint64_t digest_of(ByteView packet) {
    Fnv1a digest;
    for (const auto octet : packet) digest.add(std::to_integer<std::uint8_t>(octet));
    return digest.value();
}

}  // namespace

void OwnPackets::on_sent(ByteView packet, TimePoint now) {
    Sent entry{digest_of(packet), now, {}};
    if (sent_.size() < kRemembered) {
        sent_.push_back(std::move(entry));
        return;
    }
    sent_[next_] = std::move(entry);
    next_ = (next_ + 1) % kRemembered;
}

bool OwnPackets::take(ByteView packet, LinkId arrived, TimePoint now) {
    const auto digest = digest_of(packet);
    for (auto& entry : sent_) {
        if (entry.digest != digest || now - entry.when > kKept) continue;
        if (std::ranges::find(entry.seen, arrived) != entry.seen.end()) continue;
        entry.seen.push_back(arrived);
        return true;
    }
    return false;
}

}  // namespace muster::discovery
