#!/usr/bin/python3
"""Runs scenario files on network namespaces: the network, what happens to it, and what must hold (docs/LAB.md).

    lab/scenario.py FILE... [--n N] [--short | --for TIME] [--json OUT] [--check]

A file without [traffic] is about joining: --n members join one after another. One with [traffic] is about a session that
lasts: it is run --n times. The same files run in virtual time with tests/sim's scenario_sim; what only one of the two can do says
so in the file (`only`), and is reported by the other. Exit codes: 0 all held, 1 something did not, 2 a file is wrong, 77 not root.
"""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import netlab
import report
import scenario_file
from naive_client import naive_joins
from report import milliseconds
from scenario_room import Room, Timetable

JOIN_PHASE = 3.0  # seconds after the start of a join within which its faults come
ANNOUNCED = 0.5   # until the coordinator has said all that it says unasked
SETTLE = 1.2      # until all paths of a session are ready
SHORTEST_TOLD_MS = 30.0  # kGapWorthTelling of pulse_tally.h


def code_of(event):
    return event.get("error", {}).get("code") if event else None


class Joins:
    """--n joins, one after another, with what the file says of each."""

    def __init__(self, room, result, n):
        self.room, self.result, self.n = room, result, n
        self.expect = room.scenario.get("expect", {})
        self.slack = room.arguments.slack
        self.times, self.paths, self.failed, self.wrong = [], {}, [], []
        self.naive = None  # how often the naive client gets through, once it has tried

    def run(self, with_naive=False):
        room = self.room
        if room.coordinator:
            room.start(room.coordinator, [room.program("probe_host")])
            room.coordinator.process.expect("ready")
            time.sleep(ANNOUNCED)
        for number in range(self.n):
            for seat in room.members:
                self._join(seat, number)
            room.lab.reap()
        self._judge()
        if with_naive or "naive" in self.expect:
            self._naive()

    def _join(self, seat, number):
        room, wants_verdict = self.room, "verdict" in self.expect
        faults = Timetable(room, "join", JOIN_PHASE, number / max(1, self.n - 1))
        name = f"m{number}" if len(room.members) == 1 else f"{seat.name}-{number}"
        process = room.start(seat, [room.program("probe_join")], "--on-order", "--leave", f"--name={name}")
        process.expect("armed")
        zero = time.monotonic() + 0.005
        process.tell(f"start {netlab.now_ns() + 5_000_000}")
        end = zero + max((fault.get("until", fault["at"]) for fault in room.scenario["fault"]), default=0)
        faults.run_until(zero, end)
        patience = seat.table.get("patience", 5.0) + 5
        meanwhile = lambda: faults.run_until(zero, time.monotonic())
        said = self._first(process, ("joined", "failed"), patience, meanwhile)
        if wants_verdict:
            self._verdict(said, process)
        else:
            self._joined(said, process, name, meanwhile)
        faults.heal_all()

    @staticmethod
    def _first(process, kinds, timeout, meanwhile):
        end = time.monotonic() + timeout
        while time.monotonic() < end and process.exit_code is None:
            meanwhile()
            for kind in kinds:
                if event := process.wait_for(kind, 0.02):
                    return event
        return next(filter(None, (process.wait_for(kind, 0.1) for kind in kinds)), None)

    def _joined(self, said, process, name, meanwhile):
        if not said or said["event"] != "joined":
            self.failed.append(said["explain"] if said else "no word from the member: " + " | ".join(process.lines[-3:]))
            process.kill()
            return
        coordinator, sent = self.room.coordinator.process, process.wait_for("sent", 2) or {"remote": ""}
        if not self._first(coordinator, ("message",), 5, meanwhile):
            self.failed.append("the message did not arrive: " + " | ".join(process.lines[-3:]))
            return
        self.times.append(said["joined_us"] / 1000)
        family = "v6 link-local" if "fe80:" in sent["remote"] else "v6" if "[" in sent["remote"] else "v4"
        self.paths[family] = self.paths.get(family, 0) + 1
        process.wait(5)
        # A goodbye that a fault has swallowed is missed for as long as the grace; nobody waits for that.
        coordinator.wait_for("left", 1.0, where=lambda event: event["name"] == name)
        coordinator.forget()

    def _verdict(self, said, process):
        process.kill()
        if code_of(said) == self.expect["verdict"]:
            self.times.append(said["took_ms"])
        else:
            self.wrong.append(f"{code_of(said) or said and said['event']}: {said.get('explain', '') if said else ''}")

    def _judge(self):
        n, name, result = self.n * len(self.room.members), self.room.scenario["name"], self.result
        good = len(self.times)
        facts = {"joined": good, "of": n, "wilson": round(report.wilson_lower(good, n), 4), "paths": self.paths}
        if "verdict" in self.expect:
            facts = {"verdict": self.expect["verdict"], "right": good, "of": n}
        row = result.row("Muster", name, self.times, **facts)
        for trouble in (self.failed + self.wrong)[:3]:
            result.note(f"{name}: {trouble}")
        if "verdict" in self.expect:
            result.require(good == n, f"{name}: {good} of {n} joins fail with {self.expect['verdict']}")
            bound = self.expect.get("verdict_within")
        else:
            result.require(good == n, f"{name}: {good} of {n} joined")
            bound = self.expect.get("joined_within")
        if bound and self.times:
            bound *= 1000 * self.slack
            result.require(row["max"] <= bound, f"{name}: the slowest took {row['max']} ms <= {bound:.0f} ms")

    def _naive(self):
        name, wanted = self.room.scenario["name"], self.expect.get("naive")
        self.naive = naive_joins(self.room, self.n)
        self.result.row("naive client", name, joined=self.naive, of=self.n)
        if wanted:
            self.result.require((self.naive == 0) == (wanted == "fails"),
                                f"{name}: control: the naive client {wanted}: {self.naive} of {self.n}")


