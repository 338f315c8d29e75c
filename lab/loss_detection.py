#!/usr/bin/python3
"""How long until the coordinator's application hears that a member is lost.

One coordinator and ten members, each a process on a host of its own, on one switch; profiles realtime and balanced.

  killed        the member's process gets SIGKILL
  far cable     the member's cable is pulled at the switch; the coordinator keeps its carrier and hears silence
  own carrier   the coordinator's cable is pulled at the switch: it loses its carrier

Sessions have no grace: what is measured is the verdict. Faults come at random moments. Beside it the same three faults for services of Avahi and python3-zeroconf, watched by
a browser for ten seconds.
"""
import random
import signal
import time

import netlab
import report
from avahi import Avahi
from report import milliseconds

MEMBERS = 10
BOUNDS_MS = {"realtime": 150, "balanced": 1200}  # muster/profile.h
OWN_CARRIER_BOUND_MS = 40
PEER_WINDOW = 10.0  # seconds for which Avahi and zeroconf are given the chance to notice
TYPE = "_lab._udp"


class Room:
    """A switch with a coordinator and members."""

    def __init__(self, lab, members=MEMBERS):
        self.switch = lab.switch()
        self.coordinator = lab.host("coordinator")
        self.own_cable = self.switch.plug(self.coordinator, "lan0", ["192.0.2.1/24"])
        self.members = [lab.host(f"member{number}") for number in range(members)]
        self.cables = [self.switch.plug(host, "lan0", [f"192.0.2.{10 + number}/24"])
                       for number, host in enumerate(self.members)]


class Group:
    """A coordinator that runs, and how members come and are lost."""

    def __init__(self, lab, arguments, room, profile):
        self.lab, self.arguments, self.room, self.profile = lab, arguments, room, profile
        self.options = ["--group=lab", f"--profile={profile}", "--grace-ms=0"]
        self.process = room.coordinator.spawn([report.probe(arguments, "probe_host"), *self.options])
        self.process.expect("ready")
        self.names = (f"m{number}" for number in range(10 ** 9))

    def join(self, hosts):
        """{name: (process, cable)} of members that have joined from these hosts."""
        members = {}
        for host, cable in zip(hosts, self.room.cables):
            name = next(self.names)
            process = host.spawn([report.probe(self.arguments, "probe_join"), f"--name={name}", *self.options])
            members[name] = (process, cable)
        for name in members:
            self.process.expect("joined", where=lambda event: event["name"] == name)
        return members

    def lost_after(self, name, fault_ns):
        """Milliseconds from the fault to `lost`."""
        left = self.process.expect("left", timeout=20, where=lambda event: event["name"] == name)
        if left["how"] != "lost":
            raise netlab.LabError(f"{name} was told as {left['how']}, not as lost")
        return milliseconds(fault_ns, left["t_ns"])

    def end_round(self, members):
        for process, cable in members.values():
            process.kill()
            cable.plug_in()
        self.room.own_cable.plug_in()
        self.process.forget()
        self.lab.reap()

    def one_by_one(self, n, fault):
        """Samples for faults that hit one member; fault(process, cable) gives its time."""
        samples = []
        while len(samples) < n:
            members = self.join(self.room.members[:n - len(samples)])
            faults = {}
            for name, (process, cable) in members.items():
                time.sleep(random.uniform(0.02, 0.12))  # longer than two heartbeats of the realtime profile
                faults[name] = fault(process, cable)
            samples += [self.lost_after(name, at) for name, at in faults.items()]
            self.end_round(members)
        return samples

    def own_carrier(self, n):
        """Samples for faults that hit the coordinator: two members each time, the later one counts."""
        samples = []
        for _ in range(n):
            members = self.join(self.room.members[:2])
            time.sleep(random.uniform(0.02, 0.12))
            at = self.room.own_cable.pull()
            samples.append(max(self.lost_after(name, at) for name in members))
            self.end_round(members)
        return samples


