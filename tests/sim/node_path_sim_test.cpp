// Whole nodes on several networks: sessions that go from path to path.
#include "two_lans_rig.h"

namespace muster::sim {
namespace {

/// Discovery has worked on one of the LANs only.
class NodePaths : public TwoLans {
protected:
    void build(Profile profile = Profile::realtime) {
        TwoLans::build(profile, [this] { network.forbid_multicast(lan[1]); });
    }
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
