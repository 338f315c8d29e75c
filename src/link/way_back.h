#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "link/path.h"
#include "link/verdict.h"

#include "muster/interface.h"
#include "muster/time.h"

namespace muster::link {

/// The other paths by which the end that cannot move (the QUIC server) has heard its peer, and, when its own path
/// fails, the request to leave it: repeated along all of them until the peer has moved.
class WayBack {
public:
    /// The peer was heard by this path, which is not the one in use. Keeps the last eight.
    void note(const Path& path);

    /// The path in use can carry nothing, for this reason. Asks the peer to leave it, also by a new address on
    /// the same interface, which may be still to come. False if there is nowhere to ask.
    bool begin(const Path& current, Obstacle why, std::span<const Interface> interfaces, TimePoint now);
    /// The peer has moved, or the path works again.
    void end();
    bool is_asking() const { return !why_.is_empty(); }
    const Obstacle& why() const { return why_; }
    TimePoint since() const { return since_; }
    /// The number of this request, and why it is made: copies of it have the same.
    std::uint64_t number() const;
    /// The class of fault in such a number; none if it has none that we know.
    static Fault fault_in(std::uint64_t number);

    TimePoint next_wakeup() const { return next_; }
    /// The paths along which to ask now.
    std::span<const Path> due(TimePoint now);

private:
    std::vector<Path> heard_;  // the latest last
    std::vector<Path> along_;
    Obstacle why_;
    TimePoint since_{};
    std::uint64_t number_ = 0;
    Fault first_fault_ = Fault::none;  // of this request: what its copies say
    TimePoint next_ = kNever;
    Duration pause_{};
};

}  // namespace muster::link
