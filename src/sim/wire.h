#pragma once

#include <cstdint>
#include <optional>

#include "base/random.h"

#include "muster/time.h"

namespace muster::sim {

/// What a cable or a LAN does to datagrams. Probabilities are 0 to 1; zero everywhere is a perfect wire.
struct Quality {
    Duration delay{};
    /// Up to so much more, uniformly. Datagrams of one sender stay in order all the same.
    Duration jitter{};
    double loss = 0;       ///< Each receiver of a multicast loses for itself.
    double duplicate = 0;  ///< Arrives twice.
    double reorder = 0;    ///< Is overtaken: held back by `reorder_by`.
    Duration reorder_by = std::chrono::milliseconds{2};
    std::uint64_t bits_per_second = 0;  ///< 0: no limit.
    Duration queue_limit =
        std::chrono::milliseconds{50};  ///< What would wait longer for its turn is dropped.
};

/// True with the probability; draws nothing for 0, so that perfect wires cost no random numbers.
bool chance(Randomness& random, double probability);

/// One direction of a cable, or a whole shared LAN: what enters leaves later, in order, or not at all.
class Wire {
public:
    Quality quality;

    struct Passage {
        TimePoint out;
        bool held_back = false;
    };

    /// When a datagram of so many octets (with headers) that enters now leaves; nullopt: the queue is full.
    /// Loss and duplication are the caller's, for they differ between receivers.
    std::optional<Passage> pass(TimePoint now, std::size_t octets, Randomness& random, TimePoint& in_order);

private:
    TimePoint free_at_{};
};

}  // namespace muster::sim
