#include "os/interface_watch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "os/interface_kind.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

// The kernel fills up to 32 KiB per read of a dump.
constexpr std::size_t kBufferSize = 32768;
// Room for about 10,000 address events while the strand is busy; beyond it comes ENOBUFS and a resync.
constexpr int kSocketBuffer = 4 << 20;
// A dump takes well below a millisecond for a dozen interfaces, some 50 for thousands.
constexpr int kDumpPatience = 1000;
constexpr int kDumpAttempts = 8;
// Bounds one call of receive() while events pour in; the socket stays readable, so the rest comes next.
constexpr int kReadsPerCall = 256;

/// Octets read, 0 for what did not come from the kernel or was cut, or a negative errno.
ssize_t read_messages(int socket, std::byte* buffer) {
    sockaddr_nl from{};
    iovec octets{buffer, kBufferSize};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &octets;
    header.msg_iovlen = 1;
    const ssize_t size = ::recvmsg(socket, &header, MSG_DONTWAIT);
    if (size < 0) return -errno;
    const bool from_kernel = from.nl_pid == 0;  // other programs may send to us as well
    return from_kernel && (header.msg_flags & MSG_TRUNC) == 0 ? size : 0;
}

Result<FileDescriptor> open_route_socket() {
    FileDescriptor socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
    if (!socket.is_open()) return system_error("open a netlink socket", errno);
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer) != 0)
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return system_error("subscribe to interface events", errno);
    return socket;
}

}  // namespace

Result<std::unique_ptr<InterfaceWatch>> InterfaceWatch::open() {
    auto socket = open_route_socket();
    if (!socket) return socket.error();
    std::unique_ptr<InterfaceWatch> watch{new InterfaceWatch{std::move(*socket)}};
    if (auto done = watch->resync(); !done) return done.error();
    watch->adopt();
    watch->resyncs_ = 0;  // the first reading is none
    return watch;
}

InterfaceWatch::InterfaceWatch(FileDescriptor socket)
    : socket_(std::move(socket)), buffer_(std::make_unique<std::byte[]>(kBufferSize)) {}

bool InterfaceWatch::receive() {
    bool changed = false;
    for (int reads = 0; reads < kReadsPerCall && !stale_; ++reads) {
        const auto size = read_messages(socket_.get(), buffer_.get());
        if (size == -EAGAIN) break;
        if (size == -ENOBUFS) stale_ = true;
        if (size > 0) changed |= table_.apply({buffer_.get(), static_cast<std::size_t>(size)}, 0).changed;
    }
    if (stale_) return resync().has_value() && adopt();
    return changed && adopt();
}

bool InterfaceWatch::adopt() {
    auto now = table_.snapshot();
    std::map<InterfaceIndex, KnownKind> kinds;
    for (Interface& each : now) {
        const auto known = kinds_.find(each.index);
        const bool is_known = known != kinds_.end() && known->second.name == each.name;
        each.kind = is_known ? known->second.kind : kind_by_sysfs(each.name, each.kind);
        kinds.emplace(each.index, KnownKind{each.name, each.kind});
    }
    kinds_ = std::move(kinds);
    if (now == interfaces_) return false;
    interfaces_ = std::move(now);
    return true;
}

Result<> InterfaceWatch::resync() {
    stale_ = true;
    ++resyncs_;
    Result<> done;
    for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
        InterfaceTable fresh;
        bool interrupted = false;
        done = dump(RTM_GETLINK, fresh, interrupted);
        if (done && !interrupted) done = dump(RTM_GETADDR, fresh, interrupted);
        if (!done || interrupted) continue;
        table_ = std::move(fresh);
        stale_ = false;
        return done;
    }
    return done ? Error{Errc::timed_out, "reading the interfaces: they never stopped changing"} : done;
}

Result<> InterfaceWatch::dump(std::uint16_t what, InterfaceTable& table, bool& interrupted) {
    if (auto asked = request(what); !asked) return asked;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds{kDumpPatience};
    while (std::chrono::steady_clock::now() < deadline) {
        const auto size = read_messages(socket_.get(), buffer_.get());
        if (size == -EAGAIN) {
            pollfd wait{socket_.get(), POLLIN, 0};
            ::poll(&wait, 1, kDumpPatience);
            continue;
        }
        if (size == -ENOBUFS) {  // events were lost: what this dump tells may be older than they were
            interrupted = true;
            continue;
        }
        if (size < 0) return system_error("read the interfaces", static_cast<int>(-size));
        const auto outcome = table.apply({buffer_.get(), static_cast<std::size_t>(size)}, sequence_);
        interrupted |= outcome.interrupted;
        if (outcome.error != 0) return system_error("read the interfaces", outcome.error);
        if (outcome.dump_done) return {};
    }
    return Error{Errc::timed_out, "reading the interfaces: the kernel did not answer"};
}

Result<> InterfaceWatch::request(std::uint16_t what) {
    alignas(nlmsghdr) std::array<std::byte, 128> buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = what;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = ++sequence_;
    if (what == RTM_GETLINK) {
        mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg));
        mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    } else {
        mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg));
    }
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (::sendto(socket_.get(), message, message->nlmsg_len, 0, reinterpret_cast<const sockaddr*>(&kernel),
                 sizeof kernel) < 0)
        return system_error("ask for the interfaces", errno);
    return {};
}

}  // namespace muster::os
