#include "link/way_back.h"

#include <algorithm>

#include "link/candidates.h"

namespace muster::link {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxHeard = 8;
constexpr std::uint64_t kFaults = 8;  // on the wire: number * 8 + class of fault
// The first repetitions make up for lost packets, the later ones for a peer whose address comes up late.
constexpr Duration kFirstPause = 5ms, kLongestPause = 80ms;

}  // namespace

void WayBack::note(const Path& path) {
    std::erase(heard_, path);
    if (heard_.size() == kMaxHeard) heard_.erase(heard_.begin());
    heard_.push_back(path);
}

std::uint64_t WayBack::number() const { return number_ * kFaults + static_cast<std::uint64_t>(first_fault_); }

Fault WayBack::fault_in(std::uint64_t number) {
    const std::uint64_t fault = number % kFaults;
    return fault <= static_cast<std::uint64_t>(Fault::blocked_by_policy) ? static_cast<Fault>(fault)
                                                                         : Fault::none;
}

bool WayBack::begin(const Path& current, Obstacle why, std::span<const Interface> interfaces, TimePoint now) {
    along_.clear();
    Path from_anew = current;
    from_anew.local = {};
    if (!obstacle(from_anew, interfaces)) along_.push_back(from_anew);
    for (const Path& path : heard_)
        if (path != current && !obstacle(path, interfaces)) along_.push_back(path);
    // An address that goes is often followed by another one, and nobody else could tell the peer where we are then.
    if (along_.empty() && why.fault != Fault::path_moved) return false;
    if (!is_asking()) {
        since_ = now;
        ++number_;
        first_fault_ = why.fault;
    }
    why_ = std::move(why);
    next_ = now;
    pause_ = kFirstPause;
    return true;
}

void WayBack::end() {
    why_ = {};
    along_.clear();
    next_ = kNever;
}

std::span<const Path> WayBack::due(TimePoint now) {
    if (now < next_) return {};
    next_ = now + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
    return along_;
}

}  // namespace muster::link
