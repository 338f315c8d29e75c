#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "muster/time.h"

namespace muster {

/// Lets things happen at a rate, and some at once after a pause.
class RateLimit {
public:
    RateLimit(double at_once, double per_second)
        : at_once_(at_once), per_second_(per_second), left_(at_once) {}

    /// False: not now.
    bool take(TimePoint now) {
        refill(now);
        if (left_ < 1) return false;
        left_ -= 1;
        return true;
    }
    /// For things of any size: one may go as long as anything is left, and what it takes beyond that is owed.
    bool take(TimePoint now, double amount) {
        refill(now);
        if (left_ <= 0) return false;
        left_ -= amount;
        return true;
    }

private:
    void refill(TimePoint now) {
        const std::chrono::duration<double> passed = now - last_.value_or(now);
        last_ = now;
        left_ = std::min(at_once_, left_ + std::max(0.0, passed.count()) * per_second_);
    }

    double at_once_, per_second_, left_;
    std::optional<TimePoint> last_;
};

}  // namespace muster
