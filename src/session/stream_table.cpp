#include "session/stream_table.h"

#include <algorithm>

#include "base/text.h"
#include "session/stream_port.h"

namespace muster::session {
namespace {

constexpr std::size_t kMaxHeaderBlock = kMaxStreamHeaderSize + 64;  // with the address

// Streams that the peer has opened according to the numbers it uses, but of which nothing has come
// yet: their lanes may overtake each other. A peer opens and resets in bursts, so it may be ahead by
// several times its limit.
constexpr std::size_t kUnseenFactor = 16;

// Streams of the peer that are over for both applications, and wait for its last acknowledgement: an honest
// peer acknowledges an end at once, but a loss may hold that up while it opens others.
constexpr std::size_t kUnackedFactor = 4;

// Streams of either end: their numbers have 32 bits, one of which says whose they are.
constexpr std::uint64_t kMostNumbers = std::uint64_t{1} << 31;

// Smaller pieces are copied: a shared one costs more than that by itself.
constexpr std::size_t kWorthSharing = 512;

// Lanes acknowledged as forgotten in one frame; the peer repeats itself for those left out.
constexpr std::size_t kMaxForgotten = 256;

}  // namespace

struct StreamTable::Stream {
    explicit Stream(std::uint64_t n)
        : number{static_cast<std::uint32_t>(n)}, out(lane_id(LaneKind::stream, n)) {}

    StreamNumber number;
    OutLane out;
    bool ours = false;
    bool is_relayed = false;  // to or from another member

    bool wants_writable = false, delivered = false, gone = false;
    bool header_taken = false, fin_received = false, changed = false;
    bool saved = false,
         known = true;  // with a journal: in its last batch; in itself, so that the peer may be told
    Bytes header;       // unfinished
    /// Both directions have their end, if not yet its acknowledgement.
    bool is_over() const { return fin_received && out.is_finished(); }

