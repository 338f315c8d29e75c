#pragma once

#include <cstdint>
#include <random>
#include <span>

#include "muster/time.h"

namespace muster {

/// Where engines get random numbers from, so that a simulation can be replayed by its seed.
class Randomness {
public:
    virtual ~Randomness() = default;
    virtual void fill(std::span<std::byte> out) = 0;
    virtual std::uint64_t next() = 0;
};

/// A uniform number in [0, bound); 0 if bound is 0. The bias of the remainder is below 2^-40
/// for bounds under 2^24.
inline std::uint64_t uniform(Randomness& random, std::uint64_t bound) {
    return bound ? random.next() % bound : 0;
}

/// A uniform duration in [low, high].
inline Duration uniform(Randomness& random, Duration low, Duration high) {
    return low + Duration{static_cast<Duration::rep>(
                     uniform(random, static_cast<std::uint64_t>((high - low).count()) + 1))};
}

/// The operating system's random numbers (getentropy); fit for keys. Any thread.
class SystemRandomness final : public Randomness {
public:
    void fill(std::span<std::byte> out) override;
    std::uint64_t next() override;
};

/// Replayable numbers for simulations; never for keys.
class SeededRandomness final : public Randomness {
public:
    explicit SeededRandomness(std::uint64_t seed) : engine_(seed) {}
    void fill(std::span<std::byte> out) override {
        for (auto& octet : out) octet = static_cast<std::byte>(engine_());
    }
    std::uint64_t next() override { return engine_(); }

private:
    std::mt19937_64 engine_;
};

}  // namespace muster
