#!/usr/bin/python3
"""The main job before your eyes: a coordinator and seven members find each other, talk, share a file, and part.

Each device is a process of its own (`muster ... --json`) in a network namespace of its own, on one bridged network that
has IPv6 link-local addresses and nothing else. Without the right to make namespaces, all processes share this
machine's. Whatever is printed was reported by one of the processes or measured here; the checksums are sha256sum's.
Ends by itself, and takes everything down that it made, also on Ctrl-C.
"""
import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import netlab

GROUP = "demo"
COORDINATOR = "conductor"
MEMBERS = ["stage-left", "stage-right", "fly-gallery", "lights", "sound", "orchestra", "box-office"]
PROBING = 2.0  # seconds: three probes and two announcements, RFC 6762 sections 8.1 and 8.3
PATIENCE = 15.0  # seconds that any single step may take


class Local(netlab.Host):
    """A device that lives in the namespace of this process."""

    def __init__(self, lab, name):
        self.lab, self.name, self.descriptor = lab, name, None

    @contextlib.contextmanager
    def entered(self):
        yield self


class Screen:
    def __init__(self):
        self.terminal = sys.stdout.isatty()
        self.colours = self.terminal and not os.environ.get("NO_COLOR")
        self.live = False
        self.started = time.monotonic()

    def paint(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours else text

    def bold(self, text):
        return self.paint("1", text)

    def good(self, text):
        return self.paint("32", text)

    def bad(self, text):
        return self.paint("31", text)

    def dim(self, text):
        return self.paint("2", text)

    def clear(self):
        if self.live:
            print("\r\x1b[K", end="")
        self.live = False

    def say(self, text=""):
        self.clear()
        print(text, flush=True)

    def title(self, text):
        self.say(f"\n{self.dim(f'{time.monotonic() - self.started:5.1f} s')}  {self.bold(text)}")

    def item(self, name, text):
        self.say(f"         {name:<12} {text}")

    def redraw(self, text):
        if not self.terminal:
            return
        width = shutil.get_terminal_size().columns
        print("\r\x1b[K" + text[:width - 1], end="", flush=True)
        self.live = True


def ms(value):
    return f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def now_ms():
    return time.time() * 1000  # the clock of "time_ms" in the events


def bar(fraction, width=40):
    full = int(fraction * width)
    return "[" + "=" * full + (">" if full < width else "") + " " * (width - full - 1) + "]"


class Device:
    def __init__(self, name, host):
        self.name, self.host, self.home = name, host, None
        self.cable = self.process = None
        self.joined = {}
        self.received = 0  # messages
        self.file = ""
        self.end = ""


class Demo:
    def __init__(self, lab, screen, arguments):
        self.lab, self.screen, self.arguments = lab, screen, arguments
        self.namespaces = not arguments.loopback
        self.failures = []
        self.latencies = []
        make = lab.host if self.namespaces else lambda name: Local(lab, name)
        self.coordinator = Device(COORDINATOR, make(COORDINATOR))
        self.members = [Device(name, make(name)) for name in MEMBERS]
        self.log = open(Path(lab.scratch, "stderr"), "w+")

    def check(self, fine, what):
        if not fine:
            self.failures.append(what)
            self.screen.item("", self.screen.bad(f"not as it should be: {what}"))

    # --- the network and the processes ---------------------------------------------------------------------------

    def build_network(self):
        devices = [self.coordinator, *self.members]
        if not self.namespaces:
            self.screen.title(f"{len(devices)} processes on this machine (no right to make network namespaces)")
            return
        self.screen.title("A network: eight namespaces on one bridge, IPv6 link-local only")
        switch = self.lab.switch()
        for device in devices:
            device.cable = switch.plug(device.host, "lan0")
        for device in devices:  # nothing but fe80::
            found = device.host.addresses("lan0", "inet") + device.host.addresses("lan0")
            self.check(found and all(a.startswith("fe80:") for a in found), f"{device.name} has only fe80:: addresses")
        self.screen.item("", "no IPv4, no router, no DHCP, no DNS; duplicate address detection is switched off")
        self.screen.item("", "(accept_dad=0): with it, a new address could not be used for its first 1 to 2 s")

    def make_keys(self):
        """Each device gets its identity, as at its first start; what comes later is what every start costs."""
        for device in [self.coordinator, *self.members]:
            device.home = Path(self.lab.scratch, device.name)
            Path(device.home, "inbox").mkdir(parents=True)
            device.home.chmod(0o700)
            device.host.run([self.arguments.muster, "id", "--short", "--home", str(device.home)])

    def start(self, device, *words):
        argv = [self.arguments.muster, words[0], GROUP, "--name", device.name, "--home", str(device.home), "--json",
                "--commands", "--accept-files", str(device.home / "inbox"), "--profile", self.arguments.profile,
                "--grace", "0",  # who is killed is to be called lost within the bound, not after half a minute
                *words[1:]]
        device.process = device.host.spawn(argv, stderr=self.log.fileno())

    def host_group(self):
        self.make_keys()
        self.screen.title(f"{COORDINATOR} hosts the group '{GROUP}'")
        self.start(self.coordinator, "host", "--info", "role=coordinator")
        hosting = self.coordinator.process.expect("hosting", PATIENCE)
        self.screen.item(COORDINATOR, f"device id {hosting['id'][:8]}..., UDP port {hosting['port']}, "
                                      f"ready {ms(hosting['started_ms'])} after its start")
        self.screen.item("", f"mDNS takes {PROBING:.0f} s to make sure that nobody else has the group's name")
        time.sleep(PROBING)

    def join_all(self):
        self.screen.title("Seven members look for the group by its name")
        for member in self.members:
            self.start(member, "join")
            member.joined = joined = member.process.expect("joined", PATIENCE)
            self.coordinator.process.expect("peer_joined", PATIENCE,
                                            lambda event, name=member.name: event["peer"]["name"] == name)
            self.screen.item(member.name, f"found {COORDINATOR} in {self.screen.good(ms(joined['found_ms']))} via "
                                          f"{joined['interface']}, joined in {self.screen.good(ms(joined['joined_ms']))}")
            self.screen.item("", self.screen.dim(f"over udp {joined['remote']}"))
        for member in self.members[:-1]:  # who came later is told to those who were here
            member.process.expect("peer_joined", PATIENCE, lambda event: event["peer"]["name"] == MEMBERS[-1])

    # --- talking -------------------------------------------------------------------------------------------------

    def deliver(self, sender, line, text, receivers):
        """Has a device send a line; the milliseconds until each receiver had it."""
        begin = now_ms()
        sender.process.tell(line)
        took = []
        for receiver in receivers:
            event = receiver.process.expect("message", PATIENCE, lambda event: event.get("text") == text)
            self.check(event["from_name"] == sender.name, f"{receiver.name} hears {sender.name}")
            receiver.received += 1
            took.append(event["time_ms"] - begin)
        self.latencies += took
        return took

    def talk(self):
        self.screen.title("Messages, encrypted and acknowledged")
        took = self.deliver(self.coordinator, "places, please", "places, please", self.members)
        self.screen.item(COORDINATOR, f"to all seven: \"places, please\": the last had it after {ms(max(took))}")
        took = [self.deliver(member, f"/to {COORDINATOR} {member.name} is ready", f"{member.name} is ready",
                             [self.coordinator])[0] for member in self.members]
        self.screen.item("all seven", f"to {COORDINATOR}: \"... is ready\": {ms(min(took))} to {ms(max(took))}")
        left, right = self.members[:2]
        took = self.deliver(left, f"/to {right.name} catch the rope", "catch the rope", [right])
        self.screen.item(left.name, f"to {right.name}, member to member: \"catch the rope\": {ms(took[0])}")
        took = self.deliver(right, f"/to {left.name} got it", "got it", [left])
        self.screen.item(right.name, f"to {left.name}: \"got it\": {ms(took[0])}")

    # --- the file ------------------------------------------------------------------------------------------------

    def send_file(self):
        size = self.arguments.file_size
        source = Path(self.lab.scratch, "show.bin")
        with open(source, "wb") as out:
            for left in range(size, 0, -1_000_000):
                out.write(os.urandom(min(left, 1_000_000)))
        wanted = sha256sum(source)
        self.screen.title(f"A file of {size / 1e6:.0f} MB from {COORDINATOR} to all seven, at the same time")
        begin = now_ms()
        self.coordinator.process.tell(f"/file everyone {source}")
        done = self.follow_file(size)
        seconds = max((event["time_ms"] - begin) / 1000 for event in done.values())
        for member in self.members:
            event = member.process.expect("file_received", PATIENCE)
            stored = sha256sum(event["path"])
            fine = stored == wanted == event["sha256"]
            self.check(fine, f"the file of {member.name} has the checksum of the original")
            rate = size / 1e6 / (event["duration_ms"] / 1000)
            member.file = f"{rate:.0f} MB/s, " + ("verified" if fine else "DAMAGED")
            self.screen.item(member.name, f"{event['duration_ms'] / 1000:.2f} s, {rate:.0f} MB/s, sha256sum "
                                          f"{stored[:16]}... {self.screen.good('is right') if fine else 'IS WRONG'}")
        self.screen.item("", f"together {size * len(self.members) / 1e6 / seconds:.0f} MB/s, read, hashed, encrypted, "
                             "checked and synced to disk")
        self.file_rate = size * len(self.members) / 1e6 / seconds

    def follow_file(self, size):
        """Shows how far the coordinator's transfers are; its file_sent events by peer."""
        process, shares, done = self.coordinator.process, {}, {}
        deadline = time.monotonic() + 4 * PATIENCE
        while len(done) < len(self.members) and time.monotonic() < deadline:
            failed = process.wait_for("file_failed", 0)
            if failed:
                raise netlab.LabError(f"the file for {failed['peer_name']}: {failed['error']['message']}")
            while progress := process.wait_for("file_progress", 0.02):
                shares[progress["peer"]] = progress["octets_done"]
                self.draw_progress(sum(shares.values()), size * len(self.members))
            while sent := process.wait_for("file_sent", 0.01):
                done[sent["peer"]], shares[sent["peer"]] = sent, size
        if len(done) < len(self.members):
            raise netlab.LabError(f"only {len(done)} of {len(self.members)} files arrived in time")
        self.screen.clear()
        return done

    def draw_progress(self, done, total):
        fraction = done / total
        self.screen.redraw(f"         {bar(fraction)} {fraction * 100:3.0f} %  {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    # --- parting -------------------------------------------------------------------------------------------------

    def left(self, member):
        return self.coordinator.process.expect("peer_left", PATIENCE,
                                               lambda event: event["peer"]["name"] == member.name)

    def leave(self):
        self.screen.title("Some leave, and say why")
        for member, reason in zip(self.members[3:5], ("a lamp to change", "coffee")):
            begin = now_ms()
            member.process.tell(f"/quit {reason}")
            event = self.left(member)
            self.check(event["how"] == "closed" and event["reason"] == reason, f"{member.name} leaves with its reason")
            self.check(member.process.wait(PATIENCE) == 0, f"{member.name} exits with 0")
            self.screen.item(member.name, f"closed, \"{event['reason']}\": known to {COORDINATOR} after "
                                          f"{ms(event['time_ms'] - begin)}")
            member.end = f"closed: {event['reason']}"

    def be_lost(self, member, what, begin):
        event = self.left(member)
        self.check(event["how"] == "lost", f"{member.name} is lost, not closed")
        took = event["time_ms"] - begin
        self.screen.item(member.name, f"{what}: {self.screen.bad('lost')}, noticed after "
                                      f"{self.screen.good(ms(took))}")
        self.screen.item("", self.screen.dim(event.get("error", {}).get("message", "")))
        member.end = f"{what}, noticed after {ms(took)}"

    def lose(self):
        self.screen.title("One is killed" + (", one loses its cable" if self.namespaces else ""))
        bound = {"realtime": "150 ms", "balanced": "1.2 s", "low_power": "15 s"}[self.arguments.profile]
        self.screen.item("", f"silence is noticed within {bound} ({self.arguments.profile})")
        killed = self.members[5]
        begin = now_ms()
        killed.process.kill()
        self.be_lost(killed, "kill -9", begin)
        if not self.namespaces:
            return
        pulled = self.members[6]
        begin = now_ms()
        pulled.cable.pull()
        ended = pulled.process.expect("closed", PATIENCE)
        self.check(ended["how"] == "lost", "who loses its cable knows that it is lost")
        self.screen.item(pulled.name, f"itself: {ended.get('error', {}).get('message', '')}, "
                                      f"after {ms(ended['time_ms'] - begin)}")
        self.be_lost(pulled, "cable pulled", begin)
        pulled.process.wait(PATIENCE)

    def close(self):
        self.screen.title(f"{COORDINATOR} ends the group")
        reason = "the show is over"
        self.coordinator.process.tell(f"/quit {reason}")
        for member in (member for member in self.members if not member.end):
            event = member.process.expect("closed", PATIENCE)
            self.check(event["how"] == "closed" and event["reason"] == reason, f"{member.name} hears the end")
            self.check(member.process.wait(PATIENCE) == 0, f"{member.name} exits with 0")
            member.end = f"closed: {event['reason']}"
            self.screen.item(member.name, f"heard \"{event['reason']}\"")
        self.check(self.coordinator.process.wait(PATIENCE) == 0, f"{COORDINATOR} exits with 0")

    # --- the end -------------------------------------------------------------------------------------------------

    def summary(self):
        rows = [["member", "found", "joined", "since start", "messages", "file", "end"]]
        for member in self.members:
            joined = member.joined
            rows.append([member.name, ms(joined["found_ms"]), ms(joined["joined_ms"]), ms(joined["started_ms"]),
                         str(member.received), member.file, member.end])
        self.screen.title("Summary")
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for number, row in enumerate(rows):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            self.screen.say("         " + (self.screen.bold(line) if number == 0 else line))
        latencies = sorted(self.latencies)
        self.screen.say(f"\n         {len(latencies)} messages delivered, median {ms(latencies[len(latencies) // 2])}, "
                        f"slowest {ms(latencies[-1])}; {len(self.members)} files at {self.file_rate:.0f} MB/s together")
        verdict = self.screen.good("all as it should be") if not self.failures else self.screen.bad(
            f"{len(self.failures)} not as they should be")
        self.screen.say(f"         {verdict}, {time.monotonic() - self.screen.started:.1f} s\n")

    def run(self):
        for step in (self.build_network, self.host_group, self.join_all, self.talk, self.send_file, self.leave,
                     self.lose, self.close, self.summary):
            step()
        return 1 if self.failures else 0


def sha256sum(path):
    return subprocess.run(["sha256sum", "-b", str(path)], capture_output=True, text=True, check=True).stdout.split()[0]


def octets(text):
    match = re.fullmatch(r"(\d+)([kMG]?)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: 5M, 800k")
    return int(match[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[match[2]]


def main():
    parser = argparse.ArgumentParser(prog="script/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--muster", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--file-size", type=octets, default="50M", metavar="SIZE", help="of the file; default 50M")
    parser.add_argument("--profile", choices=["realtime", "balanced", "low_power"], default="balanced",
                        help="how soon silence is noticed")
    parser.add_argument("--loopback", action="store_true", help="no namespaces: all processes on this machine")
    arguments = parser.parse_args()
    arguments.muster = os.path.abspath(arguments.muster)
    arguments.loopback = arguments.loopback or os.geteuid() != 0
    screen = Screen()
    try:
        with netlab.Lab() as lab:
            demo = Demo(lab, screen, arguments)
            try:
                return demo.run()
            except netlab.LabError as error:
                screen.say(f"\n{screen.bad('The demo cannot go on')}: {error}")
                demo.log.seek(0)
                print(demo.log.read(), end="")
                return 1
    except KeyboardInterrupt:
        screen.say("\ninterrupted; everything is taken down again")
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever reads has seen enough; the namespaces are down already
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(main())
