#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Asks for a route with "encap xfrm" attributes that no ip command would send.

lwtroute.py ADDR DEV [TYPE=HEX...]

Each TYPE=HEX is one nested attribute with these bytes. (LWT_XFRM_IF_ID is 1,
LWT_XFRM_LINK is 2, both u32.) Prints the kernel's answer: "ok" or the name of the
error, then its message.
"""
import errno
import socket
import struct
import sys

RTM_NEWROUTE, NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL = 24, 1, 4, 0x400, 0x200
RTA_DST, RTA_OIF, RTA_ENCAP_TYPE, RTA_ENCAP = 1, 4, 21, 22
NLA_F_NESTED, LWTUNNEL_ENCAP_XFRM = 0x8000, 10
SOL_NETLINK, NETLINK_EXT_ACK, NLMSGERR_ATTR_MSG = 270, 11, 1


def attr(kind, data):
    return struct.pack('=HH', 4 + len(data), kind) + data + b'\0' * (-len(data) % 4)


def message(answer):
    """The extended acknowledgement's text, if there is one."""
    error = struct.unpack_from('=i', answer, 16)[0]
    at = 20 + (16 if not error else struct.unpack_from('=I', answer, 20)[0])
    if struct.unpack_from('=H', answer, 6)[0] & 0x100:  # NLM_F_CAPPED
        at = 20 + 16
    while at + 4 <= len(answer):
        size, kind = struct.unpack_from('=HH', answer, at)
        if kind == NLMSGERR_ATTR_MSG:
            return answer[at + 4:at + size].rstrip(b'\0').decode()
        at += (size + 3) & ~3
    return ''


addr, dev = sys.argv[1], socket.if_nametoindex(sys.argv[2])
family = socket.AF_INET6 if ':' in addr else socket.AF_INET
dst = socket.inet_pton(family, addr)
nested = b''.join(attr(int(k), bytes.fromhex(v)) for k, _, v in (a.partition('=') for a in sys.argv[3:]))
body = struct.pack('=BBBBBBBBI', family, len(dst) * 8, 0, 0, 254, 4, 253, 1, 0)  # main, static, link
body += attr(RTA_DST, dst) + attr(RTA_OIF, struct.pack('=I', dev))
body += attr(RTA_ENCAP_TYPE, struct.pack('=H', LWTUNNEL_ENCAP_XFRM))
body += attr(RTA_ENCAP | NLA_F_NESTED, nested)

sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
sock.send(struct.pack('=IHHII', 16 + len(body), RTM_NEWROUTE, flags, 1, 0) + body)
answer = sock.recv(65536)
error = -struct.unpack_from('=i', answer, 16)[0]
print(errno.errorcode[error] if error else 'ok', message(answer))
