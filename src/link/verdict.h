#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/path_findings.h"

#include "muster/error.h"

namespace muster::link {

/// Why the kernel's facts say that a path can carry nothing, and which kind of fault that is.
struct Obstacle {
    Fault fault = Fault::none;
    std::string why;  ///< "eth0 has no carrier"

    bool is_empty() const { return why.empty(); }
    bool operator==(const Obstacle&) const = default;
};

/// All that is known of a path that has failed.
struct Symptoms {
    std::string path;       ///< For evidence.
    std::string interface;  ///< The same; empty if unknown.
    Obstacle obstacle;
    bool is_forgotten = false;  ///< The peer answered that it does not know the link.
    Fault told = Fault::none;   ///< The peer itself says that this is the fault at its end.
    SendRefusal refusal = SendRefusal::none;
    std::optional<PathFindings> findings;
    bool peer_lives = false;    ///< It was heard by another path since.
    unsigned links_heard = 0;   ///< Other links over the same interface that were heard since.
    unsigned links_silent = 0;  ///< ... and those that fell silent too.
    unsigned silent_ways = 0;   ///< Interfaces over which the peer used to answer, and does not now.
};

struct Verdict {
    Fault fault = Fault::silent;
    std::vector<Evidence> evidence;

    bool is_certain() const { return fault != Fault::silent && fault != Fault::none; }
};

/// Says which kind of fault explains the symptoms. What the own kernel says goes before what the peer says, that before
/// what others say, and silence comes last: who is alone silent among others is dead; if all are silent and nothing at
/// all comes in, the interface is stuck; what could be either is called silent.
Verdict judge(const Symptoms& symptoms);

/// Adds class, evidence and cure.
Error with_verdict(Error error, const Verdict& verdict);

}  // namespace muster::link
