#pragma once

#include <vector>

#include "os/routing.h"

#include "muster/endpoint.h"
#include "muster/interface.h"

namespace muster::net {

/// What a path is judged from, all of one time. A value.
struct NetworkFacts {
    std::vector<Interface> interfaces;  ///< Marked by the preferences.
    os::RoutingState routing;
    std::vector<Endpoint> dns_servers;
    std::uint32_t uid = 0;  ///< Whose sockets: rules may depend on it.
};

}  // namespace muster::net
