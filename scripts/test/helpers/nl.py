# SPDX-License-Identifier: GPL-2.0
"""Raw rtnetlink for the tests: whatever bytes a caller can send to the kernel.

On the command line (what `ip` cannot say, or hides behind an extack message):
    nl.py add NAME [if_id=N] [link=IFINDEX] [external]
    nl.py change NAME [if_id=N] [link=IFINDEX] [external]
    nl.py del NAME
prints "OK" or "ERRNO-NAME: extack message" and exits with 0 or 1.
"""
import errno
import socket
import struct
import sys

NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x200, 0x400
NLM_F_DUMP, NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x300, 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_LINKINFO = 3, 4, 5, 18
IFLA_LINK_NETNSID = 37
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
LINK, IF_ID, COLLECT_MD = 1, 2, 3		# IFLA_XFRM_*
NESTED = 0x8000


def u32(value):
    return struct.pack("=I", value & 0xffffffff)


def attr(kind, data=b"", length=None):
    """One attribute; length lies about its size where that is wanted."""
    real = 4 + len(data)
    head = struct.pack("=HH", real if length is None else length, kind)
    return head + data + b"\0" * (-real % 4)


def attrs(data):
    """The attributes in data as a list of (type, bytes)."""
    found = []
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found.append((kind & 0x3fff, data[4:length]))
        data = data[(length + 3) & ~3:]
    return found


def info(data, kind=b"xfrm\0"):
    """IFLA_LINKINFO of the kind; data None: no IFLA_INFO_DATA at all."""
    body = attr(IFLA_INFO_KIND, kind)
    if data is not None:
        body += attr(IFLA_INFO_DATA, data)
    return attr(IFLA_LINKINFO, body)


def parms(if_id=None, link=None, external=False):
    """IFLA_INFO_DATA as a well-behaved program writes it."""
    data = b""
    if link is not None:
        data += attr(LINK, u32(link))
    if if_id is not None:
        data += attr(IF_ID, u32(if_id))
    if external:
        data += attr(COLLECT_MD)
    return data


def name_attr(name):
    return attr(IFLA_IFNAME, name.encode() + b"\0")


class Answer:
    """What the kernel said: err is "OK" or the name of an errno."""

    def __init__(self, error, message):
        # 95 is ENOTSUP to Python and EOPNOTSUPP to everybody else.
        self.err = {0: "OK", -95: "EOPNOTSUPP"}.get(error) or errno.errorcode[-error]
        self.message = message

    def __str__(self):
        return self.err if self.err == "OK" else f"{self.err}: {self.message}"


class Rtnl:
    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.sock.settimeout(60)
        self.seq = 0

    def _send(self, kind, flags, body):
        self.seq += 1
        self.sock.send(struct.pack("=IHHII", 16 + len(body), kind,
                                   flags | NLM_F_REQUEST, self.seq, 0) + body)

    def talk(self, kind, flags, body):
        """One request, one acknowledgement."""
        self._send(kind, flags | NLM_F_ACK, body)
        while True:
            data = self.sock.recv(65536)
            length, what, flags, seq, _ = struct.unpack_from("=IHHII", data)
            if what == NLMSG_ERROR and seq == self.seq:
                break
        error, = struct.unpack_from("=i", data, 16)
        message = ""
        if flags & NLM_F_ACK_TLVS:
            at = 16 + 4 + 16
            if error and not flags & NLM_F_CAPPED:
                quoted, = struct.unpack_from("=I", data, 20)
                at += quoted - 16
            for which, value in attrs(data[at:length]):
                if which == 1:
                    message = value.rstrip(b"\0").decode()
        return Answer(error, message)

    def add(self, name, data, extra=b"", kind=b"xfrm\0"):
        return self.link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
                         name_attr(name) + extra + info(data, kind))

    def change(self, name, data, kind=b"xfrm\0"):
        return self.link(RTM_NEWLINK, 0, name_attr(name) + info(data, kind))

    def delete(self, name):
        return self.link(RTM_DELLINK, 0, name_attr(name))

    def link(self, what, flags, body):
        return self.talk(what, flags, struct.pack("=BxHiII", 0, 0, 0, 0, 0) + body)

    def links(self):
        """All links: {name: what must not change by a refused request}."""
        self._send(RTM_GETLINK, NLM_F_DUMP, struct.pack("=BxHiII", 0, 0, 0, 0, 0))
        found = {}
        while True:
            data = self.sock.recv(1 << 20)
            while data:
                length, what = struct.unpack_from("=IH", data)
                if what == NLMSG_DONE:
                    return found
                if what == RTM_NEWLINK:
                    index, flags = struct.unpack_from("=iI", data, 20)
                    have = dict(attrs(data[32:length]))
                    name = have[IFLA_IFNAME].rstrip(b"\0").decode()
                    found[name] = (index, flags, have[IFLA_MTU],
                                   have.get(IFLA_LINK), have.get(IFLA_LINK_NETNSID),
                                   have.get(IFLA_LINKINFO))
                data = data[(length + 3) & ~3:]

    def xfrm_links(self):
        """The xfrm links: {name: (link, if_id, external)}."""
        found = {}
        for name, (*_, linkinfo) in self.links().items():
            have = dict(attrs(linkinfo or b""))
            if have.get(IFLA_INFO_KIND) != b"xfrm\0":
                continue
            data = dict(attrs(have[IFLA_INFO_DATA]))
            found[name] = (struct.unpack("=I", data[LINK])[0],
                           struct.unpack("=I", data[IF_ID])[0],
                           COLLECT_MD in data)
        return found


def main():
    what, name, *words = sys.argv[1:]
    given = dict(word.partition("=")[::2] for word in words)
    data = parms(if_id=int(given["if_id"], 0) if "if_id" in given else None,
                 link=int(given["link"], 0) if "link" in given else None,
                 external="external" in given)
    rtnl = Rtnl()
    answer = {"add": lambda: rtnl.add(name, data),
              "change": lambda: rtnl.change(name, data),
              "del": lambda: rtnl.delete(name)}[what]()
    print(answer)
    return answer.err != "OK"


if __name__ == "__main__":
    sys.exit(main())
