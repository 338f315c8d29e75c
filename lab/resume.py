#!/usr/bin/python3
"""Sessions that outlive their link: a cable is out for seconds and comes back, under pulses both ways.

One coordinator and one member on a switch, numbered messages both ways at 100 Hz; profile realtime.

  own cable     the member's cable is pulled at the switch: the member loses its carrier
  far cable     the coordinator's cable is pulled: the member keeps its carrier and hears silence
  interface     the member's interface is switched off and on: its IPv6 addresses are made anew

over IPv4 alone, IPv6 link-local addresses alone, and those with duplicate address detection as kernels have it, without and
with HostOptions and JoinOptions::fast_ipv6. After
the cable is back: how long until messages arrive both ways; whether any was lost, doubled or reordered, whether it is
the same session. Beside it a file of 20 MB whose way is cut for 2 s, and the negative control: without grace the same
fault ends the session.

Then the two cables over IPv4 for the systems of lab/systems.py (all of them, or --peers NAME,...; none with --no-peers),
--peers-n times each. What has not recovered 30 s after the cable's return counts as "never"; its processes are made anew.
"""
import os
import time

import failover
import netlab
import report
import systems
from report import milliseconds

CUTS = ("own cable", "far cable", "interface")
OUTAGE = 8.0
FILE_OUTAGE = 2.0
FILE_SIZE = 20_000_000
FILE_MBIT = 40  # so that the file is on its way for 4 s
GRACE_MS = 30_000
PORT = 4711
# From the cable's return to messages both ways. IPv6: duplicate address detection takes 1 to 2 s, by RFC 4862.
BOUNDS_MS = {"IPv4": 50, "IPv6": 50, "IPv6, DAD": 2500, "IPv6, DAD, fast_ipv6": 50}


class Room:
    """Two hosts on a switch and the pulse between them; `family` is a key of BOUNDS_MS, `cut` says which cable."""

    def __init__(self, lab, arguments, family, cut, grace_ms=GRACE_MS):
        self.family, self.cut = family, cut
        self.switch, self.hosts = lab.switch(), [lab.host("coordinator"), lab.host("member")]
        self.cables = [self._plug(host, number) for number, host in enumerate(self.hosts)]
        if "DAD" in family:
            time.sleep(2.5)
        self.faulty = self.cables[0 if cut == "far cable" else 1]
        self.plugged = []
        self.inbox = os.path.join(lab.scratch, f"inbox{len(lab.processes)}")
        os.mkdir(self.inbox)
        pulse = report.probe(arguments, "muster_pulse")
        common = ["--profile=realtime", f"--files={self.inbox}", *(["--fast-ipv6"] if "fast" in family else [])]
        host = [pulse, "host", f"--port={PORT}", f"--grace-ms={GRACE_MS}", *common]
        self.coordinator = self.hosts[0].spawn(host, "coordinator")
        self.coordinator.expect("hosting")
        self.member = self.hosts[1].spawn([pulse, "join", f"--grace-ms={grace_ms}", *common], "member")
        self.member.expect("joined")
        self.coordinator.expect("peer_joined")
        time.sleep(0.5)

    def _plug(self, host, number):
        if self.family == "IPv4":
            host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
            host.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
            return self.switch.plug(host, "lan0", [f"192.0.2.{number + 1}/24"])
        host.sysctl("net.ipv6.conf.default.accept_dad", 1 if "DAD" in self.family else 0)
        return self.switch.plug(host, "lan0")

    def pull(self):
        return self._set(False)

    def plug_in(self):
        self.plugged.append(self._set(True))

    def _set(self, up):
        if self.cut == "interface":
            return self.hosts[1].set_link("lan0", up)
        return self.faulty.plug_in() if up else self.faulty.pull()

    def summaries(self):
        """What both ends counted, once nothing is on its way any more."""
        for process in (self.coordinator, self.member):
            process.tell("quiet")
        time.sleep(1.0)
        for process in (self.coordinator, self.member):
            process.tell("report")
        return [process.expect("summary") for process in (self.coordinator, self.member)]


def back_after(summaries, plugged):
    """Milliseconds from the cable's return to the first message, in the slower direction; None without a gap there."""
    ends = []
    for summary in summaries:
        around = [gap for gap in summary["gaps"] if gap["at_ns"] < plugged < gap["at_ns"] + gap["ms"] * 1e6]
        ends += [milliseconds(plugged, gap["at_ns"] + gap["ms"] * 1e6) for gap in around]
    return max(ends) if len(ends) == len(summaries) else None


def judge(result, room, name, slack):
    """The rows and claims about one room at the end."""
    summaries = room.summaries()
    samples = [back_after(summaries, plugged) for plugged in room.plugged]
    cut = [bool(process.wait_for("interrupted", 0.05)) for process in (room.coordinator, room.member)]
    told = [process.wait_for(kind, 0.05)
            for process in (room.coordinator, room.member) for kind in ("peer_left", "ended")]
    sent = [summaries[0]["sent"], summaries[1]["sent"]]
    received = [summaries[1]["received"], summaries[0]["received"]]
    counts = {what: sum(summary[what] for summary in summaries) for what in ("lost", "doubled", "reordered", "unsent")}
    noticed = [s for s in samples if s is not None]
    row = result.row("Muster realtime", name, noticed, outage_s=OUTAGE, cables_back=len(samples),
                     messages=sum(sent), **counts)
    result.require(len(noticed) == len(samples), f"{name}: messages both ways after each return of the cable")
    result.require(sent == received and not any(counts.values()),
                   f"{name}: of {sum(sent)} messages none lost, doubled or reordered")
    result.require(told == [None] * 4, f"{name}: one session all the time")
    result.require(all(cut), f"{name}: both ends were told that it was interrupted")
    if noticed:
        bound = BOUNDS_MS[room.family] * slack
        result.require(row["max"] <= bound, f"{name}: {row['max']} ms from the cable to messages <= {bound} ms")


