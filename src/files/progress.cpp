#include "files/progress.h"

#include <algorithm>
#include <cmath>

namespace muster::files {
namespace {

// Long enough to hide the bursts of flow control, short enough to show a path change.
constexpr double kMemorySeconds = 2.0;
// Beyond this a remaining time says nothing to a person and would overflow Duration.
constexpr double kLongestSeconds = 365.0 * 24 * 3600;

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

Error offer_unanswered() { return Error{Errc::timed_out, "nobody answered the offer in time"}; }

Error peer_stalled(Duration unheard, Duration stall) {
    if (unheard < stall)
        return Error{Errc::timed_out,
                     "the other device is there, but the transfer did not get on for an hour"};
    const auto silence = std::chrono::duration_cast<std::chrono::seconds>(unheard).count();
    return Error{Errc::timed_out, "the other device has been silent for " + std::to_string(silence) + " s"};
}

Error storage_stalled() {
    return Error{Errc::storage, "the storage has not answered for 10 minutes"}.cure(
        "check the disk or the network file system that holds the file");
}

Error storage_gone() { return Error{Errc::closed, "the session is gone"}; }

Error file_may_be_there() {
    return Error{Errc::closed, "the session went while the file was being stored: it may be there"}.cure(
        "look whether it is; under its name there is only ever a file whose SHA-256 was right");
}

void ProgressMeter::start(std::uint64_t done, std::uint64_t total, TimePoint now) {
    progress_ = FileProgress{};
    progress_.octets_done = done;
    progress_.octets_total = total;
    sampled_done_ = shown_done_ = done;
    sampled_at_ = shown_at_ = now;
    shown_ = false;
}

void ProgressMeter::advance(std::uint64_t done, TimePoint now) {
    progress_.octets_done = std::max(progress_.octets_done, done);
    const Duration gap = now - sampled_at_;
    if (gap < kProgressInterval) return;
    const double present = static_cast<double>(progress_.octets_done - sampled_done_) / seconds(gap);
    const double weight = 1.0 - std::exp(-seconds(gap) / kMemorySeconds);
    double& rate = progress_.octets_per_second;
    rate = rate > 0 ? rate + weight * (present - rate) : present;
    sampled_at_ = now;
    sampled_done_ = progress_.octets_done;
    progress_.remaining.reset();
    const auto left = static_cast<double>(progress_.octets_total - progress_.octets_done);
    if (rate <= 0 || left / rate > kLongestSeconds) return;
    progress_.remaining = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(left / rate));
}

bool ProgressMeter::due(TimePoint now) {
    const bool last = progress_.octets_done == progress_.octets_total;
    if (shown_ && shown_done_ == progress_.octets_done) return false;
    if (!last && now - shown_at_ < kProgressInterval) return false;
    shown_ = true;
    shown_at_ = now;
    shown_done_ = progress_.octets_done;
    return true;
}

}  // namespace muster::files
