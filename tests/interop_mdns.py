#!/usr/bin/env python3
"""mDNS beside programs that others wrote: Avahi and python3-zeroconf see us and we see them.

Each case builds its own network of kernel namespaces (lab/netlab.py): two hosts on a switch, or one host for the cases
about two responders on one port 5353. Prints one line per case and exits with 1 if any has failed; without root nothing
can be run, and that is said and reported as skipped (77).

    interop_mdns.py --tool build/dev/src/discovery/mdns_tool [--only WORD] [--measure N]
"""
import argparse
import os
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import avahi as avahi_peer  # noqa: E402
import netlab  # noqa: E402

TYPE = "_muster-it._udp"
TOOL = None
CASES = []
FAMILIES = {"ipv4": "--no-ipv6", "ipv6": "--no-ipv4"}  # the option that leaves the other one out


def case(function):
    CASES.append(function)
    return function


def check(condition, what):
    if not condition:
        raise AssertionError(what)


class Net:
    """Two hosts, a and b, on one switch."""

    def __init__(self):
        self.lab = netlab.Lab()

    def __enter__(self):
        self.lab.__enter__()
        switch = self.lab.switch()
        self.a, self.b = self.lab.host("a"), self.lab.host("b")
        self.cable_a = switch.plug(self.a, "lan0", ["192.0.2.1/24"])
        self.cable_b = switch.plug(self.b, "lan0", ["192.0.2.2/24"])
        wait_for_link_local(self.a)
        wait_for_link_local(self.b)
        return self

    def __exit__(self, *reason):
        return self.lab.__exit__(*reason)


def wait_for_link_local(host):
    for _ in range(200):
        if host.addresses("lan0"):
            return
        time.sleep(0.01)
    raise netlab.LabError(f"{host.name} got no IPv6 link-local address")


def ours(host, *arguments):
    process = host.spawn([TOOL, *arguments], f"mdns_tool {' '.join(arguments)}")
    process.started = process.expect("started")
    return process


def spoken(process, word, timeout=8.0):
    """Waits for a line of plain text with `word` in it."""
    event = process.wait_for("text", timeout, lambda line: word in line["text"])
    check(event is not None, f"{process.name} did not say '{word}' but: {process.lines[-6:]}")
    return event["text"]


def publish(daemon, *arguments):
    """avahi-publish; it says what became of the name on its standard error."""
    return daemon.spawn("sh", "-c", 'exec avahi-publish -s "$@" 2>&1', "avahi-publish", *arguments)


def zeroconf(host, program, *arguments):
    return host.spawn([netlab.PYTHON, "-u", "-c", program, *arguments], "python3-zeroconf")


ZEROCONF_BROWSER = """
import sys, time
from zeroconf import ServiceBrowser, Zeroconf, IPVersion, InterfaceChoice
version = IPVersion.V6Only if sys.argv[2] == 'ipv6' else IPVersion.V4Only
class Listener:
    def add_service(self, z, kind, name):
        info = z.get_service_info(kind, name, 3000)
        if info is None: print('unresolved', name, flush=True); return
        pairs = {k.decode(): (v.decode() if v is not None else None) for k, v in info.properties.items()}
        print('found', name, info.port, sorted(info.parsed_scoped_addresses()), pairs, flush=True)
    def update_service(self, z, kind, name): print('updated', name, flush=True)
    def remove_service(self, z, kind, name): print('left', name, flush=True)
zc = Zeroconf(ip_version=version, interfaces=InterfaceChoice.All)
ServiceBrowser(zc, sys.argv[1] + '.local.', Listener())
print('up', flush=True)
time.sleep(60)
"""

ZEROCONF_PUBLISHER = """
import sys, socket
from zeroconf import ServiceInfo, Zeroconf, IPVersion, InterfaceChoice
family, kind, name = sys.argv[1:4]
v6 = family == 'ipv6'
zc = Zeroconf(ip_version=IPVersion.V6Only if v6 else IPVersion.V4Only, interfaces=InterfaceChoice.All)
address = socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, sys.argv[4])
info = ServiceInfo(kind + '.local.', name + '.' + kind + '.local.', 4711, server='zc-host.local.', addresses=[address],
                   properties={'k': 'v', 'flag': None})
zc.register_service(info, allow_name_change=True)
print('up', info.name, flush=True)
sys.stdin.readline()
zc.unregister_service(info)
print('gone', flush=True)
zc.close()
"""


def link_local_of(host):
    return host.addresses("lan0")[0]


