#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
table.py TOP CASE BYTES SYSTEM DIR [SYSTEM DIR]: instructions per packet by module and by
function, from the boots whose results are in DIR. Two systems stand side by side.
"""

import operator
import sys

from counts import KERNEL, Boot
from judge import faults, is_ours, lookup_cost


class Measured:
    """One system's figures, per packet."""

    def __init__(self, system, directory, case, size):
        row, interval = Boot(directory).case(case, size)
        bad = list(faults(system, row, interval))
        if bad:
            sys.exit(f"refused: {system}: {bad[0]}")
        self.system, self.packets = system, row["packets"]
        self.functions = {f: n / self.packets for f, n in interval.instructions.items()}
        self.stretch = {f: n / self.packets for f, n in interval.on_stretches.items()}
        self.calls = {f: interval.calls(*f) / self.packets for f in self.functions}
        self.modules = {m: interval.of_module(m) / self.packets for m in {m for m, _ in self.functions}}
        self.sums = [(title, value / self.packets) for title, value in zip(
            ("all of the kernel", "interface+lookup", "module+core+alloc", "interface-inclusive"),
            (interval.total, *lookup_cost(interval), sum(interval.stretch.values())))]


def cell(measured, table, key):
    value = table(measured).get(key)
    return f"{value:10.1f}" if value is not None else " " * 9 + "-"


def section(title, systems, table, keys, name):
    print(f"\n{title}")
    for key in keys:
        cells = [cell(m, table, key) for m in systems]
        if len(systems) == 2:
            one, two = (table(m).get(key, 0) for m in systems)
            cells.append(f"{two - one:+10.1f}")
        print("".join(cells), "", name(key))


def by_size(systems, table, wanted=lambda key: True):
    keys = {key for m in systems for key in table(m) if wanted(key)}
    return sorted(keys, key=lambda key: -max(table(m).get(key, 0) for m in systems))


def str_of(function):
    return ":".join(function)


def label(systems):
    def name(function):
        calls = " / ".join(f"{m.calls.get(function, 0):.1f}" for m in systems)
        return f"{str_of(function)}  ({calls} calls)"
    return name


def main():
    top, case, size = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    systems = [Measured(sys.argv[i], sys.argv[i + 1], case, size) for i in range(4, len(sys.argv), 2)]
    print(f"instructions per packet, {case}, {size} bytes:", ", ".join(m.system for m in systems)
          + (", difference" if len(systems) == 2 else ""))
    section("sums", systems, lambda m: dict(m.sums), [title for title, _ in systems[0].sums], str)
    modules, functions = operator.attrgetter("modules"), operator.attrgetter("functions")
    section("by module", systems, modules, by_size(systems, modules), str)
    section("interface and xfrm core, by function", systems, functions,
            by_size(systems, functions, is_ours), label(systems))
    stretch = operator.attrgetter("stretch")
    section("interface-inclusive, by function", systems, stretch, by_size(systems, stretch), str_of)
    section(f"the other functions, the first {top}", systems, functions,
            by_size(systems, functions, lambda f: not is_ours(f))[:top], label(systems))
    if len(systems) == 2:
        def change(key):
            return abs(systems[1].functions.get(key, 0) - systems[0].functions.get(key, 0))
        changed = [f for f in by_size(systems, functions, lambda f: not is_ours(f) and f[0] == KERNEL)
                   if change(f) >= 5]
        section("the other functions of the kernel that differ by 5 or more", systems, functions,
                sorted(changed, key=lambda f: -change(f)), label(systems))


if __name__ == "__main__":
    main()
