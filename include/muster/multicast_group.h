#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "muster/bytes.h"
#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/multicast_status.h"

namespace muster {

namespace detail {
class MulticastNode;
}

/// Which group, and where.
struct MulticastGroupOptions {
    /// `group_wanted`: "239.7.7.7", "ff02::7:7"; checked when the group is joined, as the port.
    MulticastGroupOptions(IpAddress group_wanted, std::uint16_t port_wanted)
        : group(group_wanted), port(port_wanted) {}

    IpAddress group;
    std::uint16_t port;
    /// Only what these addresses send (source-specific multicast, RFC 4607); empty: anybody. At most 10 of IPv4 and 64
    /// of IPv6, or what the kernel's igmp_max_msf and mld_max_msf say.
    std::vector<IpAddress> sources;
    /// On which interfaces: selectors as in PathPreferences; empty: every one that can do multicast. Loopback only if it
    /// is named or there is no other.
    std::vector<std::string> interfaces;
    /// On which never; wins over `interfaces`.
    std::vector<std::string> prohibit;
    /// It is told as silent when nothing came for so long, or for longer than its rhythm lets expect.
    Duration silent_after = std::chrono::seconds{1};
    /// While it is silent, the group is joined on interfaces that were not chosen as well (on those prohibited never), to
    /// see whether the sender is there. What comes is counted, and not delivered.
    bool look_elsewhere = true;
};

/// One datagram that was sent to the group.
struct MulticastDatagram {
    Bytes octets;
    Endpoint from;               ///< The sender, with the interface it came in by.
    std::uint8_t hop_limit = 0;  ///< TTL or hop limit with which it arrived.
};

/// Membership of one multicast group on every interface, or the chosen ones, each joined by its index: never "any
/// interface", which the kernel takes for the one of the default route. Follows interfaces as they come, go and return
/// under another index. When what came regularly stays away, when a link has come back, and once a minute anyway, the
/// membership is announced afresh, so that a switch which has forgotten it learns of it again. Says how it stands, and
/// why nothing comes. Unicast to the port stays with other programs, and the group can be joined by many programs of one
/// machine. docs/MULTICAST.md has more.
///
/// A resource; movable. Its destructor leaves the group. Any thread; completions run on the handler's associated executor.
/// Every operation takes any Asio completion token: a callback, use_future, use_awaitable (the default).
class MulticastGroup {
public:
    using executor_type = boost::asio::any_io_executor;
    using DatagramHandler = boost::asio::any_completion_handler<void(Result<MulticastDatagram>)>;
    using StatusHandler = boost::asio::any_completion_handler<void(Result<MulticastStatus>)>;
    using StartHandler = boost::asio::any_completion_handler<void(Result<MulticastGroup>)>;

    explicit MulticastGroup(std::shared_ptr<detail::MulticastNode> node) : node_(std::move(node)) {}
    MulticastGroup(MulticastGroup&&) noexcept = default;
    MulticastGroup& operator=(MulticastGroup&&) noexcept;
    MulticastGroup(const MulticastGroup&) = delete;
    MulticastGroup& operator=(const MulticastGroup&) = delete;
    ~MulticastGroup();

    /// The strand on which it lives.
    executor_type get_executor() const;

    /// Waits for the next datagram. One wait at a time. 1,024 that nobody has asked for are kept, of 4 MiB in all; then the
    /// oldest are dropped and counted (datagrams_dropped()). Errors: closed (after stop()), cancelled, bad_input (a second
    /// wait; the first goes on). Cancellation: total; no datagram is lost.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto receive(Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<MulticastDatagram>)>(
            [this](auto handler) { start_receive(std::move(handler)); }, token);
    }

    /// Waits until the status is another one than this function told last, counters aside; the first call returns at once.
    /// One wait at a time. Who does not ask sees the latest, not all. Errors and cancellation: as receive().
    template <class Token = boost::asio::use_awaitable_t<>>
    auto next_status(Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<MulticastStatus>)>(
            [this](auto handler) { start_next_status(std::move(handler)); }, token);
    }

    /// Tells how it stands now, with counters. Errors: closed. Cancellation: none, it waits for nobody.
    template <class Token = boost::asio::use_awaitable_t<>>
    auto status(Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(Result<MulticastStatus>)>(
            [this](auto handler) { start_status(std::move(handler)); }, token);
    }

    /// Datagrams that were dropped because nobody asked for them in time. Any thread.
    std::uint64_t datagrams_dropped() const;

    /// Leaves the group; waiting operations end with Errc::closed. Idempotent.
    void stop();

private:
    void start_receive(DatagramHandler handler);
    void start_next_status(StatusHandler handler);
    void start_status(StatusHandler handler);

    std::shared_ptr<detail::MulticastNode> node_;
};

namespace detail {
void start_multicast(const boost::asio::any_io_executor& executor, MulticastGroupOptions options,
                     MulticastGroup::StartHandler handler);
}

/// Joins a group. Completes as soon as it is joined wherever that is possible now; that there is no interface yet is no
/// error. Errors: bad_input (no multicast address, port 0, a selector or a source that cannot be), already_exists (another
/// program keeps the port for itself), system, timed_out (the kernel did not tell the interfaces). Cancellation: none, it
/// waits for nobody.
template <class Token = boost::asio::use_awaitable_t<>>
auto join_multicast(boost::asio::any_io_executor executor, MulticastGroupOptions options,
                    Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(Result<MulticastGroup>)>(
        [](auto handler, boost::asio::any_io_executor where, MulticastGroupOptions what) {
            detail::start_multicast(where, std::move(what), std::move(handler));
        },
        token, std::move(executor), std::move(options));
}

}  // namespace muster
