#pragma once

#include <chrono>
#include <ctime>

namespace muster {

/// The clock of every interval and deadline: CLOCK_BOOTTIME. It never jumps, whatever happens to the wall clock, and goes
/// on while the machine sleeps, unlike std::chrono::steady_clock: the grace of a session is not longer for a laptop
/// whose lid is closed. A chrono clock: boost::asio::basic_waitable_timer<muster::SteadyClock> waits for its time points;
/// a timer whose time came while the machine slept fires after it has woken up.
struct SteadyClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<SteadyClock, duration>;
    static constexpr bool is_steady = true;

    static time_point now() noexcept {
        std::timespec now{};
        ::clock_gettime(CLOCK_BOOTTIME, &now);  // cannot fail on a kernel younger than 2.6.39
        return time_point{std::chrono::seconds{now.tv_sec} + duration{now.tv_nsec}};
    }
};

using TimePoint = SteadyClock::time_point;
using Duration = SteadyClock::duration;

/// "No deadline": later than every other point in time.
inline constexpr TimePoint kNever = TimePoint::max();

}  // namespace muster
