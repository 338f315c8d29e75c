#!/usr/bin/python3
"""What ten thousand joins leave behind: memory, descriptors and threads of the processes at both ends.

One process fails to join --n times, another one joins and leaves --n times, each several at once; in between everything
must come to rest, and what the process holds then is compared with what it held after a warm-up.

  failed dials  in turns: an address that nobody has, a port where nobody listens, a black hole, a coordinator with another key
                than expected, one of another group, one that refuses, and nobody at all (mDNS)
  joins         by address or mDNS, each with a key of its own; a stream each, a file offered and declined now and then; three
                of four say goodbye, the fourth drops everything
  control       the same joins with a process that keeps 20 KiB of each, and now and then a descriptor and a thread

The slope (least squares over the samples after the warm-up) times the cycles, and its bound: what allocators and tables may
still grow by, and what each cycle may.
"""
import time

import netlab
import report

WARM_UP = 500
COORDINATOR, REFUSER, NOBODY, HOLE = "192.0.2.1:4711", "192.0.2.1:4712", "192.0.2.99:4711", "192.0.2.3:4711"
NOBODY_LISTENS = "192.0.2.1:4799"
DIAL_PATIENCE_MS, JOIN_PATIENCE_MS = 150, 5000
BATCH_WITHIN = 400.0  # seconds; the program itself gives up sooner
# Heap is exact, but that some tables with a limit are still filling after the warm-up (at the coordinator that of paths on which
# strangers were heard, 160 KiB, and in a short run the timeline, 256 KiB). Resident memory is also what the allocator keeps, and how torn it is: it grows by 1 to 3 MiB
# during the first thousand cycles, one arena for each thread, and by nothing after that. Descriptors and threads: half of one, for they lie on a fitted line.
ALLOWED = {"heap": (448 << 10, 16), "resident": (3 << 20, 32), "descriptors": (0.5, 0), "threads": (0.5, 0)}
REST = 3.5  # seconds for which a coordinator remembers a link that was closed, and some
IDLE_WITHIN_MS = 4000


def slope(samples, what):
    """Least squares: of one kind of holding per cycle."""
    n = len(samples)
    xs, ys = [s["cycles"] for s in samples], [s[what] for s in samples]
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / spread


def growth(samples):
    """{what: (per cycle, in all, allowed)} of the samples after the warm-up."""
    cycles = samples[-1]["cycles"] - samples[0]["cycles"]
    return {what: (slope(samples, what), slope(samples, what) * cycles, fixed + each * cycles)
            for what, (fixed, each) in ALLOWED.items()}


