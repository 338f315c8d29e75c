#pragma once

#include <optional>
#include <vector>

#include "base/rate_limit.h"
#include "quic/connection_impl.h"

namespace muster::quic {

/// Answers packets that belong to no connection, and decides which of them may found one, at little cost and
/// at a limited rate: whoever sends them has not proved where he is.
class Gatekeeper {
public:
    /// `acceptor` null: every connection is refused.
    Gatekeeper(Shared& shared, const Acceptor* acceptor) : shared_(shared), acceptor_(acceptor) {}

    /// A packet with a long header for no known connection: what to found a connection with, if it may.
    std::optional<Incoming> admit(PathId path, ByteView packet, TimePoint now);
    /// Tells a client that was admitted that there is no room even to wait in.
    void turn_away(PathId path, ByteView packet, TimePoint now);
    void on_unknown_version(PathId path, ByteView packet, const ngtcp2_version_cid& header, TimePoint now);
    /// A packet with a short header for no known connection: RFC 9000 section 10.3.
    void on_unknown_short(PathId path, ByteView packet, const Cid& cid, TimePoint now);
    /// A packet for a connection that has ended.
    void on_late_packet(PathId path, Tombstone& tombstone, TimePoint now);

    void flush(Wire& wire);

private:
    struct Answer {
        PathId path;
        Bytes packet;
    };

    bool may_answer(RateLimit& limit, TimePoint now);
    bool wants_proof(const Source& source) const;
    void answer(PathId path, Bytes packet) { answers_.push_back({path, std::move(packet)}); }
    void refuse(PathId path, const ngtcp2_pkt_hd& header, std::uint64_t code, std::string_view reason,
                TimePoint now);
    void send_retry(PathId path, const sockaddr_in6& address, const ngtcp2_pkt_hd& header, TimePoint now);
    /// The client's first choice of id if the token is a fresh one of ours for this address.
    std::optional<Cid> verify_retry(const sockaddr_in6& address, const ngtcp2_pkt_hd& header,
                                    TimePoint now) const;

    Shared& shared_;
    const Acceptor* const acceptor_;
    std::vector<Answer> answers_;
    // 200/s make a poor amplifier of packets up to 1200 octets. A burst of as many as fit between two flushes.
    RateLimit answers_left_{64, 200};
    // A reset is smaller than what it answers, and the members of a coordinator that was started anew, a thousand perhaps,
    // wait for it: whoever gets none finds out by silence.
    RateLimit resets_left_{1024, 1024};
};

}  // namespace muster::quic
