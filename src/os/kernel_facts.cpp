#include "os/kernel_facts.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/netlink_attributes.h"
#include "os/netlink_messages.h"
#include "os/netlink_socket.h"
#include "os/routing_messages.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr std::size_t kMaxNeighbours = 256;
// Bounds of one family each. Routes to everywhere and to half of it decide how far packets get; the others only which DNS servers are
// near, so that a router's many may be left out.
constexpr std::size_t kMostWideRoutes = 4096;
constexpr std::size_t kMostNarrowRoutes = 4096;
constexpr std::uint8_t kWide = 1;  // bits
constexpr std::size_t kMostNeighbourEntries = 4096;
constexpr std::size_t kMostRules = 1024;
constexpr int kDumpAttempts = 8;

std::uint8_t family_of(const IpAddress& address) { return address.is_v6() ? AF_INET6 : AF_INET; }

/// A kernel that does not know the family, or has no rules, has nothing of the kind.
bool is_unknown(int error) { return error == EOPNOTSUPP || error == EAFNOSUPPORT; }

Error failure(const std::string& attempt, int error) {
    if (error == EINTR) return Error{Errc::timed_out, attempt + ": they never stopped changing"};
    if (error == EAGAIN || error == ETIMEDOUT)
        return Error{Errc::timed_out, attempt + ": the kernel did not answer"};
    return system_error(attempt, error);
}

}  // namespace

Result<std::unique_ptr<KernelFacts>> KernelFacts::open() {
    auto socket = NetlinkSocket::open(NETLINK_ROUTE);
    if (!socket) return socket.error();
    return std::unique_ptr<KernelFacts>{new KernelFacts{std::make_unique<NetlinkSocket>(std::move(*socket))}};
}

KernelFacts::KernelFacts(std::unique_ptr<NetlinkSocket> socket) : socket_(std::move(socket)) {}

KernelFacts::~KernelFacts() = default;

Result<RoutingState> KernelFacts::routing() {
    int error = 0;
    for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
        RoutingState state;
        error = read_family(false, state);
        if (error == 0) error = read_family(true, state);
        if (error == 0) return state;
        if (error != EINTR) break;
    }
    return failure("read the routing tables", error);
}

/// Returns an errno, or 0.
int KernelFacts::read_family(bool v6, RoutingState& state) {
    const auto keep = [](auto& list, auto entry, std::size_t& room) {
        if (!entry || room == 0) return;
        --room;
        list.push_back(std::move(*entry));
    };
    std::size_t wide = kMostWideRoutes, narrow = kMostNarrowRoutes, room_of_rules = kMostRules,
                room_of_neighbours = kMostNeighbourEntries;
    const std::uint8_t family = v6 ? AF_INET6 : AF_INET;
    socket_->begin<rtmsg>(RTM_GETROUTE, NLM_F_DUMP, family);
    const int routes = socket_->ask([&](const nlmsghdr& answer) {
        const auto* told = header_of<rtmsg>(answer);
        if (told != nullptr && told->rtm_family == family && (told->rtm_flags & RTM_F_CLONED) == 0)
            keep(state.routes, parse_route(answer), told->rtm_dst_len <= kWide ? wide : narrow);
    });
    if (!is_unknown(routes) && routes != 0) return routes;
    socket_->begin<fib_rule_hdr>(RTM_GETRULE, NLM_F_DUMP, family);
    const int rules =
        socket_->ask([&](const nlmsghdr& answer) { keep(state.rules, parse_rule(answer), room_of_rules); });
    if (!is_unknown(rules) && rules != 0) return rules;
    socket_->begin<ndmsg>(RTM_GETNEIGH, NLM_F_DUMP, family);
    const auto ticks = static_cast<std::uint32_t>(::sysconf(_SC_CLK_TCK));
    const int neighbours = socket_->ask([&](const nlmsghdr& answer) {
        keep(state.neighbours, parse_neighbour(answer, ticks), room_of_neighbours);
    });
    return is_unknown(neighbours) ? 0 : neighbours;
}

