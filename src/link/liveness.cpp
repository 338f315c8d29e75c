#include "link/liveness.h"

#include <algorithm>

namespace muster {

using namespace std::chrono_literals;

Duration liveness_bound(Profile profile) {
    switch (profile) {
        case Profile::realtime: return 150ms;
        case Profile::balanced: return 1200ms;
        case Profile::low_power: return 15s;
    }
    return 1200ms;
}

namespace link {

// The last heartbeat may have come just before the peer died, so the bound is doubt_after + probes * retry
// and one scheduling delay: 55 + 6*15 = 145 ms, 500 + 10*65 = 1150 ms, 8 + 8*0.8 = 14.4 s. Doubt is cheap and
// rare, a wrong verdict is neither: with 15 % loss each way an exchange fails with 28 %, ten in a row with 3
// in a million. Halving `probes` would lose somebody every few minutes on such a network.
struct Liveness::Pace {
    Duration interval;     // between the dialer's heartbeats
    Duration doubt_after;  // silence from which on it probes
    Duration retry;        // between probes in doubt
    int probes;            // unanswered ones before the verdict
};

Liveness::Pace Liveness::pace_of(Profile profile) {
    switch (profile) {
        case Profile::realtime: return {40ms, 55ms, 15ms, 6};
        case Profile::balanced: return {400ms, 500ms, 65ms, 10};
        case Profile::low_power: return {7s, 8s, 800ms, 8};
    }
    return {400ms, 500ms, 65ms, 10};
}

Liveness::Liveness(Profile profile, bool is_dialer, TimePoint now)
    : profile_(profile), is_dialer_(is_dialer), last_heard_(now), next_(doubt_from()) {
    if (is_dialer_) next_ = now + pace_of(profile_).interval;
}

TimePoint Liveness::doubt_from() const { return last_heard_ + pace_of(profile_).doubt_after; }

void Liveness::on_heard(TimePoint now) {
    last_heard_ = std::max(last_heard_, now);
    if (unanswered_ > 0 || !is_dialer_) next_ = doubt_from();
    if (unanswered_ > 0 && is_dialer_) next_ = now + pace_of(profile_).interval;
    unanswered_ = 0;
}

Liveness::Verdict Liveness::on_timer(TimePoint now) {
    if (now < next_) return Verdict::alive;
    const Pace pace = pace_of(profile_);
    if (now < doubt_from()) {  // only the dialer wakes this early
        next_ = is_dialer_ ? std::min(now + pace.interval, doubt_from()) : doubt_from();
        return is_dialer_ ? Verdict::send_probe : Verdict::alive;
    }
    if (unanswered_ >= pace.probes) return Verdict::lost;
    ++unanswered_;
    // From when it was due, or the delays of ten timers would add up beyond the bound; but never so soon that the peer
    // has less than half of the pause to answer in, and not after a stall of our own.
    const bool stalled = now - next_ >= pace.retry;
    next_ = stalled ? now + pace.retry : std::max(next_ + pace.retry, now + pace.retry / 2);
    return Verdict::send_probe;
}

}  // namespace link
}  // namespace muster
