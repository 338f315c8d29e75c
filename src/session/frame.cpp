#include "session/frame.h"

#include <algorithm>

#include "base/text.h"

namespace muster::session {
namespace {

constexpr std::size_t kMaxErrcName = 32;
constexpr std::size_t kMaxRosterEntries = 4096;  // per frame; the frame's size cuts earlier

void write_info(Writer& out, const InfoMap& info) {
    out.write_varint(info.size());
    for (const auto& [key, value] : info) out.write_text(key).write_text(value);
}

bool read_info(Reader& in, InfoMap& info) {
    std::uint64_t count = 0;
    if (!in.read_varint(count) || count > kMaxInfoSize) return false;
    for (std::uint64_t i = 0; i < count; ++i) {
        std::string key, value;
        if (!in.read_text(key, kMaxInfoSize) || !in.read_text(value, kMaxInfoSize)) return false;
        if (!info.emplace(std::move(key), std::move(value)).second) return false;
    }
    return true;
}

/// True once everything is taken: octets left over are an error.
template <class Frame>
std::optional<Frame> whole(const Reader& in, Frame frame) {
    if (!in.empty()) return std::nullopt;
    return frame;
}

void write_errc(Writer& out, Errc code) { out.write_text(to_string(code)); }

bool read_errc(Reader& in, Errc& code, Errc fallback) {
    ByteView name;
    if (!in.read_sized(name, kMaxErrcName)) return false;
    code = errc_named(as_text(name), fallback);
    return true;
}

void write_reason(Writer& out, std::string_view reason) { out.write_text(cleaned(reason, kMaxReasonSize)); }

bool read_reason(Reader& in, std::string& reason) {
    ByteView text;
    if (!in.read_sized(text, kMaxReasonSize)) return false;
    reason = cleaned(as_text(text), kMaxReasonSize);
    return true;
}

void write_positions(Writer& out, const std::vector<Position>& positions) {
    out.write_varint(positions.size());
    for (const auto& [lane, received, credit] : positions)
        out.write_varint(static_cast<std::uint64_t>(lane)).write_varint(received).write_varint(credit);
}

bool read_positions(Reader& in, std::vector<Position>& positions) {
    std::uint64_t count = 0;
    if (!in.read_varint(count) || count > kMaxPositions || in.remaining() / 3 < count) return false;
    positions.resize(static_cast<std::size_t>(count));
    for (auto& [lane, received, credit] : positions) {
        std::uint64_t id = 0;
        if (!in.read_varint(id) || !in.read_varint(received) || !in.read_varint(credit)) return false;
        lane = LaneId{id};
    }
    return true;
}

void write_departure(Writer& out, const Departure& how) {
    out.write(static_cast<std::uint8_t>(how.is_lost() ? 2 : how.closed().by == Closed::By::peer ? 1 : 0));
    if (how.is_lost()) {
        write_errc(out, how.cause().code());
        return write_reason(out, how.cause().message());
    }
    out.write(how.closed().code);
    write_reason(out, how.closed().reason);
}

bool read_departure(Reader& in, Departure& how) {
    std::uint8_t kind = 0;
    std::string reason;
    if (!in.read(kind) || kind > 2) return false;
    if (kind == 2) {
        Errc code{};
        if (!read_errc(in, code, Errc::lost) || !read_reason(in, reason)) return false;
        how = Error{code, std::move(reason)};
        return true;
    }
    CloseCode code = 0;
    if (!in.read(code) || !read_reason(in, reason)) return false;
    how = Closed{kind == 1 ? Closed::By::peer : Closed::By::this_end, code, std::move(reason)};
    return true;
}

}  // namespace

void write_peer(Writer& out, const PeerInfo& peer) {
    out.write(peer.id.bytes).write(static_cast<std::uint8_t>(peer.is_coordinator)).write_text(peer.name);
    write_info(out, peer.info);
}

bool read_peer(Reader& in, PeerInfo& peer) {
    std::uint8_t coordinator = 0;
    if (!in.read(peer.id.bytes) || !in.read(coordinator) || coordinator > 1) return false;
    peer.is_coordinator = coordinator != 0;
    return in.read_text(peer.name, kMaxNameSize) && read_info(in, peer.info) && check_name(peer.name) &&
           check_info(peer.info);
}

Errc errc_named(std::string_view name, Errc fallback) {
    for (int code = 1; code <= static_cast<int>(Errc::unsupported); ++code)
        if (to_string(static_cast<Errc>(code)) == name) return static_cast<Errc>(code);
    return fallback;
}

void write_frame(Bytes& out, FrameType type, ByteView body) {
    Writer{out}.write_varint(static_cast<std::uint64_t>(type)).write_sized(body);
}

void Hello::write(Writer& out) const { out.write_varint(min_version).write_varint(max_version); }

std::optional<Hello> Hello::parse(ByteView body) {
    Reader in{body};
    Hello frame;
    if (!in.read_varint(frame.min_version) || !in.read_varint(frame.max_version)) return std::nullopt;
    if (frame.min_version > frame.max_version) return std::nullopt;
    return frame;  // later versions may add to it: what follows is skipped
}

void ReceiveLimits::write(Writer& out) const {
    out.write_varint(message).write_varint(message_credit).write_varint(stream_credit).write_varint(streams);
    out.write_varint(channels);
}

bool ReceiveLimits::read(Reader& in) {
    return in.read_varint(message) && in.read_varint(message_credit) && in.read_varint(stream_credit) &&
           in.read_varint(streams) && in.read_varint(channels);
}

void Join::write(Writer& out) const {
    out.write_text(name);
    write_info(out, info);
    out.write_sized(context);
    limits.write(out);
    out.write_varint(grace_ms);
}

std::optional<Join> Join::parse(ByteView body) {
    Reader in{body};
    Join frame;
    ByteView context;
    // Twice the limits are taken, so that a request that is a little too large gets a
    // reason instead of an end.
    if (!in.read_text(frame.name, 2 * kMaxNameSize) || !read_info(in, frame.info) ||
        !in.read_sized(context, 2 * kMaxContextSize) || !frame.limits.read(in) ||
        !in.read_varint(frame.grace_ms))
        return std::nullopt;
    frame.context = to_bytes(context);
    return whole(in, std::move(frame));
}

void Welcome::write(Writer& out) const {
    out.write_varint(version).write(session).write(secret).write_varint(grace_ms).write_text(name);
    write_info(out, info);
    limits.write(out);
}

std::optional<Welcome> Welcome::parse(ByteView body) {
    Reader in{body};
    Welcome frame;
    if (!in.read_varint(frame.version) || !in.read(frame.session) || !in.read(frame.secret) ||
        !in.read_varint(frame.grace_ms) || !in.read_text(frame.name, kMaxNameSize) ||
        !read_info(in, frame.info) || !frame.limits.read(in))
        return std::nullopt;
    if (!check_name(frame.name) || !check_info(frame.info)) return std::nullopt;
    return whole(in, std::move(frame));
}

void Refused::write(Writer& out) const {
    write_errc(out, why);
    write_reason(out, reason);
}

std::optional<Refused> Refused::parse(ByteView body) {
    Reader in{body};
    Refused frame;
    if (!read_errc(in, frame.why, Errc::refused) || !read_reason(in, frame.reason)) return std::nullopt;
    return whole(in, std::move(frame));
}

void Ack::write(Writer& out) const {
    out.write_varint(message_credit);
    write_positions(out, positions);
}

bool Ack::read(Reader& in) { return in.read_varint(message_credit) && read_positions(in, positions); }

std::optional<Ack> Ack::parse(ByteView body) {
    Reader in{body};
    Ack frame;
    if (!frame.read(in)) return std::nullopt;
    return whole(in, std::move(frame));
}

void Resume::write(Writer& out) const {
    out.write(session).write_varint(attempt).write(static_cast<std::uint8_t>(starts_anew)).write(proof);
    state.write(out);
}

std::optional<Resume> Resume::parse(ByteView body) {
    Reader in{body};
    Resume frame;
    std::uint8_t anew = 0;
    if (!in.read(frame.session) || !in.read_varint(frame.attempt) || !in.read(anew) || anew > 1 ||
        !in.read(frame.proof) || !frame.state.read(in))
        return std::nullopt;
    frame.starts_anew = anew != 0;
    return whole(in, std::move(frame));
}

void Resumed::write(Writer& out) const {
    out.write(proof);
    state.write(out);
}

std::optional<Resumed> Resumed::parse(ByteView body) {
    Reader in{body};
    Resumed frame;
    if (!in.read(frame.proof) || !frame.state.read(in)) return std::nullopt;
    return whole(in, std::move(frame));
}

void Goodbye::write(Writer& out) const {
    out.write(code);
    write_reason(out, reason);
    write_positions(out, ends);
}

std::optional<Goodbye> Goodbye::parse(ByteView body) {
    Reader in{body};
    Goodbye frame;
    if (!in.read(frame.code) || !read_reason(in, frame.reason) || !read_positions(in, frame.ends))
        return std::nullopt;
    return whole(in, std::move(frame));
}

void RosterUpdate::write(Writer& out) const {
    out.write(static_cast<std::uint8_t>(kind)).write(static_cast<std::uint8_t>(more));
    out.write_varint(from).write_varint(to).write_varint(joined.size());
    for (const PeerInfo& peer : joined) write_peer(out, peer);
    out.write_varint(left.size());
    for (const auto& [id, how] : left) {
        out.write(id.bytes);
        write_departure(out, how);
    }
}

std::optional<RosterUpdate> RosterUpdate::parse(ByteView body) {
    Reader in{body};
    RosterUpdate frame;
    std::uint8_t which = 0, continues = 0;
    std::uint64_t joined = 0, left = 0;
    if (!in.read(which) || which > 1 || !in.read(continues) || continues > 1 || !in.read_varint(frame.from) ||
        !in.read_varint(frame.to) || !in.read_varint(joined) || joined > kMaxRosterEntries)
        return std::nullopt;
    frame.kind = static_cast<Kind>(which);
    frame.more = continues != 0;
    for (std::uint64_t i = 0; i < joined; ++i)
        if (!read_peer(in, frame.joined.emplace_back())) return std::nullopt;
    if (!in.read_varint(left) || left > kMaxRosterEntries) return std::nullopt;
    for (std::uint64_t i = 0; i < left; ++i) {
        Left& entry = frame.left.emplace_back();
        if (!in.read(entry.id.bytes) || !read_departure(in, entry.how)) return std::nullopt;
    }
    return whole(in, std::move(frame));
}

void UndeliveredNotice::write(Writer& out) const {
    out.write(what.to.bytes).write_varint(static_cast<std::uint64_t>(what.channel)).write_varint(what.cookie);
    write_errc(out, what.why);
}

std::optional<UndeliveredNotice> UndeliveredNotice::parse(ByteView body) {
    Reader in{body};
    UndeliveredNotice frame;
    std::uint64_t channel = 0;
    if (!in.read(frame.what.to.bytes) || !in.read_varint(channel) || channel > 0xffff ||
        !in.read_varint(frame.what.cookie) || !read_errc(in, frame.what.why, Errc::unknown_peer))
        return std::nullopt;
    frame.what.channel = ChannelId{static_cast<std::uint16_t>(channel)};
    return whole(in, frame);
}

void AddressList::write(Writer& out) const {
    out.write_varint(endpoints.size());
    for (const Endpoint& endpoint : endpoints) {
        const auto size = endpoint.address.is_v4() ? sizeof(IpAddress::V4) : sizeof(IpAddress::V6);
        out.write(static_cast<std::uint8_t>(size));
        out.write(std::as_bytes(std::span{endpoint.address.v6()}.first(size))).write(endpoint.port);
    }
}

std::optional<AddressList> AddressList::parse(ByteView body) {
    Reader in{body};
    AddressList frame;
    std::uint64_t count{};
    if (!in.read_varint(count) || count > kMax) return std::nullopt;
    for (; count > 0; --count) {
        std::uint8_t size{};
        IpAddress::V4 v4{};
        IpAddress::V6 v6{};
        Endpoint endpoint;
        if (!in.read(size) || (size != v4.size() && size != v6.size())) return std::nullopt;
        if (!(size == v4.size() ? in.read(v4) : in.read(v6)) || !in.read(endpoint.port)) return std::nullopt;
        endpoint.address = size == v4.size() ? IpAddress{v4} : IpAddress{v6};
        frame.endpoints.push_back(endpoint);
    }
    return whole(in, std::move(frame));
}

void StreamReset::write(Writer& out) const {
    out.write_varint(number).write_varint(code);
    write_reason(out, reason);
}

std::optional<StreamReset> StreamReset::parse(ByteView body) {
    Reader in{body};
    StreamReset frame;
    if (!in.read_varint(frame.number) || !in.read_varint(frame.code) || !read_reason(in, frame.reason))
        return std::nullopt;
    return whole(in, std::move(frame));
}

/// Looks for a frame at the front. `total`: its size with type and length; 0 while these are not complete.
FrameSplitter::Outcome FrameSplitter::decode(ByteView octets, std::size_t& total) {
    Reader in{octets};
    std::uint64_t size = 0;
    total = 0;
    if (!in.read_varint(type_) || !in.read_varint(size)) return Outcome::need_more;
    if (size > kMaxFrameSize) return Outcome::too_large;
    total = octets.size() - in.remaining() + static_cast<std::size_t>(size);
    return in.read(body_, static_cast<std::size_t>(size)) ? Outcome::frame : Outcome::need_more;
}

FrameSplitter::Outcome FrameSplitter::next(ByteView& data) {
    if (consumed_) Bytes{}.swap(partial_);  // an idle session keeps no buffer
    consumed_ = false;
    std::size_t total = 0;
    if (partial_.empty()) {
        const Outcome outcome = decode(data, total);
        if (outcome == Outcome::frame) data = data.subspan(total);
        if (outcome != Outcome::need_more) return outcome;
    }
    while (true) {
        const Outcome outcome = decode(partial_, total);
        consumed_ = outcome == Outcome::frame;
        if (outcome != Outcome::need_more || data.empty()) return outcome;
        // The type and length first, octet by octet; then as much of the body as there is.
        const std::size_t wanted = total == 0 ? 1 : total - partial_.size();
        const ByteView taken = data.first(std::min(wanted, data.size()));
        partial_.insert(partial_.end(), taken.begin(), taken.end());
        data = data.subspan(taken.size());
    }
}

}  // namespace muster::session
