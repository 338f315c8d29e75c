#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace muster {

/// Identifies a device for good: the first 20 octets of the SHA-256 of its public key's DER
/// SubjectPublicKeyInfo. Printed as 32 characters of lower-case base32 (RFC 4648 section 6), so it fits a DNS
/// label and a spoken line.
struct DeviceId {
    std::array<std::uint8_t, 20> bytes{};

    auto operator<=>(const DeviceId&) const = default;

    /// Returns the 32 base32 characters.
    std::string to_string() const;
    /// Returns the first 8 characters: enough for people, never for trust.
    std::string short_string() const;
    /// Parses 32 base32 characters, either case; nullopt for anything else.
    static std::optional<DeviceId> parse(std::string_view text);
};

/// A kernel interface index. 0 means "none"; Muster never sends or joins through index 0.
enum class InterfaceIndex : std::uint32_t { none = 0 };

/// Numbers an application channel of a session; each channel is ordered on its own.
enum class ChannelId : std::uint16_t { main = 0 };

}  // namespace muster

template <>
struct std::hash<muster::DeviceId> {
    std::size_t operator()(const muster::DeviceId& id) const noexcept {
        std::size_t value = 0;  // the id is itself a hash: its first octets are as good as any mixing of them
        for (std::size_t i = 0; i < sizeof value; ++i) value = (value << 8) | id.bytes[i];
        return value;
    }
};
