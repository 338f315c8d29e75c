#include "link/probe.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/reader.h"
#include "base/writer.h"
#include "link/path.h"

namespace muster::link {
namespace {

enum Type : std::uint8_t { probe_request = 0x01, probe_reply = 0x02, unknown_link = 0x06 };

constexpr std::uint32_t kMagic = 0x4d535431;  // "MST1": the 1 is the version of these datagrams
constexpr std::size_t kMacSize = 16;
constexpr std::size_t kHeartbeatBody = 1 + 8 + 8 + 8;
constexpr std::size_t kHeartbeatSize = kHeartbeatBody + kMacSize;

Bytes begin(Type type) {
    Bytes out;
    Writer{out}.write(static_cast<std::uint8_t>(type)).write(kMagic);
    return out;
}

bool read_head(Reader& in, Type wanted) {
    std::uint8_t type{};
    std::uint32_t magic{};
    return in.read(type) && in.read(magic) && type == wanted && magic == kMagic;
}

bool read_kind(Reader& in, Heartbeat::Kind& kind) {
    std::uint8_t octet{};
    if (!in.read(octet)) return false;
    kind = static_cast<Heartbeat::Kind>(octet);
    using Kind = Heartbeat::Kind;
    return kind == Kind::small || kind == Kind::leave || kind == Kind::full;
}

}  // namespace

std::string Path::to_string() const {
    switch (medium) {
        case MediumKind::udp: return "udp " + remote.to_string();
        case MediumKind::simulated: return "simulated " + remote.to_string();
    }
    return remote.to_string();
}

GroupTag group_tag(std::string_view group) {
    const Sha256Digest digest = sha256(as_bytes("muster group " + std::string(group)));
    GroupTag tag{};
    std::copy_n(digest.begin(), tag.size(), tag.begin());
    return tag;
}

HeartbeatKeys HeartbeatKeys::from(ByteView material, bool is_dialer) {
    MUSTER_CHECK(material.size() == kMaterial);
    HeartbeatKeys keys;
    Reader in{material};
    in.read(keys.tag);
    auto& first = is_dialer ? keys.sending : keys.receiving;
    auto& second = is_dialer ? keys.receiving : keys.sending;
    std::copy_n(in.rest().begin(), 32, first.begin());
    std::copy_n(in.rest().begin() + 32, 32, second.begin());
    return keys;
}

bool has_fixed_bit(ByteView datagram) {
    return !datagram.empty() && (std::to_integer<unsigned>(datagram[0]) & 0x40) != 0;
}

Bytes encode(const ProbeRequest& request) {
    Bytes out = begin(probe_request);
    Writer{out}.write(request.nonce).write(request.group);
    out.resize(kProbeSize);
    return out;
}

Bytes encode(const ProbeReply& reply) {
    Bytes out = begin(probe_reply);
    Writer{out}.write(reply.nonce).write(reply.responder.bytes);
    out.resize(kProbeSize);
    return out;
}

Bytes encode(const Heartbeat& beat, const HeartbeatKeys& keys) {
    const bool full = beat.kind == Heartbeat::Kind::full;
    Bytes out;
    out.reserve(full ? kProbeSize : kHeartbeatSize);
    Writer{out}
        .write(static_cast<std::uint8_t>(beat.kind))
        .write(keys.tag)
        .write(beat.counter)
        .write(beat.echo);
    const Sha256Digest mac = hmac_sha256(keys.sending, out);
    Writer{out}.write(std::as_bytes(std::span{mac}).first(kMacSize));
    if (full) out.resize(kProbeSize);
    return out;
}

std::optional<ProbeRequest> parse_probe_request(ByteView datagram) {
    Reader in{datagram};
    ProbeRequest request;
    if (datagram.size() != kProbeSize || !read_head(in, probe_request)) return std::nullopt;
    if (!in.read(request.nonce) || !in.read(request.group)) return std::nullopt;
    return request;
}

std::optional<ProbeReply> parse_probe_reply(ByteView datagram) {
    Reader in{datagram};
    ProbeReply reply;
    if (datagram.size() != kProbeSize || !read_head(in, probe_reply)) return std::nullopt;
    if (!in.read(reply.nonce) || !in.read(reply.responder.bytes)) return std::nullopt;
    return reply;
}

Bytes encode(const UnknownLink& unknown) {
    Bytes out = begin(Type::unknown_link);
    Writer{out}.write(unknown.tag);
    return out;
}

std::optional<UnknownLink> parse_unknown_link(ByteView datagram) {
    Reader in{datagram};
    UnknownLink unknown;
    if (!read_head(in, Type::unknown_link) || !in.read(unknown.tag) || !in.empty()) return std::nullopt;
    return unknown;
}

std::optional<std::uint64_t> heartbeat_tag(ByteView datagram) {
    Reader in{datagram};
    Heartbeat::Kind kind{};
    std::uint64_t tag{};
    if (!read_kind(in, kind) || !in.read(tag)) return std::nullopt;
    const std::size_t size = kind == Heartbeat::Kind::full ? kProbeSize : kHeartbeatSize;
    return datagram.size() == size ? std::optional{tag} : std::nullopt;
}

std::optional<Heartbeat> open_heartbeat(ByteView datagram, const HeartbeatKeys& keys) {
    if (heartbeat_tag(datagram) != keys.tag) return std::nullopt;
    const Sha256Digest mac = hmac_sha256(keys.receiving, datagram.first(kHeartbeatBody));
    if (!equal_in_constant_time(datagram.subspan(kHeartbeatBody, kMacSize),
                                std::as_bytes(std::span{mac}).first(kMacSize)))
        return std::nullopt;
    Reader in{datagram};
    Heartbeat beat;
    std::uint64_t tag{};
    read_kind(in, beat.kind);
    in.read(tag);
    in.read(beat.counter);
    in.read(beat.echo);
    return beat;
}

bool ReplayWindow::take(std::uint64_t counter) {
    if (counter > highest_) {
        const std::uint64_t step = counter - highest_;
        taken_ = step < 64 ? (taken_ << step) | 1 : 1;
        highest_ = counter;
        return true;
    }
    const std::uint64_t age = highest_ - counter;
    if (age >= 64 || ((taken_ >> age) & 1) != 0) return false;
    taken_ |= std::uint64_t{1} << age;
    return true;
}

}  // namespace muster::link
