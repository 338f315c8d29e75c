#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "os/datagram.h"

#include "muster/bytes.h"
#include "muster/endpoint.h"
#include "muster/time.h"

namespace muster::discovery {

using Family = os::IpFamily;
using os::family_of;

/// One multicast domain of ours: an interface and an address family. Timers, rate limits and suppression are
/// kept per link; the cache is kept per interface.
struct LinkId {
    InterfaceIndex interface = InterfaceIndex::none;
    Family family = Family::v4;
    auto operator<=>(const LinkId&) const = default;
};

/// How a packet came in.
enum class Arrival : std::uint8_t {
    multicast,  ///< to the group
    unicast,    ///< to our port 5353
    one_shot,   ///< to the ephemeral port from which a one-shot query went out
};

struct PacketInfo {
    InterfaceIndex interface = InterfaceIndex::none;
    Endpoint source;
    Arrival arrival = Arrival::multicast;

    LinkId link() const { return {interface, family_of(source.address)}; }
};

/// Which of our ports a packet leaves from.
enum class SendFrom : std::uint8_t {
    mdns_port,  ///< 5353, as a full participant
    ephemeral,  ///< any other: a one-shot query, answered by unicast (RFC 6762 section 6.7)
};

/// Where the engine's packets go. Two implementations: sockets, and simulated links. Never calls back.
class MdnsWire {
public:
    virtual ~MdnsWire() = default;
    virtual void multicast(LinkId link, SendFrom from, ByteView packet) = 0;
    virtual void unicast(const Endpoint& to, SendFrom from, ByteView packet) = 0;
};

enum class LoopbackUse {
    when_alone,  ///< only while no other interface is eligible
    always,
    never,
};

/// Which interfaces take part.
struct LinkPolicy {
    bool ipv4 = true;
    bool ipv6 = true;
    LoopbackUse loopback = LoopbackUse::when_alone;
    std::vector<std::string> only;    ///< names; empty: every eligible one
    std::vector<std::string> except;  ///< names
};

struct MdnsEngineOptions {
    /// First label of this host's name; must be unique by itself, for it is not probed.
    std::string host;
    LinkPolicy links;
    /// Whether questions may ask for unicast answers: only as the sole user of port 5353
    /// (RFC 6762 section 15.1).
    bool sole_on_port = true;
};

inline constexpr std::uint16_t kMdnsPort = 5353;

// RFC 6762 section 10: records that hold or point to an address live shortly, the others long.
inline constexpr std::uint32_t kHostTtl = 120;
inline constexpr std::uint32_t kServiceTtl = 4500;

// RFC 6762 section 17: a message, with IP and UDP headers, must never exceed 9000 octets.
inline constexpr std::size_t kMaxPacket = 8952;

// Limits. What they cost at most: cache 4096 records of about 300 octets; the rest is small.
inline constexpr std::size_t kMaxRegistrations = 1024;
inline constexpr std::size_t kMaxWatches = 1024;
inline constexpr std::size_t kMaxQuestionsPerPacket = 256;  ///< more in one packet are not answered
inline constexpr std::size_t kMaxCacheRecords = 4096;
inline constexpr std::size_t kMaxCacheShare = 2048;  ///< of one source; half, for reflectors speak for many
inline constexpr std::size_t kMaxDeferredQueries = 32;  ///< TC queries waiting; more are dropped
inline constexpr std::size_t kMaxReplies = 256;         ///< unicast answers waiting; beyond them by multicast

/// What the engine has seen and refused, for `doctor` and tests.
struct MdnsCounters {
    std::uint64_t packets_in = 0;
    std::uint64_t packets_out = 0;
    std::uint64_t octets_out = 0;
    std::uint64_t malformed = 0;      ///< not a DNS message, or one with an opcode or rcode we must not read
    std::uint64_t foreign = 0;        ///< not from our links, wrong port, unknown interface
    std::uint64_t own = 0;            ///< our own multicast, looped back
    std::uint64_t cache_refused = 0;  ///< records that found the cache full
    std::uint64_t cache_evicted = 0;  ///< records that gave way to others
    std::uint64_t queries_refused = 0;   ///< queries beyond the limits
    std::uint64_t unicasts_refused = 0;  ///< queries that were answered by multicast: too many at once
    std::uint64_t conflicts = 0;
};

}  // namespace muster::discovery
