#!/usr/bin/env python3
"""Fails on a file of more than 800 lines and on notes of work left over; lists the files above 400 lines.

Functions are measured by clang-tidy (script/lint).
"""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HARD, SOFT = 800, 400
CODE = {".h", ".cpp", ".py", ".sh", ""}
LEFT_OVER = ("TO" "DO", "FIX" "ME")  # in two pieces, or this file would find itself


def files():
    listed = subprocess.run(["git", "ls-files", "-z", "include", "src", "cli", "examples", "tests", "bench", "fuzz/*.cpp", "lab",
                             "script", "packaging"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file() and Path(name).suffix in CODE]


def complaints(path, text):
    name = path.relative_to(ROOT)
    lines = text.splitlines()
    if len(lines) > HARD:
        yield f"{name} has {len(lines)} lines, more than {HARD}: split it by reason to change"
    for number, line in enumerate(lines, 1):
        if any(word in line for word in LEFT_OVER):
            yield f"{name}:{number}: {line.strip()}"


def main():
    found, long = [], []
    sources = files()
    for path in sources:
        text = path.read_text(encoding="utf-8")
        found += complaints(path, text)
        if len(text.splitlines()) > SOFT:
            long.append(f"{len(text.splitlines())} {path.relative_to(ROOT)}")
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(sources)} files, {len(found)} complaints; above {SOFT} lines: {', '.join(long) or 'none'}")
    return 1 if found or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
