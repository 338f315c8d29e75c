"""Reads scenario files: TOML, checked against scenario_keys.toml; docs/LAB.md says what the keys mean.

Tables and keys come as they stand in the file, durations in seconds, with `count` written out. What is wrong is told with the
file and the line; the simulator's reader (tests/sim/scenario_file.cpp) finds the same faults at the same lines.
"""
import re
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEYS = tomllib.loads((HERE / "scenario_keys.toml").read_text())
ARRAYS = ("switch", "host", "host.interface", "fault")
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|min)")
MANY = 64  # switches or interfaces that one table stands for, at most
ANY_INTERFACE = ("in use", "in turn")
ALWAYS = ("what", "at", "until", "during", "every", "for")

HEADER = re.compile(r"\s*(\[\[?)\s*([\w.]+)\s*\]\]?\s*(?:#.*)?$")
ASSIGNMENT = re.compile(r"\s*([\w-]+)\s*=")


class ScenarioError(Exception):
    """The file says something that cannot be understood; the text begins with file and line."""


class Place:
    """Where each table and key of a file stands: {path: line}, a path being ("host", 0, "interface", 1, "name")."""

    def __init__(self, text):
        self.lines = {(): 1}
        self._now, self._counts, fence = (), {}, None
        for number, line in enumerate(text.splitlines(), 1):
            if fence:
                fence = None if fence in line else fence
                continue
            if header := HEADER.match(line):
                self._enter(header[2].split("."), header[1] == "[[", number)
            elif assignment := ASSIGNMENT.match(line):
                self.lines.setdefault((*self._now, assignment[1]), number)
            fence = next((mark for mark in ('"""', "'''") if line.count(mark) == 1), None)

    def _enter(self, names, is_array, number):
        path = ()
        for depth, name in enumerate(names, 1):
            path += (name,)
            if depth == len(names) and is_array:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path += (self._counts[path],)
        self.lines.setdefault(path, number)
        self._now = path

    def line(self, path):
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def seconds(text):
    """20ms -> 0.02; ValueError for what is no duration."""
    match = DURATION.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError
    return float(match[1]) * UNITS[match[2]]


