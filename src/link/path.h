#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "muster/bytes.h"
#include "muster/endpoint.h"

namespace muster::link {

/// What carries the datagrams of a path.
enum class MediumKind : std::uint8_t { udp, simulated };

/// One way to a peer: the medium, the local interface (inside `remote`), the local address
/// and the remote address.
struct Path {
    MediumKind medium = MediumKind::udp;
    Endpoint remote;
    IpAddress local;  ///< The source to send from; unspecified lets the kernel choose one of the interface.

    auto operator<=>(const Path&) const = default;

    /// "udp [fe80::1%2]:4711".
    std::string to_string() const;
};

/// Where a node's datagrams leave: the UDP sockets of a process, a simulated wire. Sending never fails a
/// link: what could not be sent is loss, and what the kernel said about it comes back as an event.
class Medium {
public:
    virtual ~Medium() = default;
    /// Sends `octets` cut into datagrams of `segment` octets (the last may be shorter); `ecn` as in RFC 3168.
    virtual void send(const Path& path, ByteView octets, std::size_t segment, std::uint8_t ecn) = 0;
    /// Nothing comes along this path any more: asks around why that may be. What is found is told within some ten
    /// milliseconds (PathFindings), or never: there are limits to how much is asked at a time.
    virtual void inquire(const Path& path) = 0;
};

}  // namespace muster::link

template <>
struct std::hash<muster::link::Path> {
    std::size_t operator()(const muster::link::Path& path) const noexcept {
        std::size_t value = static_cast<std::size_t>(path.medium);
        const auto mix = [&value](std::size_t part) { value = (value ^ part) * 0x9e3779b97f4a7c15u; };
        mix(path.remote.port);
        mix(static_cast<std::size_t>(path.remote.interface));
        for (const auto octet : path.remote.address.v6()) mix(octet);
        for (const auto octet : path.local.v6()) mix(octet);
        return value;
    }
};
