#pragma once

#include <cstddef>
#include <cstdint>

#include "muster/bytes.h"
#include "muster/endpoint.h"

namespace muster::os {

enum class IpFamily { v4, v6 };

inline IpFamily family_of(const IpAddress& address) { return address.is_v6() ? IpFamily::v6 : IpFamily::v4; }

/// What one read from a socket gave: one datagram, or several of one sender that the kernel joined (UDP_GRO).
struct ReceivedDatagram {
    ByteView octets;          ///< Valid until the next receive() on the same socket.
    std::size_t segment = 0;  ///< Each `segment` octets are one datagram, the last may be shorter.
    Endpoint remote;          ///< The sender; `interface` is the one it came in by, never none.
    IpAddress local;          ///< The destination in the IP header: an address of ours, or a group.
    std::uint8_t ecn = 0;     ///< The two ECN bits (RFC 3168); 0 unless the socket asks for them.
    std::uint8_t hop_limit =
        0;  ///< TTL or hop limit; 0 unless the socket asks for it (multicast sockets do).
};

/// One datagram, or a batch of equal datagrams to one remote.
struct SendRequest {
    /// `interface` names the interface to leave by; none leaves the choice to the kernel's routing.
    Endpoint remote;
    IpAddress local;          ///< Source address; unspecified: the kernel chooses one of the interface's.
    ByteView octets;          ///< Borrowed for the call.
    std::size_t segment = 0;  ///< 0: one datagram; else a batch cut into pieces of this size.
    std::uint8_t ecn = 0;     ///< The two ECN bits to send with.
};

/// What became of a send. No outcome is a reason to close a connection: errors of sockets are transient.
enum class SendStatus {
    sent,          ///< All octets were given to the kernel.
    would_block,   ///< A queue is full: keep the rest and try again when writable (EAGAIN) or soon (ENOBUFS).
    path_suspect,  ///< The interface, address or route is gone or changing: drop, and look for another path.
    too_big,       ///< Larger than this path's MTU: drop, and send smaller datagrams.
    dropped,       ///< Refused by a filter, or for a reason that says nothing about the path: count it.
};

struct SendOutcome {
    SendStatus status = SendStatus::sent;
    int error = 0;           ///< errno of the piece that failed; 0 if sent.
    std::size_t octets = 0;  ///< Octets from the front that are dealt with; the caller keeps the rest only if
                             ///< would_block.

    bool operator==(const SendOutcome&) const = default;
};

/// Says what an errno of a send means for one plain datagram. Never "fatal".
SendStatus classify_send_error(int error);

/// True if the socket becomes writable when what would_block is worth trying again (EAGAIN). With ENOBUFS and
/// ENOMEM it is not the socket that is full, and it is writable all the time: wait a moment instead.
bool is_writable_news(int error);

}  // namespace muster::os
