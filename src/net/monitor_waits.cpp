#include "net/monitor_waits.h"

namespace muster::net {
namespace {

constexpr Duration kLongest = std::chrono::hours{1};

}  // namespace

Result<void> check_waits(Duration quiet, Duration max_delay) {
    for (const Duration each : {quiet, max_delay})
        if (each < Duration{} || each > kLongest)
            return Error{Errc::bad_input, "a monitor cannot wait that long, or less than nothing"}.cure(
                "give durations between 0 and an hour");
    return {};
}

}  // namespace muster::net
