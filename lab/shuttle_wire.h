#pragma once

// What the shuttle does to frames, without sockets: frames, orders and time in; frames that are due out.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "muster/time.h"

namespace muster::lab {

/// A frame as the kernel gives it; what stands before the Ethernet header (virtio_net_hdr) is carried along.
using Frame = std::vector<std::uint8_t>;

enum class Way : std::uint8_t { in, out };  ///< Towards the host, and from it.

/// Where a frame's UDP or TCP goes, as text: "192.0.2.1:4711", "[fe80::1]:4711"; empty for other frames.
struct Flow {
    std::string source, destination;
};
Flow flow_of(const Frame& frame, std::size_t ethernet_at);

/// One direction of the box: what enters leaves later, twice, out of order, or not at all.
struct WireOrders {
    Duration delay{}, jitter{};
    double loss = 0, duplicate = 0, reorder = 0;
    Duration reorder_by =
        std::chrono::milliseconds{2};   ///< By so much a frame that is overtaken comes later.
    std::uint64_t bits_per_second = 0;  ///< 0: no limit.
    std::size_t mtu = 0;                ///< Larger IP packets are dropped; 0: none.
    bool drops_all = false;
    std::vector<Flow> dropped_flows;  ///< Either way round; an empty destination: whatever has that end.
};

/// What became of the frames of one direction.
struct WireCounters {
    std::uint64_t entered = 0, left = 0, lost = 0, duplicated = 0, reordered = 0, dropped = 0, too_big = 0,
                  flow_dropped = 0, queue_full = 0;
};

/// Both directions, and what is under way in them. Bounded: what does not fit any more is dropped and counted.
class ShuttleWire {
public:
    /// Frames under way in one direction; at 1,500 octets about 6 MB, or 100 ms of 500 Mbit/s.
    static constexpr std::size_t kMostUnderWay = 4096;
    /// What would wait longer for its turn under `rate` is dropped, as by a switch with a small buffer.
    static constexpr Duration kLongestTurn = std::chrono::milliseconds{50};

    /// `ethernet_at`: where a frame's Ethernet header begins.
    ShuttleWire(std::uint64_t seed, std::size_t ethernet_at) : random_(seed), ethernet_at_(ethernet_at) {}

    /// Does what the line says; a text that says what is wrong with it, or nothing. The orders:
    ///   [in|out] delay TIME [jitter TIME]    [in|out] loss SHARE       [in|out] duplicate SHARE
    ///   [in|out] reorder SHARE [by TIME]     [in|out] rate BITS        [in|out] mtu OCTETS
    ///   [in|out] drop | pass                 one-way in|out
    ///   [in|out] drop-flow ENDPOINT [ENDPOINT]                         [in|out] clear
    /// TIME: 20ms, 1.5s, 300us; SHARE: 5% or 0.05; BITS: a number, with k or M behind it. Without a direction: both.
    std::optional<std::string> order(std::string_view line);

    void enter(Way way, Frame frame, TimePoint now);
    /// The next frame that is due, or nothing.
    std::optional<Frame> take(Way way, TimePoint now);
    TimePoint next_due() const;
    const WireCounters& counters(Way way) const { return lane(way).counters; }
    std::size_t under_way(Way way) const { return lane(way).queue.size(); }

private:
    struct Lane {
        WireOrders orders;
        WireCounters counters;
        std::multimap<TimePoint, Frame> queue;
        TimePoint free_at{}, in_order{};
    };

    Lane& lane(Way way) { return lanes_[static_cast<std::size_t>(way)]; }
    const Lane& lane(Way way) const { return lanes_[static_cast<std::size_t>(way)]; }
    bool swallows(Lane& lane, const Frame& frame);
    std::optional<TimePoint> due(Lane& lane, std::size_t octets, TimePoint now);
    void put(Lane& lane, TimePoint when, Frame frame);
    bool chance(double share) { return share > 0 && std::uniform_real_distribution{}(random_) < share; }

    std::mt19937_64 random_;
    std::size_t ethernet_at_;
    Lane lanes_[2];
};

}  // namespace muster::lab
