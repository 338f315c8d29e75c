#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/session_types.h"
#include "muster/time.h"
#include "muster/timeline.h"

namespace muster {

/// One way by which a peer may be reached, as it is now.
struct PathState {
    Endpoint remote;        ///< The peer's end.
    std::string interface;  ///< Ours: "eth0"; empty if unknown.
    bool in_use = false;    ///< What goes to the peer goes this way.
    bool is_ready = false;  ///< It has answered lately: the link could go there at once.
    Duration round_trip{};  ///< Smoothed; 0 before the first answer.
    double loss = 0;        ///< Share of the latest questions that nothing answered, 0 to 1.
    /// For people: "in use", "ready", "eth1 has no carrier", "no answer to 4 questions in 310 ms".
    std::string finding;
};

/// All that one end knows of how it reaches a peer, and why it is so. A value, for people and for bug reports.
struct Explanation {
    Explanation() {}  // NOLINT(modernize-use-equals-default): not an aggregate (g++ 12.2)

    DeviceId peer;
    std::string name;  ///< Empty if it has never been here.
    std::vector<PathState>
        paths;  ///< The one in use first. Coordinators know no others; empty without a link.
    /// Members, of their coordinator: what was tried before its latest link stood; while the session is interrupted,
    /// what is being tried. With fast_ipv6: what was done for the interfaces.
    std::vector<Evidence> tried;
    /// What is at fault while the peer is interrupted or after it was lost, as far as it is known by now.
    Fault fault = Fault::none;
    /// What this end has seen happen to the peer, and to its own interfaces: the latest 64 entries.
    Timeline timeline;

    bool is_connected() const { return !paths.empty(); }

    /// A table of the paths and the latest 20 entries of the timeline, in lines without colours.
    std::string to_text() const;
    /// One object, as `of` of the event `explanation` in docs/CLI.md.
    std::string to_json() const;
};

}  // namespace muster
