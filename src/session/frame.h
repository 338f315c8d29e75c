#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "session/lane.h"

#include "muster/endpoint.h"
#include "muster/session_types.h"

// The frames of the session protocol (docs/PROTOCOL.md): varint type, varint length, body. A receiver skips a
// type that it does not know if it is odd, and ends the session if it is even.

namespace muster::session {

inline constexpr std::uint64_t kVersion = 1;
/// Longest body: a join request with everything at its limit has about 21 KiB; long rosters come in pieces.
inline constexpr std::size_t kMaxFrameSize = 64 * 1024;
/// Lanes in one acknowledgement: all that the default limits allow, several times over.
inline constexpr std::size_t kMaxPositions = 1024;

enum class FrameType : std::uint64_t {
    // on the control stream of one link; not repeated on the next
    hello = 0x00,
    join = 0x02,
    welcome = 0x04,
    refused = 0x06,
    resume = 0x08,
    resumed = 0x0a,
    ack = 0x0c,
    goodbye = 0x0e,
    goodbye_ack = 0x10,
    ping = 0x12,
    pong = 0x14,
    // on the control lane; repeated until acknowledged
    roster = 0x20,
    undelivered = 0x22,
    stream_reset = 0x24,
    addresses = 0x26,
};

using SessionId = std::array<std::uint8_t, 16>;
using Secret = std::array<std::uint8_t, 32>;

/// The first frame of a member on every link. This layout is the same in every version.
struct Hello {
    static constexpr FrameType kType = FrameType::hello;
    std::uint64_t min_version = kVersion, max_version = kVersion;

    bool operator==(const Hello&) const = default;
    void write(Writer& out) const;
    static std::optional<Hello> parse(ByteView body);
};

/// What one end is ready to take from the other.
struct ReceiveLimits {
    std::uint64_t message = 0;         ///< longest message
    std::uint64_t message_credit = 0;  ///< first credit for messages
    std::uint64_t stream_credit = 0;   ///< first credit of every stream
    std::uint64_t streams = 0;         ///< streams open at a time
    std::uint64_t channels = 0;        ///< ordered channels in use

    bool operator==(const ReceiveLimits&) const = default;
    void write(Writer& out) const;
    bool read(Reader& in);
};

struct Join {
    static constexpr FrameType kType = FrameType::join;
    std::string name;
    InfoMap info;
    Bytes context;
    ReceiveLimits limits;
    std::uint64_t grace_ms = 0;

    bool operator==(const Join&) const = default;
    void write(Writer& out) const;
    static std::optional<Join> parse(ByteView body);
};

struct Welcome {
    static constexpr FrameType kType = FrameType::welcome;
    std::uint64_t version = kVersion;
    SessionId session{};
    Secret secret{};
    std::uint64_t grace_ms = 0;
    std::string name;  ///< the coordinator's
    InfoMap info;
    ReceiveLimits limits;

    bool operator==(const Welcome&) const = default;
    void write(Writer& out) const;
    static std::optional<Welcome> parse(ByteView body);
};

struct Refused {
    static constexpr FrameType kType = FrameType::refused;
    Errc why = Errc::refused;
    std::string reason;

    bool operator==(const Refused&) const = default;
    void write(Writer& out) const;
    static std::optional<Refused> parse(ByteView body);
};

/// How far a lane has come at its receiver.
struct Position {
    LaneId lane{};
    std::uint64_t received = 0;  ///< octets, in order; the end of a stream counts for one more
    std::uint64_t credit = 0;    ///< streams only: the sender may send up to this offset

    bool operator==(const Position&) const = default;
};

/// Acknowledges and gives credit. All numbers count from the start of the session, so each frame replaces the
/// ones before it.
struct Ack {
    static constexpr FrameType kType = FrameType::ack;
    std::uint64_t message_credit = 0;
    std::vector<Position> positions;

