#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "muster/error.h"

namespace muster {

/// Why a program does not get what is sent to a multicast group. The names are stable and appear in JSON; each one is
/// described in docs/MULTICAST.md.
enum class MulticastCause : std::uint8_t {
    switch_forgot,  ///< It comes only after the membership was announced afresh: a switch had forgotten it.
    not_joined,  ///< It comes, and nobody here has joined the group: not at all, or on an interface that was made anew.
    joined_elsewhere,  ///< It comes by one interface, and the group is joined on another.
    sender_elsewhere,  ///< The same, and the sender belongs to the network of the other one: it sends by the wrong interface.
    rp_filter,         ///< The kernel drops it since the way back to the sender leads elsewhere.
    firewall,          ///< A packet filter of this machine drops it.
    source_filter,     ///< The group is joined for other senders only.
    bound_to_unicast,  ///< The program's socket is bound to an address that is neither "any" nor the group.
    bound_to_other_interface,  ///< The program's socket is bound to another interface.
    not_own_membership,  ///< Only another program has joined, and this one's socket takes no part (IP_MULTICAST_ALL off).
    buffer_full,     ///< The program does not read, or not fast enough.
    port_shared,     ///< Several programs have the port: only one of them gets answers by unicast.
    blocked,         ///< A policy of this machine refuses the join.
    link_down,       ///< The interface on which it is joined is off or has no carrier.
    nobody_listens,  ///< No program has a socket with this port.
    wrong_port,      ///< It comes, to another port.
    no_sender,       ///< Nothing comes: nobody sends, or it is lost on the way here.
};

/// "switch_forgot", ...: stable, for programs.
std::string_view to_string(MulticastCause cause) noexcept;
/// What a person can do about it, in a sentence.
std::string_view cure_of(MulticastCause cause) noexcept;

/// One cause, and by what it was recognised.
struct MulticastFinding {
    MulticastCause cause = MulticastCause::no_sender;
    std::string interface;  ///< By which it comes, or should; empty if that does not matter.
    std::string signal;     ///< What was seen, in a sentence.

    bool operator==(const MulticastFinding&) const = default;
};

/// What became of an examination. A value.
struct MulticastDiagnosis {
    bool arrives = false;  ///< It comes, and nothing is in its way to the programs that listen.
    std::vector<MulticastFinding> findings;  ///< What is in the way, and what else is wrong.
    std::vector<Evidence> seen;              ///< The facts by interface and by socket.
    std::vector<std::string> unseen;         ///< What could not be looked at, and what that would take.

    bool operator==(const MulticastDiagnosis&) const = default;

    /// Several lines for a person.
    std::string explain() const;
};

}  // namespace muster
