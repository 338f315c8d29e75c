#pragma once

#include <string>
#include <utility>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/time.h"

// A socket that means "the device over there" has to name the link. The kernel sends to 192.168.4.1 by whatever route it has: before
// DHCP is done on the device's Wi-Fi, that is the default route of another interface, and each send succeeds.

namespace muster {

/// What a socket needs to reach a device on one link.
struct SocketScope {
    InterfaceIndex interface = InterfaceIndex::none;
    std::string interface_name;
    /// The own address that packets carry: the interface's, or one of loopback that its route names.
    IpAddress source;

    bool operator==(const SocketScope&) const = default;
};

/// Holds a socket to the link that `remote.interface` names, and gives it an own address there by which the answers find back: from
/// then on nothing of it leaves by another interface, and it takes only what comes by this one. `socket` is any IP socket of this
/// process, also one that another library has made (in libcurl: CURLOPT_SOCKOPTFUNCTION); it stays the caller's, must not be connected,
/// connecting or listening, and is of the remote's family (a mapped address, ::ffff:192.168.4.1, is one of IPv4). One that is bound to an own address of that link, or to a port alone, keeps it. Connecting, and
/// sending, is the caller's business. Needs no privileges (Linux 5.7). Well below a millisecond; waits for nothing but the kernel.
/// Any thread.
///
/// When it fails after the interface was found, the socket is held to it all the same: whoever goes on regardless sends by no other
/// link. The same call may be repeated with the same socket.
///
/// Errors: bad_input (no interface named, no IP socket, connected or listening, of another family, held to another interface; a multicast group;
/// an address of this machine), no_interface (it is gone, switched off, or has no carrier), no_address (it has no address yet, or none
/// that is its own), no_route (no line of the tables leads there by it), unsupported (kernels before 5.7, without CAP_NET_RAW), system,
/// timed_out (the kernel did not answer). The evidence has the PathReason by name; path_to() has it as a value.
[[nodiscard]] Result<SocketScope> scope_socket(int socket, const Endpoint& remote);

using ScopeHandler = boost::asio::any_completion_handler<void(Result<SocketScope>)>;

namespace detail {
void start_wait_for_scope(const boost::asio::any_io_executor& executor, const Endpoint& remote,
                          Duration patience, ScopeHandler handler);
}

/// Waits until scope_socket() would succeed for `remote`: until the interface is up and has its address, from DHCP for instance.
/// Completes at once if it would now. Asks no one: it is told by the kernel. Errors: as scope_socket() has them for an endpoint; those
/// that time can cure (no_interface for one that is off, no_address, no_route) come when `patience` is over, and say what was still missing;
/// cancelled. Cancellation: total. Thread: any; completes on the handler's associated executor.
template <class Token = boost::asio::use_awaitable_t<>>
auto wait_for_scope(boost::asio::any_io_executor executor, const Endpoint& remote, Duration patience,
                    Token&& token = {}) {
    return boost::asio::async_initiate<Token, void(Result<SocketScope>)>(
        [](auto handler, boost::asio::any_io_executor where, Endpoint to, Duration at_most) {
            detail::start_wait_for_scope(where, to, at_most, std::move(handler));
        },
        token, std::move(executor), remote, patience);
}

}  // namespace muster
