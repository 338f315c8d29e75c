#include "link/path_table.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "base/duration_text.h"
#include "base/interfaces.h"
#include "link/candidates.h"
#include "link/way_back.h"

namespace muster::link {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxPaths = 64;
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
// A path that answers questions asked that long after the peer wanted to leave it has become good again.
constexpr Duration kOfferHolds = 500ms;
// When QUIC cannot move now: it needs a round trip for a spare connection id, or for the end of the handshake.
constexpr Duration kAfterRefusal = 20ms;

}  // namespace

PathTable::PathTable(Profile profile, const Path& current, TimePoint now)
    : pace_(PathPace::of(profile)), current_(current), moved_at_(now) {
    KnownPath& path = paths_.emplace_back(OfferedPath{current});
    path.wanted.local = {};
    path.asked_at = path.full_asked_at = path.proven_at = path.steady_since = now;
}

KnownPath* PathTable::find(const Path& path) {
    const auto found = std::ranges::find(paths_, path, &KnownPath::path);
    return found == paths_.end() ? nullptr : &*found;
}

const KnownPath* PathTable::find(const Path& path) const {
    const auto found = std::ranges::find(paths_, path, &KnownPath::path);
    return found == paths_.end() ? nullptr : &*found;
}

// --- what is known
// ----------------------------------------------------------------------------------------------------

void PathTable::offer(std::span<const OfferedPath> paths, TimePoint now) {
    for (KnownPath& entry : paths_) entry.is_offered = false;
    for (const OfferedPath& offered : paths) add(offered, now);
    std::erase_if(paths_, [&](const KnownPath& entry) {
        return !entry.is_offered && entry.path != current_ && !entry.is_ready(now, pace_);
    });
}

void PathTable::add(const OfferedPath& offered, TimePoint now) {
    for (KnownPath& entry : paths_) {
        if (entry.wanted != offered.path && entry.path != offered.path) continue;
        entry.cost = entry.is_offered ? std::min(entry.cost, offered.cost) : offered.cost;
        entry.is_offered = true;
        return;
    }
    if (paths_.size() < kMaxPaths || make_room(now)) paths_.emplace_back(offered);
}

/// What answers stays, and what has not been asked yet.
bool PathTable::make_room(TimePoint now) {
    const auto stays = [&](const KnownPath& path) {
        return path.path == current_ || path.is_ready(now, pace_) || path.unanswered == 0;
    };
    const auto worth = [&](const KnownPath& path) {
        return std::tuple{stays(path), path.has_answered(), -path.unanswered};
    };
    const auto least = std::ranges::min_element(paths_, {}, worth);
    if (stays(*least)) return false;
    paths_.erase(least);
    return true;
}

void PathTable::on_interfaces(std::span<const Interface> interfaces) {
    const auto is_gone = [&](const KnownPath& entry) {
        const InterfaceIndex index = entry.wanted.remote.interface;
        return entry.path != current_ && index != InterfaceIndex::none && !find_interface(interfaces, index);
    };
    std::erase_if(paths_, is_gone);
    obstacle_ = link::obstacle(current_, interfaces).value_or(Obstacle{});
    for (KnownPath& entry : paths_) {
        auto why = link::obstacle(entry.path, interfaces);
        if (why && !link::obstacle(entry.wanted, interfaces)) {  // only the own address has changed
            entry.path = entry.wanted;
            why.reset();
            entry.forget_proof();
        }
        if (why || !entry.obstacle.is_empty()) entry.forget_proof();
        entry.obstacle = why.value_or(Obstacle{});
        if (has_obstacle()) entry.unanswered = 0;
    }
}

bool PathTable::on_traffic(TimePoint now) {
    const bool was_active = is_active(now);
    last_traffic_ = now;
    return !was_active;
}

