#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Says what travels on a device without drowning in detail.

wirewatch.py DEV [in|out]

With "in", only what the device receives counts; with "out", only what it sends.
Prints "ready". For every line on its input it prints one line with what was
seen since the last one: "name=packets" sorted by name, then "max=<bytes of the
largest IP packet>". Names: esp, ah, comp, ipip, udp4500 (ESP in UDP), tcp, udp,
icmp, icmp6, other; "frag-" in front when it is a fragment. After the line "keep"
what was seen so far is part of the next answer too. ARP and the chatter
of IPv6 neighbour discovery and multicast listeners are left out. "lost=N" tells
that the watcher itself was too slow.
"""
import collections
import selectors
import socket
import struct
import sys

SOL_PACKET, PACKET_STATISTICS, PACKET_OUTGOING, ETH_P_ALL = 263, 6, 4, 3
NAMES = {50: 'esp', 51: 'ah', 108: 'comp', 4: 'ipip', 41: 'ipip', 6: 'tcp', 17: 'udp', 1: 'icmp', 58: 'icmp6'}


def name_of(proto, rest):
    if proto == 17 and len(rest) >= 4 and 4500 in struct.unpack('!HH', rest[:4]):
        return 'udp4500'
    return NAMES.get(proto, 'other')


def classify(kind, ip):
    """(name or None, length of the IP packet)"""
    if kind == 0x0806:
        return None, 0
    if kind == 0x0800 and len(ip) >= 20:
        frag = struct.unpack('!H', ip[6:8])[0] & 0x3fff
        name = name_of(ip[9], ip[(ip[0] & 15) * 4:])
        return ('frag-' if frag else '') + name, struct.unpack('!H', ip[2:4])[0]
    if kind == 0x86dd and len(ip) >= 40:
        proto, rest, frag = ip[6], ip[40:], ''
        while proto in (0, 44) and len(rest) >= 8:
            if proto == 44:
                frag = 'frag-'
                proto, rest = rest[0], rest[8:]
            else:
                proto, rest = rest[0], rest[8 + 8 * rest[1]:]
        if proto == 58 and not frag and rest and 130 <= rest[0] <= 143:
            return None, 0
        return frag + name_of(proto, rest), struct.unpack('!H', ip[4:6])[0] + 40
    return 'other', len(ip)


def main():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    sock.bind((sys.argv[1], 0))
    sock.setblocking(False)
    seen = collections.Counter()
    largest = 0
    poll = selectors.DefaultSelector()
    poll.register(sock, selectors.EVENT_READ)
    poll.register(sys.stdin, selectors.EVENT_READ)
    print('ready', flush=True)
    while True:
        asked = [k for k, _ in poll.select() if k.fileobj is sys.stdin]
        # Everything that is queued belongs to the answer.
        while True:
            try:
                packet, addr = sock.recvfrom(256)
            except BlockingIOError:
                break
            way = 'out' if addr[2] == PACKET_OUTGOING else 'in'
            if sys.argv[2:] not in ([], [way]):
                continue
            name, size = classify(addr[1], packet)
            if name:
                seen[name] += 1
                largest = max(largest, size)
        if asked:
            line = sys.stdin.readline()
            if not line:
                return
            _, lost = struct.unpack('II', sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
            if lost:
                seen['lost'] = lost
            print(' '.join('%s=%d' % kv for kv in sorted(seen.items())), 'max=%d' % largest, flush=True)
            if line.strip() != 'keep':
                seen.clear()
                largest = 0


if __name__ == '__main__':
    main()
