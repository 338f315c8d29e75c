"""The systems that laboratories show beside Muster: their programs (lab/peers), and what each needs on a host.

A laboratory gives a *room*: `room.coordinator` and `room.members` are seats with `host`, `name`, `lans` (how many
interfaces lan0, lan1, ... it has) and `address(lan)`; `room.lab` is the netlab.Lab. A peer program speaks the words of
muster_pulse, so rooms need not know which system they hold.
"""
import os
import tempfile
import time

import netlab
import report

PORT = 4712


class System:
    """One of those that are compared; an object of its own for each room."""
    name = program = ""
    needs = ()  # Debian packages
    known = ""  # by what a member knows its coordinator
    options = ()

    def path(self, arguments):
        return report.probe(arguments, f"peers/{self.program}")

    def missing(self, arguments):
        """Why it cannot be measured; None if it can."""
        try:
            self.path(arguments)
        except netlab.LabError:
            return f"{self.program} is not built: needs {', '.join(self.needs)} (script/setup test) when CMake configures"
        return None

    def prepare(self, room):
        """Called before the processes start."""

    def clean_up(self, room):
        """Called after they have ended."""

    def host_options(self, _room):
        return []

    def join_options(self, _room, _seat):
        return []

    def start_coordinator(self, room, arguments):
        self.prepare(room)
        process = room.coordinator.host.spawn([self.path(arguments), "host", *self.options, *self.host_options(room)])
        process.expect("hosting")
        return process

    def start_member(self, room, seat, arguments):
        return seat.host.spawn([self.path(arguments), "join", f"--name={seat.name}", *self.options,
                                *self.join_options(room, seat)], stamp="--started-ns")


class Muster(System):
    name, program, known = "Muster realtime", "muster_pulse", "mDNS"
    options = ("--profile=realtime", "--rate=100", "--grace-ms=20000")

    def path(self, arguments):
        return report.probe(arguments, self.program)


def addresses_of(room, seat):
    """The coordinator's addresses on the networks that a member is on, as an option."""
    return "--at=" + ",".join(room.coordinator.address(lan) for lan in range(seat.lans))


class MusterAt(Muster):
    """A member that is told the coordinator's address, as most peers are."""
    name, known = "Muster (address known)", "addresses"

    def host_options(self, _room):
        return [f"--port={PORT}"]

    def join_options(self, room, seat):
        at = ",".join(f"{room.coordinator.address(lan)}:{PORT}" for lan in range(seat.lans))
        return [f"--at={at}", "--no-discover"]


class Tls(System):
    name, program, needs, known = "TLS over TCP", "tcp_pulse", ("libssl-dev",), "addresses"
    options = (f"--port={PORT}",)

    def join_options(self, room, seat):
        return [addresses_of(room, seat)]


class Mptcp(Tls):
    """The kernel's path manager: the coordinator announces its other addresses, and members make subflows to them.

    No subflow is a backup: with that flag (endpoints "subflow backup fullmesh" at the members) gaps were 330 to 460 ms, without
    it they are 210.
    A member's own patience is 1.5 s, not 0.5: what the kernel does by itself takes 0.2 to 0.4 s, and is not to be cut short.
    """
    name = "TLS over MPTCP"
    options = (*Tls.options, "--mptcp", "--patience-ms=1500")

    def missing(self, arguments):
        if not os.path.exists("/proc/sys/net/mptcp/enabled"):
            return "this kernel has no MPTCP"
        return super().missing(arguments)

    def prepare(self, room):
        for seat in (room.coordinator, *room.members):
            seat.host.run("ip mptcp endpoint flush")
            seat.host.run("ip mptcp limits set subflow 8 add_addr_accepted 8")
        for lan in range(room.coordinator.lans):
            room.coordinator.host.run(f"ip mptcp endpoint add {room.coordinator.address(lan)} dev lan{lan} signal")


BROKER = """\
listener {port}
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 0
max_queued_messages 0
log_type none
"""


class Mosquitto(Tls):
    name, program, needs, known = "mosquitto", "mqtt_pulse", ("mosquitto", "libmosquitto-dev"), "addresses"

    def missing(self, arguments):
        if not os.path.exists("/usr/sbin/mosquitto"):
            return "mosquitto is not installed (script/setup test)"
        return super().missing(arguments)

    def prepare(self, room):
        configuration = os.path.join(tempfile.mkdtemp(dir=room.lab.scratch), "mosquitto.conf")
        with open(configuration, "w") as file:
            file.write(BROKER.format(port=PORT))
        self.broker = room.coordinator.host.spawn(["/usr/sbin/mosquitto", "-c", configuration])
        for _ in range(200):
            if f":{PORT}" in room.coordinator.host.run("ss -ltn"):
                return
            time.sleep(0.01)
        raise netlab.LabError("mosquitto does not listen")

    def clean_up(self, room):
        self.broker.kill()


class Zeromq(System):
    name, program, needs, known = "ZeroMQ + czmq beacon", "zmq_pulse", ("libczmq-dev",), "beacon"
    options = (f"--port={PORT}",)

    def host_options(self, room):
        return [interfaces_of(room.coordinator)]

    def join_options(self, room, seat):
        return [interfaces_of(seat)]


def interfaces_of(seat):
    return "--interfaces=" + ",".join(f"lan{lan}" for lan in range(seat.lans))


class Ice(System):
    name, program, needs, known = "libnice ICE", "ice_pulse", ("libnice-dev",), "signalling socket"

    def prepare(self, room):
        self.signal = os.path.join(tempfile.mkdtemp(dir=room.lab.scratch), "signal")

    def host_options(self, room):
        return [f"--signal={self.signal}"]

    def join_options(self, _room, _seat):
        return [f"--signal={self.signal}"]


class Udp(Tls):
    """The yardstick: see lab/peers/udp_pulse.cpp."""
    name, program, needs = "UDP alone (yardstick)", "udp_pulse", ()

    def join_options(self, room, seat):
        return [addresses_of(room, seat), interfaces_of(seat)]


def all_peers():
    return [Udp(), Mptcp(), Zeromq(), Tls(), Mosquitto(), Ice()]
