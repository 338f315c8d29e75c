#pragma once

#include <functional>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "command.h"
#include "network.h"

#include "muster/error.h"

namespace muster::cli {

/// A command that talks to the network: its work is a coroutine on the calling thread, with a network thread beside it.
class SessionCommand : public Command {
public:
    Exit run(const Context& context) final;

private:
    virtual boost::asio::awaitable<Exit> work(boost::asio::io_context& io, Network& network,
                                              const Context& context) = 0;
};

/// SIGINT, SIGTERM and SIGHUP, for as long as `io` lives. One set for all who wait in turn: between two sets a
/// signal would end the process without a goodbye. A signal for which nobody waits is kept for the next.
boost::asio::signal_set& signals_of(boost::asio::io_context& io);

/// Waits for a signal, which sets `by_signal`, or for `stay`; then calls `stop`.
boost::asio::awaitable<void> until_stopped(boost::asio::io_context& io, std::optional<Duration> stay,
                                           std::function<void()> stop, bool& by_signal);

/// Tells an error; its exit code.
Exit failed(const Context& context, const Error& error);

}  // namespace muster::cli
