#!/usr/bin/python3
"""A hundred members powered on together: how long until all have joined.

One coordinator and ten hosts with ten member processes each, on one switch. The processes are loaded and wait for one
moment, as devices with processors of their own would (starting a hundred programs on a small machine takes longer than
everything they do); from then on each opens its sockets, finds the coordinator by mDNS, connects and joins.
"""
import time

import netlab
import report
from report import milliseconds

MEMBERS, HOSTS = 100, 10
BOUND_MS = 1000
ANNOUNCED = 4.0  # seconds until the coordinator's announcements are over


def power_on(lab, arguments, coordinator, hosts, round_number):
    """One round: (ms until the coordinator had everyone, each member's ms)."""
    probe = report.probe(arguments, "probe_join")
    members = [hosts[number % HOSTS].spawn([probe, "--group=lab", f"--name=r{round_number}m{number}", "--on-order",
                                            "--patience-ms=20000"]) for number in range(MEMBERS)]
    for member in members:
        member.expect("armed", 30)
    begin = netlab.now_ns() + 200_000_000
    for member in members:
        member.tell(f"start {begin}")
    last = 0
    for _ in members:
        last = max(last, coordinator.expect("joined", 30)["t_ns"])
    own = [milliseconds(begin, member.expect("joined", 30)["t_ns"]) for member in members]
    for member in members:
        member.tell("leave")
    for member in members:
        member.wait(10)
    coordinator.forget()
    lab.reap()
    return milliseconds(begin, last), own


def scenario(lab, result, arguments):
    switch = lab.switch()
    coordinator_host = lab.host("coordinator")
    switch.plug(coordinator_host, "lan0", ["192.0.2.1/24"])
    hosts = [lab.host(f"host{number}") for number in range(HOSTS)]
    for number, host in enumerate(hosts):
        switch.plug(host, "lan0", [f"192.0.2.{10 + number}/24"])
    coordinator = coordinator_host.spawn([report.probe(arguments, "probe_host"), "--group=lab"])
    coordinator.expect("ready")
    time.sleep(ANNOUNCED)
    rounds, each = [], []
    for number in range(arguments.n):
        whole, own = power_on(lab, arguments, coordinator, hosts, number)
        rounds.append(whole)
        each += own
    row = result.row("Muster", f"power on -> all {MEMBERS} joined", rounds, members=MEMBERS, hosts=HOSTS)
    result.row("Muster", "power on -> joined, each member", each)
    limit = BOUND_MS * arguments.slack
    result.require(row["max"] <= limit, f"all joined: {row['max']} ms <= {limit} ms")


if __name__ == "__main__":
    report.run("power_on", __doc__, scenario, n=10)
