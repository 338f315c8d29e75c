#pragma once

// Questions to the kernel over netlink, and its events; only for the .cpp files of this folder.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <linux/netlink.h>
#include <sys/types.h>

#include "os/file_descriptor.h"

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/time.h"

namespace muster::os {

/// Reads one datagram that the kernel has sent. `flags`: of recvmsg(2); MSG_DONTWAIT waits for nothing. Octets read, 0 for what did
/// not come from the kernel, or a negative errno (EAGAIN: nothing is there; ENOBUFS: messages were lost; EMSGSIZE: one was cut).
ssize_t read_netlink(int socket, std::span<std::byte> buffer, int flags);

/// A non-blocking socket that is told what happens to routes, links and addresses: `groups` are RTNLGRP_*, `room` is for events while
/// nobody reads, in octets. Errors: system.
Result<FileDescriptor> open_route_events(std::span<const int> groups, int room);

/// Asks one thing after the other and waits for the answer, which takes some ten microseconds. A resource; one thread or strand.
class NetlinkSocket {
public:
    /// What no question to the tables of routes takes, unless the kernel is stuck.
    static constexpr Duration kPatience = std::chrono::milliseconds{20};

    /// `protocol`: NETLINK_ROUTE, NETLINK_GENERIC and so on; `patience`: for each read. Errors: system.
    static Result<NetlinkSocket> open(int protocol, Duration patience = kPatience);

    /// Begins the next question. The pointer is good until the next call.
    nlmsghdr* begin(std::uint16_t type, std::uint16_t flags);
    /// The same with the header T, and its first octet: the address family, or the command of generic netlink.
    template <class T>
    T* begin(std::uint16_t type, std::uint16_t flags, std::uint8_t first) {
        auto* header = static_cast<T*>(put_header(begin(type, flags), sizeof(T)));
        *reinterpret_cast<std::uint8_t*>(header) = first;
        return header;
    }
    void put_number(std::uint16_t type, std::uint32_t value);
    void put_text(std::uint16_t type, const std::string& text);
    void put_address(std::uint16_t type, const IpAddress& address);

    /// Sends the question and hands each answer to `take`. Returns an errno, or 0; also the one with which the kernel breaks a
    /// dump off. EINTR: the tables changed while they were
    /// read, so that what was taken may be neither the old nor the new. EAGAIN: no answer within the patience.
    int ask(const std::function<void(const nlmsghdr& answer)>& take);

    /// For the ioctls that any socket takes.
    int native_handle() const { return socket_.get(); }

private:
    explicit NetlinkSocket(FileDescriptor socket);
    static void* put_header(nlmsghdr* message, std::size_t size);
    std::optional<int> hear(const nlmsghdr& message, bool is_dump,
                            const std::function<void(const nlmsghdr&)>& take);

    FileDescriptor socket_;
    std::uint32_t sequence_ = 0;
    bool was_interrupted_ = false;  // the dump that is read
    std::unique_ptr<std::byte[]> request_, answer_;
};

}  // namespace muster::os
