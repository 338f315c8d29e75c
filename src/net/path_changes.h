#pragma once

#include <optional>

#include "muster/network_path.h"
#include "muster/time.h"

namespace muster::net {

/// Decides when the facts are read and when a path is told: what gets worse at once, what gets better when it has settled. An
/// engine: events, readings and time in; readings to make, paths to tell and a deadline out.
class PathChanges {
public:
    struct Options {
        Duration quiet{};
        Duration max_delay{};
    };
    /// At most so often is read while events pour in; a reading costs some hundred microseconds.
    static constexpr Duration kReadGap = std::chrono::milliseconds{10};
    /// Where a reading takes longer, with very many routes, the gap is so many times as long: a fifth of a processor at most.
    static constexpr int kGapOfReadings = 4;
    /// A reading that failed is tried again after this: long enough to cost nothing, short enough that nobody acts on old news.
    static constexpr Duration kRetry = std::chrono::milliseconds{100};

    PathChanges(const Options& options, NetworkPath first);

    /// Something may have changed. True: read now.
    bool on_event(TimePoint now);
    /// What was read, and how long that took. A path that is to be told, with its revision.
    std::optional<NetworkPath> on_read(NetworkPath path, TimePoint now, Duration took = {});
    /// Nothing could be read: it is tried again, until it can.
    void on_failure(TimePoint now);
    /// The deadline has come: read now.
    TimePoint next_wakeup() const { return next_wakeup_; }

    const NetworkPath& told() const { return told_; }

private:
    bool is_worse(const NetworkPath& path) const;

    Options options_;
    NetworkPath told_;
    TimePoint first_event_ = kNever;  // the oldest that is not told yet
    TimePoint last_event_{};
    TimePoint last_read_{};
    Duration read_gap_ = kReadGap;
    TimePoint next_wakeup_ = kNever;
};

}  // namespace muster::net
