#pragma once

// Scenario files (docs/LAB.md) as the simulator reads them: what it can be told, in types; with `count` written out. The
// laboratory's reader (lab/scenario_file.py) finds the same faults at the same lines.

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "sim/wire.h"

#include "muster/profile.h"
#include "muster/time.h"

namespace muster::sim {

/// The file says something that cannot be understood; the text begins with file and line.
class ScenarioError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct SwitchTable {
    std::string name;
    std::optional<std::uint32_t> mtu;
    bool multicast = true;
};

struct InterfaceTable {
    std::string name, on;
    std::vector<std::string> addresses{};
    bool multicast = true, carrier = true;
    Quality cable{};
};

struct HostTable {
    std::string name, role;
    bool ipv6 = true, discovers = true;
    std::string default_via{};
    std::vector<std::string> knows{};
    std::optional<Duration> patience{};
    std::vector<InterfaceTable> interfaces{};
};

struct FaultTable {
    std::string what, during = "traffic";
    Duration at{};
    std::optional<Duration> until{}, every{}, lasts{};
    std::string host{}, interface{}, on_switch{}, direction = "both", address{}, gone{};
    std::optional<std::uint32_t> above{};
    bool flow = false;
    Quality cable{};
};

struct TrafficTable {
    std::uint32_t rate = 100;
    Duration length{};
    std::optional<Duration> brief;
    Duration after = std::chrono::seconds{1};
};

struct ExpectTable {
    std::optional<Duration> joined_within, verdict_within, gap_within, back_within;
    std::string verdict, session = "kept", interrupted = "allowed", naive;
    std::optional<std::uint32_t> moves;
};

struct Scenario {
    std::string name, about, only, because;
    Profile profile = Profile::balanced;
    Duration grace = std::chrono::seconds{30};
    std::vector<SwitchTable> switches;
    std::vector<HostTable> hosts;
    std::vector<FaultTable> faults;
    std::optional<TrafficTable> traffic;
    bool has_control = false;
    ExpectTable expect;

    const HostTable& host(const std::string& named) const;
};

/// "20ms", "1.5s", "10min"; nothing for what is no duration.
std::optional<Duration> parse_duration(std::string_view text);

/// Reads a file and checks it against the list of keys; throws ScenarioError.
Scenario load_scenario(const std::string& path, const std::string& keys_path);

}  // namespace muster::sim
