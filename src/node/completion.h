#pragma once

#include <optional>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

namespace muster::node {

/// A handler that waits for its result. Not a bare any_completion_handler, because the move assignment of
/// Boost 1.81's calls itself for ever: use emplace() and take().
template <class Handler>
using Waiter = std::optional<Handler>;

/// Takes the handler out of a waiter that has one.
template <class Handler>
Handler take(Waiter<Handler>& waiter) {
    Handler handler{std::move(*waiter)};
    waiter.reset();
    return handler;
}

/// Hands a result to a completion handler on the executor that belongs to it, never from inside the caller.
template <class Executor, class Handler, class... Values>
void complete(const Executor& fallback, Handler handler, Values... values) {
    auto executor = boost::asio::get_associated_executor(handler, fallback);
    auto later = boost::asio::prefer(executor, boost::asio::execution::blocking.never);
    later.execute([handler = std::move(handler), ... values = std::move(values)]() mutable {
        std::move(handler)(std::move(values)...);
    });
}

/// Runs `cancel` on `executor` when the operation behind `handler` is cancelled.
template <class Executor, class Handler, class Cancel>
void on_cancel(const Executor& executor, const Handler& handler, Cancel cancel) {
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    if (!slot.is_connected()) return;
    slot.assign([executor, cancel = std::move(cancel)](boost::asio::cancellation_type) {
        boost::asio::post(executor, cancel);
    });
}

}  // namespace muster::node
