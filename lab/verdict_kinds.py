"""The kinds of fault of lab/verdicts.py: what is broken, where, and which class it must be put down to.

A fault is a function of the room (verdicts.Room). Nothing heals it, for every trial has a room of its own.
"""
from dataclasses import dataclass
from typing import Callable

PORT = 4711
NETS = ("192.0.2", "198.51.100")


def kill(where):
    def fault(room):
        (room.m if where == "m" else room.c).process.kill()
    return fault


def freeze(where):
    def fault(room):
        (room.m if where == "m" else room.c).process.freeze()
    return fault


def power_off(where):
    """No word of farewell from the kernel either: first the cables, then the process."""
    def fault(room):
        seat = room.m if where == "m" else room.c
        for cable in seat.cables:
            cable.pull()
        seat.process.kill()
    return fault


def admin_down(where):
    def fault(room):
        seat, _, device = room.ends_of(where)
        seat.host.set_link(device, False)
    return fault


def pull(where):
    def fault(room):
        room.ends_of(where)[1].pull()
    return fault


def remove(where):
    def fault(room):
        seat, _, device = room.ends_of(where)
        seat.host.ip(f"link del {device}")
    return fault


def move_away(where):
    def fault(room):
        seat, _, device = room.ends_of(where)
        seat.host.ip(f"link set {device} netns {room.switches[0].path}")
    return fault


def readdress(where, replace, prefix=24):
    def fault(room):
        seat, _, device = room.ends_of(where)
        net = NETS[int(device.removeprefix("lan"))]
        commands = [f"addr del {net}.{seat.number}/24 dev {device}"]
        if replace:
            commands.append(f"addr add {net}.{seat.number + 100}/{prefix} dev {device}")
        seat.host.ip(*commands)
    return fault


def drop_link_local(where):
    def fault(room):
        seat, _, device = room.ends_of(where)
        seat.host.ip(f"addr del {seat.address(room.lan)}/64 dev {device}")
    return fault


def ip(where, *commands):
    """iproute2 commands at m, c or the router; {c} and {m} are addresses, {dev} is the device in use."""
    def fault(room):
        seat = {"m": room.m, "c": room.c, "r": room.router}[where]
        device = f"lan{room.lan}" if where == "r" else room.ends_of(where)[2]
        names = {"c": room.c.address(room.c.nets[0] if room.router else room.lan), "m": room.m.address(room.lan),
                 "dev": device}
        seat.host.ip(*(command.format(**names) for command in commands))
    return fault


def nft(where, chain, rule, family="inet"):
    """One nftables rule in a base chain at m, c, the router ("r") or the switch ("s")."""
    def fault(room):
        host = {"m": room.m.host, "c": room.c.host, "r": room.router.host if room.router else None,
                "s": room.switches[room.lan]}[where]
        device = f"lan{room.lan}" if where == "r" else room.ends_of("c" if where == "c" else "m")[2]
        port = {who: room.ends_of(who)[1].port for who in "mc"}
        c = room.c.address(room.c.nets[0] if room.router else room.lan)
        text = rule.format(c=c, m=room.m.address(room.lan), dev=device, mport=port["m"], cport=port["c"],
                           ip="ip" if room.family == 4 else "ip6", PORT=PORT)
        host.nft(f"table {family} fault {{ chain x {{ type filter hook {chain} priority 0; {text}; }}; }}")
    return fault


def unplug_inside(where):
    """The switch forwards nothing of this port any more; carriers stay."""
    def fault(room):
        _, cable, _ = room.ends_of(where)
        cable.switch.ip(f"link set {cable.port} nomaster")
    return fault


def switch_dies(carriers):
    def fault(room):
        switch = room.switches[room.lan]
        switch.ip("link set br0 down") if carriers else [cable.pull() for cable in switch.cables]
    return fault


def router_cut(side):
    def fault(room):
        room.router.host.set_link(f"lan{side}", False)
    return fault


