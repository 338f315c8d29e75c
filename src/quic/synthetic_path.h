#pragma once

#include <cstring>
#include <optional>

#include <netinet/in.h>

#include "quic/connection.h"
#include "quic/ngtcp2_compat.h"

namespace muster::quic {

/// The pair of addresses by which ngtcp2 knows a PathId: fd4d::/16 (a unique local prefix that never leaves
/// the process), side, number. The number stands in the address and not in the port, for a change of the
/// port alone counts as NAT rebinding and would keep the old path's congestion state.
///
/// A client has to change its local address to move; a server must not, or each rebinding of a client's
/// address would cost it a connection id (RFC 9000 section 9.5). So a server's local address is the same for
/// all paths.
class SyntheticPath {
public:
    enum class Side { client, server };

    SyntheticPath(Side side, PathId id)
        : local_(address(0, side == Side::client ? static_cast<std::uint64_t>(id) : 0)),
          remote_(address(1, static_cast<std::uint64_t>(id))) {}

    /// Valid as long as this object, and does not change.
    ngtcp2_path view() { return {view_of(local_), view_of(remote_), nullptr}; }
    const sockaddr_in6& remote() const { return remote_; }

    static PathId id_of(const ngtcp2_path& path) {
        sockaddr_in6 remote{};
        if (path.remote.addrlen == sizeof remote) std::memcpy(&remote, path.remote.addr, sizeof remote);
        std::uint64_t id = 0;
        for (int i = 8; i < 16; ++i) id = (id << 8) | remote.sin6_addr.s6_addr[i];
        return PathId{id};
    }

private:
    static sockaddr_in6 address(std::uint8_t side, std::uint64_t number) {
        sockaddr_in6 result{};
        result.sin6_family = AF_INET6;
        result.sin6_port = 0x0100;  // any fixed non-zero number
        unsigned char* octets = result.sin6_addr.s6_addr;
        octets[0] = 0xfd;
        octets[1] = 0x4d;
        octets[2] = side;
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
