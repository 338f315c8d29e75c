#include "quic/frame_guard.h"

#include <algorithm>

#include "base/reader.h"

namespace muster::quic {
namespace {

constexpr std::uint8_t kAck = 0x02, kAckEcn = 0x03, kStopSending = 0x05, kNewToken = 0x07, kCrypto = 0x06;
constexpr std::uint8_t kStream = 0x08, kLastStream = 0x0f, kNewConnectionId = 0x18, kClose = 0x1c;
constexpr std::uint8_t kDatagram = 0x30, kDatagramWithLength = 0x31;
constexpr std::size_t kResetToken = 16, kPathData = 8;

bool skip_varints(Reader& in, int count) {
    std::uint64_t ignored = 0;
    for (int i = 0; i < count; ++i)
        if (!in.read_varint(ignored)) return false;
    return true;
}

bool skip(Reader& in, std::uint64_t octets) {
    ByteView ignored;
    return octets <= in.remaining() && in.read(ignored, static_cast<std::size_t>(octets));
}

bool skip_sized(Reader& in) {
    std::uint64_t size = 0;
    return in.read_varint(size) && skip(in, size);
}

bool skip_ack(Reader& in, std::uint8_t type) {
    std::uint64_t ranges = 0;
    if (!skip_varints(in, 2) || !in.read_varint(ranges) || !skip_varints(in, 1)) return false;
    for (; ranges > 0; --ranges)
        if (!skip_varints(in, 2)) return false;
    return type == kAck || skip_varints(in, 3);
}

bool skip_stream(Reader& in, std::uint8_t type) {
    constexpr std::uint8_t kHasOffset = 0x04, kHasLength = 0x02;
    if (!skip_varints(in, (type & kHasOffset) != 0 ? 2 : 1)) return false;
    return (type & kHasLength) != 0 ? skip_sized(in) : skip(in, in.remaining());
}

bool skip_new_connection_id(Reader& in) {
    std::uint64_t retire_prior_to = 0;
    std::uint8_t size = 0;
    if (!skip_varints(in, 1) || !in.read_varint(retire_prior_to) || !in.read(size)) return false;
    return retire_prior_to == 0 && skip(in, size) && skip(in, kResetToken);
}

bool skip_close(Reader& in, std::uint8_t type) {
    return skip_varints(in, type == kClose ? 2 : 1) && skip_sized(in);
}

/// The frames that consist of nothing but variable-length integers: how many; -1 for all others.
int varints_of(std::uint8_t type) {
    switch (type) {
        case 0x00:            // PADDING
        case 0x01: return 0;  // PING
        case 0x04: return 3;  // RESET_STREAM
        case 0x10: return 1;  // MAX_DATA
        case 0x11: return 2;  // MAX_STREAM_DATA
        case 0x12:
        case 0x13:
        case 0x14: return 1;  // MAX_STREAMS, DATA_BLOCKED
        case 0x15: return 2;  // STREAM_DATA_BLOCKED
        case 0x16:
        case 0x17:
        case 0x19: return 1;  // STREAMS_BLOCKED, RETIRE_CONNECTION_ID
        case 0x1e: return 0;  // HANDSHAKE_DONE
        default: return -1;
    }
}

bool skip_frame(Reader& in, std::uint8_t type) {
    if (const int varints = varints_of(type); varints >= 0) return skip_varints(in, varints);
    if (type >= kStream && type <= kLastStream) return skip_stream(in, type);
    switch (type) {
        case kAck:
        case kAckEcn: return skip_ack(in, type);
        case kCrypto: return skip_varints(in, 1) && skip_sized(in);
        case kNewToken: return skip_sized(in);
        case kNewConnectionId: return skip_new_connection_id(in);
        case 0x1a:
        case 0x1b: return skip(in, kPathData);
        case kClose:
        case 0x1d: return skip_close(in, type);
        case kDatagram: return skip(in, in.remaining());
        case kDatagramWithLength: return skip_sized(in);
        default: return false;
    }
}

}  // namespace

void FrameGuard::begin() {
    stops_.clear();
    violation_ = false;
}

bool FrameGuard::inspect(ByteView frames) {
    Reader in{frames};
    std::uint8_t type = 0;
    while (in.read(type)) {
        if (type == kStopSending) {
            std::uint64_t stream = 0, code = 0;
            violation_ = !in.read_varint(stream) || !in.read_varint(code);
            if (!violation_) stops_.push_back({static_cast<std::int64_t>(stream), code});
        } else {
            violation_ = !skip_frame(in, type);
        }
        if (violation_) return false;
    }
    return true;
}

}  // namespace muster::quic
