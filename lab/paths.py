#!/usr/bin/python3
"""User report U9: the first thing that a process does is to ask how things are, in twelve situations.

Each process is new, asks before anything else in main(), and must get a definite answer that is the kernel's own: whether there
is a default route and by which device (`ip route get 192.0.2.1`), and what keeps packets from going further where something does.
The negative control only listens to a monitor, as a
program does that cannot ask: when the answer is due it knows nothing yet.
"""
import contextlib
import json
import os
import tempfile
import time

import netlab
import report

BOUND_US = 5000
ELSEWHERE = "192.0.2.1"
SERVER = "nameserver 10.0.0.1\n"


def plug(lab, host, device):
    """A device of the host with carrier, whose peer is on a host of its own."""
    far = lab.host(f"{device}-far")
    far.ip(f"link add far index {lab.next_index()} type veth peer name {device} netns {host.path}", "link set far up")
    host.ip(f"link set {device} up")
    deadline = time.monotonic() + 3
    while "LOWER_UP" not in host.run(f"ip link show dev {device}") and time.monotonic() < deadline:
        time.sleep(0.01)
    return far


def addressed(lab, host, device="eth0", address="10.0.0.2/24", gateway=None, metric=0):
    far = plug(lab, host, device)
    host.ip(f"addr add {address} dev {device}")
    if gateway:
        host.ip(f"route add default via {gateway} dev {device} metric {metric}")
    return far


def no_interface(_lab, _host):
    return {"status": "unsatisfied", "reason": "no_interface"}


def carrier_only(lab, host):
    host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
    plug(lab, host, "eth0")
    return {"status": "unsatisfied", "reason": "no_address"}


def v6_link_local_only(lab, host):
    plug(lab, host, "eth0")
    return {"status": "satisfied", "reach": "link", "ipv6": True, "ipv4": False}


def v4_link_local_only(lab, host):
    host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
    addressed(lab, host, address="169.254.7.7/16")
    return {"status": "satisfied", "reach": "link", "ipv4": True, "ipv6": False}


def no_gateway(lab, host):
    addressed(lab, host)
    return {"status": "satisfied", "reach": "link", "reason": "no_route"}


def two_gateways(lab, host):
    addressed(lab, host, gateway="10.0.0.1", metric=600)
    addressed(lab, host, "eth1", "10.0.1.2/24", "10.0.1.1", 100)
    return {"status": "satisfied", "reach": "everywhere", "interfaces": ["eth1", "eth0"], "dns": True}


def dead_gateway(lab, host):
    addressed(lab, host, gateway="10.0.0.1")
    host.ip("neigh replace 10.0.0.1 dev eth0 nud failed")
    return {"status": "satisfied", "reach": "everywhere", "gateways": [{"address": "10.0.0.1", "proof": "failed"}]}


def blackhole_route(lab, host):
    addressed(lab, host, gateway="10.0.0.1", metric=100)
    host.ip("route add blackhole default metric 1")
    return {"status": "satisfied", "reach": "link", "reason": "route_forbids"}


def policy_deny(lab, host):
    addressed(lab, host)
    host.ip("rule add pref 10 prohibit")
    return {"status": "satisfied", "reach": "link", "reason": "rule_forbids"}


def expensive(lab, host):
    addressed(lab, host, gateway="10.0.0.1")
    return {"status": "satisfied", "reach": "everywhere", "expensive": True}


def no_dns(lab, host):
    addressed(lab, host, gateway="10.0.0.1")
    return {"status": "satisfied", "reach": "everywhere", "dns": False}


def vpn_inactive(lab, host):
    addressed(lab, host, gateway="10.0.0.1", metric=100)
    host.ip("tuntap add dev tun0 mode tun", "link set tun0 up", "route add 0.0.0.0/1 dev tun0", "route add 128.0.0.0/1 dev tun0")
    return {"status": "satisfied", "reach": "link", "reason": "vpn_inactive", "interfaces": ["eth0", "tun0"]}


SITUATIONS = {"no interface": no_interface, "carrier only": carrier_only, "IPv6 link-local only": v6_link_local_only,
              "IPv4 link-local only": v4_link_local_only, "no gateway": no_gateway, "two gateways": two_gateways,
              "dead gateway": dead_gateway, "blackhole route": blackhole_route, "policy denies": policy_deny,
              "expensive": expensive, "no DNS server": no_dns, "VPN inactive": vpn_inactive}


def kernels_route(host):
    """The kernel's own answer: the device's index, or None."""
    with contextlib.suppress(netlab.LabError, ValueError):
        found = json.loads(host.run(f"ip -j route get {ELSEWHERE}"))
        names = {link["ifname"]: link["ifindex"] for link in json.loads(host.run("ip -j link"))}
        return names[found[0]["dev"]]
    return None


def with_servers(name, argv):
    """The same program, where resolv.conf is this file."""
    return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', name, *argv]


def ask(host, argv):
    """What one new process says: (its path, its route)."""
    lines = [json.loads(line) for line in host.run(argv).splitlines()]
    return lines[0], lines[-1]


def situation(lab, result, arguments, what, n, servers):
    host = lab.host("machine")
    wanted = SITUATIONS[what](lab, host)
    oracle = kernels_route(host)
    probe = [report.probe(arguments, "probe_path"), f"--to={ELSEWHERE}"]
    probe += ["--metered=eth0"] if what == "expensive" else []
    argv = with_servers(servers["none" if what == "no DNS server" else "usual"], probe)
    times, wrong = [], []
    for _ in range(n):
        path, route = ask(host, argv)
        times.append(path["took_us"])
        differs = {key: path.get(key) for key, value in wanted.items() if path.get(key) != value}
        if route.get("index") != oracle:
            differs["route"] = (route.get("index"), oracle)
        if differs:
            wrong.append(differs)
    result.row("Muster", what, times, unit="us", definite=n - len(wrong))
    result.require(not wrong, f"{what}: {n - len(wrong)} of {n} answers are definite and the kernel's own {wrong[:1] or ''}")
    late = host.run(with_servers(servers["usual"], [probe[0], "--late"]))
    return times, "undetermined" in late


def scenario(_lab, result, arguments):
    times, late = [], 0
    with tempfile.TemporaryDirectory() as folder:
        servers = {name: os.path.join(folder, name) for name in ("usual", "none")}
        for name, text in (("usual", SERVER), ("none", "")):
            with open(servers[name], "w", encoding="utf-8") as file:
                file.write(text)
        for number, what in enumerate(SITUATIONS):
            n = arguments.n // len(SITUATIONS) + (number < arguments.n % len(SITUATIONS))
            with netlab.Lab() as lab:
                taken, was_late = situation(lab, result, arguments, what, n, servers)
            times += taken
            late += was_late
    row = result.row("Muster", "all twelve", times, unit="us")
    limit = BOUND_US * arguments.slack
    result.require(row["p99"] <= limit, f"first answer of a new process: p99 {row['p99']} us <= {limit} us")
    result.require(late == len(SITUATIONS), f"control: who only listens to a monitor knows nothing yet in {late} of {len(SITUATIONS)} situations")


if __name__ == "__main__":
    report.run("paths", __doc__, scenario, n=1000)
