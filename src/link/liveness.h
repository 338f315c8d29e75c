#pragma once

#include "muster/profile.h"
#include "muster/time.h"

namespace muster::link {

/// Decides whether the peer of one link is alive, from what was heard and when.
/// Silence alone is no proof while this process itself was not running: a verdict also needs several
/// unanswered probes (liveness.cpp has how many), each sent by a timer that really fired.
class Liveness {
public:
    enum class Verdict { alive, send_probe, lost };

    /// The dialer beats every interval; the other end answers and probes only when in doubt.
    Liveness(Profile profile, bool is_dialer, TimePoint now);

    /// Something arrived that only the peer can have sent, and only now: a heartbeat, or any QUIC packet, be
    /// it nothing but an acknowledgement.
    void on_heard(TimePoint now);
    TimePoint next_wakeup() const { return next_; }
    /// Call when next_wakeup() has passed.
    Verdict on_timer(TimePoint now);
    TimePoint last_heard() const { return last_heard_; }
    /// Probes sent since something was heard.
    int unanswered() const { return unanswered_; }

private:
    struct Pace;
    static Pace pace_of(Profile profile);
    TimePoint doubt_from() const;

    Profile profile_;
    bool is_dialer_;
    TimePoint last_heard_;
    TimePoint next_;
    int unanswered_ = 0;  // probes sent in doubt since something was heard
};

}  // namespace muster::link
