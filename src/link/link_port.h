#pragma once

#include <cstdint>
#include <string_view>

#include "base/slice.h"

#include "muster/error.h"
#include "muster/ids.h"

namespace muster::link {

/// A stream of one link. As in RFC 9000 section 2.1: bit 0 = opened by the server (coordinator), bit 1 =
/// unidirectional.
using StreamId = std::int64_t;

enum class Direction { bidirectional, unidirectional };

/// What a session may ask of one live link: reliable streams with flow control, and datagrams.
/// Implemented over QUIC by link/, and in memory by tests. Calls may come from inside LinkHandler's events.
class LinkPort {
public:
    virtual ~LinkPort() = default;

    virtual const DeviceId& peer() const = 0;
    /// Error queue_full: the peer allows no more streams now; on_streams_available follows.
    virtual Result<StreamId> open_stream(Direction direction) = 0;
    /// Queues octets by reference; never copies. Ignored on a dead stream.
    virtual void write(StreamId stream, Slice octets) = 0;
    virtual void finish(StreamId stream) = 0;
    virtual void reset(StreamId stream, std::uint64_t code) = 0;
    virtual void stop_sending(StreamId stream, std::uint64_t code) = 0;
    /// Octets written that have not left this device yet: the measure for "do not hand down more for now".
    virtual std::size_t unsent(StreamId stream) const = 0;
    /// Returns credit for received octets; a session that does not consume holds the peer back.
    virtual void consume(StreamId stream, std::size_t octets) = 0;
    /// The coordinator has judged the peer: until then it may send little, and counts as a stranger.
    virtual void let_in() = 0;
    /// False: too large for the path now, or the queue is full; the datagram is dropped.
    virtual bool send_datagram(Slice payload) = 0;
    virtual std::size_t max_datagram() const = 0;
    /// Ends the link with a goodbye that the peer will see as closed{code, reason}.
    virtual void close(std::uint64_t code, std::string_view reason) = 0;
    /// Keying material bound to this link, equal on both ends (RFC 8446 section 7.5).
    virtual Bytes export_key(std::string_view label, std::size_t size) const = 0;
};

/// Stream and datagram events of one live link, from link/ to the session that stands on it.
class LinkHandler {
public:
    virtual ~LinkHandler() = default;

    virtual void on_stream_data(StreamId stream, ByteView data, bool fin) = 0;
    virtual void on_stream_reset(StreamId stream, std::uint64_t code) = 0;
    virtual void on_stop_sending(StreamId stream, std::uint64_t code) = 0;
    virtual void on_stream_closed(StreamId stream) = 0;
    /// unsent(stream) has fallen below 64 KiB after having been above.
    virtual void on_stream_writable(StreamId stream) = 0;
    virtual void on_streams_available(Direction direction) = 0;
    virtual void on_datagram(ByteView payload) = 0;
};

/// Hears nothing: for links that carry no session, and for handlers that care about few events.
class DeafLinkHandler : public LinkHandler {
public:
    void on_stream_data(StreamId, ByteView, bool) override {}
    void on_stream_reset(StreamId, std::uint64_t) override {}
    void on_stop_sending(StreamId, std::uint64_t) override {}
    void on_stream_closed(StreamId) override {}
    void on_stream_writable(StreamId) override {}
    void on_streams_available(Direction) override {}
    void on_datagram(ByteView) override {}
};

}  // namespace muster::link
