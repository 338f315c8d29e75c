#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/random.h"
#include "quic/connection.h"

#include "muster/endpoint.h"

namespace muster::quic {

struct Config {
    explicit Config(DeviceKey device_key) : key(std::move(device_key)) {}

    DeviceKey key;
    std::string alpn = "muster/1";
    // What tells an accepting endpoint from others of the same key, and is the same after a restart.
    // Stateless resets are bound to it: one endpoint must not be made to say the words that end
    // another's connections.
    Bytes reset_scope;
    Duration initial_rtt = std::chrono::milliseconds{25};  // local links; ngtcp2's 333 ms makes a move slow
    Duration handshake_timeout = std::chrono::seconds{10};
    Duration idle_timeout = std::chrono::hours{1};  // liveness is the link layer's, not QUIC's
    std::uint64_t max_streams_bidi = 128, max_streams_uni = 128;
    std::uint64_t stream_window = 1 << 20, connection_window = 4 << 20;
    std::size_t low_water = 64 * 1024;
    std::size_t max_queued_datagrams = 256;
    bool paced = false;  // on for radio media
    std::size_t max_connections = 20'000;

    // For incoming connections until let_in(), where peers are judged after the handshake; none: all at once.
    std::optional<std::uint64_t> stranger_window, stranger_streams;
    std::size_t max_strangers_per_source = 20'000;

    // Incoming handshakes that are not complete take 46 kB each. Whoever finds no place waits; if all places
    // are taken, the oldest handshake of the source that has most gives up its own.
    std::size_t max_half_open = 1024;
    std::size_t max_half_open_per_source = 64;  // see Source; a LAN with IPv6 may be one
    // So many that a Retry proves the address of the next. Few of one source, for anybody may
    // send them in its name.
    std::size_t retry_above = 128;
    std::size_t retry_above_per_source = 16;
    // While more than half of all places are taken. Not while one source waits for its own places: a thousand
    // honest devices in one process, on a busy machine, take longer than this.
    Duration crowded_handshake_timeout = std::chrono::seconds{3};
};

/// A batch of UDP payloads for one path: `octets` is cut into pieces of `segment` octets, the
/// last may be shorter.
struct Transmit {
    PathId path{};
    ByteView octets;
    std::size_t segment = 0;
    std::uint8_t ecn = 0;
};

/// Where packets leave: the link layer.
class Wire {
public:
    virtual ~Wire() = default;
    virtual void send(const Transmit& batch) = 0;
};

/// Decides about incoming connections: the coordinator. Null handler refuses.
class Acceptor {
public:
    virtual ~Acceptor() = default;
    /// A new connection has sent its first packet. The handler must live until its on_closed has returned.
    virtual Handler* on_incoming(Connection& connection, PathId path) = 0;
    /// Where the peer on a path really is; none if the path has been forgotten. Numbers come and go with
    /// whoever sends us something, so what a stranger has to prove is bound to this.
    virtual std::optional<muster::Endpoint> address_of(PathId path) const = 0;
};

/// All QUIC connections of one node: tells packets apart by connection id, keeps the timers, writes batches.
/// An engine: bytes and time go in; batches, deadlines and events come out. One strand.
class Endpoint {
public:
    /// `acceptor` null: incoming connections are refused. `random` must outlive the endpoint.
    static std::unique_ptr<Endpoint> create(Config config, Randomness& random, Acceptor* acceptor);
    virtual ~Endpoint() = default;

    /// Starts a handshake on `path`. The endpoint owns the connection until forget().
    virtual Result<Connection*> connect(PathId path, Handler& handler, TimePoint now) = 0;
    /// Frees a connection after its on_closed, or silently before it (no CONNECTION_CLOSE is
    /// sent, no event follows).
    virtual void forget(Connection& connection) = 0;

    /// One received datagram (not a GRO batch). Never fails: what is not for us is dropped and counted.
    virtual void on_datagram(PathId path, ByteView packet, std::uint8_t ecn, TimePoint now) = 0;
    /// True if a packet with a short header is for a connection here, or for one that has ended lately.
    virtual bool knows(ByteView packet) const = 0;
    virtual void on_timer(TimePoint now) = 0;
    virtual TimePoint next_wakeup() const = 0;
    /// Writes whatever connections have to say. Call after every input and after every Connection method.
    virtual void flush(TimePoint now, Wire& wire) = 0;
    /// True while some connection stopped writing only because the batch limit was reached: flush again soon.
    virtual bool has_more() const = 0;

    virtual std::size_t connections() const = 0;
};

}  // namespace muster::quic
