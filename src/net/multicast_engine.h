#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/membership_keeper.h"

#include "muster/interface.h"
#include "muster/multicast_status.h"

namespace muster::net {

/// What the system said to a join.
struct JoinAnswer {
    enum class Kind { joined, forbidden, failed };
    Kind kind = Kind::joined;
    std::string why;  ///< Unless joined.
};

/// What the engine does to the world: memberships by interface index.
class MulticastWire {
public:
    virtual ~MulticastWire() = default;
    virtual JoinAnswer join(InterfaceIndex interface) = 0;
    /// Harmless if it is not joined, or gone.
    virtual void leave(InterfaceIndex interface) = 0;
    /// Leaves and joins in one go, which makes the kernel announce the membership afresh.
    virtual JoinAnswer announce(InterfaceIndex interface) = 0;
    /// Whether somebody asks for memberships there in an older version of the protocol, in which announce() says goodbye
    /// before it says hello.
    virtual bool has_older_querier(InterfaceIndex interface) = 0;
};

struct MulticastEngineOptions {
    std::vector<std::string> interfaces;  ///< Selectors; empty: every one.
    std::vector<std::string> prohibit;    ///< Selectors; win over `interfaces`.
    /// It is silent when nothing came for so long, or for longer than its rhythm lets expect, whichever is later.
    Duration silent_after = std::chrono::seconds{1};
    bool look_elsewhere = true;  ///< While it is silent, joins on interfaces that are not chosen, to see.
};

/// One multicast group on all interfaces that are to receive it: joins by index wherever that is possible, follows the
/// interfaces, has memberships announced afresh when switches may have forgotten them, and judges why nothing comes. An
/// engine: interfaces, arrivals and time in; joins (through MulticastWire), a status and a deadline out.
class MulticastEngine {
public:
    /// Sockets are not for free: on no more interfaces than this is the group joined. The chosen ones beyond say so in
    /// `finding`; those that are only watched give way to them.
    static constexpr std::size_t kMostMemberships = 128;

    MulticastEngine(MulticastEngineOptions options, MulticastWire& wire, TimePoint now);

    void on_interfaces(const std::vector<Interface>& interfaces, TimePoint now);
    /// True: it is for the application. False: it came by an interface that was not chosen.
    bool on_datagram(InterfaceIndex interface, std::size_t octets, TimePoint now);
    void on_timer(TimePoint now);
    TimePoint next_wakeup() const;

    MulticastStatus status() const;
    /// True once after each change of the status that is more than counters.
    bool take_change() { return std::exchange(changed_, false); }

private:
    struct Port {
        Interface interface;
        MulticastInterface told;
        bool is_chosen = false;
        std::optional<MembershipKeeper> keeper;  // while joined
        TimePoint retry_at = kNever;             // not before, if the last join failed
        Duration retry_wait{};
    };

    void add(const Interface& interface, Membership wanted, TimePoint now);
    void update(Port& port, const Interface& interface, TimePoint now);
    void remove(InterfaceIndex index);
    Membership wanted_on(const Interface& interface) const;
    void join(Port& port, TimePoint now);
    void leave(Port& port, Membership then);
    void take_answer(Port& port, const JoinAnswer& answer, TimePoint now);
    void end_membership(Port& port);
    void set(Port& port, Membership membership);
    bool has_room() const { return memberships_ < kMostMemberships; }
    void make_room();

    void note(InterfaceIndex index, SilenceCause cause);
    void end_outage(bool is_revived, TimePoint now);
    TimePoint quiet_at() const;
    TimePoint silent_at() const;
    TimePoint elsewhere_until() const;
    std::optional<MulticastState> obstacle() const;
    MulticastState judge(TimePoint now) const;
    SilenceCause why_silent(TimePoint now) const;
    void tend(TimePoint now);
    void look_elsewhere(TimePoint now);

    MulticastEngineOptions options_;
    MulticastWire& wire_;
    std::map<InterfaceIndex, Port> ports_;
    std::size_t memberships_ = 0;  // of all ports

    ArrivalRhythm rhythm_;               // of all chosen interfaces together
    std::optional<TimePoint> heard_at_;  // on a chosen interface, at last
    InterfaceIndex heard_by_ = InterfaceIndex::none;
    SilenceCause noted_ = SilenceCause::none;  // what has happened to that interface since
    TimePoint ready_at_ = kNever;              // since when something could come
    std::optional<TimePoint> elsewhere_at_;    // when it came by an interface that was not chosen

    bool is_alone_ = true;    // there has never been an interface but loopback
    MulticastStatus judged_;  // all but its interfaces
    bool changed_ = true;
};

}  // namespace muster::net
