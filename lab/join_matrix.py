#!/usr/bin/python3
"""Does a member get in, in every network in which there is a way at all?

n joins in each network of lab/scenarios that is named below, every one a new process: the ten of docs/LAB.md, "The ten networks",
and some more. In each the naive client for comparison (naive_client.py). It must fail in at least three of the networks, or they would
prove nothing.
"""
import netlab
import report
import scenario
import scenario_file

TEN = ("same_bridge", "routed", "no_route_common_cable", "no_ipv4", "v4_link_local_only", "cellular_coordinator",
       "multicast_blocked", "one_way_multicast", "like_bluetooth", "interface_removed")
MORE = ("v6_link_local_only", "no_ipv6", "wrong_default_route", "nat", "interface_replaced", "interfaces_16", "interfaces_64")
NAIVE_MUST_FAIL_IN = 3


def measure(lab, result, arguments):
    of = {"joined": 0, "n": 0}
    naive_failed = []
    for name in TEN + MORE:
        table = scenario_file.load(report.ROOT / "lab" / "scenarios" / f"{name}.toml")
        with netlab.Lab() as room:
            joins = scenario.Joins(scenario.Room(room, table, arguments), result, arguments.n)
            joins.run(with_naive=True)
        if joins.naive < arguments.n:
            naive_failed.append(name)
        if name in TEN:
            of["joined"] += len(joins.times)
            of["n"] += arguments.n
    bound = report.wilson_lower(of["joined"], of["n"])
    result.note("wilson: one-sided 95 % lower bound of the success rate")
    result.require(of["joined"] == of["n"], f"the ten networks together: {of['joined']} of {of['n']} joined, at least {bound:.4f}")
    result.require(len(naive_failed) >= NAIVE_MUST_FAIL_IN,
                   f"the naive client fails in {len(naive_failed)} networks: {', '.join(naive_failed)}")


if __name__ == "__main__":
    report.run("join_matrix", __doc__, measure, n=100)
