#!/usr/bin/python3
"""Draws what a program prints on a terminal as an SVG, with its colours: the picture of the demo in the README.

    script -qec 'script/demo --no-setup' /dev/null | lab/terminal_svg.py --after 'demo: built' > docs/demo.svg
"""
import argparse
import html
import re
import sys

WIDTH, HEIGHT, PADDING = 8.4, 18, 16  # of a character at 14 px; around the text
COLOURS = {31: "#ff7b72", 32: "#7ee787", 33: "#f2cc60", 34: "#79c0ff", 35: "#d2a8ff", 36: "#76e3ea"}
STYLE = "text{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre;fill:#e6edf3}"
ESCAPE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


def spans(line):
    """(text, class) for each run of one look."""
    looks, at = {}, 0
    for escape in ESCAPE.finditer(line):
        if escape.start() > at:
            yield line[at:escape.start()], dict(looks)
        at = escape.end()
        if escape[2] != "m":
            continue
        for code in (int(code or 0) for code in escape[1].split(";")):
            if code == 0:
                looks = {}
            elif code == 1:
                looks["font-weight"] = "bold"
            elif code == 2:
                looks["opacity"] = "0.65"
            elif code in COLOURS:
                looks["fill"] = COLOURS[code]
    if at < len(line):
        yield line[at:], dict(looks)


def drawn(line):
    parts = []
    for text, looks in spans(line):
        look = "".join(f' {name}="{value}"' for name, value in looks.items())
        parts.append(f"<tspan{look}>{html.escape(text)}</tspan>")
    return "".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--after", default="", help="leave out everything up to the line that begins so")
    arguments = parser.parse_args()
    lines = [line.split("\r")[-1] for line in sys.stdin.read().replace("\r\n", "\n").split("\n")]
    for number, line in enumerate(lines):
        if arguments.after and ESCAPE.sub("", line).startswith(arguments.after):
            lines = lines[number + 1:]
            break
    while lines and not lines[-1].strip():
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)
    width = max(len(ESCAPE.sub("", line)) for line in lines) * WIDTH + 2 * PADDING
    height = len(lines) * HEIGHT + 2 * PADDING
    print(f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}">')
    print(f"<style>{STYLE}</style>")
    print('<rect width="100%" height="100%" rx="8" fill="#0d1117"/>')
    for number, line in enumerate(lines):
        print(f'<text x="{PADDING}" y="{PADDING + (number + 0.8) * HEIGHT:.1f}">{drawn(line)}</text>')
    print("</svg>")


if __name__ == "__main__":
    main()
