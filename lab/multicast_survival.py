#!/usr/bin/python3
"""A multicast group through everything that makes others go silent.

A sender says 20 datagrams per second to 239.7.7.7:5600 on a switch that snoops IGMP. The receiver's default route leads
elsewhere, and its interface to that switch comes only after it has joined. Then: the default route moves, the interface
is switched off and on, the cable is pulled, the address changes, the interface is deleted and made anew, and the switch
hears no answers to its queries any more, so that it forgets who is a member.

An outage counts from the moment the way is whole again to the first datagram; where the way was never broken, it is the
longest time between two. No outage may last longer than a second, and each must have been given a cause.

Controls: a program that joins on "any interface" must receive nothing, and one that joins the right interface once must
fall silent when the switch forgets it.
"""
import random
import time

import netlab
import report

GROUP, PORT, INTERVAL = "239.7.7.7", 5600, 0.05
BOUND_MS = 1000
PEERS = str(report.ROOT / "lab" / "multicast_peers.py")
# nft counts what it drops: the queries of the switch.
DEAF = "table ip deaf { chain in { type filter hook input priority 0; ip protocol igmp drop; }; }"


class Listener:
    """A running `muster multicast watch`, and when something came."""

    def __init__(self, host, program, *options):
        self.process = host.spawn([program, "multicast", "watch", f"{GROUP}:{PORT}", "--json", "--datagrams", *options],
                                  "watch")
        self.offset_ms = time.time() * 1e3 - netlab.now_ns() / 1e6
        self.arrivals, self.statuses = [], []
        self.process.expect("multicast_status")

    def hear(self, until_ns):
        """Takes what comes until then."""
        while netlab.now_ns() < until_ns:
            event = self.process.wait_for_any(("multicast_datagram", "multicast_status"), 0.02)
            if event is None:
                continue
            if event["event"] == "multicast_status":
                self.statuses.append(event)
            else:
                self.arrivals.append((event["time_ms"] - self.offset_ms) * 1e6)

    def first_after(self, at_ns, patience=10.0):
        """How long after `at_ns` the first datagram came, in ms."""
        end = at_ns + patience * 1e9
        while netlab.now_ns() < end:
            self.hear(netlab.now_ns() + 20_000_000)
            after = [a for a in self.arrivals[-200:] if a > at_ns]
            if after:
                return (after[0] - at_ns) / 1e6
        return float("inf")

    def outages(self):
        return self.statuses[-1]["outages"] if self.statuses else 0

    def causes_after(self, outages):
        """Of the outages beyond so many."""
        return {status["last_outage"]["cause"] for status in self.statuses if status["outages"] > outages}

    def longest_gap(self, since_ns):
        arrivals = [a for a in self.arrivals if a > since_ns]
        return max(((b - a) / 1e6 for a, b in zip(arrivals, arrivals[1:])), default=float("inf"))


class Room:
    def __init__(self, lab, arguments):
        self.lan, self.internet = lab.switch("lan"), lab.switch("internet")
        self.lan.snoop(arguments.forgets_after)
        self.sender = lab.host("sender")
        self.lan.plug(self.sender, "lan0", ["10.9.0.1/24"])
        self.hosts = [lab.host(name) for name in ("receiver", "naive", "plain")]
        for number, host in enumerate(self.hosts):
            self.internet.plug(host, "net0", [f"198.51.100.{number + 10}/24"])
            host.ip("route add default via 198.51.100.1")
        self.receiver, naive, plain = self.hosts
        program = f"{arguments.build}/cli/muster"
        self.listener = Listener(self.receiver, program)
        self.naive = naive.spawn([netlab.PYTHON, PEERS, "listen", GROUP, str(PORT)], "naive")
        self.naive.expect("joined")
        self.sender.spawn([netlab.PYTHON, PEERS, "send", GROUP, str(PORT), "lan0", str(INTERVAL)], "sender").expect("sending")
        self.lan.plug(naive, "lan0", ["10.9.0.3/24"])
        self.lan.plug(plain, "lan0", ["10.9.0.4/24"])
        self.plain = plain.spawn([netlab.PYTHON, PEERS, "listen", GROUP, str(PORT), "join=lan0"], "plain")
        self.plain.expect("joined")


def count(process):
    process.tell("report")
    return process.expect("summary")["n"]


def pause(listener, seconds):
    listener.hear(netlab.now_ns() + int(seconds * 1e9))


