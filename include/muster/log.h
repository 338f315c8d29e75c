#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace muster {

enum class LogLevel : std::uint8_t { debug, info, warning, error, off };

/// Takes one line of the library's log, without a line end. Called on the thread that has something to say, also
/// on several at once: it must be quick, must not throw, and must not call the library.
using LogHandler = std::function<void(LogLevel, std::string_view)>;

/// Where the library's few log lines go, from `level` on; an empty handler brings back the standard one: standard
/// error, from `warning` on, or from what the environment's MUSTER_LOG says (debug, info, warning, error, off).
/// What an application needs to know comes as an event or an Error; the log is for people who look for a cause.
/// Any thread. A line being told when this is called may still reach the handler of before.
void set_log_handler(LogHandler handler, LogLevel level = LogLevel::warning);

}  // namespace muster
