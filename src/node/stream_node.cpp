#include "node/stream_node.h"

#include <algorithm>

#include <boost/asio/error.hpp>

#include "node/completion.h"

namespace muster::detail {

namespace asio = boost::asio;
using node::complete;

namespace {

constexpr std::size_t kMaxWrite = 256 * 1024;  // one copy that the session takes whole

}  // namespace

StreamNode::StreamNode(ByteStream::executor_type on, session::StreamPort& port, StreamHandle handle,
                       DeviceId peer, std::string name, std::function<void()> poke)
    : strand_(std::move(on)),
      port_(&port),
      handle_(handle),
      peer_(peer),
      name_(std::move(name)),
      poke_(std::move(poke)),
      reader_(strand_, "reading"),
      writer_(strand_, "writing") {}

void StreamNode::read(asio::mutable_buffer into, node::WaitId id, ByteStream::Handler handler) {
    if (into.size() == 0)
        return complete(strand_, std::move(handler), boost::system::error_code{}, std::size_t{0});
    if (!reader_.begin(id, std::move(handler))) return;
    read_into_ = into;
    serve_read();
}

void StreamNode::serve_read() {
    if (!reader_.is_waiting()) return;
    if (!received_.empty()) {
        const std::size_t size = std::min(received_.size(), read_into_.size());
        const auto end = received_.begin() + static_cast<std::ptrdiff_t>(size);
        std::copy(received_.begin(), end, static_cast<std::byte*>(read_into_.data()));
        received_.erase(received_.begin(), end);
        if (port_) port_->consume(handle_, size);
        let_go();
        poke_();
        return reader_.deliver(boost::system::error_code{}, size);
    }
    if (failed_) return reader_.deliver(failure_code(), std::size_t{0});
    if (read_end_) reader_.deliver(boost::system::error_code{asio::error::eof}, std::size_t{0});
}

void StreamNode::write(asio::const_buffer from, node::WaitId id, ByteStream::Handler handler) {
    if (from.size() == 0)
        return complete(strand_, std::move(handler), boost::system::error_code{}, std::size_t{0});
    if (!writer_.begin(id, std::move(handler))) return;
    write_from_ = from;
    serve_write();
}

void StreamNode::serve_write() {
    if (!writer_.is_waiting()) return;
    if (failed_ || sent_fin_ || !port_) {
        const auto why = failed_ ? failure_code() : boost::system::error_code{asio::error::shut_down};
        return writer_.deliver(why, std::size_t{0});
    }
    const std::size_t size = std::min(write_from_.size(), kMaxWrite);
    const auto* data = static_cast<const std::byte*>(write_from_.data());
    const auto outcome = port_->write(handle_, Slice::copy_of({data, size}));
    if (!outcome && outcome.error().code() == Errc::queue_full) return;  // on_writable comes
    poke_();
    const auto ec = outcome ? boost::system::error_code{} : make_error_code(outcome.error().code());
    writer_.deliver(ec, outcome ? size : std::size_t{0});
}

void StreamNode::shutdown_send() {
    if (failed_ || std::exchange(sent_fin_, true) || !port_) return;
    port_->finish(handle_);
    let_go();
    poke_();
}

void StreamNode::reset(std::string_view reason) {
    if (failed_ || !port_) return;
    port_->reset(handle_, 0, reason);
    poke_();
    fail({Errc::cancelled, std::string{reason}});
}

void StreamNode::abandon() {
    reader_.give_up();
    writer_.give_up();
    if (!is_done()) reset("the application dropped the stream");
}

void StreamNode::on_data(ByteView data, bool fin) {
    received_.insert(received_.end(), data.begin(), data.end());
    read_end_ = read_end_ || fin;
    let_go();
    serve_read();
}

void StreamNode::on_writable() { serve_write(); }

std::optional<Error> StreamNode::failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
}

boost::system::error_code StreamNode::failure_code() const {
    const auto why = failure();
    return why ? make_error_code(why->code()) : boost::system::error_code{};
}

void StreamNode::fail(Error why) {
    if (std::exchange(failed_, true)) return;
    {
        const std::lock_guard lock(mutex_);
        failure_ = std::move(why);
    }
    port_ = nullptr;
    serve_read();
    serve_write();
}

// A finished stream may outlive its session in the application's hands.
void StreamNode::let_go() {
    if (is_done()) port_ = nullptr;
}

}  // namespace muster::detail
