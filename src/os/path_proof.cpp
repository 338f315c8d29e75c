#include "os/path_proof.h"

#include <array>
#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "os/icmp_errors.h"
#include "os/scoped_socket.h"
#include "os/socket_message.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

using Echo = ProofFindings::Echo;
using Port = ProofFindings::Port;

constexpr std::uint16_t kClosedPort = 9;  // discard: nobody has served it for decades
constexpr std::uint16_t kSmall = 1, kLarge = 2;
constexpr std::size_t kSmallSize = 64;
// TCP asks again after one second, and a filter may let it pass; who answers from near does so within the rest.
constexpr Duration kSecondTry = std::chrono::milliseconds{1100};

/// It says nothing of a host that this process has no room left for a socket.
bool is_lack(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

void tell_errors(int socket, bool v6) {
    (void)set_option(socket, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, 1, "RECVERR");
}

/// Returns an errno, or 0.
int connect_to(const FileDescriptor& socket, Endpoint remote, std::uint16_t port) {
    remote.port = port;
    SocketAddress name{};
    const socklen_t size = to_socket_address(remote, name);
    return ::connect(socket.get(), &name.any, size) == 0 ? 0 : errno;
}

/// Sends one octet, if connecting has succeeded.
void poke(const FileDescriptor& socket, int& refusal) {
    if (!socket.is_open()) return;
    const std::array<std::byte, 1> octets{};
    if (::send(socket.get(), octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
        errno != ECONNREFUSED)  // that is the answer to the one before
        refusal = errno;
}

}  // namespace

Result<std::unique_ptr<PathProof>> PathProof::begin(const ProofRequest& request, TimePoint now) {
    std::unique_ptr<PathProof> proof{new PathProof{request, now}};
    if (auto opened = proof->open(); !opened) return opened.error();
    proof->ask();
    return proof;
}

/// All sockets come before the first packet: one that is missing would look like a host that is silent.
Result<void> PathProof::open() {
    int why = 0;
    if (auto opened = PingSocket::open(request_.remote, why)) {
        ping_.emplace(*std::move(opened));
    } else {
        if (is_lack(why)) return opened.error();
        const bool is_forbidden = why == EACCES || why == EPERM || why == EPROTONOSUPPORT;
        found_.ping = is_forbidden ? Echo::not_permitted : Echo::not_asked;
        if (!is_forbidden) found_.ping_refusal = why;
    }
    auto closed = open_for(SOCK_DGRAM);
    if (!closed) return closed.error();
    closed_ = *std::move(closed);
    if (request_.remote.port == 0) return {};
    auto port = open_for(request_.asks_udp ? SOCK_DGRAM : SOCK_STREAM);
    if (!port) return port.error();
    port_ = *std::move(port);
    return {};
}

Result<FileDescriptor> PathProof::open_for(int type) const {
    const bool v6 = request_.remote.address.is_v6();
    FileDescriptor opened{::socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!opened.is_open())
        return system_error("open a socket to ask " + request_.remote.address.to_string(), errno);
    tell_errors(opened.get(), v6);  // of TCP: else a SYN waits through "unreachable"
    if (request_.remote.interface != InterfaceIndex::none)
        if (auto held = hold_to(opened.get(), request_.remote.interface); !held) return held.error();
    return opened;
}

void PathProof::ask() {
    ping();
    found_.datagram_refusal = connect_to(closed_, request_.remote, kClosedPort);
    if (found_.datagram_refusal != 0) closed_ = {};
    poke(closed_, found_.datagram_refusal);
    if (port_.is_open()) connect_port();
}

void PathProof::connect_port() {
    found_.port = Port::silent;
    const int why = connect_to(port_, request_.remote, request_.remote.port);
    if (request_.asks_udp && why == 0) return poke(port_, found_.port_refusal);
    if (why == 0 || why == EINPROGRESS) return;
    if (why == ECONNREFUSED)
        found_.port = Port::closed;
    else
        found_.port_refusal = why;
}

void PathProof::ping() {
    if (!ping_) return;
    if (found_.ping != Echo::came) {
        found_.ping = Echo::none;
        if (const int why = ping_->send(kSmall, kSmallSize); why != 0) found_.ping_refusal = why;
    }
    if (request_.mtu <= kSmallSize || found_.large_ping == Echo::came) return;
    // A local refusal (EMSGSIZE) would be about our own interface; then nothing is learned of the way.
    if (ping_->send(kLarge, request_.mtu) != 0) return;
    found_.large_ping = Echo::none;
    found_.large_size = request_.mtu;
}

void PathProof::repeat() {
    ping();
    if (!found_.other_port_answers && !found_.report) poke(closed_, found_.datagram_refusal);
    if (request_.asks_udp && found_.port == Port::silent && found_.port_refusal == 0)
        poke(port_, found_.port_refusal);
}

std::vector<TappedTraffic::Flow> PathProof::flows() const {
    using Protocol = TappedTraffic::Protocol;
    std::vector<TappedTraffic::Flow> all;
    if (ping_) all.push_back({Protocol::icmp, ping_->id()});
    if (const auto facts = socket_facts(port_.get()))
        all.push_back({request_.asks_udp ? Protocol::udp : Protocol::tcp, facts->port});
    return all;
}

bool PathProof::look(TimePoint now) {
    const bool was_heard = found_.round_trip > Duration{};
    read_pings();
    if (closed_.is_open()) read_errors(closed_.get());
    read_port();
    const bool is_heard = is_host_heard();
    if (is_heard && !was_heard) found_.round_trip = now - began_;
    return is_done(now);
}

void PathProof::read_pings() {
    if (!ping_) return;
    while (const auto sequence = ping_->receive()) {
        if (*sequence == kSmall) found_.ping = Echo::came;
        if (*sequence == kLarge) found_.large_ping = Echo::came;
    }
    read_errors(ping_->native_handle());
    found_.path_mtu = ping_->path_mtu();
}

void PathProof::read_errors(int socket) {
    while (const auto told = read_icmp(socket))
        if (told->report != PathFindings::Report::none) take(*told, socket);
}

void PathProof::take(IcmpReport told, int socket) {
    const bool is_of_port = socket == port_.get(), is_of_closed = socket == closed_.get();
    told.to.port = is_of_port ? request_.remote.port : is_of_closed ? kClosedPort : std::uint16_t{0};
    has_report_of_ping_ |= !is_of_port && !is_of_closed;
    const bool is_host = told.reporter == request_.remote.address;
    found_.host_reports |= is_host;
    if (told.report == PathFindings::Report::no_port && is_host) {
        if (is_of_closed) found_.other_port_answers = true;
        if (is_of_port) found_.port = Port::closed;
    } else if (!found_.report || is_of_port) {
        found_.report = told;
    }
}

void PathProof::read_port() {
    if (!port_.is_open() || found_.port != Port::silent || found_.port_refusal != 0) return;
    if (request_.asks_udp) {
        read_errors(port_.get());
        std::array<std::byte, 16> buffer;
        if (::recv(port_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) >= 0) found_.port = Port::open;
        return;
    }
    pollfd wait{port_.get(), POLLOUT, 0};
    if (::poll(&wait, 1, 0) <= 0) return;
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(port_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return;
    found_.port = error == 0 ? Port::open : error == ECONNREFUSED ? Port::closed : Port::failed;
    found_.port_error = error;
}

bool PathProof::is_host_heard() const {
    return found_.ping == Echo::came || found_.other_port_answers || found_.host_reports ||
           found_.port == Port::open || found_.port == Port::closed;
}

bool PathProof::is_ping_over(TimePoint now) const {
    if (!ping_ || found_.ping_refusal == EPERM || has_report_of_ping_) return true;
    if (found_.ping == Echo::none) return is_host_heard() && now - began_ >= kSecondTry;  // it drops them
    return found_.large_ping != Echo::none;
}

bool PathProof::is_port_over() const { return found_.port != Port::silent || found_.port_refusal != 0; }

/// A filter of this machine takes neither pings nor datagrams: it will not the next time either.
bool PathProof::is_shut_in() const {
    return found_.datagram_refusal == EPERM && (!ping_ || found_.ping_refusal == EPERM);
}

/// A report ends it if it is about the host as a whole. That something is prohibited may hold for that packet alone.
bool PathProof::is_told(TimePoint now) const {
    using Report = PathFindings::Report;
    if (!found_.report) return false;
    const bool is_of_all =
        found_.report->report == Report::no_host || found_.report->report == Report::no_network;
    const bool is_of_port = request_.asks_udp && found_.report->to.port == request_.remote.port;
    if (is_of_all) return is_port_over() || request_.asks_udp;
    return (is_port_over() || is_of_port) && is_ping_over(now);
}

bool PathProof::is_done(TimePoint now) const {
    if (is_told(now)) return true;
    // Connecting does not say that its packet was refused.
    if (is_shut_in()) return is_port_over() || now - began_ >= kSecondTry;
    if (!is_port_over()) return false;
    return ping_ ? is_ping_over(now) : is_host_heard() || found_.datagram_refusal != 0;
}

}  // namespace muster::os