def cables(lab, result, arguments):
    rooms = {f"{family}, {cut}": Room(lab, arguments, family, cut)
             for family in BOUNDS_MS for cut in CUTS}
    for _ in range(arguments.n):
        for room in rooms.values():
            room.pull()
        time.sleep(OUTAGE)
        for room in rooms.values():  # one after another, so that they do not wait for each other's processors
            room.plug_in()
            time.sleep(0.3)
        time.sleep(3.0)
    for name, room in rooms.items():
        judge(result, room, name, arguments.slack)


def files(lab, result, arguments):
    room = Room(lab, arguments, "IPv4", "own cable")
    source = os.path.join(lab.scratch, "film.bin")
    with open(source, "wb") as film:
        film.write(os.urandom(FILE_SIZE))
    room.hosts[1].run(f"tc qdisc add dev lan0 root tbf rate {FILE_MBIT}mbit burst 64k latency 200ms")
    begin = netlab.now_ns()
    room.member.tell(f"file {source}")
    time.sleep(1.0)
    room.pull()
    time.sleep(FILE_OUTAGE)
    room.plug_in()
    received = room.coordinator.expect("file_received", 60)
    room.member.expect("file_sent", 10)
    with open(source, "rb") as sent, open(received["path"], "rb") as got:
        whole = sent.read() == got.read()
    result.row("Muster realtime", "file under way, own cable", [milliseconds(begin, received["t_ns"])],
               octets=FILE_SIZE, outage_s=FILE_OUTAGE, mbit=FILE_MBIT)
    result.require(whole, f"a file of {FILE_SIZE} octets arrives intact although the link dies on its way")
    result.require(room.member.wait_for("interrupted", 0.1) is not None, "and the link did die")


def control(lab, result, arguments):
    room = Room(lab, arguments, "IPv4", "own cable", grace_ms=0)
    at = room.pull()
    ended = room.member.wait_for("ended", 5)
    left = room.coordinator.wait_for("peer_left", 5)
    result.require(ended is not None and ended["how"] == "lost" and left is not None and left["how"] == "lost",
                   "control: without grace the same fault ends the session at both ends")
    if ended and left:
        last = max(ended["t_ns"], left["t_ns"])
        result.row("Muster realtime", "control: grace 0, own cable", [milliseconds(at, last)])


class PeerRoom(failover.Room):
    """One member of another system on one network, its outages, and what came of them."""

    def __init__(self, lab, arguments, system, cut):
        super().__init__(lab, arguments, system, lans=1, members=1)
        self.cut, self.found, self.plugged = cut, failover.Suffered(), []
        self.cable = (self.coordinator if cut == "far cable" else self.members[0]).cables[0]
        self.start()

    def count(self):
        """Adds what the processes have to tell since they were started."""
        self.fall_quiet()
        (ends,) = self.reports().values()
        self.found.add(ends)
        samples = [back_after(ends, plugged) for plugged in self.plugged]
        self.found.samples += [sample for sample in samples if sample is not None]
        self.plugged.clear()

    def plug_in(self):
        self.plugged.append(self.cable.plug_in())

    def look_after(self, deadline):
        """Waits for messages both ways; makes everything anew if there are none in time."""
        if failover.wait_for_recovery(self, self.members, deadline):
            return
        self.found.never += 1
        self.plugged.pop()
        if self.plugged and not self.has_died():
            self.count()
        self.plugged.clear()
        self.stop()
        self.start()


def compare(lab, result, arguments):
    rooms = []
    for system in report.chosen_peers(arguments, systems.all_peers()):
        if why := system.missing(arguments):
            result.row(system.name, "not measured", why=why)
        else:
            rooms += [PeerRoom(lab, arguments, type(system)(), cut) for cut in CUTS[:2]]
    for _ in range(arguments.peers_n if rooms else 0):
        for room in rooms:
            room.cable.pull()
        time.sleep(OUTAGE)
        for room in rooms:
            room.plug_in()
            time.sleep(0.1)
        deadline = time.monotonic() + failover.PATIENCE
        for room in rooms:
            room.look_after(deadline)
        time.sleep(1)
    for room in rooms:
        room.count()
        result.row(room.system.name, f"IPv4, {room.cut}", room.found.samples, never=room.found.never, outage_s=OUTAGE,
                   **room.found.counts)


def scenario(lab, result, arguments):
    for part in (cables, files, control, compare):
        with netlab.Lab() as room:
            part(room, result, arguments)


if __name__ == "__main__":
    report.run("resume", __doc__, scenario, n=5, peers_n=5)
