// Whatever arrives beside QUIC on a node's port: probes, their answers, heartbeats.
#include <cstdint>
#include <cstdlib>

#include "base/random.h"
#include "link/probe.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace muster;
    using namespace muster::link;
    static const HeartbeatKeys keys = [] {
        Bytes material(HeartbeatKeys::kMaterial);
        SeededRandomness{1}.fill(material);
        return HeartbeatKeys::from(material, true);
    }();
    const ByteView datagram{reinterpret_cast<const std::byte*>(data), size};
    if (const auto request = parse_probe_request(datagram)) {
        const auto again = parse_probe_request(encode(*request));
        if (!again || again->nonce != request->nonce || has_fixed_bit(datagram)) std::abort();
    }
    if (const auto reply = parse_probe_reply(datagram)) {
        const auto again = parse_probe_reply(encode(*reply));
        if (!again || again->responder != reply->responder) std::abort();
    }
    if (const auto unknown = parse_unknown_link(datagram)) {
        const auto again = parse_unknown_link(encode(*unknown));
        if (!again || again->tag != unknown->tag || has_fixed_bit(datagram)) std::abort();
    }
    if (heartbeat_tag(datagram) && has_fixed_bit(datagram)) std::abort();
    if (open_heartbeat(datagram, keys)) std::abort();  // nobody can guess 128 bits
    return 0;
}