Result<RouteAnswer> KernelFacts::answer(const Endpoint& remote, const std::optional<IpAddress>& from) {
    return ask_route(remote, from, RTM_F_LOOKUP_TABLE);
}

Result<RouteAnswer> KernelFacts::line_for(const Endpoint& remote) {
    return ask_route(remote, std::nullopt, RTM_F_FIB_MATCH);
}

Result<RouteAnswer> KernelFacts::ask_route(const Endpoint& remote, const std::optional<IpAddress>& from,
                                           unsigned flags) {
    auto* route = socket_->begin<rtmsg>(RTM_GETROUTE, 0, family_of(remote.address));
    const std::uint8_t bits = remote.address.is_v6() ? 128 : 32;
    route->rtm_dst_len = bits;
    route->rtm_flags = flags;
    if (from) route->rtm_src_len = bits;
    socket_->put_address(RTA_DST, remote.address);
    if (from) socket_->put_address(RTA_SRC, *from);
    if (remote.interface != InterfaceIndex::none)
        socket_->put_number(RTA_OIF, static_cast<std::uint32_t>(remote.interface));
    RouteAnswer told;
    told.error = socket_->ask([&](const nlmsghdr& answer) {
        if (auto entry = parse_route(answer)) told.entry = std::move(*entry);
    });
    if (!says_how_it_routes(told.error))
        return failure("ask for the route to " + remote.address.to_string(), told.error);
    if (told.error != 0) return told;
    switch (told.entry.action) {  // IPv6 tells what forbids as a route
        case RouteAction::blackhole: told.error = EINVAL; break;
        case RouteAction::prohibit: told.error = EACCES; break;
        case RouteAction::unreachable: told.error = EHOSTUNREACH; break;
        default: break;
    }
    return told;
}

std::vector<NeighbourEntry> KernelFacts::neighbours(InterfaceIndex interface, bool v6) {
    using State = NeighbourEntry::State;
    socket_->begin<ndmsg>(RTM_GETNEIGH, NLM_F_DUMP, v6 ? AF_INET6 : AF_INET);
    socket_->put_number(NDA_IFINDEX, static_cast<std::uint32_t>(interface));
    std::vector<NeighbourEntry> found;
    const auto ticks = static_cast<std::uint32_t>(::sysconf(_SC_CLK_TCK));
    socket_->ask([&](const nlmsghdr& answer) {
        auto entry = parse_neighbour(answer, ticks);
        if (!entry || entry->interface != interface || found.size() == kMaxNeighbours) return;
        const bool is_known = entry->state == State::reachable || entry->state == State::stale ||
                              entry->state == State::delay || entry->state == State::probe;
        if (is_known) found.push_back(std::move(*entry));
    });
    return found;
}

bool KernelFacts::ask_neighbour(InterfaceIndex interface, const IpAddress& neighbour) {
    auto* header = socket_->begin<ndmsg>(RTM_NEWNEIGH, NLM_F_REPLACE | NLM_F_ACK, family_of(neighbour));
    header->ndm_ifindex = static_cast<int>(interface);
    header->ndm_state = NUD_PROBE;
    socket_->put_address(NDA_DST, neighbour);
    return socket_->ask([](const nlmsghdr&) {}) == 0;
}

std::optional<std::uint64_t> KernelFacts::packets_received(InterfaceIndex interface) {
    auto* header = socket_->begin<ifinfomsg>(RTM_GETLINK, 0, AF_UNSPEC);
    header->ifi_index = static_cast<int>(interface);
    std::optional<std::uint64_t> packets;
    socket_->ask([&](const nlmsghdr& answer) {
        const Attributes<IFLA_STATS64> attributes{answer, sizeof(ifinfomsg)};
        const ByteView octets = attributes.octets(IFLA_STATS64);
        std::uint64_t first = 0;  // rtnl_link_stats64 begins with rx_packets
        if (octets.size() < sizeof first) return;
        std::memcpy(&first, octets.data(), sizeof first);
        packets = first;
    });
    return packets;
}

}  // namespace muster::os
