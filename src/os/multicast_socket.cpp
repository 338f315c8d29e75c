#include "os/multicast_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include <linux/sock_diag.h>

#include "os/socket_message.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

Result<> share_port(int socket, PortSharing sharing) {
    if (sharing == PortSharing::exclusive) return {};
    auto done = set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
    if (!done || sharing == PortSharing::address) return done;
    return set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
}

struct Option {
    int level, name, value;
    const char* what;
};

constexpr Option kOptionsV4[] = {
    {IPPROTO_IP, IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL"},
    {IPPROTO_IP, IP_MULTICAST_LOOP, 1, "IP_MULTICAST_LOOP"},
    {IPPROTO_IP, IP_RECVTTL, 1, "IP_RECVTTL"},
};

constexpr Option kOptionsV6[] = {
    {IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0, "IPV6_MULTICAST_ALL"},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, "IPV6_MULTICAST_LOOP"},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT"},
};

Result<> set_all(int socket, std::span<const Option> options) {
    for (const auto& option : options) {
        auto done = set_option(socket, option.level, option.name, option.value, option.what);
        if (!done) return done;
    }
    return {};
}

Result<> set_hop_limit(int socket, bool v6, int limit) {
    auto done = v6 ? set_option(socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, limit, "IPV6_MULTICAST_HOPS")
                   : set_option(socket, IPPROTO_IP, IP_MULTICAST_TTL, limit, "IP_MULTICAST_TTL");
    if (!done) return done;
    return v6 ? set_option(socket, IPPROTO_IPV6, IPV6_UNICAST_HOPS, limit, "IPV6_UNICAST_HOPS")
              : set_option(socket, IPPROTO_IP, IP_TTL, limit, "IP_TTL");
}

void put_address(const IpAddress& address, sockaddr_storage& out) {
    SocketAddress name{};
    const auto size = to_socket_address({address, 0, InterfaceIndex::none}, name);
    static_assert(sizeof out >= sizeof name);
    std::copy_n(reinterpret_cast<const std::byte*>(&name), size, reinterpret_cast<std::byte*>(&out));
}

/// Joins or leaves by index, from whoever sends; returns 0 or errno.
int change_membership(int socket, const IpAddress& group, InterfaceIndex interface, int option) {
    group_req request{};
    request.gr_interface = static_cast<std::uint32_t>(interface);
    put_address(group, request.gr_group);
    const int level = group.is_v6() ? IPPROTO_IPV6 : IPPROTO_IP;
    return ::setsockopt(socket, level, option, &request, sizeof request) == 0 ? 0 : errno;
}

/// Joins for one source; returns 0 or errno.
int join_source(int socket, const IpAddress& group, InterfaceIndex interface, const IpAddress& source) {
    group_source_req request{};
    request.gsr_interface = static_cast<std::uint32_t>(interface);
    put_address(group, request.gsr_group);
    put_address(source, request.gsr_source);
    const int level = group.is_v6() ? IPPROTO_IPV6 : IPPROTO_IP;
    return ::setsockopt(socket, level, MCAST_JOIN_SOURCE_GROUP, &request, sizeof request) == 0 ? 0 : errno;
}

JoinOutcome outcome_of(int error) {
    using Kind = JoinOutcome::Kind;
    if (error == 0) return {};
    return {error == EACCES || error == EPERM ? Kind::forbidden : Kind::failed, error};
}

