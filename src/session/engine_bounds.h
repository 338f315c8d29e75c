#pragma once

#include <chrono>

#include "muster/time.h"

// Bounds that the engines of both ends share.

namespace muster::session {

/// After the session's end the link lives that long, so that the last word gets out; then this end closes it.
inline constexpr Duration kLinger = std::chrono::seconds{2};

/// The last batch of a journal may take that long after the end of everything else.
inline constexpr Duration kDiskPatience = std::chrono::seconds{1};

/// Rounds of events that cause events in one flush(); the rest waits for the next one.
inline constexpr int kFlushRounds = 16;

}  // namespace muster::session
