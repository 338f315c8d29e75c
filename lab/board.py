#!/usr/bin/python3
"""Makes the board: one HTML page and one JSON file of what the laboratories and benchmarks have measured.

    lab/board.py REPORT.json ... [--keep RESULTS.json] --out docs/board

--keep: a report that is not given stays as it is in that file, with its own date and commit.
"""
import argparse
import html
import json
import sys
from pathlib import Path

import board_plots
import board_tables

ORDER = ("discovery_latency", "connect", "failover", "resume", "restart", "verdicts", "join_latency", "join_matrix",
         "loss_detection", "power_on", "preferences", "connected", "farewell", "freeze", "endurance", "standby", "bench")
LONG = ("flap", "drops_every_20_s")  # nobody misses them: they are measured on demand
RESUME = ("IPv4, own cable", "IPv4, far cable")

PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Muster: the board</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; color: #1b1f24; background: #fff; }}
h2 {{ margin-top: 2.4rem; border-bottom: 2px solid #d8dee4; padding-bottom: .2rem; }} h3 {{ margin: 1.4rem 0 .3rem; font-size: 1rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; margin: .4rem 0 1rem; }} table.figures {{ width: 100%; }}
th, td {{ text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #d8dee4; white-space: nowrap; vertical-align: top; }}
th {{ font-weight: 600; color: #57606a; }}
th:first-child, td:first-child, .figures th:nth-child(2), .figures td:nth-child(2) {{ text-align: left; white-space: normal; }}
.matrix td:not(:first-child), .matrix th:not(:first-child) {{ text-align: center; min-width: 5.5rem; }}
.side tr:nth-child(2), .matrix td:nth-child(2) {{ font-weight: 600; }}
td.extra {{ font-size: .85em; color: #57606a; text-align: left; white-space: normal; }}
small {{ display: block; font-size: .76em; font-weight: 400; color: #57606a; }}
td.full {{ background: #dafbe1; }} td.part {{ background: #fff8c5; }} td.zero {{ background: #ffebe9; }}
td.none {{ color: #57606a; font-size: .85em; white-space: normal; }}
.ok::before {{ content: "✓ "; color: #1a7f37; }} .bad::before {{ content: "✗ "; color: #cf222e; }}
.bad {{ font-weight: 600; }} .about {{ color: #57606a; }}
.plots {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: .6rem 1.2rem; }}
figure {{ margin: 0; }} figcaption {{ font-weight: 600; }}
svg {{ width: 100%; height: auto; }} svg text {{ font-size: 11px; fill: #57606a; }} .grid {{ stroke: #d8dee4; stroke-width: 1; }}
.legend {{ list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; }}
.legend span {{ display: inline-block; width: 1.4rem; height: .25rem; margin-right: .4rem; vertical-align: middle; }}
details {{ margin: .6rem 0; }} summary {{ cursor: pointer; font-weight: 600; }}
</style>
<h1>Muster: the board</h1>
<p class="about">How soon a member finds its coordinator, talks to it, and goes on talking when the network changes; and how
systems that others wrote do in the same run, on the same machine, under the same faults. Every figure was measured by a program
of this repository; how, what is emulated, and which settings the others have, stands in
<a href="../MEASUREMENTS.md">MEASUREMENTS.md</a>. Percentiles are nearest-rank; the small figures under success rates are
one-sided 95 % lower bounds (Wilson). The curves are cumulative distributions over logarithmic time: further left is
sooner, and a line that ends below 100 % did not always succeed. All samples are in <a href="results.json">results.json</a>.</p>
{sections}
</html>
"""


def about(document):
    where = document["machine"]
    return (f"{where['cpu']}, {where['cores']} cores, kernel {where['kernel']}, commit {where['commit']}, {where['date']}, "
            f"{'processors kept awake, ' if where.get('awake') else ''}"
            f"load average {where['load_before']} before and {where['load_after']} after")


def runs(documents):
    """Which report was measured where and when, and whether its bounds hold."""
    lines = []
    for name, document in documents.items():
        where = document["machine"]
        broken = len(document.get("broken", [])) + sum(not aim["reached"] for aim in document.get("aims", []))
        lines.append([f'<a href="#{name}">{name.replace("_", " ")}</a>', html.escape(where["date"]), where["commit"],
                      f"{where['load_before']} / {where['load_after']}", "yes" if where.get("awake") else "no",
                      f'<span class="{"bad" if broken else "ok"}">{broken or "all hold"}</span>'])
    machine = next(iter(documents.values()))["machine"]
    return (f"<h2>Runs</h2><p class='about'>{html.escape(machine['cpu'])}, {machine['cores']} cores, kernel "
            f"{html.escape(machine['kernel'])}. Load is the load average before and after: beside other work, latencies are upper "
            "bounds.</p>" + board_tables.table(["report", "date", "commit", "load", "awake", "bounds broken"], lines))


def rows_of(documents, name):
    return documents.get(name, {}).get("rows", [])


def block(title, text, rows, groups, table):
    """A heading, a table, a legend and a drawing for each group; a group is (title, the `what` that belong to it)."""
    wanted = {what for _, whats in groups for what in whats}
    shown = [row for row in rows if row["what"] in wanted and row.get("samples")]
    if not shown:
        return ""
    axis = board_plots.Axis([value for row in shown for value in row["samples"]])  # one for all: drawings can be compared
    drawings = [board_plots.distributions(caption, [row for row in shown if row["what"] in whats], axis)
                for caption, whats in groups]
    names = board_tables.names_of(shown)
    return (f"<h2>{title}</h2><p class='about'>{text}</p>{table}{board_plots.legend(names)}"
            f"<div class='plots'>{''.join(drawings)}</div>")


def discovery(documents):
    rows = rows_of(documents, "discovery_latency")
    groups = [("a coordinator that is there is found", ("browse start -> coordinator found", "browse start -> found")),
              ("a new one is seen", ("publish -> seen by a running browser",))]
    table = board_tables.percentiles([row for _, whats in groups for row in rows if row["what"] in whats])
    return block("Discovery", "Two hosts on a switch, empty caches.", rows, groups, table)


def connect(documents):
    rows = rows_of(documents, "connect")
    whole, own = "exec -> first message", "main -> first message"
    table = board_tables.percentiles([row for row in rows if row["what"] in (whole, "not measured")])
    return block("Connect", "A new member's process, until its first message is with the coordinator's application. Muster looks for "
                 "its coordinator by mDNS and authenticates both ends; by what the others know it stands in the table.", rows,
                 [("from exec, loading of libraries included", (whole,)), ("from the first line of main()", (own,))], table)


def failover(documents):
    rows = [row for row in rows_of(documents, "failover") if not row["who"].startswith("control")]
    messages = next((row for row in rows if row["what"] == "messages"), None)
    return block("Failover", "100 messages per second each way over one of three networks, which then fails. Shown is the longest "
                 "time without a message at either end (10 ms is no gap), and what was lost of all messages.", rows,
                 [(what, (what,)) for what in board_tables.FAULTS],
                 board_tables.side_by_side(rows, board_tables.FAULTS, messages))


def resume(documents):
    rows = [row for row in rows_of(documents, "resume") if row["what"] in (*RESUME, "not measured")]
    return block("Back after an outage", "The only network is out for 8 s. Shown is the time from the cable's return to messages "
                 "both ways.", rows, [(what, (what,)) for what in RESUME], board_tables.side_by_side(rows, RESUME))


def verdicts(documents):
    rows = rows_of(documents, "verdicts")
    whole = next((row for row in rows if row["who"] == "all"), None)
    if not whole:
        return ""
    controls = "; ".join(f"control \u201c{row['what']}\u201d: {row['right']}" for row in rows if row["who"] == "control")
    return (f"<h2>The cause of a loss</h2><p class='about'>{html.escape(whole['what'])}, each in a network of its own. Right is who "
            f"names the class within a second and does not take it back: {html.escape(whole['right'])} "
            f"(at least {100 * whole['at_least']:.1f} %). {html.escape(controls)}.</p>"
            f"<details><summary>All of them</summary>{board_tables.causes(rows)}</details>")


def details(documents):
    parts = ["<h2>Everything that was measured</h2>"]
    for name, document in documents.items():
        rows = document["rows"]
        figures = board_tables.values(rows) if rows and "peer" in rows[0] else board_tables.percentiles(rows)
        verdicts = [(aim["reached"], aim["text"]) for aim in document.get("aims", [])]
        verdicts += [(False, text) for text in document.get("broken", [])]
        marks = "".join(f"<li class='{'ok' if fine else 'bad'}'>{html.escape(text)}" for fine, text in verdicts)
        notes = "".join(f"<li>{html.escape(note)}" for note in document.get("notes", []))
        parts.append(f"<details id='{name}'><summary>{html.escape(name.replace('_', ' '))}</summary>"
                     f"<p class='about'>{html.escape(about(document))}</p>{figures}<ul>{marks}{notes}</ul></details>")
    return "".join(parts)


def page(documents):
    """The page as text. documents: {name of report: report}."""
    ordered = {name: documents[name] for name in ORDER + LONG if name in documents}
    missing = [name.replace("_", " ") for name in ORDER if name not in documents]
    gaps = f"<p class='bad'>Not measured: {html.escape(', '.join(missing))}.</p>" if missing else ""
    success = "<h2>Success</h2>" + board_tables.success_matrix(ordered)
    sections = [gaps, failover(ordered), connect(ordered), discovery(ordered), resume(ordered), verdicts(ordered), success, runs(ordered),
                details(ordered)]
    return PAGE.format(sections="\n".join(section for section in sections if section))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="*", type=Path)
    parser.add_argument("--keep", type=Path, help="results.json of an earlier board")
    parser.add_argument("--out", type=Path, default=Path("docs/board"))
    arguments = parser.parse_args()
    results = json.loads(arguments.keep.read_text()) if arguments.keep and arguments.keep.exists() else {}
    for path in arguments.reports:
        document = json.loads(path.read_text())
        results[document["name"]] = document
    if not results:
        parser.error("no reports")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(results, separators=(",", ":")) + "\n")
    (arguments.out / "index.html").write_text(page(results))
    print(f"board: {len(results)} reports in {arguments.out}, {len(arguments.reports)} of them new", file=sys.stderr)


if __name__ == "__main__":
    main()
