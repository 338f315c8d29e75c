#!/usr/bin/env python3
"""Checks that docs/ERRORS.md describes each Errc of include/muster/error.h, in its order, with meaning and cure."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("**Means:**", "**Usually:**", "**Cure:**")


def codes_of(header):
    body = re.search(r"enum class Errc \{(.*?)\};", header, re.S)[1]
    return re.findall(r"^\s*(\w+)\b", re.sub(r"//.*", "", body), re.M)


def sections_of(page):
    return dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^#|\Z)", page, re.M | re.S))


def main():
    codes = codes_of((ROOT / "include/muster/error.h").read_text(encoding="utf-8"))
    sections = sections_of((ROOT / "docs/ERRORS.md").read_text(encoding="utf-8"))
    found = [f"{code} has no section" for code in codes if code not in sections]
    found += [f"{code} is described but is no Errc" for code in sections if code not in codes]
    found += [f"{code} lacks {part}" for code, text in sections.items() for part in PARTS if part not in text]
    if not found and list(sections) != codes:
        found.append("the sections are not in the order of the enum")
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(codes)} codes, {len(sections)} sections")
    return 1 if found or not codes else 0


if __name__ == "__main__":
    sys.exit(main())
