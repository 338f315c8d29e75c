#include <atomic>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include "base/bounded_queue.h"
#include "base/wait.h"
#include "net/group_target.h"
#include "net/multicast_driver.h"
#include "node/completion.h"

#include "muster/multicast_group.h"

namespace muster {

namespace asio = boost::asio;

namespace {

// What a program that looks away for a second may miss at 1,000 datagrams per second, and a bound on memory if they are
// large.
constexpr std::size_t kMostDatagrams = 1024;
constexpr std::size_t kMostOctets = 4 << 20;

Result<void> check(const MulticastGroupOptions& options) {
    auto fine = net::check({options.group, options.port, options.interfaces, options.prohibit});
    if (!fine) return fine;
    for (const IpAddress& source : options.sources) {
        if (source.is_v6() == options.group.is_v6() && !source.is_multicast() && !source.is_unspecified())
            continue;
        return Error{Errc::bad_input,
                     "the group " + options.group.to_string() + " has no sender " + source.to_string()};
    }
    return {};
}

net::MulticastDriverOptions driver_options(const MulticastGroupOptions& options) {
    net::MulticastDriverOptions out;
    out.group = options.group;
    out.port = options.port;
    out.sources = options.sources;
    out.engine.interfaces = options.interfaces;
    out.engine.prohibit = options.prohibit;
    out.engine.silent_after = bounded_wait(options.silent_after);
    out.engine.look_elsewhere = options.look_elsewhere;
    return out;
}

}  // namespace

namespace detail {

// Lives on its strand; kept by the MulticastGroup and by work under way.
class MulticastNode : public std::enable_shared_from_this<MulticastNode> {
public:
    explicit MulticastNode(asio::any_io_executor strand)
        : strand_(std::move(strand)),
          receiver_(strand_, "waiting for a datagram"),
          watcher_(strand_, "waiting for the status") {}

    Result<void> start(const MulticastGroupOptions& options) {
        if (auto fine = check(options); !fine) return fine;
        net::MulticastHandlers handlers;
        handlers.on_datagram = [this](const os::ReceivedDatagram& datagram) { on_datagram(datagram); };
        handlers.on_change = [this] { on_change(); };
        driver_ =
            std::make_shared<net::MulticastDriver>(strand_, driver_options(options), std::move(handlers));
        auto started = driver_->start();
        if (!started) driver_.reset();
        return started;
    }

    void receive(node::WaitId id, MulticastGroup::DatagramHandler handler) {
        if (receiver_.begin(id, std::move(handler))) serve();
    }
    void cancel_receive(node::WaitId id) { receiver_.cancel(id); }

    void next_status(node::WaitId id, MulticastGroup::StatusHandler handler) {
        if (watcher_.begin(id, std::move(handler))) serve();
    }
    void cancel_next_status(node::WaitId id) { watcher_.cancel(id); }

    void status(MulticastGroup::StatusHandler handler) {
        node::complete(strand_, std::move(handler),
                       driver_ ? Result<MulticastStatus>{driver_->status()} : closed());
    }

    void stop() {
        if (driver_) driver_->stop();
        driver_.reset();
        serve();
    }

    std::uint64_t dropped() const { return dropped_; }
    const asio::any_io_executor& strand() const { return strand_; }

private:
    static Error closed() { return {Errc::closed, "the group has been left"}; }

    void on_datagram(const os::ReceivedDatagram& datagram) {
        while (datagrams_.full() || octets_ + datagram.octets.size() > kMostOctets) {
            const auto oldest = datagrams_.pop();
            if (!oldest) break;
            octets_ -= oldest->octets.size();
            ++dropped_;
        }
        octets_ += datagram.octets.size();
        datagrams_.push({to_bytes(datagram.octets), datagram.remote, datagram.hop_limit});
        serve();
    }

    void on_change() {
        is_news_ = true;
        serve();
    }

    void serve() {
        if (receiver_.is_waiting()) {
            if (auto datagram = datagrams_.pop()) {
                octets_ -= datagram->octets.size();
                receiver_.deliver(Result<MulticastDatagram>{*std::move(datagram)});
            } else if (!driver_) {
                receiver_.deliver(Result<MulticastDatagram>{closed()});
            }
        }
        if (!watcher_.is_waiting()) return;
        if (!driver_) return watcher_.deliver(Result<MulticastStatus>{closed()});
        if (std::exchange(is_news_, false)) watcher_.deliver(Result<MulticastStatus>{driver_->status()});
    }

    asio::any_io_executor strand_;
    std::shared_ptr<net::MulticastDriver> driver_;  // shared with its own pending handlers; null: stopped
    BoundedQueue<MulticastDatagram> datagrams_{kMostDatagrams, WhenFull::drop_oldest};
    std::size_t octets_ = 0;                  // of all in the queue
    std::atomic<std::uint64_t> dropped_ = 0;  // read by any thread
    bool is_news_ = true;                     // the status is one that next_status() has not told
    node::SingleWaiter<void(Result<MulticastDatagram>)> receiver_;
    node::SingleWaiter<void(Result<MulticastStatus>)> watcher_;
};

void start_multicast(const asio::any_io_executor& executor, MulticastGroupOptions options,
                     MulticastGroup::StartHandler handler) {
    asio::any_io_executor strand = asio::make_strand(executor);
    auto node = std::make_shared<MulticastNode>(strand);
    asio::dispatch(strand, [node, options = std::move(options), handler = std::move(handler)]() mutable {
        auto started = node->start(options);
        MulticastGroup group{node};
        auto result =
            started ? Result<MulticastGroup>{std::move(group)} : Result<MulticastGroup>{started.error()};
        node::complete(node->strand(), std::move(handler), std::move(result));
    });
}

}  // namespace detail

namespace {

void drop(std::shared_ptr<detail::MulticastNode> node) {
    if (!node) return;
    const auto strand = node->strand();
    asio::post(strand, [node = std::move(node)] { node->stop(); });
}

}  // namespace

MulticastGroup::~MulticastGroup() { drop(std::move(node_)); }

MulticastGroup& MulticastGroup::operator=(MulticastGroup&& other) noexcept {
    if (this != &other) drop(std::exchange(node_, std::move(other.node_)));
    return *this;
}

MulticastGroup::executor_type MulticastGroup::get_executor() const { return node_->strand(); }

std::uint64_t MulticastGroup::datagrams_dropped() const { return node_->dropped(); }

void MulticastGroup::stop() {
    asio::dispatch(node_->strand(), [node = node_] { node->stop(); });
}

void MulticastGroup::start_receive(DatagramHandler handler) {
    const auto id = node::on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_receive(wait); });
    asio::dispatch(node_->strand(), [node = node_, id, handler = std::move(handler)]() mutable {
        node->receive(id, std::move(handler));
    });
}

void MulticastGroup::start_next_status(StatusHandler handler) {
    const auto id =
        node::on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_next_status(wait); });
    asio::dispatch(node_->strand(), [node = node_, id, handler = std::move(handler)]() mutable {
        node->next_status(id, std::move(handler));
    });
}

void MulticastGroup::start_status(StatusHandler handler) {
    asio::dispatch(node_->strand(), [node = node_, handler = std::move(handler)]() mutable {
        node->status(std::move(handler));
    });
}

}  // namespace muster
