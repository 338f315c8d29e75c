#pragma once

#include <cstdint>

namespace muster::session {

/// A count that only grows, and how much of it is safe: nobody outside may know of more, because the next process would not.
/// What goes into a batch of the journal is safe once the batch is written.
class SafeCount {
public:
    SafeCount() = default;
    explicit SafeCount(std::uint64_t known) : saved_(known), safe_(known) {}

    /// All below is in the batch at hand.
    void save(std::uint64_t reached) { saved_ = reached; }
    void on_written() { safe_ = saved_; }
    /// Both at once: what a journal had, or what needs none.
    void set(std::uint64_t known) { saved_ = safe_ = known; }

    std::uint64_t saved() const { return saved_; }
    std::uint64_t safe() const { return safe_; }

private:
    std::uint64_t saved_ = 0, safe_ = 0;
};

}  // namespace muster::session
