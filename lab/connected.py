#!/usr/bin/python3
"""For how long an application is shown a peer as connected that has fallen silent.

Nothing tells of these faults: the peer's process is stopped (SIGSTOP), or the switch forwards nothing of the viewer's port
any more. The viewer's application asks its session every few milliseconds (Session::path_to and explain()) until both say
that the peer is not connected, and until PeerInterrupted has come; the latest of the three counts. Every profile, with 100
messages a second and with one, at the member and at the coordinator.

Control: a viewer with the bound of a profile that is slower must break the bound of the faster one.
"""
import random
import time

import netlab
import report
from report import milliseconds

BOUNDS_MS = {"realtime": 150, "balanced": 1200, "low_power": 15_000}  # muster/profile.h
IDLE_MS = {"realtime": 2000, "balanced": 2000}  # what issue and peers' table promise of an idle link
RATES = {"active": 100, "idle": 1}
ASK_EVERY = 0.004
TURNS_MS = 20


class Pair:
    """Coordinator and member on a switch."""

    def __init__(self, lab, arguments, profile, rate):
        self.switch = lab.switch()
        program = report.probe(arguments, "muster_pulse")
        options = [f"--profile={profile}", f"--rate={rate}", "--grace-ms=60000"]
        self.processes, self.cables = {}, {}
        for name, role, extra in (("coordinator", "host", ["--port=4711", "--no-advertise"]),
                                  ("member", "join", ["--name=member", "--no-discover", "--at=192.0.2.1:4711"])):
            host = lab.host(name)
            self.cables[name] = self.switch.plug(host, "lan0", [f"192.0.2.{len(self.cables) + 1}/24"])
            self.processes[name] = host.spawn([program, role, *extra, *options], name)
            self.processes[name].expect("hosting" if role == "host" else "joined")
        self.processes["coordinator"].expect("peer_joined")
        time.sleep(1.2)

    def shown_after(self, viewer, fault, limit_ms):
        """Milliseconds until the viewer's application is shown nothing wrong any more."""
        process = self.processes[viewer]
        other = self.processes["member" if viewer == "coordinator" else "coordinator"]
        process.forget()
        time.sleep(random.uniform(0, 0.05))
        at = netlab.now_ns()
        if fault == "process stopped":
            at = other.freeze()
        else:
            self.switch.ip(f"link set {self.cables[viewer].port} nomaster")
        last_shown = at
        while milliseconds(at, netlab.now_ns()) < limit_ms:
            process.tell("state")
            state = process.expect("state")
            if not state["connected"] and not state["has_path"]:
                told = process.wait_for("interrupted", 1.0)
                return max(milliseconds(at, state["t_ns"]), milliseconds(at, told["t_ns"]) if told else limit_ms)
            last_shown = state["t_ns"]
            time.sleep(ASK_EVERY)
        return milliseconds(at, last_shown)


def measure(result, arguments, profile, usage):
    bound = BOUNDS_MS[profile]
    repetitions = arguments.n if profile != "low_power" else max(1, arguments.n // 10)
    for viewer in ("member", "coordinator"):
        for fault in ("process stopped", "port forwards nothing"):
            samples = []
            for _ in range(repetitions):
                with netlab.Lab() as lab:
                    pair = Pair(lab, arguments, profile, RATES[usage])
                    samples.append(pair.shown_after(viewer, fault, 4 * bound))
            row = result.row(f"{profile}, {usage}", f"{viewer}: {fault}", samples, bound=bound)
            # The program that asks needs its turns too, besides the session that knows.
            allowed = bound + TURNS_MS * arguments.slack
            result.require(row["max"] <= allowed, f"{profile}, {usage}, {viewer}, {fault}: {row['max']} ms <= {allowed} ms")
            if usage == "idle" and profile in IDLE_MS:
                result.require(row["max"] <= IDLE_MS[profile], f"idle: {row['max']} ms <= {IDLE_MS[profile]} ms")
    return samples


def scenario(_, result, arguments):
    slow = []
    for profile in BOUNDS_MS:
        if profile == "low_power" and arguments.n < 5:
            result.note("low_power is left out of the short form: 15 s each")
            continue
        for usage in RATES:
            samples = measure(result, arguments, profile, usage)
            slow += samples if profile == "balanced" else []
    result.require(min(slow) > BOUNDS_MS["realtime"] + TURNS_MS,
                   f"control: profile balanced breaks the bound of realtime: {min(slow):.0f} ms")


if __name__ == "__main__":
    report.run("connected", __doc__, scenario, n=10)