/// The address to bind to, and what that needs.
Result<IpAddress> bind_address(int socket, const MulticastOptions& options) {
    const bool v6 = options.group.is_v6();
    if (options.bind == BindTo::group) return options.group;
    if (options.bind == BindTo::wildcard) return v6 ? IpAddress{IpAddress::V6{}} : IpAddress{IpAddress::V4{}};
    // A namespace whose loopback interface is down has no such address yet.
    const auto done = v6 ? set_option(socket, IPPROTO_IPV6, IPV6_FREEBIND, 1, "IPV6_FREEBIND")
                         : set_option(socket, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND");
    if (!done) return done.error();
    return v6 ? IpAddress{IpAddress::V6{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}
              : IpAddress{IpAddress::V4{127, 0, 0, 1}};
}

}  // namespace

struct MulticastSocket::Slots {
    explicit Slots(std::size_t max_datagram) : batch(kSlots, max_datagram) {}
    ReceiveBatch batch;
};

Result<std::unique_ptr<MulticastSocket>> MulticastSocket::open(const MulticastOptions& options) {
    if (!options.group.is_multicast())
        return Error{Errc::bad_input, options.group.to_string() + " is not a multicast group"};
    const bool v6 = options.group.is_v6();
    if (v6 && options.bind == BindTo::group && options.interface == InterfaceIndex::none)
        return Error{Errc::bad_input, "binding to an IPv6 group needs an interface"};
    auto opened = open_udp(family_of(options.group));
    if (!opened) return opened.error();
    FileDescriptor socket = std::move(*opened);
    auto done = v6 ? set_all(socket.get(), kOptionsV6) : set_all(socket.get(), kOptionsV4);
    if (done) done = set_hop_limit(socket.get(), v6, options.hop_limit);
    if (done) done = share_port(socket.get(), options.sharing);
    // IPV6_MULTICAST_ALL off does not look at the interface (inet6_mc_check).
    if (done && options.interface != InterfaceIndex::none)
        done = set_option(socket.get(), SOL_SOCKET, SO_BINDTOIFINDEX, static_cast<int>(options.interface),
                          "SO_BINDTOIFINDEX");
    if (!done) return done.error();
    if (options.receive_buffer != 0)
        enlarge_buffer(socket.get(), SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer);
    const auto address = bind_address(socket.get(), options);
    if (!address) return address.error();
    const auto port = bind_udp(socket.get(), {*address, options.port, options.interface});
    if (!port) return port.error();
    return std::unique_ptr<MulticastSocket>{new MulticastSocket{std::move(socket), options, *port}};
}

MulticastSocket::MulticastSocket(FileDescriptor socket, const MulticastOptions& options, std::uint16_t port)
    : socket_(std::move(socket)),
      group_(options.group),
      sources_(options.sources),
      max_datagram_(options.max_datagram),
      port_(port) {}

MulticastSocket::~MulticastSocket() = default;

Result<> MulticastSocket::join(InterfaceIndex interface) {
    const auto subject = "join " + group_.to_string() + " on interface " +
                         std::to_string(static_cast<std::uint32_t>(interface));
    // Index 0 lets the kernel pick one interface and report success: the classic silent failure.
    if (interface == InterfaceIndex::none) return Error{Errc::bad_input, subject + ": no interface named"};
    const auto outcome = try_join(interface);
    if (outcome.kind == JoinOutcome::Kind::joined) return {};
    return system_error(subject, outcome.error);
}

JoinOutcome MulticastSocket::try_join(InterfaceIndex interface) {
    if (interface == InterfaceIndex::none) return {JoinOutcome::Kind::failed, EINVAL};
    if (sources_.empty()) {
        const int error = change_membership(socket_.get(), group_, interface, MCAST_JOIN_GROUP);
        return outcome_of(error == EADDRINUSE ? 0 : error);
    }
    for (const IpAddress& source : sources_) {
        const int error = join_source(socket_.get(), group_, interface, source);
        if (error != 0 && error != EADDRNOTAVAIL) return outcome_of(error);  // not available: joined already
    }
    return {};
}

void MulticastSocket::leave(InterfaceIndex interface) {
    if (interface == InterfaceIndex::none) return;
    (void)change_membership(socket_.get(), group_, interface, MCAST_LEAVE_GROUP);
}

std::uint64_t MulticastSocket::overflowed() const {
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    socklen_t size = sizeof memory;
    const bool is_known = ::getsockopt(socket_.get(), SOL_SOCKET, SO_MEMINFO, memory.data(), &size) == 0 &&
                          size > SK_MEMINFO_DROPS * sizeof memory[0];
    return is_known ? memory[SK_MEMINFO_DROPS] : 0;
}

SendOutcome MulticastSocket::send(const SendRequest& request) {
    if (request.remote.address.is_v6() != group_.is_v6() || request.remote.interface == InterfaceIndex::none)
        return {SendStatus::dropped, EINVAL, request.octets.size()};
    OutgoingMessage message;
    msghdr header{};
    message.build(request, 0, request.ecn, header);
    const int error = send_message(socket_.get(), header);
    if (error == 0) return {SendStatus::sent, 0, request.octets.size()};
    const auto status = classify_send_error(error);
    return {status, error, status == SendStatus::would_block ? 0 : request.octets.size()};
}

std::size_t MulticastSocket::receive(std::span<ReceivedDatagram> out) {
    if (!slots_) slots_ = std::make_unique<Slots>(max_datagram_);
    return slots_->batch.read(socket_.get(), out, discarded_);
}

}  // namespace muster::os
