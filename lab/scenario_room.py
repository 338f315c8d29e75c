"""The network of a scenario file as namespaces, and what happens to it."""
import ipaddress
import itertools
import re
import time

import netlab
import report

NO_MULTICAST = """
table inet no_multicast {{
    chain in {{
        type filter hook input priority 0
        iifname "{device}" ip daddr 224.0.0.0/4 drop
        iifname "{device}" ip6 daddr ff00::/8 udp dport 5353 drop
    }}
}}
"""
QUALITIES = ("delay", "jitter", "loss", "duplicate", "reorder", "kilobits")
CARRIED = ("black_hole", "quality")  # faults that need the shuttle in the cable


class Seat:
    """A host of the scenario with its cables, and the program that runs there."""

    def __init__(self, room, table):
        self.room, self.table, self.name = room, table, table["name"]
        self.host = room.lab.host(self.name)
        self.cables = {}
        self.process = None
        if not table.get("ipv6", True):
            self.host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
            self.host.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        if table.get("duplicate_address_detection"):
            self.host.sysctl("net.ipv6.conf.default.accept_dad", 1)
        self.deaf = {}
        for each in table["interface"]:
            self._plug(each)
        if table["role"] == "router":
            self.host.sysctl("net.ipv4.ip_forward", 1)
            self.host.sysctl("net.ipv6.conf.all.forwarding", 1)
        if "default_via" in table:
            self.host.ip(f"route add default via {table['default_via']}")
        if "nft" in table:
            self.host.nft(table["nft"])

    def _plug(self, interface):
        switch, name = self.room.switches[interface["on"]], interface["name"]
        table = self.room.tables[interface["on"]]
        shuttle = self.room.program("shuttle") if self.room.needs_shuttle(self.name, interface, table) else None
        self.cables[name] = switch.plug(self.host, name, interface.get("addresses", ()), shuttle)
        if shuttle:
            self.cables[name].order(*self.base_orders(interface))
        if not (interface.get("multicast", True) and table.get("multicast", True)):
            self.set_deaf(name, True)
        if not interface.get("carrier", True):
            self.cables[name].pull()

    def base_orders(self, interface):
        """What the cable does when nothing has happened yet."""
        mtu = self.room.tables[interface["on"]].get("mtu")
        return ["clear", *([f"mtu {mtu}"] if mtu else []), *quality_orders(interface)]

    def interface(self, name):
        return next(each for each in self.table["interface"] if each["name"] == name)

    def set_deaf(self, device, is_deaf):
        self.host.nft(f"table inet no_multicast\ndelete table inet no_multicast\n")
        self.deaf[device] = is_deaf
        for deaf in (name for name, is_so in self.deaf.items() if is_so):
            self.host.nft(NO_MULTICAST.format(device=deaf))

    def device_of(self, address):
        """Which of its interfaces has this address."""
        for device in self.cables:
            if address in self.host.addresses(device, "inet6") + self.host.addresses(device, "inet"):
                return device
        return None


def quality_orders(table):
    """Orders for the shuttle that make a cable as the table says."""
    orders = []
    way = {"in": "in ", "out": "out "}.get(table.get("direction"), "")
    if "delay" in table or "jitter" in table:
        orders.append(f"{way}delay {table.get('delay', 0) * 1e6:.0f}us jitter {table.get('jitter', 0) * 1e6:.0f}us")
    orders += [f"{way}{key} {table[key]}" for key in ("loss", "duplicate", "reorder") if key in table]
    if "kilobits" in table:
        orders.append(f"{way}rate {table['kilobits']}k")
    return orders


