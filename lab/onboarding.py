#!/usr/bin/python3
"""A device at 192.168.4.1 on its own Wi-Fi without internet, and phones whose default route is another network's (report U18).

`--n` phones at once, each with wlan0 (the device's network) and cell0 (the other one). They run examples/device, which holds a
socket to wlan0 (wait_for_scope, scope_socket), beside a real DHCP client; the device's DHCP server (dnsmasq) comes late. A tap on
the other network counts what goes there and was meant for the device: IP packets, and ARP requests.

  DHCP after 0 s, 3 s, 30 s   by the device's IPv4 address
  DHCP never                  the same, and the device's IPv6 link-local address beside it
  DHCP never, IPv4 alone      a typed error when the patience is over, and no packet anywhere
  same subnet                 the other network is 192.168.4.0/24 too, and has an impostor at 192.168.4.1
  member                      `muster join`, also with `--require wlan0`, joins a coordinator on the device, before any DHCP

Control, in each of them: a program that opens a socket and sends five datagrams, as soon as the Wi-Fi is up. Each of its sends
succeeds; they arrive on the other network.
"""
import os
import socket
import struct
import threading
import time

import netlab
import report

PORT, DEVICE = 7000, "192.168.4.1"
NAIVE_SENDS = 5
ETH_IPV4, ETH_ARP, ETH_IPV6, ETH_ALL = 0x0800, 0x0806, 0x86DD, 3
HERE = os.path.dirname(os.path.abspath(__file__))


class Tap:
    """Counts on one interface what arrives there and was meant for the device."""

    def __init__(self, host, device, meant):
        with host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
            self._socket.bind((device, ETH_ALL))
        self._meant = [socket.inet_pton(socket.AF_INET6 if ":" in each else socket.AF_INET, each) for each in meant]
        self.packets = self.requests = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                frame, (_, _, kind, *_) = self._socket.recvfrom(2048)
            except OSError:  # the network has gone: the laboratory's end
                return
            protocol = struct.unpack("!H", frame[12:14])[0]
            if kind == socket.PACKET_OUTGOING:
                continue
            self.packets += protocol == ETH_IPV4 and frame[30:34] in self._meant
            self.packets += protocol == ETH_IPV6 and frame[38:54] in self._meant
            self.requests += protocol == ETH_ARP and frame[38:42] in self._meant

    @property
    def count(self):
        return self.packets + self.requests


