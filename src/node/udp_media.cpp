#include "node/udp_media.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "os/path_inquiry.h"

#include "muster/time.h"

namespace muster::node {

namespace asio = boost::asio;

namespace {

// What waits for one interface. QUIC repeats what is dropped beyond; more would only be delay (bufferbloat).
constexpr std::size_t kMaxPending = 128;
// What waits for all of them: four that are stuck. More of those and the next one drops at once; one that is not stuck
// needs no place.
constexpr std::size_t kMaxPendingInAll = 4 * kMaxPending;
// Batches read before others on the strand get their turn.
constexpr int kMaxReadsInARow = 8;
// ICMP errors heard between two reads. Whoever floods us with them is heard in parts.
constexpr int kMostReports = 64;
// When a device's queue or the kernel's memory is full, nobody tells when there is room again. A
// queue of 1000 packets is empty after 12 ms at 1 Gbit/s: half of this only costs wake-ups, ten
// times this is idle air.
constexpr Duration kSendAgain = std::chrono::milliseconds{1};

}  // namespace

struct UdpMedia::Socket {
    Socket(const asio::any_io_executor& executor, std::unique_ptr<os::UdpSocket> udp_socket)
        : udp(std::move(udp_socket)), waiter(executor, udp->native_handle()), pause(executor) {}
    ~Socket() { waiter.release(); }  // the descriptor belongs to `udp`