class Room:
    """All hosts and switches; `programs(name)` gives the path of a program of the build."""

    def __init__(self, lab, scenario, arguments):
        self.lab, self.scenario, self.arguments = lab, scenario, arguments
        self.tables = {table["name"]: table for table in scenario["switch"]}
        self.switches = {name: lab.switch(name) for name in self.tables}
        self.seats = {table["name"]: Seat(self, table) for table in scenario["host"]}
        self.coordinator = next((seat for seat in self.seats.values() if seat.table["role"] == "coordinator"), None)
        self.members = [seat for seat in self.seats.values() if seat.table["role"] == "member"]
        self._turn = itertools.count()
        if any(table.get("duplicate_address_detection") for table in scenario["host"]):
            time.sleep(2.5)

    def program(self, name):
        return report.probe(self.arguments, name)

    def needs_shuttle(self, host, interface, switch):
        if any(key in interface for key in QUALITIES) or "mtu" in switch:
            return True
        names = (interface["name"], "in use", "in turn")
        return any(fault["what"] in CARRIED and fault["host"] == host and fault["interface"] in names
                   for fault in self.scenario["fault"])

    def start(self, seat, program, *more):
        """Starts the program of a host with the options that the scenario gives it."""
        table, scenario = seat.table, self.scenario
        options = ["--group=lab", f"--profile={scenario.get('profile', 'balanced')}"]
        if "grace" in scenario:
            options.append(f"--grace-ms={scenario['grace'] * 1000:.0f}")
        if table["role"] == "member":
            options.append(f"--patience-ms={table.get('patience', 5.0) * 1000:.0f}")
            options += [f"--at={','.join(table['knows'])}"] if table.get("knows") else []
        if not table.get("discovers", True):
            options.append("--no-discover" if table["role"] == "member" else "--no-advertise")
        if table["role"] == "coordinator":
            options.append("--port=4711")
        seat.process = seat.host.spawn([*program, *options, *more], seat.name)
        return seat.process

    # ---- which interface
    def path_in_use(self, member):
        """(the member's interface, the coordinator's end) of the member's link now."""
        member.process.tell("path")
        if event := member.process.wait_for("path", 1.0):
            self._last_path = event["interface"], re.sub(r"%[\w.-]+", "", event["remote"])
        return self._last_path  # without a link: the one that it had

    def interface_of(self, fault):
        """The interface that a fault means, and the coordinator's end of the path if it means the one in use."""
        seat = self.seats[fault["host"]]
        if fault["interface"] == "in turn":
            return list(seat.cables)[next(self._turn) % len(seat.cables)], None
        member = seat if seat in self.members else self.members[0]
        is_flow = fault.get("flow") or fault["interface"] == "in use"
        device, remote = self.path_in_use(member) if is_flow else (fault["interface"], None)
        if fault["interface"] != "in use":
            return fault["interface"], remote
        if seat is not member:
            device = seat.device_of(remote.rsplit(":", 1)[0].strip("[]"))
        return device, remote

    # ---- faults: each returns how it is healed, and when it began
    def hurt(self, fault):
        return getattr(self, "_" + fault["what"])(fault)

    def _cut(self, fault):
        cable = self._cable(fault)
        return cable.plug_in, cable.pull()

    def _cable(self, fault):
        return self.seats[fault["host"]].cables[self.interface_of(fault)[0]]

    def _down(self, fault):
        cable = self._cable(fault)
        seat = self.seats[fault["host"]]

        def heal():
            cable.host.set_link(cable.device, True)
            if "default_via" in seat.table:  # went with the interface, if it was that one's
                seat.host.run(f"ip route replace default via {seat.table['default_via']}", check=False)
        return heal, cable.host.set_link(cable.device, False)

    def _remove(self, fault):
        cable = self._cable(fault)
        addresses = self.seats[fault["host"]].interface(cable.device).get("addresses", ())
        return lambda: cable.switch.plug_anew(cable, addresses), cable.remove()

    def _switch_off(self, fault):
        cables = self.switches[fault["switch"]].cables
        at = [cable.pull() for cable in cables][0]
        return lambda: [cable.plug_in() for cable in cables], at

    def _address(self, fault):
        cable, at = self._cable(fault), netlab.now_ns()
        change = lambda gone, here: cable.host.ip(
            *([f"addr del {gone} dev {cable.device}"] if gone else []),
            *([f"addr add {here} dev {cable.device} {'nodad' if ':' in here else ''}"] if here else []))
        gone = self._address_in_use(fault) if fault.get("gone") == "in use" else fault.get("gone")
        change(gone, fault.get("address"))
        return lambda: change(fault.get("address"), gone), at

    def _address_in_use(self, fault):
        """The host's own address on the path in use, with its prefix: of the same kind as the other end's."""
        seat = self.seats[fault["host"]]
        device, remote = self.path_in_use(seat if seat in self.members else self.members[0])
        end = ipaddress.ip_address(remote.rsplit(":", 1)[0].strip("[]"))
        for own in seat.host.addresses_with_prefix(device if seat in self.members else seat.device_of(str(end))):
            address = ipaddress.ip_interface(own).ip
            is_alike = address.version == end.version and address.is_link_local == end.is_link_local
            if is_alike if seat in self.members else address == end:
                return own
        raise netlab.LabError(f"no address of {fault['host']} is in use")

    def _black_hole(self, fault):
        device, remote = self.interface_of(fault)
        seat = self.seats[fault["host"]]
        way = {"in": "in ", "out": "out "}.get(fault.get("direction"), "")
        order = f"mtu {fault['above']}" if "above" in fault else f"drop-flow {remote}" if fault.get("flow") else "drop"
        heal = lambda: seat.cables[device].order(*seat.base_orders(seat.interface(device)))
        return heal, seat.cables[device].order(way + order)

    def _unbridge(self, fault):
        cable = self._cable(fault)
        return cable.bridge_again, cable.unbridge()

    def _deaf(self, fault):
        seat, device, at = self.seats[fault["host"]], self.interface_of(fault)[0], netlab.now_ns()
        seat.set_deaf(device, True)
        return lambda: seat.set_deaf(device, False), at

    def _quality(self, fault):
        seat, device = self.seats[fault["host"]], self.interface_of(fault)[0]
        heal = lambda: seat.cables[device].order(*seat.base_orders(seat.interface(device)))
        return heal, seat.cables[device].order(*quality_orders(fault))

    def _default_route(self, fault):
        seat, at = self.seats[fault["host"]], netlab.now_ns()
        seat.host.ip(f"route replace default via {fault['via']}")
        before = seat.table.get("default_via")
        return lambda: seat.host.ip(f"route replace default via {before}" if before else "route del default"), at

    def _kill(self, fault):
        return None, self.seats[fault["host"]].process.kill()


