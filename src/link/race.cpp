#include "link/race.h"

#include <algorithm>
#include <functional>

#include "base/duration_text.h"

namespace muster::link {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxCandidates = 64;  // 16 interfaces x 4 addresses
constexpr std::size_t kMaxParallelHandshakes = 3;
// A device that answers probes and then falls silent must not keep the place of an honest one until
// QUIC gives up. Three repetitions of a lost first packet fit in; a coordinator that is slower than
// that gets more of them.
constexpr Duration kHandshakePlace = 500ms;
// Pause after a refusal, doubled three times and spread up to the double: those who were refused together
// must not come back together. The first gives a coordinator time for a hundred handshakes.
constexpr Duration kRefusalPause = 50ms;
constexpr int kMostDoublings = 3;
// A handshake on a LAN takes 1 to 3 ms; one that needs longer lost a packet, and then the next path
// may start beside it.
constexpr Duration kHandshakeStagger = 60ms;
// Pauses between probes of one candidate: quick at first, because the first packet after link-up is often
// lost to address resolution; then slow, because by then the path is dead more likely than unlucky.
constexpr Duration kProbePauses[] = {20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1000ms};

}  // namespace

Race::Race(RaceOptions options, Randomness& random, ProbeBudget& budget, TimePoint now)
    : options_(options), random_(random), budget_(budget), deadline_(now + options_.patience) {}

void Race::add(const Path& path, TimePoint now, NamedBy by) {
    Candidate* place = place_for(path);
    if (!place) return;
    *place = {.path = path,
              .by = by,
              .nonce = random_.next(),
              .first_probe = now,
              .next_probe = now,
              .asked = now,
              .finding = {}};
}

std::vector<Race::CandidateIndex> Race::renew(TimePoint now) {
    std::vector<CandidateIndex> hung;
    for (CandidateIndex i = 0; i < candidates_.size(); ++i) {
        Candidate& candidate = candidates_[i];
        const bool was_ruled_out = candidate.state == State::failed && candidate.probes == 0;
        const bool shakes_hands = candidate.state == State::shaking_hands;
        const bool has_hung = shakes_hands && now - candidate.handshake_began >= kHandshakePlace;
        if (was_ruled_out || candidate.state == State::answered || (shakes_hands && !has_hung)) continue;
        if (has_hung) hung.push_back(i);
        candidate.state = State::probing;
        candidate.quick_probes = 0;
        candidate.next_probe = candidate.asked = now;
    }
    return hung;
}

// Null if the path is in the race, or there is no room for it.
Race::Candidate* Race::place_for(const Path& path) {
    const auto known = std::ranges::find(candidates_, path, &Candidate::path);
    if (known != candidates_.end()) {
        const bool was_ruled_out = known->state == State::failed && known->probes == 0;
        return was_ruled_out ? &*known : nullptr;
    }
    if (candidates_.size() < kMaxCandidates) return &candidates_.emplace_back();
    // What failed goes first, then what is silent, then what answered but has not shaken hands;
    // of equals the oldest.
    const auto worth = [](const Candidate& each) {
        const bool stays = each.by == NamedBy::owner || each.state == State::shaking_hands;
        const int rank = stays ? 3 : each.state == State::answered ? 2 : each.state == State::probing ? 1 : 0;
        return std::pair{rank, each.first_probe};
    };
    const auto least = std::ranges::min_element(candidates_, {}, worth);
    return worth(*least).first == 3 ? nullptr : &*least;
}

void Race::rule_out(const Path& path, std::string why) {
    const auto known = std::ranges::find(candidates_, path, &Candidate::path);
    if (known != candidates_.end()) {
        if (known->state != State::probing) return;
        known->state = State::failed;
        known->probes = 0;  // so that it may be added again
        known->finding = std::move(why);
        return;
    }
    if (candidates_.size() >= kMaxCandidates) return;
    candidates_.push_back(
        {.path = path, .state = State::failed, .by = NamedBy::anybody, .finding = std::move(why)});
}

std::vector<Race::Probe> Race::due_probes(TimePoint now) {
    using Use = ProbeBudget::Use;
    std::vector<Probe> due;
    for (const Use use : {Use::first, Use::repeat}) {
        for (Candidate& candidate : candidates_) {
            const bool is_first = candidate.probes == 0;
            if (candidate.state != State::probing || candidate.next_probe > now) continue;
            if (is_first != (use == Use::first)) continue;
            if (candidate.by == NamedBy::owner || budget_.take(use, now)) {
                probe(candidate, now, due);
            } else {
                candidate.next_probe = budget_.next(use, now);
            }
        }
    }
    return due;
}

void Race::probe(Candidate& candidate, TimePoint now, std::vector<Probe>& due) {
    due.push_back({candidate.path, candidate.nonce});
    const auto step =
        std::min<std::size_t>(static_cast<std::size_t>(candidate.quick_probes), std::size(kProbePauses) - 1);
    candidate.next_probe = now + std::min(kProbePauses[step], options_.longest_pause);
    candidate.last_probe = now;
    ++candidate.probes;
    ++candidate.quick_probes;
}

Race::Reply Race::on_reply(std::uint64_t nonce, const Path& from, const DeviceId& responder, TimePoint now) {
    const auto found = std::ranges::find(candidates_, nonce, &Candidate::nonce);
    if (found == candidates_.end() || found->state != State::probing) return Reply::ignored;
    if (from.remote.address != found->path.remote.address || from.remote.port != found->path.remote.port)
        return Reply::ignored;
    if (found->by == NamedBy::anybody) budget_.give_back(found->probes);
    if (options_.expected && responder != *options_.expected) {
        found->state = State::failed;
        found->finding = "another device answers there: " + responder.short_string();
        stranger_ = responder;
        return Reply::stranger;
    }
    found->state = State::answered;
    found->path = from;  // now with the local address and interface that really carried it
    found->rtt = now - found->asked;
    return Reply::answered;
}