class Reader:
    """One file on its way from text to checked tables."""

    def __init__(self, name, text):
        self.name, self.place = name, Place(text)
        try:
            self.data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ScenarioError(f"{name}: {error}") from None

    def fail(self, path, what):
        raise ScenarioError(f"{self.name}:{self.place.line(path)}: {what}")

    def read(self):
        tables = {"switch": [], "host": [], "fault": []}
        top = {}
        for key, value in self.data.items():
            if key in tables:
                tables[key] = [self._table(key, entry, (key, number)) for number, entry in enumerate(self._list(key, value))]
            elif key in KEYS and key not in ("scenario", "what", "host.interface", "lab_only"):
                tables[key] = self._table(key, value, (key,))
            else:
                top[key] = value
        scenario = {**self._table("scenario", top, ()), **tables}
        self._refer(scenario)
        self._for_both(scenario)
        for host in scenario["host"]:
            host["interface"] = [each for table in host["interface"] for each in self._written_out(table)]
        scenario["switch"] = [each for table in scenario["switch"] for each in self._written_out(table)]
        return scenario

    def _list(self, key, value):
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            self.fail((key,), f"'{key}' is a table that may be given several times: [[{key}]]")
        return value

    def _table(self, kind, entries, path):
        if not isinstance(entries, dict):
            self.fail(path, f"'{kind}' is a table: [{kind}]")
        found = {}
        for key, value in entries.items():
            if kind == "host" and key == "interface":
                found[key] = [self._table("host.interface", entry, (*path, key, number))
                              for number, entry in enumerate(self._list(key, value))]
            elif key not in KEYS[kind]:
                self.fail((*path, key), f"unknown key '{key}'")
            else:
                found[key] = self._value(KEYS[kind][key].rstrip("!"), value, (*path, key))
        for key, sort in KEYS[kind].items():
            if sort.endswith("!") and key not in found:
                self.fail(path, f"'{key}' is missing")
        if kind == "host":
            found.setdefault("interface", [])
        if kind == "fault":
            self._needs(found, path)
        return {**found, "path": path}

    def _value(self, sort, value, path):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = {"text": isinstance(value, str), "number": is_number and isinstance(value, int) and value >= 0,
                "texts": isinstance(value, list) and all(isinstance(entry, str) for entry in value),
                "share": is_number and 0 <= value <= 1, "flag": isinstance(value, bool),
                "what": isinstance(value, str) and value in KEYS["what"]}
        if sort == "duration":
            try:
                return seconds(value)
            except ValueError:
                self.fail(path, f"'{path[-1]}' is no duration: \"20ms\", \"1.5s\" or \"10min\"")
        if "|" in sort and value not in sort.split("|"):
            self.fail(path, f"'{path[-1]}' is none of {', '.join(sort.split('|'))}")
        if not fits.get(sort, isinstance(value, str)):
            self.fail(path, f"'{path[-1]}' is no {sort}")
        return value

    def _needs(self, fault, path):
        takes = KEYS["what"][fault["what"]]
        for key in takes:
            if key.endswith("!") and key.rstrip("!") not in fault:
                self.fail(path, f"'{key.rstrip('!')}' is missing")
        for key in fault:
            if key not in ALWAYS and key not in takes and key + "!" not in takes:
                self.fail((*path, key), f"'{fault['what']}' takes no '{key}'")

    def _refer(self, scenario):
        """Checks that what is named is there."""
        if ("only" in scenario) != ("because" in scenario):
            self.fail((), "'only' and 'because' go together")
        switches = [each["name"] for table in scenario["switch"] for each in self._written_out(table)]
        hosts = {host["name"]: [each["name"] for table in host["interface"] for each in self._written_out(table)]
                 for host in scenario["host"]}
        for host in scenario["host"]:
            for table in host["interface"]:
                for each in self._written_out(table):
                    self._is_there("switch", each["on"], switches, (*table["path"], "on"))
        for table in (*scenario["fault"], *([scenario["control"]] if "control" in scenario else [])):
            if "host" in table:
                self._is_there("host", table["host"], hosts, (*table["path"], "host"))
            if "switch" in table:
                self._is_there("switch", table["switch"], switches, (*table["path"], "switch"))
            if "interface" in table:
                names = (*hosts[table["host"]], *ANY_INTERFACE)
                self._is_there("interface", table["interface"], names, (*table["path"], "interface"))
        if [host["role"] for host in scenario["host"]].count("coordinator") > 1:
            self.fail((), "more than one coordinator")

    def _for_both(self, scenario):
        """Checks that the simulator can do it too, unless the file says otherwise."""
        if scenario.get("only") == "lab":
            return
        used = [((*host["path"], key), key) for host in scenario["host"] for key in host if key in KEYS["lab_only"]]
        used += [((*fault["path"], "what"), fault["what"]) for fault in scenario["fault"] if fault["what"] in KEYS["lab_only"]]
        for path, key in used:
            self.fail(path, f"'{key}' needs only = \"lab\": {KEYS['lab_only'][key]}")

    def _is_there(self, kind, name, names, path):
        if name not in names:
            self.fail(path, f"there is no {kind} '{name}'")

    def _written_out(self, table):
        """The tables that one with `count` stands for: "{}" in its texts is 0, 1, 2 ..."""
        if "count" not in table:
            return [table]
        count = table["count"]
        if not 1 <= count <= MANY:
            self.fail((*table["path"], "count"), f"'count' is none of 1 to {MANY}")
        return [{key: write_number(value, number) for key, value in table.items()} for number in range(count)]


def write_number(value, number):
    if isinstance(value, str):
        return value.replace("{}", str(number))
    return [entry.replace("{}", str(number)) for entry in value] if isinstance(value, list) else value


def load(path):
    """The scenario in a file, with its name; ScenarioError tells what is wrong with it."""
    scenario = Reader(str(path), Path(path).read_text(encoding="utf-8")).read()
    return {**scenario, "name": Path(path).stem}
