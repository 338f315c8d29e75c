#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "net/monitor_waits.h"
#include "net/network_reader.h"
#include "net/path_changes.h"
#include "os/network_watch.h"
#include "os/timer.h"

#include "muster/network_path.h"

namespace muster {

namespace asio = boost::asio;

class PathMonitor::Driver : public std::enable_shared_from_this<Driver> {
public:
    Driver(const asio::any_io_executor& executor, std::unique_ptr<os::NetworkWatch> watch, OnChange on_change,
           PathMonitorOptions options, NetworkPath first)
        : watch_(std::move(watch)),
          on_change_(std::move(on_change)),
          preferences_(std::move(options.preferences)),
          question_(question_of(options)),
          changes_({options.quiet, options.max_delay}, std::move(first)),
          descriptor_(executor, watch_->native_handle()),
          timer_(executor) {}

    ~Driver() { descriptor_.release(); }  // the watch closes it

    static std::optional<net::RouteQuestion> question_of(const PathMonitorOptions& options) {
        if (!options.remote) return std::nullopt;
        return net::RouteQuestion{*options.remote, std::nullopt};
    }

    void start() { wait_for_events(); }

    void stop() {
        on_change_ = nullptr;
        timer_.cancel();
        descriptor_.cancel();
    }

    const NetworkPath& current() const { return changes_.told(); }

private:
    void wait_for_events() {
        descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                               [self = shared_from_this()](const boost::system::error_code& error) {
                                   if (!error) self->on_readable();
                               });
    }

    void on_readable() {
        if (!on_change_) return;
        if (watch_->receive() && changes_.on_event(SteadyClock::now())) read();
        if (!on_change_) return;
        arm_timer();
        wait_for_events();
    }

    void arm_timer() {
        const TimePoint when = changes_.next_wakeup();
        if (when == kNever) return timer_.cancel(), void();
        timer_.expires_at(when);
        timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
            if (!error && self->on_change_) self->on_timer();
        });
    }

    void on_timer() {
        read();
        if (on_change_) arm_timer();
    }

    void read() {
        const TimePoint begin = SteadyClock::now();
        auto path = net::read_path(preferences_, question_);
        const TimePoint now = SteadyClock::now();
        // Without descriptors or memory nothing can be read now, and what has changed would be told only after the next event.
        if (!path) return changes_.on_failure(now);
        const auto told = changes_.on_read(std::move(*path), now, now - begin);
        if (!told) return;
        const auto callback = on_change_;  // it may destroy the monitor, and with it on_change_
        callback(*told);
    }

    std::unique_ptr<os::NetworkWatch> watch_;
    OnChange on_change_;
    PathPreferences preferences_;
    std::optional<net::RouteQuestion> question_;
    net::PathChanges changes_;
    asio::posix::stream_descriptor descriptor_;
    os::Timer timer_;
};

Result<PathMonitor> PathMonitor::open(const asio::any_io_executor& executor, OnChange on_change,
                                      PathMonitorOptions options) {
    if (auto fine = check_path_preferences(options.preferences); !fine) return fine.error();
    if (auto fine = net::check_waits(options.quiet, options.max_delay); !fine) return fine.error();
    const auto question = Driver::question_of(options);
    if (question)
        if (auto fine = net::check_question(*question); !fine) return fine.error();
    auto watch = os::NetworkWatch::open();  // first, so that no change falls between
    if (!watch) return watch.error();
    auto first = net::read_path(options.preferences, question);
    if (!first) return first.error();
    auto driver = std::make_shared<Driver>(executor, std::move(*watch), std::move(on_change),
                                           std::move(options), std::move(*first));
    driver->start();
    return PathMonitor{std::move(driver)};
}

PathMonitor::PathMonitor(std::shared_ptr<Driver> driver) : driver_(std::move(driver)) {}
PathMonitor::PathMonitor(PathMonitor&&) noexcept = default;

PathMonitor& PathMonitor::operator=(PathMonitor&& other) noexcept {
    if (this == &other) return *this;
    if (driver_) driver_->stop();
    driver_ = std::move(other.driver_);
    return *this;
}

PathMonitor::~PathMonitor() {
    if (driver_) driver_->stop();
}

const NetworkPath& PathMonitor::current() const { return driver_->current(); }

}  // namespace muster
