// Whole nodes on several networks: what a coordinator may make its members do, and what outages may cost.
#include "link/probe.h"
#include "two_lans_rig.h"

namespace muster::sim {
namespace {

class NodePathTrouble : public TwoLans {
protected:
    void build(Duration grace = 30s, Profile profile = Profile::realtime) {
        TwoLans::build(Habits{profile, grace});
    }
};

// Both networks are silent for a second, without a word from the kernel; then both are as before.
TEST_F(NodePathTrouble, TheLinkOfAResumedSessionHasWarmPathsToo) {
    build();
    ASSERT_EQ(ready(), 2u);
    for (const LanId each : lan) network.set_quality(each, {.delay = 100us, .loss = 1});
    clock.run_for(1s);
    for (const LanId each : lan) network.set_quality(each, {.delay = 100us});
    ASSERT_TRUE(clock.run_until([&] { return !member->resumed_at.empty(); }, 10s));
    clock.run_for(10s);
    EXPECT_EQ(ready(), 2u) << "10 s after the resumption";
    ASSERT_TRUE(member->core->current_link());
    const auto in_use = member->core->links().path(*member->core->current_link()).remote.interface;
    const auto which = in_use == InterfaceIndex{2} ? lan[0] : lan[1];
    network.set_quality(which, {.delay = 100us, .loss = 1});
    clock.run_for(2s);
    EXPECT_EQ(member->interrupted_at.size(), 1u) << "the other path would have carried on";
}

// A coordinator says again and again that it is somewhere else: how much do its members send there?
TEST_F(NodePathTrouble, AddressesOfTheCoordinatorMakeNoFlood) {
    build();
    std::size_t by_coordinator = 0, to_nobody = 0;
    const HostId me = member->node.host();
    network.set_trace([&](const TraceEvent& event) {
        if (event.fate == Fate::sent && event.from != me) by_coordinator += event.size;
        if (event.fate == Fate::no_receiver && event.from == me) to_nobody += event.size;
    });
    for (int i = 0; i < 1000; ++i) {
        std::vector<Endpoint> claimed;
        for (int k = 0; k < 64; ++k) {
            const auto port = static_cast<std::uint16_t>(2000 + (i * 64 + k) % 60000);
            claimed.push_back({IpAddress::parse("fe80::bad").value(), port, InterfaceIndex::none});
        }
        coordinator->core->session().set_addresses(claimed);
        coordinator->node.turn();
        clock.run_for(1ms);
    }
    network.set_trace({});
    EXPECT_LE(to_nobody, 150'000u) << "whatever the coordinator sends; it sent " << by_coordinator;
}

// The same during an outage, for as long as the grace: the addresses are probed as if the owner had named them.
TEST_F(NodePathTrouble, AddressesOfTheCoordinatorAreNoTargetsDuringAnOutage) {
    build(3600s);
    std::vector<Endpoint> claimed;
    for (int k = 0; k < 64; ++k)
        claimed.push_back({IpAddress::parse("fe80::bad").value(), static_cast<std::uint16_t>(2000 + k),
                           InterfaceIndex::none});
    coordinator->core->session().set_addresses(claimed);
    coordinator->node.turn();
    clock.run_for(100ms);
    coordinator->node.kill();
    std::size_t to_nobody = 0;
    const HostId me = member->node.host();
    network.set_trace([&](const TraceEvent& event) {
        if (event.fate == Fate::no_receiver && event.from == me) to_nobody += event.size;
    });
    clock.run_for(10s);
    network.set_trace({});
    EXPECT_LE(to_nobody, 2'000'000u);
}

// Groups are nobody's address.
TEST_F(NodePathTrouble, TheCoordinatorIsNeverAtAGroup) {
    build();
    coordinator->core->session().set_addresses(
        {{IpAddress::parse("ff02::fb").value(), 4711, InterfaceIndex::none}});
    coordinator->node.turn();
    clock.run_for(100ms);
    for (const auto& facts : member->core->links().paths(*member->core->current_link()))
        EXPECT_FALSE(facts.path.remote.address.is_multicast()) << facts.path.to_string();
}

// A coordinator whose address changes often: what it no longer has need not be asked for ever.
TEST_F(NodePathTrouble, AddressesThatTheCoordinatorHasNoMoreAreForgotten) {
    build();
    const HostId there = coordinator->node.host();
    for (int i = 0; i < 20; ++i) {
        const auto fresh = IpAddress::parse("fe80::77:" + std::to_string(i + 1)).value();
        network.add_address(there, InterfaceIndex{3}, {fresh, 64});
        clock.run_for(1s);
        network.remove_address(there, InterfaceIndex{3}, fresh);
        clock.run_for(1s);
    }
    clock.run_for(60s);
    const auto paths = member->core->links().paths(*member->core->current_link());
    std::size_t octets = 0;
    const HostId me = member->node.host();
    network.set_trace([&](const TraceEvent& event) {
        if (event.fate == Fate::no_receiver && event.from == me) octets += event.size;
    });
    clock.run_for(10s);
    network.set_trace({});
    EXPECT_LE(paths.size(), 8u);
}

// A coordinator with many interfaces (containers, tunnels) told 64 addresses; during an outage it gets others, which
// discovery finds. 0: the control.
class ManyTold : public NodePathTrouble, public testing::WithParamInterface<int> {};

TEST_P(ManyTold, LeaveRoomForWhatDiscoveryFinds) {
    build(60s);
    if (GetParam() > 0) {
        std::vector<Endpoint> claimed;
        for (int k = 0; k < GetParam(); ++k)
            claimed.push_back({IpAddress::parse("fe80::bad:" + std::to_string(k + 1)).value(), kPort,
                               InterfaceIndex::none});
        coordinator->core->session().set_addresses(claimed);
        coordinator->node.turn();
        clock.run_for(100ms);
    }
    for (const LanId each : lan) network.set_quality(each, {.delay = 100us, .loss = 1});
    clock.run_for(1s);
    ASSERT_EQ(member->interrupted_at.size(), 1u);
    const HostId there = coordinator->node.host();
    for (const InterfaceIndex index : {InterfaceIndex{2}, InterfaceIndex{3}}) {
        const auto number = std::to_string(static_cast<int>(index));
        for (const Interface& interface : network.interfaces(there))
            if (interface.index == index)
                network.remove_address(there, index, interface.addresses[0].address);
        network.add_address(there, index, {IpAddress::parse("fe80::99:" + number).value(), 64});
    }
    for (const LanId each : lan) network.set_quality(each, {.delay = 100us});
    EXPECT_TRUE(clock.run_until([&] { return !member->resumed_at.empty(); }, 50s));
}
INSTANTIATE_TEST_SUITE_P(Numbers, ManyTold, testing::Values(0, 8, 24, 64));

}  // namespace
}  // namespace muster::sim
