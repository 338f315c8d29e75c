#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "base/duration_text.h"
#include "base/text.h"
#include "base/wait.h"
#include "node/completion.h"
#include "node/http_url.h"
#include "os/name_lookup.h"
#include "os/timer.h"

#include "muster/interface.h"
#include "muster/internet.h"
#include "muster/network_path.h"
#include "muster/socket_scope.h"

namespace muster {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

constexpr std::size_t kMostAddresses = 4;
constexpr std::uint32_t kMostHeader = 8192;
constexpr std::size_t kMostPortal = 512;
constexpr Duration kLongest = std::chrono::hours{1};
constexpr Duration kLookAgain = std::chrono::milliseconds{5};  // at an answer of the resolver's thread

tcp::endpoint to_tcp(const Endpoint& to) {
    if (to.address.is_v4()) return {asio::ip::make_address(to.address.to_string()), to.port};
    return {asio::ip::address_v6{to.address.v6(), static_cast<std::uint32_t>(to.interface)}, to.port};
}

Error failure_of(const boost::system::error_code& error, const Endpoint& asked) {
    const std::string subject = to_text(asked);
    if (error == beast::error::timeout || error == asio::error::timed_out)
        return {Errc::timed_out, subject + " does not answer"};
    if (error == asio::error::network_unreachable || error == asio::error::host_unreachable)
        return {Errc::no_route, subject + " cannot be reached: " + error.message()};
    if (error == http::error::end_of_stream)
        return {Errc::system, subject + " closed the connection without an answer"};
    if (error.category() == http::make_error_code(http::error::bad_version).category())
        return {Errc::system, subject + " did not answer in HTTP: " + error.message()};
    return {Errc::system, "ask " + subject + ": " + error.message()};
}

/// The interface of this name; its number works too.
Result<InterfaceIndex> find_named(const std::string& name) {
    const auto endpoint = parse_endpoint("192.0.2.1%" + name + ":1");
    if (!endpoint) return Error{Errc::no_interface, "there is no interface '" + cleaned(name, 32) + "'"};
    return endpoint->interface;
}

/// Which one a connected socket sends by; empty if that cannot be said.
std::string interface_of(int socket) {
    const auto path = path_of(socket);
    if (!path) return {};
    const std::optional<PathRoute>& route = path->route;
    return route ? route->interface_name : std::string{};
}

// One probe. Lives on its strand; kept by its coroutine.
class InternetQuestion : public std::enable_shared_from_this<InternetQuestion> {
public:
    InternetQuestion(asio::any_io_executor strand, InternetProbe probe, node::HttpUrl url)
        : strand_(std::move(strand)),
          probe_(std::move(probe)),
          url_(std::move(url)),
          began_(SteadyClock::now()),
          end_(began_ + std::min(bounded_wait(probe_.patience), kLongest)),
          pause_(strand_),
          waiter_(strand_, "asking " + url_.host_and_port) {}

    const asio::any_io_executor& strand() const { return strand_; }

    void start(node::WaitId id, InternetHandler handler) {
        if (!waiter_.begin(id, std::move(handler))) return;
        asio::co_spawn(strand_, ask(),
                       [self = shared_from_this()](const std::exception_ptr& thrown, auto proof) {
                           if (thrown) std::rethrow_exception(thrown);  // out of memory
                           if (self->waiter_.is_waiting()) self->waiter_.deliver(std::move(proof));
                       });
    }

    void cancel(node::WaitId id) {
        waiter_.cancel(id);
        is_over_ = true;
        pause_.cancel();
        if (stream_) stream_->cancel();
    }

private:
    using Asked = asio::awaitable<Result<InternetProof>>;

    Asked ask() {
        InterfaceIndex interface = InterfaceIndex::none;
        if (!probe_.interface.empty()) {
            const auto named = find_named(probe_.interface);
            if (!named) co_return nobody({}, named.error());
            interface = *named;
        }
        const auto addresses = co_await look_up();
        if (!addresses) {
            if (addresses.error().code() == Errc::system) co_return addresses.error();
            co_return nobody({}, addresses.error());
        }
        Result<InternetProof> proof = nobody({}, Error{Errc::timed_out, "there was no time to ask"});
        const std::size_t count = std::min(addresses->size(), kMostAddresses);
        for (std::size_t each = 0; each < count && !is_over_; ++each) {
            const Duration share = (end_ - SteadyClock::now()) / static_cast<std::int64_t>(count - each);
            if (share <= Duration{}) break;
            Endpoint asked = (*addresses)[each];
            asked.port = url_.port;
            if (interface != InterfaceIndex::none) asked.interface = interface;
            proof = co_await ask_one(asked, share);
            if (!proof || proof->state != InternetState::unreachable) break;
        }
        co_return proof;
    }

