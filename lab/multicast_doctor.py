#!/usr/bin/python3
"""Whether `muster multicast doctor` names why a program gets nothing, in a network made for each cause, IPv4 and IPv6.

The programs are plain ones (multicast_peers.py), each with one mistake, or with a machine or network that has one. A cause
counts as named if the doctor finds it, and nothing beside it that is not so. Controls: healthy programs, about which the
doctor must find nothing; and a naive doctor, who looks only whether the group is joined.
"""
import time

import netlab
import report

PEERS = str(report.ROOT / "lab" / "multicast_peers.py")
PORT, INTERVAL = 5600, 0.05
FORGETS_AFTER = 2  # seconds
DEAF = {4: "table ip deaf { chain in { type filter hook input priority 0; ip protocol igmp drop; }; }",
        6: "table ip6 deaf { chain in { type filter hook input priority 0; icmpv6 type mld-listener-query drop; }; }"}
WALL = "table inet wall { chain in { type filter hook input priority 0; udp dport 5600 drop; }; }"


class Room:
    """A sender on the switch "lan", a receiver on it and on another, over which its default route leads."""

    def __init__(self, lab, family, snooping=False):
        self.family, self.group = family, "239.7.7.7" if family == 4 else "ff05::7:7"
        self.lan, self.internet = lab.switch("lan"), lab.switch("internet")
        if snooping:
            self._snoop()
        self.sender, self.receiver = lab.host("sender"), lab.host("receiver")
        for number, host in enumerate((self.sender, self.receiver), 1):
            self.internet.plug(host, "net0", [f"198.51.100.{number}/24", f"2001:db8:51::{number}/64"])
        self.lan.plug(self.sender, "lan0", [self.address(1) + self._length()])
        self.cable = self.lan.plug(self.receiver, "lan0", self.addresses())
        self.receiver.ip("route add default via 198.51.100.9", "route add default via 2001:db8:51::9")

    def _snoop(self):
        self.lan.sysctl("net.ipv6.conf.br0.disable_ipv6", 0)  # without an address it cannot ask by MLD
        self.lan.snoop(FORGETS_AFTER)

    def _length(self):
        return "/24" if self.family == 4 else "/64"

    def address(self, number):
        return f"10.9.0.{number}" if self.family == 4 else f"2001:db8:9::{number}"

    def addresses(self):
        return [self.address(2) + self._length()]

    def listen(self, *options):
        process = self.receiver.spawn([netlab.PYTHON, PEERS, "listen", self.group, str(PORT), *options], "listener")
        process.expect("joined")
        return process

    def send(self, *options, host=None, device="lan0", port=PORT, interval=INTERVAL):
        (host or self.sender).spawn([netlab.PYTHON, PEERS, "send", self.group, str(port), device, str(interval), *options],
                                    "sender").expect("sending")

    def examine(self, program):
        doctor = self.receiver.spawn([program, "multicast", "doctor", f"{self.group if self.family == 4 else f'[{self.group}]'}:{PORT}",
                                      "--json", "--for", "0.6"], "doctor")
        return doctor.expect("multicast_diagnosis", 20)

    def naive(self):
        """A doctor who looks whether the group is joined, and else blames the sender."""
        table = self.receiver.run(f"cat /proc/net/igmp{'6' if self.family == 6 else ''}")
        joined = "070707EF" if self.family == 4 else "ff050000000000000000000000070007"
        return "no_sender" if joined in table else "not_joined"


def switch_forgot(room):
    room.listen("join=lan0")
    room.send()
    room.receiver.nft(DEAF[room.family])
    time.sleep(FORGETS_AFTER + 1.5)  # the kernel repeats its first report within a second


def not_joined(room):
    room.listen("join=lan0")
    room.cable.remove()
    room.lan.plug_anew(room.cable, room.addresses())
    room.send()


def joined_elsewhere(room):
    room.listen(*([] if room.family == 4 else ["join=net0"]))
    room.send()


def sender_elsewhere(room):
    room.listen("join=lan0")
    room.send(f"source={room.address(1)}", device="net0")


def rp_filter(room):
    room.receiver.sysctl("net.ipv4.conf.lan0.rp_filter", 1)
    room.sender.ip("addr flush dev lan0", "addr add 192.0.2.1/24 dev lan0")
    room.listen("join=lan0")
    room.send()


def firewall(room):
    room.receiver.nft(WALL)
    room.listen("join=lan0")
    room.send()


def source_filter(room):
    room.listen("join=lan0", f"source={room.address(99)}")
    room.send()


