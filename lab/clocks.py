#!/usr/bin/python3
"""What clocks may do to a session: nothing, but that a sleep of the machine counts against its grace.

A coordinator and a member on hosts of their own, 100 messages a second, profile realtime, grace 5 s. Their clocks are turned by
lab/clock_shift, at both ends or at one, for the machine's own belong to everybody.

  wall clock   ten years forward, back, a second to and fro: no session may be interrupted, no message lost; members join while
               the clocks of both ends are years apart; a coordinator with a journal is killed and comes back a year earlier
  sleep        CLOCK_BOOTTIME goes on by 2 s and by an hour while the process hears nothing of it: the session goes on
  sleep while  the session waits for a link: it ends with a reason as soon as the machine wakes up, if the grace is over;
  interrupted  control: without the sleep it still waits
  uptime       a member whose machine has been up for ten years, or for a second (a time namespace), joins
"""
import mmap
import os
import struct
import subprocess
import time

import netlab
import report
from loss_detection import Room
from report import milliseconds

SECOND, YEAR = 10 ** 9, 365 * 86400 * 10 ** 9
GRACE_MS = 5000
WOKEN_WITHIN_MS = 1000  # until what was over is told: the shortest wait under way, and a turn


class Clocks:
    """The clocks of one process."""

    def __init__(self, lab, arguments, name):
        path = os.path.join(lab.scratch, f"clocks-{name}-{lab.next_number()}")
        with open(path, "wb") as file:
            file.write(bytes(16))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 16)
        self.environment = {"LD_PRELOAD": report.probe(arguments, "libclock_shift.so"), "MUSTER_CLOCKS": path}

    def set_wall(self, nanoseconds):
        self.memory[0:8] = struct.pack("=q", nanoseconds)

    def set_boot(self, nanoseconds):
        self.memory[8:16] = struct.pack("=q", nanoseconds)


class Pair:
    def __init__(self, lab, arguments):
        self.lab, self.arguments, self.room = lab, arguments, Room(lab, 2)
        self.clocks = [Clocks(lab, arguments, name) for name in ("coordinator", "member")]
        self.program = report.probe(arguments, "muster_pulse")
        self.coordinator = self.spawn(self.room.coordinator, "host", "coordinator", 0)
        self.coordinator.expect("hosting")
        self.member = self.join("m0", 0)
        time.sleep(0.5)

    def spawn(self, host, role, name, clocks):
        return host.spawn([self.program, role, f"--name={name}", "--profile=realtime", f"--grace-ms={GRACE_MS}"], name,
                          env=self.clocks[clocks].environment)

    def join(self, name, number):
        member = self.spawn(self.room.members[number], "join", name, 1)
        member.expect("joined")
        return member

    def is_undisturbed(self):
        """No end was told anything, and all messages came once and in order."""
        told = [process.wait_for(kind, 0.02) for process in (self.coordinator, self.member)
                for kind in ("interrupted", "peer_left", "ended")]
        for process in (self.coordinator, self.member):
            process.tell("watch")
        gaps = [process.expect("watched")["longest_gap_ms"] for process in (self.coordinator, self.member)]
        return told == [None] * 6, max(gaps)

    def sums(self):
        for process in (self.coordinator, self.member):
            process.tell("quiet")
        time.sleep(0.5)
        for process in (self.coordinator, self.member):
            process.tell("report")
        told = [process.expect("summary", where=lambda event: event["received"] > 0) for process in (self.coordinator, self.member)]
        return {key: sum(each[key] for each in told) for key in ("lost", "doubled", "reordered")}


def wall(result, arguments):
    with netlab.Lab() as lab:
        pair = Pair(lab, arguments)
        pair.clocks[1].set_wall(10 * YEAR)
        there = int(pair.room.members[0].run(["date", "+%s"], env={**os.environ, **pair.clocks[1].environment}))
        result.require(there - time.time() > 9 * YEAR / SECOND, "control: the clock is turned for programs there")
        for shift in (10 * YEAR, -10 * YEAR, SECOND, -SECOND, 0):
            for which in ((0,), (1,), (0, 1)):
                for clocks in which:
                    pair.clocks[clocks].set_wall(shift)
                time.sleep(0.3)
                calm, gap = pair.is_undisturbed()
                result.require(calm, f"wall clock {shift / YEAR:+.2g} years at {len(which)} ends: nobody is told anything, longest gap {gap} ms")
        for years in (-10, 10):
            pair.clocks[1].set_wall(years * YEAR)
            late = pair.join(f"late{years}", 1)
            result.require(True, f"a member whose clock is {years} years off joins")
            late.stop()
        sums = pair.sums()
        result.require(not any(sums.values()), f"wall clock: nothing lost, doubled or reordered: {sums}")


