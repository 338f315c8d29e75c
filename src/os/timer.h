#pragma once

#include <boost/asio/basic_waitable_timer.hpp>

#include "muster/time.h"

namespace muster::os {

/// Waits for points in time of our clock. Asio sets the kernel's timer by CLOCK_MONOTONIC, which stands while the machine
/// sleeps: what was due meanwhile fires when the rest of the shortest wait is over, at most one heartbeat after waking up.
using Timer = boost::asio::basic_waitable_timer<SteadyClock>;

}  // namespace muster::os
