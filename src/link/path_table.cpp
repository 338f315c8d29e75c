#include "link/path_table.h"

#include <algorithm>
#include <tuple>

#include "base/duration_text.h"
#include "base/interfaces.h"
#include "link/candidates.h"

namespace muster::link {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxPaths = 64;
constexpr std::size_t kMaxOpenQuestions = 64;  // of one path
// Pause between the first questions to a path that is silent. It doubles up to four times the pause of a ready one,
// or up to the longest pause if the path has never answered.
constexpr Duration kFirstPause = 100ms, kFirstPauseInSearch = 20ms, kLongestPause = 30s;
constexpr int kMostDoublings = 16;
// A better path is taken when it has been steady for that long, doubled each time that it had to be left soon.
constexpr Duration kSteady = 1s;
constexpr Duration kSoon = 60s;
constexpr int kMostFailures = 6;
// For no more than a quicker path of the same cost: its round trip must be half, and less by that much.
constexpr Duration kSteadyAndQuick = 5s;
constexpr Duration kQuicker = 5ms;
// What one lost packet costs on average until QUIC has repeated it: how loss weighs against round trips.
constexpr Duration kCostOfLoss = 100ms;
// At half of the packets lost a path is left after three times the usual hold.
constexpr double kPatienceWithLoss = 6;
// A path that answers questions asked that long after the peer wanted to leave it has become good again.
constexpr Duration kOfferHolds = 500ms;

// A path in use of which so many full questions in a row get no answer, while small ones do, carries only small packets.
constexpr int kMostFullUnanswered = 6;
// When QUIC cannot move now: it needs a round trip for a spare connection id, or for the end of the handshake.
constexpr Duration kAfterRefusal = 20ms;

Duration weight(Duration round_trip, double loss) {
    return round_trip + std::chrono::duration_cast<Duration>(kCostOfLoss * loss);
}

}  // namespace

// A dead path is left after at most ask_active + doubt + hold: 60, 240, 2400 ms while the link carries traffic, if it used to lose
// nothing.
struct PathTable::Pace {
    Duration ask_active;      // the path in use, while the link carries traffic
    Duration ask_idle;        // and while it does not
    Duration doubt;           // what has not answered for that long may be dead
    Duration ask_doubtful;    // the path in use then
    Duration hold;            // so long it may still answer, while the others are asked too
    Duration standby_active;  // the other paths
    Duration standby_idle;
};

PathTable::Pace PathTable::pace_of(Profile profile) {
    switch (profile) {
        case Profile::realtime: return {20ms, 40ms, 30ms, 2500us, 10ms, 250ms, 1s};
        case Profile::balanced: return {100ms, 400ms, 100ms, 15ms, 40ms, 1s, 5s};
        case Profile::low_power: return {1s, 7s, 1s, 200ms, 400ms, 10s, 60s};
    }
    return {100ms, 400ms, 100ms, 15ms, 40ms, 1s, 5s};
}

PathTable::PathTable(Profile profile, const Path& current, TimePoint now)
    : profile_(profile), current_(current), moved_at_(now) {
    Entry& entry = entries_.emplace_back();
    entry.wanted = entry.path = current;
    entry.wanted.local = {};
    entry.asked_at = entry.full_asked_at = entry.proven_at = entry.steady_since = now;
}

PathTable::Entry* PathTable::find(const Path& path) {
    const auto found = std::ranges::find(entries_, path, &Entry::path);
    return found == entries_.end() ? nullptr : &*found;
}

const PathTable::Entry* PathTable::here() const {
    const auto found = std::ranges::find(entries_, current_, &Entry::path);
    return found == entries_.end() ? nullptr : &*found;
}

// --- what is known
// ----------------------------------------------------------------------------------------------------

void PathTable::offer(std::span<const OfferedPath> paths, TimePoint now) {
    for (Entry& entry : entries_) entry.is_offered = false;
    for (const OfferedPath& offered : paths) add(offered, now);
    std::erase_if(entries_, [&](const Entry& entry) {
        return !entry.is_offered && entry.path != current_ && !is_ready(entry, now);
    });
}

void PathTable::add(const OfferedPath& offered, TimePoint now) {
    for (Entry& entry : entries_) {
        if (entry.wanted != offered.path && entry.path != offered.path) continue;
        entry.cost = entry.is_offered ? std::min(entry.cost, offered.cost) : offered.cost;
        entry.is_offered = true;
        return;
    }
    Entry* entry = place_for_another(now);
    if (!entry) return;
    *entry = Entry{};
    entry->wanted = entry->path = offered.path;
    entry->cost = offered.cost;
}

