#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/crypto.h"

#include "muster/bytes.h"
#include "muster/ids.h"

namespace muster::link {

// Datagrams beside QUIC on the same port (docs/PROTOCOL.md, "On the UDP port"). Their first octet has QUIC's
// fixed bit (0x40) clear, and their size, magic number or key tag is right; what lacks any of these is
// QUIC's. The bit alone would not do: ngtcp2 always offers to have it greased (RFC 9287), so QUIC packets may
// come without it.

/// Payload of a race probe and of its answer. Both have QUIC's minimum size, so that a path which
/// carries them in both directions also carries a handshake, and the answer never amplifies (RFC 9000
/// sections 8.1 and 14.1).
inline constexpr std::size_t kProbeSize = 1200;

/// The short hash that names a group in probes, so that strangers' coordinators do not answer.
using GroupTag = std::array<std::uint8_t, 8>;
GroupTag group_tag(std::string_view group);

/// "Does this pair of addresses work, and who are you?" Sent before any key exists.
struct ProbeRequest {
    std::uint64_t nonce = 0;
    GroupTag group{};
};

struct ProbeReply {
    static constexpr std::uint64_t kGreeting = 0;

    /// Of the question. kGreeting: nobody has asked; the coordinator can send again, and says so to a member without a
    /// link. It makes kernels resolve addresses at once that they would ask for again in up to a second.
    std::uint64_t nonce = kGreeting;
    DeviceId responder;  ///< Only a hint: the handshake proves it.
};

/// Proof of life on one path of an established link; keys come from its TLS exporter.
struct Heartbeat {
    enum class Kind : std::uint8_t {
        small = 0x03,  ///< A question of 41 octets, or its answer.
        leave =
            0x04,  ///< From the end that cannot move: "go to another path, best to that by which this comes".
        full = 0x05,  ///< A question of kProbeSize octets, or its answer: shows that the path carries QUIC.
    };

    Kind kind = Kind::small;
    std::uint64_t counter = 0;  ///< Rises with every heartbeat of its sender, on whatever path.
    /// The question's counter in an answer, 0 in a question. In a request to leave its number: the copies of one
    /// request have the same.
    std::uint64_t echo = 0;

    bool is_leave_request() const { return kind == Kind::leave; }
    bool is_question() const { return !is_leave_request() && echo == 0; }
    bool is_answer() const { return !is_leave_request() && echo != 0; }
};

/// "I know no link with this tag": the answer to a heartbeat, smaller than that. It has no key and proves nothing; the link
/// that hears it has the peer decide by a QUIC packet, which earns a stateless reset if the peer was started anew.
struct UnknownLink {
    std::uint64_t tag = 0;
};

/// Lets each counter pass once, also late by less than 64: heartbeats of several paths overtake each other.
class ReplayWindow {
public:
    bool take(std::uint64_t counter);

private:
    std::uint64_t highest_ = 0;
    std::uint64_t taken_ = 0;  // bit n: highest_ - n has passed
};

/// Keys of one link's heartbeats. `tag` tells the receiver which link is meant.
struct HeartbeatKeys {
    static constexpr std::size_t kMaterial = 8 + 32 + 32;

    std::uint64_t tag = 0;
    std::array<std::byte, 32> sending{}, receiving{};

    /// Cuts exported keying material; the two ends take the two keys the other way round.
    static HeartbeatKeys from(ByteView material, bool is_dialer);
};

/// True: certainly no datagram of ours (RFC 9000 section 17.2).
bool has_fixed_bit(ByteView datagram);

Bytes encode(const ProbeRequest& request);
Bytes encode(const ProbeReply& reply);
Bytes encode(const Heartbeat& heartbeat, const HeartbeatKeys& keys);
Bytes encode(const UnknownLink& unknown);

std::optional<ProbeRequest> parse_probe_request(ByteView datagram);
std::optional<ProbeReply> parse_probe_reply(ByteView datagram);
std::optional<UnknownLink> parse_unknown_link(ByteView datagram);
/// The link a heartbeat is for, before it is authenticated.
std::optional<std::uint64_t> heartbeat_tag(ByteView datagram);
/// Nullopt unless the MAC is right.
std::optional<Heartbeat> open_heartbeat(ByteView datagram, const HeartbeatKeys& keys);

}  // namespace muster::link
