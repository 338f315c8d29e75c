#include "quic/tls.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <gnutls/crypto.h>

#include "base/writer.h"

namespace muster::quic {
namespace {

// RFC 9001 section 8.4 forbids TLS 1.3's compatibility mode. AES first: where the processor has it, GnuTLS
// moves AES-128-GCM more than ten times as fast as ChaCha20-Poly1305.
constexpr char kPriority[] =
    "%DISABLE_TLS13_COMPAT_MODE:NORMAL:-VERS-ALL:+VERS-TLS1.3:"
    "-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-X25519:"
    "+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK:-CTYPE-CLI-X509:-CTYPE-SRV-X509";

// The DER SubjectPublicKeyInfo of an Ed25519 key is these octets and then the key (RFC 8410 section 4).
constexpr std::array<std::uint8_t, 12> kEd25519Prefix{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                      0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::size_t kEd25519Size = kEd25519Prefix.size() + 32;

void require(int rv, const char* what) {
    if (rv < 0) throw std::runtime_error(std::string{what} + ": " + gnutls_strerror(rv));
}

gnutls_datum_t datum(ByteView octets) {
    return {reinterpret_cast<unsigned char*>(const_cast<std::byte*>(octets.data())),
            static_cast<unsigned>(octets.size())};
}

ngtcp2_conn* engine_of(ngtcp2_crypto_conn_ref* reference) {
    return static_cast<TlsOwner*>(reference->user_data)->engine();
}

bool is_ed25519(gnutls_session_t session, const gnutls_datum_t* key, unsigned count) {
    if (key == nullptr || count != 1 || key->size != kEd25519Size) return false;
    if (gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_RAWPK) return false;
    return std::equal(kEd25519Prefix.begin(), kEd25519Prefix.end(), key->data);
}

int verify_peer(gnutls_session_t session) {
    unsigned count = 0;
    const gnutls_datum_t* key = gnutls_certificate_get_peers(session, &count);
    auto& owner = *static_cast<TlsOwner*>(
        static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session))->user_data);
    if (!is_ed25519(session, key, count)) {
        owner.on_unusable_key();
        return -1;
    }
    return owner.admit(device_id_of(std::as_bytes(std::span{key->data, key->size}))) ? 0 : -1;
}

Bytes hash(gnutls_mac_algorithm_t algorithm, ByteView octets) {
    const auto digest = static_cast<gnutls_digest_algorithm_t>(algorithm);
    Bytes result(gnutls_hash_get_len(digest));
    const int rv = gnutls_hash_fast(digest, octets.data(), octets.size(), result.data());
    return rv == 0 ? result : Bytes{};
}

// RFC 8446 section 7.1: HKDF-Expand-Label. Empty on failure.
Bytes expand_label(gnutls_mac_algorithm_t algorithm, ByteView secret, std::string_view label,
                   ByteView context, std::size_t size) {
    constexpr std::string_view kPrefix = "tls13 ";
    if (size > 0xffff || kPrefix.size() + label.size() > 0xff || context.size() > 0xff) return {};
    Bytes description;
    Writer{description}
        .write(static_cast<std::uint16_t>(size))
        .write(static_cast<std::uint8_t>(kPrefix.size() + label.size()))
        .write(as_bytes(kPrefix))
        .write(as_bytes(label))
        .write(static_cast<std::uint8_t>(context.size()))
        .write(context);
    const gnutls_datum_t key = datum(secret), about = datum(description);
    Bytes result(size);
    return gnutls_hkdf_expand(algorithm, &key, &about, result.data(), size) == 0 ? result : Bytes{};
}

}  // namespace

TlsContext::TlsContext(const DeviceKey& key, std::string alpn) : alpn_(std::move(alpn)) {
    gnutls_certificate_credentials_t credentials = nullptr;
    require(gnutls_certificate_allocate_credentials(&credentials), "TLS credentials");
    credentials_.reset(credentials);
    const gnutls_datum_t spki = datum(key.spki_der());
    const gnutls_datum_t pkcs8 = datum(key.pkcs8_der());
    require(gnutls_certificate_set_rawpk_key_mem(credentials, &spki, &pkcs8, GNUTLS_X509_FMT_DER, nullptr, 0,
                                                 nullptr, 0, 0),
            "TLS device key");
    gnutls_certificate_set_verify_function(credentials, verify_peer);
    gnutls_priority_t priority = nullptr;
    require(gnutls_priority_init(&priority, kPriority, nullptr), "TLS priorities");
    priority_.reset(priority);
}

TlsSession::TlsSession(Role role, const TlsContext& context, TlsOwner& owner)
    : reference_{{engine_of, &owner}, this} {
    const bool server = role == Role::server;
    const unsigned flags = (server ? GNUTLS_SERVER : GNUTLS_CLIENT | GNUTLS_NO_END_OF_EARLY_DATA) |
                           GNUTLS_ENABLE_RAWPK | GNUTLS_NO_AUTO_SEND_TICKET | GNUTLS_NO_SIGNAL;
    gnutls_session_t session = nullptr;
    require(gnutls_init(&session, flags), "TLS session");
    session_.reset(session);
    require(gnutls_priority_set(session, context.priority()), "TLS priorities");
    require(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, context.credentials()),
            "TLS credentials");
    const gnutls_datum_t alpn = datum(as_bytes(context.alpn()));
    require(gnutls_alpn_set_protocols(session, &alpn, 1, GNUTLS_ALPN_MANDATORY), "ALPN");
    gnutls_session_set_ptr(session, static_cast<ngtcp2_crypto_conn_ref*>(&reference_));
    gnutls_session_set_keylog_function(session, on_secret);
    if (server) gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    const int rv = server ? ngtcp2_crypto_gnutls_configure_server_session(session)
                          : ngtcp2_crypto_gnutls_configure_client_session(session);
    require(rv, "QUIC over TLS");
}

bool TlsSession::has_alpn() const {
    gnutls_datum_t selected{};
    return gnutls_alpn_get_selected_protocol(session_.get(), &selected) == 0 && selected.size > 0;
}

TlsSession::~TlsSession() { wipe(exporter_secret_); }

// GnuTLS offers its secrets for logging; the exporter's is the only one that is still needed
// after the handshake.
int TlsSession::on_secret(gnutls_session_t session, const char* label, const gnutls_datum_t* secret) {
    if (std::string_view{label} != "EXPORTER_SECRET") return 0;
    auto* reference = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
    TlsSession& self = *static_cast<Reference*>(reference)->session;
    self.exporter_secret_ = to_bytes(std::as_bytes(std::span{secret->data, secret->size}));
    self.exporter_hash_ = static_cast<gnutls_mac_algorithm_t>(gnutls_prf_hash_get(session));
    return 0;
}

Bytes TlsSession::export_key(std::string_view label, ByteView context, std::size_t size) const {
    if (exporter_secret_.empty()) return {};
    Bytes derived = expand_label(exporter_hash_, exporter_secret_, label, hash(exporter_hash_, {}),
                                 exporter_secret_.size());
    Bytes result = expand_label(exporter_hash_, derived, "exporter", hash(exporter_hash_, context), size);
    wipe(derived);
    return result;
}

std::string tls_alert_name(std::uint64_t code) {
    if (code < NGTCP2_CRYPTO_ERROR || code > NGTCP2_CRYPTO_ERROR + 0xff) return {};
    const char* name = gnutls_alert_get_name(static_cast<gnutls_alert_description_t>(code & 0xff));
    return name == nullptr ? "unknown TLS alert" : name;
}

}  // namespace muster::quic
