#pragma once

#include <set>
#include <utility>

#include "muster/time.h"

namespace muster::session {

/// When to look at which object next. Each object keeps its place: a field `TimePoint listed_at = kNever`.
template <class T>
class DeadlineQueue {
public:
    /// Looks at `object` at `when`, instead of at the time before. kNever: not at all.
    void set(T& object, TimePoint when) {
        if (object.listed_at == when) return;
        if (object.listed_at != kNever) queue_.erase({object.listed_at, &object});
        object.listed_at = when;
        if (when != kNever) queue_.insert({when, &object});
    }

    TimePoint next() const { return queue_.empty() ? kNever : queue_.begin()->first; }

    /// Takes an object whose time has come, or null.
    T* take_due(TimePoint now) {
        if (queue_.empty() || queue_.begin()->first > now) return nullptr;
        T* const object = queue_.begin()->second;
        set(*object, kNever);
        return object;
    }

private:
    std::set<std::pair<TimePoint, T*>> queue_;
};

}  // namespace muster::session
