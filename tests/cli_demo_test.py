#!/usr/bin/python3
"""The demo, in short: everything it shows is as it should be, it says so in its table, and it leaves nothing behind.

  cli_demo_test.py --muster build/dev/cli/muster
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMBERS = ["stage-left", "stage-right", "fly-gallery", "lights", "sound", "orchestra", "box-office"]
MUSTER = ""


def processes_of(program):
    """Ids of the processes that run this very file."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.path.samefile(entry / "exe", program):
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended, or is none of our business
    return found


class DemoTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name
        # A program of its own, so that others who run muster on this machine are not taken for the demo's processes.
        self.program = str(Path(self.scratch, "muster"))
        Path(self.program).write_bytes(Path(MUSTER).read_bytes())
        os.chmod(self.program, 0o755)

    def nothing_is_left(self):
        self.assertEqual(processes_of(self.program), [])
        self.assertEqual(os.listdir(self.scratch), ["muster"])

    def run_demo(self, *words):
        argv = ["/usr/bin/python3", str(ROOT / "lab/demo.py"), "--muster", self.program, "--file-size", "5M", *words]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "TMPDIR": self.scratch})

    def test_the_table_says_that_all_went_well(self):
        begin = time.monotonic()
        process = self.run_demo()
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, out)
        self.assertLess(time.monotonic() - begin, 60)
        summary = out[out.index("Summary"):]
        for name in MEMBERS:
            row = re.search(rf"^ +{name} .*$", summary, re.M)[0]
            self.assertRegex(row, r"\d ms +\d+\.?\d* ms +\d+\.?\d* ms +[12] +\d+ MB/s, verified ")
        self.assertEqual(summary.count("closed: the show is over"), 3 if os.geteuid() == 0 else 4)
        self.assertIn("closed: coffee", summary)
        self.assertRegex(summary, r"orchestra .* kill -9, noticed after \d+")
        self.assertIn("all as it should be", summary)
        self.assertNotIn("\x1b", out, "a pipe gets no colours")
        self.nothing_is_left()

    def test_an_interrupt_takes_everything_down(self):
        process = self.run_demo()
        for line in process.stdout:
            if "Messages" in line:
                break
        self.assertEqual(len(processes_of(self.program)), 8)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130, out)
        self.nothing_is_left()

    def test_a_demo_whose_program_fails_says_so(self):
        Path(self.program).write_text("#!/bin/sh\nexit 1\n")
        process = self.run_demo()
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn("The demo cannot go on", out)
        self.assertNotIn("all as it should be", out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--muster", required=True)
    options, rest = parser.parse_known_args()
    MUSTER = os.path.abspath(options.muster)
    unittest.main(argv=[sys.argv[0], *rest])
