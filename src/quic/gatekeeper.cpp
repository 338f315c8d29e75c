#include "quic/gatekeeper.h"

#include <algorithm>
#include <array>

namespace muster::quic {
namespace {

using namespace std::chrono_literals;

// Between two flushes.
constexpr std::size_t kMaxAnswers = 256;

constexpr std::size_t kSmallestInitialDatagram = 1200;  // RFC 9000 section 14.1
// RFC 9000 section 10.3.3: smaller than what it answers, or two endpoints without state answer forever.
constexpr std::size_t kResetSize = 41;
constexpr std::size_t kSmallestReset = 21;
constexpr Duration kRetryLifetime = 10s;  // as long as a handshake may take

std::span<std::uint8_t> writable(Bytes& bytes) {
    return {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()};
}

const std::uint8_t* octets(ByteView view) { return reinterpret_cast<const std::uint8_t*>(view.data()); }

bool has_retry_token(const ngtcp2_pkt_hd& header) {
    return engine::token_size(header) > 0 && *engine::token_of(header) == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY;
}

/// What a Retry token is bound to: whatever tells one sender from another, in the form that ngtcp2 takes.
sockaddr_in6 token_address(const muster::Endpoint& remote) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = remote.port;
    address.sin6_flowinfo = remote.address.is_v4() ? 1 : 0;
    address.sin6_scope_id = static_cast<std::uint32_t>(remote.interface);
    std::ranges::copy(remote.address.v6(), address.sin6_addr.s6_addr);
    return address;
}

Bytes shortened(Bytes packet, ngtcp2_ssize size) {
    packet.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return packet;
}

}  // namespace

bool Gatekeeper::may_answer(RateLimit& limit, TimePoint now) {
    return answers_.size() < kMaxAnswers && limit.take(now);
}

std::optional<Incoming> Gatekeeper::admit(PathId path, ByteView packet, TimePoint now) {
    ngtcp2_pkt_hd header;
    if (packet.size() < kSmallestInitialDatagram) return std::nullopt;
    if (ngtcp2_accept(&header, octets(packet), packet.size()) != 0) return std::nullopt;
    if (acceptor_ == nullptr) {
        refuse(path, header, kConnectionRefused, "this device accepts no connections", now);
        return std::nullopt;
    }
    const auto remote = acceptor_->address_of(path);
    if (!remote) return std::nullopt;
    const sockaddr_in6 address = token_address(*remote);
    const auto proven = verify_retry(address, header, now);
    if (!proven && has_retry_token(header)) {  // a client that has taken one Retry ignores another
        refuse(path, header, kInvalidToken, "the token is too old or not ours", now);
        return std::nullopt;
    }
    const Source source = source_of(*remote);
    if (!proven && wants_proof(source)) {
        send_retry(path, address, header, now);
        return std::nullopt;
    }
    if (shared_.connection_count >= shared_.config.max_connections) {
        refuse(path, header, kConnectionRefused, "too many connections", now);
        return std::nullopt;
    }
    if (shared_.arrivals.of(source).strangers >= shared_.config.max_strangers_per_source) {
        refuse(path, header, kConnectionRefused, "too many devices of one address ask", now);
        return std::nullopt;
    }
    Incoming incoming;
    incoming.client_scid = Cid{header.scid};
    incoming.dcid = Cid{header.dcid};
    incoming.original_dcid = proven ? *proven : incoming.dcid;
    incoming.after_retry = proven.has_value();
    incoming.version = header.version;
    incoming.source = source;
    if (proven) incoming.token = {engine::token_of(header), engine::token_size(header)};
    return incoming;
}

bool Gatekeeper::wants_proof(const Source& source) const {
    const Config& config = shared_.config;
    return shared_.arrivals.half_open() >= config.retry_above ||
           shared_.arrivals.of(source).unproven >= config.retry_above_per_source;
}

void Gatekeeper::turn_away(PathId path, ByteView packet, TimePoint now) {
    ngtcp2_pkt_hd header;
    if (ngtcp2_accept(&header, octets(packet), packet.size()) == 0)
        refuse(path, header, kConnectionRefused, "too many devices wait", now);
}

void Gatekeeper::refuse(PathId path, const ngtcp2_pkt_hd& header, std::uint64_t code, std::string_view reason,
                        TimePoint now) {
    if (!may_answer(answers_left_, now)) return;
    Bytes packet(256 + reason.size());
    const auto out = writable(packet);
    const ngtcp2_ssize size =
        ngtcp2_crypto_write_connection_close(out.data(), out.size(), header.version, &header.scid,
                                             &header.dcid, code, engine::octets(reason), reason.size());
    if (size > 0) answer(path, shortened(std::move(packet), size));
}

