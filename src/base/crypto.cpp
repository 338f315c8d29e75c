#include "base/crypto.h"

#include <algorithm>
#include <cstring>

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/random.h"

namespace muster {
namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";

const std::uint8_t* octets_of(ByteView view) { return reinterpret_cast<const std::uint8_t*>(view.data()); }

}  // namespace

struct Sha256::Context {
    sha256_ctx state;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) { sha256_init(&context_->state); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(ByteView octets) { sha256_update(&context_->state, octets.size(), octets_of(octets)); }

Sha256Digest Sha256::finish() {
    Sha256Digest digest{};
    sha256_digest(&context_->state, digest.size(), digest.data());
    return digest;
}

Sha256Digest sha256(ByteView octets) {
    sha256_ctx state;
    sha256_init(&state);
    sha256_update(&state, octets.size(), octets_of(octets));
    Sha256Digest digest{};
    sha256_digest(&state, digest.size(), digest.data());
    return digest;
}

Sha256Digest hmac_sha256(ByteView key, ByteView octets) {
    hmac_sha256_ctx state;
    hmac_sha256_set_key(&state, key.size(), octets_of(key));
    hmac_sha256_update(&state, octets.size(), octets_of(octets));
    Sha256Digest digest{};
    hmac_sha256_digest(&state, digest.size(), digest.data());
    explicit_bzero(&state, sizeof state);
    return digest;
}

bool equal_in_constant_time(ByteView a, ByteView b) {
    return a.size() == b.size() && memeql_sec(a.data(), b.data(), a.size()) == 1;
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

void wipe(std::span<std::byte> octets) {
    if (!octets.empty())
        explicit_bzero(octets.data(), octets.size());  // which takes no null pointer, even for nothing
}

DeviceId device_id_of(ByteView spki_der) {
    const Sha256Digest digest = sha256(spki_der);
    DeviceId id;
    std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
    return id;
}

void SystemRandomness::fill(std::span<std::byte> out) {
    // getentropy answers at most 256 octets a call, and fails only where there is no such source at all.
    for (std::size_t at = 0; at < out.size(); at += 256) {
        const auto part = out.subspan(at, std::min<std::size_t>(out.size() - at, 256));
        MUSTER_CHECK(getentropy(part.data(), part.size()) == 0);
    }
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
