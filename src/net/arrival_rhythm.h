#pragma once

#include <cstdint>

#include "muster/time.h"

namespace muster::net {

/// Learns how often something comes, to tell when it is late; anew when all of it has been late for a while. A value type
/// of engines.
class ArrivalRhythm {
public:
    void on_arrival(TimePoint now);

    /// Only after an arrival.
    TimePoint last() const { return last_; }
    /// From when on the next one is late; kNever as long as there is no rhythm.
    TimePoint late_at() const;

private:
    TimePoint last_{};
    std::uint64_t arrivals_ = 0;
    unsigned late_in_a_row_ = 0;
    Duration mean_{};       // of the gaps
    Duration deviation_{};  // mean distance from it
};

}  // namespace muster::net
