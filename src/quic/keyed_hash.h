#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/random.h"

namespace muster::quic {

/// A hash for tables whose keys strangers choose: without its key, nobody can make them all
/// fall into one bucket.
class KeyedHash {
public:
    static constexpr std::size_t kLongest = 24;

    explicit KeyedHash(Randomness& random)
        : k0_(random.next() | 1), k1_(random.next() | 1), k2_(random.next() | 1) {}

    /// Of up to kLongest octets.
    std::size_t of(std::span<const std::uint8_t> octets) const {
        std::array<std::uint64_t, kLongest / 8> words{};
        std::memcpy(words.data(), octets.data(), octets.size());
        std::uint64_t h = octets.size() * k0_;
        for (const std::uint64_t word : words) {
            const auto product = static_cast<unsigned __int128>(h ^ word ^ k1_) * k2_;
            h = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
        }
        return h;
    }

private:
    std::uint64_t k0_, k1_, k2_;
};

}  // namespace muster::quic
