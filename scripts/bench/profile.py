#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""profile.py KALLSYMS - addresses on stdin, one a line: how many of them lie in which
module, and in which function, of the kernel whose /proc/kallsyms this was."""
import bisect
import collections
import sys


def symbols(path):
    """(address, function, module), sorted; those of modules beside the kernel's own."""
    table = []
    with open(path, encoding='utf-8') as file:
        for line in file:
            words = line.split()
            if words[1] in 'tTwW':
                module = words[3].strip('[]') if len(words) > 3 else 'kernel'
                table.append((int(words[0], 16), words[2], module))
    return sorted(table)


def main(path):
    table = symbols(path)
    starts = [address for address, _, _ in table]
    functions, modules = collections.Counter(), collections.Counter()
    for line in sys.stdin:
        if not line.strip():
            continue
        at = bisect.bisect_right(starts, int(line, 16)) - 1
        name, module = ('?', 'outside the kernel')
        # The host's C library and the like lie far behind the last function.
        if at >= 0 and int(line, 16) - starts[at] < 0x10000:
            _, name, module = table[at]
        functions[name, module] += 1
        modules[module] += 1
    total = sum(modules.values())
    if not total:
        sys.exit('profile.py: no samples')
    print(f'{total} samples\n')
    for module, n in modules.most_common():
        print(f'{100 * n / total:6.2f} %  {module}')
    print()
    for (name, module), n in functions.most_common():
        print(f'{100 * n / total:6.2f} %  {module:16} {name}')


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
