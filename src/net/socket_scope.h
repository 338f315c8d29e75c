#pragma once

#include "muster/network_path.h"
#include "muster/socket_scope.h"

namespace muster::net {

/// Checks that `remote` can be a device on a link. Errors: bad_input.
Result<void> check_device(const Endpoint& remote);

/// What a socket to `remote` needs, out of the path there. Errors: as scope_socket() for an endpoint. Pure.
Result<SocketScope> scope_in(const NetworkPath& path, const Endpoint& remote);

/// Whether waiting may help: an interface that is gone does not come back with its index.
bool may_pass(const NetworkPath& path, const Endpoint& remote);

}  // namespace muster::net