PathTable::Entry* PathTable::place_for_another(TimePoint now) {
    if (entries_.size() < kMaxPaths) return &entries_.emplace_back();
    const auto worth = [&](const Entry& entry) {
        const bool stays = entry.path == current_ || is_ready(entry, now) || entry.unanswered == 0;
        return std::tuple{stays, entry.has_answered(), -entry.unanswered};
    };
    Entry& least = *std::ranges::min_element(entries_, {}, worth);
    return std::get<0>(worth(least)) ? nullptr : &least;
}

void PathTable::on_interfaces(std::span<const Interface> interfaces) {
    const auto is_gone = [&](const Entry& entry) {
        const InterfaceIndex index = entry.wanted.remote.interface;
        return entry.path != current_ && index != InterfaceIndex::none && !find_interface(interfaces, index);
    };
    std::erase_if(entries_, is_gone);
    obstacle_ = link::obstacle(current_, interfaces).value_or("");
    for (Entry& entry : entries_) {
        auto why = link::obstacle(entry.path, interfaces);
        if (why && !link::obstacle(entry.wanted, interfaces)) {  // only the own address has changed
            entry.path = entry.wanted;
            why.reset();
            forget_proof(entry);
        }
        if (why || !entry.obstacle.empty()) forget_proof(entry);
        entry.obstacle = why.value_or("");
        if (has_obstacle()) entry.unanswered = 0;
    }
}

void PathTable::forget_proof(Entry& entry) {
    entry.open.clear();
    entry.silent_since = entry.steady_since = kNever;
    entry.proven_at = entry.asked_at = entry.full_asked_at = kLongAgo;
    entry.unanswered = entry.full_unanswered = 0;
}

bool PathTable::on_traffic(TimePoint now) {
    const bool was_active = is_active(now);
    last_traffic_ = now;
    return !was_active;
}

void PathTable::on_leave_request(const Path& from, std::uint64_t episode, TimePoint now) {
    if (episode <= episode_) return;
    episode_ = episode;
    if (from == current_) return;
    add({.path = from}, now);
    offered_ = from;
    offered_at_ = now;
    for (Entry& entry : entries_)
        if (entry.has_answered()) entry.unanswered = 0;
}

bool PathTable::has_hope() const {
    return std::ranges::any_of(entries_, [](const Entry& entry) {
        return entry.obstacle.empty() && (entry.has_answered() || entry.asked_at == kLongAgo);
    });
}

Duration PathTable::round_trip() const {
    const Entry* entry = here();
    return entry ? entry->round_trip : Duration{};
}

// --- questions
// --------------------------------------------------------------------------------------------------------

/// How long an answer may take before the path is doubtful.
Duration PathTable::patience_with(const Entry& entry) const {
    return pace_of(profile_).doubt + 2 * entry.round_trip;
}

/// How long a doubtful path may still answer. One that loses much gets more time, for it needs more questions.
Duration PathTable::last_chance(const Entry& entry) const {
    const Duration hold = pace_of(profile_).hold;
    return hold + std::chrono::duration_cast<Duration>(kPatienceWithLoss * entry.loss * hold);
}

bool PathTable::is_silent(const Entry& entry, TimePoint now) const {
    return entry.silent_since != kNever && now - entry.silent_since >= patience_with(entry);
}

bool PathTable::is_ready(const Entry& entry, TimePoint now) const {
    const Duration fresh = 3 * pace_of(profile_).standby_idle;
    return entry.obstacle.empty() && now - entry.proven_at < fresh && !is_silent(entry, now);
}

/// The path in use is gone, unwanted or doubtful.
bool PathTable::is_searching(TimePoint now) const {
    if (has_obstacle() || offered_) return true;
    const Entry* entry = here();
    return !entry || is_silent(*entry, now) || entry->full_unanswered >= kMostFullUnanswered;
}

bool PathTable::may_ask(const Entry& entry) const {
    return entry.obstacle.empty() && !(entry.path == current_ && has_obstacle());
}

Duration PathTable::pause_of(const Entry& entry, bool searching, TimePoint now) const {
    const Pace pace = pace_of(profile_);
    if (entry.path == current_) {
        if (is_silent(entry, now)) return pace.ask_doubtful;
        return is_active(now) ? pace.ask_active : pace.ask_idle;
    }
    const Duration standby = is_active(now) ? pace.standby_active : pace.standby_idle;
    if (entry.has_answered() && searching) return 2 * pace.ask_doubtful;
    if (is_ready(entry, now) && entry.silent_since == kNever) return standby;
    // Whoever named it may be wrong, or mean it ill: then it costs a stranger little.
    const Duration longest = entry.has_answered() ? 4 * standby : kLongestPause;
    const Duration first = searching ? kFirstPauseInSearch : kFirstPause;
    return std::min(first * (1 << std::min(entry.unanswered, kMostDoublings)), longest);
}

