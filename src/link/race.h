#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "link/path.h"
#include "link/probe_budget.h"

#include "muster/error.h"
#include "muster/time.h"

namespace muster::link {

struct RaceOptions {
    RaceOptions() = default;
    std::optional<DeviceId> expected;             ///< Answers of other devices do not count.
    Duration patience = std::chrono::seconds{5};  ///< Bounds the whole race.
    /// The pauses between the probes of one candidate grow up to this one, which is at most a second.
    Duration longest_pause = std::chrono::seconds{1};
};

/// Finds the paths that work: probes every candidate at once, repeats with growing pauses, and says on which
/// one to try a handshake next. One dead candidate never delays another. Knows nothing of QUIC or sockets.
class Race {
public:
    using CandidateIndex = std::size_t;
    struct Probe {
        Path path;
        std::uint64_t nonce = 0;
    };

    enum class Reply {
        ignored,   ///< Not ours, or not believable.
        answered,  ///< By whom we expect.
        stranger,  ///< By another device than expected.
    };

    /// `random` and `budget` must outlive the race.
    Race(RaceOptions options, Randomness& random, ProbeBudget& budget, TimePoint now);

    /// Adds a path to try; known ones are ignored. At the limit of 64 it takes the place of one that anybody
    /// named and that failed, or has been silent for longest; of nobody else's.
    void add(const Path& path, TimePoint now, NamedBy by = NamedBy::owner);
    /// Something has changed on the network: what is silent or has failed is probed again, at once and as quickly as at
    /// first. Returns the candidates whose handshakes have hung, for half a second or longer: they count as failed and
    /// begin anew too.
    std::vector<CandidateIndex> renew(TimePoint now);
    /// Notes a path that is not worth trying (any more), and why. It may be added again.
    void rule_out(const Path& path, std::string why);

    /// The probes to send now; what anybody named takes them from the budget.
    std::vector<Probe> due_probes(TimePoint now);
    /// A reply with this nonce came over `from`.
    Reply on_reply(std::uint64_t nonce, const Path& from, const DeviceId& responder, TimePoint now);
    /// Somebody says unasked that it is there: what is probed there is probed again soon.
    void on_greeting(const Path& from, TimePoint now);
    /// Whether anybody has answered who is still in the race.
    bool has_answer() const { return count(State::answered) + count(State::shaking_hands) > 0; }
    /// The candidate to start a handshake on now, if any. The next one may start after a pause; up to three
    /// at a time hold the others back, and each of them only for half a second.
    std::optional<CandidateIndex> next_handshake(TimePoint now);
    void on_handshake_failed(CandidateIndex candidate, std::string why, TimePoint now);
    /// The other end has no room now: this candidate gets another turn after a pause.
    void on_handshake_refused(CandidateIndex candidate, std::string why, TimePoint now);

    /// All that was tried, and of them those that the owner named and nobody has answered on.
    std::vector<Path> paths() const;
    std::vector<Path> silent_paths() const;
    const Path& path(CandidateIndex candidate) const { return candidates_[candidate].path; }
    TimePoint next_wakeup() const;
    /// True when patience is over, or when every candidate has failed and `no_more_coming` was said.
    bool is_over(TimePoint now) const;
    /// Nobody will add candidates any more: fail as soon as all have failed.
    void no_more_coming() { sealed_ = true; }
    /// What was tried and what came of it; the reason for the failure as far as it can be told.
    Error failure(TimePoint now) const;
    std::vector<Evidence> evidence(TimePoint now) const;

private:
    enum class State { probing, answered, shaking_hands, failed };
    struct Candidate {
        Path path;
        State state = State::probing;
        NamedBy by = NamedBy::owner;
        std::uint64_t nonce = 0;
        int probes = 0;
        int quick_probes = 0;  // since it was added or renewed
        int refusals = 0;
        TimePoint first_probe{}, last_probe{}, next_probe{};
        TimePoint asked{};           // since when an answer may come: the round trip counts from here
        TimePoint next_handshake{};  // not before
        TimePoint handshake_began{};
        Duration rtt{};
        std::string finding;
    };

    Candidate* place_for(const Path& path);
    void probe(Candidate& candidate, TimePoint now, std::vector<Probe>& due);
    std::string describe(const Candidate& candidate, TimePoint now) const;
    std::size_t count(State state) const;
    /// From when on another handshake may start beside those that run.
    TimePoint next_place() const;

    RaceOptions options_;
    Randomness& random_;
    ProbeBudget& budget_;
    TimePoint deadline_;
    TimePoint next_start_{};  // a further handshake may start from here on
    bool sealed_ = false;
    std::optional<DeviceId> stranger_;  // answered in place of the expected device
    std::vector<Candidate> candidates_;
};

}  // namespace muster::link
