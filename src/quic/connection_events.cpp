#include <exception>
#include <string>

#include "base/log.h"
#include "quic/connection_impl.h"
#include "quic/events.h"

namespace muster::quic {
namespace {

constexpr std::uint8_t kNoApplicationProtocol = 120;  // TLS alert, RFC 7301

ConnectionImpl& self(void* user) { return *static_cast<ConnectionImpl*>(user); }

ByteView octets(const std::uint8_t* data, std::size_t size) { return std::as_bytes(std::span{data, size}); }

template <auto callback>
struct Guarded;
template <class... Arguments, int (*callback)(Arguments...)>
struct Guarded<callback> {
    static int call(Arguments... arguments) noexcept {
        try {
            return callback(arguments...);
        } catch (const std::exception& failure) {
            log_line(LogLevel::error,
                     std::string{"quic: what happened to a connection ended in: "} + failure.what());
        } catch (...) {
            log_line(LogLevel::error, "quic: what happened to a connection ended in an exception");
        }
        return NGTCP2_ERR_CALLBACK_FAILURE;
    }
};

/// What a handler, or the memory, throws must not unwind through ngtcp2, which is C: it would leave the connection
/// half changed, and every other one to whoever runs the thread. It ends this connection as an internal error.
template <auto callback>
constexpr auto guarded = Guarded<callback>::call;

}  // namespace

const ngtcp2_callbacks* Events::table() {
    static const ngtcp2_callbacks callbacks = make_table();
    return &callbacks;
}

ngtcp2_callbacks Events::make_table() {
    ngtcp2_callbacks callbacks{};
    callbacks.client_initial = ngtcp2_crypto_client_initial_cb;
    callbacks.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    callbacks.recv_crypto_data = guarded<crypto_data>;
    callbacks.encrypt = ngtcp2_crypto_encrypt_cb;
    callbacks.decrypt = guarded<decrypt>;
    callbacks.hp_mask = ngtcp2_crypto_hp_mask_cb;
    callbacks.recv_retry = ngtcp2_crypto_recv_retry_cb;
    callbacks.update_key = ngtcp2_crypto_update_key_cb;
    callbacks.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    callbacks.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    callbacks.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    callbacks.rand = random;
    callbacks.get_path_challenge_data = guarded<path_challenge>;
    callbacks.get_new_connection_id = guarded<new_cid>;
    callbacks.remove_connection_id = guarded<remove_cid>;
    callbacks.handshake_completed = guarded<handshake_completed>;
    callbacks.handshake_confirmed = guarded<handshake_confirmed>;
    callbacks.recv_stateless_reset = guarded<stateless_reset>;
    engine::set_path_validation<guarded<path_validated>>(callbacks);
    engine::set_peer_cid_status<guarded<peer_cid_status>>(callbacks);
    callbacks.stream_open = guarded<stream_open>;
    callbacks.recv_stream_data = guarded<stream_data>;
    callbacks.stream_reset = guarded<stream_reset>;
    callbacks.stream_close = guarded<stream_close>;
    callbacks.acked_stream_data_offset = guarded<stream_acked>;
    callbacks.extend_max_stream_data = guarded<stream_window>;
    callbacks.extend_max_local_streams_bidi = guarded<more_streams>;
    callbacks.recv_datagram = guarded<datagram>;
    return callbacks;
}

int Events::verdict(const ConnectionImpl& connection) {
    return connection.abandoned_ ? NGTCP2_ERR_CALLBACK_FAILURE : 0;
}

void Events::random(std::uint8_t* out, std::size_t size, const ngtcp2_rand_ctx* context) {
    static_cast<Randomness*>(context->native_handle)->fill(std::as_writable_bytes(std::span{out, size}));
}

int Events::decrypt(std::uint8_t* out, const ngtcp2_crypto_aead* aead, const ngtcp2_crypto_aead_ctx* context,
                    const std::uint8_t* in, std::size_t size, const std::uint8_t* nonce,
                    std::size_t nonce_size, const std::uint8_t* aad, std::size_t aad_size) {
    const int rv = ngtcp2_crypto_decrypt_cb(out, aead, context, in, size, nonce, nonce_size, aad, aad_size);
    ConnectionImpl* const connection = ConnectionImpl::current_;
    if (rv != 0 || connection == nullptr || size < aead->max_overhead) return rv;
    if (!connection->shared_.guard.inspect(octets(out, size - aead->max_overhead)))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    connection->heard_ |= connection->newest_.take(octets(aad, aad_size));
    return 0;
}

// After the handshake a peer may still send TLS messages, such as session tickets: Muster has no use for any.
int Events::crypto_data(ngtcp2_conn* conn, engine::EncryptionLevel level, std::uint64_t offset,
                        const std::uint8_t* data, std::size_t size, void* user) {
    if (self(user).tls_->is_retired()) return 0;
    return ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, size, user);
}

int Events::path_challenge(ngtcp2_conn*, std::uint8_t* data, void* user) {
    self(user).shared_.random.fill(std::as_writable_bytes(std::span{data, NGTCP2_PATH_CHALLENGE_DATALEN}));
    return 0;
}

