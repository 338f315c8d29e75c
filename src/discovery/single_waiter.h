#pragma once

#include <optional>
#include <utility>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include "muster/error.h"

namespace muster::discovery {

/// Hands `result` to `handler` on the handler's own executor, never from inside the caller.
template <class Handler, class T>
void finish(const boost::asio::any_io_executor& fallback, Handler handler, Result<T> result) {
    const auto executor = boost::asio::get_associated_executor(handler, fallback);
    const auto later = boost::asio::prefer(executor, boost::asio::execution::blocking.never);
    later.execute([handler = std::move(handler), result = std::move(result)]() mutable {
        std::move(handler)(std::move(result));
    });
}

/// The one wait for an event that a reader may have at a time. Lives on the strand of its owner.
template <class Event>
class SingleWaiter {
public:
    using Handler = boost::asio::any_completion_handler<void(Result<Event>)>;

    explicit SingleWaiter(boost::asio::any_io_executor strand) : strand_(std::move(strand)) {}

    bool waiting() const { return handler_.has_value(); }

    /// Keeps `handler` until deliver(). `owner` keeps this object alive while a cancellation is under way;
    /// whoever cancels gets Errc::cancelled.
    template <class Owner>
    void wait(Handler handler, const std::shared_ptr<Owner>& owner) {
        if (handler_) return finish<Handler, Event>(strand_, std::move(handler), busy());
        const auto turn = ++turn_;
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected())
            slot.assign([this, weak = std::weak_ptr<Owner>{owner}, turn](boost::asio::cancellation_type) {
                auto alive = weak.lock();
                if (!alive) return;
                boost::asio::post(strand_, [this, alive, turn] {
                    if (turn == turn_ && handler_) deliver(Error{Errc::cancelled, "waiting for an event"});
                });
            });
        // emplace, not assignment: the move assignment of Boost 1.81's any_completion_handler calls itself
        // for ever.
        handler_.emplace(std::move(handler));
    }

    void deliver(Result<Event> result) {
        Handler handler{std::move(*handler_)};
        handler_.reset();
        finish<Handler, Event>(strand_, std::move(handler), std::move(result));
    }

private:
    static Error busy() { return Error{Errc::bad_input, "an earlier wait for an event is still pending"}; }

    boost::asio::any_io_executor strand_;
    std::optional<Handler> handler_;
    std::uint64_t turn_ = 0;
};

}  // namespace muster::discovery
