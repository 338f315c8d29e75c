#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "os/file_descriptor.h"

#include "muster/bytes.h"
#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster::os {

/// What the wire brought, before any filter of this machine.
struct TappedPacket {
    enum class Kind {
        datagram,  ///< UDP, not a later fragment.
        query,     ///< IGMP or MLD: a router or switch asks for memberships.
    };
    Kind kind = Kind::datagram;
    IpAddress source;
    IpAddress destination;
    std::uint16_t port = 0;  ///< Destination port of a datagram.

    bool operator==(const TappedPacket&) const = default;
};

/// Reads an IP packet, of which the end may be cut off; nullopt for everything else.
std::optional<TappedPacket> parse_tapped(ByteView packet);

/// Sees what comes in by any interface for one group, and the queries for memberships, also if no program takes it or a
/// packet filter drops it. Needs CAP_NET_RAW. A resource; one thread or strand.
class MulticastTap {
public:
    using OnPacket = std::function<void(InterfaceIndex interface, const TappedPacket& packet)>;

    /// Errors: system (no permission).
    static Result<std::unique_ptr<MulticastTap>> open(const IpAddress& group);

    /// Hands over what has come since the last call, at most 4,096 packets.
    void read(const OnPacket& on_packet);
    /// How many packets have been lost since the last call because the buffer was full.
    std::uint64_t take_losses();

private:
    explicit MulticastTap(FileDescriptor socket) : socket_(std::move(socket)) {}

    FileDescriptor socket_;
};

}  // namespace muster::os
