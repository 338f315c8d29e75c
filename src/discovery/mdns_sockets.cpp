#include "discovery/mdns_sockets.h"

#include <array>
#include <cerrno>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/log.h"
#include "os/multicast_socket.h"

namespace muster::discovery {
namespace {

namespace asio = boost::asio;

// Batches read before others on the strand get their turn.
constexpr int kMaxReadsInARow = 8;
// Room for the questions of a hundred devices that are powered on together.
constexpr std::uint32_t kReceiveBuffer = 1 << 20;

// RFC 6762 section 3.
IpAddress group_of(Family family) {
    if (family == Family::v4) return IpAddress{IpAddress::V4{224, 0, 0, 251}};
    return IpAddress{IpAddress::V6{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb}};
}

}  // namespace

struct MdnsSockets::Port {
    Port(const asio::any_io_executor& executor, std::unique_ptr<os::MulticastSocket> opened)
        : socket(std::move(opened)), waiter(executor, socket->native_handle()) {}
    ~Port() { waiter.release(); }  // the descriptor belongs to `socket`

    Family family = Family::v4;
    SendFrom purpose = SendFrom::mdns_port;
    InterfaceIndex bound = InterfaceIndex::none;  // none: serves every interface
    std::unique_ptr<os::MulticastSocket> socket;
    asio::posix::stream_descriptor waiter;
    bool closed = false;
};

MdnsSockets::MdnsSockets(asio::any_io_executor executor) : executor_(std::move(executor)) {}

MdnsSockets::~MdnsSockets() { close(); }

// One answer for both families: who shares port 5353 in one of them shares the host with another responder.
Result<PortSharing> MdnsSockets::open(const LinkPolicy& policy, OnPacket on_packet) {
    on_packet_ = std::move(on_packet);
    std::optional<Error> reason;
    std::vector<Family> families;
    for (const auto family : {Family::v4, Family::v6}) {
        if (!(family == Family::v4 ? policy.ipv4 : policy.ipv6)) continue;
        const auto sharing = probe_port(family);
        if (!sharing) {
            if (!reason) reason = sharing.error();
            continue;
        }
        families.push_back(family);
        if (*sharing == PortSharing::shared) sharing_ = PortSharing::shared;
    }
    if (families.empty())
        return reason ? *std::move(reason) : Error{Errc::bad_input, "mDNS without IPv4 and without IPv6"};
    auto opened = open_ports(families);
    // Alone a moment ago, but another process asks right now whether it is: so it is
    // there, and we are second.
    if (!opened && opened.error().code() == Errc::already_exists && sharing_ == PortSharing::sole) {
        sharing_ = PortSharing::shared;
        opened = open_ports(families);
    }
    if (!opened) return opened.error();
    return sharing_;
}

Result<void> MdnsSockets::open_ports(std::span<const Family> families) {
    close();
    for (const auto family : families) {
        const bool per_interface = sharing_ == PortSharing::shared && family == Family::v6;
        if (per_interface) continue;  // opened by follow(): Linux binds a link-local group to one interface
        auto port = open_port(family, SendFrom::mdns_port, InterfaceIndex::none);
        if (!port) return port.error();
        wait(*port);
        ports_.push_back(*std::move(port));
    }
    return {};
}

// A bind without any option succeeds only if nobody has the port on the same address or on all. The
// loopback address keeps us out of the way of programs that start at the same time and are second:
// they bind to the group.
Result<PortSharing> MdnsSockets::probe_port(Family family) const {
    os::MulticastOptions options;
    options.group = group_of(family);
    options.port = kMdnsPort;
    options.sharing = os::PortSharing::exclusive;
    options.bind = os::BindTo::loopback;
    const auto socket = os::MulticastSocket::open(options);
    if (socket) return PortSharing::sole;
    if (socket.error().code() == Errc::already_exists) return PortSharing::shared;
    return socket.error();
}

// Alone, we leave the port to be shared by whoever comes later, but do not take part in the hash split of
// SO_REUSEPORT: the later one gets the unicast packets, all of them. Second, we listen on the group, so that
// unicast stays where it was (docs/DISCOVERY.md has the table).
Result<MdnsSockets::PortPointer> MdnsSockets::open_port(Family family, SendFrom purpose,
                                                        InterfaceIndex bound) const {
    os::MulticastOptions options;
    options.group = group_of(family);
    options.receive_buffer = kReceiveBuffer;
    if (purpose == SendFrom::mdns_port) {
        const bool sole = sharing_ == PortSharing::sole;
        options.port = kMdnsPort;
        options.sharing = sole ? os::PortSharing::address : os::PortSharing::address_and_port;
        options.bind = sole ? os::BindTo::wildcard : os::BindTo::group;
        options.interface = bound;
    }
    auto socket = os::MulticastSocket::open(options);
    if (!socket) return socket.error();
    auto port = std::make_shared<Port>(executor_, *std::move(socket));
    port->family = family;
    port->purpose = purpose;
    port->bound = bound;
    return port;
}

void MdnsSockets::follow(const LinkTable& links) {
    std::erase_if(joined_, [&](const auto& each) {
        const auto& [link, since] = each;
        if (links.active(link) && links.find(link.interface)->since == since) return false;
        leave(link);
        return true;
    });
    std::erase_if(ports_, [&](const PortPointer& port) {
        if (port->bound == InterfaceIndex::none || links.active({port->bound, port->family})) return false;
        close_port(*port);
        return true;
    });
    for (const auto link : links.ids())
        if (!joined_.contains(link) && join(link)) joined_.emplace(link, links.find(link.interface)->since);
}

bool MdnsSockets::join(LinkId link) {
    auto port = port_for(link, SendFrom::mdns_port);
    if (port == nullptr) return false;
    // An IPv4 socket may join on so many interfaces only (igmp_max_memberships: 20). The others get one of their own.
    const bool is_shared = port->bound == InterfaceIndex::none;
    if (is_shared && port->socket->try_join(link.interface).error == ENOBUFS)
        port = add_port(link.family, SendFrom::mdns_port, link.interface);
    if (port == nullptr) return false;
    const auto joined = port->socket->join(link.interface);
    if (!joined) log_line(LogLevel::info, "mdns: " + joined.error().message());
    return joined.has_value();
}

void MdnsSockets::leave(LinkId link) {
    if (const auto port = find_port(link, SendFrom::mdns_port)) port->socket->leave(link.interface);
}

MdnsSockets::PortPointer MdnsSockets::find_port(LinkId link, SendFrom from) const {
    PortPointer shared;
    for (const auto& port : ports_) {
        if (port->family != link.family || port->purpose != from) continue;
        if (port->bound == link.interface) return port;
        if (port->bound == InterfaceIndex::none) shared = port;
    }
    return shared;
}

// Ephemeral ports are opened at their first use; so are those that serve one interface.
MdnsSockets::PortPointer MdnsSockets::port_for(LinkId link, SendFrom from) {
    if (auto port = find_port(link, from)) return port;
    const bool per_interface =
        from == SendFrom::mdns_port && sharing_ == PortSharing::shared && link.family == Family::v6;
    if (from == SendFrom::mdns_port && !per_interface) return nullptr;
    return add_port(link.family, from, per_interface ? link.interface : InterfaceIndex::none);
}

MdnsSockets::PortPointer MdnsSockets::add_port(Family family, SendFrom purpose, InterfaceIndex bound) {
    auto port = open_port(family, purpose, bound);
    if (!port) {
        log_line(LogLevel::info, "mdns: " + port.error().message());
        return nullptr;
    }
    wait(*port);
    ports_.push_back(*port);
    return *port;
}

void MdnsSockets::close_port(Port& port) {
    port.closed = true;
    boost::system::error_code ignored;
    port.waiter.cancel(ignored);
}

void MdnsSockets::close() {
    for (const auto& port : ports_) close_port(*port);
    ports_.clear();
    joined_.clear();
}

// The wait holds only the port: `this` is touched after `closed` was checked, and close()
// runs in the destructor.
void MdnsSockets::wait(const PortPointer& port) {
    port->waiter.async_wait(asio::posix::descriptor_base::wait_read,
                            [this, port](boost::system::error_code ec) {
                                if (ec || port->closed) return;
                                read(port);
                                if (!port->closed) wait(port);
                            });
}

void MdnsSockets::read(const PortPointer& port) {
    std::array<os::ReceivedDatagram, os::MulticastSocket::kSlots> batch;
    for (int i = 0; i < kMaxReadsInARow && !port->closed; ++i) {
        const auto count = port->socket->receive(batch);
        for (std::size_t k = 0; k < count && !port->closed; ++k) {
            PacketInfo info;
            info.interface = batch[k].remote.interface;
            info.source = batch[k].remote;
            const bool one_shot = port->purpose == SendFrom::ephemeral;
            info.arrival = one_shot                        ? Arrival::one_shot
                           : batch[k].local.is_multicast() ? Arrival::multicast
                                                           : Arrival::unicast;
            on_packet_(info, batch[k].octets);
        }
        if (count < batch.size()) return;
    }
}

void MdnsSockets::multicast(LinkId link, SendFrom from, ByteView packet) {
    send(link, from, {group_of(link.family), kMdnsPort, link.interface}, packet);
}

void MdnsSockets::unicast(const Endpoint& to, SendFrom from, ByteView packet) {
    send({to.interface, family_of(to.address)}, from, to, packet);
}

// A packet that cannot be sent is a packet lost: the protocol repeats what matters.
void MdnsSockets::send(LinkId link, SendFrom from, const Endpoint& to, ByteView packet) {
    const auto port = port_for(link, from);
    if (port == nullptr) return;
    os::SendRequest request;
    request.remote = to;
    request.octets = packet;
    const auto outcome = port->socket->send(request);
    if (outcome.status != os::SendStatus::sent && log_enabled(LogLevel::debug))
        log_line(LogLevel::debug,
                 "mdns: sending to " + to.to_string() + " failed, errno " + std::to_string(outcome.error));
}

}  // namespace muster::discovery
