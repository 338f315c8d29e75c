#!/usr/bin/python3
"""Plain TCP as most programs use it: a server that says something ten times a second, and a client that listens.

    peer_tcp.py server | client ADDRESS

The client tells, at the order "report", for how long at most it has heard nothing while its socket called itself
connected ("unaware"). When the socket fails, it connects anew.
"""
import json
import os
import select
import socket
import sys
import time

PORT = 7008
PERIOD = 0.1


def say(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)


def server():
    listener = socket.create_server(("", PORT))
    listener.setblocking(False)
    say("up")
    clients = []
    while True:
        time.sleep(PERIOD)
        try:
            clients.append(listener.accept()[0])
            clients[-1].setblocking(False)
        except BlockingIOError:
            pass
        for client in list(clients):
            try:
                client.send(b"tick")
            except BlockingIOError:
                pass
            except OSError:
                clients.remove(client)


def client(address):
    longest = 0.0
    while True:
        try:
            connection = socket.create_connection((address, PORT), timeout=5)
        except OSError:
            time.sleep(0.5)
            continue
        connection.setblocking(False)
        say("connected")
        last = time.monotonic()
        while True:
            ready = select.select([connection, sys.stdin], [], [], PERIOD)[0]
            now = time.monotonic()
            longest = max(longest, now - last)
            if sys.stdin in ready:
                if not os.read(0, 4096):
                    return
                say("unaware", seconds=round(longest, 2))
            if connection not in ready:
                continue
            try:
                if not connection.recv(4096):
                    break
            except OSError as error:
                say("aware", why=str(error))
                break
            last = now


if __name__ == "__main__":
    server() if sys.argv[1] == "server" else client(sys.argv[2])
