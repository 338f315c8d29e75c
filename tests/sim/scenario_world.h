#pragma once

// The network of a scenario file in virtual time, and what happens to it.

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scenario_file.h"
#include "session_rig.h"

namespace muster::sim {

/// A host of the scenario, and the node that runs there.
struct Seat {
    const HostTable* table = nullptr;
    HostId id{};
    std::map<std::string, InterfaceIndex> ports{};
    std::unique_ptr<SimCoordinator> coordinator{};
    std::unique_ptr<SimMember> member{};
};

class ScenarioWorld {
public:
    ScenarioWorld(const Scenario& scenario, std::uint64_t seed);
    ~ScenarioWorld();
    ScenarioWorld(const ScenarioWorld&) = delete;
    ScenarioWorld& operator=(const ScenarioWorld&) = delete;

    /// Null if the scenario has none.
    SimCoordinator* coordinator();
    std::vector<Seat*> members();
    /// Makes the node and lets it begin.
    void start_coordinator();
    void start_member(Seat& seat, std::uint32_t number);

    using Heal = std::function<void()>;
    /// Does what the fault says; what it returns undoes it, null if nothing does.
    Heal hurt(const FaultTable& fault);

    const Scenario& scenario;
    SimClock clock;
    SimNetwork network;

private:
    /// What vanishes at an interface.
    struct Hole {
        const Seat* seat = nullptr;
        std::string interface{};
        std::string direction = "both";
        std::optional<std::uint32_t> above{};
        std::optional<Endpoint> flow{};  // only what goes to it or comes from it
        bool multicast_only = false;
    };
    struct PathInUse {
        std::string interface;  // the member's
        Endpoint remote;        // the coordinator's end
    };

    void build(const HostTable& table);
    void attach(Seat& seat, const InterfaceTable& interface);
    bool vanishes(const Passing& passing) const;
    bool is_in(const Hole& hole, const Passing& passing) const;
    Heal dig(Hole hole);
    Seat& seat_of(const std::string& host);
    std::string interface_of(const FaultTable& fault, std::optional<Endpoint>* remote = nullptr);
    PathInUse path_in_use(Seat& member);

    Heal cut(Seat& seat, const std::string& interface);
    Heal take_down(Seat& seat, const std::string& interface);
    Heal remove(Seat& seat, const std::string& interface);
    Heal switch_off(const FaultTable& fault);
    Heal renumber(FaultTable fault);
    std::string address_in_use(Seat& seat);
    Heal black_hole(const FaultTable& fault);
    Heal worsen(const FaultTable& fault);

    std::map<std::string, LanId> lans_;
    std::list<Seat> seats_;
    std::list<Hole> holes_;
    std::optional<PathInUse> last_path_;
    std::size_t turn_ = 0;
};

}  // namespace muster::sim
