#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "session/memory_journal.h"
#include "session/session_rig.h"

// Coordinators and members that are killed and started anew, in virtual time: for tests.

namespace muster::session {

/// A Rig whose coordinator has a journal, and those members that shall.
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

    struct DurableMember {
        explicit DurableMember(MemoryJournal::Later later) : journal(std::move(later)) {}
        MemoryJournal journal;
        MemberOptions options;
        CoordinatorEngine::Restored restored;
    };

    /// A member with a journal; connect() it.
    MemberNode& add_durable(std::string name, MemberOptions how = patient_member()) {
        MemberNode& node = add(name, how);
        auto& durable = *durable_.try_emplace(&node, std::make_unique<DurableMember>(later())).first->second;
        durable.options = std::move(how);
        durable.options.name = std::move(name);
        begin(node);
        return node;
    }
    MemberNode& join_durable(std::string name) {
        MemberNode& node = add_durable(std::move(name));
        connect(node);
        run(20ms);
        return node;
    }
    /// Null if it has no journal.
    DurableMember* durable(MemberNode& node) {
        const auto found = durable_.find(&node);
        return found == durable_.end() ? nullptr : found->second.get();
    }
    /// SIGKILL, and another process at once. connect() it.
    void restart(MemberNode& node) {
        DurableMember& member = *durable(node);
        member.journal.crash();
        if (node.link != nullptr && node.link->is_up()) node.link->cut(24h, 1ms);
        node.engine = MemberEngine::create(member.options, node.id, node.log).value();
        node.log.engine = node.engine.get();
        begin(node);
    }

    CoordinatorOptions options;
    MemoryJournal journal{later()};
    CoordinatorEngine::Restored restored;

private:
    MemoryJournal::Later later() {
        return [this](Duration delay, std::function<void()> what) { timeline.in(delay, std::move(what)); };
    }
    void begin() {
        journal.on_written = [this] { coordinator->on_journal_written(timeline.now()); };
        journal.on_failed = [this] { coordinator->on_journal_failed(timeline.now()); };
        restored = coordinator->start_journal(journal, journal.contents(), why_, timeline.now()).value();
        flush();
    }
    void begin(MemberNode& node) {
        DurableMember& member = *durable(node);
        member.journal.on_written = [this, &node] { node.engine->on_journal_written(timeline.now()); };
        member.journal.on_failed = [this, &node] { node.engine->on_journal_failed(timeline.now()); };
        member.restored =
            node.engine->start_journal(member.journal, member.journal.contents(), why_, timeline.now())
                .value();
        flush();
    }

    const Error why_{Errc::lost, "the process was started anew"};
    std::map<MemberNode*, std::unique_ptr<DurableMember>> durable_;
};

}  // namespace muster::session
