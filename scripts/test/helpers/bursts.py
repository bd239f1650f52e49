#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""UDP datagrams in bursts, of equal length but for the last.

    bursts.py send ADDRESS BURSTS COUNT SIZE   COUNT in each burst
    bursts.py serve                            port 7001, both families; answers a line with
                                               "good=N bad=N", since it was last asked
"""
import socket
import struct
import sys
import time

PORT = 7001
SO_RCVBUFFORCE = 33


def datagram(burst, number, size):
    head = struct.pack("!III", burst, number, size)
    return head + bytes((burst + number + i) & 255 for i in range(size - len(head)))


def send(address, bursts, count, size):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((address, PORT))
        for burst in range(bursts):
            sizes = [size] * (count - 1) + [size - 7]
            for data in [datagram(burst, n, len_) for n, len_ in enumerate(sizes)]:
                sock.send(data)
            time.sleep(0.02)


def serve():
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.bind(("::", PORT))
    sock.setblocking(False)
    print("ready", flush=True)
    for _ in sys.stdin:
        good = bad = 0
        while True:
            try:
                got = sock.recv(65536)
            except BlockingIOError:
                break
            if len(got) >= 12 and got == datagram(*struct.unpack("!III", got[:12])):
                good += 1
            else:
                bad += 1
        print("good=%d bad=%d" % (good, bad), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        send(sys.argv[2], *map(int, sys.argv[3:]))
