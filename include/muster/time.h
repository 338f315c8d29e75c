#pragma once

#include <chrono>

namespace muster {

/// The clock of every interval and deadline: monotonic, not wall time.
using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;
using Duration = SteadyClock::duration;

/// "No deadline": later than every other point in time.
inline constexpr TimePoint kNever = TimePoint::max();

}  // namespace muster
