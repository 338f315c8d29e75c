"""The naive way to a coordinator, as negative control: its addresses once, the first of them, no interface, one UDP socket,
a second of patience; towards an echo service on the coordinator's host."""
import socket
import sys
import time

from plain_peers import ECHO

PORT = 7007
PATIENCE = 1.0


def _first_address(room, member):
    """As discovery tells it, without interface; or as the member was told."""
    known = member.table.get("knows")
    if known:
        return known[0].rsplit(":", 1)[0].strip("[]")
    browser = member.host.spawn([room.program("probe_browse")])
    browser.tell("find lab")
    found = browser.wait_for("found", 3.0)
    if not found:
        return None
    time.sleep(0.3)  # for addresses of the other family
    found = browser.wait_for("updated", 0.2) or found
    browser.stop()
    return found["endpoints"][0].rsplit(":", 1)[0].strip("[]").split("%")[0]


def naive_joins(room, tries):
    """How many of `tries` get an answer."""
    member, coordinator = room.members[0], room.coordinator.host
    has_v6 = any(coordinator.addresses(device) for device in room.coordinator.cables)
    coordinator.spawn([sys.executable, "-c", ECHO, str(PORT), "6" if has_v6 else "4"]).expect("up")
    address = _first_address(room, member)
    if address is None:
        return 0
    sockets, answered = [], 0
    with member.host.entered():
        for _ in range(tries):
            try:
                family, kind, protocol, _, where = socket.getaddrinfo(address, PORT, type=socket.SOCK_DGRAM)[0]
                probe = socket.socket(family, kind, protocol)
                probe.connect(where)
                probe.send(b"anybody there?")
                sockets.append(probe)
            except OSError:
                continue  # no scope, no route, no such family: a failure as good as silence
    deadline = time.monotonic() + PATIENCE
    for probe in sockets:
        probe.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            answered += probe.recv(64) == b"anybody there?"
        except OSError:
            pass
        probe.close()
    return answered
