#pragma once

#include <string_view>

#include "muster/log.h"

namespace muster {

/// True if a line of this level would be written; ask before building an expensive one.
bool log_enabled(LogLevel level) noexcept;

/// Tells one line to the handler of set_log_handler(), or to standard error.
void log_line(LogLevel level, std::string_view text) noexcept;

}  // namespace muster
