#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "muster/bytes.h"
#include "muster/error.h"
#include "muster/ids.h"

namespace muster {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// Hashes octets as they come. A resource: movable, not copyable.
class Sha256 {
public:
    Sha256();
    ~Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;

    void update(ByteView octets);
    /// Returns the digest of all octets so far and starts afresh.
    Sha256Digest finish();

private:
    struct Context;
    std::unique_ptr<Context> context_;
};

Sha256Digest sha256(ByteView octets);

/// HMAC-SHA-256 (RFC 2104).
Sha256Digest hmac_sha256(ByteView key, ByteView octets);

/// Compares without telling by its time where the two differ. Different sizes are unequal.
bool equal_in_constant_time(ByteView a, ByteView b);

/// Lower-case base32 without padding (RFC 4648 section 6).
std::string base32(ByteView octets);
std::optional<Bytes> parse_base32(std::string_view text);
std::string hex(ByteView octets);

/// Overwrites octets in a way the compiler may not remove.
void wipe(std::span<std::byte> octets);

/// An Ed25519 key pair (RFC 8032) in the two encodings that TLS stacks ask for. Wipes its private
/// part when destroyed.
class DeviceKey {
public:
    /// Makes a new key from the operating system's random numbers.
    static DeviceKey generate();
    /// Makes the key of a 32-octet seed: for tests and simulations, or a stored key. Error
    /// bad_input for other sizes.
    static Result<DeviceKey> from_seed(ByteView seed);
    /// Reads a PEM "PRIVATE KEY" (PKCS #8). Error bad_input if it is not an Ed25519 key.
    static Result<DeviceKey> from_pem(std::string_view pem);

    DeviceKey(const DeviceKey&) = default;
    DeviceKey(DeviceKey&&) noexcept = default;
    DeviceKey& operator=(const DeviceKey&) = default;
    DeviceKey& operator=(DeviceKey&&) noexcept = default;
    ~DeviceKey();

    const DeviceId& id() const { return id_; }
    ByteView pkcs8_der() const { return pkcs8_; }  ///< Private; do not log.
    ByteView spki_der() const { return spki_; }    ///< Public: 44 octets.
    std::string to_pem() const;                    ///< Private; do not log.

private:
    DeviceKey() = default;
    DeviceId id_;
    Bytes pkcs8_;
    Bytes spki_;
};

/// The id of the device that owns this public key (DER SubjectPublicKeyInfo).
DeviceId device_id_of(ByteView spki_der);

}  // namespace muster
