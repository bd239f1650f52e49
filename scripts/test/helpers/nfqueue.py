#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Accepts what netfilter hands to a queue, packet by packet.

nfqueue.py NUMBER
    Prints "ready" when the queue is bound; a line on its input is answered by the
    number of packets since the last one. The kernel cuts trains before it queues.
"""
import selectors
import socket
import struct
import sys

NETLINK_NETFILTER, SUBSYS, MSG_PACKET, MSG_VERDICT, MSG_CONFIG = 12, 3, 0, 1, 2
CFG_CMD, CFG_PARAMS, CFG_QUEUE_MAXLEN = 1, 2, 3
CMD_BIND, COPY_META, ACCEPT = 1, 1, 1
PACKET_HDR, VERDICT_HDR = 1, 2


def attr(kind, data):
    return struct.pack('=HH', 4 + len(data), kind) + data + b'\0' * (-len(data) % 4)


def message(kind, number, attrs, flags=1):
    body = struct.pack('!BBH', 0, 0, number) + attrs
    return struct.pack('=IHHII', 16 + len(body), SUBSYS << 8 | kind, flags, 0, 0) + body


def packet_ids(data):
    """The id of each packet in what was received."""
    while len(data) >= 16:
        length, kind = struct.unpack_from('=IH', data)
        at = 20
        while kind == SUBSYS << 8 | MSG_PACKET and at + 4 <= length:
            size, what = struct.unpack_from('=HH', data, at)
            if what == PACKET_HDR:
                yield data[at + 4:at + 8]
            at += (size + 3) & ~3
        data = data[(length + 3) & ~3:]


def main():
    number, count = int(sys.argv[1]), 0
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    sock.bind((0, 0))
    for attrs in (attr(CFG_CMD, struct.pack('!BBH', CMD_BIND, 0, 0)),
                  attr(CFG_PARAMS, struct.pack('!IB', 0, COPY_META)),
                  attr(CFG_QUEUE_MAXLEN, struct.pack('!I', 10000))):
        sock.send(message(MSG_CONFIG, number, attrs, 5))
        error = struct.unpack_from('=i', sock.recv(4096), 16)[0]
        if error:
            sys.exit('queue %d: error %d' % (number, error))
    poll = selectors.DefaultSelector()
    poll.register(sock, selectors.EVENT_READ)
    poll.register(sys.stdin, selectors.EVENT_READ)
    print('ready', flush=True)
    while True:
        for key, _ in poll.select():
            if key.fileobj is sock:
                for packet in packet_ids(sock.recv(1 << 20)):
                    sock.send(message(MSG_VERDICT, number, attr(VERDICT_HDR, struct.pack('!I', ACCEPT) + packet)))
                    count += 1
            elif not sys.stdin.readline():
                return
            else:
                print(count, flush=True)
                count = 0


if __name__ == '__main__':
    main()
