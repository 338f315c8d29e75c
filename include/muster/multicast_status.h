#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muster/ids.h"
#include "muster/time.h"

namespace muster {

/// How it stands with a multicast group as a whole. The names are stable and appear in JSON.
enum class MulticastState : std::uint8_t {
    listening,                  ///< joined, and too early to say more
    receiving,                  ///< something has come lately on an interface that was chosen
    silent,                     ///< joined, and nothing comes; MulticastStatus::silence says why
    sender_on_other_interface,  ///< it comes, but on an interface that was not chosen
    blocked,  ///< no interface can receive it: all are forbidden, by a policy or the options, or all joins fail
    no_interface,  ///< no chosen interface is there, up and with carrier
};

/// "listening", "receiving", ...: stable, for programs.
std::string_view to_string(MulticastState state) noexcept;

/// Why nothing comes, or came for a while. The names are stable and appear in JSON.
enum class SilenceCause : std::uint8_t {
    none,            ///< It is not silent.
    nothing_yet,     ///< Nothing has come since the group was joined.
    link_down,       ///< The interface it came by was switched off or lost its carrier.
    interface_gone,  ///< The interface it came by does not exist any more.
    address_gone,    ///< The interface it came by has lost an address.
    asking_again,    ///< It stopped a moment ago; the membership is being announced afresh.
    switch_forgot,  ///< It came back right after the membership was announced afresh: a switch had forgotten it.
    sender_paused,  ///< It stopped, and announcing the membership afresh does not bring it back, or it came back by
                    ///< itself: the sender pauses, or something on the way drops it.
};

/// "nothing_yet", "link_down", ...; "" for none.
std::string_view to_string(SilenceCause cause) noexcept;

/// What a person can do about it, in a sentence; empty for none.
std::string_view cure_of(SilenceCause cause) noexcept;

/// What Muster does about a group on one interface.
enum class Membership : std::uint8_t {
    joined,      ///< Member by this interface's index; `carries` says whether anything can come.
    not_chosen,  ///< Not among those that the options name.
    watched,  ///< Not chosen, but joined for a while to see whether the sender is there. Nothing of it is delivered.
    prohibited,  ///< The options forbid it.
    blocked,     ///< The system refuses the join: a policy of this machine.
    failed,      ///< The join failed otherwise; it is tried again. `finding` says why.
    unable,      ///< The interface cannot do multicast.
};

/// "joined", "not_chosen", ...: stable, for programs.
std::string_view to_string(Membership membership) noexcept;

/// A group on one interface. Counters begin when the interface appears.
struct MulticastInterface {
    InterfaceIndex index = InterfaceIndex::none;
    std::string name;      ///< For people.
    bool carries = false;  ///< It is up and has a carrier.
    Membership membership = Membership::joined;
    std::uint64_t datagrams = 0;
    std::uint64_t octets = 0;
    std::uint64_t announcements =
        0;                         ///< How often the membership was announced afresh, not counting the join.
    std::uint64_t overflowed = 0;  ///< Datagrams that the kernel dropped because the receive buffer was full.
    std::optional<TimePoint> last_heard;
    std::string finding;  ///< What the system said to a join that failed; else empty.

    bool operator==(const MulticastInterface&) const = default;
};

/// A time without what should have come, and why.
struct MulticastOutage {
    TimePoint begin{};  ///< When something came last before it.
    Duration length{};
    SilenceCause cause = SilenceCause::none;

    bool operator==(const MulticastOutage&) const = default;
};

/// How it stands with a multicast group. A value.
struct MulticastStatus {
    MulticastState state = MulticastState::listening;
    SilenceCause silence = SilenceCause::none;  ///< Why it is silent; none otherwise.
    TimePoint since{};  ///< Since when `state` holds; when silent, since when nothing came.
    std::vector<MulticastInterface>
        interfaces;             ///< Every one of this machine but loopback unless it is used, by index.
    std::uint64_t outages = 0;  ///< How many times it stopped and came back.
    std::optional<MulticastOutage> last_outage;

    bool operator==(const MulticastStatus&) const = default;

    /// One line for a person: the state, the interfaces that matter, the cause.
    std::string explain() const;
};

}  // namespace muster
