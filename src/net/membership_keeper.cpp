#include "net/membership_keeper.h"

#include <algorithm>

namespace muster::net {
namespace {

using namespace std::chrono_literals;

// A switch keeps a membership for 260 s after it was announced (RFC 3376 section 8.4), if it has not been told otherwise.
// This survives the loss of three announcements.
constexpr Duration kRefresh = 60s;
// For switches that have been told otherwise. Half of it would be more than a router asks for.
constexpr Duration kShortestRefresh = 5s;
// Once may be chance: a sender that paused.
constexpr unsigned kRevivalsThatTeach = 2;
// Between the first two announcements of an asking, then twice as long each time: a bridge port learns for up to 15 s
// after its link came up, and drops what it hears.
constexpr Duration kFirstWait = 250ms;
// What comes so soon after an announcement comes because of it: less than the time to the next.
constexpr Duration kRevivalTakes = 200ms;
// No switch forgets sooner what it has been told: queries are seconds apart. What comes late sooner is a sender that pauses.
constexpr Duration kShortestMemory = 1s;
// Senders that pause often must not fill the network with announcements: so many at once, and one every ten seconds.
constexpr double kMostAtOnce = 6;
constexpr double kMostPerSecond = 0.1;

}  // namespace

MembershipKeeper::MembershipKeeper(TimePoint now)
    : announced_at_(now), refresh_(kRefresh), lateness_(kMostAtOnce, kMostPerSecond) {}

bool MembershipKeeper::on_heard(TimePoint now) {
    const bool was_asked = asking_ == Asking::because_late && asked_at_ != kNever;
    const bool is_revived = was_asked && now <= asked_at_ + kRevivalTakes && remembered() >= kShortestMemory;
    if (is_revived) learn_refresh();
    if (asked_at_ != kNever) announced_at_ = asked_at_;
    rhythm_.on_arrival(now);
    asking_ = Asking::no;
    ask_at_ = asked_at_ = kNever;
    return is_revived;
}

/// If a switch has forgotten the membership, then between the last announcement and what came last.
Duration MembershipKeeper::remembered() const { return rhythm_.last() - announced_at_; }

void MembershipKeeper::learn_refresh() {
    if (++revivals_ < kRevivalsThatTeach) return;
    refresh_ = std::clamp(remembered() / 2, kShortestRefresh, refresh_);
}

void MembershipKeeper::on_link_changed(TimePoint now) { ask(Asking::because_link_has_changed, now); }

void MembershipKeeper::ask(Asking why, TimePoint now) {
    asking_ = why;
    ask_at_ = now;
    wait_ = kFirstWait;
}

MembershipKeeper::Due MembershipKeeper::on_timer(TimePoint now) {
    if (asking_ == Asking::no && now >= rhythm_.late_at()) {
        if (lateness_.take(now))
            ask(Asking::because_late, now);
        else
            rhythm_ = {};  // who pauses so often has none
    }
    if (asking_ != Asking::no) {
        if (now < ask_at_) return Due::nothing;
        asked_at_ = now;
        ask_at_ = now + wait_;
        wait_ = std::min(2 * wait_, kRefresh);
        return Due::asking;
    }
    if (now < announced_at_ + refresh_) return Due::nothing;
    announced_at_ = now;
    return Due::refresh;
}

TimePoint MembershipKeeper::next_wakeup() const {
    if (asking_ != Asking::no) return ask_at_;
    return std::min(announced_at_ + refresh_, rhythm_.late_at());
}

}  // namespace muster::net
