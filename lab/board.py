#!/usr/bin/python3
"""Makes the board: one HTML page and one JSON file of what the laboratories and benchmarks have measured.

    lab/board.py REPORT.json ... --out docs/board
"""
import argparse
import html
import json
import sys
from pathlib import Path

WIDTH, HEIGHT = 240, 44

PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Muster: the board</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1f24; }}
table {{ border-collapse: collapse; margin: .5rem 0 1.5rem; width: 100%; }}
th, td {{ text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #d8dee4; white-space: nowrap; }}
th:nth-child(-n+2), td:nth-child(-n+2) {{ text-align: left; white-space: normal; }}
td.extra {{ font-size: .85em; color: #57606a; text-align: left; white-space: normal; }}
.ok::before {{ content: "✓ "; color: #1a7f37; }} .bad::before {{ content: "✗ "; color: #cf222e; }}
.bad {{ font-weight: 600; }} .about {{ color: #57606a; }}
svg path {{ fill: none; stroke: #0969da; stroke-width: 1.5; }} svg line {{ stroke: #d8dee4; }}
</style>
<h1>Muster: the board</h1>
<p class="about">Every figure was measured by a program of this repository on the machine named beside it; how, and what
is emulated, stands in <a href="../MEASUREMENTS.md">MEASUREMENTS.md</a>. Percentiles are nearest-rank. The curves are
cumulative distributions: time from 0 to the maximum to the right, share of samples upwards. All samples are in
<a href="results.json">results.json</a>.</p>
{sections}
</html>
"""


def number(value):
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e4 else f"{value:,.0f}" \
        if isinstance(value, (int, float)) else html.escape(str(value))


def curve(samples):
    """The cumulative distribution as a small drawing."""
    ordered, top = sorted(samples), max(samples) or 1
    points = [f"{WIDTH * value / top:.1f},{HEIGHT - HEIGHT * (rank + 1) / len(ordered):.1f}"
              for rank, value in enumerate(ordered)]
    return (f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="cumulative distribution">'
            f'<line x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}"/><path d="M0,{HEIGHT} L{" ".join(points)}"/></svg>')


def samples_table(rows):
    lines = ["<table><tr><th>who<th>what<th>n<th>p50<th>p90<th>p99<th>max<th>unit<th>distribution<th>"]
    known = {"who", "what", "n", "p50", "p90", "p99", "min", "max", "unit", "samples"}
    for row in rows:
        figures = "".join(f"<td>{number(row[key]) if key in row else ''}" for key in ("n", "p50", "p90", "p99", "max"))
        drawing = curve(row["samples"]) if len(row.get("samples", [])) > 1 else ""
        extra = ", ".join(f"{key} {html.escape(str(value))}" for key, value in row.items() if key not in known)
        lines.append(f"<tr><td>{html.escape(row['who'])}<td>{html.escape(row['what'])}{figures}"
                     f"<td>{row.get('unit', '')}<td>{drawing}<td class='extra'>{extra}")
    return "\n".join(lines + ["</table>"])


def values_table(rows):
    lines = ["<table><tr><th>who<th>what<th>value<th>unit<th>n"]
    for row in rows:
        lines.append(f"<tr><td>{html.escape(row['peer'])}<td>{html.escape(row['metric'])}"
                     f"<td>{number(row.get('value', row.get('why', '')))}<td>{row.get('unit', '')}"
                     f"<td>{number(row.get('n', ''))}")
    return "\n".join(lines + ["</table>"])


def section(document):
    where = document["machine"]
    about = (f"{where['cpu']}, {where['cores']} cores, kernel {where['kernel']}, commit {where['commit']}, "
             f"{where['date']}, {'processors kept awake, ' if where.get('awake') else ''}load average {where['load_before']} before and {where['load_after']} after")
    rows = document["rows"]
    table = values_table(rows) if rows and "peer" in rows[0] else samples_table(rows)
    verdicts = [(aim["reached"], aim["text"]) for aim in document.get("aims", [])]
    verdicts += [(False, text) for text in document.get("broken", [])]
    marks = "".join(f"<li class='{'ok' if fine else 'bad'}'>{html.escape(text)}" for fine, text in verdicts)
    notes = "".join(f"<li>{html.escape(note)}" for note in document.get("notes", []))
    return (f"<h2>{html.escape(document['name'].replace('_', ' '))}</h2><p class='about'>{html.escape(about)}</p>"
            f"{table}<ul>{marks}{notes}</ul>")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/board"))
    arguments = parser.parse_args()
    documents = [json.loads(path.read_text()) for path in arguments.reports]
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = {document["name"]: document for document in documents}
    (arguments.out / "results.json").write_text(json.dumps(results, separators=(",", ":")) + "\n")
    page = PAGE.format(sections="\n".join(section(document) for document in documents))
    (arguments.out / "index.html").write_text(page)
    print(f"board: {len(documents)} reports in {arguments.out}", file=sys.stderr)


main()
