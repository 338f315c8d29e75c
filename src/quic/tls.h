#pragma once

#include <memory>
#include <string>

#include <gnutls/gnutls.h>

#include "base/crypto.h"
#include "quic/ngtcp2_compat.h"

namespace muster::quic {

/// Whom a TLS session asks while it shakes hands.
class TlsOwner {
public:
    virtual ~TlsOwner() = default;
    virtual ngtcp2_conn* engine() = 0;
    /// Decides on a peer that has proved to own this key.
    virtual bool admit(const DeviceId& peer) = 0;
    /// The peer has shown something else than one Ed25519 key; the handshake fails.
    virtual void on_unusable_key() = 0;
};

/// What all TLS sessions of one endpoint share: key, algorithms, protocol name.
class TlsContext {
public:
    TlsContext(const DeviceKey& key, std::string alpn);

    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    gnutls_certificate_credentials_t credentials() const { return credentials_.get(); }
    gnutls_priority_t priority() const { return priority_.get(); }
    const std::string& alpn() const { return alpn_; }

private:
    struct Free {
        void operator()(gnutls_certificate_credentials_t credentials) const {
            gnutls_certificate_free_credentials(credentials);
        }
        void operator()(gnutls_priority_t priority) const { gnutls_priority_deinit(priority); }
    };
    std::unique_ptr<std::remove_pointer_t<gnutls_certificate_credentials_t>, Free> credentials_;
    std::unique_ptr<std::remove_pointer_t<gnutls_priority_t>, Free> priority_;
    std::string alpn_;
};

/// One TLS 1.3 session of raw Ed25519 public keys (RFC 7250), both sides required to show one.
class TlsSession {
public:
    enum class Role { client, server };

    /// `owner` and `context` must outlive the session.
    TlsSession(Role role, const TlsContext& context, TlsOwner& owner);
    ~TlsSession();

    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    gnutls_session_t handle() const { return session_.get(); }
    /// True if both sides agreed on the protocol: a server may leave ALPN out, a client must not accept that.
    bool has_alpn() const;
    /// Frees all but the exporter: QUIC needs TLS no more once the handshake is confirmed, and GnuTLS would
    /// keep some 25 kB for each idle connection.
    void retire() { session_.reset(); }
    bool is_retired() const { return !session_; }
    /// RFC 8446 section 7.5; empty on failure. After the handshake, retired or not.
    Bytes export_key(std::string_view label, ByteView context, std::size_t size) const;

private:
    struct Free {
        void operator()(gnutls_session_t session) const { gnutls_deinit(session); }
    };
    struct Reference : ngtcp2_crypto_conn_ref {  // what the session's pointer refers to, as ngtcp2 wants it
        TlsSession* session;
    };
    static int on_secret(gnutls_session_t session, const char* label, const gnutls_datum_t* secret);

    std::unique_ptr<std::remove_pointer_t<gnutls_session_t>, Free> session_;
    Reference reference_;
    Bytes exporter_secret_;
    gnutls_mac_algorithm_t exporter_hash_ = GNUTLS_MAC_UNKNOWN;
};

/// The name of a TLS alert that came as QUIC error `code` (RFC 9001 section 4.8), or "" if it is none.
std::string tls_alert_name(std::uint64_t code);

}  // namespace muster::quic
