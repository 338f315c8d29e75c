#!/usr/bin/env python3
"""That the laboratory and the simulator read scenario files alike: all of lab/scenarios, and what is wrong with those of
lab/scenarios/bad (their first line says which line, and what). And that docs/LAB.md names every key.

    scenario_files_test.py SCENARIO_SIM
"""
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lab"))
sys.dont_write_bytecode = True
import scenario_file  # noqa: E402

SCENARIOS = ROOT / "lab" / "scenarios"


def lab_says(path):
    try:
        scenario_file.load(path)
        return ""
    except scenario_file.ScenarioError as wrong:
        return str(wrong)


def sim_says(program, path):
    done = subprocess.run([program, "--check", "--keys", str(ROOT / "lab" / "scenario_keys.toml"), str(path)],
                          capture_output=True, text=True)
    return done.stderr.strip()


def complaints(program):
    good, bad = sorted(SCENARIOS.glob("*.toml")), sorted((SCENARIOS / "bad").glob("*.toml"))
    if not good or not bad:
        yield "no scenario files"
    for path in good + bad:
        first = path.read_text().splitlines()[0]
        wanted = f"{path}:{first.removeprefix('# says ')}" if path in bad else ""
        for who, says in (("the laboratory", lab_says(path)), ("the simulator", sim_says(program, path))):
            if says != wanted:
                yield f"{path.name}: {who} says '{says}', not '{wanted}'"


def broken_toml(program):
    """What is no TOML at all is told with its line too; the words are the parsers' own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "broken.toml"
        path.write_text('about = "x"\nprofile = \n')
        for says in (lab_says(path), sim_says(program, path)):
            if str(path) not in says or "2" not in says.replace(str(path), ""):
                yield f"broken TOML: '{says}' tells no line"


def undocumented():
    page = (ROOT / "docs" / "LAB.md").read_text()
    for table, keys in scenario_file.KEYS.items():
        for key in keys:
            if f"`{key}`" not in page:
                yield f"docs/LAB.md does not name `{key}` of {table}"


def main():
    found = [*complaints(sys.argv[1]), *broken_toml(sys.argv[1]), *undocumented()]
    print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
