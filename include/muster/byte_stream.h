#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include "muster/error.h"
#include "muster/ids.h"

namespace muster {

namespace detail {
class StreamNode;
}

/// An ordered stream of octets between two devices of a session, in both directions, with back-pressure.
/// Meets Asio's AsyncReadStream and AsyncWriteStream, so asio::async_read, async_read_until and async_write
/// work on it. A resource; movable. Its destructor resets the stream unless both directions have ended.
/// Thread: any. One read and one write may be outstanding: a second of its kind fails with
/// make_error_code(Errc::bad_input), and the first goes on. The destructor ends them with
/// asio::error::operation_aborted.
class ByteStream {
public:
    using executor_type = boost::asio::any_io_executor;
    using Handler = boost::asio::any_completion_handler<void(boost::system::error_code, std::size_t)>;

    explicit ByteStream(std::shared_ptr<detail::StreamNode> node) : node_(std::move(node)) {}
    ByteStream(ByteStream&&) noexcept = default;
    ByteStream& operator=(ByteStream&&) noexcept;
    ByteStream(const ByteStream&) = delete;
    ByteStream& operator=(const ByteStream&) = delete;
    ~ByteStream();

    executor_type get_executor() const;
    const DeviceId& peer() const;
    /// The name the opener gave.
    const std::string& name() const;
    /// Why reading and writing fail: how the stream was reset, by which end, or how its session ended, with
    /// evidence. None while they do not, and after eof.
    std::optional<Error> failure() const;

    /// Reads at least one octet into the first non-empty buffer. Completes with asio::error::eof when the
    /// peer has finished, else with make_error_code of: cancelled_by_peer (it has reset the stream), cancelled
    /// (this end has), closed or lost (the session is over), unknown_peer (it has left the session, or left
    /// before it heard of the stream), queue_full (it has too many streams open); failure() has it in words.
    /// Cancellation: total (operation_aborted); no octet is lost.
    template <class MutableBuffers, class Token = boost::asio::use_awaitable_t<>>
    auto async_read_some(const MutableBuffers& buffers, Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [this](auto handler, boost::asio::mutable_buffer buffer) {
                start_read(buffer, std::move(handler));
            },
            token, first_of<boost::asio::mutable_buffer>(buffers));
    }

    /// Writes some of the first non-empty buffer, at most 256 KiB; completes when it was accepted, which
    /// waits while the stream's 1 MiB is full. Errors: as above without eof, and asio::error::shut_down
    /// after shutdown_send(). Cancellation: total; then nothing was written.
    template <class ConstBuffers, class Token = boost::asio::use_awaitable_t<>>
    auto async_write_some(const ConstBuffers& buffers, Token&& token = {}) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [this](auto handler, boost::asio::const_buffer buffer) {
                start_write(buffer, std::move(handler));
            },
            token, first_of<boost::asio::const_buffer>(buffers));
    }

    /// Ends our direction after what was written; the peer reads eof. Idempotent.
    void shutdown_send();
    /// Gives up both directions; the peer's read fails with cancelled_by_peer. `reason` is for people.
    void reset(std::string_view reason);

private:
    template <class Buffer, class Buffers>
    static Buffer first_of(const Buffers& buffers) {
        for (auto it = boost::asio::buffer_sequence_begin(buffers);
             it != boost::asio::buffer_sequence_end(buffers); ++it)
            if (Buffer buffer{*it}; buffer.size() > 0) return buffer;
        return {};
    }
    void start_read(boost::asio::mutable_buffer buffer, Handler handler);
    void start_write(boost::asio::const_buffer buffer, Handler handler);

    std::shared_ptr<detail::StreamNode> node_;  // owners: this handle and the session that feeds it
};

}  // namespace muster
