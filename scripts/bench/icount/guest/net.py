# SPDX-License-Identifier: GPL-2.0
"""Network namespaces: commands and sockets inside them, counters read from them."""

import ctypes
import json
import os
import re
import socket
import struct
import subprocess

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_SO_RCVTIMEO = 20
_ETH_P_ALL = 3
PATIENCE = 20  # seconds after which a packet counts as lost


class Failure(Exception):
    """What is measured would not be what is claimed."""


def run(*words, stdin=None):
    """Runs a command of the set-up and returns its output. stdin may hold keys: it is not shown."""
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def ip(ns, commands):
    """Runs commands of ip(8), one a line, in a namespace."""
    run("ip", "-n", ns, "-batch", "-", stdin="\n".join(line.strip() for line in commands.splitlines()))


def enter(ns):
    fd = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    try:
        if _libc.setns(fd, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {ns}")
    finally:
        os.close(fd)


def write(path, value):
    with open(path, "w", encoding="ascii") as file:
        file.write(value)


def new_ns(ns, family):
    """A namespace that forwards and never speaks by itself."""
    run("ip", "netns", "add", ns)
    enter(ns)
    for conf in ("all", "default"):
        ip6 = f"/proc/sys/net/ipv6/conf/{conf}"
        write(f"/proc/sys/net/ipv4/conf/{conf}/rp_filter", "0")
        write(f"{ip6}/accept_dad", "0")
        write(f"{ip6}/accept_ra", "0")
        write(f"{ip6}/router_solicitations", "0")
        write(f"{ip6}/addr_gen_mode", "1")  # no link-local address
        write(f"{ip6}/disable_ipv6", "0" if family == 6 else "1")
    write("/proc/sys/net/ipv4/ip_forward", "1")
    write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
    ip(ns, "link set lo up")


def udp(ns, family):
    enter(ns)
    sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    return patient(sock)


def wire(ns, device):
    """A socket that sends and receives whole frames on a device."""
    enter(ns)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    sock.bind((device, _ETH_P_ALL))
    return patient(sock)


def patient(sock, seconds=PATIENCE):
    """Receiving gives up after so long. Not by settimeout(), which polls for each packet."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVTIMEO, struct.pack("ll", int(seconds), int(seconds % 1 * 1e6)))
    return sock


def link_packets(ns, device):
    """(received, sent) by a device."""
    stats = json.loads(run("ip", "-n", ns, "-s", "-j", "link", "show", "dev", device))[0]["stats64"]
    return stats["rx"]["packets"], stats["tx"]["packets"]


def sa_packets(ns, spi):
    """How many packets the SA with an SPI has carried."""
    for block in run("ip", "-n", ns, "-s", "xfrm", "state").split("\nsrc "):
        if f"spi 0x{spi:08x}" in block:
            return int(re.search(r"\b(\d+)\(packets\)", block).group(1))
    raise Failure(f"{ns} has no SA {spi:#x}")


def xfrm_errors(ns):
    """The counters of /proc/net/xfrm_stat that are not zero."""
    lines = run("ip", "netns", "exec", ns, "cat", "/proc/net/xfrm_stat").splitlines()
    return {name: int(value) for name, value in map(str.split, lines) if int(value)}
