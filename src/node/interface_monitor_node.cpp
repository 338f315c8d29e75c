#include <atomic>
#include <mutex>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include "net/interface_monitor.h"
#include "net/monitor_waits.h"
#include "node/completion.h"

#include "muster/interface_monitor.h"

namespace muster {

namespace asio = boost::asio;

namespace detail {

// Lives on its strand; kept by the InterfaceMonitor and by work under way.
class InterfaceMonitorNode : public std::enable_shared_from_this<InterfaceMonitorNode> {
public:
    InterfaceMonitorNode(asio::any_io_executor strand, std::unique_ptr<net::InterfaceMonitor> monitor)
        : strand_(std::move(strand)),
          monitor_(std::move(monitor)),
          latest_(monitor_->snapshot()),
          told_(latest_),
          waiter_(strand_, "waiting for a change of interfaces") {}

    void start() {
        if (!monitor_) return;  // stopped already
        monitor_->start([weak = weak_from_this()](const InterfaceSnapshot& now, const InterfaceDiff&) {
            if (const auto self = weak.lock()) self->on_change(now);
        });
    }

    void next_change(node::WaitId id, InterfaceMonitor::ChangeHandler handler) {
        if (waiter_.begin(id, std::move(handler))) serve();
    }
    void cancel_next_change(node::WaitId id) { waiter_.cancel(id); }

    void stop() {
        monitor_.reset();
        serve();
    }

    /// Any thread.
    InterfaceSnapshot snapshot() const {
        const std::lock_guard lock{mutex_};
        return latest_;
    }
    /// Any thread.
    std::uint64_t resyncs() const { return resyncs_; }

    const asio::any_io_executor& strand() const { return strand_; }

private:
    void on_change(const InterfaceSnapshot& now) {
        resyncs_ = monitor_->resyncs();
        {
            const std::lock_guard lock{mutex_};
            latest_ = now;
        }
        serve();
    }

    void serve() {
        if (!waiter_.is_waiting()) return;
        if (auto changed = net::diff(told_.interfaces, latest_.interfaces); !changed.empty()) {
            InterfaceChange change{std::move(told_), latest_, std::move(changed)};
            told_ = latest_;
            return waiter_.deliver(Result<InterfaceChange>{std::move(change)});
        }
        if (!monitor_)
            waiter_.deliver(Result<InterfaceChange>{Error{Errc::closed, "the monitor has been stopped"}});
    }

    asio::any_io_executor strand_;
    std::unique_ptr<net::InterfaceMonitor> monitor_;  // null: stopped
    mutable std::mutex mutex_;
    InterfaceSnapshot latest_;  // written on the strand, with the mutex: other threads read it
    InterfaceSnapshot told_;
    std::atomic<std::uint64_t> resyncs_{0};
    node::SingleWaiter<void(Result<InterfaceChange>)> waiter_;
};

}  // namespace detail

namespace {

Result<net::DebounceOptions> debounce_options(const InterfaceMonitorOptions& options) {
    if (auto fine = net::check_waits(options.quiet, options.max_delay); !fine) return fine.error();
    return net::DebounceOptions{options.quiet, options.max_delay, options.immediate_per_second, true};
}

void drop(std::shared_ptr<detail::InterfaceMonitorNode> node) {
    if (!node) return;
    const auto strand = node->strand();
    asio::post(strand, [node = std::move(node)] { node->stop(); });
}

}  // namespace

Result<InterfaceMonitor> InterfaceMonitor::open(const asio::any_io_executor& executor,
                                                const InterfaceMonitorOptions& options) {
    const auto debounce = debounce_options(options);
    if (!debounce) return debounce.error();
    asio::any_io_executor strand = asio::make_strand(executor);
    auto monitor = net::InterfaceMonitor::prepare(strand, *debounce);
    if (!monitor) return monitor.error();
    auto node = std::make_shared<detail::InterfaceMonitorNode>(strand, std::move(*monitor));
    asio::post(strand, [node] { node->start(); });
    return InterfaceMonitor{std::move(node)};
}

InterfaceMonitor::~InterfaceMonitor() { drop(std::move(node_)); }

InterfaceMonitor& InterfaceMonitor::operator=(InterfaceMonitor&& other) noexcept {
    if (this != &other) drop(std::exchange(node_, std::move(other.node_)));
    return *this;
}

InterfaceMonitor::executor_type InterfaceMonitor::get_executor() const { return node_->strand(); }

InterfaceSnapshot InterfaceMonitor::snapshot() const { return node_->snapshot(); }

std::uint64_t InterfaceMonitor::resyncs() const { return node_->resyncs(); }

void InterfaceMonitor::stop() {
    asio::dispatch(node_->strand(), [node = node_] { node->stop(); });
}

void InterfaceMonitor::start_next_change(ChangeHandler handler) {
    const auto id =
        node::on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_next_change(wait); });
    asio::dispatch(node_->strand(), [node = node_, id, handler = std::move(handler)]() mutable {
        node->next_change(id, std::move(handler));
    });
}

}  // namespace muster
