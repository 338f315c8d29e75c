"""Networks made of kernel namespaces, for laboratories that run real processes on real kernel links.

    with netlab.Lab() as lab:
        switch = lab.switch()
        a, b = lab.host("a"), lab.host("b")
        switch.plug(a, "lan0", ["192.0.2.1/24"])
        cable = switch.plug(b, "lan0")
        server = a.spawn(["build/dev/lab/probe_host"], "host")
        server.expect("ready")
        cable.pull()                       # b's carrier goes, a's stays

Nothing here has a name in the system: namespaces are held by file descriptors of this process and processes die with
it (PR_SET_PDEATHSIG), so that even after a SIGKILL nothing stays behind. Needs root.

Times are CLOCK_MONOTONIC in nanoseconds: one clock for all namespaces of the machine.
"""
import contextlib
import ctypes
import fcntl
import itertools
import json
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import sanitizers

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
RTM_DELLINK, NLM_F_REQUEST, NLM_F_ACK = 17, 1, 4
PYTHON = "/usr/bin/python3"  # the one that has python3-zeroconf
FIRST_INDEX = 1000
SKIPPED = 77  # the exit code by which a test says "skipped" to ctest


class LabError(Exception):
    """The laboratory itself did not work; says nothing about what is tested in it."""


def need_root(what):
    """Ends the program with the code for "skipped" unless it runs as root."""
    if os.geteuid() != 0:
        print(f"{what}: not root, so no network namespaces: nothing was run")
        sys.exit(SKIPPED)


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def _checked(result, what):
    if result != 0:
        raise LabError(f"{what}: {os.strerror(ctypes.get_errno())}")


def _open_own_namespace():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Process:
    """A program that prints one JSON object per line; lines of other kinds are kept as {"event": "text"}."""

    def __init__(self, name, argv, pid, out, stdin):
        self.name, self.argv, self.pid, self.stdin = name, argv, pid, stdin
        self.exit_code = None
        self.lines = []
        self._events = queue.Queue()
        self._skipped = []
        self._reader = threading.Thread(target=self._read, args=(out,), daemon=True)
        self._reader.start()

    def _read(self, out):
        with os.fdopen(out, "rb") as pipe:
            for raw in pipe:
                text = raw.decode("utf-8", "replace").rstrip("\n")
                try:
                    event = json.loads(text)
                except ValueError:
                    event = None
                if not isinstance(event, dict):
                    event = {"event": "text", "text": text}
                event.setdefault("seen_ns", now_ns())
                self.lines.append(text)
                self._events.put(event)
        self._events.put(None)

    def expect(self, kind, timeout=10.0, where=lambda event: True):
        """The next event of this kind. Others stay for later calls. Raises LabError after `timeout` seconds."""
        event = self.wait_for(kind, timeout, where)
        if event is None:
            tail = "\n  ".join(self.lines[-8:]) or "nothing"
            raise LabError(f"{self.name}: no '{kind}' within {timeout} s; its last words:\n  {tail}")
        return event

    def wait_for(self, kind, timeout, where=lambda event: True):
        """As expect(), but None when the time is over or the output has ended."""
        return self.wait_for_any((kind,), timeout, where)

    def wait_for_any(self, kinds, timeout, where=lambda event: True):
        """As wait_for(), for the first event of any of these kinds."""
        fits = lambda event: event.get("event") in kinds and where(event)
        for position, event in enumerate(self._skipped):
            if fits(event):
                return self._skipped.pop(position)
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self._events.get(timeout=left)
            except queue.Empty:
                return None
            if event is None:
                self._events.put(None)
                return None
            if fits(event):
                return event
            self._skipped.append(event)
        return None

    def forget(self):
        """Drops all events that have been read so far."""
        self._skipped.clear()
        with contextlib.suppress(queue.Empty):
            while True:
                if self._events.get_nowait() is None:
                    self._events.put(None)
                    return

    def tell(self, line):
        """Writes one line to its standard input."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self.stdin, line.encode() + b"\n")

    def signal(self, number):
        """Sends a signal; returns the time just before."""
        at = now_ns()
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
        return at

    def freeze(self, timeout=5.0):
        """Stops the process, and returns when each of its threads has: SIGSTOP alone takes effect at some later time."""
        at = self.signal(signal.SIGSTOP)
        end = time.monotonic() + timeout
        while any(Path(thread, "stat").read_text().rsplit(")", 1)[1].split()[0] not in "TZX"
                  for thread in Path(f"/proc/{self.pid}/task").iterdir()):
            if time.monotonic() > end:
                raise LabError(f"{self.name} does not stop")
        return at

    def kill(self):
        """SIGKILL: no goodbye of any kind. Returns the time just before."""
        at = self.signal(signal.SIGKILL)
        self.wait(5)
        return at

    def wait(self, timeout=10.0):
        """The exit code, negative for a signal; None if it still runs after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
                self._close_stdin()
                break
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.001)
        return self.exit_code

    def stop(self, timeout=3.0):
        """SIGTERM, and SIGKILL if that does not help."""
        self.signal(signal.SIGTERM)
        if self.wait(timeout) is None:
            self.kill()
        return self.exit_code

    def _close_stdin(self):
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None