def muster(lab, result, arguments, profile):
    bound = BOUNDS_MS[profile] * arguments.slack
    group = Group(lab, arguments, Room(lab), profile)
    killed = group.one_by_one(arguments.n, lambda process, cable: process.kill())
    far = group.one_by_one(arguments.n, lambda process, cable: cable.pull())
    own = group.own_carrier(arguments.n)
    for what, samples, limit in (("killed", killed, bound), ("far cable", far, bound),
                                 ("own carrier", own, OWN_CARRIER_BOUND_MS * arguments.slack)):
        row = result.row(f"Muster {profile}", what, samples, bound=limit)
        result.require(row["max"] <= limit, f"{profile}, {what}: {row['max']} ms <= {limit} ms")
    group.process.stop()


def watch(result, who, what, browser, fault, kind, is_removal):
    """Counts how many of the ten services a browser drops within the window."""
    begin = fault()
    gone, deadline = [], time.monotonic() + PEER_WINDOW
    while len(gone) < MEMBERS and (left := deadline - time.monotonic()) > 0:
        event = browser.wait_for(kind, left, is_removal)
        if event:
            gone.append(milliseconds(begin, event.get("t_ns", event["seen_ns"])))
    return result.row(who, what, gone, noticed=len(gone), of=MEMBERS, window_s=PEER_WINDOW)


def pull_all(cables):
    return [cable.pull() for cable in cables][-1]


def restore(room):
    for cable in (room.own_cable, *room.cables):
        cable.plug_in()


def zeroconf_publishers(room, browser):
    """A process on each member's host with one service, seen by the browser."""
    script = str(report.ROOT / "lab" / "peer_zeroconf.py")
    publishers = [host.spawn([netlab.PYTHON, script, f"192.0.2.{10 + number}"])
                  for number, host in enumerate(room.members)]
    for number, publisher in enumerate(publishers):
        publisher.tell(f"publish s{number} {TYPE} 4711")
    for number in range(MEMBERS):
        browser.expect("found", 30, lambda event: event["name"] == f"s{number}")
    return publishers


def zeroconf(lab, result):
    room = Room(lab)
    browser = room.coordinator.spawn([netlab.PYTHON, str(report.ROOT / "lab" / "peer_zeroconf.py"), "192.0.2.1"])
    browser.tell(f"browse {TYPE}")
    publishers = zeroconf_publishers(room, browser)
    see = lambda what, fault: watch(result, "python3-zeroconf", what, browser, fault, "left", lambda event: True)
    goodbye = see("goodbye (control)", lambda: [(p.tell("withdraw"), netlab.now_ns())[1] for p in publishers][-1])
    for publisher in publishers:
        publisher.stop()
    publishers = zeroconf_publishers(room, browser)
    see("own carrier", room.own_cable.pull)
    restore(room)
    see("far cable", lambda: pull_all(room.cables))
    restore(room)
    see("killed", lambda: [publisher.kill() for publisher in publishers][-1])
    return goodbye


def avahi(lab, result):
    room = Room(lab, members=1)
    publisher = Avahi(room.members[0], [(f"s{number}", TYPE, 4711) for number in range(MEMBERS)])
    watcher = Avahi(room.coordinator)
    browser = watcher.spawn("avahi-browse", "-p", TYPE)
    one_family = lambda sign: lambda event: event["text"].startswith(sign) and ";IPv4;" in event["text"]
    see = lambda what, fault: watch(result, "Avahi", what, browser, fault, "text", one_family("-"))
    all_there = lambda: [browser.expect("text", 10, one_family("+")) for _ in range(MEMBERS)]
    all_there()
    goodbye = see("goodbye (control)", lambda: (publisher.daemon.signal(signal.SIGTERM), publisher.daemon.wait())[0])
    publisher.start()
    all_there()
    see("own carrier", room.own_cable.pull)
    restore(room)
    see("far cable", lambda: pull_all(room.cables))
    restore(room)
    see("killed", publisher.daemon.kill)  # nsenter has become avahi-daemon: this is its process
    return goodbye


def scenario(lab, result, arguments):
    for profile in BOUNDS_MS:
        with netlab.Lab() as room:
            muster(room, result, arguments, profile)
    if arguments.no_peers:
        return
    for measure in (zeroconf, avahi):
        with netlab.Lab() as room:
            goodbye = measure(room, result)
        result.require(goodbye["noticed"] == MEMBERS, f"{goodbye['who']}: a goodbye is noticed, so the watch works")


if __name__ == "__main__":
    report.run("loss_detection", __doc__, scenario, n=50)
