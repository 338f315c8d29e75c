#pragma once

#include "net/network_facts.h"

#include "muster/network_path.h"

namespace muster::net {

/// What the facts mean for whoever wants to leave this machine. Pure.
NetworkPath judge(const NetworkFacts& facts);

/// One question about one destination, and the kernel's answer to it.
struct RouteQuestion {
    Endpoint remote;
    std::optional<IpAddress> local;  ///< The source address that is fixed already.
};

/// What the facts mean for one destination. Pure.
NetworkPath judge(const NetworkFacts& facts, const RouteQuestion& question, const os::RouteAnswer& answer);

}  // namespace muster::net
