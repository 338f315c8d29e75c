#include "muster/why_answer.h"

#include <utility>

#include "muster/text.h"

namespace muster {

std::string_view to_string(WhyCause cause) noexcept {
    using enum WhyCause;
    switch (cause) {
        case name_unknown: return "name_unknown";
        case no_scope: return "no_scope";
        case interface_missing: return "interface_missing";
        case interface_down: return "interface_down";
        case no_carrier: return "no_carrier";
        case no_address: return "no_address";
        case address_tentative: return "address_tentative";
        case address_duplicate: return "address_duplicate";
        case ipv6_disabled: return "ipv6_disabled";
        case no_route: return "no_route";
        case blackhole: return "blackhole";
        case prohibit: return "prohibit";
        case unreachable: return "unreachable";
        case rule_forbids: return "rule_forbids";
        case same_subnet: return "same_subnet";
        case default_elsewhere: return "default_elsewhere";
        case vpn: return "vpn";
        case foreign_source: return "foreign_source";
        case own_firewall_out: return "own_firewall_out";
        case own_firewall_in: return "own_firewall_in";
        case rp_filter: return "rp_filter";
        case gateway_silent: return "gateway_silent";
        case host_silent: return "host_silent";
        case router_refuses: return "router_refuses";
        case filtered: return "filtered";
        case port_closed: return "port_closed";
        case lost_beyond: return "lost_beyond";
        case mtu_black_hole: return "mtu_black_hole";
        case own_address: return "own_address";
    }
    return "no_route";
}

std::string_view to_string(WhyCertainty certainty) noexcept {
    switch (certainty) {
        case WhyCertainty::certain: return "certain";
        case WhyCertainty::likely: return "likely";
        case WhyCertainty::possible: return "possible";
    }
    return "possible";
}

namespace {

/// For what happens to packets that leave, or should.
std::string_view cure_on_the_way(WhyCause cause) noexcept {
    using enum WhyCause;
    switch (cause) {
        case own_firewall_out:
        case own_firewall_in:
            return "allow it in this machine's packet filter: nft list ruleset, iptables-save";
        case rp_filter:
            return "add a route to the host by the interface by which its answers come, or relax the filter: "
                   "sysctl "
                   "net.ipv4.conf.NAME.rp_filter=2, and the same for `all`";
        case gateway_silent: return "is the router switched on, on this link, and at this address?";
        case host_silent: return "is it switched on, on this link, and at this address?";
        case router_refuses: return "ask whoever runs that router: it has no way there";
        case filtered: return "open the port in the packet filter of the host, or of the network in between";
        case port_closed:
            return "start the program that is to listen there, or look at its port and its address";
        case lost_beyond:
            return "is the host switched on, and does its network know a way back to the source address? "
                   "traceroute "
                   "shows how far packets get";
        case mtu_black_hole:
            return "let ICMP \"too big\" pass on the way, or lower the MTU: ip link set NAME mtu 1280";
        case own_address:
            return "nothing, if this machine is meant; otherwise look at the address of the other one";
        default: return "";  // cure_of() has it
    }
}

}  // namespace

std::string_view cure_of(WhyCause cause) noexcept {
    using enum WhyCause;
    switch (cause) {
        case name_unknown:
            return "check the name and the DNS servers (muster path shows them), or give an address";
        case no_scope: return "name the interface, as in fe80::1%eth0, or with --interface";
        case interface_missing:
            return "look for its name with muster interfaces; plug it in, or load its driver";
        case interface_down: return "switch it on: ip link set NAME up";
        case no_carrier: return "plug the cable in, or join the Wi-Fi network";
        case no_address:
            return "start DHCP on it, or give it an address of its own on that network: ip addr add "
                   "ADDRESS/LENGTH "
                   "dev NAME";
        case address_tentative:
            return "wait a second or two; an address that is set with nodad is used at once";
        case address_duplicate:
            return "give this device or the other one a different address; ip -6 addr shows dadfailed";
        case ipv6_disabled:
            return "switch it on: sysctl net.ipv6.conf.NAME.disable_ipv6=0, and the same for `all`";
        case no_route: return "add a route there, or a default route: ip route add default via GATEWAY";
        case blackhole:
        case prohibit:
        case unreachable:
            return "remove the route, or add a longer one for this host: ip route show table all";
        case rule_forbids: return "remove the rule, or put one before it: ip rule";
        case same_subnet:
            return "bind the socket to the interface by its index, or give the two networks different "
                   "addresses";
        case default_elsewhere:
            return "bind the socket to the interface by its index, or add a route to the host by it: ip "
                   "route add "
                   "HOST dev NAME";
        case vpn:
            return "exclude the host or its network from the VPN, or disconnect it; a route to the host by "
                   "the other "
                   "interface is enough";
        case foreign_source:
            return "give the interface an address of its own on that network, by DHCP or link-local, before "
                   "anything "
                   "is sent";
        case own_firewall_out:
        case own_firewall_in:
        case rp_filter:
        case gateway_silent:
        case host_silent:
        case router_refuses:
        case filtered:
        case port_closed:
        case lost_beyond:
        case mtu_black_hole:
        case own_address: return cure_on_the_way(cause);
    }
    return "";
}

namespace {

std::string way_text(const WhyWay& way) {
    std::string text = "by " + printable(way.interface);
    text += way.gateway ? ", gateway " + way.gateway->to_string() : ", on the link";
    if (way.source) text += ", from " + way.source->to_string();
    if (way.mtu != 0) text += ", MTU " + std::to_string(way.mtu);
    text += "; next hop: " + std::string{to_string(way.next_hop)};
    if (!way.mac.empty()) text += " (" + way.mac + ")";
    return text;
}

}  // namespace

std::string WhyAnswer::explain() const {
    std::string text = printable(target) + (reaches ? ": it answers" : ": no way there, or no way back");
    for (const WhyFinding& each : findings) {
        text += "\n  " + std::string{to_string(each.cause)};
        if (!each.interface.empty()) text += " on " + printable(each.interface);
        text += " (" + std::string{to_string(each.certainty)} + "): " + printable(each.signal);
        text += "\n    What to do: " + std::string{cure_of(each.cause)};
    }
    if (way) text += "\n  way: " + way_text(*way);
    for (const auto& [question, answer] : {std::pair{"Which interface, and why? ", &questions.chosen},
                                           std::pair{"Does anything else claim it? ", &questions.rivals},
                                           std::pair{"What does it lead to? ", &questions.extent},
                                           std::pair{"What is shown? ", &questions.shown}})
        if (!answer->empty()) text += "\n  " + std::string{question} + printable(*answer);
    for (const auto& [phase, subject, finding] : seen)
        text += "\n  seen: " + printable(phase) + " " + printable(subject) + ": " + printable(finding);
    for (const std::string& each : unread) text += "\n  could not be read: " + printable(each);
    return text;
}

}  // namespace muster
