#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "session/journal.h"
#include "session/session_rig.h"

// A journal in memory, and a coordinator that is killed and started anew, in virtual time: for tests.

namespace muster::session {

/// Outlives the engines that write to it, as a disk does.
class MemoryJournal final : public Journal {
public:
    explicit MemoryJournal(Timeline& timeline) : timeline_(timeline) {}

    /// Who is told; it may be gone by then.
    std::function<void()> on_written, on_failed;
    Duration delay = 500us;
    bool is_broken = false;
    std::size_t writes = 0;

    void write(JournalBatch batch) override {
        ++writes;
        if (is_broken) return timeline_.in(delay, on_failed);
        // Safe half way to being told, so that a crash in between is one of the cases.
        timeline_.in(delay / 2, [this, life = life_, batch = std::move(batch)] {
            if (life == life_) apply(batch);
        });
        timeline_.in(delay, [this, life = life_] {
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

    Timeline& timeline_;
    std::uint64_t life_ = 0;
    std::map<JournalKey, JournalEntry> entries_;
};

/// A Rig whose coordinator has a journal.
class DurableRig : public Rig {
public:
    explicit DurableRig(const CoordinatorOptions& how = patient()) : Rig(how), options(how) { begin(); }

    static CoordinatorOptions patient() {
        CoordinatorOptions how;
        how.name = "coordinator";
        how.grace = 60s;
        return how;
    }
    static MemberOptions patient_member() {
        MemberOptions how;
        how.grace = 60s;
        return how;
    }

    /// SIGKILL. The members notice when the test cuts their links, or when they are connected again.
    void kill() {
        journal.crash();
        for (const auto& link : links)
            if (link->is_up()) link->cut(1ms, 24h);
        coordinator.reset();
    }
    /// Another process, with what the journal has.
    void restart() {
        coordinator = CoordinatorEngine::create(options, id, random, log).value();
        log.engine = coordinator.get();
        begin();
    }
    void kill_and_restart() {
        kill();
        run(10ms);
        restart();
        for (const auto& member : members) connect(*member);
    }

    CoordinatorOptions options;
    MemoryJournal journal{timeline};
    CoordinatorEngine::Restored restored;

private:
    void begin() {
        journal.on_written = [this] { coordinator->on_journal_written(timeline.now()); };
        journal.on_failed = [this] { coordinator->on_journal_failed(timeline.now()); };
        const Error why{Errc::lost, "the process was started anew"};
        restored = coordinator->start_journal(journal, journal.contents(), why, timeline.now()).value();
        flush();
    }
};

}  // namespace muster::session
