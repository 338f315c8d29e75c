// A coordinator that is killed and started again with its journal, and all its members: whole nodes in virtual time.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "session_rig.h"

namespace muster::sim {
namespace {

/// Numbered messages between the coordinator and each of its members, over its processes.
class Ledger {
public:
    explicit Ledger(World& world) : world_(world) { listen(); }
    /// To the coordinator that there is now.
    void listen() {
        world_.coordinator->when_message = [this](const session::MessageView& message) {
            auto& next = numbers_[message.from];
            if (message.redelivered && message.number < next) return;
            EXPECT_EQ(message.number, next++);
            up_[message.from].push_back(number_in(message.payload));
        };
    }
    void say_up() {
        for (auto& member : world_.members) {
            const auto sent = member->core->session().send(Recipients::coordinator(), {}, octets(said_));
            ASSERT_TRUE(sent) << sent.error().explain();
            member->node.turn();
        }
        ++said_;
    }
    void judge() const {
        for (const auto& member : world_.members) {
            const auto& heard = up_.at(member->key.id());
            ASSERT_EQ(heard.size(), said_);
            for (std::uint32_t i = 0; i < said_; ++i) ASSERT_EQ(heard[i], i);
        }
    }

private:
    static ByteView octets(const std::uint32_t& number) { return std::as_bytes(std::span{&number, 1}); }
    static std::uint32_t number_in(ByteView payload) {
        std::uint32_t number = 0;
        std::memcpy(&number, payload.data(), sizeof number);
        return number;
    }

    World& world_;
    std::uint32_t said_ = 0;
    std::map<DeviceId, std::uint64_t> numbers_;
    std::map<DeviceId, std::vector<std::uint32_t>> up_;
};

Habits durable() {
    Habits habits{Profile::balanced, 30s};
    habits.is_durable = true;
    return habits;
}

void kill_and_restart(std::uint32_t members, std::size_t rounds) {
    World world{1, members, {}, durable()};
    for (auto& member : world.members) {
        const Duration skew = uniform(world.network.random(member->node.host()), 0ms, 500ms);
        world.clock.after(skew, [&member] { member->start(); });
    }
    ASSERT_TRUE(world.clock.run_until([&] { return world.all_joined(); }, 10s));
    world.clock.run_for(1s);
    Ledger ledger{world};
    for (std::size_t round = 0; round < rounds; ++round) {
        for (int i = 0; i < 10; ++i, world.clock.run_for(50ms)) ledger.say_up();
        ledger.say_up();
        world.clock.run_for(300us);  // some of it has arrived, and some of that is safe
        const TimePoint killed = world.clock.now();
        world.restart_coordinator();
        ledger.listen();
        ledger.say_up();
        const auto is_back = [&](const auto& member) { return member->resumed_at.size() > round; };
        ASSERT_TRUE(world.clock.run_until([&] { return std::ranges::all_of(world.members, is_back); }, 10s))
            << std::ranges::count_if(world.members, is_back) << " are back";
        std::vector<Duration> took;
        for (const auto& member : world.members) took.push_back(member->resumed_at.back() - killed);
        std::ranges::sort(took);
        testing::Test::RecordProperty("p50_ms", static_cast<int>(took[members / 2] / 1ms));
        testing::Test::RecordProperty("p99_ms", static_cast<int>(took[members * 99 / 100] / 1ms));
        EXPECT_LE(took[members * 99 / 100], 1s);
        EXPECT_EQ(world.coordinator->left, 0u);
    }
    world.clock.run_for(5s);
    ledger.judge();
    for (const auto& member : world.members) EXPECT_FALSE(member->ended);
}

TEST(RestartSim, AThousandMembersGoOnWithinASecond) { kill_and_restart(1000, 1); }
TEST(RestartSim, AgainAndAgain) { kill_and_restart(50, 10); }

TEST(RestartSim, NegativeControlWithoutAJournalNobodyGoesOn) {
    World world{1, 20, {}, Habits{Profile::balanced, 30s}};
    for (auto& member : world.members) member->start();
    ASSERT_TRUE(world.clock.run_until([&] { return world.all_joined(); }, 10s));
    world.restart_coordinator();  // with an empty one
    world.clock.run_for(5s);
    for (const auto& member : world.members) {
        ASSERT_TRUE(member->ended);
        EXPECT_TRUE(member->ended->is_lost());
    }
}

}  // namespace
}  // namespace muster::sim
