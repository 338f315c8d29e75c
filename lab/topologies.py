"""The networks of the join matrix: each gives a coordinator's host, a member's host, and what the member is told.

All of them let a device reach the coordinator without a second path; what differs is which way works.
"""
from dataclasses import dataclass, field

COORDINATOR, MEMBER = "192.0.2.1", "192.0.2.2"
PORT = 4711

# On the way in, so that senders do not notice; neighbour discovery stays.
NO_MULTICAST = """
table inet lab {
    chain in {
        type filter hook input priority 0
        ip daddr 224.0.0.0/4 drop
        ip6 daddr ff00::/8 udp dport 5353 drop
    }
}
"""


@dataclass
class Topology:
    coordinator: object
    member: object
    #: Addresses that the member is told, because it cannot ask for them; empty: it asks by multicast.
    known: list = field(default_factory=list)


def _pair(lab):
    coordinator, member, switch = lab.host("coordinator"), lab.host("member"), lab.switch()
    return coordinator, member, switch


def same_bridge(lab):
    """One network, IPv4 and IPv6 link-local."""
    coordinator, member, switch = _pair(lab)
    switch.plug(coordinator, "lan0", [f"{COORDINATOR}/24"])
    switch.plug(member, "lan0", [f"{MEMBER}/24"])
    return Topology(coordinator, member)


def routed(lab):
    """Two networks and a router between them; multicast stays where it is, the address is known."""
    coordinator, member, router = lab.host("coordinator"), lab.host("member"), lab.host("router")
    for host, device, near, far in ((coordinator, "port0", "192.0.2.1", "192.0.2.254"),
                                    (member, "port1", "198.51.100.1", "198.51.100.254")):
        lab.cable(router, device, host, "lan0")
        router.ip(f"addr add {far}/24 dev {device}")
        host.ip(f"addr add {near}/24 dev lan0", f"route add default via {far}")
    router.sysctl("net.ipv4.ip_forward", 1)
    return Topology(coordinator, member, [f"{COORDINATOR}:{PORT}"])


def v6_link_local_only(lab):
    """One network without router, DHCP or IPv4: the addresses that the kernel gives itself."""
    coordinator, member, switch = _pair(lab)
    switch.plug(coordinator, "lan0")
    switch.plug(member, "lan0")
    return Topology(coordinator, member)


def v4_link_local_only(lab):
    """IPv4 alone, with self-assigned addresses (RFC 3927); the member has two interfaces with the same prefix."""
    coordinator, member, switch = _pair(lab)
    other = lab.switch("other")
    for host in (coordinator, member):
        host.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
    switch.plug(coordinator, "lan0", ["169.254.17.1/16"])
    other.plug(member, "wlan0", ["169.254.200.2/16"])  # first, so that the kernel's route for the prefix is this one
    switch.plug(member, "lan0", ["169.254.17.2/16"])
    return Topology(coordinator, member)


def no_ipv4(lab):
    """The member has IPv6 only, from a router (here a ULA); the coordinator has both families."""
    coordinator, member, switch = _pair(lab)
    switch.plug(coordinator, "lan0", [f"{COORDINATOR}/24", "fd00:17::1/64"])
    switch.plug(member, "lan0", ["fd00:17::2/64"])
    return Topology(coordinator, member)


def no_ipv6(lab):
    """The member has IPv6 switched off; the coordinator has both families."""
    coordinator, member, switch = _pair(lab)
    member.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    member.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
    switch.plug(coordinator, "lan0", [f"{COORDINATOR}/24"])
    switch.plug(member, "lan0", [f"{MEMBER}/24"])
    return Topology(coordinator, member)


def multicast_blocked(lab):
    """One network that drops multicast, as many access points do; the address is known."""
    coordinator, member, switch = _pair(lab)
    switch.plug(coordinator, "lan0", [f"{COORDINATOR}/24"])
    switch.plug(member, "lan0", [f"{MEMBER}/24"])
    for host in (coordinator, member):
        host.nft(NO_MULTICAST)
    return Topology(coordinator, member, [f"{COORDINATOR}:{PORT}"])


def wrong_default_route(lab):
    """The member's default route leads through a "cellular" interface, and DHCP on the network with the coordinator
    has not finished: the coordinator has IPv4 there, the member only IPv6 link-local."""
    coordinator, member, switch = _pair(lab)
    internet = lab.host("internet")
    lab.cable(internet, "port0", member, "cell0")
    internet.ip("addr add 203.0.113.1/24 dev port0")
    member.ip("addr add 203.0.113.2/24 dev cell0", "route add default via 203.0.113.1")
    switch.plug(coordinator, "lan0", [f"{COORDINATOR}/24"])
    switch.plug(member, "lan0")
    return Topology(coordinator, member)


ALL = [same_bridge, routed, v6_link_local_only, v4_link_local_only, no_ipv4, no_ipv6, multicast_blocked,
       wrong_default_route]
