#include "link/way_back.h"

#include <algorithm>

#include "link/candidates.h"

namespace muster::link {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxHeard = 8;
// The first repetitions make up for lost packets, the later ones for a peer whose address comes up late.
constexpr Duration kFirstPause = 5ms, kLongestPause = 80ms;

}  // namespace

void WayBack::note(const Path& path) {
    std::erase(heard_, path);
    if (heard_.size() == kMaxHeard) heard_.erase(heard_.begin());
    heard_.push_back(path);
}

bool WayBack::begin(const Path& current, std::string why, std::span<const Interface> interfaces,
                    TimePoint now) {
    along_.clear();
    Path from_anew = current;
    from_anew.local = {};
    if (!obstacle(from_anew, interfaces)) along_.push_back(from_anew);
    for (const Path& path : heard_)
        if (path != current && !obstacle(path, interfaces)) along_.push_back(path);
    if (along_.empty()) return false;
    if (!is_asking()) {
        since_ = now;
        ++number_;
    }
    why_ = std::move(why);
    next_ = now;
    pause_ = kFirstPause;
    return true;
}

void WayBack::end() {
    why_.clear();
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
