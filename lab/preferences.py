#!/usr/bin/python3
"""Which interfaces a session uses when it is told to, and what it costs to change one's mind.

A coordinator and a member on two switches, found by mDNS, numbered messages both ways at 100 Hz, profile realtime.

  prohibited    the member, or the coordinator, prohibits one interface: a counter of the packet filter there must show
                that not one packet left by it in the whole session; without the preference it must show some (control)
  change        the running session prohibits the interface that it uses, or prefers the other one: how long nothing
                arrives at either end; nothing may be lost, doubled or reordered, no session interrupted, and after the
                answer no packet may leave by what is prohibited
  metered       the interface in use is declared to cost money: the link goes to the other one
  unsatisfiable an interface is required that is not there: a clear error, at once
"""
import time

import netlab
import report
from report import milliseconds

NETS = ("192.0.2", "198.51.100")
GAP_MS = 40  # as where the kernel tells (lab/failover.py)
STEADY = 3.0  # seconds until a cheaper path has been steady, and has been gone to
COUNTER = "table inet watch {{ counter {name} {{}}; chain out {{ type filter hook output priority 0; " \
          "oifname \"{device}\" counter name {name}; }}; }}"


class Room:
    """Coordinator and member, each with lan0 and lan1, and a counter of what leaves by each."""

    def __init__(self, lab, arguments, host_options=(), join_options=()):
        self.switches = [lab.switch(f"switch{i}") for i in range(2)]
        self.c, self.m = self._host(lab, "coordinator", 1), self._host(lab, "member", 10)
        self.program = report.probe(arguments, "muster_pulse")
        options = ["--profile=realtime", "--rate=100", "--grace-ms=20000"]
        self.coordinator = self.c.spawn([self.program, "host", *options, *host_options], "coordinator")
        self.coordinator.expect("hosting")
        self.member = self.m.spawn([self.program, "join", "--name=m", *options, *join_options], "member")
        self.interface = self.member.expect("joined")["interface"]
        self.coordinator.expect("peer_joined")

    def _host(self, lab, name, number):
        host = lab.host(name)
        for which in ("default", "all"):  # the kernel's own neighbour discovery would count
            host.sysctl(f"net.ipv6.conf.{which}.disable_ipv6", 1)
        for net, switch in enumerate(self.switches):
            switch.plug(host, f"lan{net}", [f"{NETS[net]}.{number}/24"])
            host.nft(COUNTER.format(name=f"lan{net}", device=f"lan{net}").replace("table inet watch",
                                                                               f"table inet watch{net}"))
        time.sleep(0.3)
        return host

    @staticmethod
    def sent(host, device):
        """Packets that left by a device, of whatever protocol above IP."""
        net = device.removeprefix("lan")
        return int(host.run(f"nft list counter inet watch{net} {device}").split("packets")[1].split()[0])

    def where(self):
        self.member.tell("path")
        self.interface = self.member.expect("path")["interface"]
        return self.interface

    def gap(self):
        longest = 0
        for process in (self.coordinator, self.member):
            process.tell("watch")
            longest = max(longest, process.expect("watched")["longest_gap_ms"])
        return longest

    def prefer(self, words):
        self.member.forget()
        self.member.tell(f"prefer {words}".rstrip())
        self.member.expect("preferring")

    def sums(self):
        for process in (self.coordinator, self.member):
            process.tell("quiet")
        time.sleep(0.7)
        sums = {"lost": 0, "doubled": 0, "reordered": 0, "unsent": 0}
        for process in (self.coordinator, self.member):
            process.tell("report")
            told = process.expect("summary")
            for key in sums:
                sums[key] += told[key]
        return sums


def other(device):
    return "lan1" if device == "lan0" else "lan0"


