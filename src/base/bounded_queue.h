#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace muster {

enum class WhenFull { refuse, drop_oldest };

/// A queue that never holds more than its limit. What does not fit is refused or pushes out the
/// oldest; both are counted.
template <class T>
class BoundedQueue {
public:
    BoundedQueue(std::size_t limit, WhenFull when_full) : limit_(limit), when_full_(when_full) {}

    /// False if the queue was full and refuses.
    bool push(T value) {
        if (items_.size() >= limit_) {
            ++dropped_;
            if (when_full_ == WhenFull::refuse || limit_ == 0) return false;
            items_.pop_front();
        }
        items_.push_back(std::move(value));
        return true;
    }

    std::optional<T> pop() {
        if (items_.empty()) return std::nullopt;
        std::optional<T> value{std::move(items_.front())};
        items_.pop_front();
        return value;
    }

    bool empty() const { return items_.empty(); }
    bool full() const { return items_.size() >= limit_; }
    std::size_t size() const { return items_.size(); }
    std::uint64_t dropped() const { return dropped_; }

private:
    std::size_t limit_;
    WhenFull when_full_;
    std::deque<T> items_;
    std::uint64_t dropped_ = 0;
};

}  // namespace muster
