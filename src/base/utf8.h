#pragma once

#include <string>
#include <string_view>

namespace muster {

/// Copies `text`, with U+FFFD for each octet that is not part of well-formed UTF-8 (RFC 3629): what a remote
/// calls itself may be any octets, and what Muster writes as JSON must be JSON.
std::string to_valid_utf8(std::string_view text);

}  // namespace muster
