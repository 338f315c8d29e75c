#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "os/file_descriptor.h"

#include "muster/bytes.h"
#include "muster/endpoint.h"
#include "muster/error.h"

namespace muster::os {

/// The numbers of an answer to a ping.
struct EchoReply {
    std::uint16_t id = 0;
    std::uint16_t sequence = 0;

    bool operator==(const EchoReply&) const = default;
};

/// Reads an ICMP or ICMPv6 echo reply (RFC 792, RFC 4443 4.2); nullopt for everything else. `has_ip_header`: an IPv4 header
/// comes first, as raw sockets get it.
std::optional<EchoReply> parse_echo_reply(ByteView packet, bool is_v6, bool has_ip_header);

/// Pings one host. Without privileges if the kernel allows it (sysctl net.ipv4.ping_group_range), else with CAP_NET_RAW. Its
/// packets are never divided. A resource; one thread or strand.
class PingSocket {
public:
    /// `remote`: bound to its interface, if it names one. Errors: system (no permission, no route; the errno is in `why`).
    static Result<PingSocket> open(const Endpoint& remote, int& why);

    /// Sends an echo request that makes an IP packet of `size` octets, at least 28 or 48. Returns an errno, or 0.
    int send(std::uint16_t sequence, std::size_t size);
    /// The sequence number of the next answer that has come; nullopt if there is none.
    std::optional<std::uint16_t> receive();
    /// What routers have told about how large packets may be on the way.
    std::optional<std::uint32_t> path_mtu() const;
    /// What its pings carry to be told from those of others.
    std::uint16_t id() const;
    int native_handle() const { return socket_.get(); }

private:
    PingSocket(FileDescriptor socket, bool is_v6, bool is_raw);

    FileDescriptor socket_;
    bool is_v6_, is_raw_;
};

}  // namespace muster::os
