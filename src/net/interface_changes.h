#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "muster/interface_changes.h"
#include "muster/time.h"

namespace muster::net {

/// Compares two lists, both sorted by index.
InterfaceDiff diff(const std::vector<Interface>& before, const std::vector<Interface>& after);

/// True if datagrams can leave by it now: up, with carrier, and with an address that is not tentative.
bool is_usable(const Interface& interface);

/// The interfaces Muster works on: all usable ones but loopback; loopback only if there is no other.
std::vector<Interface> eligible_interfaces(const std::vector<Interface>& interfaces);

struct DebounceOptions {
    /// A change is delivered when nothing has changed for so long. Plugging in a cable makes some 20 kernel
    /// messages within a few milliseconds: half of this would deliver them in several pieces.
    Duration quiet = std::chrono::milliseconds{5};
    /// ... or when the oldest undelivered change is so old, if they never stop.
    Duration max_delay = std::chrono::milliseconds{50};
    /// Losses and the first change after a quiet time are delivered at once, as long as they come no faster
    /// than this many per second: an interface that flaps must not keep everybody busy.
    std::uint32_t immediate_per_second = 20;
    /// An interface with carrier that has no address yet but link-local ones is not settled, however quiet it is: DHCP takes longer.
    /// It waits for max_delay. Not for whom a link-local address is enough.
    bool waits_for_addresses = false;
};

/// Decides when changes of interfaces are told: what is lost at once, for a failover waits for it; what is
/// gained when it has settled. An engine: snapshots and time in, changes and a deadline out.
class InterfaceDebouncer {
public:
    struct Delivery {
        InterfaceSnapshot snapshot;
        InterfaceDiff diff;  ///< Against the delivery before.
    };

    InterfaceDebouncer(const DebounceOptions& options, std::vector<Interface> interfaces, TimePoint now);

    /// The kernel's state has changed to `interfaces` (sorted by index).
    std::optional<Delivery> on_change(std::vector<Interface> interfaces, TimePoint now);
    std::optional<Delivery> on_timer(TimePoint now);
    /// When to call on_timer; kNever if there is nothing to tell.
    TimePoint next_wakeup() const;

    /// As last delivered.
    const InterfaceSnapshot& delivered() const { return delivered_; }

private:
    const std::vector<Interface>& latest() const;
    bool take_token(TimePoint now);
    std::optional<Delivery> deliver(std::vector<Interface> interfaces);

    DebounceOptions options_;
    InterfaceSnapshot delivered_;
    std::vector<Interface> undelivered_;  // the kernel's state, while it is not what was delivered
    TimePoint first_pending_ = kNever;    // when the oldest undelivered change came; kNever: there is none
    TimePoint last_change_;
    bool is_unsettled_ = false;  // the latest change, if we wait for addresses
    double tokens_;
    TimePoint tokens_at_;
};

}  // namespace muster::net
