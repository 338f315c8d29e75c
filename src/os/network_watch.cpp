#include "os/network_watch.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "os/resolver_config.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr int kSocketBuffer = 1 << 20;
constexpr int kReadsPerCall = 256;  // while events pour in; the socket stays readable, so the rest comes next
constexpr std::array kGroups = {RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_IPV4_RULE,
                                RTNLGRP_IPV6_RULE,  RTNLGRP_NEIGH};

Result<FileDescriptor> open_kernel() {
    FileDescriptor socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
    if (!socket.is_open()) return system_error("open a netlink socket", errno);
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer) != 0)
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return system_error("bind a netlink socket", errno);
    for (const int group : kGroups)
        if (::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
            return system_error("subscribe to network events", errno);
    return socket;
}

}  // namespace

Result<std::unique_ptr<NetworkWatch>> NetworkWatch::open() {
    FileDescriptor poll{::epoll_create1(EPOLL_CLOEXEC)};
    if (!poll.is_open()) return system_error("open an epoll instance", errno);
    auto kernel = open_kernel();
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
        sockaddr_nl from{};
        socklen_t size = sizeof from;
        const auto got = ::recvfrom(kernel_.get(), buffer.data(), buffer.size(), 0,
                                    reinterpret_cast<sockaddr*>(&from), &size);
        if (got < 0 && errno != ENOBUFS && errno != EINTR) break;
        has_changed |= got < 0 || from.nl_pid == 0;  // other programs may send to us as well
    }
    return files_.receive() || has_changed;
}

}  // namespace muster::os
