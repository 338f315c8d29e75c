#!/usr/bin/python3
"""Is the adapter there, although it has no address, and what has happened to it? `muster interfaces --watch`.

  adapter   a device without any address appears, is switched on, gets a carrier, gets an address, loses them again: each
            of these is told, the carrier within 50 ms. Control: a list of addresses does not know the device
  flaps     its carrier goes and comes back, at a pace at which each change can be told on its own: each one is. Then 500
            times as fast as it can be switched: the count of the last event is the kernel's
  replug    the cable is pulled, the address removed, the cable plugged in again, address and default route are set, by hand
            and by a real DHCP client: at most two events, the last one within 300 ms. Control: what the kernel tells meanwhile
"""
import json
import os
import random
import time

import netlab
import report
from interface_watch import Watch, revisions
from report import milliseconds

DEVICE = "usb0"
LEASE = str(report.ROOT / "lab" / "dhcp_lease.sh")
CARRIER_MS = 50
REPLUG_MS = 300
FLAPS = 500
PACE = 0.13  # seconds between two changes that are each to be told: seven a second; ten a second are told at once


class Bench:
    """A device that is watched, and the far end of its cable."""

    def __init__(self, lab, arguments):
        self.host, self.far = lab.host("watched"), lab.host("far")
        self.watch = Watch(self.host, arguments)
        self._number = lab.next_index

    def plug_in(self):
        """A device without any address, off."""
        self.far.ip(f"link add far0 index {self._number()} type veth peer name {DEVICE} netns {self.host.path}")
        self.host.ip(f"link set {DEVICE} addrgenmode none")

    def pause(self):
        time.sleep(PACE + random.random() / 100)


def adapter(bench, result, arguments):
    watch, host = bench.watch, bench.host
    came, went, missed, unseen = [], [], [], 0
    for _ in range(arguments.n):
        bench.plug_in()
        present = watch.until(lambda it: it["name"] == DEVICE)
        host.set_link(DEVICE, up=True)
        up = watch.until(lambda it: it["up"])
        bench.pause()
        at = bench.far.set_link("far0", up=True)
        carrier = watch.until(lambda it: it["carrier"])
        came.append(milliseconds(at, carrier["seen_ns"]) if carrier else 2000)
        listed = [each["ifname"] for each in json.loads(host.run("ip -j addr")) if each and each["addr_info"]]
        unseen += DEVICE not in listed
        bench.pause()
        host.ip(f"addr add 192.0.2.10/24 dev {DEVICE}")
        addressed = watch.until(lambda it: it["addresses"])
        bench.pause()
        host.ip(f"addr del 192.0.2.10/24 dev {DEVICE}")
        bare = watch.until(lambda it: not it["addresses"])
        bench.pause()
        at = bench.far.set_link("far0", up=False)
        lost = watch.until(lambda it: not it["carrier"])
        went.append(milliseconds(at, lost["seen_ns"]) if lost else 2000)
        bench.pause()
        host.delete_link(DEVICE)
        gone = watch.until(lambda it: it["name"] == DEVICE, kinds=("gone",))
        facts = {"present": present, "up": up, "carrier": carrier and not carrier["interface"]["addresses"],
                 "addressed": addressed, "bare": bare, "lost": lost and lost.get("lost"),
                 "gone": gone}
        missed += [name for name, seen in facts.items() if not seen]
        bench.pause()
    row = result.row("an adapter without address", "carrier comes", came)
    result.require(row["p99"] <= CARRIER_MS * arguments.slack, f"carrier told within {CARRIER_MS * arguments.slack} ms")
    row = result.row("an adapter without address", "carrier goes", went)
    result.require(row["p99"] <= CARRIER_MS * arguments.slack, f"its loss told within {CARRIER_MS * arguments.slack} ms")
    result.require(not missed, f"each of seven facts was told each time; missing: {missed or 'none'}")
    result.require(unseen == arguments.n, f"control: a list of addresses missed it {unseen} of {arguments.n} times")


def kernel_count(host):
    """The kernel's carrier_changes, from a /sys of this namespace."""
    script = f"mount -t sysfs none /sys && cat /sys/class/net/{DEVICE}/carrier_changes"
    return int(host.run(["unshare", "-m", "sh", "-c", script]))


