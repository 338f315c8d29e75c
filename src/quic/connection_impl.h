#pragma once

#include <unordered_map>

#include "quic/newest_packet.h"
#include "quic/shared.h"
#include "quic/stream.h"
#include "quic/synthetic_path.h"

namespace muster::quic {

/// Fewer octets than one UDP GSO send takes (65,535 less headers). One batch holds this and one packet more.
inline constexpr std::size_t kBatchOctets = 62'000;
inline constexpr std::size_t kLargestPacket = 1500;
inline constexpr std::uint64_t kLargestCode = (std::uint64_t{1} << 62) - 1;  // RFC 9000 section 16

class Batch;

/// The first packet of a client that asks for a connection.
struct Incoming {
    Cid client_scid;
    Cid dcid;           // what the client addressed: its own random choice, or our choice in a Retry
    Cid original_dcid;  // its own random choice
    bool after_retry = false;
    std::uint32_t version = 0;
    Source source;
    std::span<const std::uint8_t> token;
};

/// A connection on ngtcp2. Its parts: connection_impl.cpp has the life cycle and the public face,
/// connection_events.cpp what ngtcp2 reports, connection_writer.cpp how packets are filled.
class ConnectionImpl final : public Connection, public TlsOwner, public DirtyHook, public Arrival {
public:
    struct Burst {
        std::size_t packets = 0;
        bool more = false;  // stopped at the limit, not for want of data, window or pace
    };

    ConnectionImpl(Shared& shared, PathId path, Handler& handler, TimePoint now);
    ConnectionImpl(Shared& shared, PathId path, const Incoming& incoming, TimePoint now);
    ~ConnectionImpl() override;

    ConnectionImpl(const ConnectionImpl&) = delete;
    ConnectionImpl& operator=(const ConnectionImpl&) = delete;

    // The endpoint's side.
    bool is_usable() const { return conn_ != nullptr; }
    void set_handler(Handler* handler) { handler_ = handler; }
    /// Ends an incoming connection that nobody wants; the endpoint frees it when it is_closed().
    void refuse();
    /// Ends an incoming handshake for the sake of others; its client is told that it may come again.
    void crowd_out();
    bool is_closing() const { return pending_close_.has_value(); }
    bool is_refused() const { return refused_; }
    void receive(PathId path, ByteView packet, std::uint8_t ecn, TimePoint now);
    void expire(TimePoint now);
    /// Writes one batch. `buffer` holds kBatchOctets + kLargestPacket.
    Burst write(TimePoint now, Wire& wire, std::span<std::uint8_t> buffer);
    /// No event follows; the endpoint frees the object once no call of it is on the stack.
    void abandon();
    bool is_abandoned() const { return abandoned_; }
    void mark_dirty();

    TimerSlot timer;
    std::size_t position = 0;  // in the endpoint's list

    // Connection.
    const DeviceId* peer() const override { return peer_ ? &*peer_ : nullptr; }
    bool is_established() const override { return phase_ == Phase::established; }
    bool is_closed() const override { return phase_ == Phase::closed; }
    PathId path() const override { return path_; }
    Stats stats() const override;
    Result<StreamId> open_stream(Direction direction) override;
    void write(StreamId id, Slice octets) override;
    void finish(StreamId id) override;
    void reset(StreamId id, std::uint64_t code) override;
    void stop_sending(StreamId id, std::uint64_t code) override;
    std::size_t unsent(StreamId id) const override;
    void consume(StreamId id, std::size_t octets) override;
    void let_in() override;
    bool send_datagram(Slice payload) override;
    void close(std::uint64_t code, std::string_view reason) override;
    bool migrate(PathId path, TimePoint now) override;
    Bytes export_key(std::string_view label, ByteView context, std::size_t size) const override;

    // TlsOwner.
    ngtcp2_conn* engine() override { return conn_.get(); }
    bool admit(const DeviceId& peer) override;
    void on_unusable_key() override;

private:
    friend struct Events;  // ngtcp2's callbacks, in connection_events.cpp
    friend class PacketWriter;

    enum class Phase { handshaking, established, closed };
    enum class Role { client, server };
    struct PendingClose {
        CloseInfo info;
        bool application = false;
        std::uint64_t wire_code = 0;
    };
    struct Free {
        void operator()(ngtcp2_conn* conn) const { ngtcp2_conn_del(conn); }
    };

