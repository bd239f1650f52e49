#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""SAs and policies by netlink, for what ip cannot do or does too slowly.

On the command line, each for if_id IF_ID:
    xfrm_nl.py migrate 4|6 IF_ID REQID OLD-SRC OLD-DST NEW-SRC NEW-DST
        moves the output policy for all addresses of the family, and the ESP
        tunnel SA of that reqid with the addresses OLD, to the addresses NEW
    xfrm_nl.py percpu SRC DST SPI REQID IF_ID CPU
        adds an SA for packets of one CPU
prints "OK", or "ERRNO-NAME: message" or "unknown", and exits with 0 or 1.
"""
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nl  # noqa: E402

NETLINK_XFRM, POLICY_OUT = 6, 1
NEWSA, DELSA, GETSA, NEWPOLICY, DELPOLICY, MIGRATE = 0x10, 0x11, 0x12, 0x13, 0x14, 0x21
TMPL, MIGRATE_ATTR, ALG_AEAD, IF_ID, SA_DIR, SA_PCPU = 5, 17, 18, 31, 33, 35
DIR_OUT = b"\2"
ESP, MODE_TUNNEL, AF_UNSPEC_FLAG = 50, 1, 32
NEVER = struct.pack("=QQQQQQQQ", *[2 ** 64 - 1] * 4, 0, 0, 0, 0)


def family_of(text):
    return socket.AF_INET6 if ":" in text else socket.AF_INET


def address(text):
    return socket.inet_pton(family_of(text), text).ljust(16, b"\0")


def selector(family, dst=None):
    """All addresses of a family, or one destination."""
    bits = 0
    if dst is not None:
        bits = 128 if family == socket.AF_INET6 else 32
    return (address(dst) if dst else bytes(16)) + bytes(16 + 8) + struct.pack(
        "=HBBB3xiI", family, bits, 0, 0, 0, 0)


class Xfrm(nl.Rtnl):
    def __init__(self):
        super().__init__()
        self.sock.close()
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM)
        self.sock.setsockopt(nl.SOL_NETLINK, nl.NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(nl.SOL_NETLINK, nl.NETLINK_CAP_ACK, 1)
        self.sock.settimeout(60)

    def must(self, kind, flags, body):
        answer = self.talk(kind, flags, body)
        if answer.err != "OK":
            raise OSError("%x: %s" % (kind, answer))

    def add_sa(self, src, dst, spi, reqid, if_id, more=b""):
        key = bytes(range(20))
        body = bytes(56) + address(dst) + struct.pack("!IB3x", spi, ESP) + address(src)
        body += NEVER + bytes(32 + 12) + struct.pack(
            "=IIHBBB7x", 0, reqid, family_of(dst), MODE_TUNNEL, 0, AF_UNSPEC_FLAG)
        body += nl.attr(ALG_AEAD, b"rfc4106(gcm(aes))".ljust(64, b"\0") +
                        struct.pack("=II", 8 * len(key), 128) + key)
        self.must(NEWSA, nl.NLM_F_CREATE | nl.NLM_F_EXCL, body + nl.attr(IF_ID, nl.u32(if_id)) + more)

    def del_sa(self, dst, spi):
        self.must(DELSA, 0, address(dst) + struct.pack("!I", spi) +
                  struct.pack("=HB1x", family_of(dst), ESP))

    def dump_sas(self):
        """The message about each SA, from its header on."""
        self._send(GETSA, nl.NLM_F_DUMP, b"")
        while True:
            data = self.sock.recv(1 << 20)
            while data:
                length, what = struct.unpack_from("=IH", data)
                if what == nl.NLMSG_DONE:
                    return
                if what == NEWSA:
                    yield data[:length]
                data = data[(length + 3) & ~3:]

    def packets(self):
        """{SPI: packets} of all SAs."""
        found = {}
        for message in self.dump_sas():
            spi, = struct.unpack_from("!I", message, 16 + 56 + 16)
            found[spi], = struct.unpack_from("=Q", message, 16 + 56 + 24 + 16 + 64 + 8)
        return found

    def add_policy(self, family, src, dst, reqid, if_id, to=None, priority=0, block=False):
        """An output policy for all addresses of the family, or those to one."""
        body = selector(family, to) + NEVER + bytes(32) + struct.pack(
            "=IIBBBB4x", priority, 0, POLICY_OUT, block, 0, 0)
        if not block:
            body += nl.attr(TMPL, address(dst) + struct.pack("=IB3xH2x", 0, ESP, family_of(dst)) +
                            address(src) + struct.pack("=IBBB1xIII", reqid, MODE_TUNNEL, 0, 0,
                                                       *[2 ** 32 - 1] * 3))
        self.must(NEWPOLICY, nl.NLM_F_CREATE | nl.NLM_F_EXCL, body + nl.attr(IF_ID, nl.u32(if_id)))

    def del_policy(self, family, if_id, to=None):
        self.must(DELPOLICY, 0, selector(family, to) + struct.pack("=IB3x", 0, POLICY_OUT) +
                  nl.attr(IF_ID, nl.u32(if_id)))

    def migrate(self, family, if_id, reqid, old, new):
        """The policy for all addresses and its SA: old and new are (src, dst)."""
        body = selector(family) + struct.pack("=IB3x", 0, POLICY_OUT)
        move = b"".join(map(address, (old[1], old[0], new[1], new[0])))
        move += struct.pack("=BBHIHH", ESP, MODE_TUNNEL, 0, reqid,
                            family_of(old[0]), family_of(new[0]))
        return self.talk(MIGRATE, 0, body + nl.attr(MIGRATE_ATTR, move) +
                         nl.attr(IF_ID, nl.u32(if_id)))

    def knows_percpu(self):
        """Is the CPU of an SA shown, of any? Else the kernel has ignored it."""
        # To the end of the dump: what is left of it would answer the next request.
        return SA_PCPU in {kind for message in self.dump_sas()
                           for kind, _ in nl.attrs(message[16 + 224:])}


def main():
    what, *words = sys.argv[1:]
    xfrm = Xfrm()
    if what == "migrate":
        family = {"4": socket.AF_INET, "6": socket.AF_INET6}[words[0]]
        if_id, reqid = (int(word, 0) for word in words[1:3])
        answer = str(xfrm.migrate(family, if_id, reqid, words[3:5], words[5:7]))
    else:
        spi, reqid, if_id, cpu = (int(word, 0) for word in words[2:])
        xfrm.add_sa(words[0], words[1], spi, reqid, if_id,
                    nl.attr(SA_DIR, DIR_OUT) + nl.attr(SA_PCPU, nl.u32(cpu)))
        answer = "OK" if xfrm.knows_percpu() else "unknown"
    print(answer)
    return answer != "OK"


if __name__ == "__main__":
    sys.exit(main())
