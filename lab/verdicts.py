#!/usr/bin/python3
"""Which kind of fault a lost link, a left path or a failed join is put down to, and how soon.

Every row of KINDS (verdict_kinds.py) breaks one thing at one place of a small network in which a coordinator and members
send each other messages; the class of fault that the application is told of within a second must be the one of the row.
Rooms:

  pair     coordinator and member on one switch, and nobody else
  lan      the same with two more members and a host that has nothing to do with them
  two      the same with two switches: a second path is ready
  routed   coordinator and member in two networks with a router between them
  dial     a member that joins, with the coordinator's address given

What two ends alone cannot tell apart is expected to be called silent: that is the right answer there, and the row says
why. Controls: who answers "link_dead" to everything, and who goes by the error code alone, must fail.
"""
import random
import time
from collections import Counter

import netlab
import report
from report import milliseconds
from verdict_kinds import KINDS, NETS, PORT

WITHIN_MS = 1000
SETTLE = 0.5
EVENTS = ("interrupted", "path_changed", "fault_found", "peer_left", "ended", "failed")
NAIVE = {"lost": "peer_dead", "link_down": "link_dead", "unreachable": "silent", "no_interface": "link_dead"}


class Seat:
    """A host with one device for each switch, and its addresses."""

    def __init__(self, room, name, number, nets):
        self.room, self.name, self.number = room, name, number
        self.host = room.lab.host(name)
        v4 = room.family == 4
        self.host.sysctl("net.ipv6.conf.default.router_solicitations", 0)
        for which in ("default", "all"):
            self.host.sysctl(f"net.ipv6.conf.{which}.disable_ipv6", int(v4))
        self.cables = [room.switches[net].plug(self.host, f"lan{net}", [f"{NETS[net]}.{number}/24"] if v4 else [])
                       for net in nets]
        self.nets = nets
        self.process = None

    def address(self, net):
        """How others write it: (address, scope)."""
        device = f"lan{net}"
        if self.room.family == 4:
            return f"{NETS[net]}.{self.number}"
        return next(a for a in self.host.addresses(device) if a.startswith("fe80"))


class Room:
    """Coordinator `c`, member `m`, and company."""

    def __init__(self, lab, arguments, kind):
        self.lab, self.kind, self.family = lab, kind, kind.family
        self.program = report.probe(arguments, "muster_pulse")
        routed, two = kind.room == "routed", kind.room == "two"
        self.switches = [lab.switch(f"switch{i}") for i in range(2 if routed or two else 1)]
        nets = (0, 1) if two else (0,)
        self.c = Seat(self, "coordinator", 1, (1,) if routed else nets)
        self.m = Seat(self, "m0", 10, nets)
        company = kind.room in ("lan", "two")
        self.others = [Seat(self, f"m{i}", 10 + i, nets) for i in (1, 2)] if company else []
        self.bystander = Seat(self, "bystander", 99, nets) if company or routed else None
        self.router = self._route() if routed else None
        self._meet()
        if kind.room != "dial":
            self._talk()

    def _route(self):
        router = Seat(self, "router", 254, (0, 1))
        router.host.sysctl("net.ipv4.ip_forward", 1)
        self.m.host.ip(f"route add default via {NETS[0]}.254")
        self.c.host.ip(f"route add default via {NETS[1]}.254")
        return router

    def seats(self):
        return [s for s in (self.c, self.m, *self.others, self.bystander, self.router) if s]

    def _meet(self):
        """Everybody's kernel learns the link-layer address of everybody else on the same network."""
        for one in self.seats():
            with one.host.entered():
                for other in self.seats():
                    for net in set(one.nets) & set(other.nets):
                        if one is not other:
                            self._greet(one, other, net)
        time.sleep(0.05)

    def _greet(self, one, other, net):
        family = netlab.socket.AF_INET if self.family == 4 else netlab.socket.AF_INET6
        with netlab.socket.socket(family, netlab.socket.SOCK_DGRAM) as talk:
            if self.family == 4:
                talk.sendto(b"", (other.address(net), 9))
            else:
                talk.sendto(b"", (other.address(net), 9, 0, netlab.socket.if_nametoindex(f"lan{net}")))

    def at(self, net):
        address = self.c.address(net)
        return f"{address}:{PORT}" if self.family == 4 else f"[{address}%lan{net}]:{PORT}"

    def host(self):
        options = [f"--profile={self.kind.profile}", f"--rate={self.kind.rate}", "--grace-ms=20000"]
        self.c.process = self.c.host.spawn([self.program, "host", f"--port={PORT}", "--no-advertise", *options], "c")
        self.c.process.expect("hosting")

    def join(self, seat, patience_ms=5000):
        options = [f"--profile={self.kind.profile}", f"--rate={self.kind.rate}", "--grace-ms=20000"]
        given = [f"--at={self.at(net)}" for net in self.c.nets]
        seat.process = seat.host.spawn([self.program, "join", f"--name={seat.name}", "--no-discover",
                                        f"--patience-ms={patience_ms}", *given, *options], seat.name)

    def _talk(self):
        self.host()
        for seat in (self.m, *self.others):
            self.join(seat)
        for seat in (self.m, *self.others):
            seat.process.expect("joined")
            seat.lan = 0
        if self.kind.room == "two":
            time.sleep(1.2)
        time.sleep(SETTLE)
        self.follow()

    def follow(self):
        """The network that the link between c and m uses now."""
        self.lan = 0
        if self.kind.room != "two":
            return
        self.m.process.tell("path")
        told = self.m.process.expect("path")
        self.lan = int(told["interface"].removeprefix("lan"))

    def viewer(self):
        return self.c if self.kind.viewer == "c" else self.m

    def is_about(self, event):
        other = "m0" if self.kind.viewer == "c" else "coordinator"
        return event.get("peer", other) == other

    def ends_of(self, where):
        """(seat, cable, device) of "m" or "c" on the network in use."""
        seat = self.m if where == "m" else self.c
        cable = seat.cables[seat.nets.index(self.lan) if self.lan in seat.nets else 0]
        return seat, cable, cable.device


