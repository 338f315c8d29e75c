#include "muster/browser.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include "discovery/event_board.h"
#include "discovery/mdns_service.h"
#include "node/completion.h"

namespace muster {

namespace asio = boost::asio;

namespace detail {

// Lives on its strand; kept by the Browser and by work under way.
class BrowserNode : public std::enable_shared_from_this<BrowserNode> {
public:
    BrowserNode(asio::any_io_executor strand, BrowseOptions options)
        : strand_(std::move(strand)),
          options_(std::move(options)),
          service_(strand_, service_options(options_)),
          waiter_(strand_, "waiting for an event") {}

    Result<void> start() {
        const auto handler = [this](const ServiceEvent& event) { on_event(event); };
        auto running = options_.instance.empty()
                           ? service_.browse({options_.type, options_.subtype}, handler)
                           : service_.resolve_unique({options_.instance, options_.type, {}}, handler);
        if (!running) return running.error();
        subscription_ = std::move(*running);
        return service_.start();
    }

    void next_event(node::WaitId id, Browser::EventHandler handler) {
        if (waiter_.begin(id, std::move(handler))) serve();
    }
    void cancel_next_event(node::WaitId id) { waiter_.cancel(id); }

    void reconfirm(const std::string& instance) { service_.reconfirm(instance, options_.type); }

    void stop() {
        if (std::exchange(stopped_, true)) return;
        subscription_.stop();
        service_.stop();
        serve();
    }

    const asio::any_io_executor& strand() const { return strand_; }

private:
    static discovery::MdnsServiceOptions service_options(const BrowseOptions& options) {
        discovery::MdnsServiceOptions out;
        out.ipv4 = options.ipv4;
        out.ipv6 = options.ipv6;
        out.only_interfaces = options.interfaces;
        return out;
    }

    void serve() {
        if (!waiter_.is_waiting()) return;
        if (auto event = board_.pop()) return waiter_.deliver(Result<ServiceEvent>{*std::move(event)});
        if (stopped_)
            waiter_.deliver(Result<ServiceEvent>{Error{Errc::closed, "the browser has been stopped"}});
    }

    void on_event(const ServiceEvent& event) {
        board_.push(event);
        serve();
    }

    asio::any_io_executor strand_;
    BrowseOptions options_;
    discovery::MdnsService service_;
    discovery::Subscription subscription_;
    discovery::EventBoard board_;
    node::SingleWaiter<void(Result<ServiceEvent>)> waiter_;
    bool stopped_ = false;
};

void start_browse(const asio::any_io_executor& executor, BrowseOptions options,
                  Browser::StartHandler handler) {
    asio::any_io_executor strand = asio::make_strand(executor);
    auto node = std::make_shared<BrowserNode>(strand, std::move(options));
    asio::dispatch(strand, [node, handler = std::move(handler)]() mutable {
        auto started = node->start();
        Browser browser{node};  // stops the node when the start has failed
        auto result = started ? Result<Browser>{std::move(browser)} : Result<Browser>{started.error()};
        node::complete(node->strand(), std::move(handler), std::move(result));
    });
}

}  // namespace detail

namespace {

void drop(std::shared_ptr<detail::BrowserNode> node) {
    if (!node) return;
    const auto strand = node->strand();
    asio::post(strand, [node = std::move(node)] { node->stop(); });
}

}  // namespace

Browser::~Browser() { drop(std::move(node_)); }

Browser& Browser::operator=(Browser&& other) noexcept {
    if (this != &other) drop(std::exchange(node_, std::move(other.node_)));
    return *this;
}

Browser::executor_type Browser::get_executor() const { return node_->strand(); }

void Browser::reconfirm(std::string instance) {
    asio::dispatch(node_->strand(),
                   [node = node_, instance = std::move(instance)] { node->reconfirm(instance); });
}

void Browser::stop() {
    asio::dispatch(node_->strand(), [node = node_] { node->stop(); });
}

void Browser::start_next_event(EventHandler handler) {
    const auto id =
        node::on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_next_event(wait); });
    asio::dispatch(node_->strand(), [node = node_, id, handler = std::move(handler)]() mutable {
        node->next_event(id, std::move(handler));
    });
}

}  // namespace muster
