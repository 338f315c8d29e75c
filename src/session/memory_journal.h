#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "session/journal.h"

#include "muster/time.h"

namespace muster::session {

/// A journal in memory and in virtual time: for tests. Outlives the engines that write to it, as a disk does.
class MemoryJournal final : public Journal {
public:
    /// Runs a function after a delay.
    using Later = std::function<void(Duration, std::function<void()>)>;
    explicit MemoryJournal(Later later) : later_(std::move(later)) {}

    /// Who is told; it may be gone by then.
    std::function<void()> on_written, on_failed;
    Duration delay = std::chrono::microseconds{500};
    bool is_broken = false;
    std::size_t writes = 0;

    void write(JournalBatch batch) override {
        ++writes;
        if (is_broken) return later_(delay, on_failed);
        // Safe half way to being told, so that a crash in between is one of the cases.
        later_(delay / 2, [this, life = life_, batch = std::move(batch)] {
            if (life == life_) apply(batch);
        });
        later_(delay, [this, life = life_] {
            if (life == life_) on_written();
        });
    }
    /// The process dies: what was not safe is gone.
    void crash() { ++life_; }
    JournalContents contents() const {
        JournalContents all;
        for (const auto& [key, entry] : entries_) all.entries.push_back(entry);
        return all;
    }
    std::map<JournalKey, JournalEntry>& disk() { return entries_; }

private:
    void apply(const JournalBatch& batch) {
        for (const auto& [kind, entry] : batch.changes()) {
            JournalEntry kept = entry;
            kept.value = Slice::copy_of(entry.value.view());
            if (kind == JournalBatch::Kind::put) {
                entries_.insert_or_assign(entry.key, std::move(kept));
                continue;
            }
            const bool whole = kind == JournalBatch::Kind::erase_session;
            std::erase_if(entries_, [&key = entry.key, whole](const auto& other) {
                const JournalKey& k = other.first;
                if (whole) return k.session == key.session;
                return k.session == key.session && k.part == key.part && k.lane == key.lane &&
                       k.offset < key.offset;
            });
        }
    }

    Later later_;
    std::uint64_t life_ = 0;
    std::map<JournalKey, JournalEntry> entries_;
};

}  // namespace muster::session
