#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "muster/ids.h"
#include "muster/time.h"

namespace muster {

/// Names one transfer; chosen at random by the sender.
using TransferId = std::array<std::uint8_t, 16>;

/// Wall time of a file; for people, never for deadlines.
using FileTime = std::chrono::sys_time<std::chrono::nanoseconds>;

/// What to do if a file of the offered name is there already. Muster never overwrites.
enum class OnNameTaken {
    number,  ///< store as "name (2).ext", "name (3).ext", ...
    refuse,  ///< Errc::already_exists on both ends
};

/// Something the sender wants the receiver's application to know about the file: {"type", "image/png"}.
/// At most 8 per file, 32 octets of key and 256 of value; the receiver must not trust them.
struct FileHint {
    std::string key;
    std::string value;

    bool operator==(const FileHint&) const = default;
};

/// How to send a file.
struct SendFileOptions {
    SendFileOptions() {}

    std::string name;  ///< Under which it is offered; empty: the last part of the path.
    std::vector<FileHint> hints{};
    /// How long the receiver's application may think about the offer before the sender gives up (timed_out).
    Duration patience = std::chrono::minutes{10};
    /// How long the receiver may stay silent while the file is under way before the sender gives up.
    Duration stall = std::chrono::seconds{30};
};

/// How to receive a file that was offered.
struct ReceiveFileOptions {
    ReceiveFileOptions() {}

    std::string directory = ".";  ///< Must exist. The file is stored in it and nowhere else.
    std::string name;             ///< Store under this name; empty: the offered one.
    OnNameTaken on_name_taken = OnNameTaken::number;
    bool keep_modified_time = false;  ///< Give the file the sender's modification time instead of now.
};

/// What a sender offers. Name and hints come from the other device: the name is checked (one path component,
/// valid UTF-8, no control characters); the hints are fit to be shown, but may be lies.
struct FileOffer {
    TransferId id{};
    DeviceId from{};
    std::string name{};
    std::uint64_t size = 0;  ///< Octets.
    std::optional<FileTime> modified{};
    std::vector<FileHint> hints{};

    bool operator==(const FileOffer&) const = default;
};

/// How far a transfer is. On both ends `octets_done` counts what the receiver has written to its file.
struct FileProgress {
    std::uint64_t octets_done = 0;
    std::uint64_t octets_total = 0;
    double octets_per_second = 0;       ///< Smoothed over about two seconds; 0 until it is known.
    std::optional<Duration> remaining;  ///< At the present rate; nullopt until it is known.

    /// In [0, 1]; an empty file is complete.
    double fraction() const {
        return octets_total ? static_cast<double>(octets_done) / static_cast<double>(octets_total) : 1.0;
    }
    bool operator==(const FileProgress&) const = default;
};

/// Proof that a file arrived: the receiver has verified its SHA-256, synced it to disk and named it.
struct FileReceipt {
    std::string path;  ///< On the sender: what was sent. On the receiver: where it is now.
    std::uint64_t octets = 0;
    std::array<std::uint8_t, 32> sha256{};
    Duration duration{};  ///< From acceptance to the final verdict.

    bool operator==(const FileReceipt&) const = default;
};

}  // namespace muster
