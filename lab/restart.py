#!/usr/bin/python3
"""A coordinator with a journal is killed and started again, under the traffic of its members.

A hundred members (twenty, with --n below 5) in ten network namespaces send ten messages a second to the coordinator and as many to a neighbour, through it;
the coordinator sends ten a second to everyone. It is killed with SIGKILL and a new process starts with the same journal. The
figure is the time from the start of that process (fork) until a member's session goes on. Every process writes down each message
in a ledger before it asks for the next; at the end they are compared: nothing may be lost, doubled or out of order. What the
coordinator's application had when it was killed comes again and says so; it is told apart by its number, as an application would.

Control: the same without a journal. Every session is lost.
"""
import collections
import os
import shutil
import tempfile
import time

import netlab
import report
from report import milliseconds

MEMBERS, HOSTS = 100, 10
PORT = 4711
BOUND_MS = 1000
TRAFFIC = 2.0  # seconds before a kill, and at the end


class Room:
    def __init__(self, lab, arguments, members, durable):
        self.lab, self.arguments = lab, arguments
        self.durable = durable
        self.probe = report.probe(arguments, "ledger")
        self.folder = tempfile.mkdtemp(prefix="muster-restart-")
        switch = lab.switch()
        self.coordinator_host = lab.host("coordinator")
        switch.plug(self.coordinator_host, "lan0", ["192.0.2.1/24"])
        hosts = [lab.host(f"host{number}") for number in range(min(HOSTS, members))]
        for number, host in enumerate(hosts):
            switch.plug(host, "lan0", [f"192.0.2.{10 + number}/24"])
        self.boot = -1
        self.start()
        self.coordinator.expect("hosting")
        self.members = []
        for number in range(members):
            self.members.append(hosts[number % len(hosts)].spawn(
                [self.probe, "join", f"--name=m{number}", "--rate=10", f"--ledger={self.ledger(number)}",
                 "--patience-ms=20000"]))
        self.ids = [member.expect("joined", 60)["id"] for member in self.members]
        for _ in self.members:
            self.coordinator.expect("peer_joined", 30)
        time.sleep(1.0)  # until everybody knows everybody
        for number, member in enumerate(self.members):
            member.tell(f"go {self.ids[(number + 1) % members]}" if members > 1 else "go")
        self.coordinator.tell("go")

    def ledger(self, who):
        return os.path.join(self.folder, f"{who}.ledger")

    def start(self):
        self.boot += 1
        journal = [f"--journal={self.folder}/journal"] if self.durable else []
        self.coordinator = self.coordinator_host.spawn(
            [self.probe, "host", f"--home={self.folder}/home", f"--ledger={self.ledger('coordinator')}",
             f"--boot={self.boot}", "--rate=10", f"--port={PORT}", *journal])

    def kill_and_restart(self):
        """When the next process was started (ns)."""
        self.coordinator.kill()
        begin = netlab.now_ns()
        self.start()
        self.coordinator.tell("go")
        return begin

    def end(self):
        """Members stop, and all that is under way arrives; how many messages each member sent."""
        for member in self.members:
            member.tell("stop")
        said = [member.expect("said", 30)["messages"] for member in self.members]
        self.coordinator.tell("stop")
        self.coordinator.expect("said", 30)
        time.sleep(1.0)
        for process in [*self.members, self.coordinator]:
            process.kill()
        self.lab.reap()
        return said

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def lines_of(path):
    with open(path, encoding="ascii") as ledger:
        return [line.split() for line in ledger]


def judge(room, said):
    """(messages compared, delivered again and recognised, complaints)."""
    complaints, compared, again = [], 0, 0
    names = {device: number for number, device in enumerate(room.ids)}
    confirmed = collections.defaultdict(int)  # by boot
    heard, expected = collections.defaultdict(list), collections.defaultdict(int)
    for line in lines_of(room.ledger("coordinator")):
        if line[0] == "S":
            confirmed[int(line[1])] = int(line[2]) + 1
            continue
        _, sender, number, which, *text = line
        if which == "again" and int(number) < expected[sender]:
            again += 1
            continue
        if int(number) != expected[sender]:
            complaints.append(f"coordinator, of m{names[sender]}: number {number} where {expected[sender]} was due")
        expected[sender] = int(number) + 1
        heard[names[sender]].append(int(text[1]))
    for member, count in enumerate(said):
        compared += count
        if heard[member] != list(range(count)):
            complaints.append(f"coordinator, of m{member}: {first_fault(heard[member], count)}")
    for member, count in enumerate(said):
        neighbour = (member + 1) % len(said)
        compared += count
        got, boots, by_boot = [], [], collections.defaultdict(list)
        for _, sender, _, _, *text in lines_of(room.ledger(neighbour)):
            if text[0] == "c":
                by_boot[int(text[1])].append(int(text[2]))
                boots.append(int(text[1]))
            elif names[sender] == member:
                got.append(int(text[1]))
        if len(said) > 1 and got != list(range(count)):
            complaints.append(f"m{neighbour}, of m{member}: {first_fault(got, count)}")
        for boot, numbers in by_boot.items():
            compared += len(numbers)
            if numbers != list(range(len(numbers))) or len(numbers) < confirmed.get(boot, 0):
                complaints.append(f"m{neighbour}, of process {boot}: {first_fault(numbers, confirmed.get(boot, 0))}")
        if boots != sorted(boots):
            complaints.append(f"m{neighbour} heard of one process after the next")
        if missing := set(confirmed) - set(by_boot):
            complaints.append(f"m{neighbour} heard nothing of processes {missing}")
    return compared, again, complaints


def first_fault(numbers, count):
    for place, number in enumerate(numbers):
        if number != place:
            return f"{number} where {place} was due"
    return f"{len(numbers)} of {count}"


def with_journal(lab, result, arguments, members):
    room = Room(lab, arguments, members, durable=True)
    try:
        each, all_back = [], []
        for _ in range(arguments.n):
            time.sleep(TRAFFIC)
            begin = room.kill_and_restart()
            back = [milliseconds(begin, member.expect("resumed", 30)["t_ns"]) for member in room.members]
            each += back
            all_back.append(max(back))
        time.sleep(TRAFFIC)
        said = room.end()
        compared, again, complaints = judge(room, said)
        row = result.row("Muster", "coordinator started anew -> session goes on, each member", each, members=members)
        result.row("Muster", f"coordinator started anew -> all {members} go on", all_back, members=members)
        result.row("Muster", "messages over the restarts", compared=compared, faults=len(complaints), recognised_again=again)
        result.require(row["p99"] <= BOUND_MS * arguments.slack, f"each member: p99 {row['p99']} ms <= {BOUND_MS} ms")
        result.require(not complaints and compared > 0,
                       f"{compared} messages once and in order; {'; '.join(complaints[:3]) or 'no fault'}")
    finally:
        room.close()


def without_journal(lab, result, arguments):
    room = Room(lab, arguments, 5, durable=False)
    try:
        time.sleep(0.5)
        room.kill_and_restart()
        ended = [member.expect("ended", 40) for member in room.members]
        lost = sum(end["how"] == "lost" for end in ended)
        result.row("Muster without a journal", "control", lost=lost, of=len(ended))
        result.require(lost == len(ended), "control: without a journal every session is lost")
        for process in [*room.members, room.coordinator]:
            process.kill()
        lab.reap()
    finally:
        room.close()


def scenario(lab, result, arguments):
    with_journal(lab, result, arguments, 20 if arguments.n < 5 else MEMBERS)
    without_journal(lab, result, arguments)


if __name__ == "__main__":
    report.run("restart", __doc__, scenario, n=10)
