#pragma once

#include <cstdint>

#include "base/rate_limit.h"
#include "net/arrival_rhythm.h"

#include "muster/time.h"

namespace muster::net {

/// Decides when the membership of one group on one interface is announced afresh, so that a switch which has forgotten
/// it learns of it again: when something that came regularly is late, when the link has come back or changed, and once a minute
/// anyway, for where no router asks for memberships; more often where that was too seldom. An engine: time in,
/// announcements and a deadline out.
class MembershipKeeper {
public:
    /// The kernel has just announced the membership.
    explicit MembershipKeeper(TimePoint now);

    /// Something has come. True: it was late, and comes again because the membership was announced.
    bool on_heard(TimePoint now);
    /// The interface can carry something again, or is otherwise not what it was: switches forget who was behind a port
    /// that went down, and the kernel forgets the memberships of an interface that is deleted.
    void on_link_changed(TimePoint now);
    /// Why the membership is to be announced now.
    enum class Due : std::uint8_t {
        nothing,
        refresh,  ///< Nothing is missed; a switch may need to hear of it once in a while.
        asking,   ///< What came regularly is late, or the link has changed.
    };
    Due on_timer(TimePoint now);
    TimePoint next_wakeup() const;

private:
    enum class Asking : std::uint8_t { no, because_late, because_link_has_changed };

    void ask(Asking why, TimePoint now);
    Duration remembered() const;
    void learn_refresh();

    ArrivalRhythm rhythm_;
    Asking asking_ = Asking::no;
    TimePoint ask_at_ = kNever;
    Duration wait_{};              // from that to the next
    TimePoint asked_at_ = kNever;  // at last, of this asking
    TimePoint announced_at_;       // at last, but for this asking
    Duration refresh_;             // from one announcement to the next if nothing is missed
    unsigned revivals_ = 0;
    RateLimit lateness_;
};

}  // namespace muster::net
