#!/usr/bin/python3
"""What the program muster does, from outside: real processes, their events, their words and their exit codes.

  cli_test.py --muster build/dev/cli/muster [TEST...]

As root in a network namespace of its own with a loopback interface and nothing else; without root on this machine.
"""
import argparse
import base64
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lab"))
sys.path.insert(0, str(ROOT / "packaging"))
sys.dont_write_bytecode = True
import generate_docs  # noqa: E402
import netlab  # noqa: E402

MUSTER = ""
PATIENCE = 15.0


MDNS = ("224.0.0.251", 5353)


def mdns_socket(address):
    """From where anybody on a network may say by mDNS what it likes."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("", MDNS[1]))
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    return made


def claim_of(group, port):
    """An mDNS answer that gives the group's name to this port (docs/DISCOVERY.md, "Names in DNS-SD")."""
    digest = base64.b32encode(hashlib.sha256(group.encode()).digest()[:10]).decode().lower()
    labels = lambda *words: b"".join(bytes([len(word)]) + word.encode() for word in words) + b"\0"
    record = lambda kind, data: labels("coord-" + digest, "_muster", "_udp", "local") + struct.pack(
        ">HHIH", kind, 0x8001, 120, len(data)) + data
    txt = f"group={group}"
    return (struct.pack(">HHHHHH", 0, 0x8400, 0, 2, 0, 0)
            + record(33, struct.pack(">HHH", 0, 0, port) + labels("evil", "local"))
            + record(16, bytes([len(txt)]) + txt.encode()))


class Machine(netlab.Host):
    """This machine, for those who may not make namespaces."""

    def __init__(self, lab):
        self.lab, self.name, self.descriptor = lab, "here", None

    @contextlib.contextmanager
    def entered(self):
        yield self


class CliTest(unittest.TestCase):
    def setUp(self):
        self.lab = netlab.Lab()
        self.lab.__enter__()
        self.addCleanup(self.lab.__exit__)
        self.lab.environment = {"NO_COLOR": "", "TERM": "dumb"}
        self.here = self.lab.host("here") if os.geteuid() == 0 else Machine(self.lab)
        self.errors = open(Path(self.lab.scratch, "stderr"), "w+")
        self.addCleanup(self.errors.close)

    def home(self, name):
        return str(Path(self.lab.scratch, "home-" + name))

    def path(self, name, content=None):
        path = Path(self.lab.scratch, name)
        if content is not None:
            path.write_bytes(content)
        return str(path)

    def folder(self, name):
        path = Path(self.lab.scratch, name)
        path.mkdir(exist_ok=True)
        return str(path)

    def start(self, name, command, *words):
        """A muster process with --json; its name is its home, its --name and what errors call it."""
        named = ["--name", name] if command in ("host", "join", "send") else []
        return self.here.spawn([MUSTER, command, *words, *named, "--json", "--home", self.home(name)], name=name,
                               stderr=self.errors.fileno())

    def host(self, *words, name="mixer", group="stage"):
        process = self.start(name, "host", group, "--commands", *words)
        process.hosting = process.expect("hosting", PATIENCE)
        process.at = ["--no-discover", "--at", f"127.0.0.1:{process.hosting['port']}"]
        return process

    def join(self, host, *words, name="left", group="stage"):
        process = self.start(name, "join", group, "--commands", *host.at, *words)
        process.joined = process.expect("joined", PATIENCE)
        return process

    def run_to_end(self, *words, stdin=b"", timeout=30):
        """A muster process without --json: exit code, stdout, stderr."""
        with self.here.entered():
            done = subprocess.run([MUSTER, *words], input=stdin, capture_output=True, timeout=timeout,
                                  env={**os.environ, **self.lab.environment, "MUSTER_HOME": self.home("words")})
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def device_id(self, name):
        return self.here.run([MUSTER, "id", "--short", "--home", self.home(name)]).strip()