def avahi_sees_us(family):
    without = FAMILIES[family]
    with Net() as net:
        daemon = avahi_peer.Avahi(net.a)
        browser = daemon.spawn("avahi-browse", "-r", "-p", TYPE)
        mine = ours(net.b, "advertise", "stage left", TYPE, "4711", "--txt", "k=v", "--txt", "flag", without)
        line = spoken(browser, "=;lan0;" + ("IPv6" if family == "ipv6" else "IPv4"))
        fields = line.split(";")
        check(fields[8] == "4711", f"wrong port: {line}")
        check('"k=v"' in line and '"flag"' in line, f"TXT is not whole: {line}")
        check(fields[7] in ("192.0.2.2", link_local_of(net.b)), f"not our address: {line}")
        mine.stop()
        spoken(browser, "-;lan0;")


@case
def avahi_browse_sees_our_service_its_txt_and_goodbye_over_ipv4():
    avahi_sees_us("ipv4")


@case
def avahi_browse_sees_our_service_its_txt_and_goodbye_over_ipv6():
    avahi_sees_us("ipv6")


@case
def avahi_browse_sees_our_subtype():
    with Net() as net:
        daemon = avahi_peer.Avahi(net.a)
        ours(net.b, "advertise", "sub", TYPE, "4711", "--subtype", "_grp", "--unique")
        browser = daemon.spawn("avahi-browse", "-p", f"_grp._sub.{TYPE}")
        spoken(browser, ";sub;")


@case
def avahi_resolves_our_host_name():
    with Net() as net:
        daemon = avahi_peer.Avahi(net.a)
        mine = ours(net.b, "advertise", "host", TYPE, "4711", "--unique", "--host", "m-resolve-me")
        mine.expect("announced")
        for flag, address in (("-4", "192.0.2.2"), ("-6", link_local_of(net.b))):
            spoken(daemon.spawn("avahi-resolve-host-name", flag, "m-resolve-me.local"), address)


def we_see_avahi(family):
    without = FAMILIES[family]
    with Net() as net:
        mine = ours(net.a, "browse", TYPE, without)
        daemon = avahi_peer.Avahi(net.b)
        publisher = publish(daemon, "from avahi", TYPE, "4712", "k=v", "flag")
        found = mine.expect("found", 10, lambda event: event["name"] == "from avahi")
        check(found["port"] == 4712 and found["txt"] == {"k": "v", "flag": None}, f"not whole: {found}")
        check(any(("fe80" in one) == (family == "ipv6") for one in found["endpoints"]), f"no address: {found}")
        publisher.stop()
        left = mine.expect("left", 5, lambda event: event["name"] == "from avahi")
        check(left["reason"] == "goodbye", f"wrong reason: {left}")


@case
def we_see_what_avahi_publish_offers_and_its_goodbye_over_ipv4():
    we_see_avahi("ipv4")


@case
def we_see_what_avahi_publish_offers_and_its_goodbye_over_ipv6():
    we_see_avahi("ipv6")


@case
def we_browse_a_subtype_of_avahi():
    with Net() as net:
        mine = ours(net.a, "browse", TYPE, "--subtype", "_grp")
        daemon = avahi_peer.Avahi(net.b)
        publish(daemon, f"--subtype=_grp._sub.{TYPE}", "in the group", TYPE, "4712")
        publish(daemon, "outside", TYPE, "4713")
        mine.expect("found", 10, lambda event: event["name"] == "in the group")
        check(mine.wait_for("found", 1.5, lambda event: event["name"] == "outside") is None, "saw who is outside")


@case
def we_rename_when_avahi_has_the_name():
    with Net() as net:
        daemon = avahi_peer.Avahi(net.a)
        publisher = publish(daemon, "wanted", TYPE, "4712")
        spoken(publisher, "Established")
        mine = ours(net.b, "advertise", "wanted", TYPE, "4711")
        check(mine.expect("renamed", 8)["name"] == "wanted (2)", "wrong new name")
        mine.expect("announced", 8, lambda event: event["name"] == "wanted (2)")
        browser = daemon.spawn("avahi-browse", "-p", TYPE)
        spoken(browser, "wanted\\032\\0402\\041")


@case
def we_report_the_holder_when_avahi_has_the_name():
    with Net() as net:
        daemon = avahi_peer.Avahi(net.a)
        publisher = publish(daemon, "wanted", TYPE, "4712", "who=avahi")
        spoken(publisher, "Established")
        mine = ours(net.b, "advertise", "wanted", TYPE, "4711", "--report")
        conflict = mine.expect("conflict", 8)
        check(conflict["holder_port"] == 4712, f"holder not told: {conflict}")


