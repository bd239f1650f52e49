#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A virtual machine, as far as its packets go: they come by a tun device, and what is said of
them is what a guest says, which nobody should believe.

vm.py DEV SRC DST
    Makes the device, and prints "ready". A line "SEGMENTS SIZE" on its input is a TCP
    packet from SRC to DST with so many segments of SIZE bytes, which nobody has counted;
    with one segment it is a plain packet. Each line is answered by "done".
"""
import fcntl
import os
import socket
import struct
import sys

from rawpkt import checksum

TUNSETIFF, IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x400454ca, 0x1, 0x1000, 0x4000
NEEDS_CSUM, GSO_NONE, GSO_TCPV4 = 1, 0, 1
IP_LEN, TCP_LEN, TCP_CHECK = 20, 20, 16


def packet(src, dst, number, segments, size):
    """struct virtio_net_hdr, and the packet, its checksum left to the host"""
    addresses = socket.inet_aton(src) + socket.inet_aton(dst)
    data = bytes(i % 251 for i in range(segments * size))
    head = struct.pack('!BBHHHBBH', 0x45, 0, IP_LEN + TCP_LEN + len(data), number, 0x4000, 64, 6, 0) + addresses
    head = head[:10] + struct.pack('!H', checksum(head)) + head[12:]
    pseudo = 0xffff & ~checksum(addresses + struct.pack('!HH', 6, TCP_LEN + len(data)))
    tcp = struct.pack('!HHIIBBHHH', 1024, 9, number << 16, 0, 5 << 4, 0x10, 1024, pseudo, 0)
    gso, gso_size = (GSO_TCPV4, size) if segments > 1 else (GSO_NONE, 0)
    return struct.pack('=BBHHHH', NEEDS_CSUM, gso, IP_LEN + TCP_LEN, gso_size, IP_LEN, TCP_CHECK) + head + tcp + data


def main():
    dev, src, dst = sys.argv[1:]
    tun = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack('16sH22x', dev.encode(), IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
    print('ready', flush=True)
    for number, line in enumerate(sys.stdin, 1):
        segments, size = map(int, line.split())
        os.write(tun, packet(src, dst, number, segments, size))
        print('done', flush=True)


if __name__ == '__main__':
    main()
