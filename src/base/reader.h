#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "muster/bytes.h"

namespace muster {

/// Takes octets from the front of a borrowed span, never past its end. Integers are big-endian. A failed read
/// takes nothing; whoever parses checks `empty()` at the end, for left-over octets are an error.
class Reader {
public:
    explicit Reader(ByteView data) : rest_(data) {}

    bool empty() const { return rest_.empty(); }
    std::size_t remaining() const { return rest_.size(); }
    ByteView rest() const { return rest_; }

    template <std::unsigned_integral T>
    bool read(T& value) {
        if (rest_.size() < sizeof(T)) return false;
        T result = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i)
            result = static_cast<T>((result << 8) | std::to_integer<T>(rest_[i]));
        value = result;
        rest_ = rest_.subspan(sizeof(T));
        return true;
    }

    /// Borrows the next `size` octets.
    bool read(ByteView& view, std::size_t size) {
        if (rest_.size() < size) return false;
        view = rest_.first(size);
        rest_ = rest_.subspan(size);
        return true;
    }

    template <std::size_t N>
    bool read(std::array<std::uint8_t, N>& octets) {
        if (rest_.size() < N) return false;
        std::memcpy(octets.data(), rest_.data(), N);
        rest_ = rest_.subspan(N);
        return true;
    }

    /// Reads a variable-length integer (RFC 9000 section 16), 1 to 8 octets, at most 2^62 - 1.
    bool read_varint(std::uint64_t& value) {
        if (rest_.empty()) return false;
        const auto first = std::to_integer<std::uint8_t>(rest_[0]);
        const std::size_t size = std::size_t{1} << (first >> 6);
        if (rest_.size() < size) return false;
        std::uint64_t result = first & 0x3f;
        for (std::size_t i = 1; i < size; ++i)
            result = (result << 8) | std::to_integer<std::uint64_t>(rest_[i]);
        value = result;
        rest_ = rest_.subspan(size);
        return true;
    }

    /// Borrows octets preceded by their count as a varint; refuses more than `limit`.
    bool read_sized(ByteView& view, std::size_t limit) {
        Reader ahead = *this;
        std::uint64_t size = 0;
        if (!ahead.read_varint(size) || size > limit || !ahead.read(view, static_cast<std::size_t>(size)))
            return false;
        *this = ahead;
        return true;
    }

    /// Copies text preceded by its length as a varint; refuses more than `limit` octets.
    bool read_text(std::string& text, std::size_t limit) {
        ByteView view;
        if (!read_sized(view, limit)) return false;
        text.assign(as_text(view));
        return true;
    }

private:
    ByteView rest_;
};

}  // namespace muster
