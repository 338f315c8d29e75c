#include "node/session_node.h"

#include <algorithm>
#include <filesystem>

#include <boost/asio/post.hpp>

#include "base/log.h"
#include "base/writer.h"
#include "node/completion.h"
#include "node/stream_node.h"
#include "node/transfer_node.h"
#include "os/file_store.h"

namespace muster::detail {

namespace asio = boost::asio;
using node::complete;

namespace {

constexpr std::size_t kMaxStreamName = 255;

// The first octet of a stream's header says who takes it.
constexpr std::byte kApplicationStream{'s'};
constexpr std::byte kFileStream{'f'};

Bytes header_of(std::byte kind, std::string_view name) {
    Bytes header{kind};
    Writer{header}.write(as_bytes(name));
    return header;
}

Errc errc_of_reset(std::uint64_t code) {
    using session::ResetCode;
    switch (static_cast<ResetCode>(code)) {
        case ResetCode::unknown_peer: return Errc::unknown_peer;
        case ResetCode::peer_gone: return Errc::lost;
        case ResetCode::too_many: return Errc::queue_full;
        case ResetCode::peer_closed: return Errc::closed;
    }
    return Errc::cancelled_by_peer;
}

/// What a stream of a session that has ended is told: `closed` with code and reason, or `lost` with the
/// evidence.
Error end_of_stream(const Departure& how) {
    if (how.is_lost()) {
        Error told{Errc::lost, how.cause().message()};
        for (const Evidence& each : how.cause().evidence()) told.saw(each);
        return std::move(told.cure(how.cause().cure()));
    }
    const Closed& closed = how.closed();
    std::string told =
        closed.by == Closed::By::peer ? "the peer closed the session" : "this end closed the session";
    if (closed.code != 0) told += " with code " + std::to_string(closed.code);
    return {Errc::closed, closed.reason.empty() ? told : told + ": " + closed.reason};
}

}  // namespace

SessionNode::SessionNode(asio::any_io_executor strand, Identity identity,
                         std::shared_ptr<node::Runner> runner)
    : strand_(strand),
      identity_(std::move(identity)),
      runner_(std::move(runner)),
      events_(strand,
              [this](const Message& message) {
                  if (has_ended_) return;
                  engine_consume(message.from, message.payload.size());
                  runner_->poke();
              }),
      storage_(std::make_shared<os::FileStore>()),
      waits_(strand, [this](const Recipients& to, const SendOptions& options, ByteView payload) {
          auto outcome = engine_send(to, options, payload);
          runner_->poke();
          return outcome;
      }) {}

SessionNode::~SessionNode() {
    runner_->stop();
    for (auto& [handle, sink] : std::exchange(sinks_, {}))
        sink->on_reset({Errc::closed, "the session is gone"});
    file_threads_.reset();  // what is at the storage ends, or is left to it; nothing else is asked of it
}

Roster SessionNode::roster() const {
    const std::lock_guard lock(roster_mutex_);
    return roster_;
}

void SessionNode::set_roster(const Roster& roster) {
    const std::lock_guard lock(roster_mutex_);
    roster_ = roster;
}

void SessionNode::set_roster_revision(std::uint64_t revision) {
    const std::lock_guard lock(roster_mutex_);
    roster_.revision = revision;
}

void SessionNode::push_joined(const PeerInfo& peer) {
    {
        const std::lock_guard lock(roster_mutex_);
        std::erase_if(roster_.peers, [&](const PeerInfo& other) { return other.id == peer.id; });
        roster_.peers.push_back(peer);
    }
    push(PeerJoined{peer});
}

void SessionNode::push_left(const PeerInfo& peer, const Departure& how) {
    {
        const std::lock_guard lock(roster_mutex_);
        std::erase_if(roster_.peers, [&](const PeerInfo& other) { return other.id == peer.id; });
    }
    push(PeerLeft{peer, how});
}

Result<void> SessionNode::try_send(const Recipients& to, ByteView payload, const SendOptions& options) {
    if (waits_.must_wait(to)) return Error{Errc::queue_full, "earlier sends to the same peer wait for room"};
    auto outcome = engine_send(to, options, payload);
    runner_->poke();
    return outcome;
}

// --- streams and files
// -------------------------------------------------------------------------------------------------

std::function<void()> SessionNode::poker() {
    return [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->sweep_ = true;
        self->runner_->poke();
    };
}

void SessionNode::open_stream(const DeviceId& to, std::string name, Session::StreamHandler handler) {
    if (name.size() > kMaxStreamName) {
        const Error error{Errc::too_large,
                          "a stream's name has at most 255 octets, not " + std::to_string(name.size())};
        return complete(strand_, std::move(handler), Result<ByteStream>{error});
    }
    const auto handle = streams().open_stream(to, header_of(kApplicationStream, name));
    if (!handle) return complete(strand_, std::move(handler), Result<ByteStream>{handle.error()});
    auto node = std::make_shared<StreamNode>(strand_, streams(), *handle, to, std::move(name), poker());
    sinks_.emplace(*handle, node);
    runner_->poke();
    complete(strand_, std::move(handler), Result<ByteStream>{ByteStream{std::move(node)}});
}

// The owner is the session: its transfers look whether the threads are still there.
Result<std::shared_ptr<node::FileWork>> SessionNode::file_work() {
    if (!file_threads_) {
        auto started = node::FileThreads::start();
        if (!started) return started.error();
        file_threads_ = std::move(*started);
    }
    return file_threads_->work();
}

std::shared_ptr<TransferNode> SessionNode::make_outgoing(const DeviceId& to, std::string path,
                                                         SendFileOptions options) {
    files::FileSender::Options sender;
    SystemRandomness{}.fill(std::as_writable_bytes(std::span{sender.id}));
    FileOffer about;
    about.id = sender.id;
    about.from = id();
    about.name = options.name.empty() ? std::filesystem::path{path}.filename().string() : options.name;
    sender.path = std::move(path);
    sender.send = std::move(options);
    auto node =
        TransferNode::send({.strand = strand_, .storage = storage_, .poke = poker(), .on_offer = nullptr},
                           std::move(sender), std::move(about));
    asio::post(strand_, [self = shared_from_this(), node, to] { self->begin_outgoing(node, to); });
    return node;
}

void SessionNode::begin_outgoing(const std::shared_ptr<TransferNode>& node, const DeviceId& to) {
    if (has_ended_) return node->fail_at_once(Error{Errc::closed, "the session is over"});
    const auto handle = streams().open_stream(to, header_of(kFileStream, {}));
    if (!handle)
        return node->fail_at_once(Error{handle.error()}.during("offering '" + node->offer().name + "'"));
    const auto files = file_work();
    if (!files) {
        streams().reset(*handle, 0, files.error().message());
        return node->fail_at_once(files.error());
    }
    sinks_.emplace(*handle, node);
    node->attach(*files, streams(), *handle);
    runner_->poke();
}

void SessionNode::add_incoming_file(StreamHandle stream, const DeviceId& from) {
    const auto files = file_work();
    if (!files) return streams().reset(stream, 0, files.error().message());
    files::FileReceiver::Options receiver;
    receiver.from = from;
    const auto on_offer = [weak = weak_from_this(), stream](std::shared_ptr<TransferNode> offered) {
        const auto self = weak.lock();
        if (self) self->events_.push_opening(FileOffered{IncomingFile{std::move(offered)}}, stream);
    };
    auto node = TransferNode::receive(
        {.strand = strand_, .storage = storage_, .poke = poker(), .on_offer = on_offer}, std::move(receiver));
    sinks_.emplace(stream, node);
    node->attach(*files, streams(), stream);
}

void SessionNode::on_stream_opened(StreamHandle stream, const DeviceId& from, ByteView header) {
    if (!header.empty() && header[0] == kFileStream) return add_incoming_file(stream, from);
    if (header.empty() || header[0] != kApplicationStream || header.size() > kMaxStreamName + 1)
        return streams().reset(stream, 0, "this end knows no such kind of stream");
    auto node = std::make_shared<StreamNode>(strand_, streams(), stream, from,
                                             std::string{as_text(header.subspan(1))}, poker());
    sinks_.emplace(stream, node);
    events_.push_opening(StreamOpened{ByteStream{std::move(node)}}, stream);
}

void SessionNode::on_stream_data(StreamHandle stream, ByteView data, bool fin) {
    const auto found = sinks_.find(stream);
    if (found == sinks_.end()) return;
    const auto sink = found->second;
    sink->on_data(data, fin);
    sweep_ = sweep_ || fin;
}

void SessionNode::on_stream_reset(StreamHandle stream, std::uint64_t code, std::string_view reason) {
    end_sink(stream, {errc_of_reset(code), std::string{reason}});
}

void SessionNode::on_stream_ended(StreamHandle stream, const Departure& how) {
    end_sink(stream, end_of_stream(how));
}

void SessionNode::end_sink(StreamHandle stream, Error why) {
    const auto found = sinks_.find(stream);
    if (found == sinks_.end()) return;
    const auto sink = std::move(found->second);
    sinks_.erase(found);
    sink->on_reset(std::move(why));
    events_.on_stream_ended(stream);
}

void SessionNode::on_stream_writable(StreamHandle stream) {
    const auto found = sinks_.find(stream);
    if (found == sinks_.end()) return;
    const auto sink = found->second;
    sink->on_writable();
}

// --- the end
// -----------------------------------------------------------------------------------------------------------

void SessionNode::close(const Goodbye& goodbye, node::WaitId id, Session::DoneHandler handler) {
    if (has_ended_) return complete(strand_, std::move(handler), close_outcome());
    closers_.push_back({id, std::move(handler)});
    on_closing();
    engine_close(goodbye.code, goodbye.reason, goodbye.deadline);
    runner_->poke();
}

void SessionNode::cancel_close(node::WaitId id) {
    const auto found = std::ranges::find(closers_, id, &Closer::id);
    if (found == closers_.end()) return;
    node::fail(strand_, std::move(found->handler), Errc::cancelled, "waiting for the close was cancelled");
    closers_.erase(found);
}

void SessionNode::abort() {
    if (has_ended_) return;
    on_closing();
    engine_abort();
    runner_->poke();
}

void SessionNode::abandon() {
    if (!has_ended_) {
        log_line(LogLevel::warning, "a session was dropped without close(): the others see it as lost");
        abort();
    }
    if (!runner_->is_running()) return;
    last_words_ = shared_from_this();  // until what the links have to say is on the wire
    runner_->poke();
}

void SessionNode::ended(const Departure& how) {
    if (std::exchange(has_ended_, true)) return;
    on_closing();
    const Errc code = how.is_lost() ? how.cause().code() : Errc::closed;
    const std::string why =
        how.is_lost() ? how.cause().message() : "the session was closed: " + how.closed().reason;
    for (auto& [handle, sink] : std::exchange(sinks_, {})) sink->on_reset(end_of_stream(how));
    waits_.fail_all(Error{code, why});
    for (Closer& closer : std::exchange(closers_, {}))
        complete(strand_, std::move(closer.handler), close_outcome());
    events_.push(SessionEnded{how});
    events_.finish();
}

Result<void> SessionNode::close_outcome() const {
    if (auto missed = engine_shortfall()) return std::move(missed->during("closing the session"));
    return {};
}

void SessionNode::after_flush() {
    if (std::exchange(sweep_, false)) sweep_sinks();
    if (!has_ended_ || !is_quiet()) return;
    runner_->stop();
    if (last_words_)
        asio::post(strand_, [self = std::exchange(last_words_, nullptr)] {});  // not from inside a turn
}

void SessionNode::sweep_sinks() {
    for (auto entry = sinks_.begin(); entry != sinks_.end();) {
        if (!entry->second->is_done()) {
            ++entry;
            continue;
        }
        events_.on_stream_ended(entry->first);
        entry = sinks_.erase(entry);
    }
}

PeerPath SessionNode::describe(const link::LinkEngine& links, const link::LinkPort& port) const {
    PeerPath told;
    const link::Path path = links.path(port);
    told.remote = path.remote;
    told.interface = interface_name(path.remote.interface);
    told.round_trip = links.rtt(port);
    return told;
}

std::string SessionNode::interface_name(InterfaceIndex index) const {
    const Interface* found = net::find_interface(runner_->interfaces(), index);
    return found ? found->name : std::string{};
}

}  // namespace muster::detail
