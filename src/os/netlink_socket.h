#pragma once

// Questions to the kernel over rtnetlink; only for the .cpp files of this folder.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <linux/netlink.h>

#include "os/file_descriptor.h"

#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster::os {

/// Asks one thing after the other and waits for the answer: some ten microseconds, 20 ms at most for each read. A resource;
/// one thread or strand.
class NetlinkSocket {
public:
    /// Errors: system.
    static Result<NetlinkSocket> open();

    /// Begins the next question. The pointer is good until the next call.
    nlmsghdr* begin(std::uint16_t type, std::uint16_t flags);
    /// The same with the header T, whose first octet is the address family.
    template <class T>
    T* begin(std::uint16_t type, std::uint16_t flags, std::uint8_t family) {
        auto* header = static_cast<T*>(put_header(begin(type, flags), sizeof(T)));
        *reinterpret_cast<std::uint8_t*>(header) = family;
        return header;
    }
    void put_number(std::uint16_t type, std::uint32_t value);
    void put_address(std::uint16_t type, const IpAddress& address);

    /// Sends the question and hands each answer to `take`. Returns an errno, or 0; also the one with which the kernel breaks a
    /// dump off. EINTR: the tables changed while they were
    /// read, so that what was taken may be neither the old nor the new.
    int ask(const std::function<void(const nlmsghdr& answer)>& take);

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
