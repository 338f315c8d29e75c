#!/usr/bin/python3
"""A plain program that answers on one TCP and one UDP port, IPv4 and IPv6: why_server.py PORT"""
import json
import select
import socket
import sys

port = int(sys.argv[1])
stream, datagram = socket.socket(socket.AF_INET6), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
for each in (stream, datagram):
    each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    each.bind(("::", port))
stream.listen(16)
print(json.dumps({"event": "listening"}), flush=True)
while True:
    for ready in select.select([stream, datagram], [], [])[0]:
        if ready is stream:
            stream.accept()[0].close()
        else:
            octets, sender = datagram.recvfrom(2048)
            datagram.sendto(octets, sender)
