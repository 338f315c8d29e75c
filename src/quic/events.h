#pragma once

#include "quic/ngtcp2_compat.h"

namespace muster::quic {

class ConnectionImpl;

/// What ngtcp2 reports, and what it asks for, while it reads or writes a packet of a ConnectionImpl.
/// A callback that returns something else than 0 ends the packet's processing; that happens only when the
/// connection was abandoned meanwhile, for ngtcp2 cannot be used after that, or when it threw.
struct Events {
    /// The same for all connections; lives as long as the process.
    static const ngtcp2_callbacks* table();

private:
    static ngtcp2_callbacks make_table();
    static int verdict(const ConnectionImpl& connection);

    static void random(std::uint8_t* out, std::size_t size, const ngtcp2_rand_ctx* context);
    static int decrypt(std::uint8_t* out, const ngtcp2_crypto_aead* aead,
                       const ngtcp2_crypto_aead_ctx* context, const std::uint8_t* in, std::size_t size,
                       const std::uint8_t* nonce, std::size_t nonce_size, const std::uint8_t* aad,
                       std::size_t aad_size);
    static int crypto_data(ngtcp2_conn* conn, engine::EncryptionLevel level, std::uint64_t offset,
                           const std::uint8_t* data, std::size_t size, void* user);
    static int path_challenge(ngtcp2_conn*, std::uint8_t* data, void* user);
    static int new_cid(ngtcp2_conn*, ngtcp2_cid* cid, std::uint8_t* token, std::size_t size, void* user);
    static int remove_cid(ngtcp2_conn*, const ngtcp2_cid* cid, void* user);
    static int peer_cid_status(bool in_use, const std::uint8_t* token, void* user);
    static int handshake_completed(ngtcp2_conn*, void* user);
    static int handshake_confirmed(ngtcp2_conn*, void* user);
    static int stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user);
    static int path_validated(ngtcp2_conn*, const ngtcp2_path* path, bool succeeded, void* user);
    static int stream_open(ngtcp2_conn* conn, std::int64_t id, void* user);
    static int stream_data(ngtcp2_conn*, std::uint32_t flags, std::int64_t id, std::uint64_t offset,
                           const std::uint8_t* data, std::size_t size, void* user, void* stream);
    static int stream_reset(ngtcp2_conn*, std::int64_t id, std::uint64_t final_size, std::uint64_t code,
                            void* user, void* stream);
    static int stream_close(ngtcp2_conn*, std::uint32_t flags, std::int64_t id, std::uint64_t code,
                            void* user, void* stream);
    static int stream_acked(ngtcp2_conn*, std::int64_t id, std::uint64_t offset, std::uint64_t size,
                            void* user, void* stream);
    static int stream_window(ngtcp2_conn*, std::int64_t id, std::uint64_t limit, void* user, void* stream);
    static int more_streams(ngtcp2_conn*, std::uint64_t limit, void* user);
    static int datagram(ngtcp2_conn*, std::uint32_t flags, const std::uint8_t* data, std::size_t size,
                        void* user);
};

}  // namespace muster::quic