int Events::new_cid(ngtcp2_conn*, ngtcp2_cid* cid, std::uint8_t* token, std::size_t size, void* user) {
    ConnectionImpl& connection = self(user);
    Cid fresh = Cid::random(connection.shared_.random, size);
    while (!connection.adopt_cid(fresh)) fresh = Cid::random(connection.shared_.random, size);
    *cid = fresh.to_ngtcp2();
    connection.shared_.reset_token(fresh, token);
    return 0;
}

int Events::remove_cid(ngtcp2_conn*, const ngtcp2_cid* cid, void* user) {
    self(user).drop_cid(Cid{*cid});
    return 0;
}

int Events::peer_cid_status(bool in_use, const std::uint8_t* token, void* user) {
    if (token != nullptr) self(user).note_reset_token(Cid{token, NGTCP2_STATELESS_RESET_TOKENLEN}, in_use);
    return 0;
}

int Events::handshake_completed(ngtcp2_conn*, void* user) {
    ConnectionImpl& connection = self(user);
    connection.shared_.arrivals.finish_handshake(connection);
    if (!connection.tls_->has_alpn()) {
        const std::uint64_t code = NGTCP2_CRYPTO_ERROR + kNoApplicationProtocol;
        connection.plan_close(
            {{CloseInfo::Kind::handshake_failed, code, "no common application protocol"}, false, code});
        return 0;
    }
    connection.phase_ = ConnectionImpl::Phase::established;
    if (connection.is_server()) connection.confirmed_ = true;
    if (connection.hears()) connection.handler_->on_established();
    return verdict(connection);
}

int Events::handshake_confirmed(ngtcp2_conn*, void* user) {
    self(user).confirmed_ = true;
    return 0;
}

int Events::stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user) {
    self(user).reset_seen_ = true;
    return 0;
}

int Events::path_validated(ngtcp2_conn* conn, const ngtcp2_path* path, bool succeeded, void* user) {
    ConnectionImpl& connection = self(user);
    if (!succeeded || connection.is_server()) return 0;
    if (ngtcp2_path_eq(path, ngtcp2_conn_get_path(conn))) connection.path_validated_ = true;
    return 0;
}

int Events::stream_open(ngtcp2_conn* conn, std::int64_t id, void* user) {
    return ngtcp2_conn_set_stream_user_data(conn, id, &self(user).add_stream(id));
}

int Events::stream_data(ngtcp2_conn*, std::uint32_t flags, std::int64_t, std::uint64_t,
                        const std::uint8_t* data, std::size_t size, void* user, void* stream) {
    ConnectionImpl& connection = self(user);
    const bool fin = (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0;
    connection.on_octets(*static_cast<Stream*>(stream), octets(data, size), fin);
    return verdict(connection);
}

int Events::stream_reset(ngtcp2_conn*, std::int64_t, std::uint64_t, std::uint64_t code, void* user,
                         void* stream) {
    ConnectionImpl& connection = self(user);
    auto* dead = static_cast<Stream*>(stream);  // null: reset before anything else was heard of it
    if (dead != nullptr && dead->kind == StreamKind::unknown) connection.end_sending(*dead);
    const bool tells =
        dead != nullptr && dead->kind != StreamKind::unknown && connection.can_receive(dead->id);
    if (tells && connection.hears()) connection.handler_->on_stream_reset(dead->id, code);
    return verdict(connection);
}

int Events::stream_close(ngtcp2_conn* conn, std::uint32_t, std::int64_t id, std::uint64_t, void* user,
                         void* stream) {
    ConnectionImpl& connection = self(user);
    if (ngtcp2_conn_is_local_stream(conn, id) == 0) ngtcp2_conn_extend_max_streams_bidi(conn, 1);
    connection.forget_stream(*static_cast<Stream*>(stream));
    return verdict(connection);
}

int Events::stream_acked(ngtcp2_conn*, std::int64_t, std::uint64_t, std::uint64_t size, void*, void* stream) {
    static_cast<Stream*>(stream)->queue.mark_acked(size);
    return 0;
}

int Events::stream_window(ngtcp2_conn*, std::int64_t, std::uint64_t, void* user, void* stream) {
    auto* waiting = static_cast<Stream*>(stream);
    if (waiting != nullptr && waiting->has_work() && !waiting->is_linked()) self(user).make_ready(*waiting);
    return 0;
}

int Events::more_streams(ngtcp2_conn*, std::uint64_t, void* user) {
    ConnectionImpl& connection = self(user);
    if (connection.hears()) connection.handler_->on_streams_available(Direction::bidirectional);
    if (connection.hears()) connection.handler_->on_streams_available(Direction::unidirectional);
    return verdict(connection);
}

int Events::datagram(ngtcp2_conn*, std::uint32_t, const std::uint8_t* data, std::size_t size, void* user) {
    ConnectionImpl& connection = self(user);
    if (connection.hears()) connection.handler_->on_datagram(octets(data, size));
    return verdict(connection);
}

}  // namespace muster::quic
