#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "muster/bytes.h"

namespace muster::quic {

/// Looks at the frames of each decrypted packet before ngtcp2 does, for two reasons.
///
/// ngtcp2 0.12 ends the process when a peer asks it to retire connection ids in a crafted way (two
/// NEW_CONNECTION_ID frames of one number below "retire prior to", or one in the server's first flight).
/// Muster never asks for that, so a packet that does is a violation. To be sure of where a frame begins, so
/// is every frame type that RFC 9000 and RFC 9221 do not define.
///
/// And ngtcp2 keeps STOP_SENDING to itself.
class FrameGuard {
public:
    struct Stop {
        std::int64_t stream = 0;
        std::uint64_t code = 0;
    };

    void begin();
    /// False: the packet must not reach ngtcp2.
    bool inspect(ByteView frames);
    bool has_violation() const { return violation_; }
    const std::vector<Stop>& stops() const { return stops_; }

private:
    std::vector<Stop> stops_;
    bool violation_ = false;
};

}  // namespace muster::quic
