#!/usr/bin/python3
"""Who stops, and what the others are told: closed with code and reason after a goodbye, lost after anything else.

A coordinator and seven members, each a process on a host of its own, that send each other 100 messages a second; profile
realtime, no grace. A random one of the eight

  closes     with a code and a reason
  is killed  by SIGKILL
  vanishes   ends its process in good order, but without a word (the control: that is no goodbye)

and all others must be told in time what it was.
"""
import random
import time

import netlab
import report
from loss_detection import BOUNDS_MS, Room
from report import milliseconds

MEMBERS = 7
TURNS_MS = 20  # the coordinator tells the members, and all of them have to get to run
CLOSED_WITHIN_MS, LOST_WITHIN_MS = 200, BOUNDS_MS["realtime"] + TURNS_MS
WAYS = ("closes", "is killed", "vanishes")


class Party:
    """The eight processes; whoever has gone is made anew."""

    def __init__(self, lab, arguments):
        self.lab, self.program = lab, report.probe(arguments, "muster_pulse")
        self.room = Room(lab, MEMBERS)
        self.code = 0
        self.start()

    def start(self):
        self.coordinator = self._spawn(self.room.coordinator, "host", "coordinator")
        self.coordinator.expect("hosting")
        self.members = [self.join(number) for number in range(MEMBERS)]

    def _spawn(self, host, role, name):
        return host.spawn([self.program, role, f"--name={name}", "--profile=realtime", "--grace-ms=0"], name)

    def join(self, number):
        member = self._spawn(self.room.members[number], "join", f"m{number}")
        member.expect("joined")
        self.coordinator.expect("peer_joined", where=lambda event: event["peer"] == f"m{number}")
        return member

    def stop(self, way):
        """[(milliseconds, what was told)] by each of the others."""
        which = random.randrange(MEMBERS + 1)
        is_member = which < MEMBERS
        victim = self.members[which] if is_member else self.coordinator
        name = f"m{which}" if is_member else "coordinator"
        others = [process for process in (self.coordinator, *self.members) if process is not victim]
        self.code += 1
        begin = netlab.now_ns()
        if way == "closes":
            victim.tell(f"leave {self.code} round {self.code}")
        elif way == "vanishes":
            victim.tell("vanish")
        else:
            begin = victim.kill()
        told = []
        for other in others:
            event = other.expect("peer_left", where=lambda event: event["peer"] == name) if is_member else other.expect("ended")
            told.append((milliseconds(begin, event["t_ns"]), event))
        crashed = victim.wait(5) not in (0, -9)
        self._renew(which, is_member)
        return told, crashed

    def _renew(self, which, is_member):
        if is_member:
            self.members[which] = self.join(which)
        else:
            for member in self.members:
                member.wait(5)
            self.start()
        for process in (self.coordinator, *self.members):
            process.forget()
        self.lab.reap()
        time.sleep(random.uniform(0.05, 0.15))


def scenario(lab, result, arguments):
    party = Party(lab, arguments)
    for way in WAYS:
        samples, wrong, crashes = [], [], 0
        for _ in range(arguments.n):
            told, crashed = party.stop(way)
            crashes += crashed
            samples += [after for after, _ in told]
            expected = {"how": "closed", "code": party.code, "reason": f"round {party.code}"} if way == "closes" else {"how": "lost"}
            wrong += [event for _, event in told if any(event.get(key) != value for key, value in expected.items())]
        bound = (CLOSED_WITHIN_MS if way == "closes" else LOST_WITHIN_MS) * arguments.slack
        row = result.row("Muster realtime", way, samples, stops=arguments.n, wrong=len(wrong), bound=bound)
        result.require(row["max"] <= bound, f"{way}: told to everybody else in {row['max']} ms <= {bound} ms")
        result.require(not wrong, f"{way}: everybody else is told {'the code and the reason' if way == 'closes' else 'that it was lost'}"
                                  + (f", not {wrong[0]}" if wrong else ""))
        result.require(crashes == 0, f"{way}: {crashes} crashes")


if __name__ == "__main__":
    report.run("farewell", __doc__, scenario, n=100)