    std::uint64_t received = 0, consumed = 0;
    std::uint64_t credit = 0;  // the peer may send up to this offset
    std::size_t window = 0;    // grows as the application reads, so that a stream nobody reads stays small
};

StreamTable::StreamTable(const Config& config, StreamEvents& events) : config_(config), events_(events) {}
StreamTable::~StreamTable() = default;

bool StreamTable::is_ours(std::uint64_t number) const {
    return ((number & 1) != 0) == (config_.end == LinkBinding::End::coordinator);
}

StreamTable::Stream* StreamTable::find(StreamNumber stream) const {
    const auto it = streams_.find(stream);
    return it == streams_.end() || it->second->gone ? nullptr : it->second.get();
}

Result<StreamNumber> StreamTable::open(const Address& address, ByteView header) {
    if (header.size() > kMaxStreamHeaderSize)
        return Error{Errc::too_large, "a stream header has at most " + std::to_string(kMaxStreamHeaderSize) +
                                          " octets, this one has " + std::to_string(header.size())};
    if (ours_open_ >= config_.outgoing)
        return Error{Errc::queue_full,
                     "all " + std::to_string(config_.outgoing) + " streams are open already"};
    if (next_ours_ >= kMostNumbers) return Error{Errc::queue_full, "this session has no more streams"};
    const std::uint64_t bit = config_.end == LinkBinding::End::coordinator ? 1 : 0;
    const std::uint64_t number = next_ours_++ << 1 | bit;
    auto stream = std::make_unique<Stream>(number);
    stream->ours = stream->header_taken = true;
    stream->is_relayed = address.kind == Address::Kind::listed;
    if (config_.journaled) {
        stream->known = false;
        stream->out.hold();
        note_news();
    }
    stream->window = static_cast<std::size_t>(config_.first_credit);
    stream->credit = config_.first_credit;
    stream->out.set_limit(config_.peer_credit);
    Bytes block, framed;
    Writer writer{block};
    address.write(writer);
    writer.write(header);
    Writer{framed}.write_sized(block);
    stream->out.append_shared(Slice::from(std::move(framed)));
    ++ours_open_;
    const StreamNumber name = stream->number;
    streams_.emplace(name, std::move(stream));
    events_.on_streams_busy();
    return name;
}

Result<void> StreamTable::write(StreamNumber name, Slice octets) {
    Stream* const stream = find(name);
    if (stream == nullptr || stream->out.is_finished())
        return Error{Errc::not_connected, "the stream is closed"};
    if (octets.size() > config_.buffer + (1 << 20))
        return Error{Errc::too_large, "write at most 1 MiB at a time"};
    if (stream->out.unacked() >= config_.buffer) {
        stream->wants_writable = true;
        return Error{Errc::queue_full,
                     "the stream has " + std::to_string(config_.buffer) + " octets under way"};
    }
    pass_on(name, std::move(octets));
    return {};
}

void StreamTable::pass_on(StreamNumber name, Slice octets) {
    Stream* const stream = find(name);
    if (stream == nullptr || stream->out.is_finished()) return;
    if (octets.size() < kWorthSharing) {
        stream->out.append_copy(octets.view());
    } else {
        stream->out.append_shared(std::move(octets));
    }
    events_.on_streams_busy();
}

void StreamTable::want_writable(StreamNumber name) {
    if (Stream* const stream = find(name)) stream->wants_writable = true;
}

std::size_t StreamTable::writable(StreamNumber name) const {
    const Stream* const stream = find(name);
    if (stream == nullptr || stream->out.is_finished() || stream->out.unacked() >= config_.buffer) return 0;
    return config_.buffer - stream->out.unacked();
}

void StreamTable::finish(StreamNumber name) {
    Stream* const stream = find(name);
    if (stream == nullptr || stream->out.is_finished()) return;
    stream->out.finish();
    if (!stream->ours && stream->is_over()) --theirs_open_;
    events_.on_streams_busy();
}

void StreamTable::reset(StreamNumber name, std::uint64_t code, std::string_view reason,
                        LinkBinding* binding) {
    Stream* const stream = find(name);
    if (stream == nullptr) return;
    if (binding != nullptr) binding->reset(stream->out);
    if (binding != nullptr) binding->stop(stream->out.id());
    events_.send_reset({static_cast<std::uint64_t>(name), code, cleaned(reason, kMaxReasonSize)});
    settle(*stream);
}

void StreamTable::consume(StreamNumber name, std::size_t octets) {
    Stream* const stream = find(name);
    if (stream == nullptr) return;
    stream->consumed = std::min<std::uint64_t>(stream->consumed + octets, stream->received);
    give_credit(*stream);
}

void StreamTable::give_credit(Stream& stream) {
    if (stream.fin_received || stream.consumed + stream.window < stream.credit + stream.window / 2) return;
    stream.window = std::min(stream.window * 2, config_.buffer);
    stream.credit = stream.consumed + stream.window;
    stream.changed = urgent_ = true;
    events_.on_streams_busy();
}

std::vector<StreamNumber> StreamTable::numbers() const {
    std::vector<StreamNumber> all;
    for (const auto& [number, stream] : streams_)
        if (!stream->gone) all.push_back(number);
    std::ranges::sort(all);
    return all;
}

/// Finds the stream of an incoming lane, or takes in a new one. Null without violation: it
/// is forgotten already.
StreamTable::Stream* StreamTable::take_in(std::uint64_t number, Violation& violation) {
    if (Stream* const known = find(StreamNumber{static_cast<std::uint32_t>(number)}); known != nullptr)
        return known;
    const std::uint64_t index = number >> 1;
    if (number > 0xffffffff || (is_ours(number) && index >= next_ours_)) {
        violation = "octets of a stream that was never opened";
        return nullptr;
    }
    if (is_ours(number)) return nullptr;
    const auto unseen = std::ranges::find(unseen_, index);
    if (index < next_theirs_ && unseen == unseen_.end()) return nullptr;
    if (unseen != unseen_.end()) unseen_.erase(unseen);
    if (index >= next_theirs_ + kUnseenFactor * config_.incoming) {
        violation = "a stream number far ahead of the others";
        return nullptr;
    }
    for (; next_theirs_ < index; ++next_theirs_) unseen_.push_back(next_theirs_);
    next_theirs_ = std::max(next_theirs_, index + 1);
    if (unseen_.size() > kUnseenFactor * config_.incoming) {
        violation = "too many streams that never came";
        return nullptr;
    }
    auto stream = std::make_unique<Stream>(number);
    stream->window = config_.first_credit;
    stream->credit = config_.first_credit;
    stream->out.set_limit(config_.peer_credit);
    if (config_.journaled) {
        stream->known = false;
        stream->out.hold();
        note_news();
    }
    ++theirs_open_;
    ++theirs_kept_;
    Stream* const made = stream.get();
    streams_[made->number] = std::move(stream);
    return made;
}

Violation StreamTable::on_lane_data(std::uint64_t number, std::uint64_t position, ByteView data, bool fin,
                                    LinkBinding* binding) {
    Violation violation;
    Stream* const stream = take_in(number, violation);
    if (violation) return violation;
    if (stream == nullptr) {
        if (forgotten_.size() < kMaxForgotten && std::ranges::find(forgotten_, number) == forgotten_.end())
            forgotten_.push_back(number);
        urgent_ = true;
        events_.on_streams_busy();
        return {};
    }
    if (position > stream->received) return "a gap in a stream";
    const std::uint64_t known = stream->received - position;
    if (known > data.size() || stream->fin_received) return {};  // repeated after a change of links
    data = data.subspan(static_cast<std::size_t>(known));
    if (data.size() > stream->credit - stream->received) return "more on a stream than there was credit for";
    stream->received += data.size();
    unacknowledged_ += data.size();
    stream->changed = true;
    const bool refuse = !stream->ours &&
                        (theirs_open_ > config_.incoming || theirs_kept_ > kUnackedFactor * config_.incoming);
    if (refuse) {
        reset(stream->number, static_cast<std::uint64_t>(ResetCode::too_many), "too many streams are open",
              binding);
        return {};
    }
    if (!take_header(*stream, data, violation)) {
        if (!violation && fin) return "a stream that ends within its header";
        return violation;
    }
    if (!stream->gone && (fin || !data.empty())) deliver(*stream, data, fin);
    events_.on_streams_busy();
    return {};
}

/// True once the header is complete and has been reported; `data` is then what follows it.
bool StreamTable::take_header(Stream& stream, ByteView& data, Violation& violation) {
    if (stream.header_taken) return true;
    const std::size_t had = stream.header.size();
    const ByteView start =
        data.first(std::min(data.size(), kMaxHeaderBlock + 8 - std::min(had, kMaxHeaderBlock)));
    stream.header.insert(stream.header.end(), start.begin(), start.end());
    Reader in{stream.header};
    std::uint64_t size = 0;
    ByteView block;
    if (Reader ahead = in; ahead.read_varint(size) && size > kMaxHeaderBlock)
        violation = "a stream header too large";
    if (violation || !in.read_sized(block, kMaxHeaderBlock)) return false;
    const std::size_t taken = stream.header.size() - in.remaining();
    data = data.subspan(taken - had);
    Reader reader{block};
    Address address;
    if (!address.read(reader, 1) || address.kind == Address::Kind::everyone) {
        violation = "a stream header that cannot be read";
        return false;
    }
    stream.header_taken = true;
    stream.is_relayed = address.kind == Address::Kind::listed;
    note_news();
    stream.consumed += taken;
    const Bytes keep = std::exchange(stream.header, {});
    events_.on_opened(stream.number, address, reader.rest());
    return true;
}

void StreamTable::deliver(Stream& stream, ByteView data, bool fin) {
    if (fin) {
        stream.fin_received = urgent_ = true;
        if (!stream.ours && stream.is_over()) --theirs_open_;
    }
    events_.on_data(stream.number, data, fin);
    if (!stream.gone && stream.fin_received && stream.out.is_finished() && stream.out.is_acked())
        settle(stream);
}

Violation StreamTable::on_reset_frame(const StreamReset& frame, LinkBinding* binding) {
    Violation violation;
    Stream* const stream = take_in(frame.number, violation);
    if (stream == nullptr) return violation;
    const bool reported = stream->header_taken;
    if (binding != nullptr) binding->reset(stream->out);
    settle(*stream);
    if (reported) events_.on_reset(stream->number, frame.code, frame.reason);
    return {};
}

Violation StreamTable::on_acked(std::uint64_t number, const Position& position) {
    Stream* const stream = find(StreamNumber{static_cast<std::uint32_t>(number)});
    if (stream == nullptr) return {};  // reset meanwhile
    stream->out.raise_limit(position.credit);
    if (!stream->out.on_acked(position.received)) return "an acknowledgement of octets that were never sent";
    events_.on_streams_busy();
    tell_progress(*stream);
    return {};
}

/// The peer has more of what we sent: tells whoever waits for that.
void StreamTable::tell_progress(Stream& stream) {
    if (stream.wants_writable && stream.out.unacked() < config_.buffer / 2) {
        stream.wants_writable = false;
        events_.on_writable(stream.number);
    }
    const bool all = !stream.gone && stream.out.is_finished() && stream.out.is_acked();
    if (!all || stream.delivered) return;
    stream.delivered = true;
    events_.on_delivered(stream.number);
    if (!stream.gone && stream.fin_received) settle(stream);
}

/// Counts a stream as gone; it is forgotten as soon as no call that may hold it is under way.
void StreamTable::settle(Stream& stream) {
    if (stream.gone) return;
    stream.gone = true;
    note_news();
    if (stream.ours) --ours_open_;
    if (!stream.ours && !stream.is_over()) --theirs_open_;
    if (!stream.ours) --theirs_kept_;
    if (stream.changed && forgotten_.size() < kMaxForgotten)
        forgotten_.push_back(static_cast<std::uint64_t>(stream.number));
    done_.push_back(stream.number);
}

void StreamTable::forget_done() {
    for (const StreamNumber number : std::exchange(done_, {})) streams_.erase(number);
}

void StreamTable::pump(LinkBinding& binding) {
    for (const auto& [number, stream] : streams_)
        if (!stream->gone && stream->out.has_unsent()) binding.pump(stream->out, nullptr);
}

bool StreamTable::has_unsent() const {
    return std::ranges::any_of(
        streams_, [](const auto& entry) { return !entry.second->gone && entry.second->out.has_unsent(); });
}

std::size_t StreamTable::outstanding() const {
    std::size_t octets = 0;
    for (const auto& [number, stream] : streams_)
        if (!stream->gone) octets += stream->out.unacked();
    return octets;
}

Position StreamTable::position_of(const Stream& stream) {
    return {stream.out.id(), stream.received + (stream.fin_received ? 1 : 0), stream.credit};
}

void StreamTable::take_changed(std::vector<Position>& out) {
    for (const auto& [number, stream] : streams_)
        if (!stream->gone && stream->known && std::exchange(stream->changed, false))
            out.push_back(position_of(*stream));
    std::erase_if(forgotten_, [&](std::uint64_t number) {
        if (!may_be_told(number)) return false;
        out.push_back({lane_id(LaneKind::stream, number), kAllReceived, 0});
        return true;
    });
    unacknowledged_ = 0;
    urgent_ = false;
}

void StreamTable::add_all(std::vector<Position>& out) const {
    for (const auto& [number, stream] : streams_)
        if (!stream->gone && stream->known) out.push_back(position_of(*stream));
}

void StreamTable::collect_ends(std::vector<Position>& out) const {
    for (const auto& [number, stream] : streams_)
        if (!stream->gone && stream->out.next() > 0) out.push_back({stream->out.id(), stream->out.end(), 0});
}

bool StreamTable::has_received(std::uint64_t number, std::uint64_t end) const {
    const Stream* const stream = find(StreamNumber{static_cast<std::uint32_t>(number)});
    if (stream != nullptr) return stream->received + (stream->fin_received ? 1 : 0) >= end;
    const std::uint64_t index = number >> 1;
    if (is_ours(number)) return true;
    return index < next_theirs_ && std::ranges::find(unseen_, index) == unseen_.end();
}

// The journal

bool StreamTable::may_be_told(std::uint64_t number) const {
    return !config_.journaled || is_ours(number) || number >> 1 < theirs_.safe();
}

void StreamTable::save(JournalBatch& batch, std::uint32_t session) {
    if (!std::exchange(news_, false)) return;
    Bytes saved;
    Writer writer{saved};
    writer.write_varint(next_ours_).write_varint(next_theirs_).write_varint(unseen_.size());
    for (const std::uint64_t index : unseen_) writer.write_varint(index);
    for (const auto& [number, stream] : streams_) {
        stream->saved = true;
        if (!stream->gone)
            writer.write_varint(static_cast<std::uint64_t>(number) << 1 | (stream->is_relayed ? 1 : 0));
    }
    theirs_.save(next_theirs_);
    batch.put({session, JournalPart::streams}, 0, Slice::from(std::move(saved)));
}

void StreamTable::on_written() {
    theirs_.on_written();
    urgent_ |= !forgotten_.empty();
    for (const auto& [number, stream] : streams_) {
        if (stream->known || !stream->saved) continue;
        stream->known = true;
        stream->out.release();
        urgent_ |= stream->changed;
    }
}

void StreamTable::stop_journaling() {
    config_.journaled = news_ = false;
    for (const auto& [number, stream] : streams_) stream->saved = true;
    on_written();
}

bool StreamTable::restore(ByteView saved, std::vector<SavedStream>& open) {
    Reader in{saved};
    std::uint64_t unseen = 0;
    if (!in.read_varint(next_ours_) || !in.read_varint(next_theirs_) || !in.read_varint(unseen)) return false;
    if (next_ours_ > kMostNumbers || next_theirs_ > kMostNumbers || unseen > kUnseenFactor * config_.incoming)
        return false;
    unseen_.resize(static_cast<std::size_t>(unseen));
    for (std::uint64_t& index : unseen_)
        if (!in.read_varint(index) || index >= next_theirs_) return false;
    while (!in.empty()) {
        std::uint64_t value = 0;
        if (!in.read_varint(value)) return false;
        const auto& [number, is_relayed] = open.emplace_back(value >> 1, (value & 1) != 0);
        if (number >> 1 >= (is_ours(number) ? next_ours_ : next_theirs_)) return false;
    }
    theirs_.set(next_theirs_);
    return true;
}

void StreamTable::detach() {
    for (const auto& [number, stream] : streams_) stream->out.detach();
}

Violation StreamTable::rewind(const std::vector<Position>& positions) {
    for (const auto& [number, stream] : streams_) {
        const auto heard = std::ranges::find(positions, stream->out.id(), &Position::lane);
        if (heard != positions.end()) stream->out.raise_limit(heard->credit);
        if (!stream->out.rewind(heard == positions.end() ? 0 : heard->received))
            return "a resumption from beyond what was sent";
    }
    for (const StreamNumber number : numbers())
        if (Stream* const stream = find(number)) tell_progress(*stream);
    return {};
}

}  // namespace muster::session
