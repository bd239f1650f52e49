#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""SAs and policies of mode IP-TFS (RFC 9347), which Debian's `ip` cannot say.

    iptfs.py SRC DST NEAR IF_ID SPI

adds, in this network namespace, an SA from SRC to DST and one back (SPI + 1), of
which the one that leaves NEAR is the outgoing one, and policies in both
directions for all IPv4 and IPv6. Prints what the kernel said if it refused.
"""
import errno
import socket
import struct
import sys

NETLINK_XFRM = 6
NEWSA, NEWPOLICY = 0x10, 0x13
NLM_F_REQUEST, NLM_F_ACK = 1, 4
TMPL, ALG_AEAD, IF_ID, SA_DIR = 5, 18, 31, 33
MODE_IPTFS, AF_UNSPEC_FLAG = 5, 32
SA_IN, SA_OUT = 1, 2
POLICY_IN, POLICY_OUT = 0, 1
INFINITE = (1 << 64) - 1
REQID = 1
KEY = bytes(range(20))


def address(text):
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return family, socket.inet_pton(family, text).ljust(16, b"\0")


def attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def selector(family):
    """Everything of a family."""
    return struct.pack("=32x4HH6xiI", 0, 0, 0, 0, family, 0, 0)


def xfrm_id(dst, spi):
    return struct.pack("=16s", dst) + struct.pack(">IB3x", spi, socket.IPPROTO_ESP)


def lifetime():
    return struct.pack("=4Q32x", *[INFINITE] * 4) + bytes(32)


def sa(src, dst, spi, if_id, direction):
    family, source = address(src)
    info = selector(0) + xfrm_id(address(dst)[1], spi) + source + lifetime()
    info += struct.pack("=12xIIHBBB7x", 0, REQID, family, MODE_IPTFS,
                        32 if direction == SA_IN else 0, AF_UNSPEC_FLAG)
    aead = struct.pack("=64sII", b"rfc4106(gcm(aes))", len(KEY) * 8, 128) + KEY
    return info + attr(ALG_AEAD, aead) + attr(IF_ID, struct.pack("=I", if_id)) + \
        attr(SA_DIR, struct.pack("=B", direction))


def policy(src, dst, family, if_id, direction):
    outer, source = address(src)
    info = selector(family) + lifetime() + struct.pack("=IIBBBB4x", 0, 0, direction, 0, 0, 0)
    tmpl = xfrm_id(address(dst)[1], 0) + struct.pack("=H2x16sIBBBx3I", outer, source, REQID,
                                                     MODE_IPTFS, 0, 0, *[0xffffffff] * 3)
    return info + attr(TMPL, tmpl) + attr(IF_ID, struct.pack("=I", if_id))


def ask(sock, kind, body):
    sock.send(struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
    error, = struct.unpack_from("=i", sock.recv(65536), 16)
    if error:
        sys.exit(f"message {kind:#x}: {errno.errorcode[-error]}")


def main():
    src, dst, near, if_id, spi = sys.argv[1:]
    if_id, spi = int(if_id, 0), int(spi, 0)
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM)
    for one, other, number in ((src, dst, spi), (dst, src, spi + 1)):
        leaves = one == near
        ask(sock, NEWSA, sa(one, other, number, if_id, SA_OUT if leaves else SA_IN))
        for family in (socket.AF_INET, socket.AF_INET6):
            ask(sock, NEWPOLICY,
                policy(one, other, family, if_id, POLICY_OUT if leaves else POLICY_IN))


if __name__ == "__main__":
    main()
