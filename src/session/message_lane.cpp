#include "session/message_lane.h"

#include <algorithm>
#include <cstring>

namespace muster::session {
namespace {

constexpr std::size_t kMaxCookieSize = 8;
constexpr std::size_t kMaxAddressSize = 16;  // besides the ids

std::byte* put_varint(std::byte* out, std::uint64_t value) {
    const std::size_t size = varint_size(value);
    const std::uint64_t prefix = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
    const std::uint64_t coded = value | (prefix << (8 * size - 2));
    for (std::size_t i = size; i-- > 0;) *out++ = static_cast<std::byte>(coded >> (8 * i));
    return out;
}

std::uint64_t record_header(std::size_t size, RecordKind kind) {
    return std::uint64_t{size} << 2 | static_cast<std::uint64_t>(kind);
}

Address initial_address(LaneId lane) {
    Address address;
    if (kind_of(lane) == LaneKind::ordered)
        address.channel = ChannelId{static_cast<std::uint16_t>(number_of(lane))};
    return address;
}

}  // namespace

MessageOutLane::MessageOutLane(LaneId id) : lane_(id), last_(initial_address(id)) {}

void MessageOutLane::append_address(const Address& address) {
    Bytes body, record;
    Writer writer{body};
    address.write(writer);
    Writer{record}.write_varint(record_header(body.size(), RecordKind::address)).write(body);
    lane_.append_copy(record);
    last_ = address;
}

void MessageOutLane::append(const Address& address, std::uint64_t cookie, ByteView payload,
                            const Slice* shared) {
    if (address != last_) append_address(address);
    const std::size_t extra = cookie == 0 ? 0 : varint_size(cookie);
    const auto kind = cookie == 0 ? RecordKind::message : RecordKind::message_with_cookie;
    const std::uint64_t header = record_header(payload.size() + extra, kind);
    const std::size_t before = varint_size(header) + extra;
    const bool copied = before + payload.size() <= OutLane::kLargestPiece;
    const std::size_t cost = payload.size() + extra + message_units(address.ids.size()) * kMessageOverhead;
    std::byte* out = lane_.append(before + (copied ? payload.size() : 0), cost);
    out = put_varint(out, header);
    if (cookie != 0) out = put_varint(out, cookie);
    if (!copied) return lane_.append_shared(shared != nullptr ? *shared : Slice::copy_of(payload));
    if (!payload.empty()) std::memcpy(out, payload.data(), payload.size());
}

std::uint64_t MessageOutLane::save(JournalBatch& batch, std::uint32_t session) {
    if (!lane_.has_news()) return 0;
    const std::uint64_t cost = lane_.save(batch, session);
    Bytes address;
    Writer writer{address};
    last_.write(writer);
    batch.put({session, JournalPart::out_lane, static_cast<std::uint64_t>(lane_.id()), 0}, lane_.end(),
              Slice::from(std::move(address)));
    return cost;
}

bool MessageOutLane::restore(std::uint64_t end, Address last, std::vector<SavedPiece> pieces) {
    last_ = std::move(last);
    return lane_.restore(end, std::move(pieces));
}

MessageParser::MessageParser(LaneId lane) : lane_(lane), address_(initial_address(lane)) {}

MessageParser::Found MessageParser::find(ByteView octets, const Limits& limits, Record& record) {
    Reader in{octets};
    std::uint64_t header = 0;
    if (!in.read_varint(header)) return Found::nothing;
    if ((header & 3) == 3) return Found::bad;
    record.kind = static_cast<RecordKind>(header & 3);
    const std::uint64_t size = header >> 2;
    const std::size_t most = record.kind == RecordKind::message   ? limits.message
                             : record.kind == RecordKind::address ? kMaxAddressSize + 20 * limits.recipients
                                                                  : limits.message + kMaxCookieSize;
    if (size > most) return Found::large;
    record.header = octets.size() - in.remaining();
    record.body = static_cast<std::size_t>(size);
    return in.remaining() < record.body ? Found::header : Found::whole;
}

MessageParser::Outcome MessageParser::check(Found found, const Record& record, RecordSink& sink) {
    if (found == Found::bad) return Outcome::malformed;
    if (found == Found::large) return Outcome::too_large;
    if (found == Found::nothing || begun_ || record.kind == RecordKind::address) return Outcome::ok;
    begun_ = true;
    return sink.on_begin(address_, record.body) ? Outcome::ok : Outcome::no_credit;
}

MessageParser::Outcome MessageParser::take(const Record& record, ByteView octets, RecordSink& sink,
                                           const Limits& limits) {
    Reader in{octets.subspan(record.header, record.body)};
    begun_ = false;
    if (record.kind == RecordKind::address) {
        const ChannelId channel = address_.channel;
        if (!address_.read(in, limits.recipients) || !in.empty()) return Outcome::malformed;
        if (kind_of(lane_) == LaneKind::ordered && address_.channel != channel) return Outcome::malformed;
        return Outcome::ok;
    }
    std::uint64_t cookie = 0;
    if (record.kind == RecordKind::message_with_cookie && !in.read_varint(cookie)) return Outcome::malformed;
    if (in.remaining() > limits.message) return Outcome::too_large;
    sink.on_message(address_, cookie, in.rest());
    return Outcome::ok;
}

MessageParser::Outcome MessageParser::feed_partial(ByteView& data, RecordSink& sink, const Limits& limits) {
    while (!partial_.empty()) {
        Record record;
        const Found found = find(partial_, limits, record);
        if (const Outcome outcome = check(found, record, sink); outcome != Outcome::ok) return outcome;
        if (found == Found::whole) {
            const Bytes octets = std::exchange(partial_, {});
            return take(record, octets, sink, limits);
        }
        if (data.empty()) return Outcome::ok;
        const std::size_t wanted =
            found == Found::nothing ? 1 : record.header + record.body - partial_.size();
        const ByteView taken = data.first(std::min(wanted, data.size()));
        partial_.insert(partial_.end(), taken.begin(), taken.end());
        data = data.subspan(taken.size());
    }
    return Outcome::ok;
}

MessageParser::Outcome MessageParser::feed(ByteView data, RecordSink& sink, const Limits& limits) {
    if (const Outcome outcome = feed_partial(data, sink, limits); outcome != Outcome::ok) return outcome;
    while (!data.empty()) {
        Record record;
        const Found found = find(data, limits, record);
        if (const Outcome outcome = check(found, record, sink); outcome != Outcome::ok) return outcome;
        if (found != Found::whole) break;
        const std::size_t size = record.header + record.body;
        const Outcome outcome = take(record, data.first(size), sink, limits);
        if (outcome != Outcome::ok) return outcome;
        data = data.subspan(size);
    }
    // If data is left, partial_ is empty: feed_partial() ends with data left only when
    // its record is complete.
    if (!data.empty()) partial_.assign(data.begin(), data.end());
    return Outcome::ok;
}

}  // namespace muster::session
