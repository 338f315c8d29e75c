#include "net/interface_monitor.h"

#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "os/interface_watch.h"
#include "os/timer.h"

namespace muster::net {

namespace asio = boost::asio;

namespace {

// Events were lost and the kernel did not let us read everything afresh: try again that much later.
constexpr Duration kStaleRetry = std::chrono::milliseconds{20};

}  // namespace

class InterfaceMonitor::Driver : public std::enable_shared_from_this<Driver> {
public:
    Driver(const asio::any_io_executor& executor, std::unique_ptr<os::InterfaceWatch> watch,
           const DebounceOptions& options)
        : watch_(std::move(watch)),
          debouncer_(options, watch_->interfaces(), SteadyClock::now()),
          descriptor_(executor, watch_->native_handle()),
          timer_(executor) {}

    ~Driver() { descriptor_.release(); }  // the watch closes it

    void start(OnChange on_change) {
        on_change_ = std::move(on_change);
        wait_for_events();
    }

    void stop() {
        on_change_ = nullptr;
        timer_.cancel();
        descriptor_.cancel();
    }

    const InterfaceSnapshot& snapshot() const { return debouncer_.delivered(); }
    std::uint64_t resyncs() const { return watch_->resyncs(); }

private:
    void wait_for_events() {
        descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                               [self = shared_from_this()](const boost::system::error_code& error) {
                                   if (!error) self->on_readable();
                               });
    }

    void on_readable() {
        if (!on_change_) return;
        read_events();
        if (on_change_) wait_for_events();
    }

    void read_events() {
        if (watch_->receive()) tell(debouncer_.on_change(watch_->interfaces(), SteadyClock::now()));
        arm_timer();
    }

    void arm_timer() {
        auto when = debouncer_.next_wakeup();
        if (watch_->is_stale()) when = std::min(when, SteadyClock::now() + kStaleRetry);
        if (when == kNever || !on_change_) return;
        timer_.expires_at(when);
        timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
            if (!error && self->on_change_) self->on_timer();
        });
    }

    void on_timer() {
        tell(debouncer_.on_timer(SteadyClock::now()));
        if (watch_->is_stale()) return read_events();
        arm_timer();
    }

    void tell(const std::optional<InterfaceDebouncer::Delivery>& delivery) {
        if (!delivery || !on_change_) return;
        const auto callback = on_change_;  // it may destroy the monitor, and with it on_change_
        callback(delivery->snapshot, delivery->diff);
    }

    std::unique_ptr<os::InterfaceWatch> watch_;
    OnChange on_change_;
    InterfaceDebouncer debouncer_;
    asio::posix::stream_descriptor descriptor_;
    os::Timer timer_;
};

Result<std::unique_ptr<InterfaceMonitor>> InterfaceMonitor::open(const asio::any_io_executor& executor,
                                                                 OnChange on_change,
                                                                 const DebounceOptions& options) {
    auto monitor = prepare(executor, options);
    if (monitor) (*monitor)->start(std::move(on_change));
    return monitor;
}

Result<std::unique_ptr<InterfaceMonitor>> InterfaceMonitor::prepare(const asio::any_io_executor& executor,
                                                                    const DebounceOptions& options) {
    auto watch = os::InterfaceWatch::open();
    if (!watch) return watch.error();
    auto driver = std::make_shared<Driver>(executor, std::move(*watch), options);
    return std::unique_ptr<InterfaceMonitor>{new InterfaceMonitor{std::move(driver)}};
}

void InterfaceMonitor::start(OnChange on_change) { driver_->start(std::move(on_change)); }

InterfaceMonitor::InterfaceMonitor(std::shared_ptr<Driver> driver) : driver_(std::move(driver)) {}

InterfaceMonitor::~InterfaceMonitor() { driver_->stop(); }

const InterfaceSnapshot& InterfaceMonitor::snapshot() const { return driver_->snapshot(); }

std::uint64_t InterfaceMonitor::resyncs() const { return driver_->resyncs(); }

}  // namespace muster::net
