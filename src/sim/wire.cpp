#include "sim/wire.h"

#include <algorithm>
#include <cmath>

namespace muster::sim {

bool chance(Randomness& random, double probability) {
    if (probability <= 0) return false;
    if (probability >= 1) return true;
    constexpr double kScale = 0x1p-53;  // 53 random bits fill a double exactly
    return static_cast<double>(random.next() >> 11) * kScale < probability;
}

std::optional<Wire::Passage> Wire::pass(TimePoint now, std::size_t octets, Randomness& random,
                                        TimePoint& in_order) {
    TimePoint out = now;
    if (quality.bits_per_second != 0) {
        const TimePoint turn = std::max(free_at_, now);
        if (turn - now > quality.queue_limit) return std::nullopt;
        const double seconds = static_cast<double>(octets) * 8 / static_cast<double>(quality.bits_per_second);
        free_at_ = turn + std::chrono::duration_cast<Duration>(std::chrono::duration<double>{seconds});
        out = free_at_;
    }
    out += quality.delay;
    if (quality.jitter > Duration::zero()) out += uniform(random, Duration::zero(), quality.jitter);
    if (chance(random, quality.reorder)) return Passage{out + quality.reorder_by, true};
    in_order = std::max(in_order, out);
    return Passage{in_order, false};
}

}  // namespace muster::sim
