#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "node/completion.h"
#include "node/stream_sink.h"
#include "session/stream_port.h"

#include "muster/byte_stream.h"
#include "muster/error.h"

namespace muster::detail {

/// One open byte stream between the session's strand and the application's ByteStream. All calls on the
/// strand unless said otherwise.
class StreamNode final : public node::StreamSink, public std::enable_shared_from_this<StreamNode> {
public:
    /// `port` is null once the session is gone; `poke` asks the session's driver to flush.
    StreamNode(ByteStream::executor_type on, session::StreamPort& port, StreamHandle handle, DeviceId peer,
               std::string name, std::function<void()> poke);

    const ByteStream::executor_type& strand() const { return strand_; }
    const DeviceId& peer() const { return peer_; }
    const std::string& name() const { return name_; }
    /// Any thread.
    std::optional<Error> failure() const;

    // from the application
    void read(boost::asio::mutable_buffer into, node::WaitId id, ByteStream::Handler handler);
    void write(boost::asio::const_buffer from, node::WaitId id, ByteStream::Handler handler);
    void cancel_read(node::WaitId id) { reader_.cancel(id); }
    void cancel_write(node::WaitId id) { writer_.cancel(id); }
    void shutdown_send();
    void reset(std::string_view reason);
    /// The application dropped its handle: what waits is cancelled.
    void abandon();

    // node::StreamSink: from the session
    void on_data(ByteView data, bool fin) override;
    void on_reset(Error why) override { fail(std::move(why)); }
    void on_writable() override;
    bool is_done() const override { return (read_end_ && sent_fin_ && received_.empty()) || failed_; }

private:
    void serve_read();
    void serve_write();
    void fail(Error why);
    boost::system::error_code failure_code() const;
    void let_go();

    ByteStream::executor_type strand_;
    session::StreamPort* port_;
    StreamHandle handle_;
    DeviceId peer_;
    std::string name_;
    std::function<void()> poke_;

    std::deque<std::byte>
        received_;  // bounded by the stream's credit: consumed when the application has read
    bool read_end_ = false;
    bool sent_fin_ = false;
    bool failed_ = false;
    mutable std::mutex mutex_;  // guards failure_ for failure() from other threads; no engine is behind it
    std::optional<Error> failure_;

    node::SingleWaiter<void(boost::system::error_code, std::size_t)> reader_;
    boost::asio::mutable_buffer read_into_;
    node::SingleWaiter<void(boost::system::error_code, std::size_t)> writer_;
    boost::asio::const_buffer write_from_;
};

}  // namespace muster::detail
