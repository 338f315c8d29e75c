#!/usr/bin/python3
"""From the start of a member's process to its first message in the hands of the coordinator's application.

Two hosts on a switch. Each sample is a new process that finds the coordinator by mDNS, connects, joins, and sends
"hello" encrypted. The clock starts just before exec and stops when the coordinator's program has the message.

Then how long a member looks, from its call of join(), for a coordinator that has just started: its group's one name is
still being probed for (RFC 6762 section 8.1) and its records were multicast less than a second ago (section 6). And for
one that is long up, by members that come one after the other. On two hosts and on one: a member that shares port 5353
with another program may not ask for unicast answers to that port.
"""
import random
import time

import netlab
import report
from report import milliseconds

ANNOUNCED = 4.0  # seconds until the coordinator's announcements are over
AGES = (50, 200, 500, 2000)  # ms from the coordinator's start to the call of join()


def one_join(arguments, b, coordinator, name):
    """The steps of one join in ms since exec."""
    member = b.spawn([report.probe(arguments, "probe_join"), "--group=lab", f"--name={name}", "--leave"],
                     stamp="--started-ns")
    message = coordinator.expect("message")
    joined = member.expect("joined")
    member.wait(5)
    coordinator.expect("left")
    coordinator.forget()
    begin, called = joined["started_ns"], joined["called_ns"]
    to_call = milliseconds(begin, called)
    return {"exec -> main": milliseconds(begin, joined["main_ns"]),
            "join() -> coordinator answered": joined["found_us"] / 1000,
            "join() -> encrypted link": joined["connected_us"] / 1000,
            "join() -> joined": joined["joined_us"] / 1000,
            "exec -> join() called": to_call,
            "exec -> first message delivered": milliseconds(begin, message["t_ns"])}


def first_message(lab, result, arguments, a, b):
    coordinator = a.spawn([report.probe(arguments, "probe_host"), "--group=lab"])
    coordinator.expect("ready")
    time.sleep(ANNOUNCED)
    steps = {}
    for number in range(arguments.n):
        for what, value in one_join(arguments, b, coordinator, f"m{number}").items():
            steps.setdefault(what, []).append(value)
        lab.reap()
        time.sleep(random.uniform(0.01, 0.04))
    coordinator.stop()
    rows = {what: result.row("Muster", what, samples) for what, samples in steps.items()}
    whole, slack = rows["exec -> first message delivered"], arguments.slack
    result.require(whole["p50"] <= 10 * slack, f"first message: p50 {whole['p50']} ms <= {10 * slack} ms")
    result.require(whole["p99"] <= 30 * slack, f"first message: p99 {whole['p99']} ms <= {30 * slack} ms")


def armed(arguments, b):
    """A member that waits for the order to call join()."""
    member = b.spawn([report.probe(arguments, "probe_join"), "--group=young", "--leave", "--on-order"])
    member.expect("armed")
    return member


def timed_join(member, when_ns):
    """found_after and joined_after in ms."""
    member.tell(f"start {when_ns}")
    joined = member.expect("joined")
    member.wait(5)
    return joined["found_us"] / 1000, joined["joined_us"] / 1000


def join_young(arguments, a, b, age):
    member = armed(arguments, b)
    coordinator = a.spawn([report.probe(arguments, "probe_host"), "--group=young"])
    times = timed_join(member, coordinator.expect("ready")["t_ns"] + age * 1_000_000)
    coordinator.kill()  # without goodbye: nobody listens
    a.lab.reap()
    return times


def join_settled(arguments, b):
    member = armed(arguments, b)
    times = timed_join(member, netlab.now_ns() + random.randint(20, 120) * 1_000_000)
    b.lab.reap()
    return times


def look(result, arguments, place, when, samples):
    found = result.row(place, f"coordinator {when}: join() -> found", [f for f, _ in samples])
    result.row(place, f"coordinator {when}: join() -> joined", [j for _, j in samples])
    slack = arguments.slack
    result.require(found["p50"] <= 3 * slack, f"{place}, {when}: found p50 {found['p50']} ms <= {3 * slack} ms")
    result.require(found["p99"] <= 15 * slack, f"{place}, {when}: found p99 {found['p99']} ms <= {15 * slack} ms")


def coordinators_of_all_ages(result, arguments, place, a, b):
    n = min(arguments.n, 40) if arguments.n >= 40 else 5
    for age in AGES:
        look(result, arguments, place, f"{age} ms old", [join_young(arguments, a, b, age) for _ in range(n)])
    coordinator = a.spawn([report.probe(arguments, "probe_host"), "--group=young"])
    coordinator.expect("ready")
    time.sleep(ANNOUNCED)
    look(result, arguments, place, "long up", [join_settled(arguments, b) for _ in range(n)])
    coordinator.stop()


def scenario(lab, result, arguments):
    a, b, alone = lab.host("a"), lab.host("b"), lab.host("alone")
    switch = lab.switch()
    switch.plug(a, "lan0", ["192.0.2.1/24"])
    switch.plug(b, "lan0", ["192.0.2.2/24"])
    first_message(lab, result, arguments, a, b)
    coordinators_of_all_ages(result, arguments, "two hosts", a, b)
    coordinators_of_all_ages(result, arguments, "one host", a, a)
    coordinators_of_all_ages(result, arguments, "one host, only lo", alone, alone)
    for host in (a, b):
        host.spawn([report.probe(arguments, "probe_host"), f"--group=on {host.name}"]).expect("ready")
    time.sleep(ANNOUNCED)
    coordinators_of_all_ages(result, arguments, "two hosts, port shared", a, b)


if __name__ == "__main__":
    report.run("join_latency", __doc__, scenario, n=200)
