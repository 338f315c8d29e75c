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

using SessionWork = std::function<boost::asio::awaitable<Exit>(boost::asio::io_context&, Network&)>;

/// Runs a coroutine on this thread, with a network thread beside it, to its end.
Exit run_session(const Context& context, const SessionWork& work);

/// SIGINT, SIGTERM and SIGHUP, for as long as `io` lives. One set for all who wait in turn: between two sets a
/// signal would end the process without a goodbye. A signal for which nobody waits is kept for the next.
boost::asio::signal_set& signals_of(boost::asio::io_context& io);

/// Waits for a signal, which sets `by_signal`, or for `stay`; then calls `stop`.
boost::asio::awaitable<void> until_stopped(boost::asio::io_context& io, std::optional<Duration> stay,
                                           std::function<void()> stop, bool& by_signal);

/// Tells an error; its exit code.
Exit failed(const Context& context, const Error& error);

}  // namespace muster::cli
