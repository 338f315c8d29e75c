#pragma once

#include <cstdint>

#include "muster/error.h"
#include "muster/file_transfer.h"
#include "muster/time.h"

namespace muster::files {

// What both ends of a transfer share: timings, deadlines, progress.

/// Progress reaches the application at most this often: ten times a second is what a progress bar can show.
inline constexpr Duration kProgressInterval = std::chrono::milliseconds{100};
/// An end that is alive says something at least this often while a file is under way, so that the other end
/// can tell a slow disk from a dead process. A sixth of the default stall deadline: five may be delayed.
inline constexpr Duration kFileHeartbeat = std::chrono::seconds{5};
/// How long an ended transfer waits for the other end to close its half of the stream before it is reset.
inline constexpr Duration kFileLinger = std::chrono::seconds{5};
/// How long one storage request may take. Syncing gigabytes to a slow stick takes minutes; a dead NFS server
/// takes for ever.
inline constexpr Duration kStoragePatience = std::chrono::minutes{10};
/// How long a transfer may be kept alive without one octet getting on. An honest end gives up on its storage
/// after kStoragePatience; this is for the others, and leaves time to hash what an earlier transfer brought.
inline constexpr Duration kNoProgressPatience = std::chrono::hours{1};
/// Storage requests of one transfer that may be under way at once.
inline constexpr std::size_t kMaxStorageRequests = 4;

// The errors of their deadlines.

Error offer_unanswered();
/// `unheard`: how long the other end has said nothing; below `stall` it talks, but the file does not get on.
Error peer_stalled(Duration unheard, Duration stall);
Error storage_stalled();

// The errors of a session that goes while the storage works.

Error storage_gone();
/// The file was being named at that moment.
Error file_may_be_there();

/// The application accepted the offer: octets flow from here on.
struct FileAccepted {
    bool operator==(const FileAccepted&) const = default;
};

/// The transfer is over; nothing follows.
struct FileFinished {
    Result<FileReceipt> result;
};

/// Turns counts of octets into FileProgress: a rate as an exponentially weighted mean over about two seconds,
/// and the time that remains.
class ProgressMeter {
public:
    /// `done` may be more than 0 if an earlier transfer is continued; that part does not count as speed.
    void start(std::uint64_t done, std::uint64_t total, TimePoint now);
    /// Counts never go back.
    void advance(std::uint64_t done, TimePoint now);
    const FileProgress& progress() const { return progress_; }
    /// True at most once per kProgressInterval, and when the last octet arrives.
    bool due(TimePoint now);

private:
    FileProgress progress_;
    std::uint64_t sampled_done_ = 0;
    TimePoint sampled_at_{};
    TimePoint shown_at_{};
    std::uint64_t shown_done_ = 0;
    bool shown_ = false;
};

}  // namespace muster::files
