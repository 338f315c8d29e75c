#include "net/arrival_rhythm.h"

#include <algorithm>

namespace muster::net {
namespace {

using namespace std::chrono_literals;

// Fewer gaps are no rhythm: a burst of fragments of one picture would look like a thousand per second.
constexpr std::uint64_t kArrivalsOfARhythm = 8;
// What comes at random (Poisson) has a mean deviation of 0.74 means: this allows gaps of 5.4 means, one of 220 is longer.
constexpr int kDeviations = 6;
// A quarter of the mean gap: who speaks once a second by the clock has no deviation to speak of, and is late by a millisecond now and then.
constexpr int kLeastSlackDivisor = 4;
// Half of it would cry at each pause of a busy sender; twice as much, and an outage could last half a second.
constexpr Duration kSoonest = 250ms;

// One outage says nothing of the rhythm; so many times in a row it is another rhythm. Half of it would take a path that
// fails four times for a slower sender.
constexpr unsigned kLateOnesOfAnotherRhythm = 8;

}  // namespace

void ArrivalRhythm::on_arrival(TimePoint now) {
    const bool is_late = now >= late_at();
    late_in_a_row_ = is_late ? late_in_a_row_ + 1 : 0;
    if (late_in_a_row_ == kLateOnesOfAnotherRhythm) *this = {};
    if (arrivals_ > 0 && !is_late) {
        const Duration gap = now - last_;
        const Duration off = gap > mean_ ? gap - mean_ : mean_ - gap;
        mean_ = arrivals_ == 1 ? gap : mean_ + (gap - mean_) / 8;  // as RFC 6298 smooths round trips
        deviation_ = arrivals_ == 1 ? gap / 2 : deviation_ + (off - deviation_) / 4;
    }
    last_ = now;
    ++arrivals_;
}

TimePoint ArrivalRhythm::late_at() const {
    if (arrivals_ <= kArrivalsOfARhythm) return kNever;
    const Duration slack = std::max(mean_ / kLeastSlackDivisor, kDeviations * deviation_);
    return last_ + std::max(kSoonest, mean_ + slack);
}

}  // namespace muster::net
