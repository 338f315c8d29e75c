#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "muster/error.h"
#include "muster/interface_changes.h"
#include "muster/time.h"

namespace muster {

namespace detail {
class InterfaceMonitorNode;
}

/// How an InterfaceMonitor tells of changes.
struct InterfaceMonitorOptions {
    InterfaceMonitorOptions() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    /// A change is told when nothing has changed for so long: plugging in a cable, with DHCP, makes some twenty messages of
    /// the kernel. An interface that has a carrier and no address yet, but link-local ones, waits for `max_delay`: DHCP takes longer.
    Duration quiet = std::chrono::milliseconds{50};
    /// ... or when the oldest change that is not told yet is so old, if they never stop.
    Duration max_delay = std::chrono::milliseconds{250};
    /// Losses, and the first change after a quiet time, are told at once, as long as they come no faster than this many in
    /// a second. 0: everything waits for the quiet.
    std::uint32_t immediate_per_second = 10;
};

/// Watches the network interfaces of this namespace. It knows all of them when open() returns; from then on it tells
/// changes, few and complete: a burst is one change, the last state of everything is always told, and if the kernel had to
/// drop messages (ENOBUFS) everything is read afresh. An interface that flaps faster than it can be told shows it in
/// Interface::carrier_changes. A resource; movable. Its destructor stops it. Any thread; completions run on the handler's
/// associated executor.
class InterfaceMonitor {
public:
    using executor_type = boost::asio::any_io_executor;
    using ChangeHandler = boost::asio::any_completion_handler<void(Result<InterfaceChange>)>;

    /// Reads all interfaces before it returns; no change after that is missed. Synchronous, microseconds to milliseconds
    /// (docs/MEASUREMENTS.md). Errors: system, timed_out (the kernel did not answer within a second), bad_input (`quiet` or
    /// `max_delay` is negative, or longer than an hour).
    static Result<InterfaceMonitor> open(const boost::asio::any_io_executor& executor,
                                         const InterfaceMonitorOptions& options = {});

    explicit InterfaceMonitor(std::shared_ptr<detail::InterfaceMonitorNode> node) : node_(std::move(node)) {}
    InterfaceMonitor(InterfaceMonitor&&) noexcept = default;
    InterfaceMonitor& operator=(InterfaceMonitor&&) noexcept;
    InterfaceMonitor(const InterfaceMonitor&) = delete;
    InterfaceMonitor& operator=(const InterfaceMonitor&) = delete;
    ~InterfaceMonitor();

    /// The strand on which it lives.
    executor_type get_executor() const;

    /// All interfaces as of the latest change that was told, or could be if somebody waited. Who wants them as they are at
    /// this moment, debounced or not, calls interfaces().
    InterfaceSnapshot snapshot() const;
    /// How often the kernel had dropped messages, so that everything was read afresh, until the latest change.
    std::uint64_t resyncs() const;

    /// Waits until snapshot() differs from what this told last; at first: from what open() has read. One wait at a time.
    /// Who asks late gets one change with the sum of all. Errors: closed (after stop()), cancelled, bad_input (a second
    /// wait; the first goes on). Cancellation: total; no change is lost.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto next_change(Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<InterfaceChange>)>(
            [this](auto handler) { start_next_change(std::move(handler)); }, token);
    }

    /// Stops; a waiting next_change() ends with Errc::closed. Idempotent.
    void stop();

private:
    void start_next_change(ChangeHandler handler);

    std::shared_ptr<detail::InterfaceMonitorNode> node_;
};

}  // namespace muster
