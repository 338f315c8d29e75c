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

/// An order to go to another path, and what speaks for it.
struct Move {
    Path to;
    std::string why;  ///< "eth0 has no carrier", "no answer for 43 ms"
};

/// What is known of one path at the moment.
struct PathFacts {
    Path path;
    bool is_current = false;
    bool is_ready = false;  ///< Has answered lately: the link could go there at once.
    Duration round_trip{};  ///< Smoothed; 0 before the first answer.
    double loss = 0;        ///< Share of the questions of the last seconds that were not answered.
    std::string finding;  ///< "in use", "ready", "eth1 has no carrier", "no answer to 4 questions in 310 ms"
};

/// The paths by which the dialer of a link may reach its peer: asks each whether it carries packets there and back,
/// and says when the link should go to another one. An engine; knows nothing of QUIC, keys or sockets. Questions are
/// heartbeats, numbered by the link. A table with nothing but the path in use asks nothing.
class PathTable {
public:
    using Index = std::size_t;

    PathTable(Profile profile, const Path& current, TimePoint now);

    /// Another path that may work. `cost`: the lower, the better. A known one is ignored; at the limit of 64 the one
    /// that has been silent for longest makes room.
    void add(const Path& path, unsigned cost);
    /// The interfaces as they are now: paths over what cannot carry packets rest; those that can again are asked
    /// at once.
    void on_interfaces(std::span<const Interface> interfaces);
    /// The link itself carries traffic: the path in use is asked in short intervals.
    void on_traffic(TimePoint now);
    /// The peer can no longer use the path of the link, and asks for another, best the one by which it says so.
    void on_leave_request(const Path& from, TimePoint now);

    /// A path to ask now. Say on_asked() before the next call.
    std::optional<Index> next_question(TimePoint now);
    const Path& path(Index index) const { return entries_[index].path; }
    bool is_current(Index index) const { return entries_[index].path == current_; }
    void on_asked(Index index, std::uint64_t counter, TimePoint now);
    /// The same for a question that the link asked by itself on the path in use.
    void on_asked_current(std::uint64_t counter, TimePoint now);
    /// The answer to question `counter` came by `from`.
    void on_answer(std::uint64_t counter, const Path& from, TimePoint now);

    /// Where the link should go now, if anywhere.
    std::optional<Move> next_move(TimePoint now) const;
    void on_moved(const Path& to, TimePoint now);

    const Path& current() const { return current_; }
    /// Why the path in use cannot carry packets, as the kernel says; empty if it does not say so.
    const std::string& obstacle() const { return obstacle_; }
    /// Whether a path that the kernel says nothing against has answered before, or has not been asked yet.
    bool has_hope() const;
    TimePoint next_wakeup(TimePoint now) const;
    /// Of the path in use, smoothed; 0 before the first answer.
    Duration round_trip() const { return here() ? here()->round_trip : Duration{}; }
    std::vector<PathFacts> facts(TimePoint now) const;

private:
    struct Pace;
    struct Question {
        std::uint64_t counter = 0;
        TimePoint asked_at{};
    };
    struct Entry {
        Path wanted;  // as it was named; the kernel may choose the source
        Path path;    // as it answered
        unsigned cost = 0;
        std::string obstacle;             // what the kernel says against it
        std::deque<Question> open;        // since the latest one that was answered, oldest first
        TimePoint silent_since = kNever;  // when the first of them was asked, also if it is not kept any more
        TimePoint asked_at{};             // the latest; long ago: ask at once
        TimePoint proven_at{};            // when the latest question that was answered had been asked
        TimePoint steady_since = kNever;  // has answered ever since
        Duration round_trip{};
        double loss = 0;
        int unanswered = 0;
        int failures = 0;  // how often in a row the link had to leave it soon
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
    Duration pause_of(const Entry& entry, TimePoint now) const;
    Entry* place_for_another();
    void note_lost(Entry& entry);
    void forget_proof(Entry& entry);
    std::optional<Path> best(TimePoint proven_since, TimePoint now) const;
    std::optional<Move> way_out(TimePoint now) const;
    bool is_worth_it(const Entry& entry, const Entry& than, TimePoint now) const;
    std::string describe(const Entry& entry, TimePoint now) const;

    static constexpr Duration kActive = std::chrono::milliseconds{250};

    Profile profile_;
    Path current_;
    std::string obstacle_;
    std::vector<Entry> entries_;
    TimePoint moved_at_;
    TimePoint last_traffic_{};
    std::optional<Path> offered_;  // by which the peer asked to leave the path in use
    TimePoint offered_at_{};
};

}  // namespace muster::link