@case
def avahi_renames_when_we_have_the_name():
    with Net() as net:
        mine = ours(net.b, "advertise", "wanted", TYPE, "4711", "--unique")
        mine.expect("announced")
        time.sleep(0.5)
        daemon = avahi_peer.Avahi(net.a)
        publisher = publish(daemon, "wanted", TYPE, "4712")
        spoken(publisher, "wanted #2")
        check(mine.wait_for("renamed", 0.5) is None, "we gave our name away")


def zeroconf_sees_us(family):
    without = FAMILIES[family]
    with Net() as net:
        browser = zeroconf(net.a, ZEROCONF_BROWSER, TYPE, family)
        spoken(browser, "up")
        mine = ours(net.b, "advertise", "stage left", TYPE, "4711", "--unique", "--txt", "k=v", "--txt", "flag", without)
        line = spoken(browser, f"found stage left.{TYPE}.local. 4711")
        check("'k': 'v'" in line and "'flag': None" in line, f"TXT is not whole: {line}")
        check("192.0.2.2" in line or "fe80" in line, f"no address: {line}")
        mine.stop()
        spoken(browser, f"left stage left.{TYPE}.local.")


@case
def zeroconf_sees_our_service_its_txt_and_goodbye_over_ipv4():
    zeroconf_sees_us("ipv4")


@case
def zeroconf_sees_our_service_its_txt_and_goodbye_over_ipv6():
    zeroconf_sees_us("ipv6")


def we_see_zeroconf(family):
    without = FAMILIES[family]
    with Net() as net:
        mine = ours(net.a, "browse", TYPE, without)
        address = link_local_of(net.b) if family == "ipv6" else "192.0.2.2"
        publisher = zeroconf(net.b, ZEROCONF_PUBLISHER, family, TYPE, "from zeroconf", address)
        spoken(publisher, "up")
        found = mine.expect("found", 8)
        check(found["name"] == "from zeroconf" and found["port"] == 4711, f"wrong service: {found}")
        check(found["txt"] == {"k": "v", "flag": None}, f"TXT is not whole: {found}")
        check(any(address in one for one in found["endpoints"]), f"no address: {found}")
        publisher.tell("")
        check(mine.expect("left", 5)["reason"] == "goodbye", "wrong reason")


@case
def we_see_what_zeroconf_offers_and_its_goodbye_over_ipv4():
    we_see_zeroconf("ipv4")


@case
def we_see_what_zeroconf_offers_and_its_goodbye_over_ipv6():
    we_see_zeroconf("ipv6")


@case
def zeroconf_renames_when_we_have_the_name():
    with Net() as net:
        ours(net.b, "advertise", "wanted", TYPE, "4711", "--unique").expect("announced")
        time.sleep(0.5)
        publisher = zeroconf(net.a, ZEROCONF_PUBLISHER, "ipv4", TYPE, "wanted", "192.0.2.1")
        line = spoken(publisher, "up")
        check("wanted-2" in line, f"zeroconf took our name: {line}")


@case
def beside_avahi_on_the_same_host_its_clients_keep_working():
    with Net() as net:
        here = avahi_peer.Avahi(net.a)
        far = avahi_peer.Avahi(net.b)
        mine = ours(net.a, "advertise", "ours", TYPE, "4711", "--unique")
        check(mine.started["sharing"] == "shared", "did not notice that the port is taken")
        mine.expect("announced")
        publish(far, "far", TYPE, "4713")
        browser = here.spawn("avahi-browse", "-r", "-p", TYPE)
        spoken(browser, ";far;", 10)
        spoken(browser, ";ours;", 10)
        for _ in range(10):  # unicast answers must reach Avahi, every time
            spoken(here.spawn("avahi-resolve-host-name", "-4", "b.local"), "192.0.2.2", 6)
            time.sleep(0.1)
        publisher = publish(here, "neighbour", TYPE, "4714")
        spoken(publisher, "Established")
        spoken(far.spawn("avahi-browse", "-r", "-p", TYPE), ";neighbour;", 10)


@case
def beside_avahi_on_the_same_host_we_keep_working():
    with Net() as net:
        here = avahi_peer.Avahi(net.a)
        mine = ours(net.a, "browse", TYPE)
        check(mine.started["sharing"] == "shared", "did not notice that the port is taken")
        publish(here, "same host", TYPE, "4712")
        far = ours(net.b, "advertise", "far", TYPE, "4711", "--unique")
        mine.expect("found", 8, lambda event: event["name"] == "same host")
        found = mine.expect("found", 8, lambda event: event["name"] == "far")
        check(len(found["endpoints"]) == 2, f"one family is missing: {found}")
        resolving = ours(net.a, "resolve", "far", TYPE)
        resolving.expect("found", 5)
        ours(net.a, "advertise", "ours", TYPE, "4715", "--unique").expect("announced")
        spoken(here.spawn("avahi-browse", "-r", "-p", TYPE), ";ours;")
        far.stop()
        mine.expect("left", 5, lambda event: event["name"] == "far")


