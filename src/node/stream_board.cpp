#include "node/stream_board.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/random.h"
#include "base/wait.h"
#include "base/writer.h"
#include "node/completion.h"
#include "node/departure.h"
#include "node/stream_node.h"
#include "node/transfer_node.h"
#include "os/file_store.h"

namespace muster::detail {

namespace asio = boost::asio;
using node::complete;
using node::error_of;

namespace {

constexpr std::size_t kMaxStreamName = 255;

// The first octet of a stream's header says who takes it.
constexpr std::byte kApplicationStream{'s'};
constexpr std::byte kFileStream{'f'};

// A coordinator is not started anew that often while one file is under way, nor are there that many; but a peer may say so.
constexpr int kMostRenewals = 16;
constexpr std::size_t kMostAwaiting = 64;

Bytes header_of(std::byte kind, std::string_view name) {
    Bytes header{kind};
    Writer{header}.write(as_bytes(name));
    return header;
}

Errc errc_of_reset(std::uint64_t code) {
    using session::ResetCode;
    switch (static_cast<ResetCode>(code)) {
        case ResetCode::unknown_peer: return Errc::unknown_peer;
        case ResetCode::peer_gone:
        case ResetCode::restarted:
        case ResetCode::relay_restarted: return Errc::lost;
        case ResetCode::too_many: return Errc::queue_full;
        case ResetCode::peer_closed: return Errc::closed;
    }
    return Errc::cancelled_by_peer;
}

}  // namespace

StreamBoard::StreamBoard(Wiring wiring, node::EventQueue& events)
    : wiring_(std::move(wiring)), events_(events), storage_(std::make_shared<os::FileStore>()) {}

StreamBoard::~StreamBoard() = default;

std::function<void()> StreamBoard::poker() {
    return [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->sweep_ = true;
        self->wiring_.poke();
    };
}

void StreamBoard::open(const DeviceId& to, std::string name, Session::StreamHandler handler) {
    if (name.size() > kMaxStreamName) {
        const Error error{Errc::too_large,
                          "a stream's name has at most 255 octets, not " + std::to_string(name.size())};
        return complete(wiring_.strand, std::move(handler), Result<ByteStream>{error});
    }
    if (has_ended_) {
        const Error error{Errc::not_connected, "the session is over"};
        return complete(wiring_.strand, std::move(handler), Result<ByteStream>{error});
    }
    const auto handle = wiring_.port().open_stream(to, header_of(kApplicationStream, name));
    if (!handle) return complete(wiring_.strand, std::move(handler), Result<ByteStream>{handle.error()});
    auto node =
        std::make_shared<StreamNode>(wiring_.strand, wiring_.port(), *handle, to, std::move(name), poker());
    add(*handle, {.sink = node, .peer = to, .file = nullptr, .is_ours = true, .first = *handle});
    wiring_.poke();
    complete(wiring_.strand, std::move(handler), Result<ByteStream>{ByteStream{std::move(node)}});
}

std::shared_ptr<TransferNode> StreamBoard::send_file(const DeviceId& to, std::string path,
                                                     SendFileOptions options) {
    files::FileSender::Options sender;
    SystemRandomness{}.fill(std::as_writable_bytes(std::span{sender.id}));
    FileOffer about;
    about.id = sender.id;
    about.from = wiring_.self;
    about.name = options.name.empty() ? std::filesystem::path{path}.filename().string() : options.name;
    sender.path = std::move(path);
    sender.send = std::move(options);
    sender.send.patience = bounded_wait(sender.send.patience);
    sender.send.stall = bounded_wait(sender.send.stall);

    auto node = TransferNode::send(
        {.strand = wiring_.strand, .storage = storage_, .poke = poker(), .on_offer = nullptr},
        std::move(sender), std::move(about));
    asio::post(wiring_.strand, [self = shared_from_this(), node, to] { self->begin_file(node, to); });
    return node;
}

void StreamBoard::begin_file(const std::shared_ptr<TransferNode>& node, const DeviceId& to) {
    if (has_ended_) return node->fail_at_once(Error{Errc::closed, "the session is over"});
    const auto handle = wiring_.port().open_stream(to, header_of(kFileStream, {}));
    if (!handle)
        return node->fail_at_once(Error{handle.error()}.during("offering '" + node->offer().name + "'"));
    const auto files = wiring_.files();
    if (!files) {
        wiring_.port().reset(*handle, 0, files.error().message());
        return node->fail_at_once(files.error());
    }
    add(*handle, {.sink = node, .peer = to, .file = node, .is_ours = true, .first = *handle});
    node->attach(*files, wiring_.port(), *handle);
    wiring_.poke();
}

void StreamBoard::add_file(StreamHandle stream, const DeviceId& from) {
    const auto files = wiring_.files();
    if (!files) return wiring_.port().reset(stream, 0, files.error().message());
    files::FileReceiver::Options receiver;
    receiver.from = from;
    const auto on_offer = [weak = weak_from_this(), stream](std::shared_ptr<TransferNode> offered) {
        const auto self = weak.lock();
        if (self && !self->has_ended_)
            self->events_.push_opening(FileOffered{IncomingFile{std::move(offered)}}, stream);
    };
    auto node = TransferNode::receive(
        {.strand = wiring_.strand, .storage = storage_, .poke = poker(), .on_offer = on_offer}, receiver);
    add(stream, {.sink = node, .peer = from, .file = node, .first = stream});
    node->attach(*files, wiring_.port(), stream);
}

void StreamBoard::on_stream_opened(StreamHandle stream, const DeviceId& from, ByteView header) {
    if (!header.empty() && header[0] == kFileStream)
        return header.size() == 1 ? add_file(stream, from) : go_on_receiving(stream, from, header.subspan(1));
    if (header.empty() || header[0] != kApplicationStream || header.size() > kMaxStreamName + 1)
        return wiring_.port().reset(stream, 0, "this end knows no such kind of stream");
    auto node = std::make_shared<StreamNode>(wiring_.strand, wiring_.port(), stream, from,
                                             std::string{as_text(header.subspan(1))}, poker());
    add(stream, {.sink = node, .peer = from, .file = nullptr, .first = stream});
    events_.push_opening(StreamOpened{ByteStream{std::move(node)}}, stream);
}

void StreamBoard::on_stream_data(StreamHandle stream, ByteView data, bool fin) {
    const auto found = sinks_.find(stream);
    if (found == sinks_.end()) return;
    const auto sink = found->second.sink;
    sink->on_data(data, fin);
    sweep_ = sweep_ || fin;
}

void StreamBoard::on_stream_reset(StreamHandle stream, std::uint64_t code, std::string_view reason) {
    Error why{errc_of_reset(code), std::string{reason}};
    if (code == static_cast<std::uint64_t>(session::ResetCode::relay_restarted))
        return carry_on(stream, std::move(why));
    end_one(stream, std::move(why));
}

void StreamBoard::on_stream_ended(StreamHandle stream, const Departure& how) {
    end_one(stream, error_of(how));
}

void StreamBoard::end_one(StreamHandle stream, Error why) {
    const auto found = sinks_.find(stream);
    if (found == sinks_.end()) return;
    const Stream ended = std::move(found->second);
    sinks_.erase(found);
    ended.sink->on_reset(std::move(why));
    events_.on_stream_ended(ended.first);
}

/// The stream went with a coordinator between both ends that was started anew. Files go on over another one.
void StreamBoard::carry_on(StreamHandle handle, Error why) {
    const auto found = sinks_.find(handle);
    if (found == sinks_.end()) return;
    Stream stream = std::move(found->second);
    sinks_.erase(found);
    const bool is_too_often = ++stream.renewals > kMostRenewals || awaiting_.size() >= kMostAwaiting;
    if (is_too_often) stream.sink->on_reset(why);
    if (is_too_often || !stream.sink->on_stream_lost(std::move(why)))
        return events_.on_stream_ended(stream.first);
    if (stream.is_ours) return go_on_sending(std::move(stream));
    awaiting_.push_back(std::move(stream));
}

void StreamBoard::go_on_sending(Stream stream) {
    const TransferId id = stream.file->offer().id;
    const auto handle = wiring_.port().open_stream(
        stream.peer, header_of(kFileStream, as_text(std::as_bytes(std::span{id}))));
    if (!handle) return stream.sink->on_reset(handle.error());
    const auto file = stream.file;
    add(*handle, std::move(stream));
    file->renew(wiring_.port(), *handle);
    wiring_.poke();
}

void StreamBoard::go_on_receiving(StreamHandle handle, const DeviceId& from, ByteView id) {
    const auto is_it = [&](const Stream& stream) {
        return stream.file && !stream.is_ours && stream.peer == from &&
               std::ranges::equal(std::as_bytes(std::span{stream.file->offer().id}), id);
    };
    // The end of the old stream may come after the new one: they travel apart.
    const auto old = std::ranges::find_if(sinks_, [&](const auto& entry) { return is_it(entry.second); });
    if (old != sinks_.end()) {
        wiring_.port().reset(old->first, 0, "");
        carry_on(old->first, Error{Errc::lost, "the sender began another stream"});
    }
    const auto found = std::ranges::find_if(awaiting_, is_it);
    if (found == awaiting_.end())
        return wiring_.port().reset(handle, static_cast<std::uint64_t>(session::ResetCode::restarted),
                                    "the receiver does not know this transfer any more");
    Stream stream = std::move(*found);
    awaiting_.erase(found);
    const auto file = stream.file;
    add(handle, std::move(stream));
    file->renew(wiring_.port(), handle);
}

void StreamBoard::on_stream_writable(StreamHandle stream) {
    const auto found = sinks_.find(stream);
    if (found == sinks_.end()) return;
    const auto sink = found->second.sink;
    sink->on_writable();
}

void StreamBoard::add(StreamHandle handle, Stream stream) {
    const DeviceId& peer = stream.peer;
    const bool waits =
        std::ranges::any_of(interrupted_, [&](const Whose& whose) { return whose.value_or(peer) == peer; });
    if (waits) stream.sink->on_interrupted();
    sinks_.insert_or_assign(handle, std::move(stream));
}

std::vector<std::shared_ptr<node::StreamSink>> StreamBoard::sinks_of(const Whose& peer) const {
    std::vector<std::shared_ptr<node::StreamSink>> found;
    for (const auto& [handle, stream] : sinks_)
        if (peer.value_or(stream.peer) == stream.peer) found.push_back(stream.sink);
    for (const Stream& stream : awaiting_)
        if (peer.value_or(stream.peer) == stream.peer) found.push_back(stream.sink);
    return found;
}

void StreamBoard::on_interrupted(const Whose& peer) {
    interrupted_.push_back(peer);
    for (const auto& sink : sinks_of(peer)) sink->on_interrupted();
}

void StreamBoard::on_resumed(const Whose& peer) {
    std::erase(interrupted_, peer);
    for (const auto& sink : sinks_of(peer)) sink->on_resumed();
}

void StreamBoard::on_left(const DeviceId& peer, const Departure& how) {
    const auto other =
        std::ranges::partition(awaiting_, [&](const Stream& stream) { return stream.peer != peer; });
    const std::vector<Stream> ended(std::move_iterator{other.begin()}, std::move_iterator{other.end()});
    awaiting_.erase(other.begin(), other.end());
    for (const Stream& stream : ended) {
        stream.sink->on_reset(error_of(how));
        events_.on_stream_ended(stream.first);
    }
}

void StreamBoard::end(const Departure& how) { end_all(error_of(how)); }

void StreamBoard::abandon() { end_all({Errc::closed, "the session is gone"}); }

void StreamBoard::end_all(const Error& why) {
    has_ended_ = true;
    for (auto& [handle, stream] : std::exchange(sinks_, {})) stream.sink->on_reset(why);
    for (const Stream& stream : std::exchange(awaiting_, {})) stream.sink->on_reset(why);
}

void StreamBoard::sweep() {
    if (!std::exchange(sweep_, false)) return;
    for (auto entry = sinks_.begin(); entry != sinks_.end();) {
        if (!entry->second.sink->is_done()) {
            ++entry;
            continue;
        }
        events_.on_stream_ended(entry->second.first);
        entry = sinks_.erase(entry);
    }
    std::erase_if(awaiting_, [this](const Stream& stream) {
        if (stream.sink->is_done()) events_.on_stream_ended(stream.first);
        return stream.sink->is_done();
    });
}

}  // namespace muster::detail