// No sooner than the first repetition anyway would: greetings can be forged.
void Race::on_greeting(const Path& from, TimePoint now) {
    for (Candidate& candidate : candidates_) {
        const Endpoint& there = candidate.path.remote;
        const bool is_it = there.address == from.remote.address && there.port == from.remote.port;
        if (!is_it || candidate.state != State::probing) continue;
        candidate.next_probe =
            std::min(candidate.next_probe, std::max(now, candidate.last_probe + kProbePauses[0]));
    }
}

std::optional<Race::CandidateIndex> Race::next_handshake(TimePoint now) {
    if (now < next_place()) return std::nullopt;
    std::optional<CandidateIndex> best;
    for (CandidateIndex i = 0; i < candidates_.size(); ++i) {
        if (candidates_[i].state != State::answered || now < candidates_[i].next_handshake) continue;
        if (!best || candidates_[i].rtt < candidates_[*best].rtt) best = i;
    }
    if (!best) return std::nullopt;
    candidates_[*best].state = State::shaking_hands;
    candidates_[*best].handshake_began = now;
    next_start_ = now + kHandshakeStagger;
    return best;
}

void Race::on_handshake_failed(CandidateIndex candidate, std::string why, TimePoint now) {
    candidates_[candidate].state = State::failed;
    candidates_[candidate].finding = std::move(why);
    next_start_ = now;
}

void Race::on_handshake_refused(CandidateIndex candidate, std::string why, TimePoint now) {
    Candidate& refused = candidates_[candidate];
    const Duration pause = kRefusalPause * (1 << std::min(refused.refusals++, kMostDoublings));
    refused.state = State::answered;
    refused.finding = std::move(why);
    refused.next_handshake = now + uniform(random_, pause, 2 * pause);
    next_start_ = now;
}

std::vector<Path> Race::paths() const {
    std::vector<Path> all;
    for (const Candidate& candidate : candidates_)
        if (candidate.probes > 0) all.push_back(candidate.path);
    return all;
}

std::vector<Path> Race::silent_paths() const {
    std::vector<Path> silent;
    for (const Candidate& candidate : candidates_)
        if (candidate.state == State::probing && candidate.by == NamedBy::owner)
            silent.push_back(candidate.path);
    return silent;
}

TimePoint Race::next_place() const {
    std::vector<TimePoint> began;
    for (const Candidate& candidate : candidates_)
        if (candidate.state == State::shaking_hands) began.push_back(candidate.handshake_began);
    if (began.size() < kMaxParallelHandshakes) return next_start_;
    const auto oldest_to_count = began.begin() + kMaxParallelHandshakes - 1;
    std::ranges::nth_element(began, oldest_to_count, std::greater{});
    return std::max(next_start_, *oldest_to_count + kHandshakePlace);
}

TimePoint Race::next_wakeup() const {
    TimePoint next = deadline_;
    const TimePoint place = next_place();
    for (const Candidate& candidate : candidates_) {
        if (candidate.state == State::probing) next = std::min(next, candidate.next_probe);
        if (candidate.state == State::answered)
            next = std::min(next, std::max(place, candidate.next_handshake));
    }
    return next;
}

bool Race::is_over(TimePoint now) const {
    return now >= deadline_ || (sealed_ && count(State::failed) == candidates_.size());
}

std::string Race::describe(const Candidate& candidate, TimePoint now) const {
    switch (candidate.state) {
        case State::probing:
            return "no answer to " + std::to_string(candidate.probes) + " probes in " +
                   in_milliseconds(now - candidate.first_probe);
        case State::answered:
            return "answered in " + in_milliseconds(candidate.rtt) +
                   (candidate.refusals == 0 ? "" : ", then: " + candidate.finding);
        case State::shaking_hands:
            return "answered in " + in_milliseconds(candidate.rtt) + ", handshake not finished";
        case State::failed: return candidate.finding;
    }
    return candidate.finding;
}

std::size_t Race::count(State state) const {
    return static_cast<std::size_t>(std::ranges::count(candidates_, state, &Candidate::state));
}

std::vector<Evidence> Race::evidence(TimePoint now) const {
    std::vector<Evidence> seen;
    seen.reserve(candidates_.size());
    for (const Candidate& candidate : candidates_)
        seen.push_back({candidate.probes > 0 ? "probe" : "candidate", candidate.path.to_string(),
                        describe(candidate, now)});
    return seen;
}

Error Race::failure(TimePoint now) const {
    if (stranger_ && options_.expected) {
        Error error{Errc::untrusted, "the device that answers is " + stranger_->short_string() + "..., not " +
                                         options_.expected->short_string() + "..."};
        for (auto& seen : evidence(now)) error.saw(std::move(seen));
        return error;
    }
    const bool handshake =
        std::ranges::any_of(candidates_, [](const Candidate& c) { return c.rtt > Duration{}; });
    Error error =
        handshake ? Error{Errc::handshake_failed, "a path answered, but the handshake on it did not succeed"}
                  : Error{Errc::unreachable,
                          "none of " + std::to_string(candidates_.size()) + " candidates answered"};
    for (auto& seen : evidence(now)) error.saw(std::move(seen));
    if (!handshake)
        error.cure(
            "check that the coordinator still runs, that both devices share a network, and that no firewall "
            "drops UDP");
    return error;
}

}  // namespace muster::link