void PathTable::on_leave_request(const Path& from, std::uint64_t number, TimePoint now) {
    if (number <= last_request_) return;
    last_request_ = number;
    if (from == current_) return;
    // A path that is known costs what it costs, whoever asks for it.
    const bool is_known = std::ranges::any_of(
        paths_, [&](const KnownPath& entry) { return entry.path == from || entry.wanted == from; });
    if (!is_known) add({.path = from}, now);
    offered_ = from;
    offered_at_ = now;
    told_ = WayBack::fault_in(number);
    for (KnownPath& entry : paths_)
        if (entry.has_answered()) entry.unanswered = 0;
}

bool PathTable::has_hope() const {
    return std::ranges::any_of(paths_, [](const KnownPath& entry) {
        return entry.obstacle.is_empty() && (entry.has_answered() || entry.asked_at == KnownPath::kLongAgo);
    });
}

bool PathTable::is_doubtful(TimePoint now) const {
    const KnownPath* entry = here();
    return !has_obstacle() && entry && entry->is_silent(now, pace_);
}

unsigned PathTable::silent_ways(TimePoint now) const {
    std::set<InterfaceIndex> silent;
    for (const KnownPath& entry : paths_) {
        if (entry.is_ready(now, pace_)) return 0;
        if (entry.obstacle.is_empty() && entry.has_answered()) silent.insert(entry.path.remote.interface);
    }
    return static_cast<unsigned>(silent.size());
}

Duration PathTable::round_trip() const {
    const KnownPath* entry = here();
    return entry ? entry->round_trip : Duration{};
}

// --- questions
// --------------------------------------------------------------------------------------------------------

/// The path in use is gone, unwanted or doubtful.
bool PathTable::is_searching(TimePoint now) const {
    if (has_obstacle() || offered_) return true;
    const KnownPath* entry = here();
    return !entry || entry->is_silent(now, pace_) || entry->is_narrow();
}

bool PathTable::may_ask(const KnownPath& entry) const {
    return entry.obstacle.is_empty() && !(entry.path == current_ && has_obstacle());
}

Duration PathTable::pause_of(const KnownPath& entry, bool searching, TimePoint now) const {
    if (entry.path == current_) {
        if (entry.is_silent(now, pace_)) return pace_.ask_doubtful;
        return is_active(now) ? pace_.ask_active : pace_.ask_idle;
    }
    const Duration others = is_active(now) ? pace_.others_active : pace_.others_idle;
    if (entry.has_answered() && searching) return 2 * pace_.ask_doubtful;
    if (entry.is_ready(now, pace_) && entry.silent_since == kNever) return others;
    // Whoever named it may be wrong, or mean it ill: then it costs a stranger little.
    const Duration longest = entry.has_answered() ? 4 * others : kLongestPause;
    const Duration first = searching ? kFirstPauseInSearch : kFirstPause;
    return std::min(first * (1 << std::min(entry.unanswered, kMostDoublings)), longest);
}

/// Between full questions on the path in use; they follow soon on one that was not answered.
Duration PathTable::pause_of_full(const KnownPath& entry, TimePoint now) const {
    if (entry.full_unanswered > 0 && now - entry.full_asked_at >= pace_.doubt + 2 * entry.round_trip)
        return {};
    return is_active(now) ? pace_.others_active : pace_.others_idle;
}

std::optional<PathTable::Index> PathTable::current_index() const {
    const KnownPath* entry = here();
    return entry ? std::optional{static_cast<Index>(entry - paths_.data())} : std::nullopt;
}

bool PathTable::wants_full(Index index, TimePoint now) const {
    if (is_alone()) return false;
    const KnownPath& entry = paths_[index];
    return entry.path != current_ || now - entry.full_asked_at >= pause_of_full(entry, now);
}

std::optional<PathTable::Index> PathTable::next_question(TimePoint now) const {
    if (is_alone()) return std::nullopt;
    const bool searching = is_searching(now);
    for (Index i = 0; i < paths_.size(); ++i) {
        const KnownPath& entry = paths_[i];
        if (may_ask(entry) && now - entry.asked_at >= pause_of(entry, searching, now)) return i;
    }
    return std::nullopt;
}

