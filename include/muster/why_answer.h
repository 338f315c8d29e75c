#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muster/endpoint.h"
#include "muster/error.h"
#include "muster/network_path.h"
#include "muster/time.h"

namespace muster {

/// Why packets to a host do not get there, or no answer gets back. The names are stable and appear in JSON; each one is
/// described in docs/WHY.md.
enum class WhyCause : std::uint8_t {
    name_unknown,       ///< The system's resolver has no address for the name, or did not answer in time.
    no_scope,           ///< An IPv6 link-local address without an interface: it is on every link.
    interface_missing,  ///< No interface has this name (any more).
    interface_down,     ///< The interface is switched off.
    no_carrier,         ///< No cable, no access point, no peer.
    no_address,         ///< The interface has no address of this family.
    address_tentative,  ///< Its only address is still being checked for duplicates (RFC 4862 5.4).
    address_duplicate,  ///< Another device on the link has its address (duplicate address detection failed).
    ipv6_disabled,      ///< IPv6 is switched off, on the interface or at all.
    no_route,           ///< No line of the routing tables leads there.
    blackhole,          ///< A route drops it without a word.
    prohibit,           ///< A route drops it as administratively prohibited.
    unreachable,        ///< A route drops it as unreachable.
    rule_forbids,       ///< A routing rule drops it, before any table is asked.
    same_subnet,        ///< Two interfaces have the subnet, and packets leave by the other one.
    default_elsewhere,  ///< A route by another interface takes it, most often the default route.
    vpn,                ///< A tunnel takes it.
    foreign_source,  ///< Packets would carry the address of another interface: no answer finds its way back.
    own_firewall_out,  ///< A packet filter of this machine drops what is sent.
    own_firewall_in,   ///< Answers reach this machine, and a packet filter of it drops them.
    rp_filter,         ///< Answers come by an interface that does not lead back to their sender (RFC 3704).
    gateway_silent,    ///< The router on the link does not answer for its link-layer address.
    host_silent,       ///< The host itself, on the link, does not.
    router_refuses,    ///< A router on the way says that it cannot pass it on.
    filtered,          ///< A packet filter at the host or on the way drops it, or says that it is prohibited.
    port_closed,       ///< The host is there, and nobody listens on the port.
    lost_beyond,       ///< It leaves by a router that answers, and nothing comes back from behind it.
    mtu_black_hole,    ///< Small packets arrive, large ones vanish without a word (RFC 2923).
    own_address,       ///< The address is this machine's own: packets do not leave it.
};

/// How sure it is.
enum class WhyCertainty : std::uint8_t {
    certain,   ///< The kernel, a device or a packet says so.
    likely,    ///< Nothing else that is known explains it.
    possible,  ///< It would explain it, and so would other things.
};

/// Stable, for programs.
std::string_view to_string(WhyCause cause) noexcept;
std::string_view to_string(WhyCertainty certainty) noexcept;
/// What a person can do about it, in a sentence.
std::string_view cure_of(WhyCause cause) noexcept;

/// One cause, and by what it was recognised.
struct WhyFinding {
    WhyCause cause = WhyCause::no_route;
    WhyCertainty certainty = WhyCertainty::certain;
    std::string interface;  ///< Where; empty if that does not matter.
    std::string signal;     ///< What was seen, in a sentence.

    bool operator==(const WhyFinding&) const = default;
};

/// How the kernel sends there, and who says so.
struct WhyWay {
    std::string interface;              ///< "eth0"
    std::optional<IpAddress> gateway;   ///< None: the host is on the link.
    std::optional<IpAddress> source;    ///< The own address that packets carry.
    std::optional<std::uint32_t> rule;  ///< The priority of the routing rule that chose the table.
    std::uint32_t table = 0;            ///< 254: main, 255: local.
    std::string prefix;     ///< The line of the table: "192.168.4.0/24", "default"; empty if not known.
    std::string made_by;    ///< "kernel", "dhcp", "ra", "static", "boot"; empty if not known.
    std::uint32_t mtu = 0;  ///< Octets: of the route or the interface; what the way has shown, if less.
    LinkProof next_hop = LinkProof::unknown;
    std::string mac;  ///< Of the next hop; empty while unknown.

    bool operator==(const WhyWay&) const = default;
};

/// Four questions that people have when an interface is connected and yet nothing arrives, each with its answer in a
/// sentence or two.
struct WhyQuestions {
    std::string chosen;  ///< Which interface is taken, and what made the kernel take it?
    std::string rivals;  ///< Does anything else claim the same destination, so that the choice may change?
    std::string extent;  ///< What does the interface lead to at all, with or without a gateway?
    std::string shown;   ///< What is shown, and what is only said by a table?

    bool operator==(const WhyQuestions&) const = default;
};

/// What became of the question. A value.
struct WhyAnswer {
    std::string target;  ///< As it was asked.
    Endpoint remote;     ///< What that means; the address is 0.0.0.0 if it could not be found out.
    /// An answer has come back: from the port, or if none was asked for from the host; and nothing else is wrong.
    bool reaches = false;
    std::vector<WhyFinding> findings;  ///< The verdict first; then what else is wrong, or may be.
    std::optional<WhyWay> way;         ///< None: there is no route.
    WhyQuestions questions;
    std::vector<Evidence> seen;          ///< What was looked at and tried, and what came of it.
    std::vector<std::string> unread;     ///< What could not be looked at, and what that would take.
    std::optional<Duration> round_trip;  ///< If something answered.

    bool operator==(const WhyAnswer&) const = default;

    /// Several lines for a person: verdict, cure, way, questions, evidence.
    std::string explain() const;
};

}  // namespace muster
