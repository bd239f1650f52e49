#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
main.py PLAN OUT: measures in the guest what PLAN says, and writes to OUT, a JSON
object a line, which interval of the plugin's is which case. PLAN is JSON:

  system                     see world.py
  families, ciphers, sizes   lists; a size is that of the inner IP packet
  cases                      of forward-encap, forward-decap, forward-both, bulk-tcp
  flows                      list of numbers, "new" for a flow with each packet;
                             more than one is measured with the largest size up
                             to 1300 and on the encapsulating side only
  warmup, packets            how many of them

One system is set up on one machine, in as many worlds as there are families and
ciphers. A finished world is left as it is: it does nothing.
"""

import gc
import json
import resource
import socket
import sys

import net
from packets import Runner, announce_stretches
from world import ALGORITHMS, World


def make_parallel(cipher):
    """Has the kernel offer pcrypt's version of a cipher under the cipher's own name, preferred.

    Binding a socket to the template's name does that. The bind itself fails, for what
    was made bears another name.
    """
    name = f"seqiv({ALGORITHMS[cipher][0]})"
    try:
        socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0).bind(("aead", f"pcrypt({name})"))
    except OSError:
        pass
    with open("/proc/crypto", encoding="ascii") as file:
        entries = [dict(map(str.strip, line.split(":", 1)) for line in entry.splitlines() if ":" in line)
                   for entry in file.read().split("\n\n")]
    if not any(entry.get("name") == name and entry["driver"].startswith("pcrypt(") for entry in entries):
        raise net.Failure(f"this kernel makes no pcrypt({name})")


def measure(plan, world, out):
    runner = Runner(world, plan["warmup"], plan["packets"])

    def write(row):
        out.write(json.dumps(row) + "\n")
        out.flush()
        print(*row.values(), flush=True)

    def record(case, function, size, flows, variant=None):
        row = {"case": case, "family": world.family, "cipher": world.cipher, "bytes": size,
               "flows": 0 if variant else flows,
               "packets": plan["packets"], "interval": function(size, flows)}
        if variant:
            row["variant"] = variant
        write(row)

    if world.joined == "direct" and "bulk-tcp" in plan["cases"]:
        interval, segments = runner.tcp()
        write({"case": "bulk-tcp", "family": world.family, "cipher": world.cipher, "bytes": 0, "flows": 1,
               "packets": segments, "interval": interval})
    for size in plan["sizes"]:
        if world.joined == "direct":
            if "forward-both" in plan["cases"]:
                record("forward-both", runner.both, size, 1)
        else:
            record("forward-encap", runner.encap, size, 1)
            if "forward-decap" in plan["cases"]:
                record("forward-decap", runner.decap, size, 1)
    if world.joined == "split" and "forward-encap" in plan["cases"]:
        size = max(size for size in plan["sizes"] if size <= 1300)
        for flows in plan["flows"]:
            if flows == "new":
                record("forward-encap", runner.encap, size, plan["warmup"] + plan["packets"], "new-flows")
            elif flows > 1:
                record("forward-encap", runner.encap, size, flows)


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        plan = json.load(file)
    gc.disable()
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    ways = []
    if {"forward-both", "bulk-tcp"} & set(plan["cases"]):
        ways.append("direct")
    if {"forward-encap", "forward-decap"} & set(plan["cases"]):
        ways.append("split")
    if plan["system"] == "pcrypt":
        for cipher in plan["ciphers"]:
            make_parallel(cipher)
    announce_stretches()
    number = 0
    with open(sys.argv[2], "w", encoding="ascii") as out:
        for family in plan["families"]:
            for cipher in plan["ciphers"]:
                for joined in ways:
                    number += 1
                    measure(plan, World(number, plan["system"], family, cipher, joined), out)


if __name__ == "__main__":
    try:
        main()
    except net.Failure as failure:
        sys.exit(f"refused: {failure}")