    bool operator==(const Ack&) const = default;
    void write(Writer& out) const;
    bool read(Reader& in);
    static std::optional<Ack> parse(ByteView body);
};

struct Resume {
    static constexpr FrameType kType = FrameType::resume;
    SessionId session{};
    std::uint64_t attempt = 0;
    bool starts_anew = false;  ///< another process than before: it knows no roster
    Sha256Digest proof{};
    Ack state;

    bool operator==(const Resume&) const = default;
    void write(Writer& out) const;
    static std::optional<Resume> parse(ByteView body);
};

struct Resumed {
    static constexpr FrameType kType = FrameType::resumed;
    Sha256Digest proof{};
    Ack state;

    bool operator==(const Resumed&) const = default;
    void write(Writer& out) const;
    static std::optional<Resumed> parse(ByteView body);
};

struct Goodbye {
    static constexpr FrameType kType = FrameType::goodbye;
    CloseCode code = 0;
    std::string reason;
    std::vector<Position> ends;  ///< `received` is where each lane ends: acknowledge when all are reached

    bool operator==(const Goodbye&) const = default;
    void write(Writer& out) const;
    static std::optional<Goodbye> parse(ByteView body);
};

struct RosterUpdate {
    static constexpr FrameType kType = FrameType::roster;
    enum class Kind : std::uint8_t { delta = 0, full = 1 };
    struct Left {
        DeviceId id;
        Departure how = Closed{};
        bool operator==(const Left&) const = default;
    };

    Kind kind = Kind::delta;
    bool more = false;       ///< the next update continues this one
    std::uint64_t from = 0;  ///< delta: the revision that it changes
    std::uint64_t to = 0;
    std::vector<PeerInfo> joined;
    std::vector<Left> left;

    bool operator==(const RosterUpdate&) const = default;
    void write(Writer& out) const;
    static std::optional<RosterUpdate> parse(ByteView body);
};

struct UndeliveredNotice {
    static constexpr FrameType kType = FrameType::undelivered;
    Undelivered what;

    void write(Writer& out) const;
    static std::optional<UndeliveredNotice> parse(ByteView body);
};

struct StreamReset {
    static constexpr FrameType kType = FrameType::stream_reset;
    std::uint64_t number = 0;
    std::uint64_t code = 0;
    std::string reason;

    bool operator==(const StreamReset&) const = default;
    void write(Writer& out) const;
    static std::optional<StreamReset> parse(ByteView body);
};

void write_peer(Writer& out, const PeerInfo& peer);
bool read_peer(Reader& in, PeerInfo& peer);

/// Where the coordinator can be reached, all of it: other ways to it than the one in use.
struct AddressList {
    static constexpr FrameType kType = FrameType::addresses;
    static constexpr std::size_t kMax = 16;
    std::vector<Endpoint> endpoints;  ///< without interface

    bool operator==(const AddressList&) const = default;
    void write(Writer& out) const;
    static std::optional<AddressList> parse(ByteView body);
};

/// Writes a frame with its type and length.
void write_frame(Bytes& out, FrameType type, ByteView body);

template <class Frame>
Bytes encode(const Frame& frame) {
    Bytes body, out;
    Writer writer{body};
    frame.write(writer);
    write_frame(out, Frame::kType, body);
    return out;
}

/// The code with this stable name; `fallback` for names of a later version.
Errc errc_named(std::string_view name, Errc fallback);

/// Cuts a stream of octets into frames. Keeps at most one unfinished frame.
class FrameSplitter {
public:
    enum class Outcome { need_more, frame, too_large };

    /// Takes octets from `data` until a frame is complete: type() and body() hold until the next call.
    Outcome next(ByteView& data);
    FrameType type() const { return FrameType{type_}; }
    ByteView body() const { return body_; }
    /// Octets taken of a frame that is not complete.
    std::size_t pending() const { return consumed_ ? 0 : partial_.size(); }

private:
    Outcome decode(ByteView octets, std::size_t& total);

    Bytes partial_;
    bool consumed_ = false;  // partial_ holds the frame returned last
    std::uint64_t type_ = 0;
    ByteView body_;
};

}  // namespace muster::session