class Street:
    """The device's network, the other one, and phones on both."""

    def __init__(self, lab, arguments, same_subnet=False):
        self.lab, self.arguments = lab, arguments
        self.other = "192.168.4" if same_subnet else "10.9.0"
        self.wifi, self.cell = lab.switch("wifi"), lab.switch("cell")
        self.device, self.internet = lab.host("device"), lab.host("internet")
        self.wifi.plug(self.device, "ap0", [f"{DEVICE}/24"])
        own = [f"{self.other}.254/24"] + ([f"{DEVICE}/24"] if same_subnet else [])
        self.cell.plug(self.internet, "cell0", own)
        self.link_local = next(each for each in self.device.addresses("ap0") if each.startswith("fe80"))
        if not same_subnet:  # what the default route brings is to be seen, and answered by no one
            self.internet.ip(f"route add blackhole {DEVICE}")
        self.service = self._serve(self.device, "device")
        self.impostor = self._serve(self.internet, "impostor")
        self.tap = Tap(self.internet, "cell0", (DEVICE, self.link_local))
        self.phones = [self._phone(number) for number in range(arguments.n)]

    def _serve(self, host, name):
        service = host.spawn([netlab.PYTHON, f"{HERE}/onboarding_device.py", name, str(PORT)], name)
        service.expect("listening")
        return service

    def _phone(self, number):
        phone = self.lab.host(f"phone{number}")
        self.cell.plug(phone, "cell0", [f"{self.other}.{number + 2}/24"])
        phone.ip(f"route add default via {self.other}.254")
        self.wifi.plug(phone, "wlan0")
        return phone

    def naive(self):
        """What an unbound socket does now: sent, arrived at the device, arrived on the other network."""
        before, sent = self.tap.packets, 0
        for phone in self.phones:
            with phone.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
                sent += sum(plain.sendto(b"hello", (DEVICE, PORT)) > 0 for _ in range(NAIVE_SENDS))
        wrong = self._until(lambda: self.tap.packets - before, sent)
        right = 0
        while self.service.wait_for("datagram", 0.05):
            right += 1
        return sent, right, wrong

    @staticmethod
    def _until(count, wanted, seconds=3.0):
        end = time.monotonic() + seconds
        while count() < wanted and time.monotonic() < end:
            time.sleep(0.02)
        return count()

    def ask_for_addresses(self):
        """Each phone runs a DHCP client; nobody answers yet."""
        for phone in self.phones:
            phone.spawn(["busybox", "udhcpc", "-f", "-q", "-i", "wlan0", "-s", f"{HERE}/dhcp_lease.sh", "-t", "200", "-T", "1"],
                        "udhcpc", stderr=self._silence())

    def give_addresses(self):
        # No router and no name server (3, 6): a device is no way to the internet.
        self.device.spawn(["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=ap0", "--bind-interfaces",
                           "--no-ping", "--dhcp-authoritative", "--dhcp-range=192.168.4.128,192.168.4.253,1h",
                           "--dhcp-option=3", "--dhcp-option=6", "--user=root", f"--dhcp-leasefile={self.lab.scratch}/leases"],
                          "dnsmasq", stderr=self._silence())

    @staticmethod
    def _silence():
        return os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)

    def start(self, endpoints, patience):
        program = f"{self.arguments.build}/examples/device"
        return [phone.spawn([program, str(patience), *endpoints], "device", stderr=self._errors(phone))
                for phone in self.phones]

    def _errors(self, phone):
        return os.open(f"{self.lab.scratch}/{phone.name}.err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)

    def said(self, phone):
        with open(f"{self.lab.scratch}/{phone.name}.err", encoding="utf-8") as errors:
            return errors.read()

    def default_routes(self):
        return [phone.run("ip route show default") for phone in self.phones]


def onboard(result, arguments, what, delay, same_subnet=False, also_link_local=False):
    with netlab.Lab() as lab:
        street = Street(lab, arguments, same_subnet)
        routes = street.default_routes()
        sent, right, wrong = street.naive()
        before = street.tap.count
        street.ask_for_addresses()
        endpoints = [f"{DEVICE}%wlan0:{PORT}"] + ([f"[{street.link_local}%wlan0]:{PORT}"] if also_link_local else [])
        began = netlab.now_ns()
        programs = street.start(endpoints, 60)
        if delay is not None:
            time.sleep(delay)
            street.give_addresses()
        told = [each.wait_for("text", 65 + arguments.slack) for each in programs]
        reached = sum(each is not None and ": device to " in each["text"] for each in told)
        took = [report.milliseconds(began, each["seen_ns"]) for each in told if each]
        leaked = street.tap.count - before
        result.row(what, "all phones have talked to the device", took, reached=reached, of=len(programs), wrong_link=leaked,
                   control=f"{right} of {sent}", control_wrong_link=wrong)
        missed = next((street.said(phone) for phone, each in zip(street.phones, told) if each is None), "")
        result.require(reached == len(programs), f"{what}: {reached} of {len(programs)} reach the device {missed}".rstrip())
        result.require(leaked == 0, f"{what}: {leaked} packets and requests for the device on the other network")
        result.require(right == 0 and wrong * 10 >= sent * 9,
                       f"{what}, control: {right} of {sent} sends arrive, {wrong} on the other network")
        result.require(street.default_routes() == routes, f"{what}: default routes are what they were")


def refused(result, arguments):
    with netlab.Lab() as lab:
        street = Street(lab, arguments)
        street.ask_for_addresses()
        before = street.tap.count
        programs = street.start([f"{DEVICE}%wlan0:{PORT}"], 2)
        codes = [each.wait(10 + arguments.slack) for each in programs]
        named = sum("wlan0" in street.said(phone) and "address" in street.said(phone) for phone in street.phones)
        result.row("DHCP never, IPv4 alone", "refused after 2 s, naming interface and address", refused=codes.count(1), named=named,
                   of=len(programs), wrong_link=street.tap.count - before)
        result.note(street.said(street.phones[0]).strip())
        result.require(codes.count(1) == named == len(programs), f"without an address each is told so: {named} of {len(programs)}")
        result.require(street.tap.count == before, "and no packet has left by the other network")


def member(result, arguments, options):
    what = " ".join(["member", *options])
    with netlab.Lab() as lab:
        street = Street(lab, arguments)
        muster = f"{arguments.build}/cli/muster"
        coordinator = street.device.spawn([muster, "host", "setup", "--json", f"--home={lab.scratch}/device"], "host")
        coordinator.expect("hosting")
        took = []
        for number, phone in enumerate(street.phones):
            began = netlab.now_ns()
            words = [muster, "join", "setup", "--json", f"--home={lab.scratch}/{number}", *options]
            event = phone.spawn(words, "join").wait_for("joined", 10 + arguments.slack)
            if event:
                took.append(report.milliseconds(began, event["seen_ns"]))
        result.row(what, "joined the coordinator on the device", took, joined=len(took), of=len(street.phones),
                   wrong_link=street.tap.count)
        result.require(len(took) == len(street.phones), f"{what}: {len(took)} of {len(street.phones)} join")
        result.require(street.tap.count == 0, f"{what}: {street.tap.count} packets for the device on the other network")


def scenario(_, result, arguments):
    for seconds in arguments.delays.split(","):
        onboard(result, arguments, f"DHCP after {seconds} s", float(seconds))
    onboard(result, arguments, "DHCP never, also IPv6 link-local", None, also_link_local=True)
    onboard(result, arguments, "same subnet, DHCP after 3 s", 3, same_subnet=True)
    refused(result, arguments)
    member(result, arguments, [])
    member(result, arguments, ["--require", "wlan0"])


if __name__ == "__main__":
    arguments = report.parser("onboarding", __doc__, n=100)
    arguments.add_argument("--delays", default="0,3,30", help="seconds until the device's DHCP server starts")
    report.run_parsed("onboarding", scenario, arguments.parse_args())
