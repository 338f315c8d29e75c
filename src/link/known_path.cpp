#include "link/known_path.h"

#include <algorithm>

namespace muster::link {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxOpenQuestions = 64;
// A sixteenth of the last word: both estimates follow within some twenty questions.
constexpr int kLossMemory = 16;
constexpr int kRoundTripMemory = 8;  // RFC 6298 section 2.3
// What one lost packet costs on average until QUIC has repeated it: how loss weighs against round trips.
constexpr Duration kCostOfLoss = 100ms;
// At half of the packets lost a path is given up after four times the usual hold.
constexpr double kPatienceWithLoss = 6;
// An answer is fresh for so many of the longest pauses between questions.
constexpr int kFresh = 3;

Duration times(double factor, Duration duration) {
    return std::chrono::duration_cast<Duration>(factor * duration);
}

}  // namespace

PathPace PathPace::of(Profile profile) {
    switch (profile) {
        case Profile::realtime: return {20ms, 40ms, 30ms, 2500us, 10ms, 250ms, 1s};
        case Profile::balanced: break;
        case Profile::low_power: return {1s, 7s, 1s, 200ms, 400ms, 10s, 60s};
    }
    return {100ms, 400ms, 100ms, 15ms, 40ms, 1s, 5s};
}

KnownPath::Questions::const_iterator KnownPath::find(std::uint64_t counter) const {
    return std::ranges::find(open_, counter, &Question::counter);
}

void KnownPath::on_asked(std::uint64_t counter, bool full, TimePoint now, const PathPace& pace) {
    if (open_.size() == kMaxOpenQuestions) open_.pop_front();
    open_.push_back({counter, now, full});
    asked_at = now;
    silent_since = std::min(silent_since, now);
    if (is_silent(now, pace)) steady_since = kNever;
    ++unanswered;
    if (!full) return;
    full_asked_at = now;
    ++full_unanswered;
}

TimePoint KnownPath::on_answer(std::uint64_t counter, TimePoint now, const PathPace& pace) {
    const Question question = *find(counter);
    const bool was_out =
        is_silent(now, pace);  // an outage that is over says nothing of the loss before and after it
    while (!open_.empty() && open_.front().asked_at <= question.asked_at) {
        if (open_.front().counter != counter && !was_out) loss += (1 - loss) / kLossMemory;
        open_.pop_front();
    }
    silent_since = open_.empty() ? kNever : open_.front().asked_at;
    unanswered = static_cast<int>(open_.size());
    note_answer(question, now);
    return question.asked_at;
}

void KnownPath::take_answer(const KnownPath& other, std::uint64_t counter, TimePoint now) {
    note_answer(*other.find(counter), now);
}

void KnownPath::note_answer(const Question& question, TimePoint now) {
    proven_at = std::max(proven_at, question.asked_at);
    if (question.full) full_unanswered = 0;
    if (steady_since == kNever) steady_since = now;
    const Duration sample = now - question.asked_at;
    round_trip = round_trip > Duration{} ? round_trip + (sample - round_trip) / kRoundTripMemory : sample;
    loss -= loss / kLossMemory;
}

void KnownPath::forget_proof() {
    open_.clear();
    silent_since = steady_since = kNever;
    proven_at = asked_at = full_asked_at = kLongAgo;
    unanswered = full_unanswered = 0;
}

TimePoint KnownPath::doubtful_at(const PathPace& pace) const {
    return silent_since == kNever ? kNever : silent_since + pace.doubt + 2 * round_trip;
}

TimePoint KnownPath::given_up_at(const PathPace& pace) const {
    return silent_since == kNever
               ? kNever
               : doubtful_at(pace) + pace.hold + times(kPatienceWithLoss * loss, pace.hold);
}

bool KnownPath::is_ready(TimePoint now, const PathPace& pace) const {
    return obstacle.is_empty() && now - proven_at < kFresh * pace.others_idle && !is_silent(now, pace);
}

Duration KnownPath::weight() const { return round_trip + times(loss, kCostOfLoss); }

}  // namespace muster::link
