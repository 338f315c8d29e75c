#!/usr/bin/env python3
"""Tests of the board: what was not reached or not measured stands on the page, and docs/board shows its results.json."""
import json
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "lab"))
sys.dont_write_bytecode = True
import board  # noqa: E402
import board_plots  # noqa: E402
import board_tables  # noqa: E402
import report  # noqa: E402

MACHINE = {"cpu": "a processor", "cores": 2, "kernel": "6", "commit": "abc", "date": "2026-01-01 00:00 UTC",
           "load_before": 0.1, "load_after": 0.2}


def row(who, what, samples, **facts):
    return {"who": who, "what": what, "unit": "ms", **report.summary(samples, facts.get("never", 0)), "samples": samples, **facts}


def document(name, rows, **more):
    return {name: {"name": name, "machine": MACHINE, "rows": rows, **more}}


FAILOVER = document("failover", [
    row("Muster realtime", "admin down", [12.0, 13.0, 14.0], interrupted=0, bound=40),
    {"who": "Muster realtime", "what": "messages", "sent": 900, "lost": 0},
    row("TLS over TCP", "admin down", [510.0, 520.0], never=2, messages=400, lost=77),
    {"who": "libnice ICE", "what": "not measured", "why": "ice_pulse is not built: needs libnice-dev"}])


class Summary(unittest.TestCase):
    def test_never_is_longer_than_every_sample(self):
        found = report.summary([510.0, 520.0], never=2)
        self.assertEqual((found["n"], found["p50"], found["p99"], found["max"]), (4, 520.0, "never", "never"))

    def test_nothing_but_never(self):
        self.assertEqual(report.summary([], never=3)["p50"], "never")

    def test_without_never_nothing_changes(self):
        self.assertEqual(report.summary([1.0, 2.0])["p99"], 2.0)


class Page(unittest.TestCase):
    def setUp(self):
        self.page = board.page(FAILOVER)

    def test_shows_who_did_not_come_back_and_what_was_lost(self):
        self.assertIn("520<small>p99 never, n 4</small>", self.page)
        self.assertIn("77<small>of 400</small>", self.page)
        self.assertIn("0<small>of 900</small>", self.page)

    def test_counts_success_with_its_bound(self):
        self.assertIn('<td class="part">2/4<small>', self.page)
        self.assertIn('<td class="full">3/3<small>', self.page)
        self.assertEqual(board_tables.success_cell(row("x", "y", [], never=5))[0], "zero")

    def test_says_what_was_not_measured(self):
        self.assertIn("needs libnice-dev", self.page)
        self.assertIn("Not measured: discovery latency, connect", self.page)

    def test_every_report_that_is_measured_has_its_place(self):
        script = (ROOT / "script" / "board").read_text()
        names = script.split("\nnames=(", 1)[1].split(")", 1)[0].split()
        self.assertEqual(sorted(names), sorted(board.ORDER))

    def test_shows_the_cause_of_each_fault(self):
        page = board.page(document("verdicts", [
            row("lan", "power off (IPv4)", [120.0, 130.0], expected="peer_dead", right="2 of 3", viewer="c", said="silent"),
            {"who": "all", "what": "1 kinds of fault", "right": "2 of 3", "share": 0.67, "at_least": 0.25},
            {"who": "control", "what": "always link_dead", "right": "0 of 3"}]))
        self.assertIn("<td>power off (IPv4)<td>coordinator<td>peer_dead<td>2 of 3<td>120<small>max 130</small>"
                      '<td class="extra">said: silent', page)
        self.assertIn("control \u201calways link_dead\u201d: 0 of 3", page)

    def test_says_which_bounds_are_broken(self):
        self.assertIn("own carrier: p99 60 ms &lt;= 40 ms",
                      board.page(document("failover", FAILOVER["failover"]["rows"], broken=["own carrier: p99 60 ms <= 40 ms"])))

    def test_a_curve_of_who_did_not_always_succeed_ends_below_the_top(self):
        axis = board_plots.Axis([10.0, 1000.0])
        def end(rows):
            return board_plots.curve(axis, rows).split('"')[1].split()[-1].split(",")[1]
        self.assertEqual(end(row("x", "y", [510.0, 520.0], never=2)), f"{board_plots.y(0.5):.1f}")
        self.assertEqual(end(row("x", "y", [510.0, 520.0], never=0)), f"{board_plots.y(1):.1f}")

    def test_text_from_reports_is_text(self):
        page = board.page(document("failover", [row("<b>", "admin down", [1.0, 2.0], never=0, messages=1, lost=0)]))
        self.assertNotIn("<b>", page)


class Committed(unittest.TestCase):
    def test_the_page_is_made_from_the_results_beside_it(self):
        results = json.loads((ROOT / "docs/board/results.json").read_text())
        committed = (ROOT / "docs/board/index.html").read_text()
        self.assertTrue(board.page(results) == committed, "run script/board --render")  # no diff: it is long


if __name__ == "__main__":
    unittest.main()
