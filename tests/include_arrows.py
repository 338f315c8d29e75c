#!/usr/bin/env python3
"""Fails on an #include that the tables of docs/ARCHITECTURE.md do not allow.

Three tables, each after a comment `<!-- table: name -->`:
  arrows   folder | floor | may include (folders of this project; its own always)
  outside  headers (globs) | allowed in (globs of files)      for <...> includes other than the C++ standard library
  rim      files (globs) that do I/O. Every other file under src/ is an engine or a value type: neither it nor
           what it includes from this project may reach a header that the outside table marks `I/O`, and it asks
           no clock for the time.
"""
import argparse
import fnmatch
import os
import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
CLOCK = re.compile(r"\b(\w*[Cc]lock::now|std::random_device)\b")
SOURCE_SUFFIXES = {".h", ".cpp"}
SCANNED = ["include", "src", "cli", "examples", "bench", "fuzz", "lab", "tests"]


def read_tables(page):
    """The rows of each marked table: {name: [[cell, ...], ...]}, cells without backquotes."""
    tables = {}
    for match in re.finditer(r"<!-- table: (\w+) -->\s*\n((?:\|.*\n)+)", page):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in match[2].splitlines()]
        tables[match[1]] = rows[2:]  # without the heading and the rule below it
    return tables


def globs(cell):
    return re.findall(r"`([^`]+)`", cell)


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


class Rules:
    def __init__(self, page):
        tables = read_tables(page)
        self.arrows = {globs(row[0])[0]: set(globs(row[2])) for row in tables["arrows"]}
        self.floors = {globs(row[0])[0]: row[1] for row in tables["arrows"]}
        self.outside = [(globs(row[0]), globs(row[1]), "I/O" in row[2]) for row in tables["outside"]]
        self.rim = [pattern for row in tables["rim"] for pattern in globs(row[0])]

    def folder_of(self, path):
        """The row of the arrows table that a file belongs to: the longest that contains it."""
        owners = [folder for folder in self.arrows if path.startswith(folder + "/")]
        return max(owners, key=len, default=None)


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = {}
        self.clocks = {}
        for folder in SCANNED:
            for path in sorted((root / folder).rglob("*")):
                if path.suffix in SOURCE_SUFFIXES:
                    text = path.read_text(encoding="utf-8")
                    name = path.relative_to(root).as_posix()
                    self.files[name] = INCLUDE.findall(text)
                    self.clocks[name] = CLOCK.findall(text)

    def resolve(self, includer, name):
        """The project's file that `#include "name"` means, or None."""
        beside = os.path.normpath((Path(includer).parent / name).as_posix())
        return next((c for c in (f"include/{name}", f"src/{name}", beside) if c in self.files), None)


def is_standard(name):
    return "/" not in name and not name.endswith(".h")


def arrow_complaint(rules, source, target):
    own, other = rules.folder_of(source), rules.folder_of(target)
    if own is None or other is None:
        return f"{source if own is None else target} is in no folder of the arrows table"
    if own == other or other in rules.arrows[own]:
        return None
    if source.endswith("_test.cpp") and other == "src/sim":
        return None  # a folder's tests may stand on the simulator
    return f"{source} includes {target}: {own} may not include {other}"


def outside_complaint(rules, source, name):
    allowed = [files for headers, files, _ in rules.outside if matches(name, headers)]
    if not allowed and is_standard(name):
        return None
    if not allowed:
        return f"{source} includes <{name}>, which no row of the outside table names"
    if any(matches(source, files) for files in allowed):
        return None
    return f"{source} includes <{name}>, allowed only in {', '.join(p for files in allowed for p in files)}"


def io_chain(rules, tree, source):
    """How an engine reaches a header that does I/O: [file, ..., header], or None."""
    seen, queue = {source}, [[source]]
    while queue:
        chain = queue.pop(0)
        for kind, name in tree.files[chain[-1]]:
            target = tree.resolve(chain[-1], name) if kind == '"' else None
            if target and target not in seen:
                seen.add(target)
                queue.append(chain + [target])
            if kind == "<" and does_io(rules, chain[-1], name):
                return chain + [f"<{name}>"]
    return None


def does_io(rules, source, name):
    rows = [(files, io) for headers, files, io in rules.outside if matches(name, headers)]
    # A file that a row names in full, without a wildcard, was looked at: it does no I/O with that header.
    return any(io for _, io in rows) and not any(source in files for files, _ in rows)


def complaints(rules, tree):
    found = []
    for source, includes in tree.files.items():
        for kind, name in includes:
            if kind == "<":
                found.append(outside_complaint(rules, source, name))
                continue
            target = tree.resolve(source, name)
            if target:
                found.append(arrow_complaint(rules, source, target))
            elif "muster/" in name or (tree.root / "src" / name.split("/")[0]).is_dir():
                found.append(f'{source} includes "{name}", which does not exist')
        is_engine = source.startswith("src/") and not source.endswith("_test.cpp") and not matches(source, rules.rim)
        if is_engine and tree.clocks[source]:
            found.append(f"{source} is an engine but calls {tree.clocks[source][0]}: time and chance are arguments")
        chain = io_chain(rules, tree, source) if is_engine else None
        if chain:
            found.append(f"{source} is an engine but reaches I/O: {' -> '.join(chain)}")
    return [complaint for complaint in found if complaint]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--rules", type=Path, help="the page with the tables; default ROOT/docs/ARCHITECTURE.md")
    options = parser.parse_args()
    page = options.rules or options.root / "docs/ARCHITECTURE.md"
    rules = Rules(page.read_text(encoding="utf-8"))
    tree = Tree(options.root)
    found = complaints(rules, tree)
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(tree.files)} files, {len(found)} forbidden includes")
    return 1 if found or not tree.files else 0


if __name__ == "__main__":
    sys.exit(main())
