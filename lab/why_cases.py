"""What can be in the way of packets: one broken network for each cause, made by a function (lab/why.py)."""
import contextlib
import errno
import fcntl
import os
import socket
import struct
import time

import netlab
import report

SERVER = str(report.ROOT / "lab" / "why_server.py")
PORT = 7000
HOST, HOST6, FAR = "10.9.0.2", "2001:db8:9::2", "192.0.2.2"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


class Room:
    def __init__(self, lab):
        self.lab = lab
        self.lan, self.beyond = lab.switch("lan"), lab.switch("beyond")
        self.me, self.host, self.router, self.far = (lab.host(name) for name in ("me", "host", "router", "far"))
        self.cable = self.lan.plug(self.me, "lan0", ["10.9.0.1/24", "2001:db8:9::1/64"])
        self.lan.plug(self.host, "lan0", [f"{HOST}/24", f"{HOST6}/64"])
        self.lan.plug(self.router, "lan0", ["10.9.0.254/24"])
        self.beyond.plug(self.router, "far0", ["192.0.2.254/24"])
        self.beyond.plug(self.far, "far0", [f"{FAR}/24"])
        self.router.sysctl("net.ipv4.ip_forward", 1)
        self.me.ip("route add default via 10.9.0.254")
        self.far.ip("route add default via 192.0.2.254")
        for server in (self.host, self.far):
            server.spawn([netlab.PYTHON, SERVER, str(PORT)], "server").expect("listening")

    def second(self, addresses=("10.8.0.1/24",)):
        """Another network at this machine, with a host 10.8.0.2 that answers nothing in particular."""
        self.other = self.lab.switch("other")
        cable = self.other.plug(self.me, "alt0", list(addresses))
        self.neighbour = self.lab.host("neighbour")
        self.other.plug(self.neighbour, "alt0", ["10.8.0.2/24"])
        return cable

    def tunnel(self, *routes):
        """A VPN that is up and swallows everything."""
        with self.me.entered():
            self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", b"vpn0", IFF_TUN | IFF_NO_PI))
        self.me.ip("addr add 10.99.0.1/32 dev vpn0", "link set vpn0 up", *(f"route add {route} dev vpn0" for route in routes))

    def close(self):
        if hasattr(self, "tun"):
            os.close(self.tun)

    def ask(self, program, words):
        process = self.me.spawn([program, "why", *words, "--json"], "why")
        return process.expect("why", 20)

    def begin_unprivileged(self, program, words):
        """By nobody, who may neither listen to the wire nor ping."""
        return self.me.spawn(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "why", *words, "--json"], "nobody")

    def plain_connect(self, words):
        """What connect(), or a datagram and a second one, say to a program that knows nothing else."""
        host, _, port = words[0].rpartition(":") if ":" in words[0] else (words[0], "", PORT)
        kind = socket.SOCK_DGRAM if "--udp" in words else socket.SOCK_STREAM
        with self.me.entered(), contextlib.ExitStack() as stack:
            try:
                found = socket.getaddrinfo(host.strip("[]"), int(port), type=kind)[0]
                plain = stack.enter_context(socket.socket(found[0], kind))
                plain.settimeout(2)
                plain.connect(found[4])
                if kind == socket.SOCK_DGRAM:
                    plain.send(b"?")
                    plain.recv(10)
                return "connected"
            except socket.gaierror:
                return "no such name"
            except TimeoutError:
                return "timed out"
            except OSError as error:
                return errno.errorcode.get(error.errno, str(error.errno))


LAN_TCP, LAN_ALONE, FAR_TCP = [f"{HOST}:{PORT}"], [HOST], [f"{FAR}:{PORT}"]
CASES = []


def case(cause, *words, also=(), privileged=False):
    """`also`: what may stand beside it. `privileged`: only root can know."""
    def register(function):
        CASES.append((function.__name__, cause, list(words), set(also), privileged, function))
        return function
    return register


@case("name_unknown", "nobody.invalid:7000")
def name_that_nobody_knows(room):
    pass


@case("no_scope", "[fe80::1]:7000")
def link_local_without_interface(room):
    pass


@case("interface_missing", *LAN_TCP, "--interface", "wlan7")
def interface_that_is_not_there(room):
    pass


@case("interface_missing", *LAN_TCP, "--interface", "a_name_too_long0")
def interface_name_of_16_octets(room):
    pass


@case("interface_down", *LAN_TCP)
def interface_off(room):
    room.me.ip("link set lan0 down")


@case("interface_down", *LAN_TCP, "--interface", "alt0", also={"default_elsewhere"})
def wanted_interface_off(room):
    room.second()
    room.me.ip("link set alt0 down")


@case("no_carrier", *LAN_TCP)
def cable_out(room):
    room.cable.pull()
    time.sleep(0.1)


@case("no_address", *LAN_TCP)
def no_dhcp(room):
    room.me.ip("addr flush dev lan0")


@case("address_tentative", f"[{HOST6}]:7000")
def address_being_checked(room):
    room.me.sysctl("net.ipv6.conf.lan0.accept_dad", 1)
    room.me.sysctl("net.ipv6.conf.lan0.dad_transmits", 20)
    room.me.ip("addr flush dev lan0", "addr add 2001:db8:9::1/64 dev lan0")


@case("address_duplicate", f"[{HOST6}]:7000")
def address_of_somebody_else(room):
    room.me.sysctl("net.ipv6.conf.lan0.accept_dad", 1)
    room.host.ip("addr add 2001:db8:9::3/64 dev lan0 nodad")
    room.me.ip("addr flush dev lan0", "addr add 2001:db8:9::3/64 dev lan0")
    time.sleep(1.5)


