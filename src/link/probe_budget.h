#pragma once

#include <cstdint>

#include "muster/time.h"

namespace muster::link {

/// Who named a path that is to be tried: the user or a pin, or anybody who can write to the network.
enum class NamedBy : std::uint8_t { owner, anybody };

/// How many probes may go unanswered to addresses that anybody named: 64 at once, then ten per second. So a forged
/// announcement buys few packets to somebody else, whatever it costs the one who forges it.
class ProbeBudget {
public:
    /// The last quarter is kept for paths that have not been probed yet: what was named first must not use up
    /// what the true one needs.
    enum class Use : std::uint8_t { first, repeat };

    /// False: wait until next(use).
    bool take(Use use, TimePoint now);
    /// Those probes were answered after all.
    void give_back(int probes);
    TimePoint next(Use use, TimePoint now) const;

private:
    void refill(TimePoint now);

    int left_ = kMost;
    TimePoint refilled_{};

    static constexpr int kMost =
        64;  // 16 interfaces x 4 addresses: an honest crowd of paths is tried at once
    static constexpr int kReserve = 16;  // one for each coordinator that a member pursues
    static constexpr Duration kInterval = std::chrono::milliseconds{100};  // 12 kB/s
};

}  // namespace muster::link
