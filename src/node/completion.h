#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "muster/error.h"

namespace muster::node {

/// Hands a result to a completion handler on the executor that belongs to it, never from inside the
/// caller. Posted by way of `fallback`, the node's strand: the handler's own executor comes as
/// Boost's any_completion_executor, which cannot promise not to run at once (blocking.never is not
/// among its properties). A coroutine on the strand that awaits one send after the other would pile
/// them up on its stack.
template <class Executor, class Handler, class... Values>
void complete(const Executor& fallback, Handler handler, Values... values) {
    auto executor = boost::asio::prefer(boost::asio::get_associated_executor(handler, fallback),
                                        boost::asio::execution::outstanding_work.tracked);
    auto deliver = [handler = std::move(handler), ... values = std::move(values)]() mutable {
        // A signal that comes late must find nothing to cancel. Cleared here and not before: the slot belongs
        // to the handler's executor.
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected()) slot.clear();
        std::move(handler)(std::move(values)...);
    };
    boost::asio::post(fallback, [executor = std::move(executor), deliver = std::move(deliver)]() mutable {
        executor.execute(std::move(deliver));
    });
}

/// Completes a handler that gets no result, with an error in the form that its signature has.
template <class Executor, class T>
void fail(const Executor& fallback, boost::asio::any_completion_handler<void(Result<T>)> handler, Errc why,
          std::string text) {
    complete(fallback, std::move(handler), Result<T>{Error{why, std::move(text)}});
}

template <class Executor>
void fail(const Executor& fallback,
          boost::asio::any_completion_handler<void(boost::system::error_code, std::size_t)> handler, Errc why,
          const std::string&) {
    const boost::system::error_code told =
        why == Errc::cancelled ? boost::asio::error::operation_aborted : make_error_code(why);
    complete(fallback, std::move(handler), told, std::size_t{0});
}

/// Names one wait of the application, so that a cancellation that comes late ends no other.
enum class WaitId : std::uint64_t {};

inline WaitId fresh_wait() {
    static std::atomic<std::uint64_t> last{0};
    return WaitId{last.fetch_add(1, std::memory_order_relaxed) + 1};
}

/// Runs `cancel(owner, id)` on the owner's strand() when the operation behind `handler` is cancelled, and
/// returns the id. Called where the operation begins, in the application's thread: a cancellation slot may be
/// touched only there and where its handler runs.
template <class Owner, class Handler, class Cancel>
WaitId on_cancel(const std::shared_ptr<Owner>& owner, const Handler& handler, Cancel cancel) {
    const WaitId id = fresh_wait();
    auto slot = boost::asio::get_associated_cancellation_slot(handler);
    if (!slot.is_connected()) return id;
    slot.assign([weak = std::weak_ptr<Owner>{owner}, id, cancel](boost::asio::cancellation_type) {
        auto alive = weak.lock();
        if (!alive) return;
        const auto strand = alive->strand();
        boost::asio::post(strand, [alive = std::move(alive), id, cancel] { cancel(*alive, id); });
    });
    return id;
}

/// The one wait of its kind that may be under way. Lives on the strand of its owner.
template <class Signature>
class SingleWaiter {
public:
    using Handler = boost::asio::any_completion_handler<Signature>;

    /// `what`: "waiting for an event"; begins the text of errors.
    SingleWaiter(boost::asio::any_io_executor strand, std::string what)
        : strand_(std::move(strand)), what_(std::move(what)) {}

    bool is_waiting() const { return static_cast<bool>(handler_); }

    /// Keeps `handler` until deliver() or cancel(). False if an earlier one waits still: it goes on, and
    /// `handler` is told bad_input.
    bool begin(WaitId id, Handler handler) {
        if (handler_) {
            fail(strand_, std::move(handler), Errc::bad_input, what_ + ": an earlier wait is under way");
            return false;
        }
        id_ = id;
        handler_.swap(handler);
        return true;
    }

    /// Only if is_waiting().
    template <class... Values>
    void deliver(Values... values) {
        complete(strand_, take(), std::move(values)...);
    }

    /// Ends the wait as cancelled, if it is this one.
    void cancel(WaitId id) {
        if (id == id_) give_up();
    }
    /// Ends the wait as cancelled, if there is one.
    void give_up() {
        if (handler_) fail(strand_, take(), Errc::cancelled, what_ + " was cancelled");
    }

private:
    Handler take() {
        Handler handler;
        handler.swap(handler_);
        return handler;
    }

    boost::asio::any_io_executor strand_;
    std::string what_;
    WaitId id_{};
    // Swapped, never assigned: the move assignment of Boost 1.81's any_completion_handler
    // calls itself for ever.
    Handler handler_;  // null: nobody waits
};

}  // namespace muster::node
