#!/usr/bin/python3
"""What the program muster does when a link is lost and its session waits for another one, or a process is started anew.

  cli_resume_test.py --muster build/dev/cli/muster [TEST...]
"""
import argparse
import os
import signal
import subprocess
import sys
import time
import unittest

import cli_test
from cli_test import PATIENCE


class Interruptions(cli_test.CliTest):
    def test_a_session_outlives_its_link(self):
        host = self.host("--profile", "realtime", "--grace", "20")
        member = self.join(host, "--profile", "realtime", "--grace", "20")
        for text in ("one", "two"):
            host.freeze()  # far longer than the bound of 150 ms
            cut = member.expect("peer_interrupted", PATIENCE)
            self.assertEqual((cut["peer"]["name"], cut["error"]["code"]), ("mixer", "lost"))
            member.tell(text)
            time.sleep(0.5)
            host.signal(signal.SIGCONT)
            back = member.expect("peer_resumed", PATIENCE)
            self.assertGreater(back["after_ms"], 400)
            self.assertEqual(host.expect("message", PATIENCE)["text"], text)
        self.assertIsNone(host.wait_for("peer_left", 0.1))

    def test_a_session_that_finds_no_link_within_its_grace_is_lost_and_the_exit_code_6(self):
        host = self.host("--profile", "realtime", "--grace", "20")
        member = self.join(host, "--profile", "realtime", "--grace", "0.5")
        host.kill()
        member.expect("peer_interrupted", PATIENCE)
        begin = time.monotonic()
        error = member.expect("closed", PATIENCE)["error"]
        self.assertGreater(time.monotonic() - begin, 0.4)
        self.assertEqual(error["code"], "lost")
        found = [(seen["phase"], seen["finding"]) for seen in error["evidence"]]
        self.assertIn(("resume", "no other link within the grace of 500 ms"), found)
        self.assertTrue(any(phase == "probe" and "no answer" in finding for phase, finding in found), found)
        self.assertEqual(member.wait(PATIENCE), 6)

    def test_a_coordinator_that_was_started_anew_knows_no_session(self):
        host = self.host("--profile", "realtime", "--grace", "20", "--port", "47110")
        member = self.join(host, "--profile", "realtime", "--grace", "20")
        host.kill()
        self.host("--profile", "realtime", "--port", "47110")
        ended = member.expect("closed", PATIENCE)
        self.assertEqual((ended["how"], ended["error"]["code"]), ("lost", "lost"))
        self.assertIn("started anew", ended["error"]["message"])
        self.assertEqual(member.wait(PATIENCE), 6)

    def test_people_are_told_of_an_interruption_too(self):
        host = self.host("--profile", "realtime", "--grace", "20")
        with self.here.entered():
            member = subprocess.Popen([cli_test.MUSTER, "join", "stage", *host.at, "--profile", "realtime", "--home",
                                       self.home("left"), "--grace", "20"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, env={**os.environ, **self.lab.environment})
        self.addCleanup(member.stdout.close)
        host.expect("peer_joined", PATIENCE)
        host.freeze()
        time.sleep(0.6)
        host.signal(signal.SIGCONT)
        host.expect("peer_resumed", PATIENCE)
        time.sleep(0.2)
        member.send_signal(signal.SIGINT)
        words = member.stdout.read().decode()
        self.assertEqual(member.wait(PATIENCE), 130)
        self.assertRegex(words, "~ mixer cannot be reached, waiting: nothing heard for [0-9]+ ms")
        self.assertRegex(words, "~ mixer is back after [0-9.]+ m?s")


class Restarts(cli_test.CliTest):
    GRACE = ("--profile", "realtime", "--grace", "20")

    def test_a_durable_member_goes_on_with_its_session(self):
        host = self.host(*self.GRACE)
        member = self.join(host, *self.GRACE, "--durable")
        self.assertFalse(member.joined["restored"])
        member.tell("one")
        host.expect("message", PATIENCE)
        for text in ("two", "three"):
            member.kill()
            host.expect("peer_interrupted", PATIENCE)
            host.tell("while you were away: " + text)
            member = self.join(host, *self.GRACE, "--durable")
            self.assertTrue(member.joined["restored"])
            host.expect("peer_resumed", PATIENCE)
            self.assertEqual(member.expect("message", PATIENCE)["text"], "while you were away: " + text)
            member.tell(text)
            self.assertEqual(host.expect("message", PATIENCE)["text"], text)
        self.assertIsNone(host.wait_for("peer_left", 0.1))
        member.tell("/quit")
        self.assertEqual(member.wait(PATIENCE), 0)
        host.expect("peer_left", PATIENCE)
        self.assertFalse(self.join(host, *self.GRACE, "--durable").joined["restored"], "its session was closed")

    def test_a_durable_member_that_the_coordinator_has_forgotten_joins_anew(self):
        host = self.host(*self.GRACE, "--port", "47110")
        member = self.join(host, *self.GRACE, "--durable")
        member.kill()
        host.kill()
        host = self.host(*self.GRACE, "--port", "47110")
        member = self.join(host, *self.GRACE, "--durable")
        self.assertFalse(member.joined["restored"])
        member.tell("hello")
        self.assertEqual(host.expect("message", PATIENCE)["text"], "hello")

    def send_while_the_coordinator_dies(self, *durable):
        """How it ended for the sender, the path of the file, and where the receiver puts it."""
        here = (*self.GRACE, "--port", "47110")
        inbox = self.folder("inbox")
        film = self.path("film.bin", os.urandom(1 << 20) * 200)
        host = self.host(*here, *durable)
        sender, receiver = self.join(host, *self.GRACE), self.join(host, *self.GRACE, "--accept-files", inbox, name="right")
        sender.expect("peer_joined", PATIENCE)
        sender.tell(f"/file right {film}")
        self.assertLess(sender.expect("file_progress", PATIENCE)["octets_done"], os.path.getsize(film))
        host.kill()
        self.host(*here, *durable)
        ended = sender.wait_for("file_sent", 60) or sender.wait_for("failed", 1) or sender.wait_for("closed", 1)
        return ended, film, inbox, receiver

    def test_a_file_between_members_goes_on_when_the_coordinator_is_started_anew(self):
        ended, film, inbox, receiver = self.send_while_the_coordinator_dies("--durable")
        self.assertEqual(ended["event"], "file_sent", ended)
        received = receiver.expect("file_received", PATIENCE)
        with open(film, "rb") as sent, open(os.path.join(inbox, "film.bin"), "rb") as came:
            self.assertEqual(sent.read(), came.read())
        self.assertEqual(received["octets"], os.path.getsize(film))
        self.assertEqual(os.listdir(inbox), ["film.bin"])

    def test_without_a_journal_it_does_not(self):
        ended, _, inbox, _ = self.send_while_the_coordinator_dies()
        self.assertNotEqual(ended["event"], "file_sent", ended)
        self.assertNotIn("film.bin", os.listdir(inbox))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--muster", required=True)
    options, rest = parser.parse_known_args()
    cli_test.MUSTER = os.path.abspath(options.muster)
    unittest.main(argv=[sys.argv[0], *rest])
