#pragma once

#include <optional>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
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
/// Posted by way of `fallback`, the node's strand: the handler's own executor comes as Boost's
/// any_completion_executor, which cannot promise not to run at once (blocking.never is not among its
/// properties). A coroutine on the strand that awaits one send after the other would pile them up on its
/// stack.
template <class Executor, class Handler, class... Values>
void complete(const Executor& fallback, Handler handler, Values... values) {
    auto executor = boost::asio::prefer(boost::asio::get_associated_executor(handler, fallback),
                                        boost::asio::execution::outstanding_work.tracked);
    auto deliver = [handler = std::move(handler), ... values = std::move(values)]() mutable {
        std::move(handler)(std::move(values)...);
    };
    boost::asio::post(fallback, [executor = std::move(executor), deliver = std::move(deliver)]() mutable {
        executor.execute(std::move(deliver));
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
