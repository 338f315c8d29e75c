#!/usr/bin/python3
"""What `muster explain` and `muster report` say of programs that run, and that asking can neither harm nor betray.

  cli_explain_test.py --muster build/dev/cli/muster [--scenario-sim build/dev/tests/sim/scenario_sim] [TEST...]
"""
import argparse
import base64
import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

import cli_test
import netlab
from cli_test import PATIENCE

SCENARIO_SIM = ""
KEYS = cli_test.ROOT / "lab" / "scenario_keys.toml"
GLOBAL = "81.2.69.142"  # of an interface, and to be replaced
NOBODY = 65534


class ExplainTest(cli_test.CliTest):
    def setUp(self):
        super().setUp()
        self.runtime = self.folder("runtime")
        self.lab.environment["XDG_RUNTIME_DIR"] = self.runtime

    def muster(self, *words, host=None):
        """Exit code, stdout, stderr of a program that asks."""
        with (host or self.here).entered():
            done = subprocess.run([cli_test.MUSTER, *words], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, **self.lab.environment})
        return done.returncode, done.stdout, done.stderr

    def events(self, *words):
        code, out, _ = self.muster(*words, "--json")
        self.assertEqual(code, 0, out)
        return [json.loads(line) for line in out.splitlines()]

    def socket_of(self, process):
        return Path(self.runtime, "muster", f"{process.pid}.sock")

    def can_be_asked(self, process):
        """The socket comes just after the first event."""
        deadline = time.monotonic() + PATIENCE
        while not self.socket_of(process).is_socket() and time.monotonic() < deadline:
            time.sleep(0.01)
        return process

    def false_process(self, answer, pid=None):
        """A socket as a running process has it. `answer`: called with the request, yields what is said, one by one; None:
        nobody listens yet."""
        folder = Path(self.folder("runtime"), "muster")
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{pid or os.getpid()}.sock"
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(str(path))
        if not answer:
            return path
        server.listen(8)

        def serve():
            while True:
                try:
                    client = server.accept()[0]
                except OSError:
                    return
                with client, contextlib.suppress(OSError):
                    for piece in answer(client.recv(512).decode()):
                        client.sendall(piece)

        threading.Thread(target=serve, daemon=True).start()
        return path

    def host(self, *words, **named):
        return self.can_be_asked(super().host(*words, **named))

    def join(self, *words, **named):
        return self.can_be_asked(super().join(*words, **named))


