#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
lines.py CASE BYTES DIR MODULE.ko: instructions per packet by source line of a module, from the
boot whose results are in DIR. The line may be one of an inlined function; in parentheses is
the function that it became a part of.
"""

import collections
import pathlib
import subprocess
import sys

from counts import Boot


def text_offset(module, symbols, name):
    """What is to be subtracted from a loaded address to get the offset in the file's .text."""
    listing = subprocess.run(["nm", module], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in "tT" and (name, words[2]) in symbols.start \
                and not words[2].startswith(("init_module", "cleanup_module", "__")):
            return symbols.start[name, words[2]] - int(words[0], 16)
    sys.exit(f"{module} is not what was loaded")


def main():
    boot, module = Boot(sys.argv[3]), pathlib.Path(sys.argv[4])
    name, symbols = module.stem, boot.symbols
    row, interval = boot.case(sys.argv[1], int(sys.argv[2]))
    base = text_offset(module, symbols, name)
    mine = {a: n for a, n in interval.counts.items() if symbols.function(a)[0] == name}
    addresses = sorted(mine)
    answers = subprocess.run(["addr2line", "-s", "-j", ".text", "-e", module],
                             input="\n".join(hex(a - base) for a in addresses),
                             capture_output=True, text=True, check=True).stdout.splitlines()
    lines = collections.Counter()
    for address, line in zip(addresses, answers):
        lines[symbols.function(address)[1], line.split(" ")[0]] += mine[address]
    for (function, line), count in sorted(lines.items(), key=lambda item: -item[1]):
        print(f"{count / row['packets']:10.1f}  {line} ({function})")


if __name__ == "__main__":
    main()
