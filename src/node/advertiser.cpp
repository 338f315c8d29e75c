#include "muster/advertiser.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include "base/bounded_queue.h"
#include "discovery/mdns_service.h"
#include "node/completion.h"

namespace muster {

namespace asio = boost::asio;

namespace detail {
namespace {

constexpr std::size_t kMaxEvents = 1024;  // as many as services; who reads none loses old ones

discovery::Registration registration_of(const ServiceOffer& offer) {
    discovery::Registration out;
    out.instance = offer.name;
    out.type = offer.type;
    out.port = offer.port;
    out.subtypes = offer.subtypes;
    out.txt = offer.txt;
    out.priority = offer.priority;
    out.weight = offer.weight;
    out.uniqueness = offer.is_unique ? discovery::Uniqueness::known_unique : discovery::Uniqueness::probe;
    out.on_conflict = offer.keep_name ? discovery::OnConflict::report : discovery::OnConflict::rename;
    return out;
}

OfferEvent::Kind kind_of(discovery::AdvertiseEvent::Kind kind) {
    switch (kind) {
        case discovery::AdvertiseEvent::Kind::announced: return OfferEvent::Kind::announced;
        case discovery::AdvertiseEvent::Kind::renamed: return OfferEvent::Kind::renamed;
        case discovery::AdvertiseEvent::Kind::conflict: return OfferEvent::Kind::conflict;
    }
    return OfferEvent::Kind::announced;
}

}  // namespace

// Lives on its strand; kept by the Advertiser and by work under way.
class AdvertiserNode : public std::enable_shared_from_this<AdvertiserNode> {
public:
    AdvertiserNode(asio::any_io_executor strand, AdvertiseOptions options)
        : strand_(std::move(strand)),
          offers_(std::move(options.offers)),
          service_(strand_, service_options(options)),
          waiter_(strand_, "waiting for an event") {}

    Result<void> start() {
        if (offers_.empty()) return Error{Errc::bad_input, "there is nothing to advertise"};
        for (std::size_t i = 0; i < offers_.size(); ++i) {
            auto running = service_.advertise(registration_of(offers_[i]),
                                              [this, i](const auto& event) { on_event(i, event); });
            if (!running) return running.error();
            running_.push_back(std::move(*running));
        }
        return service_.start();
    }

    void next_event(node::WaitId id, Advertiser::EventHandler handler) {
        if (waiter_.begin(id, std::move(handler))) serve();
    }
    void cancel_next_event(node::WaitId id) { waiter_.cancel(id); }

    void update_txt(std::size_t offer, TxtRecord txt) {
        if (!stopped_ && offer < running_.size()) service_.update_txt(running_[offer].id, std::move(txt));
    }

    void stop() {
        if (std::exchange(stopped_, true)) return;
        service_.stop();
        running_.clear();
        serve();
    }

    const asio::any_io_executor& strand() const { return strand_; }

private:
    static discovery::MdnsServiceOptions service_options(const AdvertiseOptions& options) {
        discovery::MdnsServiceOptions out;
        out.ipv4 = options.ipv4;
        out.ipv6 = options.ipv6;
        out.only_interfaces = options.interfaces;
        return out;
    }

    void serve() {
        if (!waiter_.is_waiting()) return;
        if (auto event = events_.pop()) return waiter_.deliver(Result<OfferEvent>{*std::move(event)});
        if (stopped_)
            waiter_.deliver(Result<OfferEvent>{Error{Errc::closed, "the advertiser has been stopped"}});
    }

    void on_event(std::size_t offer, const discovery::AdvertiseEvent& event) {
        OfferEvent out;
        out.kind = kind_of(event.kind);
        out.name = event.instance;
        out.holder = event.holder.source;
        out.holder_host = event.holder.host;
        if (out.kind == OfferEvent::Kind::renamed)
            out.previous_name = std::exchange(offers_[offer].name, event.instance);
        events_.push(std::move(out));
        serve();
    }

    asio::any_io_executor strand_;
    std::vector<ServiceOffer> offers_;
    discovery::MdnsService service_;
    std::vector<discovery::Advertisement> running_;
    BoundedQueue<OfferEvent> events_{kMaxEvents, WhenFull::drop_oldest};
    node::SingleWaiter<void(Result<OfferEvent>)> waiter_;
    bool stopped_ = false;
};

void start_advertise(const asio::any_io_executor& executor, AdvertiseOptions options,
                     Advertiser::StartHandler handler) {
    asio::any_io_executor strand = asio::make_strand(executor);
    auto node = std::make_shared<AdvertiserNode>(strand, std::move(options));
    asio::dispatch(strand, [node, handler = std::move(handler)]() mutable {
        auto started = node->start();
        Advertiser advertiser{node};  // stops the node when the start has failed
        auto result =
            started ? Result<Advertiser>{std::move(advertiser)} : Result<Advertiser>{started.error()};
        node::complete(node->strand(), std::move(handler), std::move(result));
    });
}

}  // namespace detail

namespace {

void drop(std::shared_ptr<detail::AdvertiserNode> node) {
    if (!node) return;
    const auto strand = node->strand();
    asio::post(strand, [node = std::move(node)] { node->stop(); });
}

}  // namespace

Advertiser::~Advertiser() { drop(std::move(node_)); }

Advertiser& Advertiser::operator=(Advertiser&& other) noexcept {
    if (this != &other) drop(std::exchange(node_, std::move(other.node_)));
    return *this;
}

Advertiser::executor_type Advertiser::get_executor() const { return node_->strand(); }

void Advertiser::update_txt(std::size_t offer, TxtRecord txt) {
    asio::dispatch(node_->strand(), [node = node_, offer, txt = std::move(txt)]() mutable {
        node->update_txt(offer, std::move(txt));
    });
}

void Advertiser::stop() {
    asio::dispatch(node_->strand(), [node = node_] { node->stop(); });
}

void Advertiser::start_next_event(EventHandler handler) {
    const auto id =
        node::on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_next_event(wait); });
    asio::dispatch(node_->strand(), [node = node_, id, handler = std::move(handler)]() mutable {
        node->next_event(id, std::move(handler));
    });
}

}  // namespace muster
