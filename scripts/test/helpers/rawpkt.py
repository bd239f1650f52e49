#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Packets that no honest stack would send.

rawpkt.py capture DEV FILE [--proto N] [--size MIN]
    Prints "ready", waits for an outgoing packet of that IP protocol (50: ESP)
    of at least MIN bytes, keeps its frame in FILE.

rawpkt.py send DEV FILE CHANGE...
    Sends that frame again, once for each CHANGE; every CHANGE may end in "*N".
        same        as it was
        icv         one bit of the last byte turned
        spi         one bit of the SPI turned
        esp:N       only N bytes left behind the IP header, whose length tells so
        cut:N       only N bytes left behind the IP header, whose length lies

rawpkt.py garbage DEV ETHERTYPE SIZE[-SIZE] [--count N]
    SIZE bytes of noise to a device, as an AF_PACKET socket lets anybody do who
    may open one: N times for each size of the range.

rawpkt.py batch
    The other commands except capture, one per line of its input, each
    answered with what it prints and "done". Says "ready" first.

rawpkt.py toobig DEV FILE MTU FROM [--spi N] [--redirect GATEWAY]
    The ICMP or ICMPv6 error "too big, MTU is so much" that a router with the
    address FROM would send about the frame in FILE; --spi has it speak of
    another SPI. With --redirect a redirect message instead. It goes out on DEV,
    back to the frame's source.
"""
import argparse
import random
import socket
import struct
import sys
import time

DICE = random.Random(time.time_ns())
ETH_P_ALL, PACKET_OUTGOING = 3, 4


def checksum(data):
    data += b'\0' * (len(data) & 1)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def is_v6(frame):
    return frame[12:14] == b'\x86\xdd'


def header_len(frame):
    return 14 + (40 if is_v6(frame) else (frame[14] & 15) * 4)


def proto_of(frame):
    return frame[20] if is_v6(frame) else frame[23]


def with_length(frame, payload):
    """The frame with PAYLOAD bytes behind its IP header, told by that header."""
    head = bytearray(frame[:header_len(frame)])
    if is_v6(frame):
        struct.pack_into('!H', head, 18, payload)
    else:
        struct.pack_into('!H', head, 16, len(head) - 14 + payload)
        struct.pack_into('!H', head, 24, 0)
        struct.pack_into('!H', head, 24, checksum(bytes(head[14:])))
    return bytes(head) + frame[len(head):len(head) + payload]


def flip(frame, at):
    at %= len(frame)
    return frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1:]


def changed(frame, change):
    name, _, number = change.partition(':')
    if name == 'same':
        return frame
    if name == 'icv':
        return flip(frame, -1)
    if name == 'spi':
        return flip(frame, header_len(frame) + 3)
    if name == 'esp':
        return with_length(frame, int(number))
    if name == 'cut':
        return frame[:header_len(frame) + int(number)]
    raise SystemExit('what is "%s"?' % change)


def device(name, kind=socket.SOCK_RAW):
    sock = socket.socket(socket.AF_PACKET, kind, socket.htons(ETH_P_ALL))
    sock.bind((name, ETH_P_ALL))
    return sock


def capture(args):
    sock = device(args.dev)
    print('ready', flush=True)
    while True:
        frame, addr = sock.recvfrom(65536)
        if addr[2] != PACKET_OUTGOING or addr[1] not in (0x0800, 0x86dd):
            continue
        if proto_of(frame) == args.proto and len(frame) >= args.size:
            break
    with open(args.file, 'wb') as file:
        file.write(frame)


def send(args):
    sock = device(args.dev)
    with open(args.file, 'rb') as file:
        frame = file.read()
    for word in args.words:
        change, _, count = word.partition('*')
        for _ in range(int(count or 1)):
            sock.send(changed(frame, change))


def garbage(args):
    low, _, high = args.words[0].partition('-')
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    kind = int(args.file, 16)
    refused = 0
    for size in range(int(low), int(high or low) + 1):
        for _ in range(args.count):
            try:
                sock.sendto(DICE.randbytes(size), (args.dev, kind))
            except OSError:
                refused += 1
    print('refused %d' % refused)


def toobig(args):
    with open(args.file, 'rb') as file:
        frame = bytearray(file.read())
    if args.spi:
        struct.pack_into('!I', frame, header_len(frame), args.spi)
    frame = bytes(frame)
    mtu, router = int(args.words[0]), args.words[1]
    ethernet = frame[6:12] + frame[0:6] + frame[12:14]
    error = error6(frame, mtu, router, args) if is_v6(frame) else error4(frame, mtu, router, args)
    device(args.dev).send(ethernet + error)


def error4(frame, mtu, router, args):
    kind, code, rest = 3, 4, struct.pack('!HH', 0, mtu)
    if args.redirect:
        kind, code, rest = 5, 1, socket.inet_aton(args.redirect)
    icmp = struct.pack('!BBH', kind, code, 0) + rest + frame[14:14 + 28]
    icmp = icmp[:2] + struct.pack('!H', checksum(icmp)) + icmp[4:]
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(icmp), 0, 0, 64, 1, 0)
    ip += socket.inet_aton(router) + frame[26:30]
    return ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:] + icmp


def error6(frame, mtu, router, args):
    kind, hops, rest = 2, 64, struct.pack('!I', mtu)
    if args.redirect:
        gateway = socket.inet_pton(socket.AF_INET6, args.redirect)
        kind, hops, rest = 137, 255, struct.pack('!I', 0) + gateway + frame[38:54]
    quoted = frame[14:14 + 96]
    if args.redirect:  # as a Redirected Header option, RFC 4861 4.6.3
        quoted += b'\0' * (-len(quoted) % 8)
        quoted = struct.pack('!BBHI', 4, 1 + len(quoted) // 8, 0, 0) + quoted
    icmp = struct.pack('!BBH', kind, 0, 0) + rest + quoted
    addrs = socket.inet_pton(socket.AF_INET6, router) + frame[22:38]
    total = checksum(addrs + struct.pack('!II', len(icmp), 58) + icmp)
    icmp = icmp[:2] + struct.pack('!H', total) + icmp[4:]
    return struct.pack('!IHBB', 6 << 28, len(icmp), 58, hops) + addrs + icmp


COMMANDS = {'capture': capture, 'send': send, 'garbage': garbage, 'toobig': toobig}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('what', choices=COMMANDS)
    parser.add_argument('dev')
    parser.add_argument('file')
    parser.add_argument('words', nargs='*')
    parser.add_argument('--proto', type=int, default=50)
    parser.add_argument('--size', type=int, default=0)
    parser.add_argument('--count', type=int, default=1)
    parser.add_argument('--spi', type=lambda s: int(s, 0), default=0)
    parser.add_argument('--redirect')
    if sys.argv[1:] != ['batch']:
        args = parser.parse_args()
        COMMANDS[args.what](args)
        return
    print('ready', flush=True)
    for line in sys.stdin:
        args = parser.parse_args(line.split())
        COMMANDS[args.what](args)
        print('done', flush=True)


if __name__ == '__main__':
    main()
