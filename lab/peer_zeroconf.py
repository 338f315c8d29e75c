#!/usr/bin/python3
"""python3-zeroconf behind the orders that the probes take: "publish NAME TYPE PORT", "withdraw", "browse TYPE", "stop".

Every browse has a Zeroconf of its own, so that nothing is remembered from the last one.
"""
import json
import socket
import sys
import time

from zeroconf import ServiceBrowser, ServiceInfo, Zeroconf


def tell(event, **facts):
    line = {"event": event, "t_ns": time.clock_gettime_ns(time.CLOCK_MONOTONIC), **facts}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Listener:
    def add_service(self, _, kind, name):
        tell("found", name=name.removesuffix("." + kind))

    def update_service(self, *_):
        pass

    def remove_service(self, _, kind, name):
        tell("left", name=name.removesuffix("." + kind))


def main():
    publisher = browser = None
    published = []
    address = sys.argv[1]
    tell("up")
    for line in sys.stdin:
        verb, *words = line.split()
        begin = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        if verb == "publish":
            name, kind, port = words
            publisher = publisher or Zeroconf(interfaces=[address])
            info = ServiceInfo(f"{kind}.local.", f"{name}.{kind}.local.", int(port), server=f"{name}.local.",
                               addresses=[socket.inet_aton(address)], properties={"v": "1"})
            tell("publishing", before_ns=begin, name=name)
            publisher.register_service(info)
            published.append(info)
            tell("published", name=name)
        elif verb == "withdraw":
            for info in published:
                publisher.unregister_service(info)
            published.clear()
            tell("withdrawn")
        elif verb in ("browse", "stop"):
            if browser:
                browser.close()
                browser = None
                tell("stopped")
            if verb == "browse":
                begin = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
                browser = Zeroconf(interfaces=[address])
                ServiceBrowser(browser, f"{words[0]}.local.", Listener())
                tell("looking", before_ns=begin)


main()
