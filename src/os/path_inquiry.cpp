#include "os/path_inquiry.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <netinet/in.h>
#include <sys/socket.h>

#include "os/datagram.h"
#include "os/icmp_errors.h"
#include "os/socket_message.h"

namespace muster::os {
namespace {

using Report = PathFindings::Report;

constexpr std::uint16_t kClosedPort = 9;  // discard: nobody has served it for decades
constexpr std::size_t kMostOthers = 3;
// Who has not been heard for longer may have left the network long ago, and says nothing about the interface now.
constexpr std::uint32_t kStillThere = 10 * 60 * 1000;  // ms

/// What the kernel's answers mean: one errno for each type of route that leads nowhere.
PathFindings::Route route_of(const Result<RouteAnswer>& answer) {
    if (!answer) return PathFindings::Route::unknown;
    switch (answer->error) {
        case 0: return PathFindings::Route::there;
        case EACCES:  // prohibit
        case EINVAL:  // blackhole
            return PathFindings::Route::forbidden;
        case EHOSTUNREACH:  // unreachable, and nothing but the last resort of a packet with a fixed interface
        case ENETUNREACH: return PathFindings::Route::gone;
        default: return PathFindings::Route::unknown;
    }
}

/// Over that interface if there is a hop, or the first.
std::optional<NextHop> hop_over(InterfaceIndex interface, const std::vector<NextHop>& hops) {
    const auto found = std::ranges::find(hops, interface, &NextHop::interface);
    if (found != hops.end()) return *found;
    return hops.empty() ? std::nullopt : std::optional{hops.front()};
}

}  // namespace

SendRefusal refusal_of(int error) {
    switch (error) {
        case EPERM:
        case EACCES: return SendRefusal::filtered;
        case ENETUNREACH:
        case EHOSTUNREACH: return SendRefusal::no_route;
        case ENODEV:
        case ENXIO:
        case ENETDOWN: return SendRefusal::no_interface;
        case EINVAL:
        case EADDRNOTAVAIL: return SendRefusal::no_source;
        default: return SendRefusal::none;
    }
}

Result<std::unique_ptr<PathInquiry>> PathInquiry::begin(const Endpoint& remote, const IpAddress& local) {
    auto kernel = KernelFacts::open();
    if (!kernel) return kernel.error();
    std::unique_ptr<PathInquiry> inquiry{new PathInquiry{std::move(*kernel), remote}};
    inquiry->ask_peer(local);
    inquiry->ask_neighbours();
    return inquiry;
}

PathInquiry::PathInquiry(std::unique_ptr<KernelFacts> kernel, const Endpoint& remote)
    : kernel_(std::move(kernel)), remote_(remote), hop_(remote.address) {
    read_route();
    received_before_ = kernel_->packets_received(remote_.interface);
}

void PathInquiry::read_route() {
    const auto line = kernel_->line_for(remote_);
    found_.route = route_of(line);
    const bool is_gone = found_.route == PathFindings::Route::gone;
    if (is_gone && remote_.interface != InterfaceIndex::none) {
        // What is said of the address by any interface: forbidden is worth more than gone.
        const auto anywhere =
            route_of(kernel_->line_for({remote_.address, remote_.port, InterfaceIndex::none}));
        if (anywhere == PathFindings::Route::forbidden) found_.route = anywhere;
    }
    if (found_.route != PathFindings::Route::there) return;
    const auto hop = hop_over(remote_.interface, line->entry.hops);
    if (!hop) return;
    found_.is_on_link = !hop->gateway;
    if (hop->gateway) hop_ = *hop->gateway;
    if (remote_.interface == InterfaceIndex::none) remote_.interface = hop->interface;
}

void PathInquiry::ask_peer(const IpAddress& local) {
    found_.refusal = refusal_of(poke(remote_, local, port_));
    Endpoint closed = remote_;
    closed.port = kClosedPort;
    poke(closed, local, closed_port_);
}

void PathInquiry::ask_neighbours() {
    if (remote_.interface == InterfaceIndex::none || remote_.address.is_loopback()) return;
    auto known = kernel_->neighbours(remote_.interface, remote_.address.is_v6());
    std::erase_if(known, [&](const NeighbourEntry& each) {
        if (each.address == hop_) found_.was_probed = kernel_->ask_neighbour(remote_.interface, hop_);
        return each.address == hop_ || each.address == remote_.address || each.confirmed_ms_ago > kStillThere;
    });
    std::ranges::sort(known, {}, &NeighbourEntry::confirmed_ms_ago);
    if (known.size() > kMostOthers) known.resize(kMostOthers);
    for (const NeighbourEntry& each : known) {
        kernel_->ask_neighbour(remote_.interface, each.address);
        Other& other = others_.emplace_back();
        other.address = each.address;
        poke({each.address, kClosedPort, remote_.interface}, {}, other.poke);
    }
    found_.others_asked = static_cast<unsigned>(others_.size());
}

int PathInquiry::poke(const Endpoint& to, const IpAddress& local, Poke& poke) const {
    auto opened = open_udp(family_of(to.address));
    if (!opened) return 0;
    poke.socket = std::move(*opened);
    const int socket = poke.socket.get();
    const bool v6 = to.address.is_v6();
    (void)set_option(socket, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, 1, "RECVERR");
    const int index = static_cast<int>(to.interface);
    if (index != 0 && !to.address.is_loopback())
        (void)set_option(socket, SOL_SOCKET, SO_BINDTOIFINDEX, index, "SO_BINDTOIFINDEX");
    if (!local.is_unspecified()) (void)bind_udp(socket, {local, 0, to.interface});
    SocketAddress name{};
    const socklen_t size = to_socket_address(to, name);
    if (::connect(socket, &name.any, size) != 0) return errno;
    const std::array<std::byte, kInquirySize> octets{};
    return ::send(socket, octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

std::optional<IcmpReport> PathInquiry::read(const Poke& poke) {
    return poke.socket.is_open() ? read_icmp(poke.socket.get()) : std::nullopt;
}

void PathInquiry::hear_port() {
    const auto answer = read(port_);
    if (!answer || answer->report == Report::none) return;
    if (answer->report == Report::no_host && found_.is_on_link) {  // our own kernel: nobody has that address
        found_.was_probed = true;
        return;
    }
    found_.report = answer->report;
    found_.reporter = answer->reporter;
    found_.by_peer = answer->reporter == remote_.address;
}

bool PathInquiry::look() {
    if (found_.report == Report::none) hear_port();
    if (const auto answer = read(closed_port_))
        found_.device_answers |= answer->report == Report::no_port && answer->reporter == remote_.address;
    for (Other& other : others_)
        if (const auto answer = read(other.poke)) other.poke.answered |= answer->reporter == other.address;
    return found_.report != Report::none;
}

PathFindings PathInquiry::finish() {
    look();
    if (remote_.interface == InterfaceIndex::none) return found_;
    for (const NeighbourEntry& each : kernel_->neighbours(remote_.interface, remote_.address.is_v6())) {
        const bool is_reachable = each.state == NeighbourEntry::State::reachable;
        if (each.address == hop_ && found_.was_probed) found_.hop_answers = is_reachable;
        for (Other& other : others_) other.poke.answered |= each.address == other.address && is_reachable;
    }
    found_.others_answered = static_cast<unsigned>(
        std::ranges::count_if(others_, [](const Other& other) { return other.poke.answered; }));
    if (const auto now = kernel_->packets_received(remote_.interface); now && received_before_)
        found_.received = *now - *received_before_;
    return found_;
}

}  // namespace muster::os
