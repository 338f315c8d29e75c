#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

// Everything in which ngtcp2 0.12 (Debian 12) and 1.x differ, as far as Muster uses it. The rest of src/quic
// compiles against both, so a newer ngtcp2 is a change of this file only.

namespace muster::quic::engine {

#if NGTCP2_VERSION_NUM >= 0x010000
using CloseError = ngtcp2_ccerr;
using Statistics = ngtcp2_conn_info;
using EncryptionLevel = ngtcp2_encryption_level;
#else
using CloseError = ngtcp2_connection_close_error;
using Statistics = ngtcp2_conn_stat;
using EncryptionLevel = ngtcp2_crypto_level;
#endif

inline const std::uint8_t* octets(std::string_view text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
}

/// The error refers to `reason`, which must outlive it.
inline CloseError application_error(std::uint64_t code, std::string_view reason) {
    CloseError error;
#if NGTCP2_VERSION_NUM >= 0x010000
    ngtcp2_ccerr_set_application_error(&error, code, octets(reason), reason.size());
#else
    ngtcp2_connection_close_error_set_application_error(&error, code, octets(reason), reason.size());
#endif
    return error;
}

inline CloseError transport_error(std::uint64_t code, std::string_view reason) {
    CloseError error;
#if NGTCP2_VERSION_NUM >= 0x010000
    ngtcp2_ccerr_set_transport_error(&error, code, octets(reason), reason.size());
#else
    ngtcp2_connection_close_error_set_transport_error(&error, code, octets(reason), reason.size());
#endif
    return error;
}

inline CloseError received_close(ngtcp2_conn* conn) {
#if NGTCP2_VERSION_NUM >= 0x010000
    return *ngtcp2_conn_get_ccerr(conn);
#else
    CloseError error;
    ngtcp2_conn_get_connection_close_error(conn, &error);
    return error;
#endif
}

inline bool is_application(const CloseError& error) {
#if NGTCP2_VERSION_NUM >= 0x010000
    return error.type == NGTCP2_CCERR_TYPE_APPLICATION;
#else
    return error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION;
#endif
}

inline Statistics statistics(ngtcp2_conn* conn) {
    Statistics result{};
#if NGTCP2_VERSION_NUM >= 0x010000
    ngtcp2_conn_get_conn_info(conn, &result);
#else
    ngtcp2_conn_get_conn_stat(conn, &result);
#endif
    return result;
}

inline void set_token(ngtcp2_settings& settings, const std::uint8_t* token, std::size_t size) {
#if NGTCP2_VERSION_NUM >= 0x010000
    settings.token = token;
    settings.tokenlen = size;
    settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
#else
    settings.token.base = const_cast<std::uint8_t*>(token);
    settings.token.len = size;
#endif
}

inline const std::uint8_t* token_of(const ngtcp2_pkt_hd& header) {
#if NGTCP2_VERSION_NUM >= 0x010000
    return header.token;
#else
    return header.token.base;
#endif
}

inline std::size_t token_size(const ngtcp2_pkt_hd& header) {
#if NGTCP2_VERSION_NUM >= 0x010000
    return header.tokenlen;
#else
    return header.token.len;
#endif
}

inline void set_original_dcid(ngtcp2_transport_params& params, const ngtcp2_cid& cid) {
    params.original_dcid = cid;
#if NGTCP2_VERSION_NUM >= 0x010000
    params.original_dcid_present = 1;
#endif
}

inline int shut_down_reading(ngtcp2_conn* conn, std::int64_t stream, std::uint64_t code) {
#if NGTCP2_VERSION_NUM >= 0x010000
    return ngtcp2_conn_shutdown_stream_read(conn, 0, stream, code);
#else
    return ngtcp2_conn_shutdown_stream_read(conn, stream, code);
#endif
}

inline int shut_down_writing(ngtcp2_conn* conn, std::int64_t stream, std::uint64_t code) {
#if NGTCP2_VERSION_NUM >= 0x010000
    return ngtcp2_conn_shutdown_stream_write(conn, 0, stream, code);
#else
    return ngtcp2_conn_shutdown_stream_write(conn, stream, code);
#endif
}

/// A connection id of the peer came into use, or went out of it, with the token of its stateless reset (may
/// be null): `notify(in_use, token, user_data)`.
template <auto notify>
void set_peer_cid_status(ngtcp2_callbacks& callbacks) {
#if NGTCP2_VERSION_NUM >= 0x010000
    using Type = ngtcp2_connection_id_status_type;
#else
    using Type = int;
#endif
    callbacks.dcid_status = [](ngtcp2_conn*, Type type, std::uint64_t, const ngtcp2_cid*,
                               const std::uint8_t* token, void* user) {
        return notify(type == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE, token, user);
    };
}

/// A path was validated, or could not be: `notify(conn, path, succeeded, user_data)`.
template <auto notify>
void set_path_validation(ngtcp2_callbacks& callbacks) {
#if NGTCP2_VERSION_NUM >= 0x010000
    callbacks.path_validation = [](ngtcp2_conn* conn, std::uint32_t, const ngtcp2_path* path,
                                   const ngtcp2_path*, ngtcp2_path_validation_result result, void* user) {
        return notify(conn, path, result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS, user);
    };
#else
    callbacks.path_validation = [](ngtcp2_conn* conn, std::uint32_t, const ngtcp2_path* path,
                                   ngtcp2_path_validation_result result, void* user) {
        return notify(conn, path, result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS, user);
    };
#endif
}

}  // namespace muster::quic::engine
