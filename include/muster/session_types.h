#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "muster/bytes.h"
#include "muster/error.h"
#include "muster/ids.h"
#include "muster/time.h"

// Values of a session: what the coordinator and its members tell each other. All of them may be copied,
// compared and used on any thread. Structs with defaults have constructors, because g++ 12.2 destroys braced
// aggregates twice when they are made inside an expression with co_await.

namespace muster {

/// The limits of a session. What is larger is refused with too_large or queue_full on the side that sends,
/// and ends the session of a peer that sends it all the same with protocol_violation.
struct SessionLimits {
    SessionLimits() {}  // NOLINT(modernize-use-equals-default): keeps this from being an aggregate, see above

    /// Longest message, in octets.
    std::size_t message = 1 << 20;
    /// Octets of messages kept per peer until its session has acknowledged them: what a lost link
    /// may cost in memory. Beyond it `send` waits, and `try_send` answers queue_full.
    std::size_t send_buffer = 4 << 20;
    /// Octets of messages from one peer that wait for the application; the peer's sending stops at it. Every
    /// message counts for 64 octets more than its payload. Never below `message` + 128 KiB.
    std::size_t receive_queue = 2 << 20;
    /// Octets kept per stream and direction: the sender's unacknowledged and the receiver's unread ones.
    std::size_t stream_buffer = 1 << 20;
    /// Streams that one peer may have open with us at a time. Twice that and `channels`: at most 246
    /// together. Through the coordinator, one member may have a quarter of them open to another.
    std::size_t streams = 64;
    /// Channels with ordered messages in use per peer; the numbers themselves are free. Through the coordinator, one
    /// member may begin a quarter of them towards another, and ChannelId::main always.
    std::size_t channels = 32;
    /// Coordinators: members that it takes. Members: the largest group in which this device can be; in a larger one its
    /// session ends with protocol_violation.
    std::size_t members = 10'000;
    /// Recipients listed in one message, at most 512; for more, address everyone.
    std::size_t recipients = 64;

    bool operator==(const SessionLimits&) const = default;
};

inline constexpr std::size_t kMaxNameSize = 64;            ///< Octets of UTF-8 without control characters.
inline constexpr std::size_t kMaxInfoSize = 4 * 1024;      ///< Octets of all keys and values of an info map.
inline constexpr std::size_t kMaxContextSize = 16 * 1024;  ///< Octets that a member may add to its request.
inline constexpr std::size_t kMaxReasonSize = 256;         ///< Octets of the reason of a close or refusal.
inline constexpr std::size_t kMaxStreamHeaderSize = 4 * 1024;  ///< Octets with which a stream is announced.

using InfoMap = std::map<std::string, std::string>;

/// Checks a name of a device or a group before it is used. Errors: bad_name (empty, longer than kMaxNameSize,
/// or not is_plain_text()).
Result<void> check_name(std::string_view name);
/// Checks an info map. Errors: too_large (more than kMaxInfoSize or 64 entries), bad_input (a key is empty,
/// or something is not is_plain_text()).
Result<void> check_info(const InfoMap& info);

/// Who a peer is: the coordinator, or one of its members.
struct PeerInfo {
    PeerInfo() {}  // NOLINT(modernize-use-equals-default)
    PeerInfo(DeviceId device, std::string label, InfoMap facts = {}, bool coordinator = false)
        : id(device), name(std::move(label)), info(std::move(facts)), is_coordinator(coordinator) {}

    DeviceId id;
    std::string name;  ///< For people; two peers may have the same.
    InfoMap info;      ///< Whatever the application wants the others to know before the first message.
    bool is_coordinator = false;

    bool operator==(const PeerInfo&) const = default;
};

/// Everyone in the session, the coordinator first. A greater revision is newer; revisions start afresh with a
/// coordinator that has no journal (HostOptions::journal) of the last one's.
struct Roster {
    Roster() {}  // NOLINT(modernize-use-equals-default)

    std::uint64_t revision = 0;
    std::vector<PeerInfo> peers;

    /// Returns the peer with this id, or null. Linear.
    const PeerInfo* find(const DeviceId& id) const {
        for (const auto& peer : peers)
            if (peer.id == id) return &peer;
        return nullptr;
    }

    bool operator==(const Roster&) const = default;
};

/// What is promised for a message.
enum class Delivery : std::uint8_t {
    ordered,    ///< arrives once, in the order of its channel, unless the session ends before; also if its
                ///< link is lost and another one carries it on
    unordered,  ///< arrives once; a lost packet does not hold up the other messages
    unreliable,  ///< arrives at most once, at once or never; not larger than a datagram. A coordinator copies at
                 ///< most 64 MiB/s of them for one member that sends to several.
};

struct SendOptions {
    SendOptions() {}  // NOLINT(modernize-use-equals-default)
    explicit SendOptions(ChannelId on, Delivery how = Delivery::ordered) : channel(on), delivery(how) {}
    explicit SendOptions(Delivery how) : delivery(how) {}

    ChannelId channel = ChannelId::main;
    Delivery delivery = Delivery::ordered;
    /// Comes back in Undelivered, so that the sender knows which message it was. At most 2^62 - 1.
    std::uint64_t cookie = 0;

