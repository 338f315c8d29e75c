#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/time.h"

// What the kernel cannot know: whether the internet is behind a network that it has a route to. Somebody out there has to be asked.

namespace muster {

/// A question whose answer is known beforehand.
struct InternetProbe {
    explicit InternetProbe(std::string asked_url) : url(std::move(asked_url)) {}

    /// `http://HOST[:PORT][/PATH]`. There is no default: who is asked learns the address of who asks. Not https: a captive portal
    /// could not answer that, and would look like silence.
    std::string url;
    unsigned status = 204;  ///< What comes if nobody is in between.
    std::string body;       ///< What the answer then begins with; empty: it does not matter.
    /// By its name: the question goes by this interface and no other. Empty: by the kernel's choice.
    std::string interface;
    /// For all of it, name included; at most an hour.
    Duration patience = std::chrono::seconds{5};
};

enum class InternetState : std::uint8_t {
    verified,     ///< The answer is the one that was expected.
    intercepted,  ///< Somebody answered something else: a captive portal, most often.
    unreachable,  ///< Nobody answered.
};
/// Stable, for programs.
std::string_view to_string(InternetState state) noexcept;

/// What a probe has shown, at one time.
struct InternetProof {
    InternetState state = InternetState::unreachable;
    TimePoint when;              ///< When that was known: proofs age.
    Duration took{};             ///< From the beginning, the look-up of the name included.
    Endpoint asked;              ///< The last address of the host that was tried; unspecified if it has none.
    std::string interface_name;  ///< By which it was asked; empty if it was not.
    unsigned status = 0;         ///< Of the answer, 0 without one.
    std::string
        portal;  ///< Where an answer that is none wants to lead (Location, RFC 9110 10.2.2), at most 512 octets.
    std::optional<Error> failure;  ///< Why nobody answered.

    /// One sentence for people. What others have sent in it is printable.
    std::string explain() const;

    bool operator==(const InternetProof&) const = default;
};

using InternetHandler = boost::asio::any_completion_handler<void(Result<InternetProof>)>;

namespace detail {
void start_verify_internet(const boost::asio::any_io_executor& executor, InternetProbe probe,
                           InternetHandler handler);
}

/// Asks once, by HTTP/1.1, at most four addresses of the host one after the other; needs no privileges. That nobody answers is no error
/// but a proof of state unreachable. A name is looked up by the system's resolver, over whatever interface that uses; only the question is
/// held to `probe.interface`. Errors: bad_input (the URL, or a name of an interface that cannot be), system (no descriptors left), cancelled.
/// Cancellation: terminal, at once. Thread: any; completes on the handler's associated executor.
template <class Token = boost::asio::use_awaitable_t<>>
auto verify_internet(boost::asio::any_io_executor executor, InternetProbe probe, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(Result<InternetProof>)>(
        [](auto handler, boost::asio::any_io_executor where, InternetProbe what) {
            detail::start_verify_internet(where, std::move(what), std::move(handler));
        },
        token, std::move(executor), std::move(probe));
}

}  // namespace muster
