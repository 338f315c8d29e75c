#pragma once

#include <string>

#include <gtest/gtest.h>

#include "session_rig.h"

namespace muster::sim {

/// A coordinator and a member with eth0 and eth1 each, on two LANs.
class TwoLans : public testing::Test {
protected:
    ~TwoLans() override {
        if (member) member->node.kill();
        if (coordinator) coordinator->node.kill();
    }

    /// `prepare`: what is to be done before they start.
    void build(const Habits& habits, const std::function<void()>& prepare = {}) {
        const HostId one = network.add_host("coordinator"), other = network.add_host("member");
        for (const LanId each : lan) {
            network.attach(one, each);
            network.attach(other, each);
        }
        coordinator = std::make_unique<SimCoordinator>(clock, network, one, habits);
        member = std::make_unique<SimMember>(clock, network, other, 2, habits);
        if (prepare) prepare();
        coordinator->start();
        member->start();
        ASSERT_TRUE(clock.run_until([&] { return member->joined; }, 5s));
        clock.run_for(2s);
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
    std::size_t ready() const {
        const auto* port = member->core->current_link();
        if (!port) return 0;
        const auto paths = member->core->links().paths(*port);
        return static_cast<std::size_t>(std::ranges::count_if(paths, &link::PathFacts::is_ready));
    }

    SimClock clock;
    SimNetwork network{clock, 1};
    const LanId lan[2] = {network.add_lan(), network.add_lan()};
    const InterfaceIndex first{2}, second{3};
    std::unique_ptr<SimCoordinator> coordinator;
    std::unique_ptr<SimMember> member;
};

}  // namespace muster::sim