    bool operator==(const SendOptions&) const = default;
};

/// To whom a message goes. The sender itself never gets it.
class Recipients {
public:
    enum class Kind : std::uint8_t { coordinator, everyone, listed };

    /// All others: the coordinator and every member.
    static Recipients everyone() { return Recipients{Kind::everyone, {}}; }
    static Recipients coordinator() { return Recipients{Kind::coordinator, {}}; }
    static Recipients one(const DeviceId& id) { return Recipients{Kind::listed, {id}}; }
    static Recipients several(std::vector<DeviceId> ids) { return Recipients{Kind::listed, std::move(ids)}; }

    Kind kind() const { return kind_; }
    const std::vector<DeviceId>& ids() const { return ids_; }  ///< Empty unless listed.

    bool operator==(const Recipients&) const = default;

private:
    Recipients(Kind kind, std::vector<DeviceId> ids) : kind_(kind), ids_(std::move(ids)) {}

    Kind kind_;
    std::vector<DeviceId> ids_;
};

/// A message that arrived.
struct Message {
    Message() {}  // NOLINT(modernize-use-equals-default)
    Message(DeviceId sender, ChannelId on, Delivery how, Bytes octets)
        : from(sender), channel(on), delivery(how), payload(std::move(octets)) {}

    DeviceId from;  ///< Who sent it; vouched for by the coordinator if it was passed on.
    ChannelId channel = ChannelId::main;
    Delivery delivery = Delivery::ordered;
    Bytes payload;
    /// With a journal (HostOptions::journal, JoinOptions::journal): counts the reliable messages of the session that
    /// brought it from 0: of this sender's at the coordinator, of the one with the coordinator at a member. One that is
    /// delivered again has the same number. Keep the last one, skip what is redelivered and not above it, and forget
    /// it at PeerLeft or with a Member that is not restored, for the next session counts from 0. 0 without a journal,
    /// also after JournalFailed.
    std::uint64_t number = 0;
    /// The application had this message before its process was started anew, or may have had it.
    bool redelivered = false;

    bool operator==(const Message&) const = default;
};

/// The coordinator could not pass on a reliable message that it had accepted from this end, or this end could
/// not queue it for one of several recipients.
struct Undelivered {
    Undelivered() {}  // NOLINT(modernize-use-equals-default)

    DeviceId to;
    ChannelId channel = ChannelId::main;
    std::uint64_t cookie = 0;       ///< SendOptions::cookie of the message.
    Errc why = Errc::unknown_peer;  ///< unknown_peer, queue_full (the recipient is too slow) or too_large

    bool operator==(const Undelivered&) const = default;
};

/// The number with which an application says why it closes; 0 is "nothing went wrong".
using CloseCode = std::uint32_t;

/// The session ended because one end said goodbye.
struct Closed {
    enum class By : std::uint8_t {
        this_end,  ///< our application closed; for the departure of a third member: the coordinator removed
                   ///< it
        peer,      ///< the peer's application closed
    };

    Closed() {}  // NOLINT(modernize-use-equals-default)
    Closed(By whose, CloseCode number, std::string text) : by(whose), code(number), reason(std::move(text)) {}

    By by = By::this_end;
    CloseCode code = 0;
    std::string reason;

    bool operator==(const Closed&) const = default;
};

/// Why a session ended: closed by someone's goodbye, or lost with a cause. The two are never confused.
class Departure {
public:
    Departure(Closed goodbye) : how_(std::move(goodbye)) {}  // NOLINT(google-explicit-constructor)
    Departure(Error cause) : how_(std::move(cause)) {}       // NOLINT(google-explicit-constructor)

    bool is_closed() const { return std::holds_alternative<Closed>(how_); }
    bool is_lost() const { return !is_closed(); }
    const Closed& closed() const { return std::get<Closed>(how_); }  ///< Only if is_closed().
    const Error& cause() const { return std::get<Error>(how_); }     ///< Only if is_lost().

    bool operator==(const Departure&) const = default;

private:
    std::variant<Closed, Error> how_;
};

/// A device asks to become a member.
struct JoinRequest {
    JoinRequest() {}  // NOLINT(modernize-use-equals-default)

    std::uint64_t ticket = 0;  ///< Names this request when it is answered.
    DeviceId id;               ///< Proved by the link.
    std::string name;
    InfoMap info;
    Bytes context;  ///< Whatever the member's application adds: a token, a wish.

    bool operator==(const JoinRequest&) const = default;
};

/// Which devices a coordinator lets in before its application is asked.
struct TrustPolicy {
    enum class Kind : std::uint8_t { open, allow };

    /// Any key is accepted; the application learns it and may pin it.
    static TrustPolicy open() { return {}; }
    /// Only these devices; all others are refused.
    static TrustPolicy allow(std::vector<DeviceId> devices) {
        TrustPolicy policy;
        policy.kind = Kind::allow;
        policy.allowed = std::move(devices);
        return policy;
    }

    TrustPolicy() {}  // NOLINT(modernize-use-equals-default)

    Kind kind = Kind::open;
    std::vector<DeviceId> allowed;
};

/// Names one byte stream at one end; never used again in the life of the object that gave it.
enum class StreamHandle : std::uint64_t {};

}  // namespace muster