def bound_to_unicast(room):
    room.listen("join=lan0", f"bind={room.address(2)}")
    room.send()


def bound_to_other_interface(room):
    room.listen("join=lan0", "device=net0")
    room.send()


def not_own_membership(room):
    room.listen("join=lan0")
    room.listen("join=none", "all=0")
    room.send()


def buffer_full(room):
    room.listen("join=lan0", "buffer=1")
    room.send()


def port_shared(room):
    room.listen("join=lan0")
    room.listen("join=lan0")
    room.send()


def link_down(room):
    room.listen("join=lan0")
    room.send()
    room.cable.pull()
    time.sleep(0.1)


def nobody_listens(room):
    room.send()


def wrong_port(room):
    room.listen("join=lan0")
    room.send(port=5601)


def no_sender(room):
    room.listen("join=lan0")


CAUSES = [switch_forgot, not_joined, joined_elsewhere, sender_elsewhere, rp_filter, firewall, source_filter, bound_to_unicast,
          bound_to_other_interface, not_own_membership, buffer_full, port_shared, link_down, nobody_listens,
          wrong_port, no_sender]
IPV4_ONLY = (rp_filter,)  # the kernel has none in IPv6
# What is so as well: who has no socket has not joined; who shares a port shares it.
BESIDE = {nobody_listens: {"not_joined"}, not_own_membership: {"port_shared"}}
FEW = {(switch_forgot, 4), (not_joined, 6), (joined_elsewhere, 4), (rp_filter, 4), (firewall, 6), (not_own_membership, 6)}


def case(result, program, cause, family):
    with netlab.Lab() as lab:
        room = Room(lab, family, snooping=cause is switch_forgot)
        cause(room)
        time.sleep(0.2)
        naive = room.naive()
        diagnosis = room.examine(program)
    named = [finding["cause"] for finding in diagnosis["findings"]]
    fine = cause.__name__ in named and set(named) <= {cause.__name__} | BESIDE.get(cause, set())
    signal = next((finding["signal"] for finding in diagnosis["findings"] if finding["cause"] == cause.__name__), "")
    result.row(f"IPv{family}", cause.__name__, named=", ".join(named) or "nothing", signal=signal)
    return fine, naive == cause.__name__


def heard(room):
    room.listen("join=lan0")
    room.send()


def heard_from_here(room):
    """The sender is on the same machine: what it sends is on no wire that comes in."""
    room.listen("join=lan0")
    room.send(host=room.receiver)


def heard_in_fragments(room):
    room.listen("join=lan0")
    room.send("size=16000")


def heard_seldom(room):
    """Once in a time that is longer than each time of listening."""
    room.listen("join=lan0")
    room.send(interval=1.0)


def heard_beside_garbage(room):
    """Somebody else sends a lot to the same group, by an interface on which it is not joined."""
    room.listen("join=lan0")
    room.send(interval=0.9)
    room.send(device="net0", interval=0.01)


HEALTHY = [heard, heard_from_here, heard_in_fragments, heard_seldom, heard_beside_garbage]


def healthy(result, program, control, family):
    with netlab.Lab() as lab:
        room = Room(lab, family)
        control(room)
        time.sleep(0.2)
        diagnosis = room.examine(program)
    result.require(diagnosis["arrives"] and not diagnosis["findings"], f"IPv{family}: {control.__name__} is healthy: "
                   f"{[finding['cause'] for finding in diagnosis['findings']]}")


def scenario(_, result, arguments):
    program = f"{arguments.build}/cli/muster"
    naive = cases = 0
    for family in (4, 6):
        wanted = [cause for cause in CAUSES if (family == 4 or cause not in IPV4_ONLY)
                  and (arguments.all or (cause, family) in FEW)]
        named = 0
        for cause in wanted * arguments.n:
            fine, naively = case(result, program, cause, family)
            named, naive, cases = named + fine, naive + naively, cases + 1
        result.require(named == len(wanted) * arguments.n, f"IPv{family}: {named} of {len(wanted) * arguments.n} causes named")
        for control in HEALTHY if arguments.all else HEALTHY[:2]:
            healthy(result, program, control, family)
    result.row("control: naive doctor", "causes named", named=naive, of=cases)
    result.require(naive <= cases // 3, "the naive doctor misses most")


if __name__ == "__main__":
    arguments = report.parser("multicast_doctor", __doc__, n=1)
    arguments.add_argument("--all", action="store_true", help="every cause in both families, not a few of each")
    report.run_parsed("multicast_doctor", scenario, arguments.parse_args())
