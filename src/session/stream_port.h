#pragma once

#include <cstdint>
#include <string_view>

#include "base/slice.h"

#include "muster/session_types.h"

namespace muster::session {

/// What happens to byte streams. A stream ends for a listener with exactly one of: `fin` in both directions,
/// on_stream_reset, or on_stream_ended.
class StreamListener {
public:
    virtual ~StreamListener() = default;

    /// A peer opened a stream to us. `header` is what it said about it; a view for this call.
    virtual void on_stream_opened(StreamHandle stream, const DeviceId& from, ByteView header) = 0;
    /// Octets in order; `fin`: the last ones (perhaps none). Credit goes back by StreamPort::consume only.
    virtual void on_stream_data(StreamHandle stream, ByteView data, bool fin) = 0;
    /// The stream is gone in both directions: the peer gave it up, or a member at its other end is gone.
    virtual void on_stream_reset(StreamHandle stream, std::uint64_t code, std::string_view reason) = 0;
    /// The session that carried the stream has ended, and the stream with it.
    virtual void on_stream_ended(StreamHandle stream, const Departure& how) = 0;
    /// A write that was answered with queue_full may be tried again.
    virtual void on_stream_writable(StreamHandle stream) = 0;
    /// Everything written, and the end of it, has been received by the peer's session.
    virtual void on_stream_delivered(StreamHandle stream) = 0;
};

/// Reset codes of the session itself; applications use those below 2^32.
enum class ResetCode : std::uint64_t {
    unknown_peer = std::uint64_t{1} << 32,  ///< nobody with that id
    peer_gone,                              ///< the peer's session was lost
    too_many,                               ///< the receiver has as many streams open as it allows
    peer_closed,                            ///< the peer's session was closed
    restarted,                              ///< the process at the other end was started anew
    relay_restarted,  ///< the coordinator between both ends was; both are there, and may open another stream
};

/// Byte streams of one end, in both directions, over any number of links: coordinator and
/// member alike have them.
class StreamPort {
public:
    virtual ~StreamPort() = default;

    /// Opens a stream to a peer; it exists for the peer with the next flush. Errors: unknown_peer,
    /// not_connected, too_large (header), queue_full (too many open).
    virtual Result<StreamHandle> open_stream(const DeviceId& to, ByteView header) = 0;
    /// Queues octets by reference. Error queue_full: nothing was taken, on_stream_writable follows. A write
    /// that begins below the limit is taken whole, so keep pieces below 1 MiB. Errors: not_connected (no such
    /// stream, finished or reset), too_large.
    virtual Result<void> write(StreamHandle stream, Slice octets) = 0;
    /// Octets that write() would take now without queue_full; 0 for a stream that is gone.
    virtual std::size_t writable(StreamHandle stream) const = 0;
    /// Ends our direction after what is queued. Idempotent.
    virtual void finish(StreamHandle stream) = 0;
    /// Gives up both directions and drops what is queued. The peer sees code and reason;
    /// no event follows here.
    virtual void reset(StreamHandle stream, std::uint64_t code, std::string_view reason) = 0;
    /// Gives the peer credit for octets of on_stream_data that have been dealt with.
    virtual void consume(StreamHandle stream, std::size_t octets) = 0;
};

}  // namespace muster::session
