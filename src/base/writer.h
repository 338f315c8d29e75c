#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <string_view>

#include "base/check.h"

#include "muster/bytes.h"

namespace muster {

/// The largest value of a variable-length integer (RFC 9000 section 16).
inline constexpr std::uint64_t kVarintMax = (std::uint64_t{1} << 62) - 1;

/// Octets that `value` takes as a variable-length integer.
constexpr std::size_t varint_size(std::uint64_t value) {
    if (value < 64) return 1;
    if (value < 16384) return 2;
    if (value < (std::uint64_t{1} << 30)) return 4;
    return 8;
}

/// Appends octets to a buffer that it borrows. Integers are big-endian.
class Writer {
public:
    explicit Writer(Bytes& out) : out_(out) {}

    template <std::unsigned_integral T>
    Writer& write(T value) {
        for (std::size_t i = sizeof(T); i-- > 0;) out_.push_back(static_cast<std::byte>(value >> (8 * i)));
        return *this;
    }

    Writer& write(ByteView octets) {
        out_.insert(out_.end(), octets.begin(), octets.end());
        return *this;
    }

    template <std::size_t N>
    Writer& write(const std::array<std::uint8_t, N>& octets) {
        return write(std::as_bytes(std::span{octets}));
    }

    Writer& write_varint(std::uint64_t value) {
        MUSTER_CHECK(value <= kVarintMax);
        const std::size_t size = varint_size(value);
        const auto prefix = static_cast<std::uint64_t>(size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3);
        const std::uint64_t coded = value | (prefix << (8 * size - 2));
        for (std::size_t i = size; i-- > 0;) out_.push_back(static_cast<std::byte>(coded >> (8 * i)));
        return *this;
    }

    Writer& write_sized(ByteView octets) { return write_varint(octets.size()).write(octets); }
    Writer& write_text(std::string_view text) { return write_sized(as_bytes(text)); }

private:
    Bytes& out_;
};

}  // namespace muster
