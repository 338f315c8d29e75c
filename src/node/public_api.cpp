// The public handles: they carry calls to the strand of what they stand for.
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include "base/wait.h"
#include "node/completion.h"
#include "node/coordinator_node.h"
#include "node/member_node.h"
#include "node/session_node.h"
#include "node/stream_node.h"
#include "node/transfer_node.h"

namespace muster {

namespace asio = boost::asio;
using node::on_cancel;

namespace {

template <class Node, class Work>
void on_strand(const std::shared_ptr<Node>& node, Work work) {
    asio::dispatch(node->strand(), [node, work = std::move(work)]() mutable { work(*node); });
}

detail::CoordinatorNode& coordinator_of(const std::shared_ptr<detail::SessionNode>& node) {
    return static_cast<detail::CoordinatorNode&>(*node);
}

const detail::MemberNode& member_of(const std::shared_ptr<detail::SessionNode>& node) {
    return static_cast<const detail::MemberNode&>(*node);
}

void drop(std::shared_ptr<detail::SessionNode> node) {
    if (!node) return;
    const auto strand = node->strand();
    asio::post(strand, [node = std::move(node)] { node->abandon(); });
}

void drop(std::shared_ptr<detail::StreamNode> node) {
    if (!node) return;
    const auto strand = node->strand();
    asio::post(strand, [node = std::move(node)] { node->abandon(); });
}

void drop(std::shared_ptr<detail::TransferNode> node) {
    if (!node) return;
    const auto strand = node->strand();
    asio::post(strand, [node = std::move(node)] { node->abandon(); });
}

}  // namespace

// --- Session

Session::~Session() { drop(std::move(node_)); }

Session& Session::operator=(Session&& other) noexcept {
    if (this != &other) drop(std::exchange(node_, std::move(other.node_)));
    return *this;
}

Session::executor_type Session::get_executor() const { return node_->strand(); }
const DeviceId& Session::id() const { return node_->id(); }
Roster Session::roster() const { return node_->roster(); }
std::optional<Event> Session::try_next_event() { return node_->try_next_event(); }
EventsDropped Session::events_dropped() const { return node_->events_dropped(); }

Result<void> Session::try_send(const Recipients& to, ByteView payload, const SendOptions& options) {
    return node_->try_send(to, payload, options);
}

OutgoingFile Session::send_file(const DeviceId& to, std::string path, SendFileOptions options) {
    return OutgoingFile{node_->board().send_file(to, std::move(path), std::move(options))};
}

void Session::abort() {
    on_strand(node_, [](auto& node) { node.abort(); });
}

void Session::start_next_event(EventHandler handler) {
    const auto id = on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_next_event(wait); });
    on_strand(node_, [id, handler = std::move(handler)](auto& node) mutable {
        node.next_event(id, std::move(handler));
    });
}

void Session::start_send(Recipients to, Bytes payload, SendOptions options, DoneHandler handler) {
    const auto id = on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_send(wait); });
    on_strand(node_, [to = std::move(to), payload = std::move(payload), options, id,
                      handler = std::move(handler)](auto& node) mutable {
        node.send(std::move(to), std::move(payload), options, id, std::move(handler));
    });
}

void Session::start_open_stream(const DeviceId& to, std::string name, StreamHandler handler) {
    on_strand(node_, [to, name = std::move(name), handler = std::move(handler)](auto& node) mutable {
        node.board().open(to, std::move(name), std::move(handler));
    });
}

void Session::start_path_to(const DeviceId& peer, PathHandler handler) {
    on_strand(node_, [peer, handler = std::move(handler)](auto& node) mutable {
        node::complete(node.strand(), std::move(handler), node.path_to(peer));
    });
}

void Session::start_explain(const DeviceId& peer, ExplainHandler handler) {
    on_strand(node_, [peer, handler = std::move(handler)](auto& node) mutable {
        node::complete(node.strand(), std::move(handler), node.explain(peer));
    });
}

void Session::start_report(const ReportOptions& options, ReportHandler handler) {
    on_strand(node_, [options, handler = std::move(handler)](auto& node) mutable {
        node::complete(node.strand(), std::move(handler), node.report(options));
    });
}

void Session::start_timeline(TimelineHandler handler) {
    on_strand(node_, [handler = std::move(handler)](auto& node) mutable {
        node::complete(node.strand(), std::move(handler), node.timeline());
    });
}

void Session::start_set_path_preferences(PathPreferences preferences, DoneHandler handler) {
    on_strand(node_, [wanted = std::move(preferences), handler = std::move(handler)](auto& node) mutable {
        node::complete(node.strand(), std::move(handler), node.set_path_preferences(std::move(wanted)));
    });
}

