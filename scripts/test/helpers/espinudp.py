#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Holds UDP sockets open that receive ESP (RFC 3948), as an IKE daemon would.

espinudp.py ADDR [ADDR...] [--port N] [--tell]

ESP-in-UDP that arrives for one of the sockets goes to the kernel's xfrm input;
anything else is read and thrown away, with --tell after a line "got LENGTH".
Prints "ready", runs until killed.
"""
import argparse
import selectors
import socket

UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2

parser = argparse.ArgumentParser()
parser.add_argument('addr', nargs='+')
parser.add_argument('--port', type=int, default=4500)
parser.add_argument('--tell', action='store_true')
args = parser.parse_args()

poll = selectors.DefaultSelector()
for addr in args.addr:
    family = socket.AF_INET6 if ':' in addr else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((addr, args.port))
    sock.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    poll.register(sock, selectors.EVENT_READ)
print('ready', flush=True)
while True:
    for key, _ in poll.select():
        try:
            got = len(key.fileobj.recv(65536))
            if args.tell:
                print('got', got, flush=True)
        except OSError:
            pass
