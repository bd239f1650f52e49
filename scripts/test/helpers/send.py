# SPDX-License-Identifier: GPL-2.0
"""Sends exactly N packets, whatever becomes of them.

    send.py udp ADDRESS N [SIZE [df]]      UDP, SIZE bytes of payload (64)
    send.py frame DEVICE ETHERTYPE N HEX   HEX as a packet of that type, past
                                           routing and netfilter
"""
import errno
import socket
import sys

IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3
IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE = 23, 3


def udp(address, count, size=64, df=""):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Not connected: an ICMP answer must not turn the next send into an error.
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if df and family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        elif df:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                            IPV6_PMTUDISC_PROBE)
        for _ in range(count):
            sock.sendto(bytes(size), (address, 9999))


def frame(device, ethertype, count, packet):
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            try:
                sock.sendto(packet, (device, ethertype))
            except OSError as error:
                # Dropped by the device: that is what is being counted.
                if error.errno != errno.ENOBUFS:
                    raise


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "udp":
        udp(rest[0], int(rest[1]), int(rest[2]) if len(rest) > 2 else 64,
            "".join(rest[3:]))
    elif what == "frame":
        frame(rest[0], int(rest[1], 0), int(rest[2]), bytes.fromhex(rest[3]))
    else:
        sys.exit(__doc__)
