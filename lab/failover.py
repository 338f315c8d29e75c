#!/usr/bin/python3
"""For how long nothing arrives when the path in use fails and another one is ready.

A coordinator and five members, each with an interface on three switches, profile realtime; every member and the
coordinator send each other 100 numbered messages a second. A fault hits the switch that is in use, at a random moment; the figure is
the longest time between two arrivals at either end (10 ms without a fault). Nothing may be lost, doubled or reordered,
and no session may be interrupted.

  admin down        the member's interface is switched off
  own carrier       the member's cable is pulled at the switch
  far carrier       the coordinator's cable is pulled at the switch: members keep their carrier
  own address       the member's interface gets another address
  far address       the coordinator's interface gets another address
  black hole        the member's switch port forwards nothing any more; no carrier changes
  both ends         member and coordinator lose their carrier at once

Control: the same faults for members with one interface must interrupt their sessions.

Then the same faults, in the same run, for the systems of lab/systems.py (all of them, or --peers NAME,...; none with
--no-peers), --peers-n hits each. Their processes and connections are fresh for each round of five hits. What has not
recovered after 30 s counts as "never", and as longer than everything else in the percentiles.
"""
import random
import time

import netlab
import report
import systems

MEMBERS = 5
NETS = ("192.0.2", "198.51.100", "203.0.113")
TOLD_MS = (15, 40)  # p50, p99 where the kernel tells
SILENT_MS = (60, 150)
BOTH_MS = 500
PATIENCE = 30.0  # seconds for which a peer may recover
FRESH_MS = 60  # between two messages of a way that is open: 10 ms, and six times that for a busy machine
SETTLE = 2.0  # seconds until the path that has come back is ready again
BUILD_UP = 1.5


class Seat:
    """A host with a cable to each switch, and the process that runs there."""

    def __init__(self, room, name, number, lans):
        self.name, self.number, self.lans = name, number, lans
        self.host = room.lab.host(name)
        self.host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)  # an address that changes must be the one in use
        self.cables = [switch.plug(self.host, f"lan{lan}", [f"{NETS[lan]}.{number}/24"])
                       for lan, switch in enumerate(room.switches[:lans])]
        self.lan = 0  # in use
        self.spare = {lan: False for lan in range(lans)}

    def device(self, lan):
        return f"lan{lan}"

    def address(self, lan):
        """The one that it has now."""
        return f"{NETS[lan]}.{self.number + (100 if self.spare[lan] else 0)}"

    def renumber(self, lan):
        """Another address instead of the one that it has."""
        old = self.address(lan)
        self.spare[lan] = not self.spare[lan]
        self.host.ip(f"addr del {old}/24 dev lan{lan}", f"addr add {self.address(lan)}/24 dev lan{lan}")

    def follow(self):
        """Reads where it has gone."""
        moves = drain(self.process, "path_changed")
        if moves:
            self.lan = int(moves[-1]["to"].split("%lan")[1].split("]")[0].split(":")[0])
        return moves

    def follow_peer(self):
        """The same for a program of lab/peers, which tells the local address that it uses."""
        for move in drain(self.process, "path"):
            self.lan = NETS.index(move["local"].rpartition(".")[0])


