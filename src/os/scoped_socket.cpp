#include "os/scoped_socket.h"

#include <cerrno>
#include <string>

#include <netinet/tcp.h>

#include "os/endpoint_names.h"
#include "os/socket_message.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

Result<int> option_of(int socket, int name, const char* what) {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0) return value;
    const int error = errno;
    if (error == EBADF || error == ENOTSOCK)
        return Error{Errc::bad_input, "descriptor " + std::to_string(socket) + " is no socket"};
    return system_error(std::string{"read socket option "} + what, error);
}

/// Whoever connects has no peer yet, and its first packet has left. Streams that are not TCP cannot be asked.
bool is_at_rest(int socket) {
    tcp_info info{};
    socklen_t size = sizeof info;
    const bool is_told = ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
    return !is_told || info.tcpi_state == TCP_CLOSE;
}

Endpoint to_endpoint(const SocketAddress& name) {
    if (name.any.sa_family == AF_INET)
        return {to_address(name.v4.sin_addr), ntohs(name.v4.sin_port), InterfaceIndex::none};
    return {to_address(name.v6.sin6_addr).unmapped(), ntohs(name.v6.sin6_port),
            InterfaceIndex{name.v6.sin6_scope_id}};
}

}  // namespace

Result<SocketFacts> socket_facts(int socket) {
    const auto domain = option_of(socket, SO_DOMAIN, "SO_DOMAIN");
    if (!domain) return domain.error();
    if (*domain != AF_INET && *domain != AF_INET6)
        return Error{Errc::bad_input, "the socket is neither of IPv4 nor of IPv6"};
    const auto type = option_of(socket, SO_TYPE, "SO_TYPE");
    if (!type) return type.error();
    const auto held_to = option_of(socket, SO_BINDTOIFINDEX, "SO_BINDTOIFINDEX");
    if (!held_to) return held_to.error();
    SocketFacts facts;
    facts.family = *domain == AF_INET ? IpFamily::v4 : IpFamily::v6;
    facts.is_stream = *type == SOCK_STREAM;
    facts.held_to = InterfaceIndex{static_cast<std::uint32_t>(*held_to)};
    SocketAddress name{};
    socklen_t size = sizeof name;
    if (::getsockname(socket, &name.any, &size) == 0) {
        const Endpoint local = to_endpoint(name);
        facts.local = local.address;
        facts.port = local.port;
    }
    size = sizeof name;
    if (::getpeername(socket, &name.any, &size) == 0) facts.remote = to_endpoint(name);
    facts.has_begun = facts.is_stream && !is_at_rest(socket);
    return facts;
}

Result<void> hold_to(int socket, InterfaceIndex interface) {
    const int index = static_cast<int>(interface);
    if (::setsockopt(socket, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof index) == 0) return {};
    const int error = errno;
    const std::string attempt = "hold a socket to " + interface_name(interface);
    if (error == EPERM)
        return Error{Errc::unsupported, attempt + ": the kernel does not allow it"}.cure(
            "before Linux 5.7 this needs CAP_NET_RAW; a socket that another interface holds is opened anew");
    return system_error(attempt, error);
}

Result<void> bind_source(int socket, const SocketFacts& facts, const IpAddress& source,
                         InterfaceIndex interface) {
    // A port that is chosen now could serve no other connection, as one that is chosen at connect() can.
    if (facts.is_stream)
        (void)set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, "IP_BIND_ADDRESS_NO_PORT");
    SocketAddress name{};
    const socklen_t size = to_socket_address({source, 0, interface}, name);
    if (::bind(socket, &name.any, size) == 0) return {};
    const int error = errno;
    const std::string subject = source.to_string() + " on " + interface_name(interface);
    if (error == EADDRNOTAVAIL) return Error{Errc::no_address, subject + " has gone meanwhile"};
    return system_error("bind a socket to " + subject, error);
}

}  // namespace muster::os