def flaps(bench, result, arguments):
    watch = bench.watch
    bench.plug_in()
    bench.host.set_link(DEVICE, up=True)
    bench.far.set_link("far0", up=True)
    watch.settle()
    told = 0
    for _ in range(arguments.n):
        for up in (False, True):
            bench.far.set_link("far0", up=up)
            told += watch.until(lambda it, up=up: it["carrier"] == up) is not None
            bench.pause()
    result.row("flaps, one at a time", "told", told=told, of=2 * arguments.n)
    result.require(told == 2 * arguments.n, "every change of the carrier was told")
    index = next(index for index, it in watch.table.items() if it["name"] == DEVICE)
    before = watch.table[index]["carrier_changes"]
    begin = netlab.now_ns()
    for _ in range(FLAPS):
        bench.far.set_link("far0", up=False)
        bench.far.set_link("far0", up=True)
    took = milliseconds(begin, netlab.now_ns())
    events = watch.settle()
    after, true = watch.table[index]["carrier_changes"], kernel_count(bench.host)
    result.row("flaps, all at once", "counted", flaps=FLAPS, took_ms=round(took), events=revisions(events),
               changes=after - before, kernel=true - before)
    result.require(after == true and true - before == 2 * FLAPS, "the count is the kernel's, and no flap is missing")
    result.require(watch.table[index]["carrier"], "the last state is told")


def replug(bench, result, arguments):
    bench.far.ip("addr add 192.0.2.1/24 dev far0")
    bench.host.sysctl(f"net.ipv6.conf.{DEVICE}.addr_gen_mode", 0)
    server = bench.far.spawn(["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=far0", "--bind-dynamic",
                              "--no-ping", "--dhcp-authoritative", "--dhcp-range=192.0.2.10,192.0.2.99,1h", "--user=root",
                              f"--dhcp-leasefile={bench.far.lab.scratch}/leases"], "dnsmasq", stderr=silence())
    client = ["busybox", "udhcpc", "-f", "-q", "-n", "-i", DEVICE, "-s", LEASE, "-t", "20", "-T", "1"]
    begin = lambda: bench.host.ip(f"addr add 192.0.2.10/24 dev {DEVICE}", "route add default via 192.0.2.1")
    once(bench, result, arguments, "replug", begin)
    once(bench, result, arguments, "replug, with a DHCP client",
         lambda: bench.host.spawn(client, "udhcpc", stderr=silence()).wait(20))
    server.stop()


def silence():
    return os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)


def once(bench, result, arguments, what, get_address):
    watch, host = bench.watch, bench.host
    events, late, messages, wrong = [], [], [], 0
    get_address()
    watch.settle()
    for _ in range(arguments.n):
        control = host.spawn(["ip", "-o", "monitor", "link", "address", "route"], "control")
        time.sleep(0.2)
        bench.far.set_link("far0", up=False)
        time.sleep(0.02)  # until the client has noticed
        host.ip(f"addr flush dev {DEVICE} scope global")
        bench.far.set_link("far0", up=True)
        get_address()
        done = netlab.now_ns()
        told = watch.settle(0.5)
        events.append(revisions(told))
        late.append(milliseconds(done, told[-1]["seen_ns"]) if told else 2000)
        wrong += watch.agrees() is not None
        control.stop()
        messages.append(len(control.lines))
    result.row(what, "events", events, unit="events", kernel=report.summary(messages))
    row = result.row(what, "last event after the last change", late)
    result.require(max(events) <= 2 and min(events) >= 1, f"{what}: one or two events each: {events}")
    result.require(row["p99"] <= REPLUG_MS * arguments.slack, f"{what}: told within {REPLUG_MS * arguments.slack} ms")
    result.require(wrong == 0, f"{what}: what was told is what the kernel has")
    result.require(min(messages) >= 6, f"{what}, control: the kernel told {min(messages)} to {max(messages)} things")


def scenario(lab, result, arguments):
    bench = Bench(lab, arguments)
    adapter(bench, result, arguments)
    flaps(bench, result, arguments)
    replug(bench, result, arguments)


if __name__ == "__main__":
    report.run("interfaces", __doc__, scenario, n=20)
