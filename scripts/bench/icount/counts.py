# SPDX-License-Identifier: GPL-2.0
"""From the plugin's counts to the kernel's functions."""

import bisect
import collections
import json
import pathlib
import sys

KERNEL = "vmlinux"


class Symbols:
    """/proc/kallsyms: which function an address belongs to."""

    def __init__(self, path):
        self.start = {}  # (module, function): address
        by_address = {}
        with open(path, encoding="ascii") as file:
            for line in file:
                words = line.split()
                if words[1] not in "tTwW":
                    continue
                function = (words[3].strip("[]") if len(words) > 3 else KERNEL, words[2])
                address = int(words[0], 16)
                self.start.setdefault(function, address)
                by_address.setdefault(address, function)
        self._addresses = sorted(by_address)
        self._functions = [by_address[address] for address in self._addresses]
        self.at = by_address

    def function(self, address):
        """(module, name)"""
        i = bisect.bisect_right(self._addresses, address) - 1
        return self._functions[i] if i >= 0 else ("?", "?")


class Interval:
    """What was executed between two marks. All figures are totals, not per packet."""

    def __init__(self, symbols):
        self.symbols = symbols
        self.counts = {}  # address: count
        self.stretch = {}  # address: the part of it on the stretches, see counter.c
        self.targets = {}  # address of a direct call or jump: where it goes
        self._instructions = None

    @property
    def total(self):
        return sum(self.counts.values())

    @property
    def instructions(self):
        """(module, function): instructions executed in it, without what it calls"""
        if self._instructions is None:
            self._instructions = self._by_function(self.counts)
        return self._instructions

    @property
    def on_stretches(self):
        """The same, of what was executed on the stretches"""
        return self._by_function(self.stretch)

    def _by_function(self, counts):
        result = collections.Counter()
        for address, count in counts.items():
            result[self.symbols.function(address)] += count
        return result

    def of_module(self, module):
        return sum(n for (owner, _), n in self.instructions.items() if owner == module)

    def calls(self, module, name):
        """How often a function was entered; 0 also if there is no such function."""
        return self.counts.get(self.symbols.start.get((module, name)), 0)

    def shares(self, seeds):
        """
        function: the part of its instructions, 0 to 1, that was executed on behalf of
        the functions in seeds, which have 1.

        As a profiler does: a function costs the same at each call, so that the part is
        that of its calls. Calls through a pointer count as somebody else's.
        """
        calls = collections.Counter()  # (caller, callee)
        entered = {}  # callee
        for address, target in self.targets.items():
            callee = self.symbols.at.get(target)
            caller = self.symbols.function(address)
            if callee and callee != caller:
                calls[caller, callee] += self.counts[address]
                entered[callee] = self.counts.get(target, 0)
        part = dict.fromkeys(seeds, 1.0)
        changed = True
        while changed:
            changed = False
            on_behalf = collections.Counter()
            for (caller, callee), count in calls.items():
                if callee not in seeds and part.get(caller):
                    on_behalf[callee] += part[caller] * count
            for callee, count in on_behalf.items():
                new = min(1.0, count / entered[callee]) if entered[callee] else 0.0
                if abs(new - part.get(callee, 0.0)) > 1e-4:
                    part[callee] = new
                    changed = True
        return part


def intervals(path, symbols):
    """The intervals that the plugin wrote, in order."""
    current, result = None, []
    with open(path, encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0] == "interval":
                current = Interval(symbols)
                result.append(current)
                continue
            address = int(words[0], 16)
            current.counts[address] = int(words[1])
            if words[2] != "0":
                current.stretch[address] = int(words[2])
            if len(words) > 3:
                current.targets[address] = int(words[3], 16)
    return result


class Boot:
    """What one boot left in a directory: intervals.jsonl, kallsyms, counts."""

    def __init__(self, directory):
        directory = pathlib.Path(directory)
        self.symbols = Symbols(directory / "kallsyms")
        measured = intervals(directory / "counts", self.symbols)
        with open(directory / "intervals.jsonl", encoding="ascii") as file:
            rows = [json.loads(line) for line in file]
        if len(rows) != len(measured) or not rows:
            sys.exit(f"refused: {len(rows)} cases, but {len(measured)} intervals")
        self.cases = [(row, measured[row["interval"]]) for row in rows]

    def case(self, name, size):
        """The first case of that name and size of packets."""
        for row, interval in self.cases:
            if row["case"] == name and row["bytes"] == size:
                return row, interval
        sys.exit(f"{name} with {size} bytes was not measured")
