#pragma once

#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "muster/time.h"

namespace muster::quic {

/// Where an owner of a deadline stands in the heap.
struct TimerSlot {
    static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
    std::size_t index = kNone;
};

/// Deadlines of many objects, each at most once: setting and removing cost O(log n), the earliest O(1).
/// `T` has a member `TimerSlot timer`. Does not own.
template <class T>
class TimerHeap {
public:
    TimePoint next() const { return entries_.empty() ? kNever : entries_.front().when; }

    /// Sets, moves or (kNever) removes the deadline of `owner`.
    void set(T& owner, TimePoint when) {
        const std::size_t at = owner.timer.index;
        if (when == kNever) return remove(owner);
        if (at == TimerSlot::kNone) {
            entries_.push_back({when, &owner});
            return rise(entries_.size() - 1);
        }
        const TimePoint old = std::exchange(entries_[at].when, when);
        if (when < old) rise(at);
        if (when > old) sink(at);
    }

    void remove(T& owner) {
        const std::size_t at = std::exchange(owner.timer.index, TimerSlot::kNone);
        if (at == TimerSlot::kNone) return;
        const Entry last = entries_.back();
        entries_.pop_back();
        if (at == entries_.size()) return;
        entries_[at] = last;
        last.owner->timer.index = at;
        rise(at);
        sink(last.owner->timer.index);
    }

    /// Takes out one owner whose deadline is not after `now`; null if there is none.
    T* pop(TimePoint now) {
        if (entries_.empty() || entries_.front().when > now) return nullptr;
        T* owner = entries_.front().owner;
        remove(*owner);
        return owner;
    }

private:
    struct Entry {
        TimePoint when;
        T* owner;
    };

    void place(std::size_t at, const Entry& entry) {
        entries_[at] = entry;
        entry.owner->timer.index = at;
    }

    void rise(std::size_t at) {
        const Entry entry = entries_[at];
        while (at > 0) {
            const std::size_t parent = (at - 1) / 2;
            if (entries_[parent].when <= entry.when) break;
            place(at, entries_[parent]);
            at = parent;
        }
        place(at, entry);
    }

    void sink(std::size_t at) {
        const Entry entry = entries_[at];
        while (true) {
            std::size_t child = 2 * at + 1;
            if (child >= entries_.size()) break;
            if (child + 1 < entries_.size() && entries_[child + 1].when < entries_[child].when) ++child;
            if (entries_[child].when >= entry.when) break;
            place(at, entries_[child]);
            at = child;
        }
        place(at, entry);
    }

    std::vector<Entry> entries_;
};

}  // namespace muster::quic