// Not rationed by time: it is a tenth of what it answers, and to ration it would lock honest clients out for
// as long as somebody floods us.
void Gatekeeper::send_retry(PathId path, const sockaddr_in6& address, const ngtcp2_pkt_hd& header,
                            TimePoint now) {
    if (answers_.size() >= kMaxAnswers) return;
    const auto* remote = reinterpret_cast<const ngtcp2_sockaddr*>(&address);
    const ngtcp2_cid scid = Cid::random(shared_.random, kCidSize).to_ngtcp2();
    std::array<std::uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN> token;
    const ngtcp2_ssize token_size = ngtcp2_crypto_generate_retry_token(
        token.data(), octets(shared_.retry_secret), shared_.retry_secret.size(), header.version, remote,
        sizeof address, &scid, &header.dcid, to_ngtcp2(now));
    if (token_size < 0) return;
    Bytes packet(512);
    const auto out = writable(packet);
    const ngtcp2_ssize size =
        ngtcp2_crypto_write_retry(out.data(), out.size(), header.version, &header.scid, &scid, &header.dcid,
                                  token.data(), static_cast<std::size_t>(token_size));
    if (size > 0) answer(path, shortened(std::move(packet), size));
}

std::optional<Cid> Gatekeeper::verify_retry(const sockaddr_in6& address, const ngtcp2_pkt_hd& header,
                                            TimePoint now) const {
    if (!has_retry_token(header)) return std::nullopt;
    ngtcp2_cid original;
    const int rv = ngtcp2_crypto_verify_retry_token(
        &original, engine::token_of(header), engine::token_size(header), octets(shared_.retry_secret),
        shared_.retry_secret.size(), header.version, reinterpret_cast<const ngtcp2_sockaddr*>(&address),
        sizeof address, &header.dcid, duration_of(kRetryLifetime), to_ngtcp2(now));
    if (rv != 0) return std::nullopt;
    return Cid{original};
}

void Gatekeeper::on_unknown_version(PathId path, ByteView packet, const ngtcp2_version_cid& header,
                                    TimePoint now) {
    if (acceptor_ == nullptr || packet.size() < kSmallestInitialDatagram || !may_answer(answers_left_, now))
        return;
    constexpr std::array<std::uint32_t, 1> kVersions{NGTCP2_PROTO_VER_V1};
    Bytes answer_packet(128);
    const auto out = writable(answer_packet);
    const ngtcp2_ssize size = ngtcp2_pkt_write_version_negotiation(
        out.data(), out.size(), static_cast<std::uint8_t>(shared_.random.next()), header.scid, header.scidlen,
        header.dcid, header.dcidlen, kVersions.data(), kVersions.size());
    if (size > 0) answer(path, shortened(std::move(answer_packet), size));
}

void Gatekeeper::on_unknown_short(PathId path, ByteView packet, const Cid& cid, TimePoint now) {
    if (packet.size() <= kSmallestReset || !may_answer(resets_left_, now)) return;
    const std::size_t size = std::min(kResetSize, packet.size() - 1);
    std::array<std::uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> token;
    shared_.reset_token(cid, token.data());
    std::array<std::uint8_t, kResetSize> noise;
    shared_.random.fill(std::as_writable_bytes(std::span{noise}));
    Bytes reset(size);
    const auto out = writable(reset);
    const ngtcp2_ssize written = ngtcp2_pkt_write_stateless_reset(out.data(), out.size(), token.data(),
                                                                  noise.data(), size - token.size());
    if (written > 0) answer(path, shortened(std::move(reset), written));
}

// Answers the 1st, 2nd, 4th, 8th ... late packet, so that two sides that have both closed fall silent.
void Gatekeeper::on_late_packet(PathId path, Tombstone& tombstone, TimePoint now) {
    ++tombstone.heard;
    const bool power_of_two = (tombstone.heard & (tombstone.heard - 1)) == 0;
    if (tombstone.close_packet.empty() || !power_of_two || !may_answer(answers_left_, now)) return;
    answer(path, tombstone.close_packet);
}

void Gatekeeper::flush(Wire& wire) {
    for (const Answer& entry : answers_) wire.send({entry.path, entry.packet, entry.packet.size(), 0});
    answers_.clear();
}

}  // namespace muster::quic
