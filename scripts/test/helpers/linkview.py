#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Records what user space can see of xfrm links, to compare two modules.

linkview.py HERE OTHER DIR
    Runs in namespace HERE, which holds "lo", "wire0" and some possible masters;
    OTHER is the name of a second one. Makes links, changes, moves and deletes them, and
    leaves in DIR a file for each topic: the commands, how they ended, every
    notification and every attribute. Left out are values that differ from one
    link to the next whoever makes it, times and packet counters, and
    notifications about "wire0", which come when its carrier has been watched.
"""
import ctypes
import itertools
import os
import re
import socket
import struct
import subprocess
import sys

import nl
from nl import attrs

SOL_NETLINK, ADD_MEMBERSHIP, CLONE_NEWNET = 270, 1, 0x40000000
RTNLGRP_LINK, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, RTNLGRP_NSID = 1, 24, 25, 28
TYPES = {16: "NEWLINK", 17: "DELLINK", 80: "NEWNETCONF", 81: "DELNETCONF", 88: "NEWNSID", 89: "DELNSID"}
LINK_TYPES, NETCONF_TYPES = (16, 17), (80, 81)
NAMES = {
    1: "address", 2: "broadcast", 3: "ifname", 4: "mtu", 5: "link", 6: "qdisc", 7: "stats", 10: "master",
    13: "txqlen", 14: "map", 16: "operstate", 17: "linkmode", 18: "linkinfo", 20: "ifalias", 21: "num_vf",
    23: "stats64", 26: "af_spec", 27: "group", 30: "promiscuity", 31: "num_tx_queues", 32: "num_rx_queues",
    33: "carrier", 35: "carrier_changes", 37: "link_netnsid", 39: "proto_down", 40: "gso_max_segs",
    41: "gso_max_size", 43: "xdp", 44: "event", 45: "new_netnsid", 47: "carrier_up_count",
    48: "carrier_down_count", 49: "new_ifindex", 50: "min_mtu", 51: "max_mtu", 52: "prop_list",
    54: "perm_address", 58: "gro_max_size", 59: "tso_max_size", 60: "tso_max_segs", 61: "allmulti", 68: "headroom", 69: "tailroom",
}
STATS, AF_SPEC, STATS64, LINKINFO = 7, 26, 23, 18
AF_INET6, INET6_STATS, INET6_CACHEINFO, INET6_ICMP6STATS = 10, 3, 5, 6


def linkinfo(data):
    for kind, value in attrs(data):
        if kind == nl.IFLA_INFO_DATA:
            yield from ((f"info_data.{number}", inner) for number, inner in attrs(value))
        else:
            yield f"info.{kind}", value


def af_spec(data):
    for family, value in attrs(data):
        for number, inner in attrs(value):
            if family != AF_INET6 or number not in (INET6_STATS, INET6_CACHEINFO, INET6_ICMP6STATS):
                yield f"af{family}.{number}", inner


def link_lines(body):
    """What a link message says, a line for each attribute."""
    _, kind, index, flags, change = struct.unpack_from("=BxHiII", body)
    yield f"type {kind:#x} index {index} flags {flags:#x} change {change:#x}"
    for number, data in attrs(body[16:]):
        parts = [("", data)]
        if number == LINKINFO:
            parts = linkinfo(data)
        elif number == AF_SPEC:
            parts = af_spec(data)
        elif number in (STATS, STATS64):
            parts = []
        for part, value in parts:
            yield f"{NAMES.get(number, number)}{part and ' ' + part} {value.hex()}"


def messages(data):
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(length + 3) & ~3:]


class Namespace:
    """One that is looked at; name None: the one we are in."""

    def __init__(self, name=None):
        self.ip = ["ip", "-n", name] if name else ["ip"]
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net") as home, open(f"/run/netns/{name}" if name else home.name) as there:
            assert libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            self.asks = nl.Rtnl()
            self.hears = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            assert libc.setns(home.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        self.hears.bind((0, 0))
        for group in (RTNLGRP_LINK, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, RTNLGRP_NSID):
            self.hears.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)

    def dump(self, name):
        self.asks._send(nl.RTM_GETLINK, 0, bytes(16) + nl.name_attr(name))
        for kind, body in messages(self.asks.sock.recv(1 << 20)):
            if kind == nl.NLMSG_ERROR:
                yield f"error {struct.unpack_from('=i', body)[0]}"
            else:
                yield from link_lines(body)

    def events(self):
        """Notifications come with the request that they are about: what is not
        there now does not come."""
        while True:
            try:
                data = self.hears.recv(1 << 20, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            for kind, body in messages(data):
                if kind in LINK_TYPES and dict(attrs(body[16:]))[nl.IFLA_IFNAME] == b"wire0\0":
                    continue
                yield TYPES.get(kind, f"message {kind}")
                if kind in LINK_TYPES:
                    yield from (f"  {line}" for line in link_lines(body))
                elif kind in NETCONF_TYPES:
                    yield from (f"  {number} {value.hex()}" for number, value in attrs(body[4:]))


class Recorder:
    def __init__(self, here, other, where):
        self.here, self.there = Namespace(), Namespace(other)
        self.home, self.other, self.where = here, other, where

    def note(self, topic, lines):
        with open(f"{self.where}/{topic}", "a") as file:
            for line in lines:
                file.write(line.replace(self.home, "HOME").replace(self.other, "OTHER") + "\n")

    def says(self, topic, *command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        self.note(topic, [f"# {' '.join(command)}: status {done.returncode}"])
        return done.returncode == 0, done.stdout.splitlines()

    def ip(self, topic, words, where=None):
        """The command, and all notifications that it brings."""
        good, said = self.says(topic, *(where or self.here).ip, *words.split())
        events = ["here:", *self.here.events(), "there:", *self.there.events()]
        # Where the kind refuses, ours has words of its own (for the errno see
        # requests()), and tells nobody of a change that did not happen.
        if good or "type xfrm" not in words:
            self.note(topic, said + events)

    def tool(self, topic, *words):
        self.note(topic, self.says(topic, "ethtool", *words)[1])

    def seen(self, topic, where=None):
        self.note(topic, (where or self.here).dump("ipsec0"))

    def make(self, topic, words="mtu 1400 type xfrm dev wire0 if_id 7"):
        self.ip(topic, f"link add ipsec0 index 77 {words}")

    def delete(self, topic):
        self.ip(topic, "link del ipsec0")

    def files(self, topic, top):
        for where, subdirs, names in os.walk(top):
            subdirs[:] = sorted(set(subdirs) - {"statistics"})
            for name in sorted(names):
                path = os.path.join(where, name)
                try:
                    with open(path, errors="replace") as file:
                        text = file.read()
                except OSError as err:
                    text = err.strerror
                self.note(topic, [f"{path}: {text.rstrip()}"])


def creations(rec):
    for topic, words in {
            "made with a lower device": "mtu 1400 type xfrm dev wire0 if_id 7",
            "made without a lower device": "mtu 1400 type xfrm if_id 7",
            "made external": "mtu 1400 type xfrm external",
            "made without an MTU": "type xfrm dev wire0 if_id 7",
            "made with an address": "mtu 1400 address 02:00:00:00:00:01 type xfrm dev wire0 if_id 7",
            # An address shows in how it was assigned, and that of lo's was not by a user.
            "made with an address over lo": "mtu 1400 address 02:00:00:00:00:01 type xfrm dev lo if_id 7",
            "made with a short address": "mtu 1400 address 10.0.0.1 type xfrm dev wire0 if_id 7",
            "made with everything": "mtu 1400 txqueuelen 77 numtxqueues 3 numrxqueues 2 group 5 gso_max_size 30000"
                                    " gso_max_segs 20 type xfrm dev wire0 if_id 7"}.items():
        rec.make(topic, words)
        rec.seen(topic)
        rec.files(topic, "/sys/class/net/ipsec0/")
        rec.delete(topic)
    rec.ip("named by the kernel", "link add mtu 1400 type xfrm if_id 7")
    rec.ip("named by the kernel", "link del xfrm0")


def files_and_features(rec):
    rec.make("in proc")
    rec.files("in proc", "/proc/sys/net/ipv4/conf/ipsec0")
    rec.files("in proc", "/proc/sys/net/ipv6/conf/ipsec0")
    with open("/proc/net/dev") as file:
        rec.note("in proc", [line for line in file.read().splitlines() if "ipsec0" in line])
    rec.ip("in sysfs, up", "link set ipsec0 up")
    rec.files("in sysfs, up", "/sys/class/net/ipsec0/")
    for option in "-k -P -g -l -c -a -x -T -m -d --show-priv-flags --show-fec --show-eee".split():
        rec.tool("by ethtool", option, "ipsec0")
    rec.tool("features switched off", *"-K ipsec0 tx off sg off gso off tso off gro off lro off".split())
    rec.tool("features switched off", "-k", "ipsec0")
    rec.delete("in sysfs, up")


def upper_devices(rec):
    rec.make("as a lower device")
    for index, words in enumerate(("vlan id 5", "macvlan", "ipvlan", "macvtap")):
        rec.ip("as a lower device", f"link add link ipsec0 name up{index} index 8{index}"
                                    f" address 02:00:00:00:00:b{index} type {words}")
    for master in ("br0", "bond0", "vrf0"):
        rec.ip(f"below {master}", f"link set ipsec0 master {master}")
        rec.seen(f"below {master}")
        rec.ip(f"below {master}", "link set ipsec0 nomaster")
    rec.delete("as a lower device")


CHANGES = """up; type xfrm dev wire0 if_id 7; type xfrm dev wire0 if_id 8; type xfrm dev wire0 if_id 0
    type xfrm if_id 9; type xfrm dev lo if_id 7; type xfrm external; type vti key 5
    mtu 1300; mtu 67; mtu 65536; txqueuelen 5; alias one; group 7
    address 02:00:00:00:00:02; broadcast 02:00:00:00:00:03; promisc on; promisc off
    allmulticast on; multicast on; arp on; arp off; dynamic on; carrier off; carrier on
    protodown on; protodown off; addrgenmode eui64; mode dormant; mode default; gso_max_size 20000
    vf 0 mac 02:00:00:00:00:04; trailers off; down; type xfrm dev wire0 if_id 9"""


def life(rec):
    rec.make("a life")
    for words in re.split(r"[;\n]\s*", CHANGES):
        topic = f"link set ipsec0 {words}"
        rec.ip(topic, topic)
        rec.seen(topic)
    rec.ip("its lower device goes down", "link set ipsec0 up")
    rec.ip("its lower device goes down", "link set wire0 down")
    rec.seen("its lower device goes down")
    rec.ip("its lower device comes up", "link set wire0 up")
    rec.seen("its lower device comes up")
    rec.ip("moved away", f"link set ipsec0 netns {rec.other}")
    rec.seen("moved away", rec.there)
    rec.ip("changed there", "link set ipsec0 type xfrm if_id 10", rec.there)
    rec.ip("changed there", "link set ipsec0 up", rec.there)
    rec.seen("changed there", rec.there)
    rec.ip("moved back", f"link set ipsec0 netns {rec.home}", rec.there)
    rec.seen("moved back")
    rec.delete("deleted")


def across_namespaces(rec):
    rec.make("made elsewhere", f"netns {rec.other} mtu 1400 type xfrm if_id 7")
    rec.seen("made elsewhere", rec.there)
    rec.ip("made elsewhere", "link del ipsec0", rec.there)
    rec.make("made with link-netns", f"link-netns {rec.other} mtu 1400 type xfrm dev lo if_id 7")
    rec.seen("made with link-netns")
    rec.delete("made with link-netns")
    rec.ip("its lower device is deleted", "link add low index 89 address 02:00:00:00:00:bb type dummy")
    rec.make("its lower device is deleted", "mtu 1400 type xfrm dev low if_id 7")
    rec.ip("its lower device is deleted", "link set ipsec0 up")
    rec.ip("its lower device is deleted", "link del low")
    rec.seen("its lower device is deleted")
    rec.delete("deleted after its lower device")


def combinations(links, if_ids):
    for link, if_id, external in itertools.product(links.items(), if_ids.items(), (False, True)):
        yield (f"link {link[0]}, if_id {if_id[0]}{', external' if external else ''}",
               nl.parms(link=link[1], if_id=if_id[1], external=external))


def requests(rec, what):
    """Every combination of right, wrong, missing and taken values: the errno, and
    what becomes of the link. A creation meets another link, a change is of it."""
    rtnl, topic = rec.here.asks, f"every {what} request"
    wire = socket.if_nametoindex("wire0")
    links = {"not given": None, "0": 0, "wire0": wire, "lo": 1, "nobody's": 4711}
    if_ids = {"not given": None, "0": 0, "free": 50, "its own": 40, "taken": 60}
    assert rtnl.add("taken", nl.parms(if_id=60)).err == "OK"
    name, request = ("it", rtnl.change) if what == "change" else ("new", rtnl.add)
    for start, made in {"with dev": nl.parms(link=wire, if_id=40), "without": nl.parms(if_id=40),
                        "external": nl.parms(external=True)}.items():
        assert rtnl.add("it", made).err == "OK"
        for text, data in combinations(links, if_ids):
            answer = request(name, data)
            shown = [line for line in rec.here.dump(name) if line.startswith(("error", "link"))]
            rec.note(topic, [f"{start}: {text}: {answer.err}", *shown])
            if answer.err == "OK":
                rtnl.delete(name)
                assert name == "new" or rtnl.add("it", made).err == "OK"
        rtnl.delete("it")
    rtnl.delete("taken")


def main():
    rec = Recorder(*sys.argv[1:])
    creations(rec)
    files_and_features(rec)
    upper_devices(rec)
    life(rec)
    across_namespaces(rec)
    requests(rec, "create")
    requests(rec, "change")


if __name__ == "__main__":
    main()
