#!/usr/bin/python3
"""Does what the README shows of the program muster, and compares what it prints.

  readme_program.py --muster build/dev/cli/muster [--update]

Each block that begins with "$ muster" is one device; all of them are on one bridged network that has IPv6 link-local
addresses and nothing else (root), or else on this machine. They start in the order of the page, each when the one before
has said its first line. Ids, times, ports and addresses may differ. --update writes what was printed into the README.
"""
import argparse
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lab"))
sys.dont_write_bytecode = True
import netlab  # noqa: E402

README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n\$ (?P<command>muster .*)\n(?P<printed>(?:.*\n)*?)```\n")
PATIENCE = 20.0
VARIES = [(r"\([a-z2-7]{8}\)", "(ID)"), (r"\d+(\.\d+)? ms", "TIME"), (r" via \S+", " via INTERFACE"),
          (r"udp [^)\s]+", "udp ADDRESS"), (r"UDP port \d+", "UDP port NUMBER")]


def plain(text):
    """Lines without what differs from run to run."""
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text)
    return text.splitlines()


class Device:
    """One block: its process, and what it has printed."""

    def __init__(self, lab, number, host, block, muster):
        self.expected = block["printed"]
        self.output = Path(lab.scratch, f"printed-{number}")
        words = [muster, *shlex.split(block["command"])[1:], "--home", str(Path(lab.scratch, f"home-{number}"))]
        with host.entered() if host else contextlib.nullcontext(), open(self.output, "wb") as out:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

    def printed(self):
        return self.output.read_text(encoding="utf-8")

    def has_printed(self, lines):
        deadline = time.monotonic() + PATIENCE
        while len(self.printed().splitlines()) < lines and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)


def perform(blocks, muster):
    """What each block's process printed, while all of them were there."""
    with netlab.Lab() as lab:
        switch = lab.switch() if os.geteuid() == 0 else None
        devices = []
        for number, block in enumerate(blocks):
            host = lab.host(f"device{number}") if switch else None
            if host:
                switch.plug(host, "eth0")
            devices.append(Device(lab, number, host, block, muster))
            devices[-1].has_printed(1)
        for device in devices:
            device.has_printed(len(device.expected.splitlines()))
        printed = [device.printed() for device in devices]
        for device in reversed(devices):
            device.stop()
        return printed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--muster", required=True, type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    page = README.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(page))
    printed = perform(blocks, options.muster)
    if options.update:
        texts = iter(printed)
        page = BLOCK.sub(lambda block: f"```console\n$ {block['command']}\n{next(texts)}```\n", page)
        README.write_text(page, encoding="utf-8")
    wrong = [block for block, text in zip(blocks, printed) if plain(block["printed"]) != plain(text)]
    for block in wrong:
        print(f"$ {block['command']}\nthe README says:\n{block['printed']}it printed:\n{printed[blocks.index(block)]}")
    print(f"{len(blocks)} commands of the README, {len(wrong)} print something else")
    return 1 if (wrong and not options.update) or len(blocks) < 3 else 0


if __name__ == "__main__":
    sys.exit(main())