class Room:
    """A coordinator and members of one system; all talk from start() to stop()."""

    def __init__(self, lab, arguments, system=None, lans=len(NETS), members=MEMBERS):
        self.lab, self.arguments, self.system = lab, arguments, system or systems.Muster()
        self.switches = [lab.switch(f"switch{lan}") for lan in range(len(NETS))]
        self.coordinator = Seat(self, "coordinator", 1, lans)
        self.members = [Seat(self, f"m{number}", 10 + number, lans) for number in range(members)]

    def start(self):
        self.coordinator.process = self.system.start_coordinator(self, self.arguments)
        for seat in self.members:
            seat.process = self.system.start_member(self, seat, self.arguments)
        for seat in self.members:
            joined = seat.process.expect("joined")
            if "interface" in joined:
                seat.lan = int(joined["interface"].removeprefix("lan"))
        time.sleep(BUILD_UP)
        self.watch()

    def stop(self):
        for seat in (*self.members, self.coordinator):
            seat.process.kill()
        self.system.clean_up(self)
        self.lab.reap()

    def watch(self):
        """{member: longest gap in ms in either direction since the last call}"""
        self.coordinator.process.tell("watch")
        for seat in self.members:
            seat.process.tell("watch")
        there = [self.coordinator.process.expect("watched") for _ in self.members]
        gaps = {event["peer"]: event["longest_gap_ms"] for event in there}
        for seat in self.members:
            gaps[seat.name] = max(gaps[seat.name], seat.process.expect("watched")["longest_gap_ms"])
        return gaps

    def each(self, fault):
        for seat in random.sample(self.members, len(self.members)):
            time.sleep(random.uniform(0.005, 0.06))
            fault(seat)

    def lan_of_most(self):
        lans = [seat.lan for seat in self.members]
        return max(set(lans), key=lans.count)

    def reports(self):
        """{member: (what it counts, what the coordinator counts of it)}"""
        for seat in (self.coordinator, *self.members):
            seat.process.tell("report")
        there = [self.coordinator.process.expect("summary") for _ in self.members]
        there = {summary["peer"]: summary for summary in there}
        return {seat.name: (seat.process.expect("summary"), there[seat.name]) for seat in self.members}

    def has_died(self):
        """Whether one of the programs has ended by itself, as libraries that assert do."""
        return any(seat.process.wait(0) is not None for seat in (self.coordinator, *self.members))

    def fall_quiet(self):
        for seat in (self.coordinator, *self.members):
            seat.process.tell("quiet")
        time.sleep(1)

    def verdict(self):
        """Sums of what was lost, doubled or reordered, after all have fallen quiet."""
        self.fall_quiet()
        sums = {"sent": 0, "received": 0, "lost": 0, "doubled": 0, "reordered": 0, "unsent": 0}
        for ends in self.reports().values():
            for summary in ends:
                for key in sums:
                    sums[key] += summary[key]
        return sums


def drain(process, kind):
    found = []
    while event := process.wait_for(kind, 0.001):
        found.append(event)
    return found


def fault_admin(room):
    room.each(lambda seat: seat.host.set_link(seat.device(seat.lan), False))
    return lambda: [seat.host.set_link(seat.device(lan), True) for seat in room.members for lan in range(seat.lans)]


def fault_own_carrier(room):
    room.each(lambda seat: seat.cables[seat.lan].pull())
    return lambda: [cable.plug_in() for seat in room.members for cable in seat.cables]


def fault_far_carrier(room):
    time.sleep(random.uniform(0.01, 0.06))
    cable = room.coordinator.cables[room.lan_of_most()]
    cable.pull()
    return cable.plug_in


def fault_own_address(room):
    room.each(lambda seat: seat.renumber(seat.lan))
    return lambda: None


def fault_far_address(room):
    time.sleep(random.uniform(0.01, 0.06))
    room.coordinator.renumber(room.lan_of_most())
    return lambda: None


def fault_black_hole(room):
    holes = []

    def dig(seat):
        cable = seat.cables[seat.lan]
        cable.switch.ip(f"link set {cable.port} nomaster")
        holes.append(cable)

    room.each(dig)
    return lambda: [cable.switch.ip(f"link set {cable.port} master br0") for cable in holes]


def fault_both_ends(room):
    lan = room.lan_of_most()
    time.sleep(random.uniform(0.01, 0.06))
    cables = [room.coordinator.cables[lan], *(seat.cables[lan] for seat in room.members if seat.lan == lan)]
    for cable in cables:
        cable.pull()
    return lambda: [cable.plug_in() for cable in cables]


FAULTS = {"admin down": (fault_admin, TOLD_MS), "own carrier": (fault_own_carrier, TOLD_MS),
          "far carrier": (fault_far_carrier, TOLD_MS), "own address": (fault_own_address, TOLD_MS),
          "far address": (fault_far_address, TOLD_MS), "black hole": (fault_black_hole, SILENT_MS),
          "both ends": (fault_both_ends, (BOTH_MS, BOTH_MS))}


def suffer(room, fault, n):
    """Gaps of at least n hits; how many of them moved no path, how many moved it more than once, and how often a
    session was interrupted."""
    samples, unmoved, moved_again, interrupted = [], 0, 0, 0
    while len(samples) < n:
        for seat in room.members:
            seat.follow()
        hit = {seat.name for seat in hit_by(room, fault)}
        room.watch()
        heal = fault(room)
        time.sleep(0.6)
        gaps = room.watch()
        samples += [gap for name, gap in gaps.items() if name in hit]
        for seat in room.members:
            moves = len(seat.follow())
            unmoved += seat.name in hit and moves == 0
            moved_again += max(0, moves - 1)
        heal()
        time.sleep(SETTLE)
        interrupted += sum(len(drain(seat.process, "interrupted")) for seat in (room.coordinator, *room.members))
    return samples, unmoved, moved_again, interrupted


