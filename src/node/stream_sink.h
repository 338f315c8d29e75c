#pragma once

#include <utility>

#include "muster/bytes.h"
#include "muster/error.h"

namespace muster::node {

/// Whoever stands at the end of a byte stream of the session: an application's
/// ByteStream, or a file transfer.
class StreamSink {
public:
    virtual ~StreamSink() = default;
    virtual void on_data(ByteView data, bool fin) = 0;
    virtual void on_reset(Error why) = 0;
    virtual void on_writable() = 0;
    /// The stream is gone, and the peer is not. True: this goes on over another one.
    virtual bool on_stream_lost(Error why) {
        on_reset(std::move(why));
        return false;
    }
    /// The link to the peer is gone, and may come back: nobody is to blame for silence until on_resumed().
    virtual void on_interrupted() {}
    virtual void on_resumed() {}
    /// Nothing more is expected of the stream: the session may forget the sink.
    virtual bool is_done() const = 0;
};

}  // namespace muster::node