class Room:
    """A coordinator, one that refuses everybody, a host that swallows everything, and the host of those who join."""

    def __init__(self, lab, arguments):
        self.program = report.probe(arguments, "endurance")
        switch = lab.switch()
        host, hole, self.joiner = lab.host("coordinator"), lab.host("hole"), lab.host("joiner")
        for number, each in enumerate((host, hole, self.joiner), 1):
            switch.plug(each, "lan0", [f"192.0.2.{number if number == 1 else number + 1}/24"])
        hole.nft("table inet hole { chain in { type filter hook input priority 0; udp dport 4711 drop; }; }")
        common = {"env": {"MUSTER_LOG": "off"}}  # that a session was dropped is no news here
        self.coordinator = host.spawn([self.program, "host", "--port=4711"], "coordinator", **common)
        refuser = host.spawn([self.program, "host", "--port=4712", "--refuse", "--no-advertise"], "refuser", **common)
        for process in (self.coordinator, refuser):
            process.expect("hosting")
        self.common = common
        time.sleep(0.5)

    def again(self, n, warm_up, ways, *options, patience_ms=JOIN_PATIENCE_MS):
        """What the process told it held, in between, and what came of its cycles; what the coordinator held when it had come
        to rest, after the warm-up and at the end."""
        every = max(20, warm_up // 2)
        process = self.joiner.spawn([self.program, "again", f"--n={n}", f"--every={every}", f"--ways={','.join(ways)}",
                                     f"--patience-ms={patience_ms}", *options], "joiner", **self.common)
        own, coordinators = [], []
        for _ in range(-(-n // every)):
            own.append(process.expect("held", BATCH_WITHIN))
            cycles = own[-1]["cycles"]  # it waits for an order now
            if cycles == n or (cycles >= warm_up and not coordinators):
                time.sleep(REST)
                self.coordinator.tell("measure")
                coordinators.append({**self.coordinator.expect("held"), "cycles": cycles})
            process.tell("go on")
        counts = process.expect("counts")
        process.wait(5)
        return own, coordinators, {key: value for key, value in counts.items() if " " in key}


def judge(result, who, samples, warm_up, is_control=False):
    """The row and the claims about one process."""
    settled = [sample for sample in samples if sample["cycles"] >= warm_up]
    grown = growth(settled)
    result.row(who, f"{settled[-1]['cycles'] - settled[0]['cycles']} cycles after {warm_up}",
               **{what: f"{each:+.2f}/cycle ({settled[0][what]} -> {settled[-1][what]})" for what, (each, _, _) in grown.items()})
    if is_control:
        seen = [what for what, (_, total, allowed) in grown.items() if total > allowed]
        result.require(seen == list(ALLOWED), f"control: leaks of {', '.join(ALLOWED)} are seen: {', '.join(seen)}")
        return
    for what, (_, total, allowed) in grown.items():
        result.require(total <= allowed, f"{who}: {what} grew by {total:.0f} <= {allowed}")
    if "idle_after_ms" in settled[0]:
        slowest = max(sample["idle_after_ms"] for sample in samples)
        result.require(slowest <= IDLE_WITHIN_MS, f"{who}: at rest {slowest:.0f} ms after the last cycle <= {IDLE_WITHIN_MS} ms")


def dials(room, result, arguments, warm_up):
    expected = {NOBODY: "unreachable", NOBODY_LISTENS: "unreachable", HOLE: "unreachable",
                f"stranger/{COORDINATOR}": "untrusted", f"group/{COORDINATOR}": "unreachable", REFUSER: "refused",
                "group/discover": "no_coordinator"}
    own, coordinators, counts = room.again(arguments.n, warm_up, expected, "--fails", "--at-once=14", patience_ms=DIAL_PATIENCE_MS)
    result.row("failed dials", "outcomes", **counts)
    result.require(sum(counts.values()) == arguments.n and all(" joined" not in key for key in counts),
                   f"{arguments.n} of {arguments.n} dials failed")
    for way, code in expected.items():
        result.require(counts.get(f"{way} {code}", 0) > 0.95 * arguments.n / len(expected), f"{way}: {code}")
    judge(result, "failed dials: who dials", own, warm_up)
    judge(result, "failed dials: the coordinator", coordinators, warm_up)


def joins(room, result, arguments, warm_up):
    ways = [COORDINATOR] * 7 + ["discover"]
    own, coordinators, counts = room.again(arguments.n, warm_up, ways, "--at-once=4")
    result.row("joins", "outcomes", **counts)
    fine = sum(count for key, count in counts.items() if key.endswith(" joined and left"))
    result.require(fine == arguments.n, f"{fine} of {arguments.n} joined and left")
    judge(result, "joins: the member", own, warm_up)
    judge(result, "joins: the coordinator", coordinators, warm_up)


def scenario(lab, result, arguments):
    warm_up = min(WARM_UP, arguments.n // 3)
    room = Room(lab, arguments)
    dials(room, result, arguments, warm_up)
    joins(room, result, arguments, warm_up)
    own, _, _ = room.again(300, 100, [COORDINATOR], "--leak")
    judge(result, "control", own, 100, is_control=True)


if __name__ == "__main__":
    report.run("endurance", __doc__, scenario, n=10_000)
