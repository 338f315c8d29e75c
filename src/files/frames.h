#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/crypto.h"
#include "base/slice.h"

#include "muster/error.h"
#include "muster/file_transfer.h"

namespace muster::files {

// The wire form of a file transfer; docs/PROTOCOL-FILES.md, "Frames", is its specification.
// Every frame: type (1 octet), length of the body (varint), body.

enum class FileFrame : std::uint8_t {
    // sender to receiver
    offer = 0x01,
    data = 0x02,
    end = 0x03,
    // either way
    cancel = 0x08,
    keep_alive = 0x09,
    // receiver to sender
    accept = 0x11,
    decline = 0x12,
    progress = 0x13,
    verdict = 0x14,
};

/// Why a transfer ended, on the wire. Stable numbers, unlike Errc.
enum class FileCode : std::uint8_t {
    ok = 0,
    cancelled = 1,
    declined = 2,
    bad_name = 3,
    already_exists = 4,
    storage = 5,
    checksum_mismatch = 6,
    source_changed = 7,
    timed_out = 8,
    protocol_violation = 9,
    too_large = 10,
    unsupported = 11,
};

inline constexpr std::uint8_t kFileVersion = 1;
/// Bodies of all frames but data. An offer with its 8 hints takes at most 3.4 kB.
inline constexpr std::size_t kMaxControlBody = 4096;
/// Bodies of data frames. They are passed on as they come, so this bounds no memory, only how long a cancel
/// can hide behind a frame.
inline constexpr std::size_t kMaxDataBody = 1 << 20;
inline constexpr std::size_t kMaxHints = 8;
inline constexpr std::size_t kMaxHintKey = 32;
inline constexpr std::size_t kMaxHintValue = 256;
inline constexpr std::size_t kMaxReason = 500;
/// What the wire carries of a name; longer than a name may be, so that the receiver can say what is wrong.
inline constexpr std::size_t kMaxWireName = 1024;

struct OfferFrame {
    TransferId id{};
    std::uint64_t size = 0;
    std::string name{};
    std::optional<FileTime> modified{};
    std::vector<FileHint> hints{};

    bool operator==(const OfferFrame&) const = default;
};

/// cancel, decline and verdict.
struct ReasonFrame {
    FileCode code{};
    std::string reason{};

    bool operator==(const ReasonFrame&) const = default;
};

/// The octets in front of a data body.
Slice encode_data_header(std::size_t size);
/// Hints, names and reasons over their limits are cut.
Slice encode(const OfferFrame& offer);
Slice encode(FileFrame type, const ReasonFrame& reason);
/// accept (offset) and progress (octets stored).
Slice encode(FileFrame type, std::uint64_t number);
Slice encode_end(const Sha256Digest& digest);
Slice encode_keep_alive();

/// Left-over octets are an error. A version other than kFileVersion gives unsupported.
Result<OfferFrame> parse_offer(ByteView body);
std::optional<ReasonFrame> parse_reason(ByteView body);
std::optional<std::uint64_t> parse_number(ByteView body);
std::optional<Sha256Digest> parse_end(ByteView body);

/// What this end reports to the other about its own error.
ReasonFrame reason_of(const Error& error);
/// What the other end's report means here.
Error error_of(const ReasonFrame& reason);

/// Cuts a byte stream into frames. Control bodies are collected (at most kMaxControlBody), data bodies are
/// passed through in pieces.
class FileFrameReader {
public:
    struct Piece {
        FileFrame type{};
        ByteView body;  ///< Valid until the next call. Of a data frame: some of it.
    };

    /// Takes the next piece from the front of `in`; of a data body at most `data_room` octets. nullopt: more
    /// octets (or room) needed, or failed().
    std::optional<Piece> next(ByteView& in, std::size_t data_room);
    /// The peer broke the framing; there is no way on.
    bool failed() const { return failed_; }
    /// The octets so far end between two frames.
    bool at_boundary() const { return at_ == At::head && head_.empty(); }

private:
    bool read_head(ByteView& in);
    bool check_head(std::uint64_t size);
    std::optional<Piece> data_piece(ByteView& in, std::size_t data_room);
    std::optional<Piece> control_piece(ByteView& in);

    enum class At { head, body };
    At at_ = At::head;
    Bytes head_;
    FileFrame type_{};
    std::size_t body_left_ = 0;
    Bytes body_;
    bool failed_ = false;
};

/// Slices waiting for the stream to take them, frame by frame.
class FileFrameQueue {
public:
    /// Queues a whole frame.
    void push(Slice frame) { push_part(std::move(frame), true); }
    /// Queues a data frame without copying its body.
    void push_data(Slice body);
    /// Takes at most `max` octets from the front; empty if there are none.
    Slice pop(std::size_t max);
    /// Drops every frame of which nothing has been taken yet.
    void drop_unstarted();
    void clear() { parts_.clear(), octets_ = 0, inside_frame_ = false; }

    bool empty() const { return parts_.empty(); }
    std::size_t octets() const { return octets_; }

private:
    struct Part {
        Slice octets;
        bool ends_frame;
    };
    void push_part(Slice octets, bool ends_frame);

    std::deque<Part> parts_;  // bounded by the owner's read-ahead window
    std::size_t octets_ = 0;
    bool inside_frame_ = false;
};

}  // namespace muster::files