    // Life cycle.
    void start(const Cid& dcid, const Cid& scid, ngtcp2_settings settings, ngtcp2_transport_params params,
               std::uint32_t version);
    ngtcp2_settings make_settings(TimePoint now) const;
    ngtcp2_transport_params make_params() const;
    SyntheticPath::Side side() const {
        return is_server() ? SyntheticPath::Side::server : SyntheticPath::Side::client;
    }
    SyntheticPath::Tag tag_of(PathId path, ByteView packet) const;
    bool adopt_cid(const Cid& cid);
    void drop_cid(const Cid& cid);
    void note_reset_token(const Cid& token, bool in_use);
    void drop_reset_tokens();
    void rearm();
    bool can_send(StreamId id) const { return (id & 2) == 0 || ((id & 1) != 0) == is_server(); }
    bool can_receive(StreamId id) const { return (id & 2) == 0 || ((id & 1) != 0) != is_server(); }
    /// Draws the conclusions of a finished ngtcp2 call.
    void settle(int rv, TimePoint now);
    void fail(int rv, TimePoint now);
    void fail_violation();
    void on_drained(TimePoint now);
    CloseInfo describe_received_close() const;
    void plan_close(PendingClose close);
    void write_close(TimePoint now, Wire& wire, std::span<std::uint8_t> buffer);
    enum class Burial { answer, swallow, forget };
    void finish_off(const CloseInfo& info, Burial burial, Bytes close_packet, TimePoint now);
    bool hears() const { return handler_ != nullptr && !abandoned_ && !pending_close_; }

    // Events that wait until ngtcp2 has returned.
    void report_path();
    void report_heard();
    void report_low_water();
    void report_stops();
    bool move_to(PathId path, TimePoint now);

    // Streams.
    Stream* find(StreamId id);
    const Stream* find(StreamId id) const;
    Stream& add_stream(StreamId id);
    void make_ready(Stream& stream);
    void announce(Stream& stream);
    void on_octets(Stream& stream, ByteView octets, bool fin);
    bool learn_kind(Stream& stream, ByteView& octets);
    void end_sending(Stream& stream);
    void stop(Stream& stream);
    void forget_stream(Stream& stream);
    void return_credit(StreamId bearer, std::size_t octets);
    int carry_out_orders();
    int fill(Batch& batch, TimePoint now, bool& full);
    Burst write_batch(TimePoint now, Wire& wire, std::span<std::uint8_t> buffer);
    std::size_t max_datagram() const;
    bool is_server() const { return role_ == Role::server; }

    Shared& shared_;
    Handler* handler_ = nullptr;
    const Role role_;
    Phase phase_ = Phase::handshaking;
    bool abandoned_ = false;
    bool refused_ = false;
    class EngineCall;
    /// ngtcp2's decrypt callback does not say for whom it decrypts; null if no call is going on.
    static thread_local ConnectionImpl* current_;
    bool in_engine_ = false;  // ngtcp2 is on the stack: it must not be entered again
    bool confirmed_ = false;  // RFC 9001 section 4.1.2; a client may move from then on
    bool reset_seen_ = false;
    bool path_validated_ = false;  // client: to be reported
    bool heard_ = false;           // the packet being read is the newest of the peer: to be reported
    NewestPacket newest_;
    bool datagrams_first_ = true;  // datagrams and streams take turns in opening a packet
    PathId path_{};
    Cid first_scid_;  // server: by which the client addresses us until it moves
    std::optional<PathId> pending_move_;
    struct Visit {
        PathId path{};
        std::uint32_t move = 0;  // its number
    };
    std::vector<Visit> visits_;  // client: the last move to each path, the latest move last
    std::uint32_t moves_ = 0;
    std::optional<DeviceId> peer_;
    std::optional<PendingClose> pending_close_;
    std::optional<CloseInfo> identity_refusal_;

    TimePoint expired_at_{};                        // when the timer went off last
    std::unordered_map<StreamId, Stream> streams_;  // by bearer
    StreamList ready_;                              // have work, and nothing known stands against it
    StreamList starved_;                            // wait for the connection's flow-control window
    std::vector<StreamId> orders_;                  // reset or stop_sending ordered
    bool orders_due_ = false;                       // some of them can be carried out now
    std::vector<StreamId> drained_;                 // fell below the low-water mark in this burst
    std::size_t orphaned_ = 0;                      // unconsumed octets of streams that are closed
    std::vector<Slice> datagrams_;  // from datagrams_head_ on; no deque, for it takes 600 octets when empty
    std::size_t datagrams_head_ = 0;

    std::vector<Cid> reset_tokens_;  // by which the peer may tell that it has forgotten us
    std::vector<Cid> cids_;          // under which packets find this connection
    Stats counters_;
    std::unique_ptr<TlsSession> tls_;
    std::unique_ptr<ngtcp2_conn, Free> conn_;  // last: its end still uses the rest
};

}  // namespace muster::quic
