"""Avahi as it comes, one daemon per host: each with its own D-Bus and a /run of its own."""
import os
import subprocess

import netlab

CONFIGURATION = """\
[server]
host-name={host}
use-ipv4=yes
use-ipv6=yes
ratelimit-interval-usec=1000000
ratelimit-burst=1000
{server}
[publish]
publish-hinfo=no
publish-workstation=no
[rlimits]
"""

# A mount namespace of its own, so that socket and pid files do not meet those of other hosts; the shell says when the
# bus is there and stays as the one to whom the others come.
ROOM = """\
mount -t tmpfs tmpfs /run && mkdir -p /run/dbus /run/avahi-daemon && chown avahi:avahi /run/avahi-daemon || exit 1
mount --bind "$1" /etc/avahi/services || exit 1
dbus-daemon --system --nofork --nopidfile &
while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.01; done
echo '{"event": "up"}'
wait
"""


class Avahi:
    """An avahi-daemon on a host. `services`: names of service types to publish from the start, as static files."""

    def __init__(self, host, services=(), server_options=""):
        self.host = host
        self.directory = os.path.join(host.lab.scratch, f"avahi-{host.name}")
        files = os.path.join(self.directory, "services")
        os.makedirs(files)
        for directory in (host.lab.scratch, self.directory, files):
            os.chmod(directory, 0o755)  # the daemon reads as the user avahi
        for number, (name, kind, port) in enumerate(services):
            with open(os.path.join(files, f"{number}.service"), "w") as file:
                file.write(f"<service-group><name>{name}</name><service><type>{kind}</type><port>{port}</port>"
                           "</service></service-group>\n")
        self.configuration = os.path.join(self.directory, "avahi-daemon.conf")
        with open(self.configuration, "w") as file:
            file.write(CONFIGURATION.format(host=host.name, server=server_options))
        self.log = os.path.join(self.directory, "log")
        self.room = self._spawn(["unshare", "-m", "--propagation", "private", "sh", "-c", ROOM, "room", files], "bus")
        self.room.expect("up")
        self.daemon = None
        self.start()

    def inside(self, *command):
        return ["nsenter", f"--mount=/proc/{self.room.pid}/ns/mnt", *command]

    def start(self):
        """Starts the daemon and waits until its D-Bus face answers."""
        self.daemon = self._spawn(
            self.inside("avahi-daemon", "-f", self.configuration, "--no-drop-root", "--no-chroot", "--no-rlimits"),
            "avahi-daemon")
        for _ in range(200):
            with self.host.entered():
                done = subprocess.run(self.inside("avahi-browse", "-t", "-p", "_nothing._tcp"), capture_output=True)
            if done.returncode == 0:
                return
        raise netlab.LabError(f"avahi-daemon on {self.host.name} does not answer")

    def spawn(self, *command):
        """A client of this daemon; avahi-browse and avahi-publish flush every line."""
        return self._spawn(self.inside(*command), command[0])

    def _spawn(self, argv, name):
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            return self.host.spawn(argv, name, stderr=log)
        finally:
            os.close(log)