void PathTable::on_asked(Index index, std::uint64_t counter, bool full, TimePoint now) {
    paths_[index].on_asked(counter, full, now, pace_);
}

void PathTable::on_answer(std::uint64_t counter, const Path& from, TimePoint now) {
    const auto asked = [counter](const KnownPath& path) { return path.has_asked(counter); };
    const auto path = std::ranges::find_if(paths_, asked);
    if (path == paths_.end()) return;
    const Endpoint& to = path->path.remote;
    if (to.address != from.remote.address || to.port != from.remote.port) return;
    KnownPath* same = find(from);
    if (same && same != &*path) {  // two names for one path
        if (path->path == current_) return;
        same->take_answer(*path, counter, now);
        paths_.erase(path);
        return;
    }
    if (path->path != current_) path->path = from;  // with the local address and interface that carried it
    const TimePoint asked_at = path->on_answer(counter, now, pace_);
    if (offered_ && path->path == current_ && asked_at - offered_at_ >= kOfferHolds) offered_.reset();
}

TimePoint PathTable::next_wakeup(TimePoint now) const {
    if (is_alone()) return kNever;
    TimePoint next = now < not_before_ ? not_before_ : kNever;
    const bool searching = is_searching(now);
    for (const KnownPath& entry : paths_)
        if (may_ask(entry)) next = std::min(next, entry.asked_at + pause_of(entry, searching, now));
    const KnownPath* own = here();
    if (!own || own->silent_since == kNever) return next;
    const TimePoint doubtful = own->doubtful_at(pace_), given_up = own->given_up_at(pace_);
    return now < given_up ? std::min(next, now < doubtful ? doubtful : given_up) : next;
}

// --- moves
// ------------------------------------------------------------------------------------------------------------

std::optional<Move> PathTable::next_move(TimePoint now) const {
    if (now < not_before_) return std::nullopt;
    if (auto out = way_out(now)) return out;
    const KnownPath* entry = here();
    if (!entry || is_searching(now)) return std::nullopt;
    for (const KnownPath& other : paths_) {
        if (&other == entry || !is_worth_it(other, *entry, now)) continue;
        const bool cheaper = other.cost < entry->cost;
        return Move{.to = other.path,
                    .why = cheaper ? "a path that costs less has been steady"
                                   : "another path is quicker: " + in_milliseconds(other.round_trip) +
                                         " instead of " + in_milliseconds(entry->round_trip)};
    }
    return std::nullopt;
}

/// Away from a path that does not serve any more.
std::optional<Move> PathTable::way_out(TimePoint now) const {
    const auto go = [](const std::optional<Path>& to, Fault fault, std::string why) {
        return to ? std::optional{Move{*to, std::move(why), true, fault}} : std::nullopt;
    };
    const KnownPath* entry = here();
    if (has_obstacle() || !entry)
        return go(best(KnownPath::kLongAgo, now), has_obstacle() ? obstacle_.fault : Fault::path_moved,
                  has_obstacle() ? obstacle_.why : "its own address had gone");
    if (offered_) {
        const auto offered = std::ranges::find(paths_, *offered_, &KnownPath::path);
        const bool is_good = offered != paths_.end() && offered->is_ready(now, pace_);
        return go(is_good ? offered_ : best(offered_at_, now), told_ == Fault::none ? Fault::silent : told_,
                  "the peer can no longer use the path");
    }
    if (entry->is_narrow() && !entry->is_silent(now, pace_))
        return go(best(entry->full_asked_at - kActive, now), Fault::silent, "only small packets pass");
    if (now < entry->given_up_at(pace_)) return std::nullopt;
    return go(best(entry->doubtful_at(pace_), now), Fault::silent,
              "no answer for " + in_milliseconds(now - entry->silent_since));
}

