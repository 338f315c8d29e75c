#!/usr/bin/python3
"""Does `muster interfaces --watch` stay exact and quiet when everything changes at once?

  storm     10,000 addresses come and go in a second, for five: at most 20 events a second, less than a fifth of one
            processor, and in the end what the kernel has
  overflow  60,000 changes while the program is stopped: more than the kernel keeps for it. It reads everything afresh, and
            has again what the kernel has. Control: who only listens has lost most of them
  random    devices are made, renamed, bridged, switched, addressed and removed at random, --changes of them: revisions only
            grow, and in the end everything is as the kernel has it
"""
import errno
import random
import signal
import socket
import struct
import time

import netlab
import report
from interface_watch import AddressStorm, Watch, revisions

DEVICE = "lan0"
RATE = 10_000
EVENTS_PER_SECOND = 20
PROCESSOR_SHARE = 0.20
OVERFLOW = 60_000
RTMGRP_IPV4_IFADDR = 0x10


def make_device(host):
    host.ip(f"link add {DEVICE} type veth peer name other0", f"link set {DEVICE} up", "link set other0 up")


def storm(lab, result, arguments):
    host = lab.host("storm")
    make_device(host)
    watch, source = Watch(host, arguments), AddressStorm(host, DEVICE)
    watch.settle()
    changes, used = 0, watch.processor_seconds()
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < arguments.seconds:
        if changes < passed * RATE:
            changes += source.change()
        else:
            time.sleep(0.001)
    used = watch.processor_seconds() - used
    told = watch.settle()
    source.close()
    rate, events, share = changes / passed, revisions(told) / passed, used / passed
    difference = watch.agrees()
    result.row("storm", "changes", changes=changes, per_second=round(rate), events_per_second=round(events, 1),
               processor_share=round(share, 3), resyncs=watch.resyncs)
    result.require(rate >= 0.9 * RATE / arguments.slack, f"{rate:.0f} changes in a second")
    result.require(0 < events <= EVENTS_PER_SECOND, f"{events:.1f} events a second <= {EVENTS_PER_SECOND}")
    result.require(share <= PROCESSOR_SHARE * arguments.slack, f"{share:.1%} of a processor")
    result.require(difference is None, f"the last state is exact: {difference or 'yes'}")


class Listener:
    """The control: listens to addresses with the usual buffer, and reads nothing afresh."""

    def __init__(self, host):
        with host.entered():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self._socket.bind((0, RTMGRP_IPV4_IFADDR))

    def heard(self):
        """How many messages have come, and whether the kernel says that some are missing."""
        count, dropped = 0, False
        while True:
            try:
                octets = self._socket.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return count, dropped
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                dropped = True
                continue
            while len(octets) >= 16:
                count += 1
                octets = octets[(struct.unpack("=I", octets[:4])[0] + 3) & ~3:]


def overflow(lab, result, arguments):
    host = lab.host("overflow")
    make_device(host)
    watch, source, control = Watch(host, arguments), AddressStorm(host, DEVICE), Listener(host)
    watch.settle()
    watch.process.freeze()
    changes = 0
    while changes < OVERFLOW:
        changes += source.change()
    host.ip(f"addr add 192.0.2.77/24 dev {DEVICE}", f"link set {DEVICE} mtu 1400", "link property add dev lan0 altname last")
    watch.process.signal(signal.SIGCONT)
    watch.settle()
    source.close()
    heard, dropped = control.heard()
    difference = watch.agrees()
    result.row("overflow", "changes", changes=changes, resyncs=watch.resyncs, heard_by_control=heard)
    result.require(watch.resyncs >= 1, f"everything was read afresh {watch.resyncs} times")
    result.require(difference is None, f"the last state is exact: {difference or 'yes'}")
    result.require(dropped and heard < changes, f"control: who only listens has heard {heard} of {changes} changes")


class Chaos:
    """Random orders for `ip -batch`; many of them fail, as whoever made them does not look first."""

    PAIRS = 6

    def __init__(self, seed):
        self._random = random.Random(seed)

    def device(self):
        return f"{self._random.choice('ab')}{self._random.randrange(self.PAIRS)}"

    def address(self):
        number = self._random.randrange(1, 9)
        return self._random.choice([f"10.9.0.{number}/24", f"10.9.0.{number}/16", f"2001:db8::{number}/64"])

    def order(self):
        pick, device = self._random.choice, self.device()
        number = self._random.randrange(self.PAIRS)
        return pick([
            f"link add a{number} type veth peer name b{number}", f"link add a{number} type veth peer name b{number}",
            f"link del {device}", f"link set {device} up", f"link set {device} up", f"link set {device} down",
            f"link set {device} mtu {self._random.randrange(1280, 1500)}",
            f"link set {device} name {self.device()}", f"link set {device} address 02:00:00:00:00:0{number}",
            f"link set {device} master br0", f"link set {device} nomaster", f"link set br0 {pick(['up', 'down'])}",
            f"link property add dev {device} altname name{number}", f"link property del dev {device} altname name{number}",
            f"addr add {self.address()} dev {device}", f"addr add {self.address()} dev {device} nodad",
            f"addr del {self.address()} dev {device}", f"addr flush dev {device}"])


def at_random(lab, result, arguments):
    host = lab.host("random")
    host.ip("link add br0 type bridge")
    watch, seed = Watch(host, arguments), random.randrange(1 << 32)
    chaos, done, differences, events = Chaos(seed), 0, [], 0
    while done < arguments.changes:
        count = min(100, arguments.changes - done)
        host.run(["ip", "-force", "-batch", "-"], check=False, input="".join(chaos.order() + "\n" for _ in range(count)))
        done += count
        if done % 1000 == 0 or done == arguments.changes:
            time.sleep(2.2)  # duplicate address detection
            events += revisions(watch.settle())
            difference = watch.agrees()
            differences += [difference] if difference else []
    result.row("random", "orders", orders=done, events=events, interfaces=len(watch.table), seed=seed)
    result.require(not differences, f"seed {seed}: what is told is what the kernel has: {differences[:1] or 'yes'}")
    result.require(events > 0, "revisions have only grown")


def scenario(lab, result, arguments):
    for _ in range(arguments.n):
        storm(lab, result, arguments)
        overflow(lab, result, arguments)
    at_random(lab, result, arguments)


if __name__ == "__main__":
    options = report.parser("interface_storm", __doc__, n=5)
    options.add_argument("--seconds", type=float, default=5, help="of one storm (default: %(default)s)")
    options.add_argument("--changes", type=int, default=10_000, help="at random (default: %(default)s)")
    report.run_parsed("interface_storm", scenario, options.parse_args())
