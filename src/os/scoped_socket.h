#pragma once

#include <cstdint>
#include <optional>

#include "os/datagram.h"

#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster::os {

/// What the kernel says of an IP socket, whoever of this process has made it. IPv4 addresses that an IPv6 socket shows as
/// mapped (RFC 4291 2.5.5.2) are IPv4 addresses here.
struct SocketFacts {
    IpFamily family = IpFamily::v4;
    bool is_stream = false;                         ///< TCP; else datagrams.
    InterfaceIndex held_to = InterfaceIndex::none;  ///< SO_BINDTODEVICE.
    IpAddress local;                                ///< Unspecified: bound to none.
    std::uint16_t port = 0;                         ///< 0: bound to none.
    std::optional<Endpoint> remote;                 ///< Of one that is connected.
    bool has_begun = false;                         ///< TCP that connects or listens, or has.
};

/// Errors: bad_input (no socket, or none of IP), system.
Result<SocketFacts> socket_facts(int socket);

/// From now on the socket sends by this interface alone, and takes only what comes by it. The kernel does not look whether there is such
/// an interface: sending tells. Errors: unsupported (before Linux 5.7, without CAP_NET_RAW; or the socket is held to another interface,
/// and only root may change that), system.
Result<void> hold_to(int socket, InterfaceIndex interface);

/// Gives the socket this own address; its port stays open where the kernel can choose it when it connects. Errors: no_address (it has
/// gone meanwhile), system.
Result<void> bind_source(int socket, const SocketFacts& facts, const IpAddress& source,
                         InterfaceIndex interface);

}  // namespace muster::os
