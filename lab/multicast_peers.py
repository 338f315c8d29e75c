#!/usr/bin/python3
"""Plain multicast programs, as people write them: a sender, and listeners that join once and hope.

  multicast_peers.py send GROUP PORT DEVICE INTERVAL [KEY=VALUE ...]
      source=ADDRESS         what it binds to
      size=OCTETS            so long is each datagram, at least
  multicast_peers.py listen GROUP PORT [KEY=VALUE ...]
      join=DEVICE|any|none   where it joins: by index, as INADDR_ANY, or not at all (default: any)
      bind=ADDRESS           what it binds to (default: any)
      device=DEVICE          SO_BINDTODEVICE
      source=ADDRESS         source-specific
      all=0                  IP_MULTICAST_ALL off
      buffer=OCTETS          SO_RCVBUF, and it never reads until it is told "read"

Both print JSON lines; a listener prints {"event": "got", "n"} for each datagram, and "summary" when it is told "report".
"""
import json
import select
import socket
import struct
import sys
import time

IP_MULTICAST_ALL, IPV6_MULTICAST_ALL, MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP = 49, 29, 42, 46


def say(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)


def is_v6(group):
    return ":" in group


def storage(address):
    """A sockaddr_storage."""
    if is_v6(address):
        return struct.pack("=HHI16sI100x", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, address), 0)
    return struct.pack("=HH4s120x", socket.AF_INET, 0, socket.inet_aton(address))


def send(group, port, device, interval, *words):
    options = dict(word.split("=", 1) for word in words)
    source, size = options.get("source"), int(options.get("size", 0))
    v6 = is_v6(group)
    out = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
    if source:
        out.bind((source, 0))
    index = socket.if_nametoindex(device)
    if v6:
        out.setsockopt(level, socket.IPV6_MULTICAST_IF, index)
    else:
        out.setsockopt(level, socket.IP_MULTICAST_IF, struct.pack("=4s4si", b"\0" * 4, b"\0" * 4, index))
    say("sending")
    number, due = 0, time.monotonic()
    while True:
        try:
            out.sendto(str(number).encode().ljust(size), (group, int(port)))
        except OSError as error:
            say("refused", error=str(error))
        number += 1
        due += float(interval)
        time.sleep(max(0.0, due - time.monotonic()))


def listener(group, port, join="any", bind="", device="", source="", buffer="", **options):
    v6 = is_v6(group)
    level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
    heard = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if device:
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if options.get("all") == "0":
        heard.setsockopt(level, IPV6_MULTICAST_ALL if v6 else IP_MULTICAST_ALL, 0)
    if buffer:
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(buffer))
    heard.bind((bind or ("::" if v6 else ""), int(port)))
    if join == "none":
        return heard
    index = 0 if join == "any" else socket.if_nametoindex(join)
    # gr_interface and, aligned to eight octets, the addresses
    request = struct.pack("=I4x", index) + storage(group)
    if source:
        heard.setsockopt(level, MCAST_JOIN_SOURCE_GROUP, request + storage(source))
    else:
        heard.setsockopt(level, MCAST_JOIN_GROUP, request)
    return heard


def listen(group, port, *words):
    options = dict(word.split("=", 1) for word in words)
    heard = listener(group, port, **options)
    say("joined")
    number, reads = 0, "buffer" not in options
    while True:
        ready, _, _ = select.select([sys.stdin] + ([heard] if reads else []), [], [])
        if heard in ready:
            heard.recv(65536)
            number += 1
            say("got", n=number)
        if sys.stdin in ready:
            order = sys.stdin.readline().strip()
            if not order:
                return
            reads |= order == "read"
            if order == "report":
                say("summary", n=number)


if __name__ == "__main__":
    {"send": send, "listen": listen}[sys.argv[1]](*sys.argv[2:])
