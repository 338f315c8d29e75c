#!/usr/bin/python3
"""Does the shuttle do what it is told? Measured with datagrams to an echo service on real interfaces, n of each.

Delay, loss, duplication and reordering as the socket sees them, each way for itself, beside what the shuttle says that
it did. Control: the same measurement of a cable without orders must find none of it, and of a cable without shuttle
too, so that what is measured is the shuttle's doing.
"""
import socket
import statistics
import sys
import time

import netlab
import report
from plain_peers import ECHO

PORT = 7007
PAUSE = 0.0005
PATIENCE = 0.3
DELAY_MS, SHARE = 20.0, 0.2


class Pair:
    """Two hosts on a switch; the first one's cable is carried by the shuttle."""

    def __init__(self, lab, arguments, with_shuttle=True):
        switch = lab.switch()
        self.host, self.echo = lab.host("a"), lab.host("b")
        program = report.probe(arguments, "shuttle") if with_shuttle else None
        self.cable = switch.plug(self.host, "lan0", ["192.0.2.1/24"], program)
        switch.plug(self.echo, "lan0", ["192.0.2.2/24"])
        self.echo.spawn([sys.executable, "-c", ECHO, str(PORT), "4"]).expect("up")
        self.measure(5)  # neighbours know each other

    def measure(self, n, size=64):
        """What came of n datagrams: arrivals as (number, milliseconds there and back), in their order."""
        arrivals = []
        with self.host.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.2", PORT))
            probe.setblocking(False)
            sent = {}
            for number in range(n):
                sent[number] = netlab.now_ns()
                probe.send(number.to_bytes(4, "big").ljust(size, b"."))
                self._drain(probe, sent, arrivals, PAUSE)
            self._drain(probe, sent, arrivals, PATIENCE)
        return arrivals

    @staticmethod
    def _drain(probe, sent, arrivals, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                number = int.from_bytes(probe.recv(2048)[:4], "big")
                arrivals.append((number, (netlab.now_ns() - sent[number]) / 1e6))
            except BlockingIOError:
                time.sleep(0.0001)

    def told(self, *orders):
        self.cable.order("clear", *orders)

    def counters(self):
        self.cable.shuttle.tell("report")
        return self.cable.shuttle.expect("counters")


def shares(arrivals, n):
    """Lost, doubled and late, as shares of n; median of the times."""
    numbers = [number for number, _ in arrivals]
    late = sum(1 for before, after in zip(numbers, numbers[1:]) if after < before)
    times = [took for _, took in arrivals]
    return {"lost": 1 - len(set(numbers)) / n, "doubled": (len(numbers) - len(set(numbers))) / n, "late": late / n,
            "p50_ms": round(statistics.median(times), 3) if times else None}


def is_bare(found):
    return found["lost"] == found["doubled"] == found["late"] == 0 and found["p50_ms"] < DELAY_MS / 4


def measured(result, pair, n, what, *orders):
    pair.told(*orders)
    arrivals = pair.measure(n)
    found = shares(arrivals, n)
    result.row("shuttle", what, [took for _, took in arrivals], **{key: round(found[key], 4) for key in ("lost", "doubled", "late")})
    return found


def near(value, wanted, n):
    """Within four standard deviations of a share that n trials show."""
    return abs(value - wanted) <= 4 * (wanted * (1 - wanted) / n) ** 0.5


def orders(lab, result, arguments):
    n, pair = arguments.n, Pair(lab, arguments)
    check = lambda what, *lines: measured(result, pair, n, what, *lines)
    require = result.require
    require(is_bare(check("no orders (control)")), "control: without orders nothing is lost, late, twice or slow")
    found = check("delay 20 ms out", f"out delay {DELAY_MS:.0f}ms")
    require(DELAY_MS <= found["p50_ms"] <= DELAY_MS + 2 * arguments.slack, f"a delay of {DELAY_MS} ms: {found['p50_ms']} ms")
    found = check("delay 20 ms both ways", f"delay {DELAY_MS:.0f}ms")
    require(2 * DELAY_MS <= found["p50_ms"] <= 2 * DELAY_MS + 4 * arguments.slack, f"and both ways: {found['p50_ms']} ms")
    found = check("loss 20 % out", f"out loss {SHARE}")
    require(near(found["lost"], SHARE, n), f"a loss of {SHARE}: {found['lost']:.3f}")
    found = check("loss 20 % both ways", f"loss {SHARE}")
    require(near(found["lost"], 1 - (1 - SHARE) ** 2, n), f"and both ways: {found['lost']:.3f}")
    found = check("duplicate 20 % in", f"in duplicate {SHARE}")
    require(near(found["doubled"], SHARE, n) and found["lost"] == 0, f"a duplication of {SHARE}: {found['doubled']:.3f}")
    found = check("reorder 20 % in", f"in reorder {SHARE} by 5ms")
    require(found["late"] > SHARE / 4 and found["lost"] == 0, f"reordered by {SHARE}: {found['late']:.3f} come before one that was sent earlier")


def holes(lab, result, arguments):
    pair = Pair(lab, arguments)
    passes = lambda size=64: len(pair.measure(5, size)) == 5
    for order, claim in (("one-way in", "only one way"), ("drop-flow 192.0.2.2:7007", "a flow"), ("drop", "everything")):
        pair.told(order)
        result.require(not passes(), f"black hole of {claim}: nothing comes back")
    pair.told("drop-flow 192.0.2.2:7008")
    result.require(passes(), "another flow passes")
    pair.told("mtu 1000")
    result.require(passes(900) and not passes(1200), "packets above 1000 octets vanish, smaller ones pass")
    counters = pair.counters()
    result.require(counters["out"]["too_big"] == 5 and counters["out"]["flow_dropped"] >= 5 and counters["unsent"] == 0,
                   f"and it says so: {counters['out']}")
    pair.told()
    pair.cable.pull()
    time.sleep(0.1)
    pair.cable.plug_in()
    time.sleep(0.1)
    result.require(passes(), "a cable that was pulled is carried again")


def control(lab, result, arguments):
    pair = Pair(lab, arguments, with_shuttle=False)
    found = shares(pair.measure(arguments.n), arguments.n)
    result.row("bare cable", "control", p50_ms=found["p50_ms"])
    result.require(is_bare(found), "control: a cable without shuttle loses, doubles and delays nothing")


def scenario(lab, result, arguments):
    for part in (orders, holes, control):
        with netlab.Lab() as room:
            part(room, result, arguments)


if __name__ == "__main__":
    report.run("shuttle", __doc__, scenario, n=2000)
