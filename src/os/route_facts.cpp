#include "os/route_facts.h"

#include <cerrno>
#include <cstring>

#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "os/netlink_attributes.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr std::size_t kRequestSize = 256;
constexpr std::size_t kAnswerSize = 32768;  // what the kernel fills per read of a dump
constexpr std::size_t kMaxNeighbours = 256;
constexpr std::size_t kMaxRoutes = 256;
constexpr int kMostReads = 64;
constexpr timeval kPatience{.tv_sec = 0, .tv_usec = 20'000};

void put_address(nlmsghdr* message, std::uint16_t type, const IpAddress& address) {
    if (address.is_v6())
        mnl_attr_put(message, type, address.v6().size(), address.v6().data());
    else
        mnl_attr_put(message, type, address.v4().size(), address.v4().data());
}

template <class T>
T* put_header(nlmsghdr* message, bool v6) {
    auto* header = static_cast<T*>(mnl_nlmsg_put_extra_header(message, sizeof(T)));
    *reinterpret_cast<std::uint8_t*>(header) =
        v6 ? AF_INET6 : AF_INET;  // the family comes first in all of them
    return header;
}

/// What fib_lookup's errors mean: one for each type of route that leads nowhere.
PathFindings::Route route_of(int error) {
    switch (error) {
        case 0: return PathFindings::Route::there;
        case EACCES:  // prohibit
        case EINVAL:  // blackhole
            return PathFindings::Route::forbidden;
        case EHOSTUNREACH:  // unreachable, and nothing but the last resort of a packet with a fixed interface
        case ENETUNREACH: return PathFindings::Route::gone;
        default: return PathFindings::Route::unknown;
    }
}

}  // namespace

Result<std::unique_ptr<KernelFacts>> KernelFacts::open() {
    FileDescriptor socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
    if (!socket.is_open()) return system_error("open a netlink socket", errno);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    return std::unique_ptr<KernelFacts>{new KernelFacts{std::move(socket)}};
}

KernelFacts::KernelFacts(FileDescriptor socket)
    : socket_(std::move(socket)),
      request_(std::make_unique<std::byte[]>(kRequestSize)),
      answer_(std::make_unique_for_overwrite<std::byte[]>(kAnswerSize)) {}

nlmsghdr* KernelFacts::begin(std::uint16_t type, std::uint16_t flags) {
    std::memset(request_.get(), 0, kRequestSize);
    nlmsghdr* message = mnl_nlmsg_put_header(request_.get());
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    message->nlmsg_seq = ++sequence_;
    return message;
}

template <class Take>
int KernelFacts::ask(Take take) {
    const auto* request = reinterpret_cast<const nlmsghdr*>(request_.get());
    if (::send(socket_.get(), request, request->nlmsg_len, 0) < 0) return errno;
    const bool is_dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    for (int reads = 0; reads < kMostReads; ++reads) {
        const auto size = ::recv(socket_.get(), answer_.get(), kAnswerSize, 0);
        if (size < 0) return errno;
        auto rest = static_cast<std::size_t>(size);
        for (const auto* next = answer_.get(); rest >= sizeof(nlmsghdr);) {
            const auto* message = reinterpret_cast<const nlmsghdr*>(next);
            if (message->nlmsg_len < sizeof(nlmsghdr) || message->nlmsg_len > rest) break;
            if (message->nlmsg_seq == sequence_) {
                if (message->nlmsg_type == NLMSG_DONE) return 0;
                if (message->nlmsg_type == NLMSG_ERROR)
                    return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
                take(*message);
                if (!is_dump) return 0;
            }
            const auto step = std::min<std::size_t>(MNL_ALIGN(message->nlmsg_len), rest);
            next += step;
            rest -= step;
        }
    }
    return ETIMEDOUT;
}

RouteFacts KernelFacts::route_to(const Endpoint& remote) {
    const RouteFacts facts = look_up(remote);
    if (facts.route != PathFindings::Route::gone || remote.interface == InterfaceIndex::none) return facts;
    const RouteFacts anywhere = look_up({remote.address, remote.port, InterfaceIndex::none});
    return anywhere.route == PathFindings::Route::forbidden ? anywhere : facts;
}

