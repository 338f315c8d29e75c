#!/usr/bin/env python3
"""Checks that programs shown in the documents are the programs of examples/, which the build compiles.

A block that shows a file follows a comment that names it:

    <!-- examples/host.cpp -->
    ```cpp
    ...the whole file, or any run of its lines...
    ```

A block of C++ in the README without such a comment is an error. With --update, whole-file blocks are rewritten.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?:<!-- (?P<file>[\w./-]+) -->\n)?```cpp\n(?P<code>.*?)```\n", re.S)


def complaints(page, root):
    for block in BLOCK.finditer(page):
        if not block["file"]:
            yield f"a C++ block names no file: {block['code'].splitlines()[0]}"
        elif not (root / block["file"]).is_file():
            yield f"{block['file']} does not exist"
        elif block["code"] not in (root / block["file"]).read_text(encoding="utf-8"):
            yield f"the block of {block['file']} is not what the file says; run tests/readme_snippets.py --update"


def updated(page, root):
    def replace(block):
        if not block["file"] or not (root / block["file"]).is_file():
            return block[0]
        code = (root / block["file"]).read_text(encoding="utf-8")
        return block[0] if block["code"] in code else f"<!-- {block['file']} -->\n```cpp\n{code}```\n"
    return BLOCK.sub(replace, page)


def self_test():
    """A block that drifted, one without a file and one whose file is gone must be found."""
    this = Path(__file__)
    name, line = this.name, this.read_text(encoding="utf-8").splitlines()[0]
    good = f"<!-- {name} -->\n```cpp\n{line}\n```\n"
    bad = [good.replace(line, line + " "), f"```cpp\n{line}\n```\n", good.replace(name, "gone.cpp")]
    assert not list(complaints(good, this.parent)), "a true block is refused"
    for page in bad:
        assert list(complaints(page, this.parent)), f"not found: {page}"


def main():
    self_test()
    readme = ROOT / "README.md"
    page = readme.read_text(encoding="utf-8")
    if "--update" in sys.argv[1:]:
        readme.write_text(updated(page, ROOT), encoding="utf-8")
        return 0
    found = list(complaints(page, ROOT))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(BLOCK.findall(page))} blocks, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