    asio::awaitable<Result<std::vector<Endpoint>>> look_up() {
        if (const auto address = IpAddress::parse(url_.host))
            co_return std::vector<Endpoint>{Endpoint{*address}};
        const auto lookup = os::NameLookup::begin(url_.host);
        if (!lookup) co_return lookup.error();
        while (SteadyClock::now() < end_ && !is_over_) {
            if (auto outcome = (*lookup)->outcome()) {
                if (!outcome->addresses.empty()) co_return std::move(outcome->addresses);
                co_return Error{Errc::unreachable, "'" + url_.host + "' has no address: " + outcome->trouble};
            }
            pause_.expires_after(kLookAgain);
            boost::system::error_code stopped;
            co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, stopped));
        }
        co_return Error{Errc::timed_out, "the system's resolver does not answer for '" + url_.host + "'"};
    }

    Asked ask_one(Endpoint asked, Duration share) {
        const tcp::endpoint remote = to_tcp(asked);
        tcp::socket socket{strand_};
        boost::system::error_code error;
        socket.open(remote.protocol(), error);
        if (error) co_return Error{Errc::system, "open a socket: " + error.message()};
        if (asked.interface != InterfaceIndex::none)
            if (const auto held = scope_socket(socket.native_handle(), asked); !held)
                co_return nobody(asked, held.error());
        stream_.emplace(std::move(socket));
        stream_->expires_after(share);
        co_await stream_->async_connect(remote, asio::redirect_error(asio::use_awaitable, error));
        if (error) co_return nobody(asked, failure_of(error, asked));
        // Now: a connection that the other end has reset has no peer any more.
        const std::string by = interface_of(stream_->socket().native_handle());

        http::request<http::empty_body> request{http::verb::get, url_.target, 11};
        request.set(http::field::host, url_.host_and_port);
        request.set(http::field::connection, "close");
        co_await http::async_write(*stream_, request, asio::redirect_error(asio::use_awaitable, error));
        http::response_parser<http::buffer_body> answer;
        answer.header_limit(kMostHeader);
        answer.body_limit(
            std::numeric_limits<std::uint64_t>::max());  // no more of it is read than is compared
        beast::flat_buffer buffer;
        if (!error)
            co_await http::async_read_header(*stream_, buffer, answer,
                                             asio::redirect_error(asio::use_awaitable, error));
        if (error) co_return nobody(asked, failure_of(error, asked));
        bool is_right = answer.get().result_int() == probe_.status;
        if (is_right && !probe_.body.empty()) {
            std::string page(probe_.body.size(), '\0');
            answer.get().body().data = page.data();
            answer.get().body().size = page.size();
            co_await http::async_read(*stream_, buffer, answer,
                                      asio::redirect_error(asio::use_awaitable, error));
            is_right = page == probe_.body;
        }
        InternetProof proof =
            proof_at(asked, is_right ? InternetState::verified : InternetState::intercepted);
        proof.interface_name = by;
        proof.status = answer.get().result_int();
        if (!is_right) proof.portal = cleaned(answer.get()[http::field::location], kMostPortal);
        co_return proof;
    }

    InternetProof proof_at(const Endpoint& asked, InternetState state) const {
        InternetProof proof;
        proof.state = state;
        proof.when = SteadyClock::now();
        proof.took = proof.when - began_;
        proof.asked = asked;
        return proof;
    }
    InternetProof nobody(const Endpoint& asked, Error failure) const {
        InternetProof proof = proof_at(asked, InternetState::unreachable);
        proof.failure = std::move(failure);
        return proof;
    }

    asio::any_io_executor strand_;
    InternetProbe probe_;
    node::HttpUrl url_;
    TimePoint began_, end_;
    os::Timer pause_;
    std::optional<beast::tcp_stream> stream_;
    bool is_over_ = false;
    node::SingleWaiter<void(Result<InternetProof>)> waiter_;
};

}  // namespace

std::string_view to_string(InternetState state) noexcept {
    switch (state) {
        case InternetState::verified: return "verified";
        case InternetState::intercepted: return "intercepted";
        case InternetState::unreachable: return "unreachable";
    }
    return "unreachable";
}

std::string InternetProof::explain() const {
    std::string text = "internet " + std::string{to_string(state)};
    if (failure) return text + ": " + failure->message();
    text += ": " + to_text(asked) + (interface_name.empty() ? "" : " by " + interface_name) + " answered " +
            std::to_string(status) + " after " + in_milliseconds(took);
    if (!portal.empty()) text += ", and leads to " + portal;
    if (state == InternetState::intercepted)
        text += "; open a page in a browser, there may be somewhere to sign in";
    return text;
}

void detail::start_verify_internet(const asio::any_io_executor& executor, InternetProbe probe,
                                   InternetHandler handler) {
    auto strand = asio::make_strand(executor);
    auto url = node::parse_http_url(probe.url);
    if (!url) return node::complete(strand, std::move(handler), Result<InternetProof>{url.error()});
    const auto question = std::make_shared<InternetQuestion>(strand, std::move(probe), *std::move(url));
    const auto id = node::on_cancel(question, handler, [](auto& each, auto which) { each.cancel(which); });
    asio::dispatch(strand, [question, id, handler = std::move(handler)]() mutable {
        question->start(id, std::move(handler));
    });
}

}  // namespace muster
