#!/usr/bin/python3
"""From the start of a member's process to its first message in the hands of the coordinator's application: Muster and
others, one after the other, in one run on the same two hosts and one switch.

The coordinator (server, broker) has been there for seconds. Each sample is a new process; the clock starts just before
exec and stops when the program on the other host holds the message. By what a member knows where its coordinator is
stands in the row: mDNS, beacon (discovered), addresses (given on the command line), signalling socket (given, and free
of any fault or delay). What is encrypted: Muster, TLS over TCP and MPTCP.

  exec -> first message     all of it, loading the program's libraries included
  main -> first message     from the program's first line
"""
import time

import failover
import netlab
import report
import systems
from report import milliseconds

SETTLE = 4.0  # seconds until the coordinator's announcements are over, where there are any
PATIENCE = 5.0  # seconds for a first message
BOUNDS_MS = (10, 30)  # p50, p99 of Muster found by mDNS, as in join_latency.py


def one(room, arguments, number):
    """(exec -> message, main -> message) in ms; None if there was none in time."""
    seat = room.members[0]
    seat.name = f"m{number}"
    process = room.system.start_member(room, seat, arguments)
    message = room.coordinator.process.wait_for("first_message", PATIENCE,
                                                lambda event: event["peer"] == seat.name)
    joined = process.wait_for("joined", 1.0) if message else None
    process.kill()
    room.lab.reap()
    time.sleep(0.05)
    room.coordinator.process.forget()
    if joined is None:
        return None
    return milliseconds(joined["started_ns"], message["t_ns"]), milliseconds(joined["main_ns"], message["t_ns"])


def measure(result, arguments, system, n):
    if why := system.missing(arguments):
        result.row(system.name, "not measured", why=why)
        return None
    with netlab.Lab() as lab:
        room = failover.Room(lab, arguments, system, lans=1, members=1)
        room.coordinator.process = system.start_coordinator(room, arguments)
        time.sleep(SETTLE if system.known == "mDNS" else 1.0)
        times = [one(room, arguments, number) for number in range(n)]
        room.coordinator.process.kill()
        system.clean_up(room)
    there = [pair for pair in times if pair]
    facts = {"known_by": system.known, "never": n - len(there)}
    row = result.row(system.name, "exec -> first message", [whole for whole, _ in there], **facts)
    result.row(system.name, "main -> first message", [own for _, own in there], **facts)
    return row


def scenario(_lab, result, arguments):
    slack = arguments.slack
    row = measure(result, arguments, systems.Muster(), arguments.n)
    result.require(row["never"] == 0, f"Muster: each of {row['n']} first messages arrives")
    for what, bound in zip(("p50", "p99"), BOUNDS_MS):
        result.require(row[what] <= bound * slack, f"Muster: {what} {row[what]} ms <= {bound * slack} ms")
    for system in report.chosen_peers(arguments, [systems.MusterAt(), *systems.all_peers()]):
        measure(result, arguments, system, arguments.peers_n)


if __name__ == "__main__":
    report.run("connect", __doc__, scenario, n=100, peers_n=50)
