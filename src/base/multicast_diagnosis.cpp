#include "muster/multicast_diagnosis.h"

#include "muster/text.h"

namespace muster {

std::string_view to_string(MulticastCause cause) noexcept {
    using enum MulticastCause;
    switch (cause) {
        case switch_forgot: return "switch_forgot";
        case not_joined: return "not_joined";
        case joined_elsewhere: return "joined_elsewhere";
        case sender_elsewhere: return "sender_elsewhere";
        case rp_filter: return "rp_filter";
        case firewall: return "firewall";
        case source_filter: return "source_filter";
        case bound_to_unicast: return "bound_to_unicast";
        case bound_to_other_interface: return "bound_to_other_interface";
        case not_own_membership: return "not_own_membership";
        case buffer_full: return "buffer_full";
        case port_shared: return "port_shared";
        case blocked: return "blocked";
        case link_down: return "link_down";
        case nobody_listens: return "nobody_listens";
        case wrong_port: return "wrong_port";
        case no_sender: return "no_sender";
    }
    return "no_sender";
}

std::string_view cure_of(MulticastCause cause) noexcept {
    using enum MulticastCause;
    switch (cause) {
        case switch_forgot:
            return "switch a querier on in the network (in a switch, or a multicast router), or snooping "
                   "off; a program "
                   "on Muster's MulticastGroup announces itself afresh";
        case not_joined:
            return "join the group on the interface by which it comes, by its index, and again whenever an "
                   "interface appears: one that was made anew has no memberships; and look at what the join "
                   "returns: one socket may join so many groups (net.ipv4.igmp_max_memberships)";
        case joined_elsewhere:
            return "join on the interface by which it comes, by its index: \"any interface\" is the one of "
                   "the default "
                   "route";
        case sender_elsewhere:
            return "make the sender name its interface (IP_MULTICAST_IF, IPV6_MULTICAST_IF), or join where "
                   "it comes";
        case rp_filter:
            return "add a route to the sender by this interface, or relax the filter: sysctl "
                   "net.ipv4.conf.INTERFACE.rp_filter=2, and the same for `all`";
        case firewall:
            return "allow UDP to the group and port in the packet filter: look at `nft list ruleset`";
        case source_filter: return "join for this sender as well, or for any";
        case bound_to_unicast:
            return "bind the socket to the group or to the unspecified address, and the port";
        case bound_to_other_interface:
            return "bind the socket to the interface by which it comes (SO_BINDTODEVICE), or to none";
        case not_own_membership: return "join the group with the socket that is to receive it";
        case buffer_full:
            return "read faster, in a thread of its own, or enlarge the buffer (SO_RCVBUF, "
                   "net.core.rmem_max)";
        case port_shared:
            return "nothing, if only what is sent to the group counts; for answers by unicast, bind one "
                   "socket to the "
                   "port alone, or send from another port";
        case blocked: return "allow the program multicast in this machine's policy";
        case link_down: return "plug the cable in, join the Wi-Fi again, or switch the interface on";
        case nobody_listens: return "start the program that is to receive it, or look at its port";
        case wrong_port: return "make sender and receiver agree on the port";
        case no_sender:
            return "look whether the sender runs, sends to this group and port by the right interface, and "
                   "whether its "
                   "hop limit (TTL) reaches here; then at the switches and access points between both";
    }
    return "";
}

std::string MulticastDiagnosis::explain() const {
    std::string text = arrives            ? "it arrives"
                       : findings.empty() ? "nothing was found out"
                                          : "it does not arrive";
    for (const MulticastFinding& each : findings) {
        text += "\n  " + std::string{to_string(each.cause)};
        if (!each.interface.empty()) text += " on " + printable(each.interface);
        text += ": " + printable(each.signal) + "\n    What to do: " + std::string{cure_of(each.cause)};
    }
    for (const auto& [phase, subject, finding] : seen)
        text += "\n  seen: " + printable(phase) + " " + printable(subject) + ": " + printable(finding);
    for (const std::string& each : unseen) text += "\n  not seen: " + printable(each);
    return text;
}

}  // namespace muster
