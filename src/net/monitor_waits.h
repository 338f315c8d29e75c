#pragma once

#include "muster/error.h"
#include "muster/time.h"

namespace muster::net {

/// Whether a monitor can wait so long before it tells a change. Errors: bad_input (negative, or more than an hour).
Result<void> check_waits(Duration quiet, Duration max_delay);

}  // namespace muster::net
