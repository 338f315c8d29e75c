#pragma once

#include <exception>
#include <list>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "muster/time.h"

namespace muster::cli {

/// Coroutines that somebody owns and waits for. All on one thread. Keep it the last member of its owner: its
/// tasks use the others; and wait for all_done() before its destruction.
class Tasks {
public:
    explicit Tasks(boost::asio::any_io_executor executor)
        : executor_(std::move(executor)), empty_(executor_) {}
    Tasks(const Tasks&) = delete;
    Tasks& operator=(const Tasks&) = delete;

    void spawn(boost::asio::awaitable<void> task) {
        const auto entry = cancels_.emplace(cancels_.end());
        auto done = [this, entry](const std::exception_ptr& failure) {
            cancels_.erase(entry);
            if (cancels_.empty()) empty_.cancel();
            if (failure) rethrow_unless_cancelled(failure);
        };
        boost::asio::co_spawn(executor_, std::move(task),
                              boost::asio::bind_cancellation_slot(entry->slot(), std::move(done)));
    }

    /// Cancels what still runs.
    void cancel() {
        for (auto next = cancels_.begin(); next != cancels_.end();)
            (next++)->emit(boost::asio::cancellation_type::terminal);
    }
    /// Waits until nothing runs any more.
    boost::asio::awaitable<void> all_done() {
        while (!cancels_.empty()) {
            empty_.expires_at(boost::asio::steady_timer::time_point::max());
            boost::system::error_code cancelled;
            co_await empty_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
        }
    }

private:
    static void rethrow_unless_cancelled(const std::exception_ptr& failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const boost::asio::multiple_exceptions& several) {  // of || when both sides were cancelled
            rethrow_unless_cancelled(several.first_exception());
        } catch (const boost::system::system_error& error) {
            if (error.code() != boost::asio::error::operation_aborted) throw;
        }
    }

    boost::asio::any_io_executor executor_;
    boost::asio::steady_timer empty_;
    std::list<boost::asio::cancellation_signal> cancels_;
};

}  // namespace muster::cli
