#!/usr/bin/python3
"""Whether `muster why` names what is in the way, in a network made for each cause, with the evidence; and what it says of an
access point without internet beside another network that has the default route (report U18, four questions).

This machine ("me") is on a LAN with a host and a router, behind which is a far host; all of them answer, also on TCP and UDP port
7000. Each case breaks one thing. It counts as named if the first finding is that cause; beside it may stand what is so as well.
Controls: an unbroken network, about which nothing may be found; and what a plain program learns: the error of connect(), by which
it can tell only those cases apart that have one of their own.
"""
import collections
import contextlib
import json
import socket
import time

import netlab
import report
from why_cases import CASES, EARLY, FAR, FAR_TCP, HOST, HOST6, LAN_ALONE, LAN_TCP, PORT, Room, SERVER


def run_case(result, program, entry):
    name, cause, words, also, privileged, prepare = entry
    with netlab.Lab() as lab:
        room = Room(lab)
        with contextlib.closing(room):
            prepare(room)
            began = time.monotonic()
            answer = room.ask(program, words)
            took = time.monotonic() - began
            unprivileged = room.begin_unprivileged(program, words)
            naive = room.plain_connect(words)
            nobody = unprivileged.expect("why", 20)
    named = [finding["cause"] for finding in answer["findings"]]
    by_nobody = [finding["cause"] for finding in nobody["findings"]]
    fine = bool(named) and named[0] == cause and set(named) <= {cause} | also | {"no_address"}
    first = answer["findings"][0] if named else {"certainty": "", "signal": ""}
    result.row(name, cause, named=", ".join(named) or "nothing", certainty=first["certainty"], signal=first["signal"],
               ms=round(took * 1000), nobody=", ".join(by_nobody) or "nothing", connect=naive)
    return {"fine": fine and bool(first["signal"]), "took": took, "nobody": by_nobody[:1] == [cause], "privileged": privileged,
            "says_unread": bool(nobody["unread"]) or not nobody["seen"] or cause in EARLY, "naive": naive, "cause": cause}


def healthy(result, program):
    with netlab.Lab() as lab:
        room = Room(lab)
        for words in (LAN_TCP, LAN_ALONE, FAR_TCP, [f"{FAR}:{PORT}", "--udp"], [f"[{HOST6}]:{PORT}"], [HOST, "--interface", "lan0"]):
            answer = room.ask(program, words)
            result.require(answer["reaches"] and not answer["findings"],
                           f"{' '.join(words)} answers, and nothing is found: {[f['cause'] for f in answer['findings']]}")


