#pragma once

#include <cstdint>
#include <string>

#include "muster/error.h"

namespace muster::node {

/// What `http://HOST[:PORT][/PATH][?QUERY]` says (RFC 9110 4.2.1). No user, no fragment.
struct HttpUrl {
    std::string host;  ///< A name, or an address without brackets.
    std::uint16_t port = 80;
    std::string target = "/";   ///< Path and query: visible ASCII.
    std::string host_and_port;  ///< For the Host field.

    bool operator==(const HttpUrl&) const = default;
};

/// Errors: bad_input.
Result<HttpUrl> parse_http_url(const std::string& text);

}  // namespace muster::node