class Host:
    """One network namespace: a machine of its own as far as the network goes."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        before = _open_own_namespace()
        try:
            _checked(LIBC.unshare(CLONE_NEWNET), "unshare: cannot make a network namespace")
            self.descriptor = _open_own_namespace()
        finally:
            LIBC.setns(before, CLONE_NEWNET)
            os.close(before)
        # Duplicate address detection keeps an IPv6 address from sending for 1 to 2 s; a lab that is about
        # something else goes without.
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.ip("link set lo up")

    @property
    def path(self):
        """What `ip ... netns` takes."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    @contextlib.contextmanager
    def entered(self):
        """This thread, and what it starts, is in the namespace inside the `with`."""
        before = _open_own_namespace()
        _checked(LIBC.setns(self.descriptor, CLONE_NEWNET), f"setns: cannot enter {self.name}")
        try:
            yield self
        finally:
            LIBC.setns(before, CLONE_NEWNET)
            os.close(before)

    def run(self, command, check=True, **options):
        """Runs a command here to its end and returns its output. A string is split at spaces."""
        argv = command.split() if isinstance(command, str) else command
        with self.entered():
            done = subprocess.run(argv, capture_output=True, text=True, **options)
        if check and done.returncode != 0:
            raise LabError(f"{self.name}: {' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def ip(self, *commands):
        """Runs iproute2 commands, all in one process."""
        self.run(["ip", "-batch", "-"], input="".join(command + "\n" for command in commands))

    def sysctl(self, key, value):
        with self.entered(), open("/proc/sys/" + key.replace(".", "/"), "w") as setting:
            setting.write(str(value))

    def nft(self, rules):
        """Loads an nftables script."""
        self.run(["nft", "-f", "-"], input=rules)

    def set_link(self, device, up):
        """Sets a device up or down; returns the time just before. One system call: `ip` would add 4 ms."""
        with self.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            name = device.encode()
            flags = struct.unpack("16sh14x", fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16s16x", name)))[1]
            flags = flags | IFF_UP if up else flags & ~IFF_UP
            at = now_ns()
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", name, flags))
        return at

    def delete_link(self, device):
        """Deletes a device; returns the time just before. By netlink: `ip` would add 4 ms."""
        with self.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as route:
            body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, socket.if_nametoindex(device), 0, 0)
            at = now_ns()
            route.send(struct.pack("=IHHII", 16 + len(body), RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
            error = struct.unpack("=16xi", route.recv(4096)[:20])[0]
        if error:
            raise LabError(f"{self.name}: cannot delete {device}: {os.strerror(-error)}")
        return at

    def addresses(self, device, family="inet6"):
        """The addresses of a device without prefix length."""
        found = json.loads(self.run(f"ip -j addr show dev {device}"))
        return [a["local"] for link in found for a in link.get("addr_info", []) if a["family"] == family]

    def addresses_with_prefix(self, device):
        """The addresses of a device of both families, as 192.0.2.1/24."""
        found = json.loads(self.run(f"ip -j addr show dev {device}"))
        return [f"{a['local']}/{a['prefixlen']}" for link in found for a in link.get("addr_info", [])]

    def spawn(self, argv, name=None, env=None, stamp=None, stderr=None):
        """Starts a program here. `stamp`: an option that gets the time just before exec, as in --started-ns=N."""
        name = name or os.path.basename(argv[0])
        environment = {**os.environ, **self.lab.environment, **(env or {})}
        out, out_child = os.pipe()
        in_child, stdin = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._become(argv, environment, stamp, (in_child, out_child, stderr))
        os.close(out_child)
        os.close(in_child)
        process = Process(f"{name}@{self.name}", argv, pid, out, stdin)
        self.lab.processes.append(process)
        return process

    def _become(self, argv, environment, stamp, files):
        """In the child: never returns."""
        try:
            in_child, out_child, stderr = files
            os.setsid()
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if self.descriptor is not None:  # None: a host that is this machine
                _checked(LIBC.setns(self.descriptor, CLONE_NEWNET), "setns")
            os.dup2(in_child, 0)
            os.dup2(out_child, 1)
            if stderr is not None:
                os.dup2(stderr, 2)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execvpe(argv[0], argv + ([f"{stamp}={now_ns()}"] if stamp else []), environment)
        except BaseException as error:  # the child must not run the parent's code
            os.write(2, f"lab: {argv[0]}: {error}\n".encode())
        os._exit(127)

    def close(self):
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Cable:
    """What leads from a switch to a host's device; `near` is the (namespace, device) at the other end of that device."""

    def __init__(self, switch, port, host, device, near, shuttle=None):
        self.switch, self.port, self.host, self.device, self.near = switch, port, host, device, near
        self.shuttle = shuttle  # the process that carries it, if one does

    def pull(self):
        """Takes the host's carrier away; the other hosts keep theirs. Returns the time just before."""
        return self.near[0].set_link(self.near[1], up=False)

    def plug_in(self):
        return self.near[0].set_link(self.near[1], up=True)

    def unbridge(self):
        """The switch forwards nothing from or to this port any more; nobody's carrier changes."""
        at = now_ns()
        self.switch.ip(f"link set {self.port} nomaster")
        return at

    def bridge_again(self):
        self.switch.ip(f"link set {self.port} master br0")

    def order(self, *lines):
        """Tells the shuttle, and returns, with the time just before, when it has obeyed."""
        at = now_ns()
        for line in lines:
            self.shuttle.tell(line)
            self.shuttle.expect("done", where=lambda event: event["order"] == line)
        return at

    def remove(self):
        """The host's interface ceases to exist. Returns the time just before."""
        return self.host.delete_link(self.device)


class Switch(Host):
    """An Ethernet switch: a bridge in a namespace of its own."""

    def __init__(self, lab, name):
        super().__init__(lab, name)
        self.sysctl("net.ipv6.conf.default.disable_ipv6", 1)  # a switch says nothing of its own
        self.ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set br0 up")
        self.cables = []

    def snoop(self, forgets_after):
        """Forwards multicast only to who has asked for it (IGMPv3, MLDv2) within so many seconds; asks each second."""
        self.ip(f"link set br0 type bridge mcast_snooping 1 mcast_igmp_version 3 mcast_mld_version 2 mcast_query_interval 100 "
                f"mcast_query_response_interval 50 mcast_startup_query_interval 50 "
                f"mcast_membership_interval {forgets_after * 100}",
                # For as long as the longest answer may take it forwards everything: after that has been set.
                "link set br0 type bridge mcast_querier 1")

    def plug(self, host, device, addresses=(), shuttle=None):
        """Gives `host` a device on this switch, up, with IPv6 link-local (from the kernel) and `addresses`; with the
        path of the program `shuttle`, that carries the cable (shuttle.cpp)."""
        self.cables.append(self._cable(f"port{len(self.cables)}", host, device, shuttle))
        self._bring_up(self.cables[-1], addresses)
        return self.cables[-1]

    def plug_anew(self, cable, addresses=()):
        """A new device for one that has been removed, with the same name and cable."""
        if cable.shuttle:
            cable.shuttle.kill()
            self.ip(f"link del {cable.port}")  # its other end leads to the shuttle's box
        made = self._cable(cable.port, cable.host, cable.device, cable.shuttle and cable.shuttle.argv[0])
        cable.near, cable.shuttle = made.near, made.shuttle
        self._bring_up(cable, addresses)

    def _cable(self, port, host, device, shuttle):
        if not shuttle:
            self.ip(f"link add {port} index {self.lab.next_index()} type veth peer name {device} netns {host.path}", f"link set {port} master br0 up")
            return Cable(self, port, host, device, (self, port))
        box, number = self.lab.box(), self.lab.next_number()
        box.ip(f"link add h{number} index {self.lab.next_index()} type veth peer name {device} netns {host.path}",
               f"link add s{number} index {self.lab.next_index()} type veth peer name {port} netns {self.path}",
               f"link set h{number} up", f"link set s{number} up")
        # Batches for segmentation offload would be one frame to the shuttle.
        self.ip(f"link set {port} gso_max_segs 1", f"link set {port} master br0 up")
        host.ip(f"link set {device} gso_max_segs 1")
        process = box.spawn([str(shuttle), f"h{number}", f"s{number}", str(number)], "shuttle")
        process.expect("up")
        return Cable(self, port, host, device, (box, f"h{number}"), process)

    def _bring_up(self, cable, addresses):
        device = cable.device
        cable.host.ip(f"link set {device} up", *(f"addr add {address} dev {device} {'nodad' if ':' in address else ''}"
                                                 for address in addresses))


class Lab:
    """Owns hosts, switches, processes and a scratch directory; the end of its `with` ends them all.

    That end raises LabError if a sanitizer has reported anything about one of the processes.
    """

    def __init__(self):
        self.hosts, self.processes = [], []
        self.environment = {}
        self._handlers = {}
        self._numbers, self._box = itertools.count(), None

    def __enter__(self):
        self._scratch = tempfile.TemporaryDirectory(prefix="netlab-")
        self.scratch = self._scratch.name
        self._sanitizers = sanitizers.Reports(self.scratch)
        for number in (signal.SIGTERM, signal.SIGHUP):  # SIGINT raises KeyboardInterrupt anyway
            self._handlers[number] = signal.signal(number, lambda n, _: sys.exit(128 + n))
        return self

    def __exit__(self, *_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # from here on nothing interrupts
            handler = signal.signal(number, signal.SIG_IGN)
            self._handlers.setdefault(number, handler)
        for process in reversed(self.processes):  # clients before what they are clients of
            if process.exit_code is None:
                process.kill()
        for host in self.hosts:
            host.close()
        self._sanitizers.restore()
        reports = self._sanitizers.text()
        self._scratch.cleanup()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if reports:
            raise LabError("a sanitizer reports:\n" + reports)

    def host(self, name):
        self.hosts.append(Host(self, name))
        return self.hosts[-1]

    def switch(self, name="switch"):
        self.hosts.append(Switch(self, name))
        return self.hosts[-1]

    def next_number(self):
        """0, 1, 2 ... for names that must differ."""
        return next(self._numbers)

    def next_index(self):
        """An interface index for a device on the switch's side that no host's device has. The kernel tells carrier
        changes at once only where both ends of a veth pair have different indexes, otherwise once per second."""
        return FIRST_INDEX + self.next_number()

    def box(self):
        """Where shuttles run: a namespace that says nothing of its own."""
        if self._box is None:
            self._box = self.host("box")
            self._box.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        return self._box

    def cable(self, one, one_device, other, other_device):
        """Connects two hosts directly."""
        one.ip(f"link add {one_device} type veth peer name {other_device} netns {other.path}",
               f"link set {one_device} up")
        other.ip(f"link set {other_device} up")

    def reap(self):
        """Forgets processes that have ended."""
        self.processes = [p for p in self.processes if p.wait(0) is None]
