#pragma once

#include <string>
#include <string_view>

#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster::os {

/// Reads "192.0.2.1:4711" or "[fe80::1%eth0]:4711": as Endpoint::parse, but the scope may be a name, and is
/// allowed for every address. Errors: bad_input, which says what is wrong and shows the form; no_interface.
Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace muster::os
