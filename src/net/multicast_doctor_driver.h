#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "net/multicast_facts.h"

#include "muster/error.h"
#include "muster/time.h"

namespace muster::net {

struct ExaminationOptions {
    IpAddress group;
    std::uint16_t port = 0;
    std::vector<std::string> interfaces;  ///< Selectors: where it is expected; empty: anywhere.
    Duration listen{};                    ///< Twice at most.
};

/// Gathers the facts about a multicast group: memberships, sockets and filters of this machine first; then it listens,
/// joins everywhere and announces what is joined already, and listens again. Calls `done` on the strand, never from inside
/// the call. Errors: system, timed_out (the kernel did not tell the interfaces).
void examine_multicast(const boost::asio::any_io_executor& strand, ExaminationOptions options,
                       std::function<void(Result<MulticastFacts>)> done);

}  // namespace muster::net