def late_interface(room, arguments):
    at = netlab.now_ns()
    room.cable = room.lan.plug(room.receiver, "lan0", ["10.9.0.2/24"])
    return [room.listener.first_after(at)]


def default_route(room, arguments):
    gaps = []
    for way in ("via 10.9.0.1 dev lan0", "via 198.51.100.1 dev net0"):
        at = netlab.now_ns()
        room.receiver.ip(f"route replace default {way}")
        pause(room.listener, 1.0)
        gaps.append(room.listener.longest_gap(at))
    return gaps


def flap(room, arguments):
    """Switched off and on by its own machine."""
    outages = []
    for seconds in [0.4] + [random.uniform(0.02, 0.4) for _ in range(arguments.n - 1)]:
        room.receiver.set_link("lan0", up=False)
        pause(room.listener, seconds)
        at = room.receiver.set_link("lan0", up=True)
        outages.append(room.listener.first_after(at))
        pause(room.listener, random.uniform(0.3, 0.6))
    return outages


def cable(room, arguments):
    """The port of the switch goes down and up."""
    outages = []
    for _ in range(max(2, arguments.n // 4)):
        room.cable.pull()
        pause(room.listener, random.uniform(0.1, 0.4))
        outages.append(room.listener.first_after(room.cable.plug_in()))
        pause(room.listener, random.uniform(0.3, 0.6))
    return outages


def address(room, arguments):
    at = netlab.now_ns()
    room.receiver.ip("addr del 10.9.0.2/24 dev lan0", "addr add 10.9.0.77/24 dev lan0")
    pause(room.listener, 1.0)
    return [room.listener.longest_gap(at)]


def made_anew(room, arguments):
    outages = []
    for _ in range(max(2, arguments.n // 4)):
        room.cable.remove()
        pause(room.listener, 0.3)
        at = netlab.now_ns()
        room.lan.plug_anew(room.cable, ["10.9.0.2/24"])
        outages.append(room.listener.first_after(at))
        pause(room.listener, 0.5)
    return outages


def forgotten(room, arguments):
    """The switch's queries do not arrive any more: nobody answers them, and it forgets its members."""
    for host in room.hosts:
        host.nft(DEAF)
    at = netlab.now_ns()
    pause(room.listener, max(arguments.minutes * 60 - (at - room.begin) / 1e9, 1.5 * arguments.forgets_after))
    return [room.listener.longest_gap(at)]


PHASES = {"an interface that comes late": late_interface, "the default route moves": default_route,
          "switched off and on": flap, "cable pulled": cable, "the address changes": address,
          "deleted and made anew": made_anew, "the switch forgets": forgotten}
# What is said of the outages in a phase; of one that is too short to be late nothing is said.
CAUSES = {flap: {"link_down"}, cable: {"link_down"}, made_anew: {"interface_gone"}, forgotten: {"switch_forgot"}}


def scenario(lab, result, arguments):
    room = Room(lab, arguments)
    room.begin = netlab.now_ns()
    for what, phase in PHASES.items():
        known = room.listener.outages()
        outages = phase(room, arguments)
        result.row("muster", what, outages)
        if phase in CAUSES:
            causes = room.listener.causes_after(known)
            wanted = causes <= CAUSES[phase] if phase is cable else causes == CAUSES[phase]
            result.require(wanted, f"{what}: its cause is named: {', '.join(sorted(causes)) or 'none'}")
        result.require(max(outages) <= BOUND_MS * arguments.slack, f"{what}: no outage above {BOUND_MS} ms")
    listener = room.listener
    result.row("muster", "datagrams, outages", datagrams=len(listener.arrivals), outages=listener.outages())
    naive = count(room.naive)
    result.row("control: joins any interface", "datagrams", datagrams=naive)
    result.require(naive == 0, "the control that joins any interface receives nothing")
    before = count(room.plain)
    time.sleep(1.0)
    after = count(room.plain)
    result.row("control: joins lan0 once", "datagrams, then in the last second", datagrams=before, at_last=after - before)
    result.require(before > 0 and after == before, "the control that joins once is silent since the switch forgot it")


if __name__ == "__main__":
    arguments = report.parser("multicast_survival", __doc__, n=20)
    arguments.add_argument("--forgets-after", type=int, default=12, metavar="SECONDS",
                           help="when the switch forgets what others forget after 260 s (default: %(default)s)")
    arguments.add_argument("--minutes", type=float, default=2.0, help="the whole run (default: %(default)s)")
    report.run_parsed("multicast_survival", scenario, arguments.parse_args())
