#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "link/path.h"
#include "link/verdict.h"

#include "muster/profile.h"
#include "muster/time.h"

namespace muster::link {

/// A path that somebody names, and what it costs to use it: the lower, the better.
struct OfferedPath {
    Path path;
    unsigned cost = 0;
};

/// How often paths are asked, and for how long one may stay silent, by profile. A dead path is left after at most
/// ask_active + doubt + two round trips + hold while the link carries traffic, if it used to lose nothing: 60, 240,
/// 2400 ms and the round trips.
struct PathPace {
    Duration ask_active;     ///< The path in use, while the link carries traffic
    Duration ask_idle;       ///< and while it does not.
    Duration doubt;          ///< What has not answered for that long may be dead.
    Duration ask_doubtful;   ///< The path in use then.
    Duration hold;           ///< So long it may still answer, while the others are asked too.
    Duration others_active;  ///< The other paths.
    Duration others_idle;

    static PathPace of(Profile profile);
};

/// One path to a peer, and what its answers say of it.
struct KnownPath {
    static constexpr TimePoint kLongAgo = TimePoint{} - std::chrono::hours{24 * 366};
    /// A path that leaves so many full questions in a row unanswered carries only small packets, if it answers those.
    static constexpr int kMostFullUnanswered = 6;

    explicit KnownPath(const OfferedPath& offered)
        : wanted(offered.path), path(offered.path), cost(offered.cost) {}

    void on_asked(std::uint64_t counter, bool full, TimePoint now, const PathPace& pace);
    bool has_asked(std::uint64_t counter) const { return find(counter) != open_.end(); }
    /// The answer to a question that was asked here. Returns when that was.
    TimePoint on_answer(std::uint64_t counter, TimePoint now, const PathPace& pace);
    /// The same for a question that was asked under another name of this path.
    void take_answer(const KnownPath& other, std::uint64_t counter, TimePoint now);
    void forget_proof();

    bool has_answered() const { return proven_at != kLongAgo; }
    /// When a path that is silent becomes doubtful; kNever if it answers.
    TimePoint doubtful_at(const PathPace& pace) const;
    /// When a doubtful path has had its time. One that loses much gets more, for it needs more questions.
    TimePoint given_up_at(const PathPace& pace) const;
    bool is_silent(TimePoint now, const PathPace& pace) const { return now >= doubtful_at(pace); }
    bool is_ready(TimePoint now, const PathPace& pace) const;
    bool is_narrow() const { return full_unanswered >= kMostFullUnanswered; }
    /// Its round trip, and what its loss costs besides.
    Duration weight() const;

    Path wanted;  ///< As it was named; the kernel may choose the source.
    Path path;    ///< As it answered.
    unsigned cost = 0;
    bool is_offered = true;
    Obstacle obstacle;                ///< What the kernel says against it; empty if nothing.
    TimePoint silent_since = kNever;  ///< When the first question was asked that nothing has answered since.
    TimePoint asked_at = kLongAgo;    ///< The latest question; long ago: ask at once.
    TimePoint full_asked_at = kLongAgo;
    TimePoint proven_at = kLongAgo;   ///< When the latest question that was answered had been asked.
    TimePoint steady_since = kNever;  ///< Has answered ever since.
    Duration round_trip{};            ///< Smoothed; 0 before the first answer.
    double loss = 0;                  ///< Share of the latest questions, outages left out.
    int unanswered = 0;
    int full_unanswered = 0;
    int failures = 0;             ///< How often in a row the link had to leave it soon.
    bool is_told_proven = false;  ///< PathTable::take_news said so last.

private:
    struct Question {
        std::uint64_t counter = 0;
        TimePoint asked_at{};
        bool full = false;
    };
    using Questions = std::deque<Question>;

    Questions::const_iterator find(std::uint64_t counter) const;
    void note_answer(const Question& question, TimePoint now);

    Questions open_;  // since the latest one that was answered, oldest first
};

}  // namespace muster::link
