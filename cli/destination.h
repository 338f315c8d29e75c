#pragma once

#include <string>

#include "muster/endpoint.h"
#include "muster/error.h"

namespace boost::asio {
class io_context;
namespace ip {
class address;
}
}  // namespace boost::asio

namespace muster::cli {

/// An address as people write it, with or without port; a name is looked up by the system's resolver, which is waited for. Its
/// first address counts. Errors: bad_input.
Result<Endpoint> find_destination(boost::asio::io_context& io, const std::string& text);

/// An address of the resolver, with the link to which it belongs: mDNS and /etc/hosts know names of link-local addresses.
Endpoint endpoint_of(const boost::asio::ip::address& address);

}  // namespace muster::cli
