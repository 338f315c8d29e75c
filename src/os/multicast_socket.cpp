#include "os/multicast_socket.h"

#include <cerrno>
#include <string>

#include "os/socket_message.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

// Link-local protocols check that a datagram has crossed no router by its hop limit (RFC 6762 section 11).
constexpr int kHopLimit = 255;

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
    {IPPROTO_IP, IP_MULTICAST_TTL, kHopLimit, "IP_MULTICAST_TTL"},
    {IPPROTO_IP, IP_TTL, kHopLimit, "IP_TTL"},
    {IPPROTO_IP, IP_RECVTTL, 1, "IP_RECVTTL"},
};

constexpr Option kOptionsV6[] = {
    {IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0, "IPV6_MULTICAST_ALL"},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, "IPV6_MULTICAST_LOOP"},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kHopLimit, "IPV6_MULTICAST_HOPS"},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, kHopLimit, "IPV6_UNICAST_HOPS"},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT"},
};

Result<> set_all(int socket, std::span<const Option> options) {
    for (const auto& option : options) {
        auto done = set_option(socket, option.level, option.name, option.value, option.what);
        if (!done) return done;
    }
    return {};
}

/// Joins or leaves by index; returns 0 or errno.
int change_membership(int socket, const IpAddress& group, InterfaceIndex interface, bool join) {
    group_req request{};
    SocketAddress address{};
    const auto size = to_socket_address({group, 0, InterfaceIndex::none}, address);
    request.gr_interface = static_cast<std::uint32_t>(interface);
    static_assert(sizeof request.gr_group >= sizeof address);
    std::copy_n(reinterpret_cast<const std::byte*>(&address), size,
                reinterpret_cast<std::byte*>(&request.gr_group));
    const int level = group.is_v6() ? IPPROTO_IPV6 : IPPROTO_IP;
    const int name = join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP;
    return ::setsockopt(socket, level, name, &request, sizeof request) == 0 ? 0 : errno;
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
    ReceiveBatch batch{kSlots, kMaxDatagram};
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
    if (done) done = share_port(socket.get(), options.sharing);
    if (!done) return done.error();
    const auto address = bind_address(socket.get(), options);
    if (!address) return address.error();
    const auto port = bind_udp(socket.get(), {*address, options.port, options.interface});
    if (!port) return port.error();
    return std::unique_ptr<MulticastSocket>{new MulticastSocket{std::move(socket), options, *port}};
}

MulticastSocket::MulticastSocket(FileDescriptor socket, const MulticastOptions& options, std::uint16_t port)
    : socket_(std::move(socket)), group_(options.group), port_(port) {}

MulticastSocket::~MulticastSocket() = default;

Result<> MulticastSocket::join(InterfaceIndex interface) {
    const auto subject = "join " + group_.to_string() + " on interface " +
                         std::to_string(static_cast<std::uint32_t>(interface));
    // Index 0 lets the kernel pick one interface and report success: the classic silent failure.
    if (interface == InterfaceIndex::none) return Error{Errc::bad_input, subject + ": no interface named"};
    const int error = change_membership(socket_.get(), group_, interface, true);
    if (error == 0 || error == EADDRINUSE) return {};
    return system_error(subject, error);
}

void MulticastSocket::leave(InterfaceIndex interface) {
    if (interface != InterfaceIndex::none) (void)change_membership(socket_.get(), group_, interface, false);
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
    if (!slots_) slots_ = std::make_unique<Slots>();
    return slots_->batch.read(socket_.get(), out, discarded_);
}

}  // namespace muster::os