/// Between full questions on the path in use; they follow soon on one that was not answered.
Duration PathTable::pause_of_full(const Entry& entry, TimePoint now) const {
    const Pace pace = pace_of(profile_);
    if (entry.full_unanswered > 0 && now - entry.full_asked_at >= patience_with(entry)) return Duration{};
    return is_active(now) ? pace.standby_active : pace.standby_idle;
}

std::optional<PathTable::Index> PathTable::current_index() const {
    const Entry* entry = here();
    return entry ? std::optional{static_cast<Index>(entry - entries_.data())} : std::nullopt;
}

bool PathTable::wants_full(Index index, TimePoint now) const {
    if (is_alone()) return false;
    const Entry& entry = entries_[index];
    return entry.path != current_ || now - entry.full_asked_at >= pause_of_full(entry, now);
}

std::optional<PathTable::Index> PathTable::next_question(TimePoint now) const {
    if (is_alone()) return std::nullopt;
    const bool searching = is_searching(now);
    for (Index i = 0; i < entries_.size(); ++i) {
        const Entry& entry = entries_[i];
        if (may_ask(entry) && now - entry.asked_at >= pause_of(entry, searching, now)) return i;
    }
    return std::nullopt;
}

void PathTable::on_asked(Index index, std::uint64_t counter, bool full, TimePoint now) {
    Entry& entry = entries_[index];
    if (entry.open.size() == kMaxOpenQuestions) entry.open.pop_front();
    entry.open.push_back({counter, now, full});
    entry.asked_at = now;
    entry.silent_since = std::min(entry.silent_since, now);
    if (is_silent(entry, now)) entry.steady_since = kNever;
    ++entry.unanswered;
    if (!full) return;
    entry.full_asked_at = now;
    ++entry.full_unanswered;
}

void PathTable::on_answer(std::uint64_t counter, const Path& from, TimePoint now) {
    const auto is_it = [counter](const Question& question) { return question.counter == counter; };
    const auto asked = [&](const Entry& entry) { return std::ranges::any_of(entry.open, is_it); };
    auto entry = std::ranges::find_if(entries_, asked);
    if (entry == entries_.end()) return;
    const IpAddress& to = entry->path.remote.address;
    if (to != from.remote.address || entry->path.remote.port != from.remote.port) return;
    const Question question = *std::ranges::find_if(entry->open, is_it);
    Entry* same = find(from);
    if (same && same != &*entry) {  // two names for one path
        if (entry->path == current_) return;
        note_answer(*same, question, now);
        entries_.erase(entry);
        return;
    }
    if (entry->path != current_) entry->path = from;  // with the local address and interface that carried it
    const bool was_silent =
        is_silent(*entry, now);  // an outage that is over says nothing of the loss before and after it
    while (!entry->open.empty() && entry->open.front().asked_at <= question.asked_at) {
        if (entry->open.front().counter != counter && !was_silent) note_lost(*entry);
        entry->open.pop_front();
    }
    entry->silent_since = entry->open.empty() ? kNever : entry->open.front().asked_at;
    entry->unanswered = static_cast<int>(entry->open.size());
    note_answer(*entry, question, now);
    const bool is_good_again =
        offered_ && entry->path == current_ && question.asked_at - offered_at_ >= kOfferHolds;
    if (is_good_again) offered_.reset();
}

void PathTable::note_answer(Entry& entry, const Question& question, TimePoint now) {
    entry.proven_at = std::max(entry.proven_at, question.asked_at);
    if (question.full) entry.full_unanswered = 0;
    if (entry.steady_since == kNever) entry.steady_since = now;
    const Duration sample = now - question.asked_at;
    entry.round_trip = entry.round_trip > Duration{} ? (7 * entry.round_trip + sample) / 8 : sample;
    entry.loss -= entry.loss / 16;
}

void PathTable::note_lost(Entry& entry) { entry.loss += (1 - entry.loss) / 16; }

TimePoint PathTable::next_wakeup(TimePoint now) const {
    if (is_alone()) return kNever;
    TimePoint next = now < not_before_ ? not_before_ : kNever;
    const bool searching = is_searching(now);
    for (const Entry& entry : entries_)
        if (may_ask(entry)) next = std::min(next, entry.asked_at + pause_of(entry, searching, now));
    const Entry* entry = here();
    if (!entry || entry->silent_since == kNever) return next;
    const TimePoint doubtful = entry->silent_since + patience_with(*entry);
    const TimePoint over = doubtful + last_chance(*entry);
    if (now < over) next = std::min(next, now < doubtful ? doubtful : over);
    return next;
}

// --- moves
// ------------------------------------------------------------------------------------------------------------