class Sessions(CliTest):
    def test_a_member_finds_the_coordinator_by_the_name_of_the_group(self):
        self.host()
        member = self.start("left", "join", "stage")
        joined = member.expect("joined", PATIENCE)
        self.assertEqual(joined["coordinator"]["name"], "mixer")
        self.assertTrue(0 < joined["found_ms"] <= joined["connected_ms"] <= joined["joined_ms"] <= joined["started_ms"])
        self.assertEqual(joined["interface"], "lo")

    def test_messages_reach_everyone_and_one(self):
        host = self.host()
        left, right = self.join(host), self.join(host, name="right")
        host.expect("peer_joined", PATIENCE, lambda event: event["peer"]["name"] == "right")
        left.expect("peer_joined", PATIENCE)
        host.tell("to all")
        for member in (left, right):
            self.assertEqual(member.expect("message", PATIENCE)["text"], "to all")
        left.tell("/to right only you")
        heard = right.expect("message", PATIENCE)
        self.assertEqual((heard["text"], heard["from"], heard["from_name"]), ("only you", left.joined["id"], "left"))
        left.tell("//slash")
        self.assertEqual(host.expect("message", PATIENCE)["text"], "/slash")
        left.tell("/to nobody hello")
        self.assertEqual(left.expect("failed", PATIENCE)["error"]["code"], "unknown_peer")

    def test_what_somebody_said_before_leaving_bears_the_name(self):
        host = self.host()
        member = self.join(host)
        host.expect("peer_joined", PATIENCE)
        host.freeze()  # so that it hears the words and the goodbye in one go
        member.tell("last words")
        member.tell("/quit")
        member.expect("sent", PATIENCE)
        time.sleep(0.3)  # for the goodbye to leave, too; well below the liveness bound
        host.signal(signal.SIGCONT)
        self.assertEqual(host.expect("message", PATIENCE)["from_name"], "left")
        host.expect("peer_left", PATIENCE)

    def test_leaving_tells_the_reason_and_ends_with_0(self):
        host = self.host()
        member = self.join(host)
        member.tell("/quit tea break")
        left = host.expect("peer_left", PATIENCE)
        self.assertEqual((left["how"], left["by"], left["code"], left["reason"]), ("closed", "peer", 0, "tea break"))
        self.assertEqual(member.wait(PATIENCE), 0)

    def test_an_interrupt_says_goodbye_and_ends_with_130(self):
        host = self.host()
        member = self.join(host)
        member.signal(signal.SIGINT)
        self.assertEqual(host.expect("peer_left", PATIENCE)["reason"], "interrupted")
        self.assertEqual(member.wait(PATIENCE), 130)

    def test_a_second_interrupt_does_not_wait(self):
        host = self.host()
        member = self.join(host)
        host.freeze()  # so that the goodbye gets no answer
        self.addCleanup(host.signal, signal.SIGCONT)
        first = time.monotonic()
        member.signal(signal.SIGINT)
        time.sleep(0.2)
        if time.monotonic() - first < 0.6:  # on a machine that stalls, the silent host may be lost by now
            self.assertIsNone(member.wait(0), "it should still wait for the goodbye")
        begin = time.monotonic()
        member.signal(signal.SIGINT)
        self.assertEqual(member.wait(PATIENCE), 130)
        self.assertLess(time.monotonic() - begin, 1.5)

    def test_a_killed_coordinator_is_lost_and_the_exit_code_6(self):
        host = self.host("--profile", "realtime")
        member = self.join(host, "--profile", "realtime", "--grace", "0")
        host.kill()
        ended = member.expect("closed", PATIENCE)
        self.assertEqual((ended["how"], ended["error"]["code"]), ("lost", "lost"))
        self.assertEqual(member.wait(PATIENCE), 6)

    def test_leaving_a_stopped_coordinator_says_what_did_not_arrive(self):
        host = self.host("--profile", "low_power")
        member = self.join(host, "--profile", "low_power")
        host.freeze()
        self.addCleanup(host.signal, signal.SIGCONT)
        member.tell("last words")
        member.tell("/quit")
        error = member.expect("failed", PATIENCE)["error"]
        self.assertEqual(error["code"], "timed_out")
        self.assertRegex(error["evidence"][-1]["finding"], "[0-9]+ octets of messages")
        self.assertEqual(member.expect("closed", PATIENCE)["by"], "this_end")
        self.assertEqual(member.wait(PATIENCE), 4)

    def test_leaving_a_killed_coordinator_says_why_it_did_not_hear(self):
        host = self.host("--profile", "realtime")
        member = self.join(host, "--profile", "realtime", "--grace", "0")
        host.signal(signal.SIGKILL)
        member.tell("/quit")
        self.assertEqual(member.expect("failed", PATIENCE)["error"]["code"], "lost")
        self.assertEqual(member.wait(PATIENCE), 6)

    def test_a_coordinator_that_leaves_names_the_member_that_did_not_hear(self):
        host = self.host("--profile", "low_power")
        member, other = self.join(host, name="deaf"), self.join(host, name="other")
        member.freeze()
        self.addCleanup(member.signal, signal.SIGCONT)
        host.tell("/quit")
        error = host.expect("failed", PATIENCE)["error"]
        self.assertEqual(error["code"], "timed_out")
        self.assertIn("deaf", error["evidence"][0]["subject"])
        self.assertEqual(len(error["evidence"]), 1)
        self.assertEqual(host.wait(PATIENCE), 4)
        self.assertEqual(other.expect("closed", PATIENCE)["how"], "closed")

    def test_a_killed_member_is_lost_not_closed(self):
        host = self.host("--grace", "0")
        self.join(host).kill()
        self.assertEqual(host.expect("peer_left", PATIENCE)["how"], "lost")

    def test_a_member_that_did_not_run_does_not_blame_the_coordinator(self):
        host = self.host("--profile", "low_power")
        member = self.join(host, "--profile", "realtime")
        for text in ("one", "two", "three"):
            member.freeze()
            host.tell(text)  # waits in the member's socket, far longer than its bound of 150 ms
            time.sleep(1.0)
            member.signal(signal.SIGCONT)
            self.assertEqual(member.expect("message", PATIENCE)["text"], text)
        self.assertIsNone(member.wait_for("closed", 1.0))
        self.assertIsNone(host.wait_for("peer_left", 0.1))

    def test_the_end_of_the_group_is_heard_with_its_reason(self):
        host = self.host("--leave-reason", "strike")
        member = self.join(host)
        host.tell("/quit")
        ended = member.expect("closed", PATIENCE)
        self.assertEqual((ended["how"], ended["by"], ended["reason"]), ("closed", "peer", "strike"))
        self.assertEqual(member.wait(PATIENCE), 0)
        self.assertEqual(host.wait(PATIENCE), 0)

    def test_greetings_and_time_limits(self):
        host = self.host("--greet", "welcome")
        member = self.join(host, "--greet", "hello", "--for", "0.5", "--leave-reason", "only passing")
        self.assertEqual(member.expect("message", PATIENCE)["text"], "welcome")
        self.assertEqual(host.expect("message", PATIENCE)["text"], "hello")
        self.assertEqual(host.expect("peer_left", PATIENCE)["reason"], "only passing")
        self.assertEqual(member.wait(PATIENCE), 0)

    def test_the_coordinator_decides_when_asked(self):
        host = self.host("--ask")
        wanted = self.start("wanted", "join", "stage", *host.at, "--context", "the token", "--info", "role=light")
        request = host.expect("join_request", PATIENCE)
        self.assertEqual((request["peer"]["name"], request["peer"]["info"], request["context"]),
                         ("wanted", {"role": "light"}, "the token"))
        host.tell("/accept")
        wanted.expect("joined", PATIENCE)
        unwanted = self.start("unwanted", "join", "stage", *host.at)
        host.expect("join_request", PATIENCE)
        host.tell("/refuse the house is full")
        error = unwanted.expect("error", PATIENCE)
        self.assertEqual((error["error"]["code"], error["exit_code"]), ("refused", 5))
        self.assertIn("the house is full", error["error"]["message"])
        self.assertEqual(unwanted.wait(PATIENCE), 5)

    def test_only_listed_devices_get_in(self):
        host = self.host("--allow", self.device_id("listed"))
        self.join(host, name="listed")
        other = self.start("other", "join", "stage", *host.at)
        self.assertEqual(other.expect("error", PATIENCE)["error"]["code"], "refused")
        self.assertEqual(other.wait(PATIENCE), 5)

    def test_only_the_wanted_coordinator_will_do(self):
        host = self.host()
        member = self.start("left", "join", "stage", *host.at, "--only", self.device_id("somebody"), "--timeout", "1")
        self.assertEqual(member.wait(PATIENCE), 5)
        self.assertEqual(member.expect("error", PATIENCE)["error"]["code"], "untrusted")

    def test_a_new_key_is_untrusted_until_the_pin_is_forgotten(self):
        host = self.host("--for", "60")
        self.join(host, "--for", "0.1").wait(PATIENCE)
        host.stop()
        other = self.host(name="other")
        refused = self.start("left", "join", "stage", *other.at, "--timeout", "1")
        self.assertEqual(refused.wait(PATIENCE), 5)
        error = refused.expect("error", PATIENCE)["error"]
        self.assertEqual(error["code"], "untrusted")
        self.assertIn("muster forget stage", error["cure"])
        pinned = json.loads(self.here.run([MUSTER, "forget", "--list", "--json", "--home", self.home("left")]))
        self.assertEqual((pinned["group"], pinned["id"]), ("stage", host.hosting["id"]))
        forgotten = json.loads(self.here.run([MUSTER, "forget", "stage", "--json", "--home", self.home("left")]))
        self.assertTrue(forgotten["was_pinned"])
        self.join(other)

    def test_one_device_hosts_two_groups(self):
        both = {group: self.start("mixer", "host", group) for group in ("stage", "other")}
        for process in both.values():
            process.expect("hosting", PATIENCE)
        time.sleep(2.5)  # both have probed for their groups' names and announced them
        for group, process in both.items():
            self.assertIsNone(process.wait(0), f"the coordinator of '{group}' has ended")
            member = self.start("left-" + group, "join", group, "--for", "0.1")
            self.assertEqual(member.expect("joined", PATIENCE)["group"], group)

    def test_a_second_coordinator_of_the_group_gives_way(self):
        self.host()
        time.sleep(2)  # until the first has the name for itself: RFC 6762 sections 8.1 and 8.3
        second = self.start("second", "host", "stage")
        ended = second.expect("closed", PATIENCE)
        self.assertEqual((ended["how"], ended["error"]["code"]), ("lost", "name_in_use"))
        self.assertIn("mixer", ended["error"]["message"])
        self.assertEqual(second.wait(PATIENCE), 1)

    def test_a_rival_that_proves_its_key_is_told_and_a_forger_is_not(self):
        host = self.host()
        rival = self.start("rival", "host", "stage", "--no-advertise").expect("hosting", PATIENCE)
        time.sleep(2)  # until the first has announced the name
        with self.here.entered():
            forger = mdns_socket("127.0.0.1")
        self.addCleanup(forger.close)
        for _ in range(5):  # port 9: nobody is there
            forger.sendto(claim_of("stage", 9), MDNS)
            time.sleep(0.05)
        self.assertIsNone(host.wait_for("contested", 1.0))
        for _ in range(100):  # the judge of claims pauses between two
            forger.sendto(claim_of("stage", rival["port"]), MDNS)
            contested = host.wait_for("contested", 0.1)
            if contested:
                break
        self.assertEqual(contested["id"], rival["id"])
        self.assertIn(str(rival["port"]), contested["at"])
        member = self.join(host)
        self.assertEqual(member.joined["coordinator"]["id"], host.hosting["id"], "it goes on")

    def test_octets_that_are_no_text_arrive_as_hex(self):
        host = self.host()
        code, _, _ = self.run_to_end("send", "stage", *host.at, "-", stdin=b"\xff\x00\x1b")
        self.assertEqual(code, 0)
        self.assertEqual(host.expect("message", PATIENCE)["hex"], "ff001b")

    def test_a_reader_that_goes_away_ends_the_session_with_a_goodbye(self):
        host = self.host()
        reading, writing = os.pipe()
        with self.here.entered():
            member = subprocess.Popen([MUSTER, "join", "stage", *host.at, "--json", "--home", self.home("left")],
                                      stdin=subprocess.DEVNULL, stdout=writing)
        os.close(writing)
        host.expect("peer_joined", PATIENCE)
        os.close(reading)
        host.tell("anybody?")
        self.assertEqual(host.expect("peer_left", PATIENCE)["how"], "closed")
        self.assertEqual(member.wait(PATIENCE), 1)

    def test_a_reader_that_stalls_does_not_cost_the_session(self):
        host = self.host("--profile", "realtime")
        with self.here.entered():
            member = subprocess.Popen([MUSTER, "join", "stage", *host.at, "--profile", "realtime", "--home",
                                       self.home("left")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(member.stdout.close)
        host.expect("peer_joined", PATIENCE)
        host.tell("x" * 200_000)  # more than a pipe holds
        self.assertIsNone(host.wait_for("peer_left", 1.0), "the stalled reader was dropped")
        member.stdout.read(200_000)
        member.send_signal(signal.SIGINT)
        member.stdout.read()
        self.assertEqual(member.wait(PATIENCE), 130)


class Sending(CliTest):
    def test_a_text_is_delivered(self):
        host = self.host()
        code, out, _ = self.run_to_end("send", "stage", *host.at, "--to", "mixer", "lights off")
        self.assertEqual(code, 0)
        self.assertIn("delivered", out)
        self.assertEqual(host.expect("message", PATIENCE)["text"], "lights off")

    def test_a_text_is_not_delivered_because_somebody_has_joined(self):
        if os.geteuid() != 0:
            self.skipTest("not root: the network cannot be made slow enough to stop a text on its way")
        self.here.run(["tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "256kbit", "burst", "32k", "latency", "5s"])
        for number in (signal.SIGSTOP, signal.SIGKILL):
            with self.subTest(signal=number.name):
                host = self.host(name=number.name)
                self.addCleanup(host.signal, signal.SIGCONT)
                sender = self.start("sender", "send", "stage", *host.at, "--only", host.hosting["id"],
                                    "--grace", "0", "x" * 100_000)
                sender.expect("joined", PATIENCE)
                host.signal(number)  # the text needs two seconds more
                error = sender.expect("error", PATIENCE)
                self.assertEqual((error["error"]["code"], error["exit_code"]), ("lost", 6))
                self.assertRegex(error["error"]["evidence"][-1]["finding"], "[0-9]+ octets of messages")
                self.assertEqual(sender.wait(PATIENCE), 6)
                self.assertIsNone(sender.wait_for("delivered", 0.1))
                host.kill()

    def test_nobody_of_that_name(self):
        host = self.host()
        code, _, errors = self.run_to_end("send", "stage", *host.at, "--to", "ghost", "boo")
        self.assertEqual(code, 3)
        self.assertIn("nobody here is called 'ghost'", errors)
        self.assertIn("mixer", errors)  # who is there instead

    def test_two_of_one_name_are_told_apart_by_id(self):
        host = self.host()
        two = [self.here.spawn([MUSTER, "join", "stage", *host.at, "--name", "twin", "--json", "--home", self.home(h)])
               for h in ("a", "b")]
        ids = [member.expect("joined", PATIENCE)["id"] for member in two]
        code, _, errors = self.run_to_end("send", "stage", *host.at, "--to", "twin", "hi")
        self.assertEqual(code, 1)
        self.assertIn(ids[0], errors)
        code, _, _ = self.run_to_end("send", "stage", *host.at, "--to", ids[1][:12], "hi")
        self.assertEqual(code, 0)
        self.assertEqual(two[1].expect("message", PATIENCE)["text"], "hi")

    def test_too_much_for_a_message(self):
        code, _, errors = self.run_to_end("send", "stage", "-", stdin=b"x" * (1 << 20) + b"y")
        self.assertEqual(code, 1)
        self.assertIn("--file", errors)

    def test_a_file_arrives_and_is_never_written_over_another(self):
        inbox, content = self.folder("in"), os.urandom(3_000_000)
        Path(inbox, "show.bin").write_bytes(b"was here before")
        host = self.host("--accept-files", inbox)
        code, out, errors = self.run_to_end("send", "stage", *host.at, "--file", self.path("show.bin", content))
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("verified", out)
        received = host.expect("file_received", PATIENCE)
        self.assertEqual(Path(received["path"]).name, "show (2).bin")
        self.assertEqual(Path(received["path"]).read_bytes(), content)
        self.assertEqual(Path(inbox, "show.bin").read_bytes(), b"was here before")

    def test_an_empty_file_and_several_to_everyone(self):
        inboxes = [self.folder("in-host"), self.folder("in-member")]
        host = self.host("--accept-files", inboxes[0])
        self.join(host, "--accept-files", inboxes[1])
        files = ["--file", self.path("empty", b""), "--file", self.path("full", b"content")]
        code, _, errors = self.run_to_end("send", "stage", *host.at, "--to", "everyone", *files)
        self.assertEqual((code, errors), (0, ""))
        for inbox in inboxes:
            self.assertEqual(Path(inbox, "empty").read_bytes(), b"")
            self.assertEqual(Path(inbox, "full").read_bytes(), b"content")

    def test_who_takes_no_files_declines(self):
        host = self.host()
        code, _, errors = self.run_to_end("send", "stage", *host.at, "--file", self.path("x", b"x"))
        self.assertEqual(code, 5)
        self.assertIn("takes no files", errors)

    def test_who_takes_files_takes_no_end_of_them(self):
        inbox = self.folder("inbox")
        host = self.host("--accept-files", inbox, "--accept-limit", "1kB", "--accept-count", "2")
        for name, size, code, words in [("large", 1001, 5, "takes 1.0 kB more"), ("a", 400, 0, ""),
                                        ("b", 601, 5, "takes 600 B more"), ("c", 600, 0, ""),
                                        ("d", 0, 5, "as many files as it may, 2")]:
            with self.subTest(name=name):
                sender = self.start("left", "send", "stage", *host.at, "--file", self.path(name, b"x" * size))
                self.assertEqual(sender.wait(PATIENCE), code)
                offered = host.expect("file_offered", PATIENCE)
                self.assertEqual(offered["accepted"], code == 0)
                self.assertIn(words, offered.get("why", ""))
                sender.wait_for("nothing more", PATIENCE)  # until its output has been read to its end
                self.assertIn(words, "".join(sender.lines))
        self.assertEqual(sorted(os.listdir(inbox)), ["a", "c"])

    def test_files_that_cannot_be_read(self):
        host = self.host("--accept-files", self.folder("in"))
        for path in (self.path("is-not-there"), self.folder("is-a-folder"), "/dev/zero"):
            with self.subTest(path=path):
                code, _, errors = self.run_to_end("send", "stage", *host.at, "--file", path)
                self.assertEqual(code, 1)
                self.assertIn(Path(path).name, errors)
        self.assertEqual(os.listdir(self.folder("in")), [])

    def test_a_file_that_changes_on_its_way_is_refused(self):
        inbox, path = self.folder("in"), self.path("growing", b"")
        os.truncate(path, 2_000_000_000)  # long under way, and no disk is filled for it
        host = self.host("--accept-files", inbox)
        sender = self.start("sender", "send", "stage", *host.at, "--file", path)
        sender.expect("file_progress", PATIENCE)
        with open(path, "r+b") as file:
            file.truncate(1000)
        error = sender.expect("error", PATIENCE)["error"]
        self.assertEqual(error["code"], "source_changed")
        self.assertEqual(sender.wait(PATIENCE), 1)
        self.assertEqual(host.expect("file_failed", PATIENCE)["error"]["code"], "source_changed")
        self.assertEqual(os.listdir(inbox), [], "nothing of it is kept")

    def test_an_interrupted_transfer_ends_on_both_sides(self):
        inbox = self.folder("in")
        host = self.host("--accept-files", inbox)
        sender = self.start("sender", "send", "stage", *host.at, "--file", self.path("big", os.urandom(60_000_000)))
        sender.expect("file_progress", PATIENCE)
        sender.signal(signal.SIGINT)
        self.assertEqual(sender.wait(PATIENCE), 130)
        host.expect("file_failed", PATIENCE)
        self.assertEqual(os.listdir(inbox), [], "no part of it stays")


class Failures(CliTest):
    @unittest.skipIf(os.geteuid() != 0, "not root: the interfaces of this machine are as they are")
    def test_no_interface_is_not_an_unknown_group(self):
        for words in (["nowhere"], ["nowhere", "--no-discover", "--at", "192.0.2.1:4711"]):
            with self.subTest(words=words):
                code, _, errors = self.run_to_end("join", *words, "--timeout", "0.5")
                self.assertEqual(code, 4)
                self.assertIn("no interface can carry packets", errors)

    @unittest.skipIf(os.geteuid() != 0, "not root: port 5353 of this machine is not ours")
    def test_without_mdns_the_reason_is_told(self):
        with self.here.entered():
            taken = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET6, socket.AF_INET)]
        taken[0].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for one in taken:
            one.bind(("", 5353))
            self.addCleanup(one.close)
        host = self.host()
        self.assertIs(host.hosting["advertised"], False)
        code, _, errors = self.run_to_end("join", "stage")
        self.assertEqual(code, 1)
        self.assertIn("discovery does not run", errors)
        self.assertIn("keeps the port for itself", errors)
        self.join(host)

    def test_an_unknown_group(self):
        if os.geteuid() == 0:
            self.lab.switch().plug(self.here, "lan0", ["192.0.2.1/24"])
        begin = time.monotonic()
        code, _, errors = self.run_to_end("join", "nowhere", "--timeout", "0.5")
        self.assertEqual(code, 3)
        self.assertLess(time.monotonic() - begin, 5)
        self.assertIn("nobody answered for group 'nowhere'", errors)
        self.assertIn("muster host nowhere", errors)  # what to do about it

    def test_an_address_that_does_not_answer(self):
        code, _, errors = self.run_to_end("join", "stage", "--no-discover", "--at", "127.0.0.1:9", "--timeout", "0.5")
        self.assertEqual(code, 4)
        self.assertIn("127.0.0.1:9", errors)

    def test_a_port_that_is_taken(self):
        host = self.host()
        code, _, errors = self.run_to_end("host", "other", "--port", str(host.hosting["port"]))
        self.assertEqual(code, 1)
        self.assertIn(str(host.hosting["port"]), errors)

    def test_too_few_file_descriptors_are_told_with_their_cure(self):
        for limit in range(8, 24):
            with self.subTest(limit=limit):
                self.errors.truncate(0)
                limited = ["sh", "-c", f'ulimit -n {limit}; exec "$0" "$@"', MUSTER]
                host = self.here.spawn([*limited, "host", "stage", "--json", "--home", self.home("h")], name="h",
                                       stderr=self.errors.fileno())
                if host.wait_for("hosting", PATIENCE):
                    self.assertIsNone(host.wait(0.3), "it goes on with what it has")
                    host.signal(signal.SIGTERM)
                    self.assertEqual(host.wait(PATIENCE), 130)
                else:
                    self.assertEqual(host.wait(PATIENCE), 1)
                told = "".join(host.lines) + Path(self.errors.name).read_text()
                self.assertNotIn("internal error", told)
                if host.exit_code == 1:
                    self.assertIn("ulimit -n", told)

    def test_a_damaged_key_is_left_alone(self):
        home = Path(self.folder("home-words"))
        home.chmod(0o700)
        (home / "device-key.pem").write_text("no key")
        code, _, errors = self.run_to_end("id")
        self.assertEqual(code, 1)
        self.assertIn("device-key.pem", errors)
        self.assertEqual((home / "device-key.pem").read_text(), "no key")

    def test_command_lines_that_make_no_sense(self):
        table = [
            ([], "a command is needed"),
            (["jion"], "there is no command 'jion'"),
            (["host", "stage\x1b[2J"], "control characters"),
            (["host", ""], "name"),
            (["host", "x" * 65], "64"),
            (["host", "stage", "--name", "a\nb"], "control characters"),
            (["host", "stage", "--name", "a\u202eb"], "control characters"),
            (["host", "stage", "--port", "70000"], "70000"),
            (["host", "stage", "--port", "-1"], "--port"),
            (["host", "stage", "--info", "novalue"], "key=value"),
            (["host", "stage", "--info", "k=\x07"], ""),
            (["host", "stage", "--allow", "me"], "device id"),
            (["host", "stage", "--profile", "fast"], "realtime"),
            (["host", "stage", "--accept-files", "/is/not/there"], "/is/not/there"),
            (["host", "stage", "other"], "other"),
            (["join", "stage", "--at", "192.0.2.1"], "192.0.2.1"),
            (["join", "stage", "--at", "[fe80::1]:4711"], "interface"),
            (["join", "stage", "--at", "[fe80::1%nosuch0]:4711"], "nosuch0"),
            (["join", "stage", "--timeout", "soon"], "seconds"),
            (["join", "stage", "--timeout", "-1"], "seconds"),
            (["join", "stage", "--timeout", "nan"], "seconds"),
            (["join", "stage", "--timeout", "1e300"], "seconds"),
            (["send"], "nothing to send"),
            (["send", "stage", "text", "--file", "x"], "not both"),
            (["browse", "http"], "_http._tcp"),
            (["browse", "_http._sctp"], "_tcp"),
            (["advertise", "Name", "_http._tcp"], "PORT"),
            (["advertise", "Name", "_http._tcp", "0"], "0"),
            (["advertise", "a\x00b".replace("\x00", "\x01"), "_http._tcp", "80"], ""),
            (["multicast", "listen", "239.7.7.7:5600"], "watch"),
            (["multicast", "watch", "192.0.2.1:5600"], "239.7.7.7:5600"),
            (["multicast", "watch", "239.7.7.7:5600", "--from", "me"], "no IP address"),
            (["multicast", "watch", "239.7.7.7:5600", "--interface", "kind:radio"], "kind:wired"),
            (["multicast", "watch", "[ff02::7%3]:5600"], "--interface"), (["multicast", "send", "239.7.7.7:5600"], "nothing to send"),
            (["multicast", "doctor", "239.7.7.7:5600", "--from", "::1"], "takes no --from"),
            (["host", "--bogus"], "--bogus"),
            (["help", "nothing"], "nothing"),
        ]
        for words, wanted in table:
            with self.subTest(words=words):
                code, out, errors = self.run_to_end(*words, timeout=5)
                self.assertEqual(code, 2, errors)
                self.assertIn(wanted, errors)
                self.assertEqual(out, "")
                self.assertFalse([c for c in errors if ord(c) < 32 and c != "\n"], "control characters are not printed")

    def test_what_others_write_cannot_paint_the_terminal(self):
        host = self.here.spawn([MUSTER, "host", "stage", "--home", self.home("mixer"), "--port", "47110"],
                               name="mixer", stderr=self.errors.fileno())
        host.wait_for("text", PATIENCE)
        at = ["--no-discover", "--at", "127.0.0.1:47110"]
        code, _, _ = self.run_to_end("send", "stage", *at, "\x1b[2Jgone\r\nfake: hi \u202e\u0085")
        self.assertEqual(code, 0)
        said = host.expect("text", PATIENCE, lambda event: "gone" in event["text"])["text"]
        self.assertIn(r"\x1b[2Jgone\r\nfake: hi \u202e\x85", said)


class Configuration(CliTest):
    def config(self, text):
        return ["--config", self.path("muster.conf", text.encode())]

    def test_defaults_come_from_the_file_and_words_win(self):
        config = self.config('# defaults\n[host]\nname = "from file"\ninfo = ["a=1", \'b=2\']\nuntil-eof = true\n'
                             "[join]\ntimeout = 0.1\n")
        host = self.here.spawn([MUSTER, "host", "stage", "--json", "--home", self.home("h"), *config], name="h")
        self.assertEqual(host.expect("hosting", PATIENCE)["name"], "from file")
        os.close(host.stdin)
        host.stdin = None
        self.assertEqual(host.wait(PATIENCE), 0)
        other = self.here.spawn([MUSTER, "host", "stage", "--json", "--home", self.home("h"), *config, "--name", "word"])
        self.assertEqual(other.expect("hosting", PATIENCE)["name"], "word")

    def test_mistakes_are_told_with_their_line(self):
        for text, wanted in [("[host\n", "line 1"), ("\n[host]\nname\n", "line 3"), ("[host]\nname = \n", "line 2"),
                             ('[host]\nname = "open\n', "line 2"), ("[hots]\nname = x\n", "no command 'hots'"),
                             ("[host]\nnmae = x\n", "'nmae'"), ("[host]\nname = a\nname = b\n", "line 2 already"),
                             ("[host]\nname = a b\n", "line 2"), ("x" * 70_000, "65536"), ("[host]\nport = many\n", "port"),
                             ("[host]\nname = []\n", "line 2"), ("[host]\nname = \"\\x1b\"\n", "line 2")]:
            with self.subTest(text=text[:40]):
                code, _, errors = self.run_to_end("host", "stage", *self.config(text), timeout=5)
                self.assertEqual(code, 2, errors)
                self.assertIn(wanted, errors)

    def test_a_file_that_is_not_there(self):
        code, _, errors = self.run_to_end("host", "--config", "/is/not/there")
        self.assertEqual(code, 2)
        self.assertIn("/is/not/there", errors)


class Services(CliTest):
    def test_groups_are_listed(self):
        host = self.host("--info", "role=sound")
        browser = self.start("browser", "browse")
        found = browser.expect("found", PATIENCE)["service"]
        self.assertEqual(found["txt"]["group"], "stage")
        self.assertEqual(found["txt"]["id"], host.hosting["id"])
        self.assertEqual(found["port"], host.hosting["port"])
        host.tell("/quit")
        self.assertEqual(browser.expect("left", PATIENCE)["reason"], "goodbye")
        browser.signal(signal.SIGINT)
        self.assertEqual(browser.wait(PATIENCE), 130)

    def test_nothing_found_is_3(self):
        code, out, errors = self.run_to_end("browse", "_nothing._tcp", "--for", "0.3")
        self.assertEqual((code, out, errors), (3, "", ""))

    def test_a_service_is_announced_found_and_taken_back(self):
        offer = self.start("offer", "advertise", "Stage left", "_http._tcp", "8080", "path=/status", "flag")
        offer.expect("announced", PATIENCE)
        code, out, _ = self.run_to_end("browse", "_http._tcp", "--for", "3")
        self.assertEqual(code, 0)
        self.assertIn("+  Stage left", out)
        self.assertIn("path=/status", out)
        browser = self.start("browser", "browse", "_http._tcp")
        self.assertEqual(browser.expect("found", PATIENCE)["service"]["txt"], {"path": "/status", "flag": True})
        offer.signal(signal.SIGTERM)
        self.assertEqual(browser.expect("left", PATIENCE)["reason"], "goodbye")
        self.assertEqual(offer.wait(PATIENCE), 130)

    def test_a_name_that_is_taken_gets_a_number_or_fails(self):
        self.start("one", "advertise", "Lights", "_osc._udp", "9000").expect("announced", PATIENCE)
        two = self.start("two", "advertise", "Lights", "_osc._udp", "9001")
        self.assertEqual(two.expect("renamed", PATIENCE)["name"], "Lights (2)")
        code, _, errors = self.run_to_end("advertise", "Lights", "_osc._udp", "9002", "--keep-name")
        self.assertEqual(code, 1)
        self.assertIn("is held by", errors)


class Multicast(CliTest):
    LO = ("--interface", "lo")

    def test_what_is_sent_is_watched(self):
        watch = self.start("watch", "multicast", "watch", "239.7.7.7:5600", "--datagrams", *self.LO)
        self.assertEqual(watch.expect("multicast_status", PATIENCE)["state"], "listening")
        code, out, _ = self.run_to_end("multicast", "send", "239.7.7.7:5600", "hello", *self.LO)
        self.assertEqual((code, out), (0, "sent 5 B by lo\n"))
        self.assertEqual(watch.expect("multicast_datagram", PATIENCE)["text"], "hello")
        self.assertEqual(watch.expect("multicast_status", PATIENCE)["state"], "receiving")
        watch.signal(signal.SIGINT)
        self.assertEqual(watch.wait(PATIENCE), 130)

    def test_nothing_heard_is_3(self):
        code, out, _ = self.run_to_end("multicast", "watch", "239.7.7.7:5600", "--for", "0.2", *self.LO)
        self.assertEqual((code, out), (3, "listening on lo\n"))

    def test_who_cannot_send_says_so_each_time(self):
        code, out, _ = self.run_to_end("multicast", "send", "239.7.7.7:5600", "x", "--count", "2", "--every", "0", "--interface", "no*")
        self.assertEqual((code, out.count("no interface to send by")), (4, 2))

    def test_the_doctor_touches_nothing_that_is_prohibited(self):
        for options, wanted in (((), True), (("--prohibit", "lo"), False)):
            doctor = self.start("doctor", "multicast", "doctor", "239.7.7.7:5600", "--for", "0.4", *self.LO, *options)
            tables = ""
            while doctor.wait(0.02) is None:
                tables += self.here.run(["cat", "/proc/net/igmp"])
            self.assertEqual("070707EF" in tables, wanted, options)


class Explanations(CliTest):
    def test_the_description_makes_man_pages_and_completion(self):
        described = json.loads(self.here.run([MUSTER, "help", "--json"]))
        self.assertEqual([command["name"] for command in described["commands"]],
                         ["host", "join", "send", "explain", "report", "interfaces", "path", "why", "browse", "advertise", "multicast", "id", "forget",
                          "version", "help"])
        pages = generate_docs.generate(described, "")
        self.assertIn("--accept", pages["man1/muster-host.1"].replace("\\", ""))
        self.assertIn("realtime", pages["completions/muster"])

    def test_each_command_explains_itself_with_examples(self):
        for command in ("host", "join", "send", "explain", "report", "interfaces", "path", "why", "browse", "advertise", "multicast", "id", "forget"):
            code, out, _ = self.run_to_end(command, "--help")
            self.assertEqual(code, 0)
            self.assertIn(f"Usage: muster {command} ", out)
            self.assertIn("Examples:", out)
            self.assertTrue(all(len(line) <= 90 for line in out.splitlines()), out)

    def test_the_page_on_the_command_line_lists_every_event_and_command(self):
        page = (ROOT / "docs/CLI.md").read_text()
        sources = "".join(path.read_text() for path in (ROOT / "cli").glob("*.cpp"))
        events = set(re.findall(r'JsonLine line\{"(\w+)"\}', sources)) | set(re.findall(r'line_of\(entry, "(\w+)"', sources))
        self.assertGreater(len(events), 15)
        for event in events:
            self.assertIn(f"`{event}`", page)
        for command in json.loads(self.here.run([MUSTER, "help", "--json"]))["commands"]:
            self.assertIn(f"muster {command['name']}", page)

    def test_help_inside_a_session_lists_what_the_page_lists(self):
        table = (ROOT / "docs/CLI.md").read_text().split("| line | what it does |")[1].split("\n\n")[0]
        listed = set(re.findall(r"`(/\w+)", table))
        code, out, _ = self.run_to_end("host", "--no-advertise", "--commands", "--until-eof", stdin=b"/help\n")
        self.assertEqual(code, 0)
        self.assertEqual(set(re.findall(r"^  (/\w+)", out, re.M)), listed)
        lines = "".join(f"{word}\n" for word in sorted(listed - {"/quit"})).encode()
        answers = "".join(self.run_to_end("host", "--no-advertise", "--commands", "--until-eof", stdin=lines)[1:])
        self.assertNotIn("there is no", answers)

    def test_who_this_device_is(self):
        code, out, _ = self.run_to_end("id", "--short")
        self.assertEqual((code, len(out.strip())), (0, 32))
        self.assertEqual(self.run_to_end("id", "--short")[1], out, "the key is kept")
        self.assertEqual(self.run_to_end("version")[0], 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--muster", required=True)
    options, rest = parser.parse_known_args()
    MUSTER = os.path.abspath(options.muster)
    unittest.main(argv=[sys.argv[0], *rest])
