#!/usr/bin/python3
"""Muster beside others on this machine: runs the benchmark programs one after the other, in one go, and judges.

    script/bench run                            builds everything and runs this
    python3 bench/run.py BUILD [--json FILE]    with a release build that is there

Prints one JSON document on standard output and a table on standard error. Takes about three minutes.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))
import report  # noqa: E402

PATIENCE = 150  # seconds for one program
PROGRAMS = ["throughput", "peer_tls", "peer_zmq", "quic", "fanout", "peer_mosquitto", "many_members"]
TITLES = {
    "stream_throughput": "one reliable stream",
    "messages_100_octets": "100-octet messages to one peer, batched",
    "messages_100_octets_durable": "the same, to a coordinator with a journal",
    "fan_out_100_members": "100-octet messages to 100 members",
    "memory_per_member_first_200": "memory per idle member (0 -> 200)",
    "memory_per_member_next_800": "memory per idle member (200 -> 1000)",
    "idle_cpu_1000_members_balanced": "idle processor time, 1000 members, balanced",
    "idle_cpu_1000_members_low_power": "idle processor time, 1000 members, low_power",
}
AIMS = [("stream_throughput", ">=", 4), ("messages_100_octets", ">=", 1e6),
        ("memory_per_member_next_800", "<=", 80), ("idle_cpu_1000_members_balanced", "<=", 1)]


def run_one(build, name):
    """The lines of one program; a program that is not there or fails says so in a line of its own."""
    program = build / "bench" / f"bench_{name}"
    load = report.load_average()
    if not program.exists():
        return [{"peer": name, "metric": "not built"}]
    try:
        done = subprocess.run([str(program)], capture_output=True, text=True, timeout=PATIENCE)
        lines = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as trouble:
        return [{"peer": name, "metric": "failed", "why": str(trouble)[:300]}]
    if done.returncode != 0:
        lines.append({"peer": name, "metric": "failed", "why": done.stderr[-300:]})
    return [{**line, "program": name, "load_before": load} for line in lines]


def table(rows):
    for row in rows:
        title = TITLES.get(row["metric"], row["metric"])
        value = f"{row['value']:>14,.4g} {row['unit']}" if "value" in row else row.get("why", "")
        print(f"  {row['peer']:<16} {title:<46} {value:<34} n {row.get('n', '-')}", file=sys.stderr)


def verdicts(rows):
    """(kept, text) for each aim, and for fan-out against mosquitto."""
    value = {(row["peer"], row["metric"]): row["value"] for row in rows if "value" in row}
    found = []
    for metric, sign, aim in AIMS:
        measured = value.get(("muster", metric))
        if measured is not None:
            kept = measured >= aim if sign == ">=" else measured <= aim
            found.append((kept, f"{TITLES[metric]}: {measured:,.4g} {sign} {aim:,.4g}"))
    ours = value.get(("muster", "fan_out_100_members"))
    theirs = max((v for (peer, metric), v in value.items() if peer == "mosquitto" and "fan_out" in metric
                  and "lost" not in metric), default=None)
    if ours is not None and theirs is not None:
        found.append((ours >= theirs, f"fan-out: {ours:,.4g} >= mosquitto's {theirs:,.4g} deliveries/s"))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, help="build directory (release)")
    parser.add_argument("--json", type=Path, help="write the document here as well")
    parser.add_argument("--only", nargs="+", default=PROGRAMS, help="programs to run (default: all)")
    arguments = parser.parse_args()
    machine = {**report.machine(), "load_before": report.load_average()}
    rows = []
    for name in arguments.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += run_one(arguments.build, name)
        table(rows[-sum(1 for row in rows if row.get("program") == name):] if "program" in rows[-1] else rows[-1:])
    machine["load_after"] = report.load_average()
    judged = verdicts(rows)
    for kept, text in judged:
        print(f"  {'reached' if kept else 'MISSED '} {text}", file=sys.stderr)
    document = {"name": "bench", "machine": machine, "rows": rows,
                "aims": [{"reached": kept, "text": text} for kept, text in judged]}
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document))


main()
