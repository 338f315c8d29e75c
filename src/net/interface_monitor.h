#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "net/interface_changes.h"

#include "muster/error.h"

// Callers include <boost/asio/any_io_executor.hpp> themselves; whoever only holds a monitor is spared it.
namespace boost::asio {
class any_io_executor;
}

namespace muster::net {

/// Tells which interfaces there are and every change of them: what is lost within the same wake-up that the
/// kernel reports it, what is gained when it has settled (see DebounceOptions). A resource; all calls and
/// callbacks on the given executor, which must be a strand or a single thread.
class InterfaceMonitor {
public:
    using OnChange = std::function<void(const InterfaceSnapshot& snapshot, const InterfaceDiff& diff)>;

    /// Reads all interfaces before it returns: snapshot() is complete at once, and no change after it is
    /// missed. `on_change` is never called from inside open(), nor after the monitor is destroyed; it may
    /// destroy the monitor. Errors: system, timed_out (the kernel did not answer).
    static Result<std::unique_ptr<InterfaceMonitor>> open(const boost::asio::any_io_executor& executor,
                                                          OnChange on_change,
                                                          const DebounceOptions& options = {});
    /// As open(), but tells nothing before start(): for who is not on the executor. What happens in between is told then.
    static Result<std::unique_ptr<InterfaceMonitor>> prepare(const boost::asio::any_io_executor& executor,
                                                             const DebounceOptions& options = {});
    /// Once, and on the executor.
    void start(OnChange on_change);

    ~InterfaceMonitor();
    InterfaceMonitor(const InterfaceMonitor&) = delete;
    InterfaceMonitor& operator=(const InterfaceMonitor&) = delete;

    /// As last told.
    const InterfaceSnapshot& snapshot() const;
    /// How often the kernel had dropped events, so that everything was read afresh.
    std::uint64_t resyncs() const;

private:
    class Driver;
    explicit InterfaceMonitor(std::shared_ptr<Driver> driver);

    std::shared_ptr<Driver> driver_;  // shared with its own pending handlers, which may outlive the monitor
};

}  // namespace muster::net
