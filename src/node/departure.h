#pragma once

#include "muster/error.h"
#include "muster/session_types.h"

namespace muster::node {

/// What operations of a session are told that it ended before them: `closed` with code and reason, or `lost` with the
/// evidence and the cure.
Error error_of(const Departure& how);

}  // namespace muster::node
