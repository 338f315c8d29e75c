#!/usr/bin/env python3
"""Checks that the documents, and the sections of them, which comments in the code and links in the documents name exist.

In code: `docs/PAGE.md` or `docs/PAGE.md, "Section"`. In documents: [text](PAGE.md), relative to the page.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IN_CODE = re.compile(r'\b(?P<page>docs/[\w./-]+\.md)(?:, "(?P<section>[^"\n]+)")?')
IN_PAGES = re.compile(r"\]\((?P<page>[\w./-]+\.md)\)")
COMMENT_GOES_ON = re.compile(r"\n\s*//+/? ?")


def dead_in_code(text, root):
    for found in IN_CODE.finditer(COMMENT_GOES_ON.sub(" ", text)):
        page, section = root / found["page"], found["section"]
        if not page.is_file():
            yield f"{found['page']} does not exist"
        elif section and not re.search(rf"^#+ {re.escape(section)}$", page.read_text(encoding="utf-8"), re.M):
            yield f"{found['page']} has no section \"{section}\""


def dead_in_page(text, folder):
    return [f"{found['page']} does not exist" for found in IN_PAGES.finditer(text)
            if not (folder / found["page"]).is_file()]


def self_test():
    assert not list(dead_in_code('// docs/ERRORS.md,\n// "Finding"', ROOT)), "a true reference is refused"
    assert list(dead_in_code('// docs/ERRORS.md, "Losing"', ROOT)), "a section that is not there"
    assert list(dead_in_code("// docs/NOTHING.md says why", ROOT)), "a page that is not there"
    assert dead_in_page("[a](NOTHING.md) [b](ERRORS.md)", ROOT / "docs") == ["NOTHING.md does not exist"]


def main():
    self_test()
    found, files = [], 0
    for folder in ("include", "src", "cli", "examples", "bench", "fuzz", "lab", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".cpp"):
                files += 1
                found += [f"{path.relative_to(ROOT)}: {why}" for why in dead_in_code(path.read_text(encoding="utf-8"), ROOT)]
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        files += 1
        found += [f"{path.relative_to(ROOT)}: {why}" for why in dead_in_page(path.read_text(encoding="utf-8"), path.parent)]
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{files} files, {len(found)} dead references")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
