#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "muster/time.h"

namespace muster::sim {

/// What an event of SimClock happens to. The number is the target's own: a packet slot, a generation.
class EventTarget {
public:
    virtual ~EventTarget() = default;
    virtual void on_event(std::uint64_t number) = 0;
};

/// Virtual time: a queue of events that jumps from each one to the next. What was scheduled first among
/// equals happens first, so that a run depends on nothing but its inputs. Not thread-safe.
class SimClock {
public:
    /// An hour past zero: engines subtract intervals from now.
    static constexpr TimePoint kStart = TimePoint{} + std::chrono::hours{1};

    SimClock() = default;
    SimClock(const SimClock&) = delete;
    SimClock& operator=(const SimClock&) = delete;

    TimePoint now() const { return now_; }

    /// Schedules an event; a time that has passed means now. `target` must live until then.
    void schedule(TimePoint when, EventTarget& target, std::uint64_t number);
    /// Schedules a step of a scenario. Allocates: not for packets.
    void at(TimePoint when, std::function<void()> step);
    void after(Duration delay, std::function<void()> step) { at(now_ + delay, std::move(step)); }

    /// Runs all events up to and including `end`, which is the time then.
    void run_until(TimePoint end);
    void run_for(Duration duration) { run_until(now_ + duration); }
    /// Runs until `done` holds after some event, at most until now + `patience`. False if it never held.
    bool run_until(const std::function<bool()>& done, Duration patience);
    /// Runs one event; false if there is none.
    bool step();

    /// Checks `holds` every `interval` of virtual time from now on; broken ones are kept, the first 64.
    void watch(std::string invariant, Duration interval, std::function<bool()> holds);
    /// "name at 12.345 s", in order of time.
    const std::vector<std::string>& violations() const { return violations_; }

    std::uint64_t events() const { return events_; }
    std::size_t pending() const { return heap_.size(); }

private:
    struct Event {
        TimePoint when;
        std::uint64_t order;
        EventTarget* target;
        std::uint64_t number;
        /// For std::*_heap, whose front is the largest: the earliest.
        bool operator<(const Event& other) const {
            return when != other.when ? when > other.when : order > other.order;
        }
    };

    /// Steps of scenarios, kept in slots.
    class Steps final : public EventTarget {
    public:
        std::uint64_t keep(std::function<void()> step);
        void on_event(std::uint64_t number) override;

    private:
        std::vector<std::function<void()>> slots_;
        std::vector<std::uint64_t> free_;
    };

    void check(const std::string& invariant, Duration interval, const std::function<bool()>& holds);

    TimePoint now_ = kStart;
    std::vector<Event> heap_;
    std::uint64_t next_order_ = 0;
    std::uint64_t events_ = 0;
    Steps steps_;
    std::vector<std::string> violations_;
};

/// One deadline that may be moved at will, cheaply: moving it later costs nothing until the old one is
/// reached. Must not be destroyed before the clock, unless the clock runs no more.
class SimTimer final : public EventTarget {
public:
    SimTimer(SimClock& clock, std::function<void()> fire) : clock_(clock), fire_(std::move(fire)) {}
    SimTimer(const SimTimer&) = delete;
    SimTimer& operator=(const SimTimer&) = delete;

    /// kNever disarms.
    void arm(TimePoint when);
    TimePoint armed_for() const { return deadline_; }

private:
    void on_event(std::uint64_t generation) override;

    SimClock& clock_;
    std::function<void()> fire_;
    TimePoint deadline_ = kNever;
    TimePoint queued_ = kNever;  // when the event that counts will come
    std::uint64_t generation_ = 0;
};

/// Mixes a number into a seed or a trace hash (the finaliser of splitmix64: every bit of the input changes
/// half of the output).
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t number) {
    std::uint64_t value = hash + 0x9e3779b97f4a7c15u + number * 0xff51afd7ed558ccdu;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

}  // namespace muster::sim
