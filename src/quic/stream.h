#pragma once

#include <optional>

#include <boost/intrusive/list.hpp>

#include "quic/connection.h"
#include "quic/send_queue.h"

namespace muster::quic {

/// ngtcp2 0.12 never closes a unidirectional stream that the peer has opened, nor gives its number back to
/// him. So on the wire every stream is bidirectional, its first octet says which kind it is for the
/// application, and the receiver of a one-way stream ends the other direction at once. Towards the
/// application a one-way stream has the number of its bearer with bit 1 set, as RFC 9000 section 2.1 has it.
enum class StreamKind : std::uint8_t { two_way = 0, one_way = 1, unknown = 2 };

inline constexpr StreamId kOneWayBit = 2;
inline StreamId bearer_of(StreamId id) { return id & ~kOneWayBit; }

/// One living stream: what is to be sent, and which of the connection's lists it waits in.
struct Stream : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    explicit Stream(StreamId bearer) : id(bearer) {}

    bool has_work() const {
        return announcing || (!send_closed && (queue.unsent() > 0 || (finishing && !fin_sent)));
    }
    StreamId bearer() const { return bearer_of(id); }

    StreamId id;  // the application's number, once the kind is known
    StreamKind kind = StreamKind::unknown;
    bool local = false;       // opened by us
    bool announced = false;   // local: the octet that tells the kind is queued
    bool announcing = false;  // ... and has not been sent
    bool finishing = false;
    bool fin_sent = false;
    bool send_closed = false;      // reset by us, or stopped by the peer: further writes are ignored
    bool stop_ordered = false;     // by us
    bool above_low_water = false;  // on_stream_writable is due when it drains
    SendQueue queue;
    std::size_t unconsumed = 0;  // octets handed up whose credit has not been returned
    std::optional<std::uint64_t> reset_code, stop_code;  // asked for, to be done at the next flush
};

using StreamList = boost::intrusive::list<Stream, boost::intrusive::constant_time_size<false>>;

}  // namespace muster::quic