class Timetable:
    """Faults of one phase, at their times; healed when their `for` is over, or at the end."""

    def __init__(self, room, phase, length, share=0.0):
        """`length`: seconds of the phase; `share`: where between `at` and `until` a fault falls."""
        self.room = room
        self.begun, self.healed = [], []  # CLOCK_MONOTONIC nanoseconds
        self._left = {}
        steps = []
        for fault in room.scenario["fault"]:
            if fault.get("during", "traffic") != phase:
                continue
            at = fault["at"] + share * (fault.get("until", fault["at"]) - fault["at"])
            while at + fault.get("for", 0) <= length:
                steps.append((at, fault))
                if "every" not in fault:
                    break
                at += fault["every"]
        self._steps = sorted(steps, key=lambda step: step[0])

    def run_until(self, zero, end):
        """Does what is due between now and `end`; both in seconds of time.monotonic(), `zero` being where times begin."""
        while True:
            heals = sorted((when, number) for number, (when, _) in self._left.items() if when is not None)
            next_heal = heals[0][0] if heals else float("inf")
            next_hit = zero + self._steps[0][0] if self._steps else float("inf")
            when = min(next_heal, next_hit)
            if when > end:
                break
            time.sleep(max(0.0, when - time.monotonic()))
            self._heal(heals[0][1]) if next_heal <= next_hit else self._hit(self._steps.pop(0)[1])
        time.sleep(max(0.0, end - time.monotonic()))

    def _hit(self, fault):
        heal, at = self.room.hurt(fault)
        when = time.monotonic() + fault["for"] if "for" in fault else None
        if heal:
            self._left[len(self.begun)] = (when, heal)
        self.begun.append(at)

    def _heal(self, number):
        _, heal = self._left.pop(number)
        self.healed.append(netlab.now_ns())
        heal()

    def heal_all(self):
        for number in sorted(self._left):
            self._heal(number)
