#include "os/network_watch.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "os/netlink_socket.h"
#include "os/resolver_config.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr int kSocketBuffer = 1 << 20;
constexpr int kReadsPerCall = 256;  // while events pour in; the socket stays readable, so the rest comes next
constexpr std::array<int, 8> kGroups = {RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                        RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_IPV4_RULE,
                                        RTNLGRP_IPV6_RULE,  RTNLGRP_NEIGH};

}  // namespace

Result<std::unique_ptr<NetworkWatch>> NetworkWatch::open() {
    FileDescriptor poll{::epoll_create1(EPOLL_CLOEXEC)};
    if (!poll.is_open()) return system_error("open an epoll instance", errno);
    auto kernel = open_route_events(kGroups, kSocketBuffer);
    if (!kernel) return kernel.error();
    FileWatch files{resolver_files()};
    epoll_event readable{};
    readable.events = EPOLLIN;
    for (const int descriptor : {kernel->get(), files.native_handle()})
        if (descriptor >= 0 && ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, descriptor, &readable) != 0)
            return system_error("wait for network events", errno);
    return std::unique_ptr<NetworkWatch>{
        new NetworkWatch{std::move(poll), std::move(*kernel), std::move(files)}};
}

bool NetworkWatch::receive() {
    alignas(nlmsghdr) std::array<std::byte, 8192> buffer;  // what does not fit is cut, and nobody reads it
    bool has_changed = false;
    for (int reads = 0; reads < kReadsPerCall; ++reads) {
        const auto got = read_netlink(kernel_.get(), buffer, MSG_DONTWAIT);
        if (got < 0 && got != -ENOBUFS && got != -EMSGSIZE && got != -EINTR) break;
        has_changed |= got != 0;
    }
    return files_.receive() || has_changed;
}

}  // namespace muster::os
