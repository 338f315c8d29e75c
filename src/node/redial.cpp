#include "node/redial.h"

#include <algorithm>

#include "base/interfaces.h"
#include "link/candidates.h"

namespace muster::node {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxNamed = 48;  // as many as in the first search
constexpr std::size_t kMaxReached = 4;
constexpr unsigned kCostOfRouting = 1;  // what needs no router comes first
// One race before the next begins with fresh probes and forgets handshakes that hang. Four lost first packets of a
// handshake fit in.
constexpr Duration kRacePatience = 3s;
// Pause between links that come up and do not carry the session on: whoever has no room for us, or answers nonsense,
// is not to be asked a hundred times a second. Doubled four times, and spread up to the double.
constexpr Duration kFruitlessPause = 50ms;
constexpr int kMostDoublings = 4;
// A coordinator whose own cable comes back is found by the next probe and by nothing else. So the pauses between probes
// are a small part of what the outage has taken already, and no shorter than:
constexpr int kShareOfOutage = 256;
constexpr Duration kLongestPause = 1s;

bool is_on_link(const Interface& interface, const IpAddress& address) {
    return address.is_link_local() ||
           std::ranges::any_of(interface.addresses,
                               [&](const InterfaceAddress& own) { return in_subnet(own, address); });
}

Duration shortest_pause(Profile profile) {
    switch (profile) {
        case Profile::realtime: return 40ms;  // its heartbeats
        case Profile::balanced: return 100ms;
        case Profile::low_power: return kLongestPause;
    }
    return kLongestPause;
}

}  // namespace

void Redial::know(std::span<const Endpoint> endpoints, link::NamedBy by, TimePoint now) {
    const bool is_owner = by == link::NamedBy::owner;
    for (const Endpoint& endpoint : endpoints)
        remember(is_owner ? given_ : named_, endpoint, is_owner ? given_.size() + 1 : kMaxNamed);
    aim(now);
}

void Redial::on_told(std::span<const Endpoint> endpoints, TimePoint now) {
    told_.clear();
    for (const Endpoint& endpoint : endpoints)
        if (!endpoint.address.is_loopback()) told_.push_back(endpoint);
    aim(now);
}

void Redial::remember(std::vector<Endpoint>& list, const Endpoint& endpoint, std::size_t limit) {
    if (std::ranges::find(list, endpoint) != list.end()) return;
    if (list.size() >= limit) list.erase(list.begin());
    list.push_back(endpoint);
}

void Redial::on_link_up(const DeviceId& peer, const Endpoint& at, TimePoint now) {
    coordinator_ = peer;
    on_reached(at);
    dial_.reset();
    const Duration pause = kFruitlessPause * (1 << std::min(fruitless_++, kMostDoublings));
    not_before_ = now + uniform(random_, pause, 2 * pause);
}

void Redial::on_reached(const Endpoint& at) {
    std::erase(reached_, at);
    remember(reached_, at, kMaxReached);
}

bool Redial::on_dial_failed(link::DialId dial, const Error& why, TimePoint now) {
    if (dial_ != dial) return false;
    dial_.reset();
    tried_ = why.evidence();
    if (need_ == Need::link) begin(now);
    return true;
}

void Redial::on_interfaces(TimePoint now) {
    aim(now);
    if (dial_) links_.renew(*dial_, now);
}

void Redial::tend(Need need, TimePoint now) {
    if (need_ == Need::none && need != Need::none) {
        since_ = now;
        fruitless_ = 0;
        not_before_ = now;
    }
    if (need == Need::none) tried_.clear();
    need_ = need;
    if (need == Need::link) {
        if (!dial_ && now >= not_before_) begin(now);
    } else if (const auto dial = std::exchange(dial_, std::nullopt)) {
        links_.cancel(*dial);
    }
}

TimePoint Redial::next_wakeup() const { return need_ == Need::link && !dial_ ? not_before_ : kNever; }

std::vector<Evidence> Redial::tried() const {
    if (const auto why = dial_ ? links_.explain(*dial_) : std::nullopt) return why->evidence();
    return tried_;
}

void Redial::begin(TimePoint now) {
    link::RaceOptions race;
    race.expected = coordinator_;
    race.patience = kRacePatience;
    race.longest_pause =
        std::clamp<Duration>((now - since_) / kShareOfOutage, shortest_pause(profile_), kLongestPause);
    dial_ = links_.dial(race, {}, now);
    aim(now);
}

template <class Visit>
void Redial::each_endpoint(Visit visit) const {
    for (const Endpoint& endpoint : reached_) visit(endpoint, link::NamedBy::owner);
    for (const Endpoint& endpoint : given_) visit(endpoint, link::NamedBy::owner);
    for (const auto* list : {&named_, &told_})
        for (const Endpoint& endpoint : *list)
            if (link::is_neighbour(endpoint, interfaces_)) visit(endpoint, link::NamedBy::anybody);
}

std::vector<link::OfferedPath> Redial::paths() const {
    std::vector<link::OfferedPath> all;
    each_endpoint([&](const Endpoint& endpoint, link::NamedBy) {
        const link::Candidates candidates = link::gather(endpoint, interfaces_);
        for (const link::Path& path : candidates.paths) {
            const Interface* interface = find_interface(interfaces_, path.remote.interface);
            const bool is_routed = !interface || !is_on_link(*interface, path.remote.address);
            const unsigned cost = interface ? interface->cost : 0;
            all.push_back({path, 2 * cost + (is_routed ? kCostOfRouting : 0)});
        }
    });
    return all;
}

void Redial::aim(TimePoint now) {
    if (!dial_) return;
    each_endpoint([&](const Endpoint& endpoint, link::NamedBy by) {
        const link::Candidates candidates = link::gather(endpoint, interfaces_);
        links_.add_candidates(*dial_, candidates.paths, now, by);
        for (const auto& [path, why] : candidates.ruled_out) links_.rule_out(*dial_, path, why);
    });
}

}  // namespace muster::node
