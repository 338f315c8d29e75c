#include <memory>
#include <optional>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/strand.hpp>

#include "base/wait.h"
#include "net/socket_scope.h"
#include "node/completion.h"
#include "os/timer.h"

namespace muster {

namespace asio = boost::asio;

namespace {

// One wait for an address. Lives on its strand; kept by its timer alone: a monitor that kept it, being kept by it, would outlive an
// executor that is destroyed.
class ScopeWait : public std::enable_shared_from_this<ScopeWait> {
public:
    ScopeWait(asio::any_io_executor strand, const Endpoint& remote)
        : strand_(std::move(strand)),
          remote_{remote.address.unmapped(), remote.port, remote.interface},
          timer_(strand_),
          waiter_(strand_, "waiting for an address to reach " + remote.to_string()) {}

    const asio::any_io_executor& strand() const { return strand_; }

    void start(node::WaitId id, Duration patience, ScopeHandler handler) {
        if (!waiter_.begin(id, std::move(handler))) return;
        if (auto fine = net::check_device(remote_); !fine) return finish(fine.error());
        PathMonitorOptions options;
        options.remote = remote_;
        options.quiet = options.max_delay = Duration{};  // a gain is what is waited for
        const auto look_on = [weak = weak_from_this()](const NetworkPath& path) {
            if (const auto self = weak.lock()) self->look(path);
        };
        auto monitor = PathMonitor::open(strand_, look_on, options);
        if (!monitor) return finish(monitor.error());
        monitor_.emplace(std::move(*monitor));
        timer_.expires_after(bounded_wait(patience));
        timer_.async_wait([self = shared_from_this()](const boost::system::error_code& stopped) {
            if (!stopped) self->give_up();
        });
        look(monitor_->current());
    }

    void cancel(node::WaitId id) {
        if (!waiter_.is_waiting()) return;
        waiter_.cancel(id);
        stop();
    }

private:
    void look(const NetworkPath& path) {
        auto scope = net::scope_in(path, remote_);
        if (scope || !net::may_pass(path, remote_)) finish(std::move(scope));
    }

    void give_up() {
        if (monitor_) finish(net::scope_in(monitor_->current(), remote_));
    }

    void finish(Result<SocketScope> outcome) {
        if (waiter_.is_waiting()) waiter_.deliver(std::move(outcome));
        stop();
    }

    void stop() {
        timer_.cancel();
        monitor_.reset();
    }

    asio::any_io_executor strand_;
    Endpoint remote_;
    os::Timer timer_;
    std::optional<PathMonitor> monitor_;  // none: over
    node::SingleWaiter<void(Result<SocketScope>)> waiter_;
};

}  // namespace

void detail::start_wait_for_scope(const asio::any_io_executor& executor, const Endpoint& remote,
                                  Duration patience, ScopeHandler handler) {
    const auto wait = std::make_shared<ScopeWait>(asio::make_strand(executor), remote);
    const auto id = node::on_cancel(wait, handler, [](auto& each, auto which) { each.cancel(which); });
    asio::dispatch(wait->strand(), [wait, id, patience, handler = std::move(handler)]() mutable {
        wait->start(id, patience, std::move(handler));
    });
}

}  // namespace muster
