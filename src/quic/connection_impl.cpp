#include "quic/connection_impl.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "quic/engine_call.h"
#include "quic/events.h"

namespace muster::quic {
namespace {

// RFC 9000 section 18.2: how many connection ids the peer may keep ready for us; 8 is the most that ngtcp2
// 0.12 can store. With the default of 2, one unanswered move would use up all.
constexpr std::uint64_t kActiveCids = 8;
// Ethernet's 1500 octets less IPv6 and UDP headers. Packets start at 1200 and grow by path MTU discovery.
constexpr std::size_t kLargestPayload = 1452;
constexpr std::size_t kOriginalDcidSize = 16;
constexpr std::size_t kLongestReason = 200;
// Flags, packet number, tag, and the DATAGRAM frame's type and two octets of length.
constexpr std::size_t kDatagramOverhead = 1 + 4 + 16 + 3;
constexpr std::uint8_t kBadCertificate = 42, kAccessDenied = 49;  // TLS alerts, RFC 8446 section 6

std::string name_of(int rv) { return ngtcp2_strerror(rv); }

Duration to_duration(ngtcp2_duration duration) {
    constexpr auto kLargest = static_cast<ngtcp2_duration>(std::chrono::nanoseconds::max().count());
    return std::chrono::nanoseconds{static_cast<std::int64_t>(std::min(duration, kLargest))};
}

// A path that was left that many moves ago brings nothing any more.
constexpr std::size_t kRememberedVisits = 16;

SyntheticPath::Tag tag_of_move(std::uint32_t move) {
    SyntheticPath::Tag tag{};
    for (std::size_t i = 0; i < sizeof move; ++i) tag[i] = static_cast<std::uint8_t>(move >> (8 * i));
    return tag;
}

}  // namespace

thread_local ConnectionImpl* ConnectionImpl::current_ = nullptr;

ConnectionImpl::ConnectionImpl(Shared& shared, PathId path, Handler& handler, TimePoint now)
    : shared_(shared), handler_(&handler), role_(Role::client), path_(path) {
    const Cid dcid = Cid::random(shared.random, kOriginalDcidSize);
    const Cid scid = Cid::random(shared.random, kCidSize);
    start(dcid, scid, make_settings(now), make_params(), NGTCP2_PROTO_VER_V1);
    if (conn_) adopt_cid(scid);
}

ConnectionImpl::ConnectionImpl(Shared& shared, PathId path, const Incoming& incoming, TimePoint now)
    : shared_(shared), role_(Role::server), path_(path) {
    const Cid scid = first_scid_ = Cid::random(shared.random, kCidSize);
    ngtcp2_settings settings = make_settings(now);
    ngtcp2_transport_params params = make_params();
    engine::set_original_dcid(params, incoming.original_dcid.to_ngtcp2());
    if (incoming.after_retry) {
        engine::set_token(settings, incoming.token.data(), incoming.token.size());
        params.retry_scid = incoming.dcid.to_ngtcp2();
        params.retry_scid_present = 1;
    }
    params.stateless_reset_token_present = 1;
    shared.reset_token(scid, params.stateless_reset_token);
    start(incoming.client_scid, scid, settings, params, incoming.version);
    if (!conn_) return;
    adopt_cid(scid);
    adopt_cid(incoming.dcid);
    shared.arrivals.enter(*this, incoming.source, incoming.after_retry, now);
}

ConnectionImpl::~ConnectionImpl() {
    shared_.arrivals.leave(*this);
    drop_reset_tokens();
    shared_.timers.remove(*this);
    for (const Cid& cid : cids_) shared_.cids.erase(cid);
}

ngtcp2_settings ConnectionImpl::make_settings(TimePoint now) const {
    ngtcp2_settings settings;
    ngtcp2_settings_default(&settings);
    settings.cc_algo = NGTCP2_CC_ALGO_CUBIC;
    settings.initial_ts = to_ngtcp2(now);
    settings.initial_rtt = duration_of(shared_.config.initial_rtt);
    settings.handshake_timeout = duration_of(shared_.config.handshake_timeout);
    settings.max_tx_udp_payload_size = kLargestPayload;
    settings.rand_ctx.native_handle = &shared_.random;
    // no_pmtud stays off: with it, ngtcp2 0.12 aborts when a peer moves away and back (an authenticated peer
    // could end the process). No qlog: its writer has overflowed its buffer more than once.
    return settings;
}

ngtcp2_transport_params ConnectionImpl::make_params() const {
    const Config& config = shared_.config;
    ngtcp2_transport_params params;
    ngtcp2_transport_params_default(&params);
    params.initial_max_stream_data_bidi_local = config.stream_window;
    params.initial_max_stream_data_bidi_remote = config.stream_window;
    params.initial_max_stream_data_uni = config.stream_window;
    const std::uint64_t streams = config.max_streams_bidi + config.max_streams_uni;
    params.initial_max_data =
        is_server() ? config.stranger_window.value_or(config.connection_window) : config.connection_window;
    params.initial_max_streams_bidi = is_server() ? config.stranger_streams.value_or(streams) : streams;
    params.initial_max_streams_uni = 0;  // see stream.h
    params.max_idle_timeout = duration_of(config.idle_timeout);
    params.active_connection_id_limit = kActiveCids;
    params.max_datagram_frame_size = 65535;  // RFC 9221 section 3: "any that fits into a packet"
    return params;
}

void ConnectionImpl::start(const Cid& dcid, const Cid& scid, ngtcp2_settings settings,
                           ngtcp2_transport_params params, std::uint32_t version) {
    SyntheticPath addresses{side(), path_};
    const ngtcp2_path view = addresses.view();
    const ngtcp2_cid to = dcid.to_ngtcp2(), from = scid.to_ngtcp2();
    ngtcp2_conn* conn = nullptr;
    const auto* callbacks = Events::table();
    const int rv = is_server() ? ngtcp2_conn_server_new(&conn, &to, &from, &view, version, callbacks,
                                                        &settings, &params, shared_.memory.interface(), this)
                               : ngtcp2_conn_client_new(&conn, &to, &from, &view, version, callbacks,
                                                        &settings, &params, shared_.memory.interface(), this);
    if (rv != 0) return;
    conn_.reset(conn);
    tls_ = std::make_unique<TlsSession>(is_server() ? TlsSession::Role::server : TlsSession::Role::client,
                                        shared_.tls, *this);
    ngtcp2_conn_set_tls_native_handle(conn, tls_->handle());
    mark_dirty();
}

bool ConnectionImpl::adopt_cid(const Cid& cid) {
    if (!shared_.cids.insert(cid, {this, nullptr})) return false;
    cids_.push_back(cid);
    return true;
}

void ConnectionImpl::drop_cid(const Cid& cid) {
    const auto it = std::find(cids_.begin(), cids_.end(), cid);
    if (it == cids_.end()) return;
    *it = cids_.back();
    cids_.pop_back();
    shared_.cids.erase(cid);
}

void ConnectionImpl::note_reset_token(const Cid& token, bool in_use) {
    if (in_use) {
        if (shared_.peer_reset_tokens.insert(token, {this, nullptr})) reset_tokens_.push_back(token);
        return;
    }
    if (std::erase(reset_tokens_, token) > 0) shared_.peer_reset_tokens.erase(token);
}

void ConnectionImpl::drop_reset_tokens() {
    for (const Cid& token : std::exchange(reset_tokens_, {})) shared_.peer_reset_tokens.erase(token);
}

void ConnectionImpl::mark_dirty() {
    if (conn_ && !abandoned_ && !DirtyHook::is_linked()) shared_.dirty.push_back(*this);
}

void ConnectionImpl::rearm() {
    if (!conn_) return;
    TimePoint when = from_ngtcp2(ngtcp2_conn_get_expiry(conn_.get()));
    // ngtcp2 0.12 asks to be called at the instant at which it then finds one thing a nanosecond too early.
    if (when <= expired_at_) when = expired_at_ + std::chrono::milliseconds{1};
    shared_.timers.set(*this, when);
}

void ConnectionImpl::crowd_out() {
    shared_.arrivals.leave(*this);
    plan_close({{CloseInfo::Kind::handshake_failed, kConnectionRefused, "too many handshakes at a time"},
                false,
                kConnectionRefused});
}

void ConnectionImpl::refuse() {
    refused_ = true;
    plan_close({{CloseInfo::Kind::local, kConnectionRefused, "refused"}, false, kConnectionRefused});
}

void ConnectionImpl::abandon() {
    abandoned_ = true;
    handler_ = nullptr;
    DirtyHook::unlink();
    shared_.timers.remove(*this);
}

SyntheticPath::Tag ConnectionImpl::tag_of(PathId path, ByteView packet) const {
    SyntheticPath::Tag tag{};
    if (!is_server()) {
        const auto visit = std::ranges::find(visits_, path, &Visit::path);
        return visit == visits_.end() ? tag : tag_of_move(visit->move);
    }
    const bool is_short = (std::to_integer<std::uint8_t>(packet[0]) & 0x80) == 0;
    if (!is_short || packet.size() <= kCidSize) return tag;
    const auto* cid = reinterpret_cast<const std::uint8_t*>(packet.data() + 1);
    if (std::equal(cid, cid + kCidSize, first_scid_.octets.begin())) return tag;  // as in the handshake
    std::copy_n(cid, tag.size(), tag.begin());
    return tag;
}

void ConnectionImpl::receive(PathId path, ByteView packet, std::uint8_t ecn, TimePoint now) {
    if (!conn_ || abandoned_ || pending_close_) return;
    ++counters_.packets_received;
    counters_.bytes_received += packet.size();
    SyntheticPath addresses{side(), path, tag_of(path, packet)};
    const ngtcp2_path view = addresses.view();
    const ngtcp2_pkt_info info{.ecn = ecn};
    const auto* octets = reinterpret_cast<const std::uint8_t*>(packet.data());
    shared_.guard.begin();
    heard_ = false;
    const int rv = [&] {
        EngineCall call{*this};
        return ngtcp2_conn_read_pkt(conn_.get(), &view, &info, octets, packet.size(), to_ngtcp2(now));
    }();
    if (abandoned_) return;
    if (shared_.guard.has_violation()) return fail_violation();
    if (rv == 0) report_stops();
    if (rv == 0) report_heard();
    settle(rv, now);
}

void ConnectionImpl::expire(TimePoint now) {
    if (!conn_ || abandoned_ || pending_close_) return;
    expired_at_ = now;
    const int rv = [&] {
        EngineCall call{*this};
        return ngtcp2_conn_handle_expiry(conn_.get(), to_ngtcp2(now));
    }();
    settle(rv, now);
}

void ConnectionImpl::settle(int rv, TimePoint now) {
    if (abandoned_) return;
    if (rv != 0) return fail(rv, now);
    mark_dirty();
    if (confirmed_ && !tls_->is_retired()) {
        ngtcp2_conn_set_tls_native_handle(conn_.get(), nullptr);
        tls_->retire();
    }
    report_path();
    if (abandoned_ || !pending_move_) return;
    const PathId target = *std::exchange(pending_move_, std::nullopt);
    if (!move_to(target, now) && hears()) handler_->on_path_changed(path_);
}

void ConnectionImpl::fail(int rv, TimePoint now) {
    const auto early =
        phase_ == Phase::handshaking ? CloseInfo::Kind::handshake_failed : CloseInfo::Kind::internal;
    switch (rv) {
        case NGTCP2_ERR_DRAINING: return on_drained(now);
        case NGTCP2_ERR_IDLE_CLOSE:
            return finish_off({CloseInfo::Kind::idle, 0, "nothing heard"}, Burial::forget, {}, now);
        case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
            return finish_off({early, 0, "the handshake timed out"}, Burial::forget, {}, now);
        case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
            return finish_off({early, 0, "no common QUIC version"}, Burial::forget, {}, now);
        case NGTCP2_ERR_DROP_CONN:
        case NGTCP2_ERR_RETRY: return finish_off({early, 0, name_of(rv)}, Burial::forget, {}, now);
        default: break;
    }
    if (identity_refusal_) return plan_close({*identity_refusal_, false, identity_refusal_->code});
    const std::uint64_t code = rv == NGTCP2_ERR_CRYPTO
                                   ? NGTCP2_CRYPTO_ERROR + ngtcp2_conn_get_tls_alert(conn_.get())
                                   : ngtcp2_err_infer_quic_transport_error_code(rv);
    const std::string alert = tls_alert_name(code);
    plan_close({{early, code, alert.empty() ? name_of(rv) : alert}, false, code});
}

void ConnectionImpl::fail_violation() {
    const auto kind =
        phase_ == Phase::handshaking ? CloseInfo::Kind::handshake_failed : CloseInfo::Kind::internal;
    plan_close({{kind, NGTCP2_PROTOCOL_VIOLATION, "the peer sent a forbidden frame"},
                false,
                NGTCP2_PROTOCOL_VIOLATION});
}

CloseInfo ConnectionImpl::describe_received_close() const {
    const engine::CloseError error = engine::received_close(conn_.get());
    std::string reason = error.reasonlen == 0 ? ""
                                              : std::string{reinterpret_cast<const char*>(error.reason),
                                                            std::min(error.reasonlen, kLongestReason)};
    if (engine::is_application(error))
        return {CloseInfo::Kind::peer_application, error.error_code, std::move(reason)};
    if (reason.empty()) reason = tls_alert_name(error.error_code);
    return {CloseInfo::Kind::peer_transport, error.error_code, std::move(reason)};
}

void ConnectionImpl::on_drained(TimePoint now) {
    if (reset_seen_)
        return finish_off({CloseInfo::Kind::reset, 0, "the peer has forgotten this connection"},
                          Burial::forget, {}, now);
    finish_off(describe_received_close(), Burial::swallow, {}, now);
}

void ConnectionImpl::plan_close(PendingClose close) {
    if (!pending_close_ && conn_) pending_close_ = std::move(close);
    mark_dirty();
}

void ConnectionImpl::write_close(TimePoint now, Wire& wire, std::span<std::uint8_t> buffer) {
    const PendingClose close = *pending_close_;
    const auto error = close.application ? engine::application_error(close.wire_code, close.info.reason)
                                         : engine::transport_error(close.wire_code, close.info.reason);
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info{};
    const ngtcp2_ssize size = ngtcp2_conn_write_connection_close(
        conn_.get(), &path.path, &info, buffer.data(), buffer.size(), &error, to_ngtcp2(now));
    if (size <= 0) return finish_off(close.info, Burial::swallow, {}, now);
    const ByteView packet = std::as_bytes(buffer.first(static_cast<std::size_t>(size)));
    ++counters_.packets_sent;
    counters_.bytes_sent += packet.size();
    wire.send({SyntheticPath::id_of(path.path), packet, packet.size(), static_cast<std::uint8_t>(info.ecn)});
    finish_off(close.info, Burial::answer, to_bytes(packet), now);
}

void ConnectionImpl::finish_off(const CloseInfo& info, Burial burial, Bytes close_packet, TimePoint now) {
    MUSTER_CHECK(!in_engine_);
    counters_ = stats();
    phase_ = Phase::closed;
    shared_.arrivals.leave(*this);
    drop_reset_tokens();
    shared_.timers.remove(*this);
    DirtyHook::unlink();
    shared_.bury(std::exchange(cids_, {}), burial != Burial::forget, std::move(close_packet), now);
    ready_.clear();
    starved_.clear();
    streams_.clear();
    datagrams_.clear();
    conn_.reset();
    tls_.reset();
    if (Handler* handler = std::exchange(handler_, nullptr)) handler->on_closed(info);
}

Stats ConnectionImpl::stats() const {
    Stats result = counters_;
    if (!conn_) return result;
    const engine::Statistics now = engine::statistics(conn_.get());
    result.smoothed_rtt = to_duration(now.smoothed_rtt);
    result.min_rtt = to_duration(now.min_rtt);
    result.latest_rtt = to_duration(now.latest_rtt);
    result.congestion_window = now.cwnd;
    result.bytes_in_flight = now.bytes_in_flight;
    result.max_datagram = max_datagram();
    return result;
}

std::size_t ConnectionImpl::max_datagram() const {
    if (!conn_ || phase_ != Phase::established) return 0;
    const ngtcp2_transport_params* remote = ngtcp2_conn_get_remote_transport_params(conn_.get());
    if (remote == nullptr || remote->max_datagram_frame_size <= 3) return 0;
    const std::size_t overhead = kDatagramOverhead + ngtcp2_conn_get_dcid(conn_.get())->datalen;
    const std::size_t room = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_.get());
    if (room <= overhead) return 0;
    return static_cast<std::size_t>(
        std::min<std::uint64_t>(room - overhead, remote->max_datagram_frame_size - 3));
}