    std::unique_ptr<os::UdpSocket> udp;
    asio::posix::stream_descriptor waiter;
    asio::steady_timer pause;
    /// By the interface that is named; never empty queues. Each device has a queue of its own in the kernel: one that is
    /// stuck must not hold up what leaves by another, least of all the heartbeats there.
    std::map<InterfaceIndex, Queue> pending;
    bool waiting_to_send = false;
    bool stopped = false;
};

UdpMedia::UdpMedia(asio::any_io_executor executor) : executor_(std::move(executor)) {}

UdpMedia::~UdpMedia() { stop(); }

Result<std::unique_ptr<UdpMedia>> UdpMedia::open(asio::any_io_executor executor, std::uint16_t port) {
    std::unique_ptr<UdpMedia> media{new UdpMedia(std::move(executor))};
    const auto v6 = media->add(os::IpFamily::v6, port);
    const std::uint16_t wanted = port ? port : media->port(os::IpFamily::v6);
    auto v4 = media->add(os::IpFamily::v4, wanted);
    if (!v4 && !port) v4 = media->add(os::IpFamily::v4, 0);  // somebody else has that number in IPv4
    if (!v4 && !v6) return v4.error();
    const bool taken = (!v4 && v4.error().code() == Errc::already_exists) ||
                       (!v6 && v6.error().code() == Errc::already_exists);
    if (port && taken) return v4 ? v6.error() : v4.error();
    return media;
}

Result<void> UdpMedia::add(os::IpFamily family, std::uint16_t port) {
    os::UdpOptions options;
    options.family = family;
    options.port = port;
    auto socket = os::UdpSocket::open(options);
    if (!socket) return socket.error();
    sockets_[static_cast<std::size_t>(family)] = std::make_shared<Socket>(executor_, std::move(*socket));
    return {};
}

void UdpMedia::start(Handlers handlers) {
    handlers_ = std::move(handlers);
    inquirer_.emplace(executor_, handlers_.on_findings);
    for (const auto& socket : sockets_)
        if (socket) wait_readable(socket);
}

void UdpMedia::stop() {
    inquirer_.reset();
    for (const auto& socket : sockets_) {
        if (!socket || std::exchange(socket->stopped, true)) continue;
        boost::system::error_code ignored;
        socket->waiter.cancel(ignored);
        socket->pause.cancel();
    }
}

void UdpMedia::read_now() {
    for (const auto& socket : sockets_)
        if (socket && !socket->stopped) read(*socket);
}

std::uint16_t UdpMedia::port(os::IpFamily family) const {
    const auto& socket = sockets_[static_cast<std::size_t>(family)];
    return socket ? socket->udp->port() : 0;
}

UdpMedia::Socket* UdpMedia::socket_for(const IpAddress& address) {
    return sockets_[static_cast<std::size_t>(os::family_of(address))].get();
}

// The waits hold only the socket: `this` is touched after `stopped` was checked, and stop()
// runs in the destructor.
void UdpMedia::wait_readable(const std::shared_ptr<Socket>& socket) {
    socket->waiter.async_wait(asio::posix::descriptor_base::wait_read,
                              [this, socket](boost::system::error_code ec) {
                                  if (ec || socket->stopped) return;
                                  read(*socket);
                                  if (!socket->stopped) wait_readable(socket);
                              });
}

void UdpMedia::read(Socket& socket) {
    std::array<os::ReceivedDatagram, os::UdpSocket::kSlots> batch;
    for (int i = 0; i < kMaxReadsInARow && !socket.stopped; ++i) {
        const std::size_t count = socket.udp->receive(batch);
        for (std::size_t k = 0; k < count && !socket.stopped; ++k) deliver(batch[k]);
        const bool has_heard = !socket.stopped && socket.udp->has_reports() && hear_icmp(socket);
        if ((count > 0 || has_heard) && !socket.stopped) handlers_.on_batch();
        if (count < batch.size()) return;
    }
}

void UdpMedia::restrict_to(std::span<const Interface> interfaces) {
    allowed_.reset();
    if (std::ranges::none_of(interfaces, &Interface::prohibited)) return;
    allowed_.emplace();
    for (const Interface& each : interfaces)
        if (!each.prohibited) allowed_->insert(each.index);
    for (const auto& socket : sockets_)
        if (socket) std::erase_if(socket->pending, [&](const auto& each) { return !may_use(each.first); });
}

bool UdpMedia::hear_icmp(Socket& socket) {
    bool has_heard = false;
    for (int i = 0; i < kMostReports && !socket.stopped; ++i) {
        const auto report = socket.udp->take_report();
        if (!report) break;
        if (report->report == PathFindings::Report::none) continue;
        handlers_.on_icmp(*report);
        has_heard = true;
    }
    return has_heard;
}

void UdpMedia::deliver(const os::ReceivedDatagram& batch) {
    if (!may_use(batch.remote.interface)) return;
    const link::Path from{.medium = link::MediumKind::udp, .remote = batch.remote, .local = batch.local};
    const std::size_t segment = batch.segment ? batch.segment : batch.octets.size();
    for (ByteView rest = batch.octets; !rest.empty();) {
        const ByteView datagram = rest.first(std::min(segment, rest.size()));
        rest = rest.subspan(datagram.size());
        handlers_.on_datagram(from, datagram, batch.ecn);
    }
}

void UdpMedia::send(const link::Path& path, ByteView octets, std::size_t segment, std::uint8_t ecn) {
    Socket* socket = socket_for(path.remote.address);
    if (!socket || socket->stopped || !may_use(path.remote.interface)) return;
    if (socket->pending.contains(path.remote.interface))
        return keep(*socket, {path, to_bytes(octets), segment, ecn});
    const auto outcome = socket->udp->send(
        {.remote = path.remote, .local = path.local, .octets = octets, .segment = segment, .ecn = ecn});
    if (outcome.status != os::SendStatus::would_block) return note(path, outcome);
    keep(*socket, {path, to_bytes(octets.subspan(outcome.octets)), segment, ecn});
    wait_to_send(sockets_[static_cast<std::size_t>(socket->udp->family())], outcome.error);
}

void UdpMedia::inquire(const link::Path& path) {
    if (inquirer_ && may_use(path.remote.interface)) inquirer_->ask(path);
}

void UdpMedia::note(const link::Path& path, const os::SendOutcome& outcome) {
    const SendRefusal refusal = os::refusal_of(outcome.error);
    if (refusal != SendRefusal::none && handlers_.on_refused) handlers_.on_refused(path, refusal);
}

void UdpMedia::keep(Socket& socket, Pending pending) {
    std::size_t in_all = 0;
    for (const auto& [interface, queue] : socket.pending) in_all += queue.size();
    const auto found = socket.pending.find(pending.path.remote.interface);
    const bool is_full = found != socket.pending.end() && found->second.size() >= kMaxPending;
    if (is_full || in_all >= kMaxPendingInAll) {
        ++dropped_;
        return;
    }
    socket.pending[pending.path.remote.interface].push_back(std::move(pending));
}

/// Sends what is pending when `error`, which stood in the way, may be over.
void UdpMedia::wait_to_send(const std::shared_ptr<Socket>& socket, int error) {
    if (std::exchange(socket->waiting_to_send, true)) return;
    auto again = [this, socket](boost::system::error_code ec) {
        socket->waiting_to_send = false;
        if (ec || socket->stopped) return;
        const int full = drain(*socket);
        if (!socket->pending.empty()) wait_to_send(socket, full);
    };
    if (os::is_writable_news(error))
        return socket->waiter.async_wait(asio::posix::descriptor_base::wait_write, std::move(again));
    socket->pause.expires_after(kSendAgain);
    socket->pause.async_wait(std::move(again));
}

/// Returns an error that stands in the way of what is still pending, EAGAIN before all others; 0: nothing is pending any
/// more.
int UdpMedia::drain(Socket& socket) {
    int in_the_way = 0;
    for (auto next = socket.pending.begin(); next != socket.pending.end();) {
        const int error = drain(socket, next->second);
        next = error == 0 ? socket.pending.erase(next) : std::next(next);
        if (error != 0) in_the_way = error;
        if (os::is_writable_news(error)) break;  // the socket, not the device: nobody gets through
    }
    return in_the_way;
}

/// Returns the error that stopped it; 0: the queue is empty.
int UdpMedia::drain(Socket& socket, Queue& queue) {
    while (!queue.empty()) {
        Pending& first = queue.front();
        const auto outcome = socket.udp->send({.remote = first.path.remote,
                                               .local = first.path.local,
                                               .octets = first.octets,
                                               .segment = first.segment,
                                               .ecn = first.ecn});
        if (outcome.status == os::SendStatus::would_block) {
            first.octets.erase(first.octets.begin(),
                               first.octets.begin() + static_cast<std::ptrdiff_t>(outcome.octets));
            return outcome.error;
        }
        note(first.path, outcome);
        queue.pop_front();
    }
    return 0;
}

}  // namespace muster::node