@case
def avahi_that_starts_after_us_keeps_its_clients_working():
    with Net() as net:
        mine = ours(net.a, "advertise", "ours", TYPE, "4711", "--unique")
        check(mine.started["sharing"] == "sole", "the port should have been free")
        here = avahi_peer.Avahi(net.a)
        avahi_peer.Avahi(net.b)
        for _ in range(5):
            spoken(here.spawn("avahi-resolve-host-name", "-4", "b.local"), "192.0.2.2", 6)
        spoken(here.spawn("avahi-browse", "-r", "-p", TYPE), ";ours;", 10)


@case
def several_programs_of_ours_on_one_host_see_each_other():
    with Net() as net:
        first = ours(net.a, "browse", TYPE)
        second = ours(net.a, "browse", TYPE)
        check((first.started["sharing"], second.started["sharing"]) == ("sole", "shared"), "wrong sharing")
        offer = ours(net.a, "advertise", "third", TYPE, "4711", "--unique")
        for browser in (first, second):
            browser.expect("found", 5, lambda event: event["name"] == "third")
        late = ours(net.a, "browse", TYPE)
        late.expect("found", 5)
        offer.stop()
        for browser in (first, second, late):
            browser.expect("left", 5)


@case
def a_pulled_cable_removes_what_was_behind_it_at_once():
    with Net() as net:
        mine = ours(net.a, "browse", TYPE)
        ours(net.b, "advertise", "far", TYPE, "4711", "--unique")
        mine.expect("found", 5)
        at = net.cable_a.pull()
        left = mine.expect("left", 5)
        check(left["reason"] == "carrier_lost", f"wrong reason: {left}")
        check(left["t"] - at < 200e6, f"took {(left['t'] - at) / 1e6} ms")
        net.cable_a.plug_in()
        mine.expect("found", 10)


@case
def nobody_else_on_the_network_is_needed_loopback_will_do():
    with netlab.Lab() as lab:
        host = lab.host("alone")
        mine = ours(host, "browse", TYPE)
        ours(host, "advertise", "local", TYPE, "4711", "--unique")
        found = mine.expect("found", 5)
        check(any("127.0.0.1" in one for one in found["endpoints"]), f"no loopback address: {found}")


def percentiles(name, values):
    values.sort()
    pick = lambda share: values[min(len(values) - 1, int(len(values) * share))]
    print(f"{name}: n={len(values)} p50={pick(.5):.2f} p90={pick(.9):.2f} p99={pick(.99):.2f} max={values[-1]:.2f} ms",
          flush=True)


def measure(count):
    """Publish to seen by a running browser, and start to found of a unique name; a process for each try."""
    with Net() as net:
        browser = ours(net.a, "browse", TYPE)
        time.sleep(1)
        seen, gone, found = [], [], []
        for number in range(count):
            offer = ours(net.b, "advertise", f"s{number}", TYPE, "4711", "--unique")
            event = browser.expect("found", 5, lambda event: event["name"] == f"s{number}")
            seen.append((event["t"] - offer.started["t"]) / 1e6)
            offer.signal(signal.SIGTERM)
            stopping = offer.expect("stopping")
            left = browser.expect("left", 5, lambda event: event["name"] == f"s{number}")
            gone.append((left["t"] - stopping["t"]) / 1e6)
            offer.stop()
        ours(net.b, "advertise", "coord", TYPE, "4711", "--unique", "--unlisted").expect("announced")
        time.sleep(2)
        for _ in range(count):
            asker = ours(net.a, "resolve", "coord", TYPE)
            found.append((asker.expect("found", 5)["t"] - asker.started["t"]) / 1e6)
            asker.stop()
        percentiles("publish to seen", seen)
        percentiles("goodbye to left", gone)
        percentiles("start to found of a unique name", found)


def main():
    global TOOL
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--measure", type=int, default=0)
    arguments = parser.parse_args()
    netlab.need_root("mDNS beside Avahi and python3-zeroconf")
    TOOL = os.path.abspath(arguments.tool)
    if arguments.measure:
        return measure(arguments.measure)
    failed = tried = 0
    for function in CASES:
        if arguments.only not in function.__name__:
            continue
        tried += 1
        begin = time.monotonic()
        try:
            function()
            verdict = "ok"
        except Exception:
            failed += 1
            verdict = "FAILED\n" + traceback.format_exc()
        print(f"{function.__name__.replace('_', ' ')}: {verdict} ({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"{failed} of {tried} failed" if failed else f"all {tried} passed")
    return 1 if failed else 0


sys.exit(main())