std::optional<Move> PathTable::next_move(TimePoint now) const {
    if (now < not_before_) return std::nullopt;
    if (auto out = way_out(now)) return out;
    const Entry* entry = here();
    if (!entry || is_searching(now)) return std::nullopt;
    for (const Entry& other : entries_) {
        if (&other == entry || !is_worth_it(other, *entry, now)) continue;
        const bool cheaper = other.cost < entry->cost;
        return Move{other.path, cheaper ? "a path that costs less has been steady"
                                        : "another path is quicker: " + in_milliseconds(other.round_trip) +
                                              " instead of " + in_milliseconds(entry->round_trip)};
    }
    return std::nullopt;
}

/// Away from a path that does not serve any more.
std::optional<Move> PathTable::way_out(TimePoint now) const {
    const auto go = [](const std::optional<Path>& to, std::string why) {
        return to ? std::optional{Move{*to, std::move(why), true}} : std::nullopt;
    };
    const Entry* entry = here();
    if (has_obstacle() || !entry)
        return go(best(kLongAgo, now), has_obstacle() ? obstacle_ : "its own address had gone");
    if (offered_) {
        const auto offered = std::ranges::find(entries_, *offered_, &Entry::path);
        const bool is_good = offered != entries_.end() && is_ready(*offered, now);
        return go(is_good ? offered_ : best(offered_at_, now), "the peer can no longer use the path");
    }
    if (entry->full_unanswered >= kMostFullUnanswered && !is_silent(*entry, now))
        return go(best(entry->full_asked_at - kActive, now), "only small packets pass");
    if (!is_silent(*entry, now)) return std::nullopt;
    const TimePoint doubtful = entry->silent_since + patience_with(*entry);
    if (now < doubtful + last_chance(*entry)) return std::nullopt;
    return go(best(doubtful, now), "no answer for " + in_milliseconds(now - entry->silent_since));
}

/// The cheapest, then quickest path that has answered a question asked since then.
std::optional<Path> PathTable::best(TimePoint proven_since, TimePoint now) const {
    const Entry* found = nullptr;
    const auto worth = [](const Entry& entry) {
        return std::tuple{entry.cost, weight(entry.round_trip, entry.loss)};
    };
    for (const Entry& entry : entries_) {
        if (entry.path == current_ || !is_ready(entry, now) || entry.proven_at < proven_since) continue;
        if (!found || worth(entry) < worth(*found)) found = &entry;
    }
    return found ? std::optional{found->path} : std::nullopt;
}

bool PathTable::is_worth_it(const Entry& entry, const Entry& than, TimePoint now) const {
    if (!is_ready(entry, now) || entry.steady_since == kNever || entry.cost > than.cost) return false;
    const auto trust = 1 << std::min(entry.failures, kMostFailures);
    const Duration steady = now - entry.steady_since;
    if (entry.cost < than.cost) return steady >= kSteady * trust;
    const Duration ours = weight(entry.round_trip, entry.loss), theirs = weight(than.round_trip, than.loss);
    return than.round_trip > Duration{} && 2 * ours < theirs && theirs - ours > kQuicker &&
           steady >= kSteadyAndQuick * trust && now - moved_at_ >= kSteadyAndQuick;
}

void PathTable::on_moved(const Path& to, TimePoint now) {
    if (Entry* left = find(current_); left && is_searching(now)) {
        left->failures = now - moved_at_ < kSoon ? left->failures + 1 : 1;
        left->steady_since = kNever;
    }
    current_ = to;
    obstacle_.clear();
    offered_.reset();
    moved_at_ = now;
    refused_since_ = kNever;
    if (Entry* entry = find(to)) {
        entry->asked_at = kLongAgo;
        entry->full_asked_at = now;
    }
}

Duration PathTable::on_refused(TimePoint now) {
    if (refused_since_ == kNever) refused_since_ = now;
    not_before_ = now + kAfterRefusal;
    return now - refused_since_;
}

std::string PathTable::describe(const Entry& entry, TimePoint now) const {
    if (!entry.obstacle.empty()) return entry.obstacle;
    if (entry.silent_since != kNever && (is_silent(entry, now) || !entry.has_answered()))
        return "no answer to " + std::to_string(entry.unanswered) + " questions in " +
               in_milliseconds(now - entry.silent_since);
    if (entry.path == current_)
        return entry.full_unanswered >= kMostFullUnanswered ? "in use, only small packets pass" : "in use";
    return is_ready(entry, now) ? "ready" : "not asked lately";
}

std::vector<PathFacts> PathTable::facts(TimePoint now) const {
    std::vector<PathFacts> all;
    all.reserve(entries_.size());
    for (const Entry& entry : entries_)
        all.push_back({.path = entry.path,
                       .is_current = entry.path == current_,
                       .is_ready = is_ready(entry, now),
                       .round_trip = entry.round_trip,
                       .loss = entry.loss,
                       .finding = describe(entry, now)});
    return all;
}

}  // namespace muster::link
