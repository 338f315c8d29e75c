#include "link/probe_budget.h"

#include <algorithm>

namespace muster::link {

void ProbeBudget::refill(TimePoint now) {
    if (left_ >= kMost) refilled_ = now;
    const auto due = (now - refilled_) / kInterval;
    left_ = static_cast<int>(std::min<std::int64_t>(kMost, left_ + due));
    refilled_ += due * kInterval;
}

bool ProbeBudget::take(Use use, TimePoint now) {
    refill(now);
    if (left_ <= (use == Use::first ? 0 : kReserve)) return false;
    --left_;
    return true;
}

void ProbeBudget::give_back(int probes) { left_ = std::min(kMost, left_ + probes); }

TimePoint ProbeBudget::next(Use use, TimePoint now) const {
    const int missing = 1 + (use == Use::first ? 0 : kReserve) - left_;
    return missing <= 0 ? now : std::max(now, refilled_ + missing * kInterval);
}

}  // namespace muster::link