void Session::start_close(CloseCode code, std::string reason, Duration deadline, DoneHandler handler) {
    const auto id = on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_close(wait); });
    detail::SessionNode::Goodbye goodbye{code, std::move(reason), bounded_wait(deadline)};
    on_strand(node_, [goodbye = std::move(goodbye), id, handler = std::move(handler)](auto& node) mutable {
        node.close(goodbye, id, std::move(handler));
    });
}

// --- Coordinator and Member

std::uint16_t Coordinator::port() const { return coordinator_of(node_).port(); }
bool Coordinator::is_advertised() const { return coordinator_of(node_).is_advertised(); }

void Coordinator::accept(std::uint64_t ticket) {
    on_strand(node_, [ticket](auto& node) { static_cast<detail::CoordinatorNode&>(node).accept(ticket); });
}

void Coordinator::refuse(std::uint64_t ticket, std::string reason) {
    on_strand(node_, [ticket, reason = std::move(reason)](auto& node) {
        static_cast<detail::CoordinatorNode&>(node).refuse(ticket, reason);
    });
}

void Coordinator::remove(const DeviceId& member, CloseCode code, std::string reason) {
    on_strand(node_, [member, code, reason = std::move(reason)](auto& node) {
        static_cast<detail::CoordinatorNode&>(node).remove(member, code, reason);
    });
}

const PeerInfo& Member::coordinator() const { return member_of(node_).coordinator(); }
Duration Member::found_after() const { return member_of(node_).found_after(); }
Duration Member::connected_after() const { return member_of(node_).connected_after(); }
Duration Member::joined_after() const { return member_of(node_).joined_after(); }
bool Member::is_restored() const { return member_of(node_).is_restored(); }

// --- ByteStream

ByteStream::~ByteStream() { drop(std::move(node_)); }

ByteStream& ByteStream::operator=(ByteStream&& other) noexcept {
    if (this != &other) drop(std::exchange(node_, std::move(other.node_)));
    return *this;
}

ByteStream::executor_type ByteStream::get_executor() const { return node_->strand(); }
const DeviceId& ByteStream::peer() const { return node_->peer(); }
const std::string& ByteStream::name() const { return node_->name(); }
std::optional<Error> ByteStream::failure() const { return node_->failure(); }

void ByteStream::start_read(asio::mutable_buffer buffer, Handler handler) {
    const auto id = on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_read(wait); });
    on_strand(node_, [buffer, id, handler = std::move(handler)](auto& node) mutable {
        node.read(buffer, id, std::move(handler));
    });
}

void ByteStream::start_write(asio::const_buffer buffer, Handler handler) {
    const auto id = on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_write(wait); });
    on_strand(node_, [buffer, id, handler = std::move(handler)](auto& node) mutable {
        node.write(buffer, id, std::move(handler));
    });
}

void ByteStream::shutdown_send() {
    on_strand(node_, [](auto& node) { node.shutdown_send(); });
}

void ByteStream::reset(std::string_view reason) {
    on_strand(node_, [reason = std::string{reason}](auto& node) { node.reset(reason); });
}

// --- file transfers

FileTransfer::~FileTransfer() { drop(std::move(node_)); }

FileTransfer& FileTransfer::operator=(FileTransfer&& other) noexcept {
    if (this != &other) drop(std::exchange(node_, std::move(other.node_)));
    return *this;
}

FileProgress FileTransfer::progress() const { return node_->progress(); }

void FileTransfer::start_progress(ProgressHandler handler) {
    const auto id = on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_next_progress(wait); });
    on_strand(node_, [id, handler = std::move(handler)](auto& node) mutable {
        node.next_progress(id, std::move(handler));
    });
}

void FileTransfer::start_finished(ResultHandler handler) {
    const auto id = on_cancel(node_, handler, [](auto& node, auto wait) { node.cancel_finished(wait); });
    on_strand(node_, [id, handler = std::move(handler)](auto& node) mutable {
        node.finished(id, std::move(handler));
    });
}

void FileTransfer::cancel(std::string_view reason) {
    on_strand(node_, [reason = std::string{reason}](auto& node) { node.cancel(reason); });
}

const FileOffer& IncomingFile::offer() const { return node_->offer(); }

void IncomingFile::accept(ReceiveFileOptions options) {
    on_strand(node_, [options = std::move(options)](auto& node) { node.accept(options); });
}

void IncomingFile::decline(std::string_view reason) {
    on_strand(node_, [reason = std::string{reason}](auto& node) { node.decline(reason); });
}

}  // namespace muster
