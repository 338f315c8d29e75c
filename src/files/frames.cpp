#include "files/frames.h"

#include <algorithm>

#include "base/reader.h"
#include "base/text.h"
#include "base/writer.h"

namespace muster::files {
namespace {

// Flags of an offer. Unknown ones are an error: whoever adds one raises the version.
constexpr std::uint8_t kHasModified = 0x01;

Slice framed(FileFrame type, const Bytes& body) {
    Bytes frame;
    frame.reserve(body.size() + 9);
    Writer{frame}.write(static_cast<std::uint8_t>(type)).write_sized(body);
    return Slice::from(std::move(frame));
}

std::string_view cut(std::string_view text, std::size_t limit) { return text.substr(0, limit); }

bool is_known(std::uint8_t type) {
    using enum FileFrame;
    switch (static_cast<FileFrame>(type)) {
        case offer:
        case data:
        case end:
        case cancel:
        case keep_alive:
        case accept:
        case decline:
        case progress:
        case verdict: return true;
    }
    return false;
}

bool read_hints(Reader& in, std::vector<FileHint>& hints) {
    std::uint8_t count = 0;
    if (!in.read(count) || count > kMaxHints) return false;
    for (; count > 0; --count) {
        FileHint hint;
        if (!in.read_text(hint.key, kMaxHintKey) || !in.read_text(hint.value, kMaxHintValue)) return false;
        hints.push_back(std::move(hint));
    }
    return true;
}

bool read_modified(Reader& in, std::optional<FileTime>& modified) {
    std::uint8_t flags = 0;
    if (!in.read(flags) || (flags & ~kHasModified) != 0) return false;
    if ((flags & kHasModified) == 0) return true;
    std::uint64_t nanoseconds = 0;
    if (!in.read(nanoseconds)) return false;
    modified = FileTime{std::chrono::nanoseconds{static_cast<std::int64_t>(nanoseconds)}};
    return true;
}

}  // namespace

Slice encode_data_header(std::size_t size) {
    Bytes head;
    Writer{head}.write(static_cast<std::uint8_t>(FileFrame::data)).write_varint(size);
    return Slice::from(std::move(head));
}

Slice encode(const OfferFrame& offer) {
    Bytes body;
    Writer out{body};
    out.write(kFileVersion).write(offer.id).write_varint(offer.size);
    out.write_text(cut(offer.name, kMaxWireName));
    out.write(offer.modified ? kHasModified : std::uint8_t{0});
    if (offer.modified) out.write(static_cast<std::uint64_t>(offer.modified->time_since_epoch().count()));
    const std::size_t hints = std::min(offer.hints.size(), kMaxHints);
    out.write(static_cast<std::uint8_t>(hints));
    for (std::size_t i = 0; i < hints; ++i)
        out.write_text(cut(offer.hints[i].key, kMaxHintKey))
            .write_text(cut(offer.hints[i].value, kMaxHintValue));
    return framed(FileFrame::offer, body);
}

Slice encode(FileFrame type, const ReasonFrame& reason) {
    Bytes body;
    Writer{body}.write(static_cast<std::uint8_t>(reason.code)).write_text(cleaned(reason.reason, kMaxReason));
    return framed(type, body);
}

Slice encode(FileFrame type, std::uint64_t number) {
    Bytes body;
    Writer{body}.write_varint(number);
    return framed(type, body);
}

Slice encode_end(const Sha256Digest& digest) {
    Bytes body;
    Writer{body}.write(digest);
    return framed(FileFrame::end, body);
}

Slice encode_keep_alive() { return framed(FileFrame::keep_alive, {}); }

Result<OfferFrame> parse_offer(ByteView body) {
    Reader in{body};
    OfferFrame offer;
    std::uint8_t version = 0;
    if (in.read(version) && version != kFileVersion)
        return Error{Errc::unsupported,
                     "file transfer version " + std::to_string(version) + " is not known here"};
    if (!in.read(offer.id) || !in.read_varint(offer.size) || !in.read_text(offer.name, kMaxWireName) ||
        !read_modified(in, offer.modified) || !read_hints(in, offer.hints) || !in.empty())
        return Error{Errc::protocol_violation, "the offer of a file is malformed"};
    return offer;
}

std::optional<ReasonFrame> parse_reason(ByteView body) {
    Reader in{body};
    std::uint8_t code = 0;
    std::string reason;
    if (!in.read(code) || !in.read_text(reason, kMaxReason) || !in.empty()) return std::nullopt;
    return ReasonFrame{static_cast<FileCode>(code), cleaned(reason, kMaxReason)};
}

std::optional<std::uint64_t> parse_number(ByteView body) {
    Reader in{body};
    std::uint64_t number = 0;
    if (!in.read_varint(number) || !in.empty()) return std::nullopt;
    return number;
}

std::optional<Sha256Digest> parse_end(ByteView body) {
    Reader in{body};
    Sha256Digest digest{};
    if (!in.read(digest) || !in.empty()) return std::nullopt;
    return digest;
}

ReasonFrame reason_of(const Error& error) {
    const auto code = [&] {
        switch (error.code()) {
            case Errc::declined: return FileCode::declined;
            case Errc::bad_name: return FileCode::bad_name;
            case Errc::already_exists: return FileCode::already_exists;
            case Errc::storage: return FileCode::storage;
            case Errc::checksum_mismatch: return FileCode::checksum_mismatch;
            case Errc::source_changed: return FileCode::source_changed;
            case Errc::timed_out: return FileCode::timed_out;
            case Errc::protocol_violation: return FileCode::protocol_violation;
            case Errc::too_large: return FileCode::too_large;
            case Errc::unsupported: return FileCode::unsupported;
            default: return FileCode::cancelled;
        }
    }();
    return {code, error.message()};
}

Error error_of(const ReasonFrame& reason) {
    const auto code = [&] {
        switch (reason.code) {
            case FileCode::ok:
            case FileCode::cancelled: return Errc::cancelled_by_peer;
            case FileCode::declined: return Errc::declined;
            case FileCode::bad_name: return Errc::bad_name;
            case FileCode::already_exists: return Errc::already_exists;
            case FileCode::storage: return Errc::storage;
            case FileCode::checksum_mismatch: return Errc::checksum_mismatch;
            case FileCode::source_changed: return Errc::source_changed;
            case FileCode::timed_out: return Errc::timed_out;
            case FileCode::protocol_violation: return Errc::protocol_violation;
            case FileCode::too_large: return Errc::too_large;
            case FileCode::unsupported: return Errc::unsupported;
        }
        return Errc::cancelled_by_peer;  // a code of a later version
    }();
    return Error{code, reason.reason.empty() ? "the other device gave no reason" : reason.reason};
}

std::optional<FileFrameReader::Piece> FileFrameReader::next(ByteView& in, std::size_t data_room) {
    if (failed_ || (at_ == At::head && !read_head(in))) return std::nullopt;
    return type_ == FileFrame::data ? data_piece(in, data_room) : control_piece(in);
}

bool FileFrameReader::read_head(ByteView& in) {
    while (!in.empty()) {
        head_.push_back(in.front());
        in = in.subspan(1);
        Reader reader{head_};
        std::uint8_t type = 0;
        std::uint64_t size = 0;
        reader.read(type);
        failed_ = !is_known(type);
        if (failed_) return false;
        if (!reader.read_varint(size)) continue;
        type_ = static_cast<FileFrame>(type);
        return check_head(size);
    }
    return false;
}

bool FileFrameReader::check_head(std::uint64_t size) {
    const bool is_data = type_ == FileFrame::data;
    // An empty data frame carries nothing and would let a peer keep us busy for two octets each.
    failed_ = is_data ? size == 0 || size > kMaxDataBody : size > kMaxControlBody;
    if (failed_) return false;
    head_.clear();
    body_.clear();
    body_left_ = static_cast<std::size_t>(size);
    at_ = At::body;
    return true;
}

std::optional<FileFrameReader::Piece> FileFrameReader::data_piece(ByteView& in, std::size_t data_room) {
    const std::size_t size = std::min({in.size(), body_left_, data_room});
    if (size == 0) return std::nullopt;
    const ByteView piece = in.first(size);
    in = in.subspan(size);
    body_left_ -= size;
    if (body_left_ == 0) at_ = At::head;
    return Piece{type_, piece};
}

std::optional<FileFrameReader::Piece> FileFrameReader::control_piece(ByteView& in) {
    const std::size_t size = std::min(in.size(), body_left_);
    body_.insert(body_.end(), in.begin(), in.begin() + static_cast<std::ptrdiff_t>(size));
    in = in.subspan(size);
    body_left_ -= size;
    if (body_left_ > 0) return std::nullopt;
    at_ = At::head;
    return Piece{type_, body_};
}

void FileFrameQueue::push_data(Slice body) {
    push_part(encode_data_header(body.size()), false);
    push_part(std::move(body), true);
}

void FileFrameQueue::push_part(Slice octets, bool ends_frame) {
    octets_ += octets.size();
    parts_.push_back({std::move(octets), ends_frame});
}

Slice FileFrameQueue::pop(std::size_t max) {
    if (parts_.empty() || max == 0) return {};
    Part& front = parts_.front();
    const std::size_t size = std::min(max, front.octets.size());
    Slice taken = front.octets.subslice(0, size);
    octets_ -= size;
    if (size < front.octets.size()) {
        front.octets = front.octets.subslice(size);
        inside_frame_ = true;
        return taken;
    }
    inside_frame_ = !front.ends_frame;
    parts_.pop_front();
    return taken;
}

void FileFrameQueue::drop_unstarted() {
    std::size_t kept = 0;
    if (inside_frame_) {
        while (!parts_[kept].ends_frame) ++kept;
        ++kept;
    }
    while (parts_.size() > kept) {
        octets_ -= parts_.back().octets.size();
        parts_.pop_back();
    }
}

}  // namespace muster::files
