#pragma once

#include <functional>

#include <boost/asio/any_io_executor.hpp>

#include "net/group_target.h"
#include "net/multicast_facts.h"

#include "muster/error.h"
#include "muster/time.h"

namespace muster::net {

/// Gathers the facts about a multicast group: memberships, sockets and filters of this machine first; then it listens,
/// joins everywhere but where it is prohibited, announces what is joined already, and listens again; each time for `listen`
/// at most. `target.interfaces`: where it is expected. Calls `done` on the strand, never from inside the call. Errors: system,
/// timed_out (the kernel did not tell the interfaces).
void examine_multicast(const boost::asio::any_io_executor& strand, GroupTarget target, Duration listen,
                       std::function<void(Result<MulticastFacts>)> done);

}  // namespace muster::net