class Talk:
    """A coordinator and members that talk while things happen."""

    def __init__(self, room, result, number):
        self.room, self.result = room, result
        self.expect, self.traffic = room.scenario.get("expect", {}), room.scenario["traffic"]
        self.name = room.scenario["name"] + (f" #{number}" if number else "")
        self.slack = room.arguments.slack

    def run(self):
        self._join()
        controls = self._controls()
        time.sleep(SETTLE)
        self._tell("watch")
        for process in self._processes():
            process.forget()
        length = self.traffic["for"]
        if self.room.arguments.short:
            length = min(length, self.traffic.get("short", length))
        length = self.room.arguments.seconds or length
        zero = time.monotonic()
        faults = Timetable(self.room, "traffic", length)
        cpu = [used(process) for process in self._processes()]
        packets = [sent_by(seat) for seat in (self.room.coordinator, *self.room.members)]
        faults.run_until(zero, zero + length)
        faults.heal_all()
        took = time.monotonic() - zero
        shares = [round(100 * (used(process) - before) / took, 2) for process, before in zip(self._processes(), cpu)]
        packets = [round((sent_by(seat) - before) / took)
                   for seat, before in zip((self.room.coordinator, *self.room.members), packets)]
        time.sleep(self.traffic.get("after", 1.0))
        if self.expect.get("session") == "lost":
            return self._lost(faults)
        self._kept(faults, length, {"cpu_percent": shares, "packets_per_s": packets})
        if controls:
            self._judge_controls(controls)

    def _processes(self):
        return [self.room.coordinator.process, *(seat.process for seat in self.room.members)]

    def _join(self):
        room = self.room
        rate = f"--rate={self.traffic.get('rate', 100)}"
        room.start(room.coordinator, [room.program("muster_pulse"), "host"], rate).expect("hosting")
        for seat in room.members:
            room.start(seat, [room.program("muster_pulse"), "join"], rate, f"--name={seat.name}")
        for seat in room.members:
            seat.process.expect("joined")
            room.coordinator.process.expect("peer_joined")

    def _controls(self):
        """Plain TCP connections beside the session, one to each address that the file names."""
        control = self.room.scenario.get("control")
        if not control:
            return []
        program = str(Path(__file__).with_name("peer_tcp.py"))
        self.room.coordinator.host.spawn([sys.executable, program, "server"]).expect("up")
        host = self.room.seats[control["host"]].host
        clients = [host.spawn([sys.executable, program, "client", address]) for address in control["to"]]
        for client in clients:
            client.expect("connected")
        return clients

    def _judge_controls(self, clients):
        for client in clients:
            client.tell("report")
        seconds = [client.expect("unaware")["seconds"] for client in clients]
        wanted = self.room.scenario["control"]["tcp_unaware"]
        self.result.row("plain TCP", self.name, seconds, unit="s")
        self.result.require(max(seconds) >= wanted,
                            f"{self.name}: control: plain TCP hears nothing for {max(seconds)} s and takes that for a "
                            f"connection; at least {wanted} s, or the faults would prove nothing")

    def _tell(self, order):
        for process in self._processes():
            process.tell(order)

    def _summaries(self):
        """[(process, its summary about the other end)], for every member and direction."""
        self._tell("quiet")
        time.sleep(1.0)
        self._tell("report")
        members = self.room.members
        there = [self.room.coordinator.process.expect("summary") for _ in members]
        there = [next(event for event in there if event["peer"] == seat.name) for seat in members]
        here = [seat.process.expect("summary") for seat in members]
        self._tell("watch")
        gaps = [self.room.coordinator.process.expect("watched")["longest_gap_ms"] for _ in members]
        gaps = [max(gap, seat.process.expect("watched")["longest_gap_ms"]) for gap, seat in zip(gaps, members)]
        return list(zip(here, there, gaps))

    @staticmethod
    def _count(process, kind):
        found = 0
        while process.wait_for(kind, 0.002):
            found += 1
        return found

    def _kept(self, faults, length, cost):
        expect, require = self.expect, self.result.require
        interrupted = sum(self._count(process, "interrupted") for process in self._processes())
        over = sum(self._count(process, kind) for process in self._processes() for kind in ("peer_left", "ended"))
        require(over == 0, f"{self.name}: one session all the time, {len(faults.begun)} faults")
        if over:  # whose session is over has left, and counts no more
            return
        moves = sum(self._count(seat.process, "path_changed") for seat in self.room.members)
        back = []
        ends = self._summaries()
        sums = {key: sum(end[key] for here, there, _ in ends for end in (here, there))
                for key in ("sent", "received", "lost", "doubled", "reordered", "unsent")}
        for heal in faults.healed:
            found = [after(end["gaps"], heal) for here, there, _ in ends for end in (here, there)]
            back += [max(each for each in found if each is not None)] if any(each is not None for each in found) else []
        gap = max(watched(here, there, faults) for here, there, _ in ends)
        self.result.row("Muster", self.name, back, seconds=length, faults=len(faults.begun), moves=moves,
                        interrupted=interrupted, longest_gap_ms=gap, **cost, **sums)
        whole = sums["sent"] == sums["received"] and not any(sums[key] for key in ("lost", "doubled", "reordered", "unsent"))
        require(whole, f"{self.name}: all {sums['sent']} messages arrived once and in order: {sums}")
        wanted = expect.get("interrupted", "allowed")
        fine = {"never": interrupted == 0, "allowed": True, "always": interrupted > 0}[wanted]
        require(fine, f"{self.name}: interrupted {wanted}: {interrupted} times")
        if "moves" in expect:
            require(moves >= expect["moves"], f"{self.name}: {moves} moves, at least {expect['moves']}")
        if "gap_within" in expect:
            self._within("the longest silence", gap, expect["gap_within"])
        if "back_within" in expect and back:
            self._within("back after a fault is over", max(back), expect["back_within"])

    def _within(self, what, ms, bound):
        bound *= 1000 * self.slack
        self.result.require(ms <= bound, f"{self.name}: {what}: {ms:.1f} ms <= {bound:.0f} ms")

    def _lost(self, faults):
        ends = [self.room.coordinator.process.wait_for("peer_left", 0.1)] if self.room.coordinator.process.exit_code is None else []
        ends += [seat.process.wait_for("ended", 0.1) for seat in self.room.members if seat.process.exit_code is None]
        took = [milliseconds(faults.begun[0], event["t_ns"]) for event in ends if event]
        self.result.row("Muster", self.name, took, verdicts=[code_of(event) for event in ends])
        fine = all(event and event["how"] == "lost" for event in ends) and ends
        self.result.require(fine, f"{self.name}: every end is told that the session is lost")
        if "verdict" in self.expect:
            self.result.require(all(code_of(event) == self.expect["verdict"] for event in ends),
                                f"{self.name}: with {self.expect['verdict']}: {[code_of(event) for event in ends]}")
        if "verdict_within" in self.expect and took:
            self._within("from the fault to the verdict", max(took), self.expect["verdict_within"])


