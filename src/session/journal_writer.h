#pragma once

#include <optional>
#include <utility>

#include "session/journal.h"

namespace muster::session {

/// A batch of the journal: what was accepted before it was handed over is safe when it is.
enum class JournalMark : std::uint64_t {};

/// One engine's use of its journal: one batch is on its way at a time. Without a journal, or after it failed, nothing is
/// written, and all is as safe as it gets.
class JournalWriter {
public:
    void open(Journal& journal) { journal_ = &journal; }
    bool is_open() const { return journal_ != nullptr; }
    bool is_writing() const { return is_writing_; }
    /// It would take a batch now.
    bool is_idle() const { return is_open() && !is_writing_; }
    /// Only while idle. An empty batch is safe already.
    void write(JournalBatch batch) {
        if (batch.empty()) return;
        is_writing_ = true;
        ++batches_;
        journal_->write(std::move(batch));
    }
    void on_written() { is_writing_ = false; }
    void on_failed() {
        journal_ = nullptr;
        is_writing_ = false;
    }

    /// Of what is accepted now; none if nothing is written.
    std::optional<JournalMark> mark() const {
        return is_open() ? std::optional{JournalMark{batches_ + 1}} : std::nullopt;
    }
    /// Ask after the engine's flush().
    bool is_safe(JournalMark mark) const {
        return !is_writing_ || static_cast<std::uint64_t>(mark) < batches_;
    }

private:
    Journal* journal_ = nullptr;
    bool is_writing_ = false;
    std::uint64_t batches_ = 0;  // handed over so far
};

}  // namespace muster::session