@case("ipv6_disabled", f"[{HOST6}]:7000")
def ipv6_off(room):
    room.me.sysctl("net.ipv6.conf.all.disable_ipv6", 1)


@case("no_route", *FAR_TCP)
def no_default_route(room):
    room.me.ip("route del default")


@case("blackhole", *FAR_TCP)
def route_blackhole(room):
    room.me.ip("route add blackhole 192.0.2.0/24")


@case("prohibit", *FAR_TCP)
def route_prohibit(room):
    room.me.ip("route add prohibit 192.0.2.0/24")


@case("unreachable", *FAR_TCP)
def route_unreachable(room):
    room.me.ip("route add unreachable 192.0.2.0/24")


@case("rule_forbids", *FAR_TCP)
def rule_prohibit(room):
    room.me.ip("rule add pref 100 to 192.0.2.0/24 prohibit")


@case("same_subnet", *LAN_TCP, also={"host_silent"})
def same_subnet_twice(room):
    room.second(["10.9.0.77/24"])
    room.me.ip("route del 10.9.0.0/24 dev alt0", "route del 10.9.0.0/24 dev lan0",
               "route add 10.9.0.0/24 dev alt0 src 10.9.0.77", "route add 10.9.0.0/24 dev lan0 metric 50 src 10.9.0.1")


@case("default_elsewhere", "10.8.0.2", "--interface", "alt0")
def host_by_the_other_default_route(room):
    room.second()
    room.me.ip("route del 10.8.0.0/24 dev alt0", "route add 10.8.0.0/24 dev alt0 table 77")
    room.me.ip("rule add pref 90 oif alt0 lookup 77")


@case("vpn", *FAR_TCP, also={"lost_beyond"})
def full_tunnel(room):
    room.tunnel("0.0.0.0/1", "128.0.0.0/1")


@case("foreign_source", "10.9.0.2", "--interface", "alt0", also={"default_elsewhere"})
def source_of_another_interface(room):
    room.second(["192.168.7.1/24"])
    room.me.ip("route add 10.9.0.0/24 dev alt0 metric 500 src 10.9.0.1")


@case("gateway_silent", *FAR_TCP)
def gateway_gone(room):
    room.router.ip("link set lan0 down")


@case("host_silent", *LAN_TCP)
def host_gone(room):
    room.host.ip("link set lan0 down")


@case("host_silent", f"[{HOST6}]:7000")
def host_gone_ipv6(room):
    room.host.ip("link set lan0 down")


@case("port_closed", f"{HOST}:7001")
def port_closed_tcp(room):
    pass


@case("port_closed", f"{HOST}:7001", "--udp")
def port_closed_udp(room):
    pass


@case("filtered", *LAN_TCP)
def peer_drops_port(room):
    room.host.nft("table inet wall { chain in { type filter hook input priority 0; tcp dport 7000 drop; }; }")


@case("filtered", *LAN_TCP)
def peer_drops_everything(room):
    room.host.nft("table inet wall { chain in { type filter hook input priority 0; ip protocol { tcp, udp, icmp } drop; }; }")


@case("filtered", *FAR_TCP)
def router_prohibits(room):
    room.router.nft("table inet wall { chain pass { type filter hook forward priority 0; ip daddr 192.0.2.2 reject with icmp admin-prohibited; }; }")


@case("own_firewall_out", *LAN_TCP)
def own_filter_out_all(room):
    room.me.nft("table inet wall { chain out { type filter hook output priority 0; ip daddr 10.9.0.2 drop; }; }")


@case("own_firewall_out", *LAN_TCP, privileged=True)
def own_filter_out_tcp(room):
    room.me.nft("table inet wall { chain out { type filter hook output priority 0; tcp dport 7000 drop; }; }")


@case("own_firewall_out", *LAN_TCP, privileged=True)
def own_filter_out_reject(room):
    room.me.nft("table inet wall { chain out { type filter hook output priority 0; tcp dport 7000 reject with tcp reset; }; }")


@case("own_firewall_in", *LAN_TCP, privileged=True)
def own_filter_in(room):
    room.me.nft("table inet wall { chain in { type filter hook input priority 0; ip saddr 10.9.0.2 drop; }; }")


@case("rp_filter", *FAR_TCP)
def answers_by_another_interface(room):
    room.second()
    room.other.plug(room.router, "alt0", ["10.8.0.254/24"])
    room.router.ip("route add 10.9.0.1/32 via 10.8.0.1 dev alt0")
    room.me.sysctl("net.ipv4.conf.all.rp_filter", 1)
    room.me.sysctl("net.ipv4.conf.alt0.rp_filter", 1)


@case("mtu_black_hole", *FAR_TCP, privileged=True)
def large_packets_vanish(room):
    room.router.nft("table inet hole { chain pass { type filter hook forward priority 0; meta length > 1400 drop; }; }")


@case("router_refuses", *FAR_TCP)
def router_without_route(room):
    room.router.ip("link set far0 down")


@case("lost_beyond", *FAR_TCP)
def far_host_off(room):
    room.router.nft("table inet hole { chain pass { type filter hook forward priority 0; ip daddr 192.0.2.2 drop; }; }")


@case("own_address", "10.9.0.1")
def own_address(room):
    pass


# What is known before anything is sent: nothing had to be read that only root may.
EARLY = {"name_unknown", "no_scope", "interface_missing", "interface_down", "no_carrier", "no_address", "address_tentative",
         "address_duplicate", "ipv6_disabled", "no_route", "blackhole", "prohibit", "unreachable", "rule_forbids", "foreign_source"}
