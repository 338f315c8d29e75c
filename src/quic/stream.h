#pragma once

#include <optional>

#include <boost/intrusive/list.hpp>

#include "quic/connection.h"
#include "quic/send_queue.h"

namespace muster::quic {

/// One living stream: what is to be sent, and which of the connection's lists it waits in.
struct Stream : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    explicit Stream(StreamId stream_id) : id(stream_id) {}

    bool has_work() const { return !send_closed && (queue.unsent() > 0 || (finishing && !fin_sent)); }

    const StreamId id;
    SendQueue queue;
    std::size_t unconsumed = 0;  // octets handed up whose credit has not been returned
    std::optional<std::uint64_t> reset_code, stop_code;  // asked for, to be done at the next flush
    bool finishing = false;
    bool fin_sent = false;
    bool send_closed = false;      // reset by us, or stopped by the peer: further writes are ignored
    bool was_reset = false;        // by us
    bool stop_ordered = false;     // by us
    bool above_low_water = false;  // on_stream_writable is due when it drains
};

using StreamList = boost::intrusive::list<Stream, boost::intrusive::constant_time_size<false>>;

}  // namespace muster::quic