RouteFacts KernelFacts::look_up(const Endpoint& remote) {
    const bool v6 = remote.address.is_v6();
    nlmsghdr* message = begin(RTM_GETROUTE, 0);
    auto* route = put_header<rtmsg>(message, v6);
    route->rtm_dst_len = v6 ? 128 : 32;
    route->rtm_flags = RTM_F_FIB_MATCH;
    put_address(message, RTA_DST, remote.address);
    if (remote.interface != InterfaceIndex::none)
        mnl_attr_put_u32(message, RTA_OIF, static_cast<std::uint32_t>(remote.interface));
    RouteFacts facts;
    const int error = ask([&](const nlmsghdr& answer) {
        const auto* told = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&answer));
        const Attributes<RTA_PREF> attributes{answer, sizeof(rtmsg)};
        facts.gateway = attributes.address(RTA_GATEWAY, told->rtm_family);
        facts.interface = InterfaceIndex{attributes.number(RTA_OIF).value_or(0)};
        const bool forbids = told->rtm_type == RTN_PROHIBIT || told->rtm_type == RTN_BLACKHOLE;
        if (forbids) facts.route = PathFindings::Route::forbidden;
    });
    if (facts.route == PathFindings::Route::unknown) facts.route = route_of(error);
    return facts;
}

std::vector<Route> KernelFacts::routes() {
    std::vector<Route> found;
    for (const bool v6 : {false, true}) {
        std::size_t taken = 0;
        put_header<rtmsg>(begin(RTM_GETROUTE, NLM_F_DUMP), v6);
        ask([&](const nlmsghdr& answer) {
            const auto* told = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&answer));
            const Attributes<RTA_PREF> attributes{answer, sizeof(rtmsg)};
            const bool is_ours = told->rtm_type == RTN_UNICAST || told->rtm_type == RTN_UNREACHABLE ||
                                 told->rtm_type == RTN_PROHIBIT || told->rtm_type == RTN_BLACKHOLE;
            const bool is_cached = (told->rtm_flags & RTM_F_CLONED) != 0;
            if (!is_ours || is_cached || taken++ >= kMaxRoutes) return;
            found.push_back({.to = attributes.address(RTA_DST, told->rtm_family),
                             .prefix_length = told->rtm_dst_len,
                             .is_v6 = v6,
                             .is_forbidden = told->rtm_type != RTN_UNICAST,
                             .gateway = attributes.address(RTA_GATEWAY, told->rtm_family),
                             .interface = InterfaceIndex{attributes.number(RTA_OIF).value_or(0)},
                             .metric = attributes.number(RTA_PRIORITY).value_or(0)});
        });
    }
    return found;
}

std::vector<Neighbour> KernelFacts::neighbours(InterfaceIndex interface, bool v6) {
    nlmsghdr* message = begin(RTM_GETNEIGH, NLM_F_DUMP);
    put_header<ndmsg>(message, v6);
    mnl_attr_put_u32(message, NDA_IFINDEX, static_cast<std::uint32_t>(interface));
    std::vector<Neighbour> found;
    const auto per_tick = 1000 / static_cast<std::uint32_t>(::sysconf(_SC_CLK_TCK));
    ask([&](const nlmsghdr& answer) {
        const auto* told = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&answer));
        const Attributes<NDA_IFINDEX> attributes{answer, sizeof(ndmsg)};
        const auto address = attributes.address(NDA_DST, told->ndm_family);
        constexpr int kValid = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE;
        const bool is_here =
            static_cast<std::uint32_t>(told->ndm_ifindex) == static_cast<std::uint32_t>(interface);
        if (!address || address->is_multicast() || !is_here || (told->ndm_state & kValid) == 0) return;
        if (found.size() == kMaxNeighbours) return;
        nda_cacheinfo info{};
        const ByteView octets = attributes.octets(NDA_CACHEINFO);
        if (octets.size() >= sizeof info) std::memcpy(&info, octets.data(), sizeof info);
        found.push_back({.address = *address,
                         .confirmed_ms_ago = info.ndm_confirmed * per_tick,
                         .is_reachable = (told->ndm_state & NUD_REACHABLE) != 0});
    });
    return found;
}

bool KernelFacts::ask_neighbour(InterfaceIndex interface, const IpAddress& neighbour) {
    nlmsghdr* message = begin(RTM_NEWNEIGH, NLM_F_REPLACE | NLM_F_ACK);
    auto* header = put_header<ndmsg>(message, neighbour.is_v6());
    header->ndm_ifindex = static_cast<int>(interface);
    header->ndm_state = NUD_PROBE;
    put_address(message, NDA_DST, neighbour);
    return ask([](const nlmsghdr&) {}) == 0;
}

std::optional<std::uint64_t> KernelFacts::packets_received(InterfaceIndex interface) {
    nlmsghdr* message = begin(RTM_GETLINK, 0);
    auto* header = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    header->ifi_index = static_cast<int>(interface);
    std::optional<std::uint64_t> packets;
    ask([&](const nlmsghdr& answer) {
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
