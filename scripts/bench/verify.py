#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""verify.py RESULTS.json - are the goals met? Exit status 1 if the 95 % interval of one
lies wholly on the wrong side, or if a full run did not measure one."""
import sys

import stats

FEWEST_ROUNDS = 10  # of a full run, for the time judge

OUTSIDE = {'case': 'forward-encap', 'cipher': 'null', 'metric': 'pps'}


class NotMeasured(Exception):
    """What is missing."""


def row(results, system, **wanted):
    found = stats.find(results['results'], system=system, **wanted)
    if not found:
        raise NotMeasured(f'{system}: ' + ', '.join(f'{k} {v}' for k, v in wanted.items()))
    if results['plan'] == 'full' and wanted.get('judge', 'time') == 'time' and found['n'] < FEWEST_ROUNDS:
        raise NotMeasured(f'{system}: {found["n"]} rounds, fewer than {FEWEST_ROUNDS}')
    return found


def against_rival(**wanted):
    """xfrm_accel / in-tree"""
    return lambda results: stats.combine(
        lambda a, b: a / b, row(results, stats.OURS, **wanted), row(results, stats.RIVAL, **wanted))


def against_itself(changed, **wanted):
    """xfrm_accel, changed / not changed"""
    return lambda results: stats.combine(
        lambda a, b: a / b, row(results, stats.OURS, **{**wanted, **changed}), row(results, stats.OURS, **wanted))


def added_cost(**wanted):
    """What is added to the time of a plainly forwarded packet, xfrm_accel / in-tree"""
    return lambda results: stats.combine(
        lambda ours, rival, plain: (1 / ours - 1 / plain) / (1 / rival - 1 / plain),
        row(results, stats.OURS, **wanted), row(results, stats.RIVAL, **wanted),
        row(results, stats.LIMIT, **wanted))


def instructions(results):
    """xfrm_accel / in-tree on the encapsulating side, where it is highest"""
    def counted(system):
        return {tuple(r.get(k, '') for k in stats.CASE): r for r in results['results']
                if r['judge'] == 'icount' and r['metric'] == 'insn_per_packet' and
                r.get('variant') == 'interface+lookup' and r['case'] == 'forward-encap' and
                r['system'] == system}

    ours, rival = counted(stats.OURS), counted(stats.RIVAL)
    if not ours or set(ours) != set(rival):
        raise NotMeasured('instructions of interface and lookup, the same cases for both systems')
    return max((stats.combine(lambda a, b: a / b, ours[k], rival[k]) for k in ours), key=max)


# (name, what it is of, at most or at least, limit)
GOALS = [
    ('encapsulation, null cipher: cost added to plain forwarding', added_cost(**OUTSIDE), 'at most', 0.5),
    ('encapsulation, null cipher: packets/s', against_rival(**OUTSIDE), 'at least', 1.4),
    ('encapsulation, AES-GCM: packets/s', against_rival(**{**OUTSIDE, 'cipher': 'aes-gcm'}), 'at least', 1.25),
    ('10 000 flows against 64, xfrm_accel alone', against_itself({'flows': 10000}, **OUTSIDE), 'at least', 0.9),
    ('every packet a new flow', against_rival(**OUTSIDE, flows=0, variant='new-flows'), 'at least', 0.97),
    ('the same where policies tell flows apart',
     against_rival(**OUTSIDE, flows=0, variant='flow-policies/new-flows'), 'at least', 0.97),
    ('decapsulation: packets/s', against_rival(**{**OUTSIDE, 'case': 'forward-decap'}), 'at least', 1.05),
    ('decapsulation, 1 000 interfaces against 1, xfrm_accel alone',
     against_itself({'interfaces': 1000}, **{**OUTSIDE, 'case': 'forward-decap'}), 'at least', 0.95),
    ('instructions per packet, interface and lookup', instructions, 'at most', 0.6),
    ('latency, p50', against_rival(case='latency', cipher='null', bytes=84, flows=1, metric='p50_ns'), 'at most', 1),
    ('latency, p99', against_rival(case='latency', cipher='null', bytes=84, flows=1, metric='p99_ns'), 'at most', 1),
]


def judge(results, measure, direction, limit):
    """'met', 'missed', 'undecided' (the interval holds the limit) or 'not measured', and why."""
    try:
        values = measure(results)
        if not values:
            raise NotMeasured('no round has both')
    except NotMeasured as missing:
        return 'not measured', str(missing)
    median, (low, high) = stats.interval(values)
    said = f'{median:.3f} ({low:.3f} to {high:.3f})'
    # Written so that a value which is no number misses.
    if direction == 'at least':
        verdict = 'met' if low >= limit else 'undecided' if high >= limit else 'missed'
    else:
        verdict = 'met' if high <= limit else 'undecided' if low <= limit else 'missed'
    return verdict, said


def main(path):
    results = stats.load(path)
    bad = 0
    print(f'{results["plan"]} run; ratio to the in-tree interface in the same run, 95 % interval')
    for name, measure, direction, limit in GOALS:
        verdict, said = judge(results, measure, direction, limit)
        print(f'{verdict:12}  {name}: {said}, goal {direction} {limit}')
        if verdict == 'missed' or (verdict == 'not measured' and results['plan'] == 'full'):
            bad += 1
    print(f'{bad} of {len(GOALS)} goals missed')
    return 1 if bad else 0


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
