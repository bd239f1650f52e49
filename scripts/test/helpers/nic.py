#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What `ip link` says of an espnic only with the plugin: attributes by their names.

    nic.py add NAME [link=DEV | peer=DEV] [ATTRIBUTE=N]...
    nic.py change NAME ATTRIBUTE=N...
    nic.py show NAME [ATTRIBUTE]

prints "OK" or "ERRNO-NAME: extack message" and exits with 0 or 1; show prints
ATTRIBUTE=N for each, or N.
"""
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import nl  # noqa: E402

KIND = b"espnic\0"
NAMES = {"sa_max": (1, "=I"), "sa_count": (2, "=I"), "peer": (3, "=I"), "refuse": (4, "=B"),
         "corrupt": (5, "=I"), "reorder": (6, "=I"), "stall": (7, "=B"), "lose": (8, ">I")}


def index(dev):
    """Of a device, or one that no device has"""
    try:
        return socket.if_nametoindex(dev)
    except OSError:
        return 0x7fffffff


def data(words):
    """IFLA_INFO_DATA of the words"""
    found = b""
    for word in words:
        name, value = word.split("=")
        kind, form = NAMES[name]
        number = index(value) if name == "peer" else int(value, 0)
        found += nl.attr(kind, struct.pack(form, number))
    return found


def show(rtnl, name, wanted):
    """Prints what a dump says of the device."""
    linkinfo = dict(nl.attrs(rtnl.links()[name][5]))
    have = dict(nl.attrs(linkinfo[nl.IFLA_INFO_DATA]))
    for known, (kind, form) in NAMES.items():
        if kind in have and wanted in (None, known):
            value = struct.unpack(form, have[kind])[0]
            print(value if wanted else f"{known}={value}")


def main():
    """See above."""
    verb, name, *words = sys.argv[1:]
    rtnl = nl.Rtnl()
    if verb == "show":
        show(rtnl, name, words[0] if words else None)
        return 0
    lower = [index(word[5:]) for word in words if word.startswith("link=")]
    body = data(word for word in words if not word.startswith("link="))
    if verb == "add":
        extra = b"".join(nl.attr(nl.IFLA_LINK, nl.u32(number)) for number in lower)
        answer = rtnl.add(name, body, extra, KIND)
    else:
        answer = rtnl.change(name, body, KIND)
    print(answer)
    return 0 if answer.err == "OK" else 1


if __name__ == "__main__":
    sys.exit(main())
