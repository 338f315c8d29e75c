"""Figures with what is needed to judge them: how many, how spread, on which machine, under which load."""
import argparse
import contextlib
import datetime
import json
import math
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import netlab

ROOT = Path(__file__).resolve().parent.parent


def percentile(samples, share):
    """Nearest rank: a value that was really measured."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(samples, never=0):
    """n, p50, p90, p99, min and max of a list of numbers. `never`: how many there are besides that did not come to an end;
    they are above all others, and a percentile that falls on them is the word "never"."""
    ordered = sorted(samples) + [math.inf] * never
    if not ordered:
        return {"n": 0}
    figures = {"min": ordered[0], "p50": percentile(ordered, 0.50), "p90": percentile(ordered, 0.90),
               "p99": percentile(ordered, 0.99), "max": ordered[-1]}
    return {"n": len(ordered), **{key: "never" if value == math.inf else round(value, 3) for key, value in figures.items()}}


def wilson_lower(successes, n, z=1.6449):
    """The one-sided 95 % lower bound of a success rate (Wilson's score interval)."""
    if n == 0:
        return 0.0
    rate = successes / n
    centre = rate + z * z / (2 * n)
    spread = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return (centre - spread) / (1 + z * z / n)


def load_average():
    return round(os.getloadavg()[0], 2)


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
               platform.machine())
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(), "commit": done.stdout.strip(),
            "nice": os.nice(0),
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")}


class Report:
    """Collects rows of figures and the bounds that they must keep."""

    def __init__(self, name):
        self.name = name
        self.rows, self.broken, self.notes = [], [], []
        self.machine = {**machine(), "load_before": load_average()}

    def row(self, who, what, samples=None, unit="ms", **facts):
        """One line of the table: a summary of samples, or facts alone. The fact `never`: see summary()."""
        entry = {"who": who, "what": what}
        if samples is not None:
            entry.update(unit=unit, **summary(samples, facts.get("never", 0)), samples=[round(s, 3) for s in samples])
        entry.update(facts)
        self.rows.append(entry)
        self._print(entry)
        return entry

    def note(self, text):
        self.notes.append(text)
        print(f"  note: {text}", flush=True)

    def require(self, fine, claim):
        """A bound that must hold; the program fails in the end if one does not."""
        print(f"  {'ok    ' if fine else 'BROKEN'} {claim}", flush=True)
        if not fine:
            self.broken.append(claim)

    def _print(self, entry):
        shown = {k: v for k, v in entry.items() if k not in ("who", "what", "samples")}
        text = "  ".join(f"{key} {value}" for key, value in shown.items())
        print(f"  {entry['who']:<22} {entry['what']:<44} {text}", flush=True)

    def write(self, path):
        self.machine["load_after"] = load_average()
        document = {"name": self.name, "machine": self.machine, "rows": self.rows, "notes": self.notes,
                    "broken": self.broken}
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(document, indent=1) + "\n")


@contextlib.contextmanager
def processors_awake():
    """Keeps every processor from going to sleep by a loop that yields to anything else (SCHED_IDLE).

    A virtual machine hands a processor that has nothing to do back to its host, and gets it back late: each message
    between two processes then costs that, some 0.05 to 0.5 ms, and nothing of it belongs to what is measured.
    """
    loops = []
    for _ in range(os.cpu_count()):
        pid = os.fork()
        if pid == 0:
            netlab.LIBC.prctl(netlab.PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            while True:
                pass
        loops.append(pid)
    try:
        yield
    finally:
        for pid in loops:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def chosen_peers(arguments, systems):
    """Those of lab/systems.py that are to be measured beside Muster."""
    if arguments.no_peers:
        return []
    if arguments.peers is None:
        return systems
    names = arguments.peers.split(",")
    unknown = set(names) - {system.program for system in systems} - {system.name for system in systems}
    if unknown:
        raise netlab.LabError(f"no such peers: {', '.join(unknown)}; there are {', '.join(s.name for s in systems)}")
    return [system for system in systems if system.name in names or system.program in names]


def parser(name, what, n, peers_n=None):
    """The arguments that all laboratories take."""
    arguments = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = arguments.add_argument
    add("--n", type=int, default=n, help="repetitions (default: %(default)s)")
    add("--peers", nargs="?", metavar="NAME,...",
        help="the programs beside Muster that are measured (default: all that there are)")
    add("--peers-n", type=int, default=peers_n, help=f"repetitions for them (default: {peers_n or '--n'})")
    add("--no-peers", action="store_true", help="Muster alone")
    add("--json", help="where the figures go (default: lab/out/NAME.json)")
    add("--build", default=str(ROOT / "build" / "dev"), help="build directory (default: %(default)s)")
    add("--slack", type=float, default=1.0,
        help="factor on the bounds of latencies, for machines with other work (default: 1)")
    add("--awake", action="store_true",
        help="keep the processors from sleeping, for virtual machines whose host wakes them late")
    return arguments


def run(name, what, scenario, n, peers_n=None):
    """The main() of a laboratory: arguments, root, report, exit code. scenario(lab, report, arguments)."""
    run_parsed(name, scenario, parser(name, what, n, peers_n).parse_args())


def run_parsed(name, scenario, arguments):
    """As run(), with the arguments at hand."""
    if arguments.peers_n is None:
        arguments.peers_n = arguments.n
    netlab.need_root(name)
    report = Report(name)
    print(f"{name}: {report.machine['cpu']}, {report.machine['cores']} cores, kernel {report.machine['kernel']}, "
          f"load {report.machine['load_before']}, {report.machine['date']}", flush=True)
    report.machine["awake"] = arguments.awake
    try:
        with netlab.Lab() as lab, processors_awake() if arguments.awake else contextlib.nullcontext():
            scenario(lab, report, arguments)
    except netlab.LabError as trouble:
        report.require(False, f"the laboratory ran to its end: {trouble}")
    report.write(arguments.json or ROOT / "lab" / "out" / f"{name}.json")
    print(f"{name}: load {report.machine['load_after']} at the end; "
          f"{len(report.broken)} bounds broken", flush=True)
    sys.exit(1 if report.broken else 0)


def probe(arguments, name):
    """The path of a probe in the build directory."""
    path = Path(arguments.build) / "lab" / name
    if not path.exists():
        raise netlab.LabError(f"{path} is not built")
    return str(path)


def milliseconds(begin_ns, end_ns):
    return (end_ns - begin_ns) / 1e6
