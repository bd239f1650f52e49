#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""verify.py RESULTS.json - are the goals met? Exit status 1 if the 95 % interval of one
lies wholly on the wrong side, or if a full run did not measure one."""
import sys

import stats
import table

FEWEST_ROUNDS = 10  # of a full run, for the time judge

OUTSIDE = {'case': 'forward-encap', 'cipher': 'null', 'metric': 'pps'}
INSIDE = {**OUTSIDE, 'case': 'forward-decap'}
NATT = {**INSIDE, 'variant': 'natt'}
TCP = {'case': 'bulk-tcp', 'cipher': 'null', 'bytes': 0, 'flows': 1, 'streams': 1, 'metric': 'bps'}

STREAM = {'case': 'bulk-tcp', 'cipher': 'null', 'bytes': 0}


class NotMeasured(Exception):
    """What is missing."""


def name_of(found):
    return f'{found["case"]}, ' + table.where(table.point_of(found))


def enough(results, found):
    """The row, if it has as many rounds as it must."""
    if results['plan'] == 'full' and found['judge'] == 'time' and found['n'] < FEWEST_ROUNDS:
        raise NotMeasured(f'{found["system"]}, {name_of(found)}: {found["n"]} rounds, fewer than {FEWEST_ROUNDS}')
    return found


def row(results, system, **wanted):
    found = stats.find(results['results'], system=system, **wanted)
    if not found:
        raise NotMeasured(f'{system}: ' + ', '.join(f'{k} {v}' for k, v in wanted.items()))
    return enough(results, found)


def by_case(results, system, wanted):
    """All rows of the system for which WANTED holds, by what tells them apart."""
    return {tuple(r.get(k, '') for k in (*stats.CASE, 'metric')): r for r in results['results']
            if r['system'] == system and wanted(r)}


def against(other, **wanted):
    """xfrm_accel / OTHER"""
    return lambda results: stats.combine(
        lambda a, b: a / b, row(results, stats.OURS, **wanted), row(results, other, **wanted))


def against_rival(**wanted):
    """xfrm_accel / in-tree"""
    return against(stats.RIVAL, **wanted)


def with_nic(**wanted):
    """xfrm_accel with an espnic / xfrm_accel"""
    return lambda results: stats.combine(
        lambda a, b: a / b, row(results, stats.NIC, **wanted), row(results, stats.OURS, **wanted))


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
    def counted(r):
        return (r['judge'] == 'icount' and r['metric'] == 'insn_per_packet' and
                r.get('variant') == 'interface+lookup' and r['case'] == 'forward-encap')

    ours, rival = (by_case(results, system, counted) for system in (stats.OURS, stats.RIVAL))
    if not ours or set(ours) != set(rival):
        raise NotMeasured('instructions of interface and lookup, the same cases for both systems')
    return max((stats.combine(lambda a, b: a / b, ours[k], rival[k]) for k in ours), key=max)


def added_instructions(results):
    """What both sides of the tunnel together add to the instructions of a plainly forwarded
    packet, xfrm_accel / in-tree. With the null cipher there is no cipher to take away."""
    wanted = {'judge': 'icount', 'cipher': 'null', 'flows': 1, 'streams': 1, 'metric': 'insn_per_packet'}
    return stats.combine(
        lambda ours_out, ours_in, rival_out, rival_in, plain_out, plain_in:
        (ours_out + ours_in - plain_out - plain_in) / (rival_out + rival_in - plain_out - plain_in),
        *(row(results, system, **wanted, case=case, interfaces=int(system != stats.LIMIT))
          for system in (stats.OURS, stats.RIVAL, stats.LIMIT) for case in ('forward-encap', 'forward-decap')))


def by_instructions(system, other, **wanted):
    """How much more SYSTEM would carry than OTHER if every instruction took as long"""
    wanted = {'judge': 'icount', 'flows': 1, 'streams': 1, **wanted, 'metric': 'insn_per_packet'}
    return lambda results: stats.combine(
        lambda a, b: b / a, row(results, system, **wanted), row(results, other, **wanted))


def every_case(results):
    """xfrm_accel / in-tree in each case of packets/s or bits/s that both have, by its name"""
    def timed(r):
        return r['judge'] == 'time' and r['metric'] in stats.MORE_IS_BETTER

    ours, rival = (by_case(results, system, timed) for system in (stats.OURS, stats.RIVAL))
    return {name_of(ours[k]): stats.combine(
        lambda a, b: a / b, enough(results, ours[k]), enough(results, rival[k])) for k in ours if k in rival}


# (name, what it is of, at most or at least, limit)
GOALS = [
    # What the interface alone is to reach.
    ('encapsulation, null cipher: cost added to plain forwarding', added_cost(**OUTSIDE), 'at most', 0.5),
    ('encapsulation, null cipher: packets/s', against_rival(**OUTSIDE), 'at least', 1.4),
    ('encapsulation, AES-GCM: packets/s', against_rival(**{**OUTSIDE, 'cipher': 'aes-gcm'}), 'at least', 1.25),
    ('10 000 flows against 64, xfrm_accel alone', against_itself({'flows': 10000}, **OUTSIDE), 'at least', 0.9),
    ('every packet a new flow', against_rival(**OUTSIDE, flows=0, variant='new-flows'), 'at least', 0.97),
    ('the same where policies tell flows apart',
     against_rival(**OUTSIDE, flows=0, variant='flow-policies/new-flows'), 'at least', 0.97),
    ('decapsulation: packets/s', against_rival(**INSIDE), 'at least', 1.05),
    ('decapsulation, 1 000 interfaces against 1, xfrm_accel alone',
     against_itself({'interfaces': 1000}, **INSIDE), 'at least', 0.95),
    ('instructions per packet, interface and lookup', instructions, 'at most', 0.6),
    ('latency, p50', against_rival(case='latency', cipher='null', bytes=84, flows=1, metric='p50_ns'), 'at most', 1),
    ('latency, p99', against_rival(case='latency', cipher='null', bytes=84, flows=1, metric='p99_ns'), 'at most', 1),
    # What it is to reach together with the ESP engine.
    ('encapsulation with the engine, null cipher: packets/s', against_rival(**OUTSIDE), 'at least', 1.6),
    ('encapsulation with the engine, AES-GCM: packets/s',
     against_rival(**{**OUTSIDE, 'cipher': 'aes-gcm'}), 'at least', 1.35),
    ('decapsulation with the engine: packets/s', against_rival(**INSIDE), 'at least', 1.15),
    ('decapsulation, ESP in UDP: packets/s', against_rival(**NATT), 'at least', 1.2),
    ('decapsulation, ESP in UDP, AES-GCM: packets/s', against_rival(**{**NATT, 'cipher': 'aes-gcm'}), 'at least', 1),
    ('TCP, null cipher: bits/s', against_rival(**TCP), 'at least', 1.1),
    ('TCP, AES-GCM: bits/s', against_rival(**{**TCP, 'cipher': 'aes-gcm'}), 'at least', 1),
    ('TCP, ChaCha20-Poly1305: bits/s', against_rival(**{**TCP, 'cipher': 'chacha20-poly1305'}), 'at least', 1),
    ('encapsulation, ChaCha20-Poly1305, against WireGuard: packets/s',
     against('wireguard', **{**OUTSIDE, 'cipher': 'chacha20-poly1305'}), 'at least', 1.2),
    ('TCP, ChaCha20-Poly1305, against WireGuard: bits/s',
     against('wireguard', **{**TCP, 'cipher': 'chacha20-poly1305'}), 'at least', 1),
    ('instructions per packet added to plain forwarding, both sides', added_instructions, 'at most', 0.75),
    # The same goals where no other machine disturbs, with the ciphers of a real processor.
    ('TCP, null cipher: by instructions', by_instructions(stats.OURS, stats.RIVAL, **STREAM), 'at least', 1.1),
    ('TCP, AES-GCM: by instructions',
     by_instructions(stats.OURS, stats.RIVAL, **{**STREAM, 'cipher': 'aes-gcm'}), 'at least', 1),
    ('TCP, ChaCha20-Poly1305: by instructions',
     by_instructions(stats.OURS, stats.RIVAL, **{**STREAM, 'cipher': 'chacha20-poly1305'}), 'at least', 1),
    # What an offload costs that saves nothing: against xfrm_accel alone.
    ('espnic, encapsulation, null cipher: packets/s', with_nic(**OUTSIDE), 'at least', 0.9),
    ('espnic, encapsulation, AES-GCM: packets/s', with_nic(**{**OUTSIDE, 'cipher': 'aes-gcm'}), 'at least', 0.9),
    ('espnic, decapsulation, null cipher: packets/s', with_nic(**INSIDE), 'at least', 0.9),
    ('espnic, decapsulation, AES-GCM: packets/s', with_nic(**{**INSIDE, 'cipher': 'aes-gcm'}), 'at least', 0.9),
    ('espnic, TCP, null cipher: bits/s', with_nic(**TCP), 'at least', 1),
    ('espnic, TCP, AES-GCM: bits/s', with_nic(**{**TCP, 'cipher': 'aes-gcm'}), 'at least', 1),
    ('espnic, encapsulation, null cipher: by instructions',
     by_instructions(stats.NIC, stats.OURS, **OUTSIDE), 'at least', 0.9),
    ('espnic, encapsulation, AES-GCM: by instructions',
     by_instructions(stats.NIC, stats.OURS, **{**OUTSIDE, 'cipher': 'aes-gcm'}), 'at least', 0.9),
    ('espnic, decapsulation, null cipher: by instructions',
     by_instructions(stats.NIC, stats.OURS, **INSIDE), 'at least', 0.9),
    ('espnic, decapsulation, AES-GCM: by instructions',
     by_instructions(stats.NIC, stats.OURS, **{**INSIDE, 'cipher': 'aes-gcm'}), 'at least', 0.9),
    ('espnic, TCP, null cipher: by instructions',
     by_instructions(stats.NIC, stats.OURS, **STREAM), 'at least', 1),
    ('espnic, TCP, AES-GCM: by instructions',
     by_instructions(stats.NIC, stats.OURS, **{**STREAM, 'cipher': 'aes-gcm'}), 'at least', 1),
    ('the worst of all cases: packets/s or bits/s', every_case, 'at least', 0.98),
]
VERDICTS = ['missed', 'undecided', 'met']  # the worst first


def weigh(values, direction, limit):
    """'met', 'missed' or 'undecided' (the interval holds the limit), what is said of it, and
    how far the interval's better end is on the good side."""
    if not values:
        raise NotMeasured('no round has both')
    median, (low, high) = stats.interval(values)
    # Written so that a value which is no number misses.
    if direction == 'at least':
        verdict = 'met' if low >= limit else 'undecided' if high >= limit else 'missed'
    else:
        verdict = 'met' if high <= limit else 'undecided' if low <= limit else 'missed'
    spare = high - limit if direction == 'at least' else limit - low
    return verdict, f'{median:.3f} ({low:.3f} to {high:.3f})', spare


def judge(results, measure, direction, limit):
    """The verdict, or 'not measured', and why. Of many cases by name the worst one counts."""
    try:
        measured = measure(results)
        if not isinstance(measured, dict):
            return weigh(measured, direction, limit)[:2]
        if not measured:
            raise NotMeasured('no case of both')
        weighed = {name: weigh(values, direction, limit) for name, values in measured.items()}
    except NotMeasured as missing:
        return 'not measured', str(missing)
    worst = min(weighed, key=lambda name: (VERDICTS.index(weighed[name][0]), weighed[name][2]))
    verdict, said, _ = weighed[worst]
    return verdict, f'{said} in {worst}, of {len(weighed)} cases'


def main(path):
    results = stats.load(path)
    bad = 0
    print(f'{results["plan"]} run; ratio to the in-tree interface, or to what is named, in the same run, '
          '95 % interval')
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
