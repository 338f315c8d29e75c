#pragma once

#include <optional>

#include "net/path_judge.h"

#include "muster/error.h"
#include "muster/network_path.h"

namespace muster::os {
class KernelFacts;
}

namespace muster::net {

/// What a path is judged from, read from the kernel now. What cannot be read is an error: nothing follows from what is missing.
/// Errors: system, timed_out.
Result<NetworkFacts> read_facts(os::KernelFacts& kernel, const PathPreferences& preferences);

/// Reads all facts from the kernel, asks it for the route if there is a question, and judges.
/// Errors: as read_facts(), and unsupported (the kernel does not know the family).
Result<NetworkPath> read_path(const PathPreferences& preferences,
                              const std::optional<RouteQuestion>& question);

/// Errors: bad_input.
Result<void> check_question(const RouteQuestion& question);

}  // namespace muster::net
