#pragma once

// Kernel structures of datagrams; only for the .cpp files of this folder.

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "os/datagram.h"
#include "os/file_descriptor.h"

#include "muster/error.h"

namespace muster::os {

/// A socket address of either family as the kernel wants it.
union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

/// Fills in `endpoint` and returns the size; the scope is set where the address needs one.
socklen_t to_socket_address(const Endpoint& endpoint, SocketAddress& out);

IpAddress to_address(const in_addr& address);
IpAddress to_address(const in6_addr& address);

/// Sets one option; `what` names it in the error.
Result<> set_option(int socket, int level, int name, int value, const char* what);

/// Enlarges a buffer as far as the system allows: `forced` is SO_RCVBUFFORCE, `plain` SO_RCVBUF; or those of sending.
void enlarge_buffer(int socket, int forced, int plain, std::uint32_t octets);

/// Opens a nonblocking UDP socket of `family`; an IPv6 one carries only IPv6. Asks for interface index and
/// local address of everything received.
Result<FileDescriptor> open_udp(IpFamily family);

/// Binds to `address`, which for a link-local one carries its interface, and returns the port.
Result<std::uint16_t> bind_udp(int socket, const Endpoint& address);

/// One datagram or batch on its way out: all that sendmsg needs, with no allocation. Stays where it is built.
class OutgoingMessage {
public:
    OutgoingMessage() = default;
    OutgoingMessage(const OutgoingMessage&) = delete;
    OutgoingMessage& operator=(const OutgoingMessage&) = delete;

    /// `segment` 0: one datagram; else a batch for UDP_SEGMENT. `request` must outlive the use of `header`.
    void build(const SendRequest& request, std::size_t segment, std::uint8_t ecn, msghdr& header);

private:
    template <class T>
    void append(msghdr& header, int level, int type, const T& value);

    SocketAddress address_{};
    iovec octets_{};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int)) +
                                               CMSG_SPACE(sizeof(std::uint16_t))> control_{};
};

/// Sends one prepared message; returns 0 or errno. EINTR is repeated.
int send_message(int socket, const msghdr& header);

/// Receive buffers for recvmmsg: `count` slots of `slot_size` octets. Pages that no datagram has
/// touched cost nothing.
class ReceiveBatch {
public:
    ReceiveBatch(std::size_t count, std::size_t slot_size);

    /// Reads what is there into `out`; counts in `discarded` what was truncated or told no interface.
    std::size_t read(int socket, std::span<ReceivedDatagram> out, std::uint64_t& discarded);

    /// The socket has told of an error since the last call of read().
    bool has_failed() const { return has_failed_; }

private:
    int read_once(int socket, std::size_t limit);
    bool parse(std::size_t slot, ReceivedDatagram& out);

    static constexpr std::size_t kControlSize = CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int)) * 3;
    struct Slot {
        SocketAddress address;
        iovec octets;
        alignas(cmsghdr) std::array<std::byte, kControlSize> control;
    };
    bool has_failed_ = false;
    std::size_t slot_size_;
    std::unique_ptr<std::byte[]> storage_;
    std::vector<Slot> slots_;
    std::vector<mmsghdr> headers_;
};

}  // namespace muster::os
