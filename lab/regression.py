#!/usr/bin/python3
"""The short form of the board for every change: Muster's times as ratios to yardsticks measured in the same minute.

  first message   exec to first message delivered, to that of a TLS connection to a known address (tcp_pulse)
  admin down      the gap when the interface in use is switched off, to that of UDP alone (udp_pulse)
  black hole      the gap when the network in use swallows everything, to that of UDP alone

Samples of both are taken in turns, so that other work on the machine slows both. Compared are the means of the middle halves:
deaf to stray samples as a median is, but steadier, for a gap is a multiple of the 10 ms between two messages. The bounds lie
between what is usual and its double, which must break them. The negative control measures Muster again with its process held
back (SIGSTOP) until twice the usual time has passed: each ratio must then break its bound too, or the test proves nothing.

A gap is a multiple of 10 ms, so that a moment in which the machine does something else may add half to one of the two: what is
beyond its bound is measured again, up to three times, and all samples of all times are judged together.
"""
import os
import signal
import statistics
import time

import connect
import failover
import netlab
import report
import systems

CONTROLS = 5  # samples of each kind in the negative control
# Where they come from: docs/MEASUREMENTS.md, "The short form".
BOUNDS = {"first message": 1.6, "admin down": 1.4, "black hole": 1.4}
ATTEMPTS = 3
FAULTS = {"admin down": failover.fault_admin, "black hole": failover.fault_black_hole}


def middle(samples):
    """The mean of the middle half."""
    ordered = sorted(samples)
    cut = len(ordered) // 4
    return statistics.fmean(ordered[cut:len(ordered) - cut])


def hold_back(process, milliseconds):
    """Freezes a process for some time from now on."""
    process.freeze()
    time.sleep(milliseconds / 1000)
    process.signal(signal.SIGCONT)


class Slowed(systems.Muster):
    """Members whose processes are held back at their start."""

    def __init__(self, milliseconds):
        self.milliseconds = milliseconds

    def start_member(self, room, seat, arguments):
        process = super().start_member(room, seat, arguments)
        while not os.readlink(f"/proc/{process.pid}/exe").endswith(self.program):
            time.sleep(0.0005)  # before exec its clock does not run
        hold_back(process, self.milliseconds)
        return process


def first_messages(lab, arguments):
    """{what: samples} in ms."""
    rooms = {}
    for what, system in (("Muster", systems.Muster()), ("yardstick", systems.Tls())):
        rooms[what] = room = failover.Room(lab, arguments, system, lans=1, members=1)
        room.coordinator.process = system.start_coordinator(room, arguments)
    time.sleep(connect.SETTLE)

    def sample(room, number):
        times = connect.one(room, arguments, number)
        if times is None:
            raise netlab.LabError(f"{room.system.name}: no first message")
        return times[0]

    samples = {what: [] for what in rooms}
    for number in range(arguments.n):
        for what, room in rooms.items():
            samples[what].append(sample(room, number))
    room = rooms["Muster"]
    room.system = Slowed(middle(samples["Muster"]))  # and then it still has to do everything
    samples["held back"] = [sample(room, arguments.n + number) for number in range(CONTROLS)]
    return {"first message": samples}


def one_round(room, fault, seats, held_ms=0):
    """The gaps that a fault makes for members that it hits; held_ms: for so long they are held back from then on."""
    for seat in room.members:
        seat.follow()
        seat.follow_peer()
    room.watch()
    everybody, room.members = room.members, seats
    heal = fault(room)
    for seat in seats if held_ms else []:
        hold_back(seat.process, held_ms)
    room.members = everybody
    time.sleep(0.4)
    gaps = room.watch()
    heal()
    return [gaps[seat.name] for seat in seats]


def failovers(lab, arguments):
    rooms = {"Muster": failover.Room(lab, arguments), "yardstick": failover.Room(lab, arguments, systems.Udp())}
    for room in rooms.values():
        room.start()
    found = {what: {"Muster": [], "yardstick": [], "held back": []} for what in FAULTS}
    while any(len(samples["Muster"]) < arguments.n for samples in found.values()):
        for what, fault in FAULTS.items():
            begin = time.monotonic()
            for who, room in rooms.items():
                found[what][who] += one_round(room, fault, room.members)
            time.sleep(max(0.0, failover.SETTLE + 0.5 - (time.monotonic() - begin)))
    for what, fault in FAULTS.items():
        held_ms = 2 * middle(found[what]["Muster"])
        for seat in rooms["Muster"].members:  # one by one: who is hit before the others are held would be through
            found[what]["held back"] += one_round(rooms["Muster"], fault, [seat], held_ms)
        time.sleep(failover.SETTLE)
    return found


def ratios_of(samples):
    return {who: middle(values) / middle(samples["yardstick"]) for who, values in samples.items()}


def add(found, more):
    """Joins the samples of one measurement to those of the earlier ones."""
    for what, samples in more.items():
        for who, values in samples.items():
            found.setdefault(what, {}).setdefault(who, []).extend(values)


def is_slow(found):
    return any(ratios_of(samples)["Muster"] > BOUNDS[what] for what, samples in found.items())


def judge(result, what, samples):
    """The rows of one kind, and what must hold of them."""
    ratios = ratios_of(samples)
    for who, values in samples.items():
        result.row(who, what, values, ratio=round(ratios[who], 2), bound=BOUNDS[what])
    ratio, held = ratios["Muster"], ratios["held back"]
    result.require(ratio <= BOUNDS[what], f"{what}: {ratio:.2f} times the yardstick <= {BOUNDS[what]}")
    result.require(2 * ratio > BOUNDS[what], f"{what}: the double would break that: {2 * ratio:.2f}")
    result.require(held > BOUNDS[what], f"{what}, control: held back, it does break that: {held:.2f}")


def scenario(_lab, result, arguments):
    if why := systems.Tls().missing(arguments):
        raise netlab.LabError(why)
    for measure in (first_messages, failovers):
        found = {}
        for attempt in range(1, ATTEMPTS + 1):
            with netlab.Lab() as lab:
                add(found, measure(lab, arguments))
            if not is_slow(found) or attempt == ATTEMPTS:
                break
            ratios = ", ".join(f"{what} {ratios_of(samples)['Muster']:.2f}" for what, samples in found.items())
            result.note(f"after {attempt} of {ATTEMPTS}: {ratios} times the yardstick; measured again, and judged together")
        for what, samples in found.items():
            judge(result, what, samples)


if __name__ == "__main__":
    report.run("regression", __doc__, scenario, n=20)
