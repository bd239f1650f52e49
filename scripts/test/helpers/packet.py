#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Packet offload, which the `ip` of a test's guest does not know, in the words of one that does.

    packet.py xfrm state|policy add WORDS... offload packet dev DEV [dir in|out]
    packet.py -batch        the same, a line each, on its input

Of ip's words it has those that the tests use. Prints for each "OK" or "ERRNO-NAME:
extack message", -batch only what is not OK, and exits with 0 or 1.
"""
import os
import shlex
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nl  # noqa: E402
from xfrm_nl import NEWPOLICY, NEWSA, Xfrm, address, family_of  # noqa: E402

ALG_CRYPT, ENCAP, TMPL, REPLAY, ALG_AEAD, ALG_AUTH_TRUNC = 2, 4, 5, 10, 18, 20
REPLAY_ESN, EXTRA_FLAGS, OFFLOAD_DEV, IF_ID = 23, 24, 28, 31
INBOUND, PACKET = 2, 4
MODES = {"transport": 0, "tunnel": 1, "beet": 4}
PROTOS = {"esp": 50, "ah": 51, "udp": 17, "tcp": 6}
FLAGS = {"decap-dscp": 2, "af-unspec": 32, "esn": 128}
DIRS = {"in": 0, "out": 1, "fwd": 2}
LIMITS = ("byte-soft", "byte-hard", "packet-soft", "packet-hard")


class Words:
    """The words of a line, from the left."""

    def __init__(self, words):
        self.words = list(words)

    def more(self, *wanted):
        return bool(self.words) and (not wanted or self.words[0] in wanted)

    def take(self):
        return self.words.pop(0)

    def number(self):
        return int(self.take(), 0)

    def known(self, table):
        return table[self.take()]


def selector(src, dst, proto=0, dport=0):
    """Of two addresses, with or without /BITS."""
    packed, bits = b"", []
    for text in (dst, src):
        addr, _, size = text.partition("/")
        family = family_of(addr)
        packed += address(addr)
        bits.append(int(size) if size else 128 if family == socket.AF_INET6 else 32)
    packed += struct.pack("!HHHH", dport, 0xffff if dport else 0, 0, 0)
    return packed + struct.pack("=HBBB3xiI", family, *bits, proto, 0, 0)


def offload(words):
    """XFRMA_OFFLOAD_DEV, after the word offload"""
    assert words.take() == "packet" and words.take() == "dev"
    dev, flags = words.take(), PACKET
    if words.more("dir"):
        words.take()
        flags |= INBOUND if words.take() == "in" else 0
    return nl.attr(OFFLOAD_DEV, struct.pack("=iB3x", socket.if_nametoindex(dev), flags))


def key_of(text):
    return bytes.fromhex(text[2:])


def algorithm(word, words):
    name, key = words.take().encode().ljust(64, b"\0"), key_of(words.take())
    bits = struct.pack("=I", 8 * len(key))
    if word == "enc":
        return nl.attr(ALG_CRYPT, name + bits + key)
    bits += struct.pack("=I", words.number())
    return nl.attr(ALG_AEAD if word == "aead" else ALG_AUTH_TRUNC, name + bits + key)


def state(words):
    """A request for an SA."""
    have = {"spi": 0, "reqid": 0, "mode": 0, "proto": 0, "replay-window": 0, "replay-seq": 0,
            "replay-seq-hi": 0, "replay-oseq": 0, "replay-oseq-hi": 0}
    limits, flags, sel, more = dict.fromkeys(LIMITS, 2 ** 64 - 1), 0, bytes(56), b""
    while words.more():
        word = words.take()
        if word in ("src", "dst"):
            have[word] = words.take()
        elif word == "mode":
            have[word] = words.known(MODES)
        elif word == "proto":
            have[word] = words.known(PROTOS)
        elif word == "flag":
            while words.more(*FLAGS):
                flags |= words.known(FLAGS)
        elif word == "extra-flag":
            assert words.take() == "oseq-may-wrap"
            more += nl.attr(EXTRA_FLAGS, nl.u32(2))
        elif word == "sel":
            assert words.take() == "src"
            src = words.take()
            assert words.take() == "dst"
            sel = selector(src, words.take())
        elif word == "encap":
            assert words.take() == "espinudp"
            ports = words.number(), words.number()
            more += nl.attr(ENCAP, struct.pack("=H", 2) + struct.pack("!HH2x", *ports) + bytes(16))
        elif word == "limit":
            which = words.take()
            limits[which] = words.number()
        elif word == "if_id":
            more += nl.attr(IF_ID, nl.u32(words.number()))
        elif word == "offload":
            more += offload(words)
        elif word in have:
            have[word] = words.number()
        else:
            more += algorithm(word, words)
    window = have["replay-window"]
    # A window larger than the old form has room for, as ip does.
    if flags & FLAGS["esn"] or window > 32:
        size = (window + 31) // 32
        more += nl.attr(REPLAY_ESN, struct.pack(
            "=IIIIII", size, have["replay-oseq"], have["replay-seq"], have["replay-oseq-hi"],
            have["replay-seq-hi"], window) + bytes(4 * size))
        window = 0
    elif have["replay-oseq"]:
        more += nl.attr(REPLAY, struct.pack("=III", have["replay-oseq"], 0, 0))
    body = sel + address(have["dst"]) + struct.pack("!IB3x", have["spi"], have["proto"])
    body += address(have["src"]) + struct.pack("=QQQQ", *(limits[name] for name in LIMITS))
    body += bytes(32 + 32 + 12)
    body += struct.pack("=IIHBBB7x", 0, have["reqid"], family_of(have["dst"]), have["mode"], window, flags)
    return NEWSA, body + more


def template(words):
    """After the word tmpl."""
    src = dst = None
    proto, reqid, mode = PROTOS["esp"], 0, 0
    while words.more("src", "dst", "proto", "reqid", "mode"):
        word = words.take()
        if word == "src":
            src = words.take()
        elif word == "dst":
            dst = words.take()
        elif word == "proto":
            proto = words.known(PROTOS)
        elif word == "reqid":
            reqid = words.number()
        else:
            mode = words.known(MODES)
    return src, dst, proto, reqid, mode


def packed_template(tmpl, family):
    src, dst, proto, reqid, mode = tmpl
    family = family_of(dst) if dst else family
    ends = [address(end) if end else bytes(16) for end in (dst, src)]
    return ends[0] + struct.pack("=IB3xH2x", 0, proto, family) + ends[1] + struct.pack(
        "=IBBB1xIII", reqid, mode, 0, 0, *[2 ** 32 - 1] * 3)


def policy(words):
    """A request for a policy."""
    src = dst = way = None
    block, priority, proto, dport, tmpls, more = 0, 0, 0, 0, [], b""
    while words.more():
        word = words.take()
        if word == "src":
            src = words.take()
        elif word == "dst":
            dst = words.take()
        elif word == "proto":
            proto = words.known(PROTOS)
        elif word == "dport":
            dport = words.number()
        elif word == "dir":
            way = words.known(DIRS)
        elif word == "action":
            block = words.take() == "block"
        elif word == "priority":
            priority = words.number()
        elif word == "if_id":
            more += nl.attr(IF_ID, nl.u32(words.number()))
        elif word == "tmpl":
            tmpls.append(template(words))
        elif word == "offload":
            more += offload(words)
        else:
            raise ValueError(word)
    if tmpls:
        more += nl.attr(TMPL, b"".join(packed_template(tmpl, family_of(dst)) for tmpl in tmpls))
    never = struct.pack("=QQQQ", *[2 ** 64 - 1] * 4) + bytes(32)
    return NEWPOLICY, selector(src, dst, proto, dport) + never + bytes(32) + struct.pack(
        "=IIBBBB4x", priority, 0, way, block, 0, 0) + more


def add(xfrm, line):
    words = Words(line)
    assert words.take() == "xfrm"
    what = {"state": state, "policy": policy}[words.take()]
    assert words.take() == "add"
    kind, body = what(words)
    return str(xfrm.talk(kind, nl.NLM_F_CREATE | nl.NLM_F_EXCL, body))


def main():
    """See above."""
    xfrm, bad = Xfrm(), False
    if sys.argv[1] != "-batch":
        answer = add(xfrm, sys.argv[1:])
        print(answer)
        return answer != "OK"
    for line in sys.stdin:
        answer = add(xfrm, shlex.split(line))
        if answer != "OK":
            bad = True
            print(f"{answer}: {line}", end="")
    return bad


if __name__ == "__main__":
    sys.exit(main())
