#pragma once

#include <memory>
#include <optional>
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
class BrowserNode;
}

/// What to look for, and where.
struct BrowseOptions {
    /// `type`: "_http._tcp"; checked when browsing starts.
    explicit BrowseOptions(std::string type_wanted) : type(std::move(type_wanted)) {}

    std::string type;
    std::string subtype;   ///< Only members of this subtype; empty: everybody.
    std::string instance;  ///< Only this one name, asked for directly; empty: whoever is there.
    bool ipv4 = true;
    bool ipv6 = true;
    std::vector<std::string> interfaces;  ///< By name; empty: every one that can carry multicast.
};

/// Watches the services of one type on the local network (DNS-SD over mDNS), on every interface, as they
/// come, change and go. A resource; movable. Its destructor stops it. Any thread; completions run on the
/// handler's associated executor. Every operation takes any Asio completion token: a callback, use_future,
/// use_awaitable (the default).
class Browser {
public:
    using executor_type = boost::asio::any_io_executor;
    using EventHandler = boost::asio::any_completion_handler<void(Result<ServiceEvent>)>;
    using StartHandler = boost::asio::any_completion_handler<void(Result<Browser>)>;

    explicit Browser(std::shared_ptr<detail::BrowserNode> node) : node_(std::move(node)) {}
    Browser(Browser&&) noexcept = default;
    Browser& operator=(Browser&&) noexcept;
    Browser(const Browser&) = delete;
    Browser& operator=(const Browser&) = delete;
    ~Browser();

    /// The strand on which it lives.
    executor_type get_executor() const;

    /// Waits for the next change. One wait at a time. Who does not ask misses no service: changes
    /// of one service are folded into one, and what came and went meanwhile is not told. Errors:
    /// closed (after stop()), cancelled, bad_input (a second wait; the first goes on).
    /// Cancellation: total; no change is lost.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto next_event(Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<ServiceEvent>)>(
            [this](auto handler) { start_next_event(std::move(handler)); }, token);
    }

    /// Tells that this service did not answer on its own protocol: it is asked for again, and `left`
    /// comes after 10 s of silence (RFC 6762 section 10.4). mDNS alone would believe in a crashed
    /// peer for 75 minutes.
    void reconfirm(std::string instance);
    /// Stops; a waiting next_event() ends with Errc::closed. Idempotent.
    void stop();

private:
    void start_next_event(EventHandler handler);

    std::shared_ptr<detail::BrowserNode> node_;
};

namespace detail {
void start_browse(const boost::asio::any_io_executor& executor, BrowseOptions options,
                  Browser::StartHandler handler);
}

/// Starts looking. Completes as soon as the sockets are open; what is found comes by Browser::next_event().
/// Errors: bad_input (type or subtype), bad_name (instance), system (the sockets). Cancellation: none, it
/// waits for nobody.
template <class Token = boost::asio::use_awaitable_t<>>
auto browse(boost::asio::any_io_executor executor, BrowseOptions options, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(Result<Browser>)>(
        [](auto handler, boost::asio::any_io_executor where, BrowseOptions what) {
            detail::start_browse(where, std::move(what), std::move(handler));
        },
        token, std::move(executor), std::move(options));
}

}  // namespace muster
