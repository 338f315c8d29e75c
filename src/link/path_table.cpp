#include "link/path_table.h"

#include <algorithm>
#include <tuple>

#include "base/duration_text.h"
#include "base/interfaces.h"
#include "link/candidates.h"

namespace muster::link {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxPaths = 64;          // 16 interfaces x 4 addresses
constexpr std::size_t kMaxOpenQuestions = 64;  // of one path
// Pause between the first questions to a path that is silent. It doubles up to four times the pause of a ready one,
// or up to the longest pause if the path has never answered.
constexpr Duration kFirstPause = 20ms, kLongestPause = 30s;
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
    entry.asked_at = entry.proven_at = entry.steady_since = now;
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

void PathTable::add(const Path& path, unsigned cost) {
    for (Entry& entry : entries_) {
        if (entry.wanted != path && entry.path != path) continue;
        entry.cost = cost;
        return;
    }
    Entry* entry = place_for_another();
    if (!entry) return;
    *entry = Entry{};
    entry->wanted = entry->path = path;
    entry->cost = cost;
}

PathTable::Entry* PathTable::place_for_another() {
    if (entries_.size() < kMaxPaths) return &entries_.emplace_back();
    const auto worth = [this](const Entry& entry) {
        return std::tuple{entry.path == current_, entry.silent_since == kNever, entry.proven_at};
    };
    Entry& least = *std::ranges::min_element(entries_, {}, worth);
    return least.silent_since == kNever ? nullptr : &least;
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
    entry.proven_at = entry.asked_at = {};
    entry.unanswered = 0;
}

void PathTable::on_traffic(TimePoint now) { last_traffic_ = now; }

void PathTable::on_leave_request(const Path& from, TimePoint now) {
    if (from == current_) return;
    add(from, 0);
    offered_ = from;
    offered_at_ = now;
    for (Entry& entry : entries_)
        if (entry.proven_at != TimePoint{}) entry.unanswered = 0;
}

bool PathTable::has_hope() const {
    return std::ranges::any_of(entries_, [](const Entry& entry) {
        const bool never_answers = entry.proven_at == TimePoint{} && entry.asked_at != TimePoint{};
        return entry.obstacle.empty() && !never_answers;
    });
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
    return entry.obstacle.empty() && entry.proven_at != TimePoint{} && now - entry.proven_at < fresh &&
           !is_silent(entry, now);
}

/// The path in use is gone, unwanted or doubtful.
bool PathTable::is_searching(TimePoint now) const {
    const Entry* entry = here();
    return has_obstacle() || offered_ || !entry || is_silent(*entry, now);
}

Duration PathTable::pause_of(const Entry& entry, TimePoint now) const {
    const Pace pace = pace_of(profile_);
    if (entry.path == current_) {
        if (is_silent(entry, now)) return pace.ask_doubtful;
        return is_active(now) ? pace.ask_active : pace.ask_idle;
    }
    const Duration standby = is_active(now) ? pace.standby_active : pace.standby_idle;
    if (is_ready(entry, now) && is_searching(now)) return 2 * pace.ask_doubtful;
    if (is_ready(entry, now) && entry.silent_since == kNever) return standby;
    // Whoever named it may be wrong, or mean it ill: then it costs a stranger little.
    const Duration longest = entry.proven_at == TimePoint{} ? kLongestPause : 4 * standby;
    return std::min(kFirstPause * (1 << std::min(entry.unanswered, kMostDoublings)), longest);
}

std::optional<PathTable::Index> PathTable::next_question(TimePoint now) {
    if (is_alone()) return std::nullopt;
    for (Index i = 0; i < entries_.size(); ++i) {
        const Entry& entry = entries_[i];
        if (!entry.obstacle.empty() || (entry.path == current_ && has_obstacle())) continue;
        if (now - entry.asked_at >= pause_of(entry, now)) return i;
    }
    return std::nullopt;
}

void PathTable::on_asked(Index index, std::uint64_t counter, TimePoint now) {
    Entry& entry = entries_[index];
    if (entry.open.size() == kMaxOpenQuestions) {
        entry.open.pop_front();
        note_lost(entry);
    }
    entry.open.push_back({counter, now});
    entry.asked_at = now;
    entry.silent_since = std::min(entry.silent_since, now);
    if (is_silent(entry, now)) entry.steady_since = kNever;
    ++entry.unanswered;
}

void PathTable::on_asked_current(std::uint64_t counter, TimePoint now) {
    if (const Entry* entry = here()) on_asked(static_cast<Index>(entry - entries_.data()), counter, now);
}

void PathTable::on_answer(std::uint64_t counter, const Path& from, TimePoint now) {
    const auto is_it = [counter](const Question& question) { return question.counter == counter; };
    const auto asked = [&](const Entry& entry) { return std::ranges::any_of(entry.open, is_it); };
    auto entry = std::ranges::find_if(entries_, asked);
    if (entry == entries_.end()) return;
    if (entry->path.remote.address != from.remote.address || entry->path.remote.port != from.remote.port)
        return;
    if (Entry* same = find(from); same && same != &*entry) {  // two names for one path
        const auto question = *std::ranges::find_if(entry->open, is_it);
        if (entry->path == current_) return;
        same->open.push_back(question);
        entries_.erase(entry);
        entry = std::ranges::find(entries_, from, &Entry::path);
    }
    if (entry->path != current_) entry->path = from;  // with the local address and interface that carried it
    const TimePoint asked_at = std::ranges::find_if(entry->open, is_it)->asked_at;
    while (!entry->open.empty() && entry->open.front().asked_at <= asked_at) {
        if (!is_it(entry->open.front())) note_lost(*entry);
        entry->open.pop_front();
    }
    entry->silent_since = entry->open.empty() ? kNever : entry->open.front().asked_at;
    entry->proven_at = std::max(entry->proven_at, asked_at);
    if (entry->steady_since == kNever) entry->steady_since = now;
    const Duration sample = now - asked_at;
    entry->round_trip = entry->round_trip > Duration{} ? (7 * entry->round_trip + sample) / 8 : sample;
    entry->loss -= entry->loss / 16;
    entry->unanswered = 0;
    if (entry->path == current_ && offered_ && asked_at - offered_at_ >= kOfferHolds) offered_.reset();
}

void PathTable::note_lost(Entry& entry) { entry.loss += (1 - entry.loss) / 16; }

TimePoint PathTable::next_wakeup(TimePoint now) const {
    if (is_alone()) return kNever;
    TimePoint next = kNever;
    for (const Entry& entry : entries_) {
        if (!entry.obstacle.empty() || (entry.path == current_ && has_obstacle())) continue;
        next = std::min(next, entry.asked_at + pause_of(entry, now));
    }
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
    const Entry* entry = here();
    if (has_obstacle() || !entry) {
        const auto to = best({}, now);
        return to ? std::optional{Move{*to, has_obstacle() ? obstacle_ : "its own address had gone"}}
                  : std::nullopt;
    }
    if (offered_) {
        const auto offered = std::ranges::find(entries_, *offered_, &Entry::path);
        auto to = offered != entries_.end() && is_ready(*offered, now) ? offered_ : best(offered_at_, now);
        return to ? std::optional{Move{*to, "the peer can no longer use the path"}} : std::nullopt;
    }
    if (!is_silent(*entry, now)) return std::nullopt;
    const TimePoint doubtful = entry->silent_since + patience_with(*entry);
    if (now < doubtful + last_chance(*entry)) return std::nullopt;
    const auto to = best(doubtful, now);
    if (!to) return std::nullopt;
    return Move{*to, "no answer for " + in_milliseconds(now - entry->silent_since)};
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
    if (Entry* entry = find(to)) entry->asked_at = {};
}

std::string PathTable::describe(const Entry& entry, TimePoint now) const {
    if (!entry.obstacle.empty()) return entry.obstacle;
    if (entry.silent_since != kNever && (is_silent(entry, now) || entry.proven_at == TimePoint{}))
        return "no answer to " + std::to_string(entry.unanswered) + " questions in " +
               in_milliseconds(now - entry.silent_since);
    if (entry.path == current_) return "in use";
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
