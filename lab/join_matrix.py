#!/usr/bin/python3
"""Does a member get in, in every network in which there is a way at all?

Eight networks (topologies.py), n joins in each, every one a new process; and in each the naive client for comparison:
it resolves the coordinator's addresses once, takes the first, forgets the interface, connects a UDP socket to an echo
service beside the coordinator, and waits a second for an answer. It must fail in at least three of the networks, or
they would prove nothing.
"""
import socket
import sys
import time

import report
import topologies
from plain_peers import ECHO

ECHO_PORT = 7007
NAIVE_PATIENCE = 1.0
PATIENCE_MS = 5000
NAIVE_MUST_FAIL_IN = 3


def resolve(arguments, topology):
    """The coordinator's addresses, in the order in which discovery tells them; without interface."""
    browser = topology.member.spawn([report.probe(arguments, "probe_browse")])
    browser.tell("find lab")
    found = browser.expect("found")
    time.sleep(0.3)  # for addresses of the other family
    last = browser.wait_for("updated", 0.2) or found
    browser.stop()
    return [endpoint.rsplit(":", 1)[0].strip("[]").split("%")[0] for endpoint in last["endpoints"]]


def naive_client(topology, address, tries):
    """How many of `tries` datagrams to the first address come back."""
    sockets, answered = [], 0
    with topology.member.entered():
        for _ in range(tries):
            try:
                family, kind, protocol, _, where = socket.getaddrinfo(address, ECHO_PORT, type=socket.SOCK_DGRAM)[0]
                probe = socket.socket(family, kind, protocol)
                probe.connect(where)
                probe.send(b"anybody there?")
                sockets.append(probe)
            except OSError:
                continue  # no scope, no route, no such family: a failure as good as silence
    deadline = time.monotonic() + NAIVE_PATIENCE
    for probe in sockets:
        probe.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            answered += probe.recv(64) == b"anybody there?"
        except OSError:
            pass
        probe.close()
    return answered


def join_once(arguments, topology, coordinator, name):
    """(milliseconds from join() to joined, interface), or the explanation of the failure."""
    options = [f"--at={','.join(topology.known)}"] if topology.known else []
    member = topology.member.spawn([report.probe(arguments, "probe_join"), "--group=lab", f"--name={name}", "--leave",
                                    f"--patience-ms={PATIENCE_MS}", *options])
    joined = member.wait_for("joined", PATIENCE_MS / 1000 + 5)
    if not joined:
        failed = member.wait_for("failed", 0.1)
        member.kill()
        return None, failed["explain"] if failed else "no word from the member"
    path = member.expect("sent")
    said = coordinator.wait_for("message", 5)
    member.wait(5)
    coordinator.expect("left")
    coordinator.forget()
    return (joined["joined_us"] / 1000, path["remote"]) if said else (None, "the message did not arrive")


def measure(lab, result, arguments, make):
    """One network: the naive client and n joins. Returns how often each got through."""
    topology = make(lab)
    coordinator = topology.coordinator.spawn(
        [report.probe(arguments, "probe_host"), "--group=lab", f"--port={topologies.PORT}"])
    coordinator.expect("ready")
    v6 = any(topology.coordinator.addresses("lan0"))
    topology.coordinator.spawn([sys.executable, "-c", ECHO, str(ECHO_PORT), "6" if v6 else "4"]).expect("up")
    time.sleep(2)
    addresses = [known.rsplit(":", 1)[0] for known in topology.known] or resolve(arguments, topology)
    naive = naive_client(topology, addresses[0], arguments.n)
    times, paths, joined = [], {}, 0
    for number in range(arguments.n):
        took, told = join_once(arguments, topology, coordinator, f"m{number}")
        lab.reap()
        if took is None:
            result.note(f"{make.__name__} #{number}: {told}")
            continue
        joined += 1
        times.append(took)
        kind = "v6 link-local" if "fe80:" in told else "v6" if "[" in told else "v4"
        paths[kind] = paths.get(kind, 0) + 1
    result.row("Muster", make.__name__, times, joined=joined, of=arguments.n,
               wilson=round(report.wilson_lower(joined, arguments.n), 4), paths=paths)
    result.row("naive client", make.__name__, joined=naive, of=arguments.n, first_address=addresses[0])
    return joined, naive


def scenario(lab, result, arguments):
    naive_failed = []
    for make in topologies.ALL:
        with type(lab)() as room:
            joined, naive = measure(room, result, arguments, make)
        result.require(joined == arguments.n, f"{make.__name__}: {joined} of {arguments.n} joined")
        if naive < arguments.n:
            naive_failed.append(make.__name__)
    result.note("wilson: one-sided 95 % lower bound of the success rate")
    result.require(len(naive_failed) >= NAIVE_MUST_FAIL_IN,
                   f"the naive client fails in {len(naive_failed)} networks: {', '.join(naive_failed)}")


if __name__ == "__main__":
    report.run("join_matrix", __doc__, scenario, n=100)
