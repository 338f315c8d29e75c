#include "os/netlink_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <libmnl/libmnl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "os/netlink_messages.h"
#include "os/system_error.h"

namespace muster::os {
namespace {

constexpr std::size_t kRequestSize = 256;
constexpr std::size_t kAnswerSize = 32768;  // what the kernel fills per read of a dump
constexpr int kMostReads = 1 << 14;         // all routes of the internet take some 4,000

}  // namespace

ssize_t read_netlink(int socket, std::span<std::byte> buffer, int flags) {
    sockaddr_nl from{};
    iovec octets{buffer.data(), buffer.size()};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &octets;
    header.msg_iovlen = 1;
    const ssize_t size = ::recvmsg(socket, &header, flags);
    if (size < 0) return -errno;
    if (from.nl_pid != 0) return 0;  // other programs may send to us as well
    return (header.msg_flags & MSG_TRUNC) == 0 ? size : -EMSGSIZE;
}

Result<FileDescriptor> open_route_events(std::span<const int> groups, int room) {
    FileDescriptor socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
    if (!socket.is_open()) return system_error("open a netlink socket", errno);
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return system_error("bind a netlink socket", errno);
    for (const int group : groups)
        if (::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
            return system_error("subscribe to network events", errno);
    return socket;
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol, Duration patience) {
    FileDescriptor socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)};
    if (!socket.is_open()) return system_error("open a netlink socket", errno);
    const auto whole = std::chrono::floor<std::chrono::seconds>(patience);
    const auto rest = std::chrono::duration_cast<std::chrono::microseconds>(patience - whole);
    const timeval at_most{.tv_sec = whole.count(), .tv_usec = rest.count()};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &at_most, sizeof at_most);
    return NetlinkSocket{std::move(socket)};
}

NetlinkSocket::NetlinkSocket(FileDescriptor socket)
    : socket_(std::move(socket)),
      request_(std::make_unique<std::byte[]>(kRequestSize)),
      answer_(std::make_unique_for_overwrite<std::byte[]>(kAnswerSize)) {}

nlmsghdr* NetlinkSocket::begin(std::uint16_t type, std::uint16_t flags) {
    std::memset(request_.get(), 0, kRequestSize);
    nlmsghdr* message = mnl_nlmsg_put_header(request_.get());
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    message->nlmsg_seq = ++sequence_;
    return message;
}

void* NetlinkSocket::put_header(nlmsghdr* message, std::size_t size) {
    return mnl_nlmsg_put_extra_header(message, size);
}

void NetlinkSocket::put_number(std::uint16_t type, std::uint32_t value) {
    mnl_attr_put_u32(reinterpret_cast<nlmsghdr*>(request_.get()), type, value);
}

void NetlinkSocket::put_text(std::uint16_t type, const std::string& text) {
    mnl_attr_put_strz(reinterpret_cast<nlmsghdr*>(request_.get()), type, text.c_str());
}

void NetlinkSocket::put_address(std::uint16_t type, const IpAddress& address) {
    auto* message = reinterpret_cast<nlmsghdr*>(request_.get());
    if (address.is_v6())
        mnl_attr_put(message, type, address.v6().size(), address.v6().data());
    else
        mnl_attr_put(message, type, address.v4().size(), address.v4().data());
}

int NetlinkSocket::ask(const std::function<void(const nlmsghdr&)>& take) {
    const auto* request = reinterpret_cast<const nlmsghdr*>(request_.get());
    if (::send(socket_.get(), request, request->nlmsg_len, 0) < 0) return errno;
    const bool is_dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    was_interrupted_ = false;
    for (int reads = 0; reads < kMostReads; ++reads) {
        const auto size = read_netlink(socket_.get(), {answer_.get(), kAnswerSize}, 0);
        if (size == -EINTR) continue;  // a signal; to the caller it would be a table that has changed
        if (size < 0) return static_cast<int>(-size);
        auto rest = static_cast<std::size_t>(size);
        for (const auto* next = answer_.get(); rest >= sizeof(nlmsghdr);) {
            const auto* message = reinterpret_cast<const nlmsghdr*>(next);
            if (message->nlmsg_len < sizeof(nlmsghdr) || message->nlmsg_len > rest) break;
            if (const auto end = hear(*message, is_dump, take)) return *end;
            const auto step = std::min<std::size_t>(MNL_ALIGN(message->nlmsg_len), rest);
            next += step;
            rest -= step;
        }
    }
    return ETIMEDOUT;
}

/// The errno with which the answer ends; none: more follows.
std::optional<int> NetlinkSocket::hear(const nlmsghdr& message, bool is_dump,
                                       const std::function<void(const nlmsghdr&)>& take) {
    if (message.nlmsg_seq != sequence_) return std::nullopt;  // of an earlier question that took too long
    was_interrupted_ |= (message.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    if (message.nlmsg_type == NLMSG_ERROR) return error_in(message);
    if (message.nlmsg_type == NLMSG_DONE) {
        const int error = error_in(message);
        return error == 0 && was_interrupted_ ? EINTR : error;
    }
    take(message);
    if (is_dump) return std::nullopt;
    return 0;
}

}  // namespace muster::os
