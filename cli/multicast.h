#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "command.h"
#include "network.h"

#include "muster/endpoint.h"
#include "muster/time.h"

namespace muster::cli {

/// What `muster multicast` was asked for.
struct MulticastRequest {
    std::string action;
    Endpoint group;  ///< Address and port.
    std::string text;
    std::vector<std::string> interfaces;
    std::vector<std::string> prohibit;
    std::vector<IpAddress> sources;
    std::optional<Duration> stay;
    bool shows_datagrams = false;
    std::uint64_t count = 1;
    std::optional<Duration> every;
    std::uint8_t hops = 1;
};

// One file each.
boost::asio::awaitable<Exit> watch_multicast(boost::asio::io_context& io, Network& network,
                                             const Context& context, MulticastRequest request);
boost::asio::awaitable<Exit> examine_multicast(Network& network, const Context& context,
                                               MulticastRequest request);
boost::asio::awaitable<Exit> send_multicast(boost::asio::io_context& io, const Context& context,
                                            MulticastRequest request);

}  // namespace muster::cli
