#include "net/path_changes.h"

#include <algorithm>
#include <utility>

namespace muster::net {

PathChanges::PathChanges(const Options& options, NetworkPath first)
    : options_(options), told_(std::move(first)) {
    told_.revision = 1;
}

bool PathChanges::on_event(TimePoint now) {
    if (first_event_ == kNever) first_event_ = now;
    last_event_ = now;
    const TimePoint settled = std::min(last_event_ + options_.quiet, first_event_ + options_.max_delay);
    const bool is_soon = now - last_read_ < read_gap_;
    // What waits for long is read no sooner either: a reading that fails leaves it waiting.
    next_wakeup_ = is_soon ? last_read_ + read_gap_ : settled;
    return !is_soon;
}

std::optional<NetworkPath> PathChanges::on_read(NetworkPath path, TimePoint now, Duration took) {
    last_read_ = now;
    read_gap_ = std::max(kReadGap, kGapOfReadings * took);
    const TimePoint settled = first_event_ == kNever
                                  ? now
                                  : std::min(last_event_ + options_.quiet, first_event_ + options_.max_delay);
    const bool has_settled = now >= settled;
    next_wakeup_ = has_settled ? kNever : settled;
    if (has_settled) first_event_ = kNever;
    path.revision = told_.revision;
    if (path == told_ || (!has_settled && !is_worse(path))) return std::nullopt;
    ++path.revision;
    told_ = std::move(path);
    return told_;
}

void PathChanges::on_failure(TimePoint now) {
    last_read_ = now;
    next_wakeup_ = now + kRetry;
}

bool PathChanges::is_worse(const NetworkPath& path) const {
    return (told_.is_satisfied() && !path.is_satisfied()) || path.reach < told_.reach ||
           (told_.on_link != LinkProof::failed && path.on_link == LinkProof::failed) ||
           (told_.supports_ipv4 && !path.supports_ipv4) || (told_.supports_ipv6 && !path.supports_ipv6);
}

}  // namespace muster::net
