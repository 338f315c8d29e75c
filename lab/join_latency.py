#!/usr/bin/python3
"""From the start of a member's process to its first message in the hands of the coordinator's application.

Two hosts on a switch. Each sample is a new process that finds the coordinator by mDNS, connects, joins, and sends
"hello" encrypted. The clock starts just before exec and stops when the coordinator's program has the message.
"""
import random
import time

import report
from report import milliseconds

ANNOUNCED = 4.0  # seconds until the coordinator's announcements are over


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


def scenario(lab, result, arguments):
    a, b = lab.host("a"), lab.host("b")
    switch = lab.switch()
    switch.plug(a, "lan0", ["192.0.2.1/24"])
    switch.plug(b, "lan0", ["192.0.2.2/24"])
    coordinator = a.spawn([report.probe(arguments, "probe_host"), "--group=lab"])
    coordinator.expect("ready")
    time.sleep(ANNOUNCED)
    steps = {}
    for number in range(arguments.n):
        for what, value in one_join(arguments, b, coordinator, f"m{number}").items():
            steps.setdefault(what, []).append(value)
        lab.reap()
        time.sleep(random.uniform(0.01, 0.04))
    rows = {what: result.row("Muster", what, samples) for what, samples in steps.items()}
    whole, slack = rows["exec -> first message delivered"], arguments.slack
    result.require(whole["p50"] <= 10 * slack, f"first message: p50 {whole['p50']} ms <= {10 * slack} ms")
    result.require(whole["p99"] <= 30 * slack, f"first message: p99 {whole['p99']} ms <= {30 * slack} ms")


if __name__ == "__main__":
    report.run("join_latency", __doc__, scenario, n=200)
