#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/crypto.h"
#include "base/slice.h"

#include "muster/bytes.h"
#include "muster/error.h"
#include "muster/ids.h"
#include "muster/time.h"

namespace muster::quic {

/// One path as QUIC sees it: an opaque number that the link layer maps to (interface, local and remote address,
/// medium). Each side numbers its own paths; the numbers never travel. A path keeps its number for as long as it is
/// used, however often connections move to it.
enum class PathId : std::uint64_t {};

/// RFC 9000 section 2.1: bit 0 = opened by the server, bit 1 = unidirectional. On the wire, all are
/// bidirectional streams whose first octet tells the kind, so numbers are not reused across the kinds.
using StreamId = std::int64_t;

enum class Direction { bidirectional, unidirectional };

/// Codes of CloseInfo::Kind::peer_transport (RFC 9000 section 20.1) with which an endpoint turns a handshake
/// away that may well succeed a moment later.
inline constexpr std::uint64_t kConnectionRefused = 0x02, kInvalidToken = 0x0b;

struct Stats {
    Duration smoothed_rtt{}, min_rtt{}, latest_rtt{};
    std::uint64_t congestion_window = 0, bytes_in_flight = 0;
    std::uint64_t packets_sent = 0, packets_received = 0, bytes_sent = 0, bytes_received = 0;
    std::size_t max_datagram = 0;  ///< Largest payload of send_datagram() now; 0 before the handshake.
};

/// Why a connection ended.
struct CloseInfo {
    enum class Kind {
        local,             ///< close() was called here
        peer_application,  ///< the peer's application closed: `code` and `reason` are its own
        peer_transport,    ///< the peer's QUIC or TLS gave up: `code` is a QUIC error (RFC 9000 section 20)
        refused_identity,  ///< Handler::on_admit said no, or the key is not Ed25519
        handshake_failed,  ///< TLS alert, version, timeout; `reason` names it
        reset,             ///< stateless reset: the peer has forgotten this connection
        idle,              ///< nothing heard for the idle timeout
        internal,          ///< QUIC engine error; `reason` names it
    };
    Kind kind{};
    std::uint64_t code = 0;
    std::string reason;
};

/// What a connection tells its owner. Called from within Endpoint::on_datagram, on_timer and flush.
/// Every method of Connection may be called from inside; it takes effect at the next flush.
class Handler {
public:
    virtual ~Handler() = default;

    /// Decides on the peer's identity during the handshake, before anything else is believed.
    virtual bool on_admit(const DeviceId& peer) = 0;
    /// The peer has proved its key and was admitted. A client hears this one flight before the server has
    /// judged the client's key: a refusal comes as on_closed after it.
    virtual void on_established() = 0;
    /// Data in stream order. Credit is returned only by Connection::consume: whoever does not consume holds
    /// the peer back.
    virtual void on_stream_data(StreamId stream, ByteView data, bool fin) = 0;
    /// The peer gave up sending (RESET_STREAM).
    virtual void on_stream_reset(StreamId stream, std::uint64_t code) = 0;
    /// The peer no longer reads (STOP_SENDING); what is unsent has been dropped and our side reset.
    virtual void on_stop_sending(StreamId stream, std::uint64_t code) = 0;
    /// Both directions are done and everything is acknowledged; the id is forgotten.
    virtual void on_stream_closed(StreamId stream) = 0;
    /// The unsent octets of this stream have fallen below Config::low_water after having been above it.
    virtual void on_stream_writable(StreamId stream) = 0;
    /// The peer allows more streams of this direction than before.
    virtual void on_streams_available(Direction direction) = 0;
    virtual void on_datagram(ByteView payload) = 0;
    /// A packet has come that only the peer can have made and that is newer than all before it, whatever is
    /// in it: after the handshake, the proof that the peer lives. Comes after what the packet brings.
    virtual void on_heard() = 0;
    /// The server saw the peer move, or a migration asked for here was validated. Also with the old path, if
    /// a migration ordered from within an event could not be made after all.
    virtual void on_path_changed(PathId path) = 0;
    /// The last event; after close() the only one. The connection object stays valid until the Endpoint's
    /// owner forgets it.
    virtual void on_closed(const CloseInfo& info) = 0;
};

/// One QUIC connection (RFC 9000) over synthetic paths, both ends authenticated by Ed25519 raw public keys
/// (RFC 7250). An engine: no sockets, no clock. Made and owned by Endpoint. Not thread-safe: one strand.
class Connection {
public:
    virtual ~Connection() = default;

    /// Null before the peer's key is known.
    virtual const DeviceId* peer() const = 0;
    virtual bool is_established() const = 0;
    virtual bool is_closed() const = 0;
    virtual PathId path() const = 0;
    virtual Stats stats() const = 0;

    /// Opens a stream. Error queue_full when the peer's stream limit is reached (max_streams_bidi +
    /// max_streams_uni of its Config, for both kinds together): wait for on_streams_available.
    virtual Result<StreamId> open_stream(Direction direction) = 0;
    /// Queues octets; they are shared until acknowledged, or, up to the size of a packet, copied. Ignored on
    /// a dead stream.
    virtual void write(StreamId stream, Slice octets) = 0;
    /// Ends our sending side after what is queued.
    virtual void finish(StreamId stream) = 0;
    /// Gives up sending (RESET_STREAM) and drops what is queued.
    virtual void reset(StreamId stream, std::uint64_t code) = 0;
    /// Asks the peer to stop sending (STOP_SENDING).
    virtual void stop_sending(StreamId stream, std::uint64_t code) = 0;
    /// Octets queued by write() that have not been sent even once.
    virtual std::size_t unsent(StreamId stream) const = 0;
    /// Returns flow-control credit for octets of on_stream_data that have been dealt with.
    virtual void consume(StreamId stream, std::size_t octets) = 0;

    /// Server only, after on_established: the peer is no stranger any more. It may send what Config allows in
    /// full, and does not count for the limit of its source.
    virtual void let_in() = 0;

    /// Queues one datagram (RFC 9221). False if it is empty, too large for now, or too many are
    /// queued: it is dropped.
    virtual bool send_datagram(Slice payload) = 0;

    /// Sends CONNECTION_CLOSE with an application code and reason (cut to 200 octets) at the next flush,
    /// after at most one batch of what was written before; the rest is dropped. Idempotent.
    virtual void close(std::uint64_t code, std::string_view reason) = 0;

    /// Client only: moves to `path` at once, which a probe must just have shown to work. To the path it is on: begins
    /// there afresh, without what an outage has left of timers and congestion. False if QUIC cannot move now
    /// (handshake not confirmed, no spare connection id): open a fresh connection instead.
    virtual bool migrate(PathId path, TimePoint now) = 0;

    /// RFC 8446 section 7.5 exporter; equal on both ends. Only after on_established.
    virtual Bytes export_key(std::string_view label, ByteView context, std::size_t size) const = 0;
};

}  // namespace muster::quic