def access_point(result, program):
    """U18: the device at 192.168.4.1 on its own Wi-Fi without internet; another interface has the default route."""
    with netlab.Lab() as lab:
        me, device, internet = lab.host("me"), lab.host("device"), lab.host("internet")
        wifi, cell = lab.switch("wifi"), lab.switch("cell")
        wifi.plug(device, "ap0", ["192.168.4.1/24"])
        wifi.plug(me, "wlan0")
        cell.plug(internet, "cell0", ["10.9.0.1/24"])
        cell.plug(me, "cell0", ["10.9.0.2/24"])
        me.ip("route add default via 10.9.0.1")
        device.spawn([netlab.PYTHON, SERVER, str(PORT)], "server").expect("listening")
        ask = lambda *words: me.spawn([program, "why", *words, "--json"], "why").expect("why", 20)
        causes = lambda answer: [finding["cause"] for finding in answer["findings"]]
        target = f"192.168.4.1:{PORT}"

        result.row("control: connect() before DHCP", "what a program learns", says=connect_from(me, "192.168.4.1"))
        before = ask(target, "--interface", "wlan0")
        result.row("U18 before DHCP", "wanted: wlan0", named=", ".join(causes(before)), **before["questions"])
        result.require(causes(before)[:1] == ["no_address"] and "default_elsewhere" in causes(before),
                       "before DHCP: wlan0 has no address, and the default route takes the packets")
        result.require("cell0" in before["questions"]["chosen"] and "default" in before["questions"]["chosen"],
                       "question 1: cell0 is chosen, by the default route")
        result.require("wlan0" in before["questions"]["rivals"], "question 2: it changes when wlan0 gets an address")
        result.require("no route" in before["questions"]["extent"], "question 3: wlan0 leads nowhere yet")
        result.require("promises nothing" in before["questions"]["shown"] and "no answer" in before["questions"]["shown"],
                       "question 4: that there is a route shows nothing; the host has not answered")

        unasked = ask(target)
        result.require("no_address" in causes(unasked), f"without --interface, wlan0 is a possibility: {causes(unasked)}")
        me.ip("route add 192.168.4.0/24 dev wlan0")
        borrowed = ask(target, "--interface", "wlan0")
        result.require(causes(borrowed)[:1] in (["foreign_source"], ["no_address"]),
                       f"with a route and no own address the source is foreign: {causes(borrowed)}")
        me.ip("route del 192.168.4.0/24 dev wlan0", "addr add 192.168.4.2/24 dev wlan0")
        after = ask(target, "--interface", "wlan0")
        result.row("U18 after DHCP", "wanted: wlan0", named=", ".join(causes(after)) or "nothing", **after["questions"])
        result.require(after["reaches"] and not after["findings"], f"after DHCP the device answers: {causes(after)}")
        result.require("192.168.4.0/24 only" in after["questions"]["extent"], "question 3: without gateway, its own prefix only")
        beyond = ask("192.0.2.1", "--interface", "wlan0")
        result.require("no_route" in causes(beyond) or "default_elsewhere" in causes(beyond),
                       f"beyond the access point nothing goes by wlan0: {causes(beyond)}")


def connect_from(host, address):
    with host.entered(), socket.socket() as plain:
        plain.settimeout(1)
        try:
            plain.connect((address, PORT))
            return "connected"
        except OSError as error:
            return str(error)


def scenario(_, result, arguments):
    program = f"{arguments.build}/cli/muster"
    wanted = [entry for entry in CASES if not arguments.only or entry[0] in arguments.only.split(",")]
    outcomes = [run_case(result, program, entry) for entry in wanted * arguments.n]
    total, named = len(outcomes), sum(each["fine"] for each in outcomes)
    result.row("as root", "first finding is the cause", named=named, of=total)
    result.require(named * 20 >= total * 19, f"{named} of {total} causes named, with evidence (at least 19 of 20)")
    open_to_all = [each for each in outcomes if not each["privileged"]]
    told = sum(each["nobody"] for each in open_to_all)
    result.row("as nobody", "first finding is the cause, where root is not needed", named=told, of=len(open_to_all))
    result.require(told * 20 >= len(open_to_all) * 17, f"without privileges: {told} of {len(open_to_all)} (at least 17 of 20)")
    result.require(all(each["says_unread"] for each in outcomes), "what nobody could not read is said")
    slowest = max(each["took"] for each in outcomes)
    result.require(slowest <= 3 + 0.5 * arguments.slack, f"the slowest took {slowest:.2f} s: 3 s is the bound")
    alike = collections.defaultdict(set)
    for each in outcomes:
        alike[each["naive"]].add(each["cause"])
    apart = sum(len(causes) == 1 for causes in alike.values())
    distinct = len({each["cause"] for each in outcomes})
    result.row("control: plain connect()", "causes that it can tell apart", apart=apart, of=distinct,
               errors=json.dumps({error: len(causes) for error, causes in sorted(alike.items())}))
    result.require(arguments.only or apart * 3 <= distinct, f"the error of connect() tells {apart} of {distinct} causes apart")
    if not arguments.only:
        healthy(result, program)
        access_point(result, program)


if __name__ == "__main__":
    arguments = report.parser("why", __doc__, n=1)
    arguments.add_argument("--only", help="these cases alone: NAME,...")
    report.run_parsed("why", scenario, arguments.parse_args())
