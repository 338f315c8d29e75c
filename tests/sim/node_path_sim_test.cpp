// Whole nodes on several networks: sessions that go from path to path.
#include <gtest/gtest.h>

#include "session_rig.h"

namespace muster::sim {
namespace {

/// A coordinator and a member with an interface each on two LANs; discovery has worked on one of them only.
class NodePaths : public testing::Test {
protected:
    void build(Profile profile = Profile::realtime) {
        const HostId one = network.add_host("coordinator"), other = network.add_host("member");
        for (const LanId each : lan) {
            network.attach(one, each);
            network.attach(other, each);
        }
        network.forbid_multicast(lan[1]);
        coordinator = std::make_unique<SimCoordinator>(clock, network, one, profile);
        coordinator->start();
        member = std::make_unique<SimMember>(clock, network, other, 2, profile);
        member->start();
        ASSERT_TRUE(clock.run_until([&] { return member->joined; }, 5s));
        clock.run_for(2s);
    }
    void TearDown() override {
        member->node.kill();
        coordinator->node.kill();
    }
    void exchange() {
        const auto had = coordinator->messages;
        ASSERT_TRUE(member->core->session().send(Recipients::coordinator(), {}, as_bytes("x"))) << story();
        member->node.turn();
        ASSERT_TRUE(clock.run_until([&] { return coordinator->messages > had; }, 1s)) << story();
    }
    std::string story() const {
        std::string all;
        for (const auto& move : member->moves)
            all += move.from.to_string() + " -> " + move.to.to_string() + ": " + move.why + "\n";
        if (member->ended && member->ended->is_lost()) all += "ended: " + member->ended->cause().explain();
        if (const auto* port = member->core->current_link())
            for (const auto& facts : member->core->links().paths(*port))
                all += facts.path.to_string() + (facts.is_current ? " *" : "") + ": " + facts.finding + "\n";
        return all;
    }

    SimClock clock;
    SimNetwork network{clock, 1};
    const LanId lan[2] = {network.add_lan(), network.add_lan()};
    const InterfaceIndex first{2}, second{3};
    std::unique_ptr<SimCoordinator> coordinator;
    std::unique_ptr<SimMember> member;
};

TEST_F(NodePaths, TheCoordinatorTellsTheWaysThatDiscoveryHasNotFound) {
    build();
    const auto paths = member->core->links().paths(*member->core->current_link());
    ASSERT_GE(paths.size(), 2u);
    EXPECT_EQ(std::ranges::count_if(paths, &link::PathFacts::is_ready), 2);
    network.unplug(member->node.host(), first);
    exchange();
    EXPECT_EQ(member->moves.size(), 1u);
    EXPECT_FALSE(member->ended);
}

TEST_F(NodePaths, EachInterfaceOfEachEndMayFailInTurn) {
    build();
    for (int round = 0; round < 10; ++round) {
        for (const auto& [host, interface] :
             {std::pair{member->node.host(), first}, std::pair{coordinator->node.host(), second}}) {
            network.unplug(host, interface);
            ASSERT_NO_FATAL_FAILURE(exchange()) << round;
            clock.run_for(1s);
            network.plug(host, interface);
            clock.run_for(2s);
            exchange();
        }
    }
    EXPECT_FALSE(member->ended);
    EXPECT_EQ(coordinator->joined, 1u);
}

TEST_F(NodePaths, ANewInterfaceBecomesAWayOut) {
    build();
    const LanId third = network.add_lan();
    const InterfaceIndex here = network.attach(member->node.host(), third);
    network.attach(coordinator->node.host(), third);
    clock.run_for(2s);
    network.unplug(member->node.host(), first);
    network.unplug(member->node.host(), second);
    exchange();
    EXPECT_FALSE(member->ended);
    EXPECT_EQ(member->core->links().path(*member->core->current_link()).remote.interface, here);
}

}  // namespace
}  // namespace muster::sim
