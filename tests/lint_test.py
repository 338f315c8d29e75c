#!/usr/bin/env python3
"""The negative control of the coroutine lint: every line marked `// trap` is found, and no other."""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURE = ROOT / "tests/lint/coroutine_traps.cpp"


def main():
    lines = FIXTURE.read_text(encoding="utf-8").splitlines()
    expected = {number for number, line in enumerate(lines, 1) if "// trap" in line}
    with tempfile.TemporaryDirectory() as build:
        command = f"clang++-19 -std=c++20 -c {FIXTURE}"
        database = [{"directory": build, "file": str(FIXTURE), "command": command}]
        Path(build, "compile_commands.json").write_text(json.dumps(database))
        done = subprocess.run([ROOT / "script/lint", "--build", build, FIXTURE], capture_output=True, text=True)
    found = {int(n) for n in re.findall(r":(\d+):\d+: error: aggregate or lambda inside", done.stdout)}
    print(done.stdout + done.stderr)
    print(f"traps in lines {sorted(expected)}, found {sorted(found)}, exit code {done.returncode}")
    return 0 if expected and found == expected and done.returncode == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
