#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "os/datagram.h"
#include "os/file_descriptor.h"

#include "muster/error.h"

namespace muster::os {

/// The largest UDP datagram of IPv4.
inline constexpr std::size_t kLargestDatagram = 65507;

/// How a port is shared with other programs of this host.
enum class PortSharing {
    exclusive,         ///< Plain bind: fails if anybody has the port. The test of RFC 6762 section 15.1.
    address,           ///< SO_REUSEADDR
    address_and_port,  ///< SO_REUSEADDR and SO_REUSEPORT
};

enum class BindTo {
    wildcard,  ///< Receives unicast to the port as well; steals it from whoever shares the port.
    group,     ///< Receives only what is sent to the group; unicast stays with the other program.
    loopback,  ///< Receives nothing of use: for asking, with PortSharing::exclusive, whether anybody has the
               ///< port on the wildcard address, without being in the way of those who bind to the group.
};

struct MulticastOptions {
    IpAddress group;  ///< Its family is the socket's family.
    std::uint16_t port = 0;
    PortSharing sharing = PortSharing::exclusive;
    BindTo bind = BindTo::wildcard;
    /// Binds the socket to one interface. Without, an IPv6 socket gets what comes for the group by any interface on which
    /// somebody on this machine has joined it, and an IPv4 socket can join on no more than 20 (igmp_max_memberships). Needed for
    /// BindTo::group in IPv6. None: one socket serves them all.
    InterfaceIndex interface = InterfaceIndex::none;
    /// Only what these addresses send is heard (RFC 4607); empty: anybody. The kernel takes 10 of IPv4 and 64 of IPv6
    /// (igmp_max_msf, mld_max_msf).
    std::vector<IpAddress> sources = {};
    /// Of what is sent. Link-local protocols check by 255 that a datagram has crossed no router (RFC 6762 section 11).
    std::uint8_t hop_limit = 255;
    /// Largest datagram accepted; what is longer is dropped and counted. The default is that of RFC 6762 section 17: 9000
    /// with headers. Memory that none has touched costs nothing: kLargestDatagram is no waste.
    std::size_t max_datagram = 9216;
    /// Wanted receive buffer, taken as far as the system allows; 0: the system's default.
    std::uint32_t receive_buffer = 0;
};

/// What became of a join.
struct JoinOutcome {
    enum class Kind {
        joined,     ///< Now, or before.
        forbidden,  ///< A policy of this machine refuses it (EACCES, EPERM).
        failed,  ///< The interface is gone or cannot do multicast, or a limit of the kernel is reached (ENOBUFS).
    };
    Kind kind = Kind::joined;
    int error = 0;  ///< errno; 0 if joined.
};

/// A socket for one multicast group of one family on any number of interfaces, each named by its index.
/// Loopback on (other programs of this host hear us), IP_MULTICAST_ALL off: it hears only what
/// it has joined itself. A resource; nonblocking; one thread or strand.
class MulticastSocket {
public:
    /// Datagrams per receive().
    static constexpr std::size_t kSlots = 8;

    /// Opens and binds; joins nothing yet.
    /// Errors: already_exists (the port is taken and the other side or `sharing` forbids sharing),
    /// bad_input (no group, or a group that needs `interface`), system.
    static Result<std::unique_ptr<MulticastSocket>> open(const MulticastOptions& options);
    ~MulticastSocket();
    MulticastSocket(const MulticastSocket&) = delete;
    MulticastSocket& operator=(const MulticastSocket&) = delete;

    /// Joins the group on one interface. Joining twice is harmless. Errors: bad_input (index none), system
    /// (the interface is gone or cannot do multicast).
    Result<> join(InterfaceIndex interface);
    /// As join(), for whoever tells one failure from another.
    JoinOutcome try_join(InterfaceIndex interface);
    /// Leaves the group on one interface; harmless if not joined or if the interface is gone.
    void leave(InterfaceIndex interface);

    /// Sends one datagram. `request.remote` may be the group or a unicast address; its `interface` must be
    /// named. A `local` of unspecified lets the kernel choose among the interface's addresses.
    SendOutcome send(const SendRequest& request);

    /// Fills `out` from the front with what has arrived, at most kSlots, and returns how many; 0 when there
    /// is nothing. Views stay valid until the next call. Tells interface, destination address and hop limit.
    std::size_t receive(std::span<ReceivedDatagram> out);

    std::uint16_t port() const { return port_; }
    /// For waiting only; the socket keeps it.
    int native_handle() const { return socket_.get(); }
    /// Datagrams dropped because they were longer than `max_datagram` or came without interface information.
    std::uint64_t discarded() const { return discarded_; }
    /// Datagrams that the kernel dropped because the receive buffer was full.
    std::uint64_t overflowed() const;

private:
    struct Slots;
    MulticastSocket(FileDescriptor socket, const MulticastOptions& options, std::uint16_t port);

    FileDescriptor socket_;
    IpAddress group_;
    std::vector<IpAddress> sources_;
    std::size_t max_datagram_;
    std::uint16_t port_;
    std::unique_ptr<Slots> slots_;  // made at the first receive: many sockets never get anything
    std::uint64_t discarded_ = 0;
};

}  // namespace muster::os