def used(process):
    """Seconds of processor time that a process has had."""
    if process.exit_code is not None:
        return 0.0
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sent_by(seat):
    """Packets that have left a host by all its interfaces."""
    links = json.loads(seat.host.run("ip -j -s link"))
    return sum(link["stats64"]["tx"]["packets"] for link in links if link["ifname"] != "lo")


def watched(here, there, faults):
    """The longest silence of either end that had anything to do with the faults: pauses before them are the start's. An upper
    bound: the probes tell no pause of 30 ms or less."""
    first = min(faults.begun, default=0)
    return max((gap["ms"] for end in (here, there) for gap in end["gaps"] if gap["at_ns"] + gap["ms"] * 1e6 > first),
               default=SHORTEST_TOLD_MS)


def after(gaps, heal):
    """Milliseconds from a moment to the end of the silence that it fell into; None if there was none."""
    return next((milliseconds(heal, gap["at_ns"] + gap["ms"] * 1e6) for gap in gaps
                 if gap["at_ns"] < heal < gap["at_ns"] + gap["ms"] * 1e6), None)


def run_one(scenario, result, arguments):
    if scenario.get("only") == "sim":
        result.row("not run here", scenario["name"], why=scenario["because"])
        return
    for number in range(arguments.n if "traffic" in scenario else 1):
        with netlab.Lab() as lab:
            room = Room(lab, scenario, arguments)
            if "traffic" in scenario:
                Talk(room, result, number).run()
            else:
                Joins(room, result, arguments.n).run()