bool ConnectionImpl::send_datagram(Slice payload) {
    if (pending_close_ || payload.empty() || payload.size() > max_datagram()) return false;
    if (datagrams_.size() - datagrams_head_ >= shared_.config.max_queued_datagrams) return false;
    datagrams_.push_back(std::move(payload));
    mark_dirty();
    return true;
}

void ConnectionImpl::close(std::uint64_t code, std::string_view reason) {
    code = std::min(code, kLargestCode);
    plan_close({{CloseInfo::Kind::local, code, std::string{reason.substr(0, kLongestReason)}}, true, code});
}

bool ConnectionImpl::migrate(PathId path, TimePoint now) {
    if (!conn_ || is_server() || !confirmed_ || pending_close_ || abandoned_) return false;
    if (!in_engine_) return move_to(path, now);
    pending_move_ = path;
    return true;
}

bool ConnectionImpl::move_to(PathId path, TimePoint now) {
    SyntheticPath addresses{SyntheticPath::Side::client, path, tag_of_move(moves_ + 1)};
    const ngtcp2_path view = addresses.view();
    const int rv = [&] {
        EngineCall call{*this};
        return ngtcp2_conn_initiate_immediate_migration(conn_.get(), &view, to_ngtcp2(now));
    }();
    if (rv != 0) {
        if (log_enabled(LogLevel::info)) log_line(LogLevel::info, "quic: cannot move: " + name_of(rv));
        return false;
    }
    std::erase_if(visits_, [path](const Visit& visit) { return visit.path == path; });
    if (visits_.size() == kRememberedVisits) visits_.erase(visits_.begin());
    visits_.push_back({path, ++moves_});
    path_ = path;
    path_validated_ = false;
    mark_dirty();
    return true;
}