class Explaining(ExplainTest):
    def test_paths_and_timeline_of_a_running_host(self):
        host = self.host("--profile", "realtime")
        member = self.join(host, "--profile", "realtime")
        code, out, _ = self.muster("explain", "--pid", str(host.pid))
        self.assertEqual(code, 0)
        self.assertIn(f"process {host.pid}, host of 'stage'", out)
        self.assertRegex(out, r"left \([a-z2-7]{8}\): connected")
        self.assertRegex(out, r"127\.0\.0\.1.* lo .* in use")
        self.assertRegex(out, r"\d\d:\d\d:\d\d\.\d{3}  -\d+\.\d{3} s  link_up [a-z2-7]{8}: 127\.0\.0\.1")
        self.assertIn("interface_changed: lo: carries, 127.0.0.1/8", out)
        events = self.events("explain", "--pid", str(member.pid), "mixer")
        self.assertEqual([event["event"] for event in events], ["process", "explanation", "timeline"])
        self.assertEqual(events[0]["about"], "member of 'stage'")
        self.assertTrue(events[1]["of"]["paths"][0]["in_use"])
        kinds = [entry["kind"] for entry in events[2]["of"]["entries"]]
        for kind in ("dial_ended", "link_up", "joined"):
            self.assertIn(kind, kinds)
        self.assertEqual(events[2]["of"]["role"], "member")

    def test_an_interruption_is_in_the_timeline_with_its_time(self):
        host = self.host("--profile", "realtime", "--grace", "20")
        member = self.join(host, "--profile", "realtime", "--grace", "20")
        host.freeze()
        member.expect("peer_interrupted", PATIENCE)
        time.sleep(0.5)
        host.signal(signal.SIGCONT)
        member.expect("peer_resumed", PATIENCE)
        entries = self.events("explain", "--pid", str(member.pid))[-1]["of"]["entries"]
        told = {entry["kind"]: entry for entry in entries}
        self.assertLess(told["interrupted"]["at_ms"], told["resumed"]["at_ms"])
        self.assertGreater(told["resumed"]["after_ms"], 400)
        self.assertLess(abs(told["resumed"]["at_ms"] - time.time() * 1000), 60_000)
        self.assertIn("fault", told["interrupted"]["error"])

    def test_several_processes_are_listed_and_one_is_chosen(self):
        host = self.host()
        member = self.join(host)
        code, _, complaint = self.muster("explain")
        self.assertEqual(code, 1)
        for process, about in ((host, "host of 'stage'"), (member, "member of 'stage'")):
            self.assertIn(f"--pid {process.pid}: {about}", complaint)
        code, _, complaint = self.muster("explain", "--pid", str(host.pid), "nobody")
        self.assertEqual(code, 1)
        self.assertIn("nobody here is called 'nobody'", complaint)
        member.signal(signal.SIGTERM)
        member.wait(PATIENCE)
        code, out, _ = self.muster("explain")
        self.assertEqual(code, 0)
        self.assertIn("nobody else is here", out)

    def test_nobody_runs(self):
        code, _, complaint = self.muster("explain")
        self.assertEqual(code, 1)
        self.assertIn("no muster host or join runs here", complaint)

    def test_the_socket_of_a_process_that_was_killed_is_no_process(self):
        host = self.host()
        path = self.socket_of(host)
        self.assertTrue(path.is_socket())
        host.kill()
        self.assertTrue(path.is_socket(), "nobody has removed it yet")
        code, _, complaint = self.muster("explain")
        self.assertEqual(code, 1)
        self.assertIn("does not run any more", complaint)
        self.assertFalse(path.exists())

    def test_the_socket_goes_with_its_process(self):
        host = self.host()
        path = self.socket_of(host)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)
        host.signal(signal.SIGTERM)
        host.wait(PATIENCE)
        self.assertFalse(path.exists())

    def test_a_process_that_is_stopped_is_told_as_such(self):
        host = self.host()
        host.freeze()
        code, _, complaint = self.muster("explain", "--pid", str(host.pid))
        self.assertEqual(code, 1)
        self.assertIn("does not answer: it may be stopped", complaint)
        host.signal(signal.SIGCONT)
        self.assertEqual(self.muster("explain")[0], 0)