def prohibited(result, arguments):
    for who in ("member", "coordinator"):
        for device in ("lan0", "lan1"):
            with netlab.Lab() as lab:
                option = [f"--prohibit={device}"]
                room = Room(lab, arguments, *((option, ()) if who == "coordinator" else ((), option)))
                time.sleep(1.0)
                host = room.m if who == "member" else room.c
                sent, used = room.sent(host, device), room.sent(host, other(device))
                result.row(f"{who} prohibits {device}", "packets sent", sent=sent, by_the_other=used)
                result.require(sent == 0 and used > 0, f"{who}: {sent} packets left by {device}, which is prohibited")
    with netlab.Lab() as lab:
        room = Room(lab, arguments)
        time.sleep(1.0)
        sent = [room.sent(host, device) for host in (room.m, room.c) for device in ("lan0", "lan1")]
        result.row("control: nothing prohibited", "packets sent", sent=sent)
        result.require(min(sent) > 0, f"control: without preferences packets leave by each interface: {sent}")


def change(result, arguments):
    with netlab.Lab() as lab:
        room = Room(lab, arguments)
        time.sleep(STEADY)
        gaps, took, leaked = [], [], 0
        for _ in range(arguments.n):
            left = room.where()
            room.gap()
            begin = netlab.now_ns()
            room.prefer(f"--prohibit {left}")
            before = room.sent(room.m, left)
            moved = room.member.expect("path_changed")
            took.append(milliseconds(begin, moved["t_ns"]))
            time.sleep(0.3)
            gaps.append(room.gap())
            leaked += room.sent(room.m, left) - before
            result.require(moved["fault"] == "blocked_by_policy", f"the path was left for policy: {moved['fault']}")
            room.prefer("")
            time.sleep(STEADY)
        row = result.row("member, prohibits the path in use", "gap", gaps, leaked=leaked, moved_ms=report.summary(took))
        result.require(row["p99"] <= GAP_MS * arguments.slack, f"gap p99 {row['p99']} ms <= {GAP_MS * arguments.slack} ms")
        result.require(leaked == 0, f"{leaked} packets left by what was prohibited")
        steer(room, result, arguments)
        interrupted = room.member.wait_for("interrupted", 0.01) or room.coordinator.wait_for("interrupted", 0.01)
        sums = room.sums()
        result.require(not interrupted, "no session was interrupted")
        result.require(not any(sums.values()), f"nothing lost, doubled or reordered: {sums}")


def steer(room, result, arguments):
    """By preference and by cost."""
    for verb, words in (("prefers the other", "--prefer {other}"), ("declares the path in use metered",
                                                                    "--metered {used}")):
        gaps = []
        for _ in range(arguments.n):
            used = room.where()
            room.gap()
            room.prefer(words.format(used=used, other=other(used)))
            time.sleep(STEADY)
            gaps.append(room.gap())
            result.require(room.where() == other(used), f"{verb}: now over {other(used)}")
        row = result.row(f"member, {verb}", "gap", gaps)
        result.require(row["p99"] <= GAP_MS * arguments.slack, f"gap p99 {row['p99']} ms <= {GAP_MS * arguments.slack} ms")


def unsatisfiable(result, arguments):
    with netlab.Lab() as lab:
        room = Room(lab, arguments)
        for role, extra in (("join", ()), ("host", ("--group=elsewhere",))):
            begin = netlab.now_ns()
            process = room.m.spawn([room.program, role, "--require=eth7", *extra], role)
            failed = process.expect("failed")
            error = failed["error"]
            result.row(f"{role} that requires eth7", "until the error", [milliseconds(begin, netlab.now_ns())],
                       code=error["code"])
            named = {each["subject"] for each in error["evidence"]}
            fine = error["code"] == "no_interface" and "eth7" in error["message"] and error["cure"]
            result.require(fine and {"lan0", "lan1"} <= named, f"it says what there is instead: {failed['explain']}")
        room.member.tell("prefer --require eth7")
        refused = room.member.expect("failed")["error"]["code"]
        time.sleep(0.2)
        result.require(refused == "no_interface" and room.where(), "a running session refuses it and goes on")


def scenario(_, result, arguments):
    prohibited(result, arguments)
    change(result, arguments)
    unsatisfiable(result, arguments)


if __name__ == "__main__":
    report.run("preferences", __doc__, scenario, n=20)
