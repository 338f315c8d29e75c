#include "net/multicast_driver.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "os/multicast_tables.h"

namespace muster::net {

namespace asio = boost::asio;

namespace {

// Half a second of a television channel (16 Mbit/s) fits, should the strand be busy for so long.
constexpr std::uint32_t kReceiveBuffer = 1 << 20;
// Others on the strand get their turn after so many batches.
constexpr int kMaxReadsInARow = 8;

}  // namespace

struct MulticastDriver::Port {
    Port(const asio::any_io_executor& executor, InterfaceIndex index,
         std::unique_ptr<os::MulticastSocket> opened)
        : interface(index), socket(std::move(opened)), waiter(executor, socket->native_handle()) {}
    ~Port() { close(); }

    bool is_closed() const { return socket == nullptr; }
    /// At once: a pending wait may keep the object for a moment.
    void close() {
        waiter.release();  // the socket closes it
        socket.reset();
    }

    InterfaceIndex interface;
    std::unique_ptr<os::MulticastSocket> socket;
    asio::posix::stream_descriptor waiter;
};

MulticastDriver::MulticastDriver(asio::any_io_executor strand, MulticastDriverOptions options,
                                 MulticastHandlers handlers)
    : strand_(std::move(strand)),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      engine_(options_.engine, *this, SteadyClock::now()),
      timer_(strand_) {}

MulticastDriver::~MulticastDriver() = default;

Result<void> MulticastDriver::start() {
    // The same on every interface, so it is said at once: whether the port can be shared at all. Not on the wildcard
    // address, which would take unicast from others for a moment.
    if (const auto shared = open_socket(InterfaceIndex::none, os::BindTo::loopback); !shared) {
        Error why = shared.error();
        if (why.code() == Errc::already_exists)
            why.cure("another program keeps the port for itself: stop it, or make it share (SO_REUSEADDR)");
        return why;
    }
    auto monitor = InterfaceMonitor::open(strand_, [this](const auto& snapshot, const auto&) {
        engine_.on_interfaces(snapshot.interfaces, SteadyClock::now());
        end_turn();
    });
    if (!monitor) return std::move(monitor.error()).during("watching the network interfaces");
    monitor_ = *std::move(monitor);
    engine_.on_interfaces(monitor_->snapshot().interfaces, SteadyClock::now());
    end_turn();
    return {};
}

void MulticastDriver::stop() {
    monitor_.reset();
    handlers_ = {};
    while (!ports_.empty()) leave(ports_.begin()->first);
    timer_.cancel();
}

MulticastStatus MulticastDriver::status() const {
    auto status = engine_.status();
    for (MulticastInterface& each : status.interfaces)
        if (const auto port = ports_.find(each.index); port != ports_.end())
            each.overflowed = port->second->socket->overflowed();
    return status;
}

Result<std::unique_ptr<os::MulticastSocket>> MulticastDriver::open_socket(InterfaceIndex interface,
                                                                          os::BindTo bind) const {
    os::MulticastOptions options;
    options.group = options_.group;
    options.port = options_.port;
    // Not SO_REUSEPORT: kernels from 6.10 on hand what one socket of such a set has joined to any of the set, by a hash
    // (udp_v4_early_demux), and that one has not joined on that interface.
    options.sharing = os::PortSharing::address;
    options.bind = bind;
    options.interface = interface;
    options.sources = options_.sources;
    options.max_datagram = os::kLargestDatagram;
    options.receive_buffer = kReceiveBuffer;
    return os::MulticastSocket::open(options);
}

JoinAnswer MulticastDriver::join(InterfaceIndex interface) {
    if (const auto known = ports_.find(interface); known != ports_.end()) return try_join(*known->second);
    auto socket = open_socket(interface, os::BindTo::group);
    if (!socket) return {JoinAnswer::Kind::failed, socket.error().message()};
    const auto port = std::make_shared<Port>(strand_, interface, *std::move(socket));
    auto answer = try_join(*port);
    if (answer.kind != JoinAnswer::Kind::joined) return answer;
    ports_.emplace(interface, port);
    wait(port);
    return answer;
}

JoinAnswer MulticastDriver::try_join(Port& port) {
    const auto outcome = port.socket->try_join(port.interface);
    const auto said = std::system_category().message(outcome.error);
    switch (outcome.kind) {
        case os::JoinOutcome::Kind::joined: return {};
        case os::JoinOutcome::Kind::forbidden:
            return {JoinAnswer::Kind::forbidden, "the system refuses the join: " + said};
        case os::JoinOutcome::Kind::failed: break;
    }
    return {JoinAnswer::Kind::failed, "the join fails: " + said};
}

JoinAnswer MulticastDriver::announce(InterfaceIndex interface) {
    const auto known = ports_.find(interface);
    if (known == ports_.end()) return join(interface);
    // With IGMPv3 and MLDv2 the kernel folds both into one report of the membership; what lies in the socket's queue stays
    // there.
    known->second->socket->leave(interface);
    return try_join(*known->second);
}

bool MulticastDriver::has_older_querier(InterfaceIndex interface) {
    if (options_.group.is_v6()) return false;  // the kernel tells nobody what it knows of MLDv1
    return std::ranges::any_of(os::read_memberships(false), [&](const os::GroupMembership& each) {
        return each.interface == interface && (each.igmp_version == 1 || each.igmp_version == 2);
    });
}

void MulticastDriver::leave(InterfaceIndex interface) {
    const auto known = ports_.find(interface);
    if (known == ports_.end()) return;
    known->second->close();
    ports_.erase(known);
}

void MulticastDriver::wait(const PortPointer& port) {
    port->waiter.async_wait(asio::posix::descriptor_base::wait_read,
                            [self = shared_from_this(), port](const boost::system::error_code& error) {
                                if (error || port->is_closed()) return;
                                self->read(*port);
                                if (!port->is_closed()) self->wait(port);
                            });
}

void MulticastDriver::read(Port& port) {
    std::array<os::ReceivedDatagram, os::MulticastSocket::kSlots> batch;
    for (int reads = 0; reads < kMaxReadsInARow && !port.is_closed(); ++reads) {
        const auto count = port.socket->receive(batch);
        for (std::size_t i = 0; i < count && !port.is_closed(); ++i) {
            const bool is_wanted =
                engine_.on_datagram(port.interface, batch[i].octets.size(), SteadyClock::now());
            if (is_wanted && handlers_.on_datagram) handlers_.on_datagram(batch[i]);
        }
        if (count < batch.size()) break;
    }
    end_turn();
}

void MulticastDriver::end_turn() {
    if (engine_.take_change() && handlers_.on_change) handlers_.on_change();
    arm();
}

// An earlier wake-up than needed costs less than a new timer for each datagram that puts the deadline off.
void MulticastDriver::arm() {
    const auto next = engine_.next_wakeup();
    if (!monitor_ || next == kNever || next >= armed_) return;
    armed_ = next;
    timer_.expires_at(next);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (error || !self->monitor_) return;
        self->armed_ = kNever;
        self->engine_.on_timer(SteadyClock::now());
        self->end_turn();
    });
}

}  // namespace muster::net
