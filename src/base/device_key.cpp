// Ed25519 keys in the encodings of RFC 8410, whose DER has a fixed prefix, and in PEM (RFC 7468).

#include <algorithm>
#include <cstring>

#include <nettle/asn1.h>
#include <nettle/base64.h>
#include <nettle/eddsa.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/random.h"

namespace muster {
namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::array<std::uint8_t, 16> kPkcs8Prefix{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                                    0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
constexpr std::array<std::uint8_t, 12> kSpkiPrefix{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::array<std::uint8_t, 3> kEd25519{0x2b, 0x65, 0x70};  // 1.3.101.112

constexpr std::string_view kBegin = "-----BEGIN PRIVATE KEY-----";
constexpr std::string_view kEnd = "-----END PRIVATE KEY-----";
constexpr std::size_t kMaxPem = 4096;  // A key has 119 characters; attributes may follow it.

/// Octets that are wiped when they are no longer needed.
struct SecretOctets {
    Bytes octets;
    SecretOctets() = default;
    SecretOctets(const SecretOctets&) = delete;
    SecretOctets& operator=(const SecretOctets&) = delete;
    ~SecretOctets() { wipe(octets); }
};

ByteView view_of(std::span<const std::uint8_t> octets) { return std::as_bytes(octets); }

Bytes joined(std::span<const std::uint8_t> prefix, ByteView key) {
    Bytes der = to_bytes(view_of(prefix));
    der.reserve(prefix.size() +
                key.size());  // Before the key comes in: a reallocation would leave a copy of it.
    der.insert(der.end(), key.begin(), key.end());
    return der;
}

/// Decodes what stands between the two lines of a PEM text; false if that is not base64.
bool decode_pem(std::string_view pem, Bytes& out) {
    const auto begin = pem.find(kBegin);
    if (pem.size() > kMaxPem || begin == pem.npos) return false;
    pem.remove_prefix(begin + kBegin.size());
    const auto end = pem.find(kEnd);
    if (end == pem.npos) return false;
    base64_decode_ctx state;
    base64_decode_init(&state);
    out.resize(BASE64_DECODE_LENGTH(end));
    std::size_t size = out.size();
    if (!base64_decode_update(&state, &size, reinterpret_cast<std::uint8_t*>(out.data()), end, pem.data()))
        return false;
    out.resize(size);
    return base64_decode_final(&state) == 1;
}

/// Nettle keeps any tag of the input in an enum that cannot hold all of them, so that it may not be read as one.
bool is(const asn1_der_iterator& element, asn1_type type) {
    return std::memcmp(&element.type, &type, sizeof type) == 0;
}

bool names_ed25519(asn1_der_iterator& algorithm) {
    asn1_der_iterator inside{};
    return is(algorithm, ASN1_SEQUENCE) &&
           asn1_der_decode_constructed(&algorithm, &inside) == ASN1_ITERATOR_PRIMITIVE &&
           is(inside, ASN1_IDENTIFIER) &&
           std::ranges::equal(std::span{inside.data, inside.length}, kEd25519) &&
           asn1_der_iterator_next(&inside) == ASN1_ITERATOR_END;
}

/// The seed in a PrivateKeyInfo (RFC 5958): version, algorithm, the key as an octet string in an octet string, then
/// attributes and the public key, which are not needed. Empty if it is not an Ed25519 key.
std::span<const std::uint8_t> seed_in(ByteView der) {
    asn1_der_iterator info{};
    if (asn1_der_iterator_first(&info, der.size(), reinterpret_cast<const std::uint8_t*>(der.data())) !=
            ASN1_ITERATOR_CONSTRUCTED ||
        !is(info, ASN1_SEQUENCE) || asn1_der_decode_constructed_last(&info) != ASN1_ITERATOR_PRIMITIVE)
        return {};
    std::uint32_t version = 0;
    if (info.type != ASN1_INTEGER || !asn1_der_get_uint32(&info, &version) || version > 1) return {};
    if (asn1_der_iterator_next(&info) != ASN1_ITERATOR_CONSTRUCTED || !names_ed25519(info)) return {};
    if (asn1_der_iterator_next(&info) != ASN1_ITERATOR_PRIMITIVE || !is(info, ASN1_OCTETSTRING)) return {};
    asn1_der_iterator key{};
    if (asn1_der_iterator_first(&key, info.length, info.data) != ASN1_ITERATOR_PRIMITIVE ||
        !is(key, ASN1_OCTETSTRING) || key.length != kKeySize)
        return {};
    return {key.data, key.length};
}

}  // namespace

DeviceKey DeviceKey::generate() {
    std::array<std::byte, kKeySize> seed{};
    SystemRandomness{}.fill(seed);
    auto key = from_seed(seed);
    wipe(seed);
    return std::move(key).value();
}

Result<DeviceKey> DeviceKey::from_seed(ByteView seed) {
    if (seed.size() != kKeySize)
        return Error{Errc::bad_input, "an Ed25519 seed has 32 octets, not " + std::to_string(seed.size())};
    std::array<std::uint8_t, kKeySize> public_key{};
    ed25519_sha512_public_key(public_key.data(), reinterpret_cast<const std::uint8_t*>(seed.data()));
    DeviceKey made;
    made.pkcs8_ = joined(kPkcs8Prefix, seed);
    made.spki_ = joined(kSpkiPrefix, view_of(public_key));
    made.id_ = device_id_of(made.spki_);
    return made;
}

Result<DeviceKey> DeviceKey::from_pem(std::string_view pem) {
    SecretOctets der;
    const auto seed = decode_pem(pem, der.octets) ? seed_in(der.octets) : std::span<const std::uint8_t>{};
    if (seed.empty()) return Error{Errc::bad_input, "this is not an Ed25519 private key in PEM form"};
    return from_seed(view_of(seed));
}

DeviceKey::~DeviceKey() { wipe(pkcs8_); }

std::string DeviceKey::to_pem() const {
    std::string coded(BASE64_ENCODE_RAW_LENGTH(pkcs8_.size()), '\0');
    base64_encode_raw(coded.data(), pkcs8_.size(), reinterpret_cast<const std::uint8_t*>(pkcs8_.data()));
    MUSTER_CHECK(coded.size() == 64);  // One line of PEM: 48 octets, always.
    std::string pem;
    pem.reserve(kBegin.size() + coded.size() + kEnd.size() +
                3);  // A reallocation would leave a copy of the key.
    pem += kBegin;
    pem.append("\n").append(coded).append("\n").append(kEnd).append("\n");
    wipe(std::as_writable_bytes(std::span{coded}));
    return pem;
}

}  // namespace muster
