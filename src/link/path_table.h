#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "link/known_path.h"
#include "link/verdict.h"

#include "muster/interface.h"
#include "muster/profile.h"
#include "muster/time.h"

namespace muster::link {

/// An order to go to another path, and what speaks for it.
struct Move {
    Path to;
    std::string why;            ///< "eth0 has no carrier", "no answer for 43 ms"
    bool is_urgent = false;     ///< The path in use does not serve any more.
    Fault fault = Fault::none;  ///< Of the path in use.
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

/// A path has begun to answer, or does not serve any more.
struct PathNews {
    Path path;
    bool is_proven = false;
    bool is_current = false;
    Duration round_trip{};
    Fault fault = Fault::none;  ///< Of one that does not serve,
    std::string why;            ///< and what says so.
    Duration silence{};
};

/// The paths by which the dialer of a link may reach its peer: asks each whether it carries packets there and back,
/// and says when the link should go to another one. An engine; knows nothing of QUIC, keys or sockets. Questions are
/// heartbeats, numbered by the link. A table with nothing but the path in use asks nothing.
class PathTable {
public:
    using Index = std::size_t;  ///< Valid until the next call that is not const.

    PathTable(Profile profile, const Path& current, TimePoint now);

    /// These may work, and no others but what has answered lately. At the limit of 64, what is not ready and has been
    /// silent for the most questions makes room.
    void offer(std::span<const OfferedPath> paths, TimePoint now);
    /// The interfaces as they are now: paths over what cannot carry packets rest; those that can again are asked
    /// at once.
    void on_interfaces(std::span<const Interface> interfaces);
    /// The link itself carries traffic: the path in use is asked in short intervals. True if it did not before.
    bool on_traffic(TimePoint now);
    /// The peer can no longer use the path of the link, and asks for another: best the one by which it says so. Copies
    /// of one request have the same number, and count once.
    void on_leave_request(const Path& from, std::uint64_t number, TimePoint now);

    /// A path to ask now. Say on_asked() before the next call.
    std::optional<Index> next_question(TimePoint now) const;
    /// The path in use; none while it has lost its own address.
    std::optional<Index> current_index() const;
    const Path& path(Index index) const { return paths_[index].path; }
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
    const Obstacle& obstacle() const { return obstacle_; }
    /// Whether a path that the kernel says nothing against has answered before, or has not been asked yet.
    bool has_hope() const;
    /// The path in use has been silent for longer than it should.
    bool is_doubtful(TimePoint now) const;
    /// Over how many interfaces the peer used to answer and is silent now; 0 if one path is ready.
    unsigned silent_ways(TimePoint now) const;
    /// What the peer says of its own end of the path in use.
    Fault told() const { return offered_ ? told_ : Fault::none; }
    TimePoint next_wakeup(TimePoint now) const;
    /// Of the path in use, smoothed; 0 before the first answer.
    Duration round_trip() const;
    std::vector<PathFacts> facts(TimePoint now) const;
    /// Which path answers now, or does not any more, and has not been told of yet. Call until there is none.
    std::optional<PathNews> take_news(TimePoint now);

private:
    static constexpr Duration kActive = std::chrono::milliseconds{250};

    KnownPath* find(const Path& path);
    const KnownPath* find(const Path& path) const;
    const KnownPath* here() const { return find(current_); }
    bool has_obstacle() const { return !obstacle_.is_empty(); }
    bool is_alone() const { return paths_.size() == 1 && paths_[0].path == current_; }
    bool is_active(TimePoint now) const { return now - last_traffic_ < kActive; }
    bool is_searching(TimePoint now) const;
    bool may_ask(const KnownPath& path) const;
    Duration pause_of(const KnownPath& path, bool searching, TimePoint now) const;
    Duration pause_of_full(const KnownPath& path, TimePoint now) const;
    void add(const OfferedPath& offered, TimePoint now);
    bool make_room(TimePoint now);
    std::optional<Path> best(TimePoint proven_since, TimePoint now) const;
    std::optional<Move> way_out(TimePoint now) const;
    bool is_worth_it(const KnownPath& path, const KnownPath& than, TimePoint now) const;
    std::string describe(const KnownPath& path, TimePoint now) const;

    PathPace pace_;
    Path current_;
    Obstacle obstacle_;
    std::vector<KnownPath> paths_;
    TimePoint moved_at_;
    TimePoint last_traffic_ = KnownPath::kLongAgo;
    std::optional<Path> offered_;  // by which the peer asked to leave the path in use
    TimePoint offered_at_{};
    Fault told_ = Fault::none;                    // why, as the peer says
    std::uint64_t last_request_ = 0;              // to leave
    TimePoint refused_since_ = kNever;            // moves, by QUIC
    TimePoint not_before_ = KnownPath::kLongAgo;  // the next move
};

}  // namespace muster::link
