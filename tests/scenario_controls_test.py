#!/usr/bin/env python3
"""That a runner of scenarios says so when something does not hold: files of lab/scenarios with an expectation that is wrong.

    scenario_controls_test.py [--few] RUNNER ARGUMENT...
"""
import subprocess
import sys
import tempfile
from pathlib import Path

SCENARIOS = Path(__file__).resolve().parent.parent / "lab" / "scenarios"
# (file, what stands there, what is put in its place, what the runner must say). The first two are the few.
CASES = [("impossible_two_islands", 'verdict = "no_coordinator"\nverdict_within = "1s"', 'joined_within = "1s"',
          "BROKEN impossible_two_islands: 0 of 1 joined"),
         ("nothing_helps", 'session = "lost"\nverdict = "lost"\nverdict_within = "1.3s"', 'session = "kept"',
          "BROKEN nothing_helps: one session all the time"),
         ("nothing_helps", 'verdict_within = "1.3s"', 'verdict_within = "10ms"', "BROKEN nothing_helps: from the fault"),
         ("nothing_helps", 'verdict = "lost"', 'verdict = "refused"', "BROKEN nothing_helps:"),
         ("impossible_nobody_hosts", '"no_coordinator"', '"refused"', "BROKEN impossible_nobody_hosts: 0 of 1"),
         ("same_bridge", 'joined_within = "1s"', 'joined_within = "1us"', "BROKEN same_bridge: the slowest"),
         ("one_path", 'interrupted = "always"', 'interrupted = "never"', "BROKEN one_path: interrupted never"),
         ("two_paths", 'gap_within = "150ms"', 'gap_within = "1ms"', "BROKEN two_paths: the longest silence"),
         ("two_paths", "moves = 8", "moves = 800", "BROKEN two_paths: 8 moves")]


def complaint(runner, case, folder):
    name, here, there, wanted = case
    text = (SCENARIOS / f"{name}.toml").read_text()
    if here not in text:
        return f"{name} does not say: {here}"
    path = Path(folder) / f"{name}.toml"
    path.write_text(text.replace(here, there))
    done = subprocess.run([*runner, str(path)], capture_output=True, text=True)
    if done.returncode == 77:
        return None
    if done.returncode != 1 or wanted not in done.stdout:
        return f"{name} with {there}: exit code {done.returncode}, not 1 with '{wanted}':\n{done.stdout}{done.stderr}"
    return None


def main():
    few = sys.argv[1] == "--few"
    runner = sys.argv[2:] if few else sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        found = [said for case in (CASES[:2] if few else CASES) if (said := complaint(runner, case, folder))]
    print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
