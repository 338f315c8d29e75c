#pragma once

#include <algorithm>
#include <array>
#include <cstring>

#include <netinet/in.h>

#include "quic/connection.h"
#include "quic/ngtcp2_compat.h"

namespace muster::quic {

/// The pair of addresses by which ngtcp2 knows a path: fd4d::/16 (a unique local prefix that never leaves the
/// process), tag, PathId. The numbers stand in the address and not in the port, for a change of the port
/// alone counts as NAT rebinding and would keep the old path's congestion state.
///
/// A client has to change its local address to move; a server must not, or each rebinding of a
/// client's address would cost it a connection id (RFC 9000 section 9.5). So a server's local
/// address is always the same.
///
/// ngtcp2 must not recognize a path to which a connection comes back: a client would keep its state from before an
/// outage, and a server, for as long as 0.12 still checks the path after the move away from it, would not
/// follow the move back and answer by the dead path for some 200 ms. So the tag tells visits of one path apart. A
/// client counts its moves; on a server it is the connection id that the client uses, and each move brings a
/// fresh one.
class SyntheticPath {
public:
    enum class Side { client, server };
    using Tag = std::array<std::uint8_t, 6>;

    SyntheticPath(Side side, PathId id, Tag tag = {})
        : local_(side == Side::client ? address(tag, static_cast<std::uint64_t>(id)) : address({}, 0)),
          remote_(address(tag, static_cast<std::uint64_t>(id))) {}

    /// Valid as long as this object, and does not change.
    ngtcp2_path view() { return {view_of(local_), view_of(remote_), nullptr}; }

    static PathId id_of(const ngtcp2_path& path) {
        sockaddr_in6 remote{};
        if (path.remote.addrlen == sizeof remote) std::memcpy(&remote, path.remote.addr, sizeof remote);
        std::uint64_t id = 0;
        for (int i = 8; i < 16; ++i) id = (id << 8) | remote.sin6_addr.s6_addr[i];
        return PathId{id};
    }

private:
    static sockaddr_in6 address(Tag tag, std::uint64_t number) {
        sockaddr_in6 result{};
        result.sin6_family = AF_INET6;
        result.sin6_port = 0x0100;  // any fixed non-zero number
        unsigned char* octets = result.sin6_addr.s6_addr;
        octets[0] = 0xfd;
        octets[1] = 0x4d;
        std::copy(tag.begin(), tag.end(), octets + 2);
        for (int i = 15; i >= 8; --i, number >>= 8) octets[i] = static_cast<unsigned char>(number & 0xff);
        return result;
    }
    static ngtcp2_addr view_of(sockaddr_in6& address) {
        return {reinterpret_cast<ngtcp2_sockaddr*>(&address), sizeof address};
    }

    sockaddr_in6 local_;
    sockaddr_in6 remote_;
};

}  // namespace muster::quic
