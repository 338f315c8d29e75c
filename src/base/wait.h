#pragma once

#include <algorithm>
#include <chrono>

#include "muster/time.h"

namespace muster {

/// How long an application wants to wait, so that it can be added to any point in time: never negative, and a
/// hundred years where it says "for ever" (Duration::max()).
constexpr Duration bounded_wait(Duration wanted) {
    constexpr Duration kLongest = std::chrono::years{100};
    return std::clamp(wanted, Duration{}, kLongest);
}

}  // namespace muster