def run_all(scenarios):
    def run(_, result, arguments):
        for scenario in scenarios:
            try:
                run_one(scenario, result, arguments)
            except netlab.LabError as trouble:
                result.require(False, f"{scenario['name']}: the laboratory ran to its end: {trouble}")
    return run


def run_side_by_side(arguments):
    """For files that mostly wait. Each has a report of its own, named after it, beside the one that --json names."""
    keep = [argument for argument in sys.argv[1:] if argument not in map(str, arguments.files)]
    keep = [argument for number, argument in enumerate(keep)
            if argument not in ("--jobs", "--json") and (number == 0 or keep[number - 1] not in ("--jobs", "--json"))]
    folder = Path(arguments.json).parent if arguments.json else report.ROOT / "lab" / "out"
    jobs = [subprocess.Popen([sys.executable, __file__, *keep, "--json", str(folder / f"{path.stem}.json"), str(path)],
                             stdout=subprocess.PIPE, text=True) for path in arguments.files]
    for job in jobs:
        print(job.communicate()[0], end="", flush=True)
    return max(job.returncode for job in jobs)


def main():
    parser = report.parser("scenario", __doc__, n=1)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--short", action="store_true", help="the short form of what is long")
    parser.add_argument("--for", dest="seconds", type=scenario_file.seconds, help="another length than the file's, as 4min")
    parser.add_argument("--jobs", type=int, default=1, help="more than 1: every file in a process of its own, all at once")
    parser.add_argument("--check", action="store_true", help="only read the files")
    arguments = parser.parse_args()
    try:
        scenarios = [scenario_file.load(path) for path in arguments.files]
    except scenario_file.ScenarioError as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(2)
    if arguments.check:
        return
    if arguments.jobs > 1:
        sys.exit(run_side_by_side(arguments))
    name = "scenarios" if len(scenarios) > 1 else scenarios[0]["name"]
    report.run_parsed(name, run_all(scenarios), arguments)


if __name__ == "__main__":
    main()
