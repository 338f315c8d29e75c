#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "link/path.h"

#include "muster/interface.h"
#include "muster/profile.h"
#include "muster/time.h"

namespace muster::link {

/// A path that somebody names, and what it costs to use it: the lower, the better.
struct OfferedPath {
    Path path;
    unsigned cost = 0;
};

/// An order to go to another path, and what speaks for it.
struct Move {
    Path to;
    std::string why;         ///< "eth0 has no carrier", "no answer for 43 ms"
    bool is_urgent = false;  ///< The path in use does not serve any more.
};

/// What is known of one path at the moment.
struct PathFacts {
    Path path;
    bool is_current = false;
    bool is_ready = false;  ///< Has answered lately: the link could go there at once.
    Duration round_trip{};  ///< Smoothed; 0 before the first answer.
    double loss = 0;        ///< Share of the latest questions that nothing answered.
    std::string finding;  ///< "in use", "ready", "eth1 has no carrier", "no answer to 4 questions in 310 ms"
};

/// The paths by which the dialer of a link may reach its peer: asks each whether it carries packets there and back,
/// and says when the link should go to another one. An engine; knows nothing of QUIC, keys or sockets. Questions are
/// heartbeats, numbered by the link. A table with nothing but the path in use asks nothing.
class PathTable {
public:
    using Index = std::size_t;  ///< Valid until the next call that is not const.

    PathTable(Profile profile, const Path& current, TimePoint now);

    /// These may work, and no others but what has answered lately. At the limit of 64, what is not ready and has been silent for
    /// the most questions makes room.
    void offer(std::span<const OfferedPath> paths, TimePoint now);
    /// The interfaces as they are now: paths over what cannot carry packets rest; those that can again are asked
    /// at once.
    void on_interfaces(std::span<const Interface> interfaces);
    /// The link itself carries traffic: the path in use is asked in short intervals. True if it did not before.
    bool on_traffic(TimePoint now);
    /// The peer can no longer use the path of the link, for the `episode`th time, and asks for another: best the one by
    /// which it says so. Copies of one request are one.
    void on_leave_request(const Path& from, std::uint64_t episode, TimePoint now);

    /// A path to ask now. Say on_asked() before the next call.
    std::optional<Index> next_question(TimePoint now) const;
    /// The path in use; none while it has lost its own address.
    std::optional<Index> current_index() const;
    const Path& path(Index index) const { return entries_[index].path; }
    /// Whether the question must show that packets of QUIC's size pass.
    bool wants_full(Index index, TimePoint now) const;
    void on_asked(Index index, std::uint64_t counter, bool full, TimePoint now);
    /// The answer to question `counter` came by `from`.
    void on_answer(std::uint64_t counter, const Path& from, TimePoint now);

    /// Where the link should go now, if anywhere.
    std::optional<Move> next_move(TimePoint now) const;
    void on_moved(const Path& to, TimePoint now);
    /// The link could not move now. Returns for how long it has been so.
    Duration on_refused(TimePoint now);

    const Path& current() const { return current_; }
    /// Why the path in use cannot carry packets, as the kernel says; empty if it does not say so.
    const std::string& obstacle() const { return obstacle_; }
    /// Whether a path that the kernel says nothing against has answered before, or has not been asked yet.
    bool has_hope() const;
    TimePoint next_wakeup(TimePoint now) const;
    /// Of the path in use, smoothed; 0 before the first answer.
    Duration round_trip() const;
    std::vector<PathFacts> facts(TimePoint now) const;

private:
    struct Pace;
    struct Question {
        std::uint64_t counter = 0;
        TimePoint asked_at{};
        bool full = false;
    };
    static constexpr TimePoint kLongAgo = TimePoint{} - std::chrono::hours{24 * 366};
    static constexpr Duration kActive = std::chrono::milliseconds{250};

    struct Entry {
        Path wanted;  // as it was named; the kernel may choose the source
        Path path;    // as it answered
        unsigned cost = 0;
        bool is_offered = true;
        std::string obstacle;             // what the kernel says against it
        std::deque<Question> open;        // since the latest one that was answered, oldest first
        TimePoint silent_since = kNever;  // when the first of them was asked, also if it is not kept any more
        TimePoint asked_at = kLongAgo;    // the latest; long ago: ask at once
        TimePoint full_asked_at = kLongAgo;
        TimePoint proven_at = kLongAgo;   // when the latest question that was answered had been asked
        TimePoint steady_since = kNever;  // has answered ever since
        Duration round_trip{};
        double loss = 0;
        int unanswered = 0;
        int full_unanswered = 0;  // full questions since one was answered
        int failures = 0;         // how often in a row the link had to leave it soon

        bool has_answered() const { return proven_at != kLongAgo; }
    };

    static Pace pace_of(Profile profile);
    Entry* find(const Path& path);
    const Entry* here() const;
    bool has_obstacle() const { return !obstacle_.empty(); }
    bool is_alone() const { return entries_.size() == 1 && entries_[0].path == current_; }
    bool is_active(TimePoint now) const { return now - last_traffic_ < kActive; }
    Duration patience_with(const Entry& entry) const;
    Duration last_chance(const Entry& entry) const;
    bool is_silent(const Entry& entry, TimePoint now) const;
    bool is_ready(const Entry& entry, TimePoint now) const;
    bool is_searching(TimePoint now) const;
    bool may_ask(const Entry& entry) const;
    Duration pause_of(const Entry& entry, bool searching, TimePoint now) const;
    Duration pause_of_full(const Entry& entry, TimePoint now) const;
    void add(const OfferedPath& offered, TimePoint now);
    Entry* place_for_another(TimePoint now);
    static void note_lost(Entry& entry);
    static void note_answer(Entry& entry, const Question& question, TimePoint now);
    static void forget_proof(Entry& entry);
    std::optional<Path> best(TimePoint proven_since, TimePoint now) const;
    std::optional<Move> way_out(TimePoint now) const;
    bool is_worth_it(const Entry& entry, const Entry& than, TimePoint now) const;
    std::string describe(const Entry& entry, TimePoint now) const;

    Profile profile_;
    Path current_;
    std::string obstacle_;
    std::vector<Entry> entries_;
    TimePoint moved_at_;
    TimePoint last_traffic_ = kLongAgo;
    std::optional<Path> offered_;  // by which the peer asked to leave the path in use
    TimePoint offered_at_{};
    std::uint64_t episode_ = 0;         // of the latest request to leave
    TimePoint refused_since_ = kNever;  // moves, by QUIC
    TimePoint not_before_ = kLongAgo;   // the next move
};

}  // namespace muster::link
