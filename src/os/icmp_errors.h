#pragma once

#include <optional>

#include "base/path_findings.h"

namespace muster::os {

/// Takes one error off the error queue of a UDP socket (IP_RECVERR); nullopt if there is none. Errors that are not
/// ICMP's word about a destination have report none.
std::optional<IcmpReport> read_icmp(int socket);

}  // namespace muster::os
