#include <map>
#include <set>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/journal_rig.h"

namespace muster::session {
namespace {

using testing::IsEmpty;

/// Everybody talks to everybody while links are cut, and the coordinator and every other member are killed.
class Crowd {
public:
    using Way = std::tuple<DeviceId, DeviceId, ChannelId>;  // from, to

    explicit Crowd(std::uint64_t seed) : dice(seed), jitter(seed + 100'000) {
        rig.journal.delay = uniform(dice, 0us, 5000us);
        for (int i = 0; i < 4; ++i) {
            const std::string name = "m" + std::to_string(i);
            Rig::MemberNode& node =
                i % 2 == 0 ? rig.add_durable(name) : rig.add(name, DurableRig::patient_member());
            if (auto* durable = rig.durable(node)) durable->journal.delay = uniform(dice, 0us, 5000us);
            connect(node);
        }
        rig.run(50ms);
    }
    std::size_t pick(std::size_t most) { return static_cast<std::size_t>(uniform(dice, most + 1)); }
    Rig::MemberNode& anyone() { return *rig.members[pick(rig.members.size() - 1)]; }
    void connect(Rig::MemberNode& node) {
        rig.connect(node, [this](MemoryLink& link) { link.jitter = &jitter; });
    }
    void say_something() {
        SendOptions how;
        how.channel = ChannelId{static_cast<std::uint16_t>(pick(1))};
        if (pick(3) == 0) how.delivery = Delivery::unordered;
        const bool unordered = how.delivery == Delivery::unordered;
        if (unordered) how.channel = kUnordered;
        Rig::MemberNode& from = anyone();
        const Rig::MemberNode& to = anyone();
        const bool by_coordinator = pick(4) == 0, to_coordinator = &from == &to;
        const DeviceId source = by_coordinator ? rig.id : from.id;
        const DeviceId target = !by_coordinator && to_coordinator ? rig.id : to.id;
        const Way way{source, target, how.channel};
        const std::string text = std::to_string(next[way]) + " " + std::string(pick(9000), '.');
        const auto where = target == rig.id ? Recipients::coordinator() : Recipients::one(target);
        const auto sent = by_coordinator ? rig.coordinator->send(where, how, as_bytes(text))
                                         : from.engine->send(where, how, as_bytes(text));
        if (!sent) return;
        const JournalWriter& journal = by_coordinator ? rig.coordinator->journal() : from.engine->journal();
        if (const auto mark = journal.mark())
            unsafe.push_back({by_coordinator ? nullptr : &from, *mark, way, next[way]});
        else
            certain[way].insert(next[way]);
        ++next[way];
    }
    void note_safe() {
        std::erase_if(unsafe, [this](const Unsafe& said) {
            const Journaled& source =
                said.from != nullptr ? static_cast<const Journaled&>(*said.from->engine) : *rig.coordinator;
            if (!source.journal().is_safe(said.mark)) return false;
            certain[said.way].insert(said.number);
            return true;
        });
    }
    void trouble(std::size_t step) {
        note_safe();
        if (pick(59) == 0 || step == 200) {
            forget_unsafe(nullptr);
            rig.kill();
            rig.run(uniform(dice, 0us, 20ms));
            rig.restart();
            for (const auto& member : rig.members) connect(*member);
        } else if (pick(39) == 0 || step == 100) {
            restart_a_member();
        } else if (pick(29) == 0) {
            auto& cut = anyone();
            cut.link->cut(uniform(dice, 0us, 3000us), uniform(dice, 0us, 3000us));
            rig.run(uniform(dice, 0us, 5000us));
            connect(cut);
        } else if (pick(9) == 0) {
            const auto stream = anyone().engine->open_stream(anyone().id, as_bytes("s"));
            (void)stream;
        } else if (pick(9) == 0) {
            rig.log.reads = !rig.log.reads;
        }
    }
    void restart_a_member() {
        Rig::MemberNode& node = *rig.members[2 * pick(1)];
        forget_unsafe(&node);
        rig.restart(node);
        rig.run(uniform(dice, 0us, 20ms));
        connect(node);
    }
    void live() {
        for (std::size_t step = 0; step < 400; ++step) {
            say_something();
            rig.run(uniform(dice, 0us, 4000us));
            trouble(step);
        }
        rig.run(2s);
        note_safe();
    }
    void judge() {
        std::map<DeviceId, std::uint64_t> expected;  // what a careful application keeps
        for (const Message& message : rig.log.messages) hear(rig.id, message, &expected[message.from]);
        for (const auto& member : rig.members) {
            for (const Departure& how : member->log.ended)
                ADD_FAILURE() << (how.is_lost() ? how.cause().explain() : how.closed().reason);
            EXPECT_THAT(member->log.forgotten, IsEmpty());
            EXPECT_TRUE(member->engine->is_joined());
            std::uint64_t numbers = 0;
            for (const Message& message : member->log.messages)
                hear(member->id, message, rig.durable(*member) != nullptr ? &numbers : nullptr);
        }
        for (auto& [way, numbers] : heard) {
            if (std::get<2>(way) != kUnordered) EXPECT_TRUE(std::ranges::is_sorted(numbers));
            const std::set<int> distinct(numbers.begin(), numbers.end());
            EXPECT_EQ(distinct.size(), numbers.size()) << "doubled";
            std::vector<int> missing;
            std::ranges::set_difference(certain[way], distinct, std::back_inserter(missing));
            EXPECT_THAT(missing, IsEmpty());
        }
        for (const auto& [way, numbers] : certain) EXPECT_TRUE(numbers.empty() || heard.contains(way));
    }

private:
    static constexpr ChannelId kUnordered{7};

    /// `expected`: with a journal, the number of the next one.
    void hear(const DeviceId& to, const Message& message, std::uint64_t* expected) {
        if (expected != nullptr) {
            if (message.redelivered && message.number < *expected) return;
            EXPECT_EQ(message.number, (*expected)++);
        }
        heard[{message.from, to, message.channel}].push_back(
            std::atoi(std::string{as_text(message.payload)}.c_str()));
    }

    void forget_unsafe(const Rig::MemberNode* from) {
        std::erase_if(unsafe, [from](const Unsafe& said) { return said.from == from; });
    }

    struct Unsafe {
        const Rig::MemberNode* from = nullptr;  // null: the coordinator
        JournalMark mark{};
        Way way;
        int number = 0;
    };
    SeededRandomness dice, jitter;
    DurableRig rig;
    std::map<Way, int> next;
    std::map<Way, std::set<int>> certain;
    std::vector<Unsafe> unsafe;  // accepted, and not in the journal yet
    std::map<Way, std::vector<int>> heard;
};

TEST(SessionJournal, EverythingArrivesOnceAndInOrderWhateverDies) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Crowd crowd{seed};
        crowd.live();
        crowd.judge();
        if (testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace muster::session
