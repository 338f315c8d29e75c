#!/usr/bin/python3
"""How long until a coordinator is found, and until a new one is seen: Muster, Avahi and python3-zeroconf on one wire.

Two hosts on a switch, IPv4 and IPv6 link-local, duplicate address detection off. The systems run one after the other,
so that none of them shares port 5353 with another.

  browse start -> found   the service is there, its announcements are over; the browser's cache is empty each time
  publish -> seen         a browser runs; a new service is published
"""
import random
import time

import netlab
import report
from avahi import Avahi
from report import milliseconds

ANNOUNCED = 4.0  # seconds until nobody repeats announcements any more
A, B = "192.0.2.1", "192.0.2.2"


def pause():
    """So that repetitions do not fall into step with a timer of what is measured."""
    time.sleep(random.uniform(0.02, 0.06))


def muster_find(lab, arguments, a, b):
    host = a.spawn([report.probe(arguments, "probe_host"), "--group=lab"])
    host.expect("ready")
    time.sleep(ANNOUNCED)
    browser = b.spawn([report.probe(arguments, "probe_browse")])
    samples = []
    for _ in range(arguments.n):
        browser.tell("find lab")
        begin = browser.expect("looking")["before_ns"]
        samples.append(milliseconds(begin, browser.expect("found")["t_ns"]))
        browser.tell("stop")
        pause()
        browser.forget()
    host.stop()
    browser.stop()
    return samples


def muster_publish(lab, arguments, a, b):
    host = a.spawn([report.probe(arguments, "probe_host")])
    browser = b.spawn([report.probe(arguments, "probe_browse")])
    browser.tell("browse _muster._udp")
    browser.expect("looking")
    time.sleep(1)
    seen, gone = [], []
    for number in range(arguments.n):
        host.tell(f"host lab{number}")
        ready = host.expect("ready")
        mine = lambda event: event["name"].startswith(ready["id"])
        seen.append(milliseconds(ready["before_ns"], browser.expect("found", where=mine)["t_ns"]))
        pause()
        begin = netlab.now_ns()
        host.tell("close")
        gone.append(milliseconds(begin, browser.expect("left", where=mine)["t_ns"]))
        host.expect("closed")
        browser.forget()
    host.stop()
    browser.stop()
    return seen, gone


def zeroconf(lab, arguments, a, b):
    publisher = a.spawn([netlab.PYTHON, str(report.ROOT / "lab" / "peer_zeroconf.py"), A])
    browser = b.spawn([netlab.PYTHON, str(report.ROOT / "lab" / "peer_zeroconf.py"), B])
    publisher.tell("publish there _lab._udp 4711")
    publisher.expect("published")
    time.sleep(ANNOUNCED)
    found, seen = [], []
    for _ in range(arguments.peers_n):
        browser.tell("browse _lab._udp")
        begin = browser.expect("looking")["before_ns"]
        found.append(milliseconds(begin, browser.expect("found")["t_ns"]))
        browser.tell("stop")
        browser.expect("stopped")
        time.sleep(random.uniform(1.1, 1.3))  # zeroconf leaves a question repeated within a second unanswered
    browser.tell("browse _new._udp")
    browser.expect("looking")
    for number in range(arguments.peers_n):
        mine = lambda event: event["name"] == f"n{number}"
        publisher.tell(f"publish n{number} _new._udp 4711")
        begin = publisher.expect("publishing", where=mine)["before_ns"]
        seen.append(milliseconds(begin, browser.expect("found", where=mine)["t_ns"]))
        publisher.expect("published")
    publisher.stop()
    browser.stop()
    return found, seen


def avahi(lab, arguments, a, b):
    types = [f"_lab{number}._udp" for number in range(arguments.peers_n)]
    publisher = Avahi(a, [(f"there{number}", kind, 4711) for number, kind in enumerate(types)])
    time.sleep(2 * ANNOUNCED)  # probing takes another second
    browser = Avahi(b)  # started when the announcements are over: its cache is empty
    time.sleep(ANNOUNCED)
    found, seen = [], []
    for kind in types:
        begin = netlab.now_ns()
        client = browser.spawn("avahi-browse", "-p", kind)
        found.append(milliseconds(begin, client.expect("text")["seen_ns"]))
        client.stop()
    watcher = browser.spawn("avahi-browse", "-p", "_new._udp")
    time.sleep(1)
    for number in range(arguments.peers_n):
        mine = lambda event: event["text"].startswith("+") and f";n{number};" in event["text"]
        begin = netlab.now_ns()
        client = publisher.spawn("avahi-publish", "-s", f"n{number}", "_new._udp", "4711")
        seen.append(milliseconds(begin, watcher.expect("text", where=mine)["seen_ns"]))
        client.stop()
    return found, seen


def scenario(lab, result, arguments):
    a, b = lab.host("a"), lab.host("b")
    switch = lab.switch()
    switch.plug(a, "lan0", [f"{A}/24"])
    switch.plug(b, "lan0", [f"{B}/24"])
    slack = arguments.slack
    found = result.row("Muster", "browse start -> coordinator found", muster_find(lab, arguments, a, b))
    seen_samples, gone = muster_publish(lab, arguments, a, b)
    seen = result.row("Muster", "publish -> seen by a running browser", seen_samples)
    result.row("Muster", "goodbye -> removed (RFC 6762 10.1: 1 s)", gone)
    if not arguments.no_peers:
        for name, measure in (("python3-zeroconf", zeroconf), ("Avahi", avahi)):
            peer_found, peer_seen = measure(lab, arguments, a, b)
            result.row(name, "browse start -> found", peer_found)
            result.row(name, "publish -> seen by a running browser", peer_seen)
        result.note("zeroconf answers shared questions without the 20-120 ms delay of RFC 6762 section 6; "
                    "Avahi is measured through its command line clients, which costs about 5 ms")
    result.require(found["p50"] <= 3 * slack, f"found: p50 {found['p50']} ms <= {3 * slack} ms")
    result.require(found["p99"] <= 15 * slack, f"found: p99 {found['p99']} ms <= {15 * slack} ms")
    result.require(seen["p50"] <= 2 * slack, f"seen: p50 {seen['p50']} ms <= {2 * slack} ms")


if __name__ == "__main__":
    report.run("discovery_latency", __doc__, scenario, n=200)
