# SPDX-License-Identifier: GPL-2.0
"""The pictures' data for gnuplot: a line for each group of bars, a bar (median, first
and third quartile) for each system. Comments tell title and axis; see plot.sh."""
import stats

SHORT = {'null': 'null', 'aes-gcm': 'AES-GCM', 'chacha20-poly1305': 'ChaCha20'}


def bars(title, axis, groups, rows, scale):
    """groups: (label, what find() wants). None if nothing of it was measured."""
    found = [(label, {s: stats.find(rows, system=s, **wanted) for s in stats.SYSTEMS})
             for label, wanted in groups]
    systems = [s for s in stats.SYSTEMS if any(by_system[s] for _, by_system in found)]
    if not systems:
        return None
    out = [f'# title: {title}', f'# axis: {axis}', ' '.join(
        ['group'] + [f'{s} low high' for s in systems])]
    for label, by_system in found:
        if not any(row for system, row in by_system.items() if system != stats.LIMIT):
            continue
        cells = [f'"{label}"']
        for system in systems:
            row = by_system[system]
            cells += [f'{row[k] / scale:.6g}' for k in ('median', 'q1', 'q3')] if row else ['?'] * 3
        out.append(' '.join(cells))
    return '\n'.join(out) + '\n'


def added(rows):
    """Time per packet that a system adds to plain forwarding."""
    groups = [(f'{size} B', {'case': 'forward-encap', 'cipher': 'null', 'bytes': size, 'metric': 'pps'})
              for size in (60, 512, 1400)]
    derived = []
    for _, wanted in groups:
        plain = stats.find(rows, system=stats.LIMIT, **wanted)
        for system in ('in-tree', 'in-tree-policy', 'xfrm_accel'):
            row = stats.find(rows, system=system, **wanted)
            if not row or not plain:
                continue
            values = stats.combine(lambda a, b: 1e9 / a - 1e9 / b, row, plain)
            if values:
                q1, median, q3 = stats.quartiles(values)
                derived.append({**row, 'median': median, 'q1': q1, 'q3': q3})
    return bars('What encapsulation adds to plain forwarding (null cipher, 64 flows)',
                'ns per packet', groups, derived, 1)


def pictures(rows):
    """(name, data) of every picture for which there are figures."""
    def forward(case, cipher, **more):
        return {'case': case, 'cipher': cipher, 'metric': 'pps', **more}

    wanted = [
        ('forward', bars('Forwarding 60-byte UDP, 64 flows', 'thousand packets/s', [
            (f'{side}\\n{SHORT[cipher]}', forward(f'forward-{side}', cipher))
            for side in ('encap', 'decap', 'both') for cipher in SHORT], rows, 1e3)),
        ('added', added(rows)),
        ('flows', bars('Encapsulation and the number of flows (null cipher, 60 bytes)', 'thousand packets/s', [
            ('1', forward('forward-encap', 'null', flows=1)),
            ('64', forward('forward-encap', 'null')),
            ('10 000', forward('forward-encap', 'null', flows=10000)),
            ('every packet\\na new one', forward('forward-encap', 'null', flows=0, variant='new-flows')),
        ], rows, 1e3)),
        ('tcp', bars('TCP through the tunnel', 'Mbit/s', [
            (f'{SHORT[cipher]}\\n{n} stream' + 's' * (n > 1),
             {'case': 'bulk-tcp', 'cipher': cipher, 'streams': n, 'metric': 'bps', 'bytes': 0, 'flows': n})
            for cipher in SHORT for n in (1, 8)], rows, 1e6)),
        ('latency', bars('Echo request and reply, idle tunnel', 'µs', [
            (f'{SHORT[cipher]}\\n{metric[:3]}', {'case': 'latency', 'cipher': cipher, 'metric': metric,
                                                 'bytes': 84, 'flows': 1})
            for cipher in SHORT for metric in ('p50_ns', 'p99_ns')], rows, 1e3)),
    ]
    return [(name, data) for name, data in wanted if data]
