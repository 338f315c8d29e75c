#pragma once

#include <cstdint>
#include <vector>

#include "base/reader.h"
#include "base/writer.h"

#include "muster/session_types.h"

namespace muster::session {

/// A lane is a numbered sequence of octets in one direction of a session. It outlives links: on each link it
/// rides on one unidirectional stream, from the offset that the receiver asked for.
enum class LaneKind : std::uint8_t {
    control = 0,    ///< frames of the session: roster, undelivered, addresses, stream resets; number 0 only
    ordered = 1,    ///< messages of one channel; number = ChannelId
    unordered = 2,  ///< messages of any channel; number = place in the pool
    stream = 3,     ///< octets of one byte stream; number = stream number
};

enum class LaneId : std::uint64_t {};

constexpr LaneId lane_id(LaneKind kind, std::uint64_t number) {
    return LaneId{number << 2 | static_cast<std::uint64_t>(kind)};
}
constexpr LaneKind kind_of(LaneId id) { return static_cast<LaneKind>(static_cast<std::uint64_t>(id) & 3); }
constexpr std::uint64_t number_of(LaneId id) { return static_cast<std::uint64_t>(id) >> 2; }

inline constexpr LaneId kControlLane = lane_id(LaneKind::control, 0);

/// Unordered messages are spread over so many lanes, each onto the one with the least outstanding: a lost
/// packet holds up what shares its lane only. More lanes would cost every link more streams.
inline constexpr std::uint64_t kUnorderedLanes = 8;

/// The offset with which a stream is acknowledged that its receiver has finished with and forgotten.
inline constexpr std::uint64_t kAllReceived = kVarintMax;

/// Every message counts for that much more than its payload against the receiver's queue, so that a flood of
/// empty ones is bounded too. About what a queued message costs besides its octets.
inline constexpr std::size_t kMessageOverhead = 64;

/// How often kMessageOverhead counts for a message with this address: once for each listed recipient, each of
/// whom is work, and perhaps a notice that it cannot be reached.
inline std::size_t message_units(std::size_t listed) { return listed > 1 ? listed : 1; }

/// Where a message goes to (member to coordinator) or comes from (coordinator to member), and its channel.
struct Address {
    enum class Kind : std::uint8_t { direct = 0, everyone = 1, listed = 2 };

    ChannelId channel = ChannelId::main;
    Kind kind = Kind::direct;
    std::vector<DeviceId> ids;

    bool operator==(const Address&) const = default;

    void write(Writer& out) const {
        out.write_varint(static_cast<std::uint64_t>(channel)).write(static_cast<std::uint8_t>(kind));
        if (kind != Kind::listed) return;
        out.write_varint(ids.size());
        for (const DeviceId& id : ids) out.write(id.bytes);
    }

    /// Takes an address from the front; false if there is none, or with more than `most` ids.
    bool read(Reader& in, std::size_t most) {
        std::uint64_t number = 0, count = 0;
        std::uint8_t which = 0;
        if (!in.read_varint(number) || number > 0xffff || !in.read(which) || which > 2) return false;
        channel = ChannelId{static_cast<std::uint16_t>(number)};
        kind = static_cast<Kind>(which);
        ids.clear();
        if (kind != Kind::listed) return true;
        if (!in.read_varint(count) || count == 0 || count > most || in.remaining() / 20 < count) return false;
        ids.resize(static_cast<std::size_t>(count));
        for (DeviceId& id : ids)
            if (!in.read(id.bytes)) return false;
        return true;
    }
};

}  // namespace muster::session
