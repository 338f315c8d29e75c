#pragma once

namespace muster {

/// Logs the broken expectation and ends the process. Only for what we got wrong: nothing a
/// remote sends may get here.
[[noreturn]] void check_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace muster

/// Ends the process if `condition` does not hold: for states that cannot be, in every build.
#define MUSTER_CHECK(condition) \
    ((condition) ? static_cast<void>(0) : ::muster::check_failed(#condition, __FILE__, __LINE__))
