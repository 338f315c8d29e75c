#pragma once

#include <cstdint>

namespace muster {

/// FNV-1a with 64 bits: a hash for tables whose keys nobody gains by making collide, and for nothing else.
class Fnv1a {
public:
    constexpr Fnv1a() = default;
    /// Goes on from another hash.
    constexpr explicit Fnv1a(std::uint64_t start) : value_(start) {}

    constexpr void add(std::uint8_t octet) { value_ = (value_ ^ octet) * 1099511628211ULL; }
    constexpr std::uint64_t value() const { return value_; }

private:
    std::uint64_t value_ = 14695981039346656037ULL;
};

}  // namespace muster
