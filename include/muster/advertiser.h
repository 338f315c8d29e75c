#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "muster/error.h"
#include "muster/service.h"

namespace muster {

namespace detail {
class AdvertiserNode;
}

/// One service to be advertised.
struct ServiceOffer {
    /// `name` is for people ("Stage left"); `type` is "_http._tcp"; `port` is where it listens.
    ServiceOffer(std::string offer_name, std::string offer_type, std::uint16_t offer_port)
        : name(std::move(offer_name)), type(std::move(offer_type)), port(offer_port) {}

    std::string name;
    std::string type;
    std::uint16_t port;
    std::vector<std::string> subtypes;
    TxtRecord txt;
    std::uint16_t priority = 0;
    std::uint16_t weight = 0;
    /// The name carries 64 random bits or more, or a key's fingerprint: announced at once, without the second
    /// of probing that RFC 6762 section 8.1 asks of all others.
    bool is_unique = false;
    /// Instead of going on as "Name (2)" when somebody else has the name, stop and tell who.
    bool keep_name = false;
};

struct AdvertiseOptions {
    AdvertiseOptions() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)
    explicit AdvertiseOptions(ServiceOffer offer) { offers.push_back(std::move(offer)); }

    std::vector<ServiceOffer> offers;  ///< Those that start together share their packets.
    bool ipv4 = true;
    bool ipv6 = true;
    std::vector<std::string> interfaces;  ///< By name; empty: every one that can carry multicast.
};

/// What became of an offer.
struct OfferEvent {
    enum class Kind {
        announced,  ///< others can see it, on one more interface
        renamed,    ///< somebody else has the name; `name` is the new one
        conflict,   ///< somebody else has the name, and the offer said keep_name: it is not advertised
    };

    Kind kind = Kind::announced;
    std::string name;
    std::string previous_name;  ///< for `renamed`
    Endpoint holder;            ///< for `renamed` and `conflict`: who answered for the name
    std::string holder_host;    ///< the same, as a host name; may be empty
};

/// Advertises services on the local network (DNS-SD over mDNS), on every interface, also on those that come
/// later. A resource; movable. Its destructor says goodbye. Any thread; completions run on the handler's
/// associated executor.
class Advertiser {
public:
    using executor_type = boost::asio::any_io_executor;
    using EventHandler = boost::asio::any_completion_handler<void(Result<OfferEvent>)>;
    using StartHandler = boost::asio::any_completion_handler<void(Result<Advertiser>)>;

    explicit Advertiser(std::shared_ptr<detail::AdvertiserNode> node) : node_(std::move(node)) {}
    Advertiser(Advertiser&&) noexcept = default;
    Advertiser& operator=(Advertiser&&) noexcept;
    Advertiser(const Advertiser&) = delete;
    Advertiser& operator=(const Advertiser&) = delete;
    ~Advertiser();

    executor_type get_executor() const;

    /// Waits for the next event. One wait at a time; at most 1024 events wait, older ones are dropped
    /// first. Errors: closed (after stop()), cancelled, bad_input (a second wait; the first goes on).
    /// Cancellation: total.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto next_event(Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<OfferEvent>)>(
            [this](auto handler) { start_next_event(std::move(handler)); }, token);
    }

    /// Replaces the TXT record of the offer with this index in AdvertiseOptions::offers and announces it.
    /// Ignored for an index that does not exist.
    void update_txt(std::size_t offer, TxtRecord txt);
    /// Says goodbye for everything; a waiting next_event() ends with Errc::closed. Idempotent.
    void stop();

private:
    void start_next_event(EventHandler handler);

    std::shared_ptr<detail::AdvertiserNode> node_;
};

namespace detail {
void start_advertise(const boost::asio::any_io_executor& executor, AdvertiseOptions options,
                     Advertiser::StartHandler handler);
}

/// Starts advertising. Completes as soon as the sockets are open; OfferEvent tells when others can see the
/// service. Errors: bad_name, bad_input (type, subtype, port 0, no offer), name_in_use (two equal offers),
/// system (the sockets). Cancellation: none, it waits for nobody.
template <class Token = boost::asio::use_awaitable_t<>>
auto advertise(boost::asio::any_io_executor executor, AdvertiseOptions options, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(Result<Advertiser>)>(
        [](auto handler, boost::asio::any_io_executor where, AdvertiseOptions what) {
            detail::start_advertise(where, std::move(what), std::move(handler));
        },
        token, std::move(executor), std::move(options));
}

}  // namespace muster