def hit_by(room, fault):
    """The members that a fault hits: all, or those that use the network in which it hits the coordinator."""
    aims_at_coordinator = fault in (fault_far_carrier, fault_far_address, fault_both_ends)
    return [seat for seat in room.members if not aims_at_coordinator or seat.lan == room.lan_of_most()]


def wait_for_recovery(room, hit, deadline):
    """Returns the names of those between whom and the coordinator messages go both ways again, as soon as all are among
    them or the time (as time.monotonic() has it) is over. Nobody recovers where a program has died."""
    seen_twice, fresh = set(), set()
    while time.monotonic() < deadline and len(seen_twice) < len(hit):
        time.sleep(0.2)
        if room.has_died():
            return set()
        before = fresh
        fresh = {name for name, ends in room.reports().items() if all(end["silent_ms"] < FRESH_MS for end in ends)}
        seen_twice = before & fresh & {seat.name for seat in hit}
    return seen_twice


class Suffered:
    """What a system's rounds of one fault have given."""

    def __init__(self):
        self.samples, self.never = [], 0
        self.counts = {"messages": 0, "lost": 0, "doubled": 0, "reordered": 0}

    def add(self, ends):
        """Counts what went both ways between a member and the coordinator."""
        for sender, receiver in (ends, reversed(ends)):
            arrived = receiver["received"] - receiver["doubled"]
            self.counts["messages"] += sender["sent"]
            self.counts["lost"] += sender["sent"] - arrived
            for key in ("doubled", "reordered"):
                self.counts[key] += receiver[key]


def suffer_as_peer(room, fault, n):
    """At least n hits, with new processes for each round."""
    found = Suffered()
    while len(found.samples) + found.never < n:
        room.start()
        for seat in room.members:
            seat.follow_peer()
        hit = hit_by(room, fault)
        room.watch()
        heal = fault(room)
        time.sleep(0.6)
        recovered = wait_for_recovery(room, hit, time.monotonic() + PATIENCE)
        if room.has_died():
            found.never += len(hit)
            heal()
            room.stop()
            continue
        gaps = room.watch()
        found.samples += [gaps[name] for name in recovered]
        found.never += len(hit) - len(recovered)
        heal()
        room.fall_quiet()
        reports = room.reports()
        for name in recovered:
            found.add(reports[name])
        room.stop()
    return found


def compare(result, arguments):
    """The peers' rows; nothing is required of them."""
    for system in report.chosen_peers(arguments, systems.all_peers()):
        if why := system.missing(arguments):
            result.row(system.name, "not measured", why=why)
            continue
        with netlab.Lab() as lab:
            room = Room(lab, arguments, system)
            for what, (fault, _) in FAULTS.items():
                found = suffer_as_peer(room, fault, arguments.peers_n)
                result.row(system.name, what, found.samples, never=found.never, **found.counts)


def muster(result, arguments):
    slack = arguments.slack
    with netlab.Lab() as lab:
        room = Room(lab, arguments)
        room.start()
        for what, (fault, (p50, p99)) in FAULTS.items():
            samples, unmoved, moved_again, interrupted = suffer(room, fault, arguments.n)
            row = result.row("Muster realtime", what, samples, bound=p99, moved_again=moved_again, interrupted=interrupted)
            result.require(unmoved == 0, f"{what}: each fault hit the path in use ({unmoved} moved nothing)")
            result.require(interrupted == 0, f"{what}: {interrupted} sessions interrupted, none may be")
            result.require(row["p50"] <= p50 * slack, f"{what}: p50 {row['p50']} ms <= {p50 * slack} ms")
            result.require(row["p99"] <= p99 * slack, f"{what}: p99 {row['p99']} ms <= {p99 * slack} ms")
        sums = room.verdict()
        result.row("Muster realtime", "messages", **sums)
        result.require(sums["lost"] == sums["doubled"] == sums["reordered"] == sums["unsent"] == 0 and
                       sums["sent"] == sums["received"], f"nothing lost, doubled or reordered: {sums}")
    with netlab.Lab() as lab:
        room = Room(lab, arguments, lans=1, members=2)
        room.start()
        *_, interrupted = suffer(room, fault_own_carrier, 2)
        result.row("control: one interface", "own carrier", [], interrupted=interrupted)
        result.require(interrupted >= 2, f"without a second path sessions are interrupted: {interrupted} of 2")


def scenario(_lab, result, arguments):
    muster(result, arguments)
    compare(result, arguments)


if __name__ == "__main__":
    report.run("failover", __doc__, scenario, n=100, peers_n=10)
