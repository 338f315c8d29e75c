#pragma once

#include <functional>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "command.h"
#include "network.h"

#include "muster/error.h"

namespace muster::cli {

using SessionWork = std::function<boost::asio::awaitable<Exit>(boost::asio::io_context&, Network&)>;

/// Runs a coroutine on this thread, with a network thread beside it, to its end.
Exit run_session(const Context& context, const SessionWork& work);

/// Waits for a signal, which sets `by_signal`, or for `stay`; then calls `stop`.
boost::asio::awaitable<void> until_stopped(boost::asio::io_context& io, std::optional<Duration> stay,
                                           std::function<void()> stop, bool& by_signal);

/// Tells an error; its exit code.
Exit failed(const Context& context, const Error& error);

}  // namespace muster::cli
