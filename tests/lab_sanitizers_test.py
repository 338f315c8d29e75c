#!/usr/bin/env python3
"""The negative control of laboratories under sanitizers: each planted defect fails its laboratory, none does not.

  lab_sanitizers_test.py --program build/asan/lab/planted_defect KIND...
"""
import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lab"))
sys.dont_write_bytecode = True
import netlab  # noqa: E402

SAYS = {"race": "data race", "overrun": "heap-buffer-overflow", "overflow": "signed integer overflow",
        "leak": "detected memory leaks"}


def report_of(program, kind):
    """What a laboratory says that has run the program and never asks how it ended."""
    try:
        with netlab.Lab() as lab:
            process = lab.host("a").spawn([program, kind])
            process.expect("up")
            process.wait(20)
    except netlab.LabError as error:
        return str(error)
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("kinds", nargs="+", choices=SAYS)
    options = parser.parse_args()
    netlab.need_root("planted defects")
    failed = 0
    for kind, wanted in {"none": "", **{kind: SAYS[kind] for kind in options.kinds}}.items():
        said = report_of(options.program, kind)
        fine = wanted in said if wanted else said == ""
        print(f"{'ok    ' if fine else 'FAILED'} {kind}: {said.splitlines()[:4]}")
        failed += not fine
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