def fault_in(event):
    error = event.get("error") or {}
    return event.get("fault") or error.get("fault") or "none"


def listen(room, viewer, at):
    """[(ms, event)] of what the application is told in the second after the fault."""
    told = []
    while (left := WITHIN_MS - milliseconds(at, netlab.now_ns())) > 0:
        event = viewer.process.wait_for_any(EVENTS, left / 1000, room.is_about)
        if event and event["event"] == "path_changed" and fault_in(event) == "none":
            continue  # to a better one: not what the fault caused
        if event:
            told.append((milliseconds(at, event.get("t_ns", event["seen_ns"])), event))
    return [(ms, event) for ms, event in told if 0 <= ms <= WITHIN_MS]


def dial(room):
    """A join that must fail: the fault is there before it begins."""
    kind = room.kind
    if kind.hosts:
        room.host()
    room.lan = 0
    kind.fault(room)
    at = netlab.now_ns()
    room.join(room.m, patience_ms=700)
    return listen(room, room.m, at)


def disturb(room):
    at = netlab.now_ns()
    room.kind.fault(room)
    return listen(room, room.viewer(), at)


def trial(arguments, kind):
    """{"said", "naive", "ms"}: the class after a second, what a naive reader makes of it, and when it was said."""
    with netlab.Lab() as lab:
        room = Room(lab, arguments, kind)
        time.sleep(random.uniform(0, 0.05))
        told = dial(room) if kind.room == "dial" else disturb(room)
        said, ms, code = "nothing", None, "nothing"
        for when, event in told:
            if fault_in(event) != said and not (said != "nothing" and fault_in(event) == "none"):
                said, ms = fault_in(event), when
            code = (event.get("error") or {}).get("code", event.get("code", code))
        return {"said": said, "ms": ms, "naive": NAIVE.get(code, "path_moved"), "taken_back": takes_back(told)}


def takes_back(told):
    """Whether what was certain about a lost link or a left path was told once more."""
    last = "none"
    for _, event in told:
        if event["event"] == "fault_found" and last not in ("none", "silent"):
            return True
        last = fault_in(event)
    return False


def scenario(_, result, arguments):
    kinds = [kind for kind in KINDS if kind.quick or arguments.n > 1]
    right = all_said = 0
    controls = Counter()
    taken_back = []
    for kind in kinds:
        trials = [trial(arguments, kind) for _ in range(arguments.n)]
        hits = [t["ms"] for t in trials if t["said"] == kind.expected]
        right, all_said = right + len(hits), all_said + len(trials)
        controls["always link_dead"] += sum(kind.expected == "link_dead" for _ in trials)
        controls["by the error code"] += sum(t["naive"] == kind.expected for t in trials)
        taken_back += [kind.title() for t in trials if t["taken_back"]]
        facts = {"expected": kind.expected, "right": f"{len(hits)} of {len(trials)}", "viewer": kind.viewer}
        if kind.why:
            facts["because"] = kind.why
        if len(hits) < len(trials):
            facts["said"] = ", ".join(sorted({t["said"] for t in trials}))
        result.row(kind.room, kind.title(), hits, **facts)
    share = right / all_said
    result.row("all", f"{len(kinds)} kinds of fault", right=f"{right} of {all_said}", share=round(share, 4),
               at_least=round(report.wilson_lower(right, all_said), 4))
    result.require(share >= 0.95, f"the right class within {WITHIN_MS} ms: {right} of {all_said}, at least 95 %")
    result.require(not taken_back, f"no class is taken back: {taken_back}")
    if arguments.n > 1:
        result.require(len(kinds) >= 60, f"{len(kinds)} kinds of fault, at least 60")
    for name, count in controls.items():
        result.row("control", name, right=f"{count} of {all_said}")
        result.require(count / all_said < 0.8, f"control: '{name}' does not pass: {count} of {all_said}")


if __name__ == "__main__":
    report.run("verdicts", __doc__, scenario, n=3)