class Hostile(ExplainTest):
    def connect(self, process):
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(PATIENCE)
        client.connect(str(self.socket_of(process)))
        return client

    def answer(self, client):
        got = b""
        try:
            while piece := client.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
        return got

    def ask(self, process, request):
        client = self.connect(process)
        try:
            client.sendall(request)
        except BrokenPipeError:
            pass  # it was closed at once
        return self.answer(client)

    def test_no_request_does_harm(self):
        host = self.host()
        self.assertTrue(self.ask(host, b"about text\n").startswith(b"ok "))
        for request in (b"\n", b"  \n", b"shutdown text\n", b"explain json " + b"x" * 400 + b"\n", b"\xff\xfe\0\n",
                        b"explain text \x1b[2J\n"):
            got = self.ask(host, request)
            self.assertTrue(got.startswith(b"error "), (request, got))
            self.assertNotIn(b"\x1b", got)
        client = self.connect(host)  # no end of the line
        try:
            client.sendall(b"x" * 1_000_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertEqual(self.answer(client), b"")
        self.connect(host).close()
        self.assertEqual(self.muster("explain")[0], 0)

    def test_who_says_nothing_is_sent_away_and_holds_up_few(self):
        host = self.host()
        silent = [self.connect(host) for _ in range(4)]
        begin = time.monotonic()
        self.assertEqual(self.ask(host, b"about text\n"), b"", "four are attended at a time")
        for client in silent:
            self.assertEqual(self.answer(client), b"")
        self.assertLess(time.monotonic() - begin, 10)
        self.assertTrue(self.ask(host, b"about text\n").startswith(b"ok "))
        host.tell("still here")
        host.expect("sent", PATIENCE)

    def test_who_answers_an_octet_now_and_then_holds_nobody_for_long(self):
        def drip(_):
            for _ in range(30):
                time.sleep(1)
                yield b"x"

        self.false_process(drip)
        host = self.host()
        begin = time.monotonic()
        code, out, _ = self.muster("explain")
        self.assertLess(time.monotonic() - begin, 12)
        self.assertEqual(code, 0)
        self.assertIn(f"process {host.pid}", out)
        code, _, complaint = self.muster("explain", "--pid", str(os.getpid()))
        self.assertEqual(code, 1)
        self.assertIn("does not answer", complaint)

    def test_a_process_that_begins_keeps_its_socket(self):
        path = self.false_process(None)  # bound, and not heard before listen()
        self.assertEqual(self.muster("explain")[0], 1)
        self.assertTrue(path.is_socket())

    def test_nothing_but_the_own_socket_of_a_dead_process_is_removed(self):
        dead = 5_000_000  # beyond the largest number of a process
        path = self.false_process(None, dead)
        plain = path.with_name(f"{dead + 1}.sock")
        plain.write_text("not a socket")
        kept = [plain]
        if os.geteuid() == 0:
            kept.append(self.false_process(None, dead + 2))
            os.chown(kept[-1], NOBODY, NOBODY)
        os.chmod(path.parent, 0o777)
        self.assertEqual(self.muster("explain")[0], 1)
        self.assertTrue(path.exists(), "others may write there")
        os.chmod(path.parent, 0o700)
        self.assertEqual(self.muster("explain")[0], 1)
        self.assertFalse(path.exists())
        for each in kept:
            self.assertTrue(each.exists(), each)

    def test_what_stands_behind_a_link_is_not_asked(self):
        host = self.host()
        other = self.folder("other")
        Path(other, "muster").symlink_to(self.socket_of(host).parent)
        self.lab.environment["XDG_RUNTIME_DIR"] = other
        self.assertIn("no muster host or join runs here", self.muster("explain")[2])
        Path(other, "muster").unlink()
        Path(other, "muster").mkdir()
        Path(other, "muster", "1.sock").symlink_to(self.socket_of(host))
        self.assertIn("no muster host or join runs here", self.muster("explain")[2])

    @unittest.skipUnless(os.geteuid() == 0, "needs two users")
    def test_another_user_is_not_answered(self):
        host = self.host()
        path = self.socket_of(host)
        for place in (path, *path.parents[:3]):  # as if somebody had opened the doors
            os.chmod(place, 0o777)
        program = f"""if True:
            import os, socket, sys
            os.setgid({NOBODY}); os.setuid(int(sys.argv[1]))
            client = socket.socket(socket.AF_UNIX); client.connect({str(path)!r})
            try:
                client.sendall(b"about text\\n")
                sys.stdout.write(client.recv(100).decode())
            except OSError:
                pass"""
        said = [subprocess.run([netlab.PYTHON, "-c", program, user], capture_output=True, text=True, timeout=30).stdout
                for user in (str(NOBODY), "0")]
        self.assertEqual(said[0], "")
        self.assertTrue(said[1].startswith("ok "), said)

    @unittest.skipUnless(os.geteuid() == 0, "needs two users")
    def test_a_directory_of_somebody_else_is_not_used(self):
        place = Path(self.folder("runtime"), "muster")
        place.mkdir()
        os.chown(place, NOBODY, NOBODY)
        host = super(ExplainTest, self).host()
        host.tell("first")
        host.expect("sent", PATIENCE)
        self.assertEqual(list(place.iterdir()), [])
        host.tell("works without")
        host.expect("sent", PATIENCE)


def forms_of(secret):
    """The ways in which octets may stand in a text."""
    return {"raw": secret.decode("latin-1"), "hex": secret.hex(), "HEX": secret.hex().upper(),
            "base64": base64.b64encode(secret).decode().rstrip("="),
            "base64url": base64.urlsafe_b64encode(secret).decode().rstrip("=")}


def betrayed(text, secrets):
    return [(name, form) for name, secret in secrets.items() for form, word in forms_of(secret).items() if word in text]


class Reporting(ExplainTest):
    def secrets(self, *names):
        """Of each home: the key as the file has it, as DER, and its last 32 octets, which are the key of Ed25519."""
        found = {}
        for name in names:
            pem = Path(self.home(name), "device-key.pem").read_text()
            body = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
            der = base64.b64decode(body)
            found |= {f"{name} PEM": body.encode(), f"{name} DER": der, f"{name} seed": der[-32:]}
        return found

    def test_a_report_holds_what_explains_and_no_secret(self):
        if os.geteuid() == 0:
            self.here.ip(f"addr add {GLOBAL}/32 dev lo")
        host = self.host("--profile", "realtime", "--durable")
        member = self.join(host, "--profile", "realtime", "--context", "the-join-secret")
        member.tell("the-message-text")
        host.expect("message", PATIENCE)
        path = self.path("report.json")
        code, out, _ = self.muster("report", "-o", path)
        self.assertEqual(code, 0, out)
        text = Path(path).read_text()
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        report = json.loads(text)
        self.assertEqual({session["pid"] for session in report["sessions"]}, {host.pid, member.pid})
        self.assertEqual({session["role"] for session in report["sessions"]}, {"coordinator", "member"})
        for session in report["sessions"]:
            self.assertTrue(session["explanations"] and session["timeline"]["entries"])
            self.assertEqual(session["counters"]["links"], 1)
        self.assertIn("lo", [interface["name"] for interface in report["interfaces"]])
        self.assertTrue(report["version"] and report["system"]["release"])
        secrets = self.secrets("mixer", "left")
        secrets |= {"message": b"the-message-text", "context": b"the-join-secret"}
        self.assertEqual(len(secrets), 8)
        self.assertEqual(betrayed(text, secrets), [])
        for name, secret in secrets.items():  # the search finds what is there
            for form, word in forms_of(secret).items():
                self.assertIn((name, form), betrayed(text + word, secrets))
        if os.geteuid() == 0:
            self.assertNotIn(GLOBAL, text)
            self.assertIn(GLOBAL, self.muster("report", "--with-addresses")[1])

    def test_a_file_that_others_can_read_is_replaced(self):
        path = self.path("report.json", b"before")
        os.chmod(path, 0o644)
        with open(path) as before:
            self.assertEqual(self.muster("report", "-o", path)[0], 0)
            self.assertEqual(before.read(), "before", "who has it open reads nothing new")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertIn("interfaces", json.loads(Path(path).read_text()))
        link = self.path("link.json")
        os.symlink(path, link)
        self.assertEqual(self.muster("report", "--with-addresses", "-o", link)[0], 0)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(json.loads(Path(path).read_text())["addresses"], "as they are")
        self.assertEqual([name for name in os.listdir(self.lab.scratch) if name.endswith(".new")], [])

    def test_a_pipe_is_written_to(self):
        path = self.path("pipe")
        os.mkfifo(path)
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as reader:
            self.assertEqual(self.muster("report", "-o", path)[0], 0)
            self.assertIn("interfaces", json.loads(reader.communicate(timeout=PATIENCE)[0]))
        self.assertTrue(stat.S_ISFIFO(os.stat(path).st_mode))

    def test_who_does_not_answer_is_named_and_the_exit_code_says_that_something_is_missing(self):
        host = self.host()
        member = self.join(host)
        host.freeze()
        code, out, complaint = self.muster("report")
        self.assertEqual(code, 4)
        self.assertIn(f"process {host.pid} does not answer", complaint)
        self.assertEqual([session["pid"] for session in json.loads(out)["sessions"]], [member.pid])
        host.signal(signal.SIGCONT)
        self.assertEqual(self.muster("report")[0], 0)

    def test_what_is_no_report_is_left_out_and_told(self):
        host = self.host()
        requests = []

        def answer(request):
            requests.append(request)
            yield b"ok 4\njunk" if "report" in request else b"ok 6\nnobody"

        self.false_process(answer)
        code, out, complaint = self.muster("report")
        self.assertEqual(code, 1)
        self.assertIn(f"process {os.getpid()} gave something that is no report", complaint)
        self.assertEqual([session["pid"] for session in json.loads(out)["sessions"]], [host.pid])
        self.assertEqual(requests, ["report json\n"], "asked once")

    def test_without_the_report_there_is_no_scenario_and_the_error_says_why(self):
        self.false_process(lambda request: [] if "report" in request else [b"ok 6\nnobody"])
        for words in (["--scenario"], ["--pid", str(os.getpid())]):
            code, out, complaint = self.muster("report", *words)
            self.assertEqual(code, 5, out)
            self.assertIn(f"process {os.getpid()} belongs to somebody else, or is busy", complaint)
            self.assertEqual(out, "")

    def test_without_any_process_it_is_about_the_machine(self):
        code, out, _ = self.muster("report")
        self.assertEqual(code, 0)
        report = json.loads(out)
        self.assertEqual(report["sessions"], [])
        self.assertTrue(report["interfaces"])

    def test_one_process_may_be_chosen_and_must_be_there(self):
        host = self.host()
        self.join(host)
        report = json.loads(self.muster("report", "--pid", str(host.pid))[1])
        self.assertEqual([session["pid"] for session in report["sessions"]], [host.pid])
        code, _, complaint = self.muster("report", "--pid", "1")
        self.assertEqual(code, 1)
        self.assertIn("process 1 is no muster host or join", complaint)
        code, _, complaint = self.muster("report", "-o", "/proc/nothing/there")
        self.assertEqual(code, 1)
        self.assertIn("cannot write /proc/nothing/there", complaint)

    @unittest.skipUnless(os.geteuid() == 0, "needs network namespaces")
    def test_what_the_kernel_did_is_repeated_by_the_simulator(self):
        one, other = self.lab.switch("one"), self.lab.switch("other")
        far, near = self.lab.host("far"), self.lab.host("near")
        one.plug(far, "lan0", ["192.0.2.1/24"]), other.plug(far, "lan1", ["198.51.100.1/24"])
        cables = {"eth0": one.plug(near, "eth0", ["192.0.2.2/24"]), "eth1": other.plug(near, "eth1", ["198.51.100.2/24"])}
        how = ["--profile", "realtime", "--grace", "20", "--json"]
        host = far.spawn([cli_test.MUSTER, "host", "stage", "--home", self.home("far"), *how], stderr=self.errors.fileno())
        port = host.expect("hosting", PATIENCE)["port"]
        member = near.spawn([cli_test.MUSTER, "join", "stage", "--no-discover", "--at", f"192.0.2.1:{port}", "--home",
                             self.home("near"), *how], stderr=self.errors.fileno())
        self.assertEqual(member.expect("joined", PATIENCE)["interface"], "eth0")
        time.sleep(2)
        cables["eth0"].pull()  # goes to eth1
        self.assertIn("eth1", member.expect("path_changed", PATIENCE)["to"])
        cables["eth1"].pull()  # nowhere to go
        member.expect("peer_interrupted", PATIENCE)
        time.sleep(0.5)
        cables["eth0"].plug_in()
        member.expect("peer_resumed", PATIENCE)
        cables["eth1"].plug_in()
        time.sleep(2)
        cables["eth0"].unbridge()  # nobody is told
        member.expect("path_changed", PATIENCE)
        path, events = self.path("trouble.toml"), self.path("events.json")
        code, out, complaint = self.muster("report", "--scenario", "--pid", str(member.pid), "-o", path, host=near)
        self.assertEqual(code, 0, out + complaint)
        done = subprocess.run([SCENARIO_SIM, "--keys", KEYS, "--events", events, path], capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 2, done.stderr)
        story = [re.sub("path_moved.*", "path_moved", event["kind"]) + (" to " + event["to"] if "to" in event else "")
                 for event in json.loads(Path(events).read_text())]
        self.assertEqual(story, ["path_moved to eth1", "interrupted", "resumed", "path_moved to eth1"],
                         Path(path).read_text() + done.stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--muster", required=True)
    parser.add_argument("--scenario-sim", default="")
    options, rest = parser.parse_known_args()
    cli_test.MUSTER = os.path.abspath(options.muster)
    SCENARIO_SIM = options.scenario_sim
    unittest.main(argv=[sys.argv[0], *rest])
