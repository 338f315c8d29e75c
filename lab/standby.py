#!/usr/bin/python3
"""What a ready path costs: memory and processor time at both ends, and packets, for each path beside the one in use.

A coordinator and --n members in one process, all idle, on one, three and eight switches: one, three and eight paths each
(IPv4 alone), every profile. Heap is what the processes have allocated, but for blocks above 128 KiB (buffers of a whole node, which come
and go); the difference between the numbers of paths belongs to the paths. Processor time and packets (counted by the coordinator's packet filter) are those of --watch seconds at rest.
"""
import time

import netlab
import report
from report import milliseconds

PATHS = (1, 3, 8)
PROFILES = ("realtime", "balanced", "low_power")
SETTLE = {"realtime": 2.0, "balanced": 4.0, "low_power": 12.0}  # seconds until every path has been asked
HEAP_BOUND = 4096  # octets for each ready path, at each end
COUNTER = "table inet watch { counter sent {}; chain out { type filter hook output priority 0; udp sport 4711 counter name sent; }; }"


class Room:
    def __init__(self, lab, arguments, profile, paths):
        self.hosts = [lab.host("coordinator"), lab.host("members")]
        for host in self.hosts:
            for which in ("default", "all"):
                host.sysctl(f"net.ipv6.conf.{which}.disable_ipv6", 1)
        for net in range(paths):
            switch = lab.switch(f"switch{net}")
            for number, host in enumerate(self.hosts, 1):
                switch.plug(host, f"lan{net}", [f"10.0.{net}.{number}/24"])
        self.hosts[0].nft(COUNTER)
        program = report.probe(arguments, "endurance")
        options = [f"--profile={profile}", "--grace-ms=20000"]
        self.coordinator = self.hosts[0].spawn([program, "host", "--port=4711", "--no-advertise", *options], "coordinator")
        self.coordinator.expect("hosting")
        self.members = self.hosts[1].spawn([program, "stay", f"--members={arguments.n}", "--ways=10.0.0.1:4711", *options],
                                           "members")
        self.members.expect("joined", 60)

    def held(self):
        """What the coordinator and the members hold now, and the packets that the coordinator has sent."""
        for process in (self.coordinator, self.members):
            process.tell("measure")
        ends = [process.expect("held") for process in (self.coordinator, self.members)]
        return *ends, int(self.hosts[0].run("nft list counter inet watch sent").split("packets")[1].split()[0])


def measure(result, arguments, profile, paths):
    with netlab.Lab() as lab:
        room = Room(lab, arguments, profile, paths)
        time.sleep(SETTLE[profile] * min(1, arguments.watch))
        begin = room.held()
        time.sleep(arguments.watch)
        end = room.held()
    seconds = milliseconds(begin[0]["t_ns"], end[0]["t_ns"]) / 1000
    cpu = [100 * (end[i]["processor_us"] - begin[i]["processor_us"]) / seconds / 1e6 for i in (0, 1)]
    found = {"members": arguments.n, "paths": paths, "ready": end[1]["ready_paths"],
             "heap": [end[i]["heap"] - end[i]["mapped"] for i in (0, 1)], "cpu": cpu, "packets": (end[2] - begin[2]) / seconds}
    result.row(profile, f"{paths} paths each", members=arguments.n, ready_paths=found["ready"],
               coordinator_heap_kb=round(found["heap"][0] / 1024, 1), members_heap_kb=round(found["heap"][1] / 1024, 1),
               coordinator_cpu_percent=round(cpu[0], 3), members_cpu_percent=round(cpu[1], 3),
               coordinator_packets_per_s=round(found["packets"], 1))
    result.require(found["ready"] == paths * arguments.n, f"{profile}: {found['ready']} paths are ready, of {paths * arguments.n}")
    return found


def price(result, profile, few, many):
    """Of one path more."""
    more = many["ready"] - few["ready"]
    heap = [(b - a) / more for a, b in zip(few["heap"], many["heap"])]
    cpu = [(b - a) / more for a, b in zip(few["cpu"], many["cpu"])]
    result.row(profile, "one ready path more", coordinator_octets=round(heap[0]), member_octets=round(heap[1]),
               coordinator_cpu_percent=round(cpu[0], 4), member_cpu_percent=round(cpu[1], 4),
               packets_per_s=round((many["packets"] - few["packets"]) / more, 2))
    result.require(max(heap) <= HEAP_BOUND, f"{profile}: a ready path takes {max(heap):.0f} octets <= {HEAP_BOUND}")
    return heap


def scenario(_, result, arguments):
    for profile in PROFILES if arguments.watch >= 5 else PROFILES[:1]:
        found = [measure(result, arguments, profile, paths) for paths in PATHS]
        price(result, profile, found[0], found[-1])
    result.require(found[-1]["heap"][1] > found[0]["heap"][1], "control: more paths do take more memory at the members")


if __name__ == "__main__":
    options = report.parser("standby", __doc__, n=20)
    options.add_argument("--watch", type=float, default=20, help="seconds at rest (default: %(default)s)")
    report.run_parsed("standby", scenario, options.parse_args())
