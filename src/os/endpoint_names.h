#pragma once

#include <string>
#include <string_view>

#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster::os {

/// Reads "192.0.2.1:4711" or "[fe80::1%eth0]:4711": as Endpoint::parse, but the scope may be a name, and is
/// allowed for every address and required for link-local IPv6. Errors: bad_input, which says what is wrong
/// and shows the form; no_interface.
Result<Endpoint> parse_endpoint(std::string_view text);

/// Prints what parse_endpoint reads, with the interface by its name if one is given.
std::string to_text(const Endpoint& endpoint);

/// The name an interface has now; "interface 7" if there is none with this index any more.
std::string interface_name(InterfaceIndex index);

}  // namespace muster::os
