#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "muster/error.h"
#include "muster/time.h"
#include "muster/why_answer.h"

namespace muster {

enum class WhyTransport : std::uint8_t { tcp, udp };

/// What to ask.
struct WhyOptions {
    explicit WhyOptions(std::string target_wanted) : target(std::move(target_wanted)) {}

    /// "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:443", "fe80::1%eth0", "printer.local:631". A name is looked up by the
    /// system's resolver; its first address counts. Without a port only the host is asked.
    std::string target;
    /// By which interface it is expected. Then the answer says as well why packets take another.
    std::string interface;
    WhyTransport transport = WhyTransport::tcp;  ///< How the port is asked. UDP: one octet, 0.
    /// How long all of it may take, name included; at least 100 ms. Two seconds and a half are what an ARP request that
    /// nobody answers needs to be certain.
    Duration patience = std::chrono::seconds{3};
};

using WhyHandler = boost::asio::any_completion_handler<void(Result<WhyAnswer>)>;

namespace detail {
void start_why(const boost::asio::any_io_executor& executor, WhyOptions options, WhyHandler handler);
}

/// Finds out why packets to a host do not arrive, or that they do: reads what the kernel has decided, and then asks the next
/// hop, the host and its port. Needs no privileges; with them (CAP_NET_RAW) it sees packets on the wire and tells filters of
/// this machine from others. What it could not see, it says. Sends at most four pings, four datagrams of one octet and two
/// TCP connections that carry nothing. Errors: bad_input (no host, a port that cannot be), system (no descriptors left, or
/// sockets are not permitted), unsupported (an interface is named; before Linux 5.7, without CAP_NET_RAW), timed_out (the kernel did not
/// answer), cancelled. Cancellation: terminal, at once; a lookup of the system's resolver that hangs ends on a thread of its own.
/// Thread: any; completes on the handler's associated executor.
template <class Token = boost::asio::use_awaitable_t<>>
auto why(boost::asio::any_io_executor executor, WhyOptions options, Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(Result<WhyAnswer>)>(
        [](auto handler, boost::asio::any_io_executor where, WhyOptions what) {
            detail::start_why(where, std::move(what), std::move(handler));
        },
        token, std::move(executor), std::move(options));
}

}  // namespace muster