def prefer(where, text):
    def fault(room):
        seat, _, device = room.ends_of(where)
        seat.process.tell("prefer " + text.format(dev=device))
    return fault


def no_coordinator(room):
    """Nothing is done: nobody hosts."""


@dataclass
class Kind:
    what: str
    room: str
    viewer: str
    fault: Callable
    expected: str
    family: int = 4
    profile: str = "realtime"
    rate: int = 100
    quick: bool = False  # in the short form too
    why: str = ""        # for what cannot be told apart
    hosts: bool = False  # of dials: a coordinator is there

    def title(self):
        extra = "" if self.profile == "realtime" else f", {self.profile}"
        extra += "" if self.rate == 100 else ", idle"
        return f"{self.what} (IPv{self.family}{extra})"


UNTOLD = "two ends alone cannot tell"
HANGS = "a program that hangs and a filter that drops look the same"

KINDS = [
    # programs and devices that are gone
    Kind("coordinator's program killed", "lan", "m", kill("c"), "peer_dead", quick=True),
    Kind("coordinator's program killed", "lan", "m", kill("c"), "peer_dead", family=6),
    Kind("coordinator's program killed", "pair", "m", kill("c"), "peer_dead"),
    Kind("coordinator's program killed", "pair", "m", kill("c"), "peer_dead", profile="balanced"),
    Kind("coordinator's program killed", "pair", "m", kill("c"), "peer_dead", rate=1),
    Kind("coordinator's program killed", "two", "m", kill("c"), "peer_dead"),
    Kind("coordinator's program killed", "routed", "m", kill("c"), "peer_dead"),
    Kind("member's program killed", "lan", "c", kill("m"), "peer_dead", quick=True),
    Kind("member's program killed", "lan", "c", kill("m"), "peer_dead", family=6),
    Kind("member's program killed", "pair", "c", kill("m"), "peer_dead", profile="balanced"),
    Kind("member's program killed", "routed", "c", kill("m"), "peer_dead"),
    Kind("coordinator's device switched off", "lan", "m", power_off("c"), "peer_dead", quick=True),
    Kind("coordinator's device switched off", "lan", "m", power_off("c"), "peer_dead", family=6),
    Kind("coordinator's device switched off", "two", "m", power_off("c"), "peer_dead"),
    Kind("member's device switched off", "lan", "c", power_off("m"), "peer_dead"),
    Kind("member's device switched off", "lan", "c", power_off("m"), "peer_dead", family=6),
    Kind("coordinator's device switched off", "pair", "m", power_off("c"), "silent", why=UNTOLD),
    Kind("coordinator's program hangs, two ways", "two", "m", freeze("c"), "peer_dead"),
    Kind("coordinator's program hangs", "lan", "m", freeze("c"), "silent", why=HANGS),
    Kind("member's program hangs", "lan", "c", freeze("m"), "silent", why=HANGS),
    # interfaces
    Kind("own interface switched off", "pair", "m", admin_down("m"), "link_dead", quick=True),
    Kind("own interface switched off", "lan", "m", admin_down("m"), "link_dead", family=6),
    Kind("own interface switched off", "pair", "m", admin_down("m"), "link_dead", profile="balanced"),
    Kind("own interface switched off", "two", "m", admin_down("m"), "link_dead", quick=True),
    Kind("own interface switched off", "lan", "c", admin_down("c"), "link_dead"),
    Kind("own carrier lost", "pair", "m", pull("m"), "link_dead"),
    Kind("own carrier lost", "lan", "m", pull("m"), "link_dead", family=6),
    Kind("own carrier lost", "two", "m", pull("m"), "link_dead"),
    Kind("own carrier lost", "lan", "c", pull("c"), "link_dead"),
    Kind("own carrier lost", "pair", "m", pull("m"), "link_dead", rate=1),
    Kind("far carrier lost, another path is there", "two", "m", pull("c"), "link_dead", quick=True),
    Kind("far interface switched off, another path is there", "two", "m", admin_down("c"), "link_dead"),
    Kind("far carrier lost, another path is there", "two", "c", pull("m"), "path_moved",
         why="the coordinator sees its member come from elsewhere"),
    Kind("interface removed", "pair", "m", remove("m"), "link_dead"),
    Kind("interface removed", "two", "m", remove("m"), "link_dead"),
    Kind("interface removed", "lan", "c", remove("c"), "link_dead"),
    Kind("interface moved to another namespace", "pair", "m", move_away("m"), "link_dead"),
    Kind("switch off: all carriers lost", "lan", "m", switch_dies(False), "link_dead"),
    Kind("switch off: all carriers lost", "lan", "c", switch_dies(False), "link_dead"),
    # addresses and routes
    Kind("own address removed", "pair", "m", readdress("m", False), "path_moved"),
    Kind("own address replaced", "pair", "m", readdress("m", True), "path_moved", quick=True),
    Kind("own address replaced", "lan", "c", readdress("c", True), "path_moved"),
    Kind("own link-local address removed", "lan", "m", drop_link_local("m"), "path_moved", family=6),
    Kind("far address replaced", "pair", "m", readdress("c", True), "path_moved"),
    Kind("far address replaced", "two", "m", readdress("c", True), "path_moved"),
    Kind("far address removed, another path is there", "two", "m", readdress("c", False), "path_moved"),
    Kind("far address replaced", "two", "c", readdress("m", True), "path_moved"),
    Kind("own route removed", "routed", "m", ip("m", "route del default"), "path_moved", quick=True),
    Kind("the router's route removed: it says so", "routed", "m", router_cut(1), "path_moved"),
    # what receives nothing
    Kind("switch port forwards nothing", "lan", "m", unplug_inside("m"), "radio_stuck", quick=True),
    Kind("switch port forwards nothing", "lan", "m", unplug_inside("m"), "radio_stuck", family=6),
    Kind("switch port forwards nothing", "lan", "c", unplug_inside("c"), "radio_stuck"),
    Kind("switch port forwards nothing, another path is there", "two", "m", unplug_inside("m"), "radio_stuck"),
    Kind("switch hangs, carriers stay", "lan", "m", switch_dies(True), "radio_stuck"),
    Kind("switch hangs, carriers stay", "lan", "c", switch_dies(True), "radio_stuck"),
    Kind("nothing is received, sending works", "lan", "m",
         nft("s", "forward", 'oifname "{mport}" drop', "bridge"), "radio_stuck"),
    Kind("all frames of one hardware address dropped", "lan", "m",
         nft("s", "forward", 'iifname "{mport}" drop; oifname "{mport}" drop', "bridge"), "radio_stuck"),
    Kind("switch port forwards nothing", "pair", "m", unplug_inside("m"), "silent", why=UNTOLD),
    # policy
    Kind("own filter drops all UDP", "lan", "m", nft("m", "output", "meta l4proto udp drop"), "blocked_by_policy",
         quick=True),
    Kind("own filter drops all UDP", "lan", "m", nft("m", "output", "meta l4proto udp drop"), "blocked_by_policy",
         family=6),
    Kind("own filter drops the coordinator's port", "pair", "m", nft("m", "output", "udp dport {PORT} drop"),
         "blocked_by_policy"),
    Kind("own filter drops the coordinator's address", "pair", "m", nft("m", "output", "{ip} daddr {c} drop"),
         "blocked_by_policy"),
    Kind("own filter drops all of one interface", "two", "m", nft("m", "output", 'oifname "{dev}" drop'),
         "blocked_by_policy"),
    Kind("own filter rejects", "pair", "m", nft("m", "output", "udp dport {PORT} reject"), "blocked_by_policy"),
    Kind("own filter drops", "lan", "c", nft("c", "output", "{ip} daddr {m} drop"), "blocked_by_policy"),
    Kind("far filter: administratively prohibited", "pair", "m",
         nft("c", "input", "udp dport {PORT} reject with icmpx admin-prohibited"), "blocked_by_policy", quick=True),
    Kind("far filter: administratively prohibited", "lan", "m",
         nft("c", "input", "udp dport {PORT} reject with icmpx admin-prohibited"), "blocked_by_policy", family=6),
    Kind("far filter: host prohibited", "pair", "m",
         nft("c", "input", "udp dport {PORT} reject with icmp type host-prohibited"), "blocked_by_policy"),
    Kind("far filter: net prohibited", "pair", "m",
         nft("c", "input", "udp dport {PORT} reject with icmp type net-prohibited"), "blocked_by_policy"),
    Kind("far filter: administratively prohibited", "lan", "c",
         nft("m", "input", "udp sport {PORT} reject with icmpx admin-prohibited"), "blocked_by_policy"),
    Kind("router's filter: port unreachable", "routed", "m",
         nft("r", "forward", "udp dport {PORT} reject with icmpx port-unreachable"), "blocked_by_policy"),
    Kind("router's filter: administratively prohibited", "routed", "m",
         nft("r", "forward", "udp dport {PORT} reject with icmpx admin-prohibited"), "blocked_by_policy"),
    Kind("router's route prohibits", "routed", "m", ip("r", "route add prohibit {c}/32"), "blocked_by_policy"),
    Kind("own route prohibits", "routed", "m", ip("m", "route add prohibit {c}/32"), "blocked_by_policy"),
    Kind("own route is a blackhole", "routed", "m", ip("m", "route add blackhole {c}/32"), "blocked_by_policy"),
    Kind("own preferences prohibit the interface", "pair", "m", prefer("m", "--prohibit {dev}"),
         "blocked_by_policy"),
    Kind("own preferences prohibit the interface", "two", "m", prefer("m", "--prohibit {dev}"),
         "blocked_by_policy"),
    Kind("own preferences prohibit the interface", "lan", "c", prefer("c", "--prohibit {dev}"),
         "blocked_by_policy"),
    # what says nothing
    Kind("one pair of ports dropped on the way", "lan", "m",
         nft("s", "forward", "udp dport {PORT} drop; udp sport {PORT} drop", "bridge"), "silent", why=HANGS),
    Kind("far filter drops silently", "lan", "m", nft("c", "input", "udp dport {PORT} drop"), "silent", why=HANGS),
    Kind("far filter drops silently", "lan", "c", nft("m", "input", "udp sport {PORT} drop"), "silent", why=HANGS),
    Kind("own filter drops what comes in", "lan", "m", nft("m", "input", "udp sport {PORT} drop"), "silent",
         why=HANGS),
    Kind("router drops silently", "routed", "m", nft("r", "forward", "udp dport {PORT} drop"), "silent",
         why=HANGS),
    # joins
    Kind("join: nobody listens there", "dial", "m", no_coordinator, "peer_dead", quick=True),
    Kind("join: nobody listens there", "dial", "m", no_coordinator, "peer_dead", family=6),
    Kind("join: own filter drops", "dial", "m", nft("m", "output", "udp dport {PORT} drop"), "blocked_by_policy",
         hosts=True),
    Kind("join: far filter says no", "dial", "m",
         nft("c", "input", "udp dport {PORT} reject with icmpx admin-prohibited"), "blocked_by_policy", hosts=True),
    Kind("join: own interface switched off", "dial", "m", admin_down("m"), "link_dead", hosts=True),
    Kind("join: no carrier", "dial", "m", pull("m"), "link_dead", hosts=True),
    Kind("join: far filter drops silently", "dial", "m", nft("c", "input", "udp dport {PORT} drop"), "silent",
         hosts=True, why=HANGS),
]