/// The cheapest, then quickest path that has answered a question asked since then.
std::optional<Path> PathTable::best(TimePoint proven_since, TimePoint now) const {
    const KnownPath* found = nullptr;
    const auto worth = [](const KnownPath& entry) { return std::tuple{entry.cost, entry.weight()}; };
    for (const KnownPath& entry : paths_) {
        if (entry.path == current_ || !entry.is_ready(now, pace_) || entry.proven_at < proven_since) continue;
        if (!found || worth(entry) < worth(*found)) found = &entry;
    }
    return found ? std::optional{found->path} : std::nullopt;
}

bool PathTable::is_worth_it(const KnownPath& entry, const KnownPath& than, TimePoint now) const {
    if (!entry.is_ready(now, pace_) || entry.steady_since == kNever || entry.cost > than.cost) return false;
    const auto trust = 1 << std::min(entry.failures, kMostFailures);
    const Duration steady = now - entry.steady_since;
    if (entry.cost < than.cost) return steady >= kSteady * trust;
    const Duration ours = entry.weight(), theirs = than.weight();
    return than.round_trip > Duration{} && 2 * ours < theirs && theirs - ours > kQuicker &&
           steady >= kSteadyAndQuick * trust && now - moved_at_ >= kSteadyAndQuick;
}

void PathTable::on_moved(const Path& to, TimePoint now) {
    if (KnownPath* left = find(current_); left && is_searching(now)) {
        left->failures = now - moved_at_ < kSoon ? left->failures + 1 : 1;
        left->steady_since = kNever;
    }
    current_ = to;
    offered_.reset();
    moved_at_ = now;
    refused_since_ = kNever;
    obstacle_ = {};
    if (KnownPath* entry = find(to)) {
        obstacle_ = entry->obstacle;
        entry->asked_at = KnownPath::kLongAgo;
        entry->full_asked_at = now;
    }
}

Duration PathTable::on_refused(TimePoint now) {
    if (refused_since_ == kNever) refused_since_ = now;
    not_before_ = now + kAfterRefusal;
    return now - refused_since_;
}

std::string PathTable::describe(const KnownPath& entry, TimePoint now) const {
    if (!entry.obstacle.is_empty()) return entry.obstacle.why;
    if (entry.silent_since != kNever && (entry.is_silent(now, pace_) || !entry.has_answered()))
        return "no answer to " + std::to_string(entry.unanswered) + " questions in " +
               in_milliseconds(now - entry.silent_since);
    if (entry.path == current_) return entry.is_narrow() ? "in use, only small packets pass" : "in use";
    return entry.is_ready(now, pace_) ? "ready" : "not asked lately";
}

std::optional<PathNews> PathTable::take_news(TimePoint now) {
    for (KnownPath& entry : paths_) {
        const bool has_failed = !entry.obstacle.is_empty() || entry.is_silent(now, pace_);
        const bool is_proven = entry.has_answered() && !has_failed;
        if (is_proven == entry.is_told_proven || (!is_proven && !has_failed)) continue;
        entry.is_told_proven = is_proven;
        PathNews news;
        news.path = entry.path;
        news.is_proven = is_proven;
        news.is_current = entry.path == current_;
        news.round_trip = entry.round_trip;
        if (is_proven) return news;
        news.fault = entry.obstacle.is_empty() ? Fault::silent : entry.obstacle.fault;
        news.why = describe(entry, now);
        if (entry.silent_since != kNever) news.silence = now - entry.silent_since;
        return news;
    }
    return std::nullopt;
}

std::vector<PathFacts> PathTable::facts(TimePoint now) const {
    std::vector<PathFacts> all;
    all.reserve(paths_.size());
    for (const KnownPath& entry : paths_)
        all.push_back({.path = entry.path,
                       .is_current = entry.path == current_,
                       .is_ready = entry.is_ready(now, pace_),
                       .round_trip = entry.round_trip,
                       .loss = entry.loss,
                       .finding = describe(entry, now)});
    return all;
}

}  // namespace muster::link
