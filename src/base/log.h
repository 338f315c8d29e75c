#pragma once

#include <string>
#include <string_view>

namespace muster {

enum class LogLevel { debug, info, warning, error, off };

/// True if a line of this level would be written; ask before building an expensive one.
bool log_enabled(LogLevel level) noexcept;

/// Writes one line to stderr. Off below `warning` unless MUSTER_LOG=debug|info|warning|error|off says
/// otherwise.
void log_line(LogLevel level, std::string_view text) noexcept;

}  // namespace muster
