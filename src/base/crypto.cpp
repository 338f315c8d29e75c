#include "base/crypto.h"

#include <algorithm>
#include <cstring>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "base/check.h"
#include "base/random.h"

namespace muster {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";

struct PkeyDeleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Pkey = std::unique_ptr<EVP_PKEY, PkeyDeleter>;

struct BioDeleter {
    void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;

const unsigned char* octets_of(ByteView view) { return reinterpret_cast<const unsigned char*>(view.data()); }

Bytes private_der(const EVP_PKEY* key) {
    PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key);
    MUSTER_CHECK(info != nullptr);
    unsigned char* der = nullptr;
    const int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    MUSTER_CHECK(size > 0);
    Bytes out = to_bytes(ByteView{reinterpret_cast<std::byte*>(der), static_cast<std::size_t>(size)});
    OPENSSL_clear_free(der, static_cast<std::size_t>(size));
    PKCS8_PRIV_KEY_INFO_free(info);
    return out;
}

Bytes public_der(EVP_PKEY* key) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    MUSTER_CHECK(size > 0);
    Bytes out = to_bytes(ByteView{reinterpret_cast<std::byte*>(der), static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return out;
}

}  // namespace

struct Sha256::Context {
    EVP_MD_CTX* md = EVP_MD_CTX_new();
    Context() = default;
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { EVP_MD_CTX_free(md); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
    EVP_DigestInit_ex(context_->md, EVP_sha256(), nullptr);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(ByteView octets) { EVP_DigestUpdate(context_->md, octets.data(), octets.size()); }

Sha256Digest Sha256::finish() {
    Sha256Digest digest{};
    EVP_DigestFinal_ex(context_->md, digest.data(), nullptr);
    EVP_DigestInit_ex(context_->md, EVP_sha256(), nullptr);
    return digest;
}

Sha256Digest sha256(ByteView octets) {
    Sha256Digest digest{};
    EVP_Digest(octets.data(), octets.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    return digest;
}

Sha256Digest hmac_sha256(ByteView key, ByteView octets) {
    Sha256Digest digest{};
    // OpenSSL takes a null key for "the key of before" and fails, though an empty key is legal.
    static constexpr unsigned char kEmpty = 0;
    const auto* key_octets = key.empty() ? &kEmpty : octets_of(key);
    MUSTER_CHECK(HMAC(EVP_sha256(), key_octets, static_cast<int>(key.size()), octets_of(octets),
                      octets.size(), digest.data(), nullptr) != nullptr);
    return digest;
}

bool equal_in_constant_time(ByteView a, ByteView b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string base32(ByteView octets) {
    std::string out;
    out.reserve((octets.size() * 8 + 4) / 5);
    std::uint32_t pending = 0;
    unsigned bits = 0;
    for (const std::byte octet : octets) {
        pending = (pending << 8) | std::to_integer<std::uint32_t>(octet);
        for (bits += 8; bits >= 5; bits -= 5) out.push_back(kAlphabet[(pending >> (bits - 5)) & 31]);
    }
    if (bits > 0) out.push_back(kAlphabet[(pending << (5 - bits)) & 31]);
    return out;
}

std::optional<Bytes> parse_base32(std::string_view text) {
    Bytes out;
    std::uint32_t pending = 0;
    unsigned bits = 0;
    for (const char c : text) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        const auto digit = kAlphabet.find(lower);
        if (digit == std::string_view::npos) return std::nullopt;
        pending = (pending << 5) | static_cast<std::uint32_t>(digit);
        bits += 5;
        if (bits < 8) continue;
        bits -= 8;
        out.push_back(static_cast<std::byte>(pending >> bits));
    }
    if (bits >= 5 || (pending & ((1u << bits) - 1)) != 0) return std::nullopt;
    return out;
}

std::string hex(ByteView octets) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const std::byte octet : octets) {
        out.push_back(digits[std::to_integer<unsigned>(octet) >> 4]);
        out.push_back(digits[std::to_integer<unsigned>(octet) & 15]);
    }
    return out;
}

void wipe(std::span<std::byte> octets) { OPENSSL_cleanse(octets.data(), octets.size()); }

namespace {

struct KeyParts {
    DeviceId id;
    Bytes pkcs8, spki;
};

KeyParts parts_of(EVP_PKEY* key) {
    Bytes spki = public_der(key);
    const DeviceId id = device_id_of(spki);
    return {id, private_der(key), std::move(spki)};
}

}  // namespace

DeviceKey DeviceKey::generate() {
    std::array<std::byte, 32> seed;
    SystemRandomness{}.fill(seed);
    auto key = from_seed(seed);
    wipe(seed);
    return std::move(key).value();
}

Result<DeviceKey> DeviceKey::from_seed(ByteView seed) {
    if (seed.size() != 32)
        return Error{Errc::bad_input, "an Ed25519 seed has 32 octets, not " + std::to_string(seed.size())};
    const Pkey key{EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, octets_of(seed), seed.size())};
    MUSTER_CHECK(key != nullptr);
    auto parts = parts_of(key.get());
    DeviceKey made;
    made.id_ = parts.id;
    made.pkcs8_ = std::move(parts.pkcs8);
    made.spki_ = std::move(parts.spki);
    return made;
}

Result<DeviceKey> DeviceKey::from_pem(std::string_view pem) {
    const Bio bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
    const Pkey key{bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr) : nullptr};
    if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519)
        return Error{Errc::bad_input, "this is not an Ed25519 private key in PEM form"};
    auto parts = parts_of(key.get());
    DeviceKey made;
    made.id_ = parts.id;
    made.pkcs8_ = std::move(parts.pkcs8);
    made.spki_ = std::move(parts.spki);
    return made;
}

DeviceKey::~DeviceKey() { wipe(pkcs8_); }

std::string DeviceKey::to_pem() const {
    const auto* der = octets_of(pkcs8_);
    const Pkey key{d2i_AutoPrivateKey(nullptr, &der, static_cast<long>(pkcs8_.size()))};
    const Bio bio{BIO_new(BIO_s_mem())};
    MUSTER_CHECK(key && bio &&
                 PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) ==
                     1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

DeviceId device_id_of(ByteView spki_der) {
    const Sha256Digest digest = sha256(spki_der);
    DeviceId id;
    std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
    return id;
}

void SystemRandomness::fill(std::span<std::byte> out) {
    MUSTER_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size())) == 1);
}

std::uint64_t SystemRandomness::next() {
    std::uint64_t value = 0;
    fill(std::as_writable_bytes(std::span{&value, 1}));
    return value;
}

std::string DeviceId::to_string() const { return base32(std::as_bytes(std::span{bytes})); }
std::string DeviceId::short_string() const { return to_string().substr(0, 8); }

std::optional<DeviceId> DeviceId::parse(std::string_view text) {
    const auto octets = parse_base32(text);
    DeviceId id;
    if (!octets || octets->size() != id.bytes.size()) return std::nullopt;
    std::memcpy(id.bytes.data(), octets->data(), id.bytes.size());
    return id;
}

}  // namespace muster
