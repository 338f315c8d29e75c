#!/usr/bin/python3
"""A scenario that is made of a timeline repeats what happened: the same session events in the same order (docs/REPORT.md).

  scenario_replay_test.py SCENARIO_SIM

Runs scenario files, has the scenario made that the member's timeline gives, runs that one, and compares. Without its faults
nothing must happen, and with another one in their place something else.
"""
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lab"))
sys.dont_write_bytecode = True
import scenario_file  # noqa: E402

SIM = ""
KEYS = ROOT / "lab" / "scenario_keys.toml"
SEEDS = range(1, 6)


def run(path, folder, seed=1):
    """What the first member's session went through, and the scenario made of it."""
    events, derived = Path(folder, "events.json"), Path(folder, f"derived-{Path(path).stem}.toml")
    done = subprocess.run([SIM, "--keys", KEYS, "--short", "--seed", str(seed), "--events", events, "--derive", derived, path],
                          capture_output=True, text=True)
    if done.returncode == 2:
        raise AssertionError(done.stderr)
    return json.loads(events.read_text()), derived


class Replay(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()

    def assert_repeats(self, name, seed=1):
        first, derived = run(ROOT / "lab" / "scenarios" / f"{name}.toml", self.folder, seed)
        scenario_file.load(derived)  # the laboratory takes it too
        again, _ = run(derived, self.folder, seed + 100)
        self.assertEqual(again, first, f"{name}, seed {seed}:\n{derived.read_text()}")
        return first, derived

    def test_whatever_happens_to_the_path_in_use(self):
        for seed in SEEDS:
            events, _ = self.assert_repeats("two_paths", seed)
            self.assertGreaterEqual(len(events), 8)

    def test_whatever_cuts_off_the_only_network(self):
        for seed in SEEDS:
            events, _ = self.assert_repeats("one_path", seed)
            self.assertIn({"kind": "interrupted"}, events)
            self.assertIn({"kind": "resumed"}, events)

    def test_an_interface_that_flaps(self):
        self.assert_repeats("flap")

    def test_silent_faults(self):
        self.assert_repeats("drops_every_20_s")

    def test_a_coordinator_that_was_killed(self):
        events, _ = self.assert_repeats("coordinator_killed")
        self.assertEqual(events[-1], {"kind": "ended"})

    def test_without_its_faults_nothing_happens(self):
        for name in ("two_paths", "one_path"):
            first, derived = self.assert_repeats(name)
            text = derived.read_text()
            quiet = Path(self.folder, "quiet.toml")
            quiet.write_text(re.sub(r"\n\[\[fault\]\]\n(.+\n)*", "", text).partition("[expect]")[0])
            self.assertNotIn("[[fault]]", quiet.read_text())
            again, _ = run(quiet, self.folder)
            self.assertEqual(again, [])
            self.assertNotEqual(again, first)

    def test_with_other_faults_something_else_happens(self):
        first, derived = self.assert_repeats("two_paths")
        text, other = derived.read_text(), Path(self.folder, "other.toml")
        moved = re.sub(r'(\[\[fault\]\]\n(?:.+\n)*?interface = ")lan[01]', r"\1lan1", text)
        other.write_text(moved)
        again, _ = run(other, self.folder)
        self.assertNotEqual(again, first)


if __name__ == "__main__":
    SIM = sys.argv.pop(1)
    unittest.main()
