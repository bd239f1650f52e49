#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""table.py [--markdown] RESULTS.json - the results as tables: medians side by side,
with the ratio of xfrm_accel to the in-tree interface and its 95 % interval, and that of
xfrm_accel with an espnic to xfrm_accel. In plain text, a list of all figures follows. With
--markdown, as Documentation/benchmarks.md shows them."""
import collections
import sys

import stats

UNITS = {'pps': (1e3, 'thousand packets/s'), 'bps': (1e6, 'Mbit/s'),
         'p50_ns': (1e3, 'median, µs'), 'p99_ns': (1e3, '99th percentile, µs'),
         'seconds': (1, 's'), 'bytes_each': (1, 'bytes each'),
         'insn_per_packet': (1, 'instructions per packet')}
TITLES = {'forward-encap': 'Forwarding, encapsulating side', 'forward-decap': 'Forwarding, decapsulating side',
          'forward-both': 'Forwarding, both sides on one CPU', 'bulk-tcp': 'TCP', 'latency': 'Latency, idle tunnel',
          'create': 'Creating interfaces', 'memory': 'Memory'}
POINT = ('family', 'cipher', 'bytes', 'flows', 'interfaces', 'streams', 'variant')


def point_of(row):
    """The same for all systems: one has an interface, another has none."""
    return tuple(max(row[name], 1) if name == 'interfaces' else row.get(name, '') for name in POINT)


def number(value, scale):
    value /= scale
    return f'{value:.0f}' if value >= 1000 else f'{value:.3g}'


def sections(rows):
    """(title, {point: {system: row}}) for each judge, case and metric. Plain forwarding
    has no cipher: it stands beside each."""
    grouped = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in rows:
        point = point_of(row)
        grouped[row['judge'], row['case'], row['metric']][point][row['system']] = row
    order = list(TITLES)
    for (judge, case, metric), points in sorted(grouped.items(), key=lambda g: (
            g[0][0] != 'time', order.index(g[0][1]), g[0][2])):
        for point in list(points):
            if point[1] == 'none' and list(points[point]) == [stats.LIMIT]:
                beside = [p for p in points if p[0] == point[0] and p[2:] == point[2:] and p != point]
                for other in beside:
                    points[other].update(points[point])
                if beside:
                    del points[point]
        yield f'{TITLES[case]} ({UNITS[metric][1]})' + (
            ', counted instructions' if judge == 'icount' else ''), metric, points


def where(point):
    """The point in words: what is as usual is left out."""
    family, cipher, size, flows, interfaces, streams, variant = point
    words = ['IP' + family, cipher if cipher != 'none' else '']
    if size:
        words.append(f'{size} B')
        words.append('every packet a new flow' if not flows else f'{flows} flow' + 's' * (flows > 1))
    elif streams:
        words.append(f'{streams} stream' + 's' * (streams > 1))
    if interfaces != 1:
        words.append(f'{interfaces} interfaces')
    words.append(variant.removesuffix('new-flows').rstrip('/'))
    return ', '.join(filter(None, words))


def in_words(ratio=None, ci=()):
    """Two cells, empty without a ratio"""
    return [f'{ratio:.3f}', '{:.3f} to {:.3f}'.format(*ci)] if ratio else ['', '']


def lines_of(points, metric, systems):
    """Header, then a line of cells for each point."""
    scale = UNITS[metric][0]
    with_nic = stats.NIC in systems
    yield ['', *systems, 'ours / in-tree', '95 % interval',
           *(['with espnic / ours', '95 % interval'] if with_nic else [])]
    for point, by_system in sorted(points.items(), key=lambda item: (
            item[0][0], item[0][6] not in ('', 'new-flows'), item[0][4], item[0][1] != 'null', item[0][1:])):
        ours = by_system.get(stats.OURS, {})
        ratio = in_words(ours.get('ratio'), ours.get('ratio_ci'))
        if with_nic:
            ratio += in_words(*(stats.compare(by_system.get(stats.NIC), ours) or ()))
        yield [where(point), *(number(by_system[s]['median'], scale) if s in by_system else ''
                               for s in systems), *ratio]


def tables(results):
    for title, metric, points in sections(results['results']):
        present = {s for by_system in points.values() for s in by_system}
        yield title, list(lines_of(points, metric, [s for s in stats.SYSTEMS if s in present]))


def aligned(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        yield '  '.join(cell.ljust(w) if not i else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(line, widths))).rstrip()


def all_figures(rows):
    head = ['judge', 'case', 'point', 'system', 'metric', 'median', 'q1', 'q3', 'best', 'n', 'lost']
    yield head
    for row in rows:
        point = where(point_of(row))
        yield [row['judge'], row['case'], point, row['system'], row['metric'],
               *(f'{row[k]:.6g}' for k in ('median', 'q1', 'q3', 'best')), str(row['n']),
               str(row.get('lost', ''))]


def text(results):
    out = [f'{results["machine"]}; kernel {results["kernel"]}; {results["plan"]} run', '']
    for title, lines in tables(results):
        out += [title, *aligned(lines), '']
    out += ['All figures', *aligned(list(all_figures(results['results']))), '']
    return '\n'.join(out)


def markdown(results):
    out = [f'Machine: {results["machine"]}. Kernel: {results["kernel"]}.', '']
    for title, lines in tables(results):
        out += [f'**{title}**', '']
        for i, line in enumerate(lines):
            out.append('| ' + ' | '.join(line) + ' |')
            if not i:
                out.append('|' + '---|' + '--:|' * (len(line) - 1))
        out.append('')
    return '\n'.join(out)


if __name__ == '__main__':
    arguments = [a for a in sys.argv[1:] if a != '--markdown']
    if len(arguments) != 1:
        sys.exit(__doc__)
    try:
        print((markdown if '--markdown' in sys.argv else text)(stats.load(arguments[0])))
    except BrokenPipeError:
        sys.stderr.close()
