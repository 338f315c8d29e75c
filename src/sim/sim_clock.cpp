#include "sim/sim_clock.h"

#include <algorithm>
#include <utility>

namespace muster::sim {
namespace {

// A scenario in which something breaks at every check would otherwise fill the memory with its complaints.
constexpr std::size_t kMaxViolations = 64;

std::string seconds_since_start(TimePoint when) {
    const std::chrono::duration<double> passed = when - SimClock::kStart;
    return std::to_string(passed.count()) + " s";
}

}  // namespace

void SimClock::schedule(TimePoint when, EventTarget& target, std::uint64_t number) {
    heap_.push_back({std::max(when, now_), next_order_++, &target, number});
    std::push_heap(heap_.begin(), heap_.end());
}

void SimClock::at(TimePoint when, std::function<void()> step) {
    schedule(when, steps_, steps_.keep(std::move(step)));
}

bool SimClock::step() {
    if (heap_.empty()) return false;
    std::pop_heap(heap_.begin(), heap_.end());
    const Event event = heap_.back();
    heap_.pop_back();
    now_ = event.when;
    ++events_;
    event.target->on_event(event.number);
    return true;
}

void SimClock::run_until(TimePoint end) {
    while (!heap_.empty() && heap_.front().when <= end) step();
    now_ = std::max(now_, end);
}

bool SimClock::run_until(const std::function<bool()>& done, Duration patience) {
    const TimePoint end = now_ + patience;
    while (!done()) {
        if (heap_.empty() || heap_.front().when > end) {
            now_ = end;
            return done();
        }
        step();
    }
    return true;
}

void SimClock::watch(std::string invariant, Duration interval, std::function<bool()> holds) {
    after(interval, [this, invariant = std::move(invariant), interval, holds = std::move(holds)] {
        check(invariant, interval, holds);
    });
}

void SimClock::check(const std::string& invariant, Duration interval, const std::function<bool()>& holds) {
    if (!holds() && violations_.size() < kMaxViolations)
        violations_.push_back(invariant + " at " + seconds_since_start(now_));
    watch(invariant, interval, holds);
}

std::uint64_t SimClock::Steps::keep(std::function<void()> step) {
    if (free_.empty()) {
        slots_.push_back(std::move(step));
        return slots_.size() - 1;
    }
    const auto slot = free_.back();
    free_.pop_back();
    slots_[slot] = std::move(step);
    return slot;
}

void SimClock::Steps::on_event(std::uint64_t number) {
    const auto step = std::exchange(slots_[number], nullptr);
    free_.push_back(number);
    step();
}

void SimTimer::arm(TimePoint when) {
    deadline_ = when;
    if (when >= queued_) return;  // the queued event will see that it came too early, and queue itself again
    queued_ = when;
    clock_.schedule(when, *this, ++generation_);
}

void SimTimer::on_event(std::uint64_t generation) {
    if (generation != generation_) return;  // a later deadline that an earlier one has replaced
    queued_ = kNever;
    if (deadline_ > clock_.now()) {
        if (deadline_ != kNever) arm(deadline_);
        return;
    }
    deadline_ = kNever;
    fire_();
}

}  // namespace muster::sim
