#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "muster/session_types.h"

namespace muster::session {

/// A message as it arrives: views for the duration of the call.
struct MessageView {
    const DeviceId& from;
    ChannelId channel;
    Delivery delivery;
    ByteView payload;
    std::uint64_t number = 0;  // see Message
    bool redelivered = false;

    Message copy() const {
        Message message{from, channel, delivery, to_bytes(payload)};
        message.number = number;
        message.redelivered = redelivered;
        return message;
    }
};

/// A link was closed by its other end, with what was given to LinkPort::close there.
struct LinkClosed {
    std::uint64_t code = 0;
    std::string reason;
};

/// Why a link is gone: closed by its other end, or lost with a cause.
using LinkEnd = std::variant<LinkClosed, Error>;

/// Codes of LinkPort::close that are the session's own; those below 2^32 are the application's, and then the
/// peer was told by the link alone because it did not take the goodbye in time.
enum class LinkCode : std::uint64_t {
    done = std::uint64_t{1}
           << 32,        ///< the goodbye was acknowledged, or a refusal was given: nothing left to say
    protocol_violation,  ///< the peer sent something that the protocol forbids
    too_slow,            ///< the peer left its queue full for longer than the patience
    timed_out,           ///< the peer did not answer within a deadline
    superseded,          ///< a fresh link carries the session
    aborted,             ///< the application gave up without goodbye
    full,                ///< too many devices ask to join at the same time
};

}  // namespace muster::session
