#pragma once

#include <cstdint>

#include "session/out_lane.h"

namespace muster::session {

// A lane of messages is a sequence of records: varint (size << 2 | kind), then `size` octets.
enum class RecordKind : std::uint8_t {
    message = 0,              ///< payload
    address = 1,              ///< Address: holds for the messages behind it
    message_with_cookie = 2,  ///< varint cookie, payload
};

/// The sending end of a lane of messages.
class MessageOutLane {
public:
    explicit MessageOutLane(LaneId id);

    OutLane& lane() { return lane_; }
    const OutLane& lane() const { return lane_; }

    /// Queues a message. `shared` may hold the payload's octets already; then a large one
    /// is not copied again.
    void append(const Address& address, std::uint64_t cookie, ByteView payload, const Slice* shared);

    std::uint64_t save(JournalBatch& batch, std::uint32_t session);
    /// `last`: what was saved with it.
    bool restore(std::uint64_t end, Address last, std::vector<SavedPiece> pieces);

private:
    void append_address(const Address& address);

    OutLane lane_;
    Address last_;
};

/// Takes what a lane of messages brings.
class RecordSink {
public:
    virtual ~RecordSink() = default;
    /// A message of this size (payload and cookie) has begun. False: the peer has no credit for it.
    virtual bool on_begin(const Address& address, std::size_t size) = 0;
    virtual void on_message(const Address& address, std::uint64_t cookie, ByteView payload) = 0;
};

/// The receiving end: finds the records in the octets of a lane; keeps at most one unfinished record.
class MessageParser {
public:
    enum class Outcome { ok, malformed, too_large, no_credit };

    explicit MessageParser(LaneId lane);

    struct Limits {
        std::size_t message = 0;     ///< longest payload
        std::size_t recipients = 0;  ///< most ids in an address
    };

    /// Takes all of `data`, unless the outcome is an error: then the lane is broken for good.
    Outcome feed(ByteView data, RecordSink& sink, const Limits& limits);

    /// The address that holds for the next message, and octets taken of a record that is not complete: what to go on
    /// from after the records before it.
    const Address& address() const { return address_; }
    std::size_t pending() const { return partial_.size(); }
    void restore(Address address) { address_ = std::move(address); }

private:
    struct Record {
        RecordKind kind{};
        std::size_t header = 0, body = 0;
    };
    enum class Found { nothing, header, whole, bad, large };

    static Found find(ByteView octets, const Limits& limits, Record& record);
    Outcome check(Found found, const Record& record, RecordSink& sink);
    Outcome take(const Record& record, ByteView octets, RecordSink& sink, const Limits& limits);
    Outcome feed_partial(ByteView& data, RecordSink& sink, const Limits& limits);

    LaneId lane_;
    Address address_;
    Bytes partial_;
    bool begun_ = false;  // on_begin was called for the record in partial_
};

}  // namespace muster::session