def journal(result, arguments):
    with netlab.Lab() as lab:
        room, clocks = Room(lab, 1), Clocks(lab, arguments, "coordinator")
        ledger = report.probe(arguments, "ledger")
        file = lambda name: os.path.join(lab.scratch, name)
        host = [ledger, "host", f"--journal={file('journal')}", f"--home={file('home')}", f"--ledger={file('host')}", "--grace-ms=20000"]
        coordinator = room.coordinator.spawn(host, "coordinator", env=clocks.environment)
        coordinator.expect("hosting")
        member = room.members[0].spawn([ledger, "join", f"--ledger={file('member')}", "--grace-ms=20000"], "member")
        member.expect("joined")
        time.sleep(0.5)
        for shift in (-YEAR, YEAR):
            coordinator.kill()
            clocks.set_wall(shift)
            coordinator = room.coordinator.spawn(host, "coordinator", env=clocks.environment)
            coordinator.expect("hosting")
            resumed = member.wait_for("resumed", 10)
            result.require(resumed is not None, f"journal, wall clock {shift // YEAR:+d} year: the session goes on in the next process")


def sleep(result, arguments):
    with netlab.Lab() as lab:
        pair = Pair(lab, arguments)
        slept = [0, 0]
        for seconds in (2, 3600):
            for which in ((0,), (1,), (0, 1)):
                for end in which:
                    slept[end] += seconds * SECOND
                    pair.clocks[end].set_boot(slept[end])
                time.sleep(1.5)
                for process in (pair.coordinator, pair.member):
                    cut = process.wait_for("interrupted", 0.02)
                    back = process.wait_for("resumed", 1) if cut else None
                    result.require(cut is None or back is not None, f"slept {seconds} s at {len(which)} ends: the session goes on")
        left = [process.wait_for(kind, 0.05) for process in (pair.coordinator, pair.member) for kind in ("peer_left", "ended")]
        result.require(left == [None] * 4, "sleep: one session all the time")
        sums = pair.sums()
        result.require(not any(sums.values()), f"sleep: nothing lost, doubled or reordered: {sums}")


def sleep_while_interrupted(result, arguments):
    samples = []
    for end in (0, 1):
        with netlab.Lab() as lab:
            pair = Pair(lab, arguments)
            process = (pair.coordinator, pair.member)[end]
            pair.room.cables[0].pull()
            process.expect("interrupted")
            kind = ("peer_left", "ended")[end]
            result.require(process.wait_for(kind, 1.0) is None, "control: without a sleep it still waits")
            pair.clocks[end].set_boot(GRACE_MS * 10 ** 6)
            at = netlab.now_ns()
            ended = process.expect(kind, 10)
            samples.append(milliseconds(at, ended["t_ns"]))
            result.require(ended["how"] == "lost" and "grace" in str(ended["error"]), f"it ends with a reason: {ended['reason']}")
    row = result.row("slept for the grace, interrupted", "until lost is told", samples)
    bound = WOKEN_WITHIN_MS * arguments.slack
    result.require(row["max"] <= bound, f"told {row['max']} ms after waking up <= {bound} ms")


def uptime(result, arguments):
    with netlab.Lab() as lab:
        room = Room(lab, 1)
        coordinator = room.coordinator.spawn([report.probe(arguments, "probe_host"), "--group=lab"], "coordinator")
        coordinator.expect("ready")
        up = int(time.clock_gettime(time.CLOCK_BOOTTIME))
        for seconds in (10 * 365 * 86400, 1 - up):
            argv = ["unshare", "--time", f"--boottime={seconds}", "--fork"]
            if subprocess.run([*argv, "true"], capture_output=True).returncode != 0:
                return result.note("no time namespaces here: uptimes were not tried")
            member = room.members[0].spawn([*argv, report.probe(arguments, "probe_join"), "--leave"], "member")
            member.expect("joined")
            result.require(member.wait(10) == 0, f"a machine that has been up for {up + seconds} s joins")


def scenario(_, result, arguments):
    for part in (wall, journal, sleep, sleep_while_interrupted, uptime):
        part(result, arguments)


if __name__ == "__main__":
    report.run("clocks", __doc__, scenario, n=1)
