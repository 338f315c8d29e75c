#!/usr/bin/python3
"""Writes the numbers of the README from the board's results, or checks that they are the same.

    lab/readme_numbers.py --write | --check
"""
import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS, README = ROOT / "docs/board/results.json", ROOT / "README.md"
FIRST = "exec -> first message"
BEGIN, END = "<!-- numbers of the board: begin -->", "<!-- numbers of the board: end -->"


def figure(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


class Results:
    def __init__(self, documents):
        self.documents = documents

    def row(self, name, who, what):
        for row in self.documents.get(name, {}).get("rows", []):
            if (row.get("who", row.get("peer")), row.get("what", row.get("metric"))) == (who, what):
                return row
        return {}

    def times(self, name, who, what, *percentiles):
        row = self.row(name, who, what)
        if not row.get("n"):
            return "never" if row else "-"
        return ", ".join(f"{p} {figure(row[p])}" for p in percentiles) + " ms"

    def value(self, who, metric, unit, scale=1.0):
        row = self.row("bench", who, metric)
        return f"{figure(row['value'] / scale)} {unit}" if "value" in row else "-"


def joins(results):
    rows = results.documents.get("join_matrix", {}).get("rows", [])
    def tally(who):
        mine = [row for row in rows if row["who"] == who]
        return f"{sum(row['joined'] for row in mine)} of {sum(row['of'] for row in mine)}"
    return tally("Muster"), tally("naive client"), sum(row["who"] == "Muster" for row in rows)


def beside(results, name, what):
    """What the others need for the same, the yardstick left out."""
    rows = results.documents.get(name, {}).get("rows", [])
    told = [f"{row['who']} {figure(row['p50']) + ' ms' if row['p50'] != 'never' else 'never'}" for row in rows
            if row["what"] == what and "messages" in row and "yardstick" not in row["who"] and row.get("n")]
    return "; ".join(told)


def noticed(results):
    told = []
    for peer in ("Avahi", "python3-zeroconf"):
        row = results.row("loss_detection", peer, "killed")
        told.append(f"{peer} {row['noticed']} of {row['of']} in {row['window_s']} s" if row else f"{peer} -")
    return "; ".join(told)


def missed(documents):
    """The bounds of the board that do not hold, each with its report."""
    told = [f"- `{name}`: {claim}" for name, document in documents.items() for claim in document.get("broken", [])]
    return "\n".join(["Bounds of our own that this run broke:\n", *told]) if told else "All bounds of the board hold."


def about(documents):
    """When and on what it was measured."""
    machines = [document["machine"] for document in documents.values()]
    days = sorted({machine["date"][:10] for machine in machines})
    cores = " or ".join(sorted({str(machine["cores"]) for machine in machines}))
    return (f"Measured on {' to '.join(days[:1] + days[1:][-1:])} on virtual machines with {cores} processors "
            f"({', '.join(sorted({machine['cpu'] for machine in machines}))}); both ends and the peers share them.")


def table(results):
    find, see = "browse start -> coordinator found", "publish -> seen by a running browser"
    ours, naive, networks = joins(results)
    rows = [("finding a coordinator that is there", results.times("discovery_latency", "Muster", find, "p50", "p99"),
             "; ".join(f"{peer} {results.times('discovery_latency', peer, 'browse start -> found', 'p50')}"
                       for peer in ("Avahi", "python3-zeroconf"))),
            ("a new one seen by a running browser", results.times("discovery_latency", "Muster", see, "p50", "p99"),
             "; ".join(f"{peer} {results.times('discovery_latency', peer, see, 'p50')}"
                       for peer in ("Avahi", "python3-zeroconf"))),
            ("start of a process to its first message", results.times("connect", "Muster realtime", FIRST, "p50", "p99"),
             "; ".join(f"{peer} {results.times('connect', peer, FIRST, 'p50')}"
                       for peer in ("TLS over TCP", "ZeroMQ + czmq beacon", "mosquitto"))),
            (f"joins in {networks} networks, from one switch to a wrong default route", ours,
             f"first address, no interface: {naive}"),
            ("a killed member noticed, `realtime`",
             results.times("loss_detection", "Muster realtime", "killed", "p50", "max"), noticed(results)),
            ("own carrier lost", results.times("loss_detection", "Muster realtime", "own carrier", "p50", "max"), ""),
            ("nothing arrives for, at 100 messages/s, when the carrier of the path in use goes",
             results.times("failover", "Muster realtime", "own carrier", "p50", "p99"),
             beside(results, "failover", "own carrier") or "10 ms is no gap; with one interface the session is interrupted"),
            ("the same when the path falls silent", results.times("failover", "Muster realtime", "black hole", "p50", "p99"),
             beside(results, "failover", "black hole")),
            ("100 devices powered on together, all joined",
             results.times("power_on", "Muster", "power on -> all 100 joined", "p50", "max"), ""),
            ("one reliable stream", results.value("muster", "stream_throughput", "Gbit/s"),
             f"TLS over TCP {results.value('tls_tcp', 'stream_throughput', 'Gbit/s')}; "
             f"ZeroMQ {results.value('zmq', 'stream_throughput', 'Gbit/s')}, "
             f"with CURVE {results.value('zmq_curve', 'stream_throughput', 'Gbit/s')}"),
            ("100-octet messages to one peer", results.value("muster", "messages_100_octets", "M/s", 1e6),
             f"ZeroMQ {results.value('zmq', 'messages_100_octets', 'M/s', 1e6)}, "
             f"with CURVE {results.value('zmq_curve', 'messages_100_octets', 'M/s', 1e6)}"),
            ("100-octet messages to 100 members", results.value("muster", "fan_out_100_members", "k deliveries/s", 1e3),
             f"mosquitto {results.value('mosquitto', 'fan_out_100_octets_to_100', 'k deliveries/s', 1e3)}"),
            ("memory of one idle member at its coordinator", results.value("muster", "memory_per_member_next_800", "kB"), "")]
    return "\n".join(["| what | Muster | beside it, in the same run |", "|---|---|---|"] +
                     [f"| {what} | {mine} | {others} |" for what, mine, others in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true")
    mode.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    documents = json.loads(RESULTS.read_text())
    text = README.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    wanted = f"{before}{BEGIN}\n{table(Results(documents))}\n\n{about(documents)}\n\n{missed(documents)}\n{END}{after}"
    if arguments.write:
        README.write_text(wanted)
    elif wanted != text:
        sys.exit("README.md has other numbers than docs/board/results.json: run lab/readme_numbers.py --write")


if __name__ == "__main__":
    main()
