#pragma once

#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "muster/session.h"

namespace muster::cli {

/// Explains one peer, or with "everyone" those that have a link of their own: members reach each other through the
/// coordinator, and nothing is known of their ways. At most 20. Errors: unknown_peer, bad_input (find_peers).
boost::asio::awaitable<Result<std::vector<Explanation>>> explain_peers(Session& session, std::string who);

}  // namespace muster::cli
