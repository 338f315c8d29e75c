#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/random.h"
#include "link/link_engine.h"

#include "muster/endpoint.h"
#include "muster/interface.h"
#include "muster/profile.h"

namespace muster::node {

/// How a member finds its coordinator again when the link is lost: races over all endpoints that are known of it, one
/// after another, for as long as its session waits for a link. Has no patience of its own. An engine; one strand.
class Redial {
public:
    enum class Need : std::uint8_t {
        none,     ///< A link carries the session, or nobody waits for one.
        pending,  ///< A link is up, and the session is about to move to it.
        link,
    };

    /// All of these must outlive it; `interfaces` are those of now.
    Redial(link::LinkEngine& links, const std::vector<Interface>& interfaces, Randomness& random,
           Profile profile)
        : links_(links), interfaces_(interfaces), random_(random), profile_(profile) {}

    /// Only this device will do. None before the first link.
    const std::optional<DeviceId>& coordinator() const { return coordinator_; }
    /// The coordinator may be there. What anybody named is kept up to a limit of 48, of which the oldest go, and is
    /// tried only where it is a neighbour.
    void know(std::span<const Endpoint> endpoints, link::NamedBy by, TimePoint now);
    /// The coordinator itself says that it can be reached there. Like what anybody names, it is tried only where it is a
    /// neighbour: nobody can make members send to strangers.
    void on_told(std::span<const Endpoint> endpoints, TimePoint now);
    /// A link to the coordinator stands; no dial runs any more.
    void on_link_up(const DeviceId& peer, const Endpoint& at, TimePoint now);
    /// A link to it goes over this endpoint now.
    void on_reached(const Endpoint& at);
    /// True if it was ours: the next race has begun.
    bool on_dial_failed(link::DialId dial, const Error& why, TimePoint now);
    /// The interfaces have changed: all that is known is probed again at once.
    void on_interfaces(TimePoint now);
    /// Call after every batch of inputs: begins and ends the search.
    void tend(Need need, TimePoint now);
    TimePoint next_wakeup() const;
    /// Every path on which the coordinator may be reached now.
    std::vector<link::OfferedPath> paths() const;
    /// What was tried since the link was lost, and what came of it in the last race.
    std::vector<Evidence> tried() const;

private:
    template <class Visit>
    void each_endpoint(Visit visit) const;
    void begin(TimePoint now);
    void aim(TimePoint now);
    void remember(std::vector<Endpoint>& list, const Endpoint& endpoint, std::size_t limit);

    link::LinkEngine& links_;
    const std::vector<Interface>& interfaces_;
    Randomness& random_;
    Profile profile_;
    std::optional<DeviceId> coordinator_;
    std::vector<Endpoint> given_;    // by the user or a pin
    std::vector<Endpoint> reached_;  // where a link stood, latest last
    std::vector<Endpoint> told_;     // by the coordinator itself
    std::vector<Endpoint> named_;    // by anybody, latest last
    Need need_ = Need::none;
    std::optional<link::DialId> dial_;
    TimePoint since_{};       // of the need
    TimePoint not_before_{};  // the next dial
    int fruitless_ = 0;       // links that came up since then
    std::vector<Evidence> tried_;
};

}  // namespace muster::node
