"""`muster interfaces --watch --json` under the eyes of a laboratory, and what the kernel says beside it."""
import json
import os
import socket
import struct
from pathlib import Path

import netlab

RTM_NEWADDR, RTM_DELADDR = 20, 21
NLM_F_REQUEST, NLM_F_CREATE, NLM_F_EXCL = 0x001, 0x400, 0x200
IFA_LOCAL, IFA_ADDRESS = 2, 1
TELLS = ("appeared", "changed", "gone")
TICK = os.sysconf("SC_CLK_TCK")


class Watch:
    """The program, and the table of interfaces that whoever reads its output has."""

    def __init__(self, host, arguments):
        program = Path(arguments.build) / "cli" / "muster"
        if not program.exists():
            raise netlab.LabError(f"{program} is not built")
        self.host, self.table, self.events = host, {}, []
        self.process = host.spawn([str(program), "interfaces", "--watch", "--json"], "watch")
        self.revision = self.process.expect("watching")["revision"]
        while (event := self.process.wait_for("interface", 0)) is not None:
            self._keep(event["interface"])
        self.resyncs = 0

    def _keep(self, interface):
        self.table[interface["index"]] = interface

    def next(self, timeout=2.0):
        """The next thing that is told; None if there is none within `timeout` seconds."""
        event = self.process.wait_for_any(TELLS, timeout)
        if event is None:
            return None
        if event["revision"] < self.revision:
            raise netlab.LabError(f"revision {event['revision']} after {self.revision}")
        self.revision, self.resyncs = event["revision"], event.get("resyncs", self.resyncs)
        self._keep(event["interface"])
        if event["event"] == "gone":
            del self.table[event["interface"]["index"]]
        self.events.append(event)
        return event

    def until(self, holds, timeout=2.0, kinds=TELLS):
        """The first event of one of `kinds` with `holds(interface)` true of the interface that it is about."""
        end = netlab.now_ns() + int(timeout * 1e9)
        while (left := (end - netlab.now_ns()) / 1e9) > 0:
            event = self.next(left)
            if event is not None and event["event"] in kinds and holds(event["interface"]):
                return event
        return None

    def settle(self, quiet=0.4):
        """Reads until nothing has been told for `quiet` seconds; returns all of it."""
        before = len(self.events)
        while self.next(quiet) is not None:
            pass
        return self.events[before:]

    def processor_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def agrees(self):
        """None if the table is what the kernel says, else the first difference."""
        told = {index: facts_of_muster(each) for index, each in self.table.items()}
        names = {each["name"]: index for index, each in self.table.items()}
        true = {each["ifindex"]: facts_of_kernel(each, names) for each in
                json.loads(self.host.run("ip -j addr")) if each}
        for index in sorted(told.keys() | true.keys()):
            if told.get(index) != true.get(index):
                return f"interface {index}: told {told.get(index)}, is {true.get(index)}"
        return None


def revisions(events):
    """How many events those are for an application: one for each revision."""
    return len({event["revision"] for event in events})


# Alternative names are compared of what is up: the kernel announces no change of them of anything else.


def facts_of_muster(interface):
    return {"name": interface["name"], "up": interface["up"], "carrier": interface["carrier"], "mtu": interface["mtu"],
            "mac": interface.get("mac"), "master": interface.get("master"),
            "names": sorted(interface.get("alternative_names", [])) if interface["up"] else None,
            "addresses": sorted((each["address"], each.get("tentative", False)) for each in interface["addresses"])}


def facts_of_kernel(interface, names):
    flags = interface["flags"]
    return {"name": interface["ifname"], "up": "UP" in flags,
            "carrier": "LOWER_UP" in flags and "NO-CARRIER" not in flags, "mtu": interface["mtu"],
            "mac": interface.get("address"), "master": names.get(interface.get("master")),
            "names": sorted(interface.get("altnames", [])) if "UP" in flags else None,
            "addresses": sorted((f"{each['local']}/{each['prefixlen']}", each.get("tentative", False) or each.get("dadfailed", False))
                                for each in interface["addr_info"])}


class AddressStorm:
    """Adds and removes addresses of a device, as fast as it is told to: by netlink, a hundred changes a call."""

    BATCH = 100

    def __init__(self, host, device):
        with host.entered():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            index = socket.if_nametoindex(device)
        half = [f"10.200.0.{number}" for number in range(1, self.BATCH // 2 + 1)]
        self._add = b"".join(self._message(RTM_NEWADDR, index, text) for text in half)
        self._remove = b"".join(self._message(RTM_DELADDR, index, text) for text in half)

    @staticmethod
    def _message(kind, index, text):
        octets = socket.inet_aton(text)
        body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, index)
        body += b"".join(struct.pack("=HH", 8, name) + octets for name in (IFA_LOCAL, IFA_ADDRESS))
        flags = NLM_F_REQUEST | (NLM_F_CREATE | NLM_F_EXCL if kind == RTM_NEWADDR else 0)
        return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body

    def change(self):
        """One batch: all of its addresses come and go. Returns how many changes that were."""
        self._socket.send(self._add)
        self._socket.send(self._remove)
        return self.BATCH

    def close(self):
        self._socket.close()
