#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <span>

#include "base/rate_limit.h"

#include "muster/timeline.h"

namespace muster {

/// Keeps what a node has seen happen, within bounds: the oldest entry makes room for the newest, first that of a peer of
/// whom more than a quarter of all is told; and what anybody can cause as often as he likes is one entry, or is counted. No clock, no I/O: time comes in. One strand.
class FlightRecorder {
public:
    static constexpr std::size_t kMaxEntries = 1024;
    static constexpr std::size_t kMaxOctets = 512 * 1024;

    using WallClock = std::chrono::system_clock::time_point (*)(TimePoint);

    /// Who records, as Timeline has it; its lists are ignored.
    explicit FlightRecorder(Timeline about) : about_(std::move(about)) {}

    /// Where the rim tells the time on the wall. Before, it is as long after 1970 as `now` is after its own beginning.
    void set_wall_clock(WallClock clock) { wall_clock_ = clock; }

    void record(const std::optional<DeviceId>& peer, Seen what, TimePoint now);
    /// The interfaces as they are now: what differs from the last call is recorded.
    void on_interfaces(std::span<const Interface> interfaces, TimePoint now);

    Timeline read(TimePoint now) const;

private:
    TimelineEntry* same_as(const std::optional<DeviceId>& peer, const Seen& what, TimePoint now);
    void drop_one();
    void count(const TimelineEntry& entry);
    void uncount(const TimelineEntry& entry);

    struct Share {
        std::size_t entries = 0, octets = 0;
    };

    Timeline about_;
    WallClock wall_clock_ = nullptr;
    std::deque<TimelineEntry> entries_;
    std::size_t octets_ = 0;
    std::map<DeviceId, Share> shares_;  // of entries_
    std::uint64_t left_out_ = 0;
    std::map<InterfaceIndex, Interface> before_;  // the first entry
    std::map<InterfaceIndex, Interface> now_;
    RateLimit floods_{32, 4};  // of what others can cause
};

}  // namespace muster
