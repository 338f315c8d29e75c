#include "quic/endpoint_impl.h"

#include <stdexcept>

#include "base/check.h"

namespace muster::quic {
namespace {

using namespace std::chrono_literals;

// About 0.7 MB or half a millisecond of work: then the caller gets to read its sockets again.
constexpr std::size_t kPacketsPerFlush = 512;
// RFC 9000 section 10.2 asks for 3 PTO; this covers a round trip of 0.8 s.
constexpr Duration kGravePeace = 3s;
constexpr std::size_t kMaxTombstones = 4096;
constexpr std::size_t kSecretSize = 32;
// Some 10 ms of work: then the members get their turn.
constexpr int kGuestsPerFlush = 16;

Bytes random_secret(Randomness& random) {
    Bytes secret(kSecretSize);
    random.fill(secret);
    return secret;
}

// An accepting endpoint derives it from its key, so that after a restart its members learn at once that their
// connections are gone. Not so for others: two endpoints of one secret can be made to reset each other's
// connections (RFC 9000 section 21.11).
Bytes reset_secret(const Config& config, Randomness& random, bool accepts) {
    if (!accepts) return random_secret(random);
    Bytes purpose = to_bytes(as_bytes("muster quic stateless reset"));
    purpose.insert(purpose.end(), config.reset_scope.begin(), config.reset_scope.end());
    const Sha256Digest digest = hmac_sha256(config.key.pkcs8_der(), purpose);
    return to_bytes(std::as_bytes(std::span{digest}));
}

}  // namespace

std::unique_ptr<Endpoint> Endpoint::create(Config config, Randomness& random, Acceptor* acceptor) {
    return std::make_unique<EndpointImpl>(std::move(config), random, acceptor);
}

Shared::Shared(Config configuration, Randomness& randomness, bool accepts)
    : config(std::move(configuration)),
      random(randomness),
      tls(config.key, config.alpn),
      reset_secret(quic::reset_secret(config, random, accepts)),
      retry_secret(random_secret(random)),
      cids(random),
      peer_reset_tokens(random),
      arrivals(random) {}

void Shared::reset_token(const Cid& cid, std::uint8_t* token) const {
    const Sha256Digest digest = hmac_sha256(reset_secret, cid.view());
    std::copy_n(digest.begin(), NGTCP2_STATELESS_RESET_TOKENLEN, token);
}

void Shared::bury(std::vector<Cid> ids, bool keep, Bytes close_packet, TimePoint now) {
    if (!keep) {
        for (const Cid& cid : ids) cids.erase(cid);
        return;
    }
    if (tombstones.size() >= kMaxTombstones) exhume_first();
    auto tombstone = std::make_unique<Tombstone>();
    for (const Cid& cid : ids) cids.replace(cid, {nullptr, tombstone.get()});
    tombstone->cids = std::move(ids);
    tombstone->close_packet = std::move(close_packet);
    tombstone->until = now + kGravePeace;
    tombstones.push_back(std::move(tombstone));
}

void Shared::exhume_first() {
    for (const Cid& cid : tombstones.front()->cids) cids.erase(cid);
    tombstones.pop_front();
}

class EndpointImpl::Visit {
public:
    explicit Visit(EndpointImpl& endpoint) : endpoint_(endpoint) { ++endpoint_.depth_; }
    ~Visit() {
        if (--endpoint_.depth_ == 0) endpoint_.sweep();
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

private:
    EndpointImpl& endpoint_;
};

EndpointImpl::EndpointImpl(Config config, Randomness& random, Acceptor* acceptor)
    : shared_(std::move(config), random, acceptor != nullptr),
      acceptor_(acceptor),
      gatekeeper_(shared_, acceptor),
      waiting_(random),
      buffer_(kBatchOctets + kLargestPacket) {}

EndpointImpl::~EndpointImpl() { MUSTER_CHECK(depth_ == 0); }

ConnectionImpl& EndpointImpl::keep(std::unique_ptr<ConnectionImpl> connection) {
    connection->position = connections_.size();
    connections_.push_back(std::move(connection));
    shared_.connection_count = connections_.size();
    return *connections_.back();
}

void EndpointImpl::destroy(ConnectionImpl& connection) {
    const std::size_t at = connection.position;
    std::swap(connections_[at], connections_.back());
    connections_[at]->position = at;
    connections_.pop_back();
    shared_.connection_count = connections_.size();
}

void EndpointImpl::sweep() {
    for (ConnectionImpl* connection : std::exchange(abandoned_, {})) destroy(*connection);
}

Result<Connection*> EndpointImpl::connect(PathId path, Handler& handler, TimePoint now) {
    if (connections_.size() >= shared_.config.max_connections)
        return Error{Errc::full, "too many QUIC connections"};
    auto connection = std::make_unique<ConnectionImpl>(shared_, path, handler, now);
    if (!connection->is_usable()) return Error{Errc::system, "QUIC connection: out of memory"};
    return &keep(std::move(connection));
}

void EndpointImpl::forget(Connection& connection) {
    Visit visit{*this};
    auto& impl = static_cast<ConnectionImpl&>(connection);
    if (impl.is_abandoned()) return;
    impl.abandon();
    abandoned_.push_back(&impl);
}

void EndpointImpl::on_datagram(PathId path, ByteView packet, std::uint8_t ecn, TimePoint now) {
    constexpr std::uint8_t kLongHeader = 0x80;
    if (packet.empty()) return;
    Visit visit{*this};
    const auto first = std::to_integer<std::uint8_t>(packet[0]);
    // The fixed bit is not asked for: ngtcp2 always offers to have it greased (RFC 9287),
    // and then greases it.
    ngtcp2_version_cid header{};
    const auto* octets = reinterpret_cast<const std::uint8_t*>(packet.data());
    const int rv = ngtcp2_pkt_decode_version_cid(&header, octets, packet.size(), kCidSize);
    if (rv == NGTCP2_ERR_VERSION_NEGOTIATION)
        return gatekeeper_.on_unknown_version(path, packet, header, now);
    if (rv != 0 || header.dcidlen > NGTCP2_MAX_CIDLEN) return;
    const Cid cid{header.dcid, header.dcidlen};
    if (const auto owner = shared_.cids.find(cid)) {
        if (owner->live != nullptr) return owner->live->receive(path, packet, ecn, now);
        return gatekeeper_.on_late_packet(path, *owner->dead, now);
    }
    if ((first & kLongHeader) == 0) return on_unknown_short(path, packet, cid, now);
    if (!waiting_.recognize(cid, path)) on_newcomer(path, packet, cid, ecn, now);
}

bool EndpointImpl::knows(ByteView packet) const {
    if (packet.size() < 1 + kCidSize || (std::to_integer<unsigned>(packet[0]) & 0x80) != 0) return false;
    const auto* cid = reinterpret_cast<const std::uint8_t*>(packet.data()) + 1;
    return shared_.cids.find(Cid{cid, kCidSize}).has_value();
}

// Either a stateless reset, which carries nothing but its token in the end, or a packet that earns one.
void EndpointImpl::on_unknown_short(PathId path, ByteView packet, const Cid& cid, TimePoint now) {
    if (packet.size() >= NGTCP2_STATELESS_RESET_TOKENLEN) {
        const ByteView token = packet.last(NGTCP2_STATELESS_RESET_TOKENLEN);
        const auto owner = shared_.peer_reset_tokens.find(
            Cid{reinterpret_cast<const std::uint8_t*>(token.data()), token.size()});
        if (owner) return owner->live->receive(path, packet, 0, now);
    }
    gatekeeper_.on_unknown_short(path, packet, cid, now);
}

void EndpointImpl::on_newcomer(PathId path, ByteView packet, const Cid& dcid, std::uint8_t ecn,
                               TimePoint now) {
    const auto incoming = gatekeeper_.admit(path, packet, now);
    if (!incoming) return;
    if (!waiting_.has_line(incoming->source) && make_place(incoming->source, incoming->after_retry))
        return accept(path, *incoming, packet, ecn, now);
    if (!waiting_.add({path, to_bytes(packet), ecn, dcid, incoming->source}))
        gatekeeper_.turn_away(path, packet, now);
}

bool EndpointImpl::make_place(const Source& source, bool proven) {
    const Config& config = shared_.config;
    const Crowd own = shared_.arrivals.of(source);
    if (proven && own.proven >= config.max_half_open_per_source) return false;
    if (shared_.arrivals.half_open() < config.max_half_open) return true;
    Arrival* const victim = shared_.arrivals.oldest_of_a_crowd_above(own.half_open());
    if (victim != nullptr) static_cast<ConnectionImpl*>(victim)->crowd_out();
    return victim != nullptr;
}

bool EndpointImpl::let_guests_in(TimePoint now) {
    for (int count = 0; !waiting_.is_empty(); ++count) {
        if (count == kGuestsPerFlush) return true;
        const auto guest = waiting_.next([this](const Source& source) { return make_place(source, true); });
        if (!guest) return false;
        // Much may have changed since: the path, the age of its proof, the number of connections.
        const auto incoming = gatekeeper_.admit(guest->path, guest->packet, now);
        if (incoming) accept(guest->path, *incoming, guest->packet, guest->ecn, now);
    }
    return false;
}

TimePoint EndpointImpl::crowd_deadline() const {
    const Arrival* const oldest = shared_.arrivals.oldest();
    if (shared_.arrivals.half_open() <= shared_.config.max_half_open / 2) return kNever;
    return oldest->since + shared_.config.crowded_handshake_timeout;
}

void EndpointImpl::accept(PathId path, const Incoming& incoming, ByteView packet, std::uint8_t ecn,
                          TimePoint now) {
    auto fresh = std::make_unique<ConnectionImpl>(shared_, path, incoming, now);
    if (!fresh->is_usable()) return;
    fresh->receive(path, packet, ecn, now);
    if (fresh->is_closed()) return;  // the packet was not genuine
    ConnectionImpl& connection = keep(std::move(fresh));
    if (connection.is_closing()) return connection.refuse();  // TLS has refused it already
    Handler* handler = acceptor_->on_incoming(connection, path);
    if (connection.is_abandoned()) return;
    if (handler == nullptr) return connection.refuse();
    connection.set_handler(handler);
}

void EndpointImpl::on_timer(TimePoint now) {
    Visit visit{*this};
    while (ConnectionImpl* due = shared_.timers.pop(now)) due->expire(now);
    while (crowd_deadline() <= now) static_cast<ConnectionImpl*>(shared_.arrivals.oldest())->crowd_out();
    while (!shared_.tombstones.empty() && shared_.tombstones.front()->until <= now) shared_.exhume_first();
}

TimePoint EndpointImpl::next_wakeup() const {
    const TimePoint graves = shared_.tombstones.empty() ? kNever : shared_.tombstones.front()->until;
    return std::min({shared_.timers.next(), graves, crowd_deadline()});
}

void EndpointImpl::flush(TimePoint now, Wire& wire) {
    MUSTER_CHECK(depth_ == 0);
    Visit visit{*this};
    const bool more_guests = let_guests_in(now);
    gatekeeper_.flush(wire);
    std::size_t packets = 0;
    while (!shared_.dirty.empty() && packets < kPacketsPerFlush) {
        auto& connection = static_cast<ConnectionImpl&>(shared_.dirty.front());
        shared_.dirty.pop_front();
        const auto burst = connection.write(now, wire, buffer_);
        packets += burst.packets;
        if (burst.more) connection.mark_dirty();
        if (connection.is_refused() && connection.is_closed()) forget(connection);
    }
    has_more_ = !shared_.dirty.empty() || more_guests;
}

}  // namespace muster::quic
