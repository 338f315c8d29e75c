"""Programs that stand beside Muster in the laboratories: an echo service and plain TCP."""
ECHO = """
import socket, sys
both = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) if sys.argv[2] == "6" else \\
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
both.bind(("", int(sys.argv[1])))
print('{"event": "up"}', flush=True)
while True:
    octets, sender = both.recvfrom(2048)
    both.sendto(octets, sender)
"""