void ConnectionImpl::report_heard() {
    if (std::exchange(heard_, false) && hears()) handler_->on_heard();
}

void ConnectionImpl::report_path() {
    const PathId current = SyntheticPath::id_of(*ngtcp2_conn_get_path(conn_.get()));
    const bool followed = std::exchange(path_, current) != current;
    const bool validated = std::exchange(path_validated_, false);
    if ((followed || validated) && hears()) handler_->on_path_changed(path_);
}

bool ConnectionImpl::admit(const DeviceId& peer) {
    peer_ = peer;
    if (handler_ != nullptr && !abandoned_ && handler_->on_admit(peer)) return true;
    identity_refusal_ = CloseInfo{CloseInfo::Kind::refused_identity, NGTCP2_CRYPTO_ERROR + kAccessDenied,
                                  "identity refused: " + peer.to_string()};
    return false;
}

void ConnectionImpl::on_unusable_key() {
    identity_refusal_ = CloseInfo{CloseInfo::Kind::refused_identity, NGTCP2_CRYPTO_ERROR + kBadCertificate,
                                  "identity refused: not an Ed25519 key"};
}

Bytes ConnectionImpl::export_key(std::string_view label, ByteView context, std::size_t size) const {
    if (!tls_ || phase_ != Phase::established) return {};
    return tls_->export_key(label, context, size);
}

}  // namespace muster::quic
