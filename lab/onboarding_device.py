#!/usr/bin/python3
"""A device that is set up over its own access point: answers each line on TCP with its name, and tells each datagram that
arrives: onboarding_device.py NAME PORT"""
import json
import select
import socket
import sys


def answer(stream, name):
    connection, sender = stream.accept()
    with connection:
        connection.settimeout(5)
        if connection.recv(256):
            connection.sendall(f"{name} to {sender[0]}\n".encode())


def main(name, port):
    stream, datagram = socket.socket(socket.AF_INET6), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    for each in (stream, datagram):
        each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        each.bind(("::", port))
    stream.listen(256)
    print(json.dumps({"event": "listening"}), flush=True)
    while True:
        for ready in select.select([stream, datagram], [], [])[0]:
            if ready is stream:
                answer(stream, name)
            else:
                print(json.dumps({"event": "datagram", "from": ready.recvfrom(2048)[1][0]}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
