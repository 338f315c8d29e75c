#!/usr/bin/python3
"""A process that does not run for a while (SIGSTOP), and what it and the others make of it.

A coordinator and two members, each a process on a host of its own, with 100 messages a second; profile realtime, grace 3 s.
Either the coordinator or one of the members is stopped

  for 0.5 and 2 s     the others must be told that it is interrupted, within the profile's bound, and that it is resumed
                      soon after it runs again (SIGCONT); no message may be lost, doubled or reordered
  for 6 s             longer than the grace: the others must be told that it is lost, within bound and grace; when it runs
                      again it must say the same, and a new member must find everything in order
  for ever            as that, and nothing must be missing where it was

and a member in the middle of a file, for 6 s: the file must fail at both ends, and say why.
"""
import os
import signal
import time

import netlab
import report
from loss_detection import BOUNDS_MS, Room
from report import milliseconds

BOUND_MS, GRACE_MS = BOUNDS_MS["realtime"], 3000
RESUMED_WITHIN_MS = 1000  # from SIGCONT; most of it is the pause between two probes of the others
JOINED_WITHIN_MS = 1000
LONG = 6.0


class Party:
    """The coordinator and its two members."""

    def __init__(self, lab, arguments):
        self.lab, self.program, self.slack = lab, report.probe(arguments, "muster_pulse"), arguments.slack
        self.room = Room(lab, 3)
        self.inbox = os.path.join(lab.scratch, f"inbox{len(lab.processes)}")
        os.mkdir(self.inbox)
        self.coordinator = self.spawn(self.room.coordinator, "host", "coordinator", f"--files={self.inbox}")
        self.coordinator.expect("hosting")
        self.members = [self.join(number) for number in range(2)]
        time.sleep(0.5)

    def spawn(self, host, role, name, *options):
        return host.spawn([self.program, role, f"--name={name}", "--profile=realtime", f"--grace-ms={GRACE_MS}", *options], name)

    def join(self, number):
        member = self.spawn(self.room.members[number], "join", f"m{number}")
        member.expect("joined")
        return member

    def pick(self, who):
        """(the process, [(another one that shares a link with it, how it calls the first one)])."""
        if who == "coordinator":
            return self.coordinator, [(member, "coordinator") for member in self.members]
        return self.members[0], [(self.coordinator, "m0")]

    def sums(self):
        everybody = (self.coordinator, *self.members)
        for process in everybody:
            process.tell("quiet")
        time.sleep(1.0)
        total = {"lost": 0, "doubled": 0, "reordered": 0}
        for process in everybody:
            process.tell("report")
        for process, peers in zip(everybody, (2, 1, 1)):
            for told in [process.expect("summary") for _ in range(peers)]:
                total = {key: total[key] + told[key] for key in total}
        return total


def shortly(result, party, who, seconds, samples):
    process, others = party.pick(who)
    begin = process.freeze()
    time.sleep(seconds)
    again = process.signal(signal.SIGCONT)
    for other, name in others:
        told = other.expect("interrupted", where=lambda event: event["peer"] == name)
        samples["told"].append(milliseconds(begin, told["t_ns"]))
        back = other.expect("resumed", where=lambda event: event["peer"] == name)
        samples["resumed"].append(milliseconds(again, back["t_ns"]))
    time.sleep(0.5)


def short(result, arguments):
    for who in ("coordinator", "member"):
        for seconds in (0.5, 2.0):
            samples = {"told": [], "resumed": []}
            with netlab.Lab() as lab:
                party = Party(lab, arguments)
                for _ in range(arguments.n):
                    shortly(result, party, who, seconds, samples)
                sums = party.sums()
                left = [process.wait_for(kind, 0.05) for process in (party.coordinator, *party.members)
                        for kind in ("peer_left", "ended")]
            what = f"{who} stopped for {seconds} s"
            for name, bound in (("told", BOUND_MS + 20), ("resumed", RESUMED_WITHIN_MS)):
                row = result.row(what, name, samples[name], bound=bound * arguments.slack)
                result.require(row["max"] <= bound * arguments.slack, f"{what}: {name} after {row['max']} ms <= {bound * arguments.slack} ms")
            result.require(not any(sums.values()), f"{what}: nothing lost, doubled or reordered: {sums}")
            result.require(left == [None] * 6, f"{what}: one session all the time")


def long(result, arguments):
    for who in ("coordinator", "member"):
        for comes_back in (True, False):
            what = f"{who} stopped for {LONG if comes_back else 'ever'}"
            with netlab.Lab() as lab:
                party = Party(lab, arguments)
                process, others = party.pick(who)
                begin = process.freeze()
                ends = []
                for other, name in others:
                    end = other.expect("ended" if who == "coordinator" else "peer_left")
                    ends.append(milliseconds(begin, end["t_ns"]))
                    result.require(end["how"] == "lost" and end["error"]["evidence"] != [], f"{what}: lost, with evidence: {end['reason']}")
                bound = BOUND_MS + GRACE_MS + 20 * arguments.slack
                row = result.row(what, "told to the others", ends, bound=bound)
                result.require(row["max"] <= bound, f"{what}: lost after {row['max']} ms <= {bound} ms")
                if comes_back:
                    comes_to_its_senses(result, party, who, what, begin)
                if comes_back or who == "member":
                    newcomer(result, party, what)


def comes_to_its_senses(result, party, who, what, begin):
    process, _ = party.pick(who)
    time.sleep(max(0, LONG - milliseconds(begin, netlab.now_ns()) / 1000))
    process.signal(signal.SIGCONT)
    again = netlab.now_ns()
    ends = [process.expect("peer_left") for _ in range(2)] if who == "coordinator" else [process.expect("ended")]
    bound = BOUND_MS + GRACE_MS + 100 * party.slack
    row = result.row(what, "told by itself", [milliseconds(again, end["t_ns"]) for end in ends], bound=bound)
    result.require(all(end["how"] == "lost" for end in ends) and row["max"] <= bound, f"{what}: it says so itself, {row['max']} ms after it ran again")


def newcomer(result, party, what):
    member = party.spawn(party.room.members[2], "join", "late")
    joined = member.expect("joined")
    took = milliseconds(joined["main_ns"], joined["t_ns"])
    bound = JOINED_WITHIN_MS * party.slack
    result.require(took <= bound, f"{what}: a newcomer has joined after {took:.0f} ms <= {bound} ms")


def file(result, arguments):
    with netlab.Lab() as lab:
        party = Party(lab, arguments)
        source = os.path.join(lab.scratch, "film.bin")
        with open(source, "wb") as film:
            film.write(bytes(20_000_000))
        party.room.members[0].run("tc qdisc add dev lan0 root tbf rate 40mbit burst 64k latency 200ms")
        party.members[0].tell(f"file {source}")
        time.sleep(1.0)
        party.members[0].freeze()
        failed = party.coordinator.expect("failed", 10)
        result.require(failed["error"]["code"] == "lost", f"member stopped, file under way: {failed['explain'].splitlines()[0]}")
        result.require(os.listdir(party.inbox) == [], "and nothing of it is left over")
        party.members[0].signal(signal.SIGCONT)
        failed = party.members[0].expect("failed", 10)
        result.require(failed["error"]["code"] in ("lost", "link_down"), f"who sent it is told too: {failed['explain'].splitlines()[0]}")


def scenario(_, result, arguments):
    short(result, arguments)
    long(result, arguments)
    file(result, arguments)


if __name__ == "__main__":
    report.run("freeze", __doc__, scenario, n=10)
