#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""selftest.py - do summarise.py and verify.py say what the measurements say? They get
measurements with a known outcome. KTAP; takes a few seconds."""
import copy
import json
import os
import re
import subprocess
import sys
import tempfile

import stats
import verify

HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS = 10
number = failed = 0


def result(good, name, said=''):
    global number, failed
    number += 1
    failed += not good
    print(f'{"ok" if good else "not ok"} {number} - {name}')
    if not good:
        print(''.join(f'# {line}\n' for line in said.splitlines()), end='')


def raw(system, value, rounds=ROUNDS, noise=0.02, **more):
    """Measurements that scatter around VALUE, in every round alike for all systems."""
    base = {'judge': 'time', 'case': 'forward-encap', 'family': 'v4', 'cipher': 'null', 'bytes': 60, 'flows': 64,
            'interfaces': 1, 'streams': 0, 'system': system, 'metric': 'pps', **more}
    return [{**base, 'round': n, 'value': value * (1 + noise * ((n * 7) % 5 - 2) / 2)}
            for n in range(1, rounds + 1)]


def good_measurements():
    """Every goal is met, some with little to spare."""
    decap = {'case': 'forward-decap'}
    latency = {'case': 'latency', 'bytes': 84, 'flows': 1}
    counted = {'judge': 'icount', 'metric': 'insn_per_packet', 'variant': 'interface+lookup', 'rounds': 1}
    new = {'flows': 0, 'variant': 'new-flows'}
    apart = {'flows': 0, 'variant': 'flow-policies/new-flows'}
    return sum([
        raw('plain', 1000e3, cipher='none'), raw('in-tree', 400e3), raw('xfrm_accel', 600e3),
        raw('in-tree', 100e3, cipher='aes-gcm'), raw('xfrm_accel', 130e3, cipher='aes-gcm'),
        raw('in-tree', 390e3, flows=10000), raw('xfrm_accel', 560e3, flows=10000),
        raw('in-tree', 300e3, **new), raw('xfrm_accel', 297e3, **new),
        raw('in-tree', 300e3, **apart), raw('xfrm_accel', 297e3, **apart),
        raw('in-tree', 300e3, **decap), raw('xfrm_accel', 330e3, **decap),
        raw('in-tree', 280e3, **decap, interfaces=1000), raw('xfrm_accel', 325e3, **decap, interfaces=1000),
        raw('in-tree', 1000, **counted), raw('xfrm_accel', 500, **counted),
        raw('in-tree', 10000, **latency, metric='p50_ns'), raw('xfrm_accel', 9000, **latency, metric='p50_ns'),
        raw('in-tree', 20000, **latency, metric='p99_ns'), raw('xfrm_accel', 19000, **latency, metric='p99_ns'),
    ], [])


def run(program, *arguments):
    done = subprocess.run([sys.executable, os.path.join(HERE, program), *arguments],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def bench(directory, measurements, plan='full', broken=''):
    """Statuses and output of summarise.py and verify.py."""
    os.makedirs(os.path.join(directory, 'raw'))
    with open(os.path.join(directory, 'raw', 'time-uml.jsonl'), 'w', encoding='utf-8') as file:
        file.write(''.join(json.dumps(m) + '\n' for m in measurements) + broken)
    with open(os.path.join(directory, 'raw', 'about.json'), 'w', encoding='utf-8') as file:
        json.dump({'machine': 'a machine', 'kernel': '6.1', 'plan': plan}, file)
    status, said = run('summarise.py', directory)
    if status:
        return status, None, said
    verified, more = run('verify.py', os.path.join(directory, 'results.json'))
    return status, verified, said + more


def scaled(measurements, factor, **which):
    """The same, with what matches WHICH multiplied."""
    changed = copy.deepcopy(measurements)
    hits = 0
    for m in changed:
        if all(m.get(k, '') == v for k, v in which.items()):
            m['value'] *= factor
            hits += 1
    assert hits, which
    return changed


# A goal, and what makes it be missed.
OURS = {'system': 'xfrm_accel', 'metric': 'pps', 'case': 'forward-encap', 'cipher': 'null'}
MISSES = [
    ('cost added to plain', 0.85, {**OURS, 'flows': 64}),
    ('null cipher: packets/s', 0.85, {**OURS, 'flows': 64}),
    ('AES-GCM', 0.9, {**OURS, 'cipher': 'aes-gcm'}),
    ('10 000 flows', 0.9, {**OURS, 'flows': 10000}),
    ('every packet a new flow', 0.97, {**OURS, 'variant': 'new-flows'}),
    ('policies tell flows apart', 0.97, {**OURS, 'variant': 'flow-policies/new-flows'}),
    ('decapsulation: packets', 0.94, {**OURS, 'case': 'forward-decap'}),
    ('1 000 interfaces', 0.95, {**OURS, 'case': 'forward-decap', 'interfaces': 1000}),
    ('instructions', 1.3, {'system': 'xfrm_accel', 'judge': 'icount'}),
    ('latency, p50', 1.2, {'system': 'xfrm_accel', 'metric': 'p50_ns'}),
    ('latency, p99', 1.1, {'system': 'xfrm_accel', 'metric': 'p99_ns'}),
]


def test_figures(directory):
    values = [5, 1, 4, 2, 3]
    measurements = [{**m, 'value': v * 1e5} for m, v in zip(raw('in-tree', 1, 5), values)]
    measurements += [{**m, 'value': v * 2e5} for m, v in zip(raw('xfrm_accel', 1, 5), values)]
    status, _, said = bench(directory, measurements, plan='quick')
    result(status == 0, 'raw measurements are summarised', said)
    row = stats.find(stats.load(os.path.join(directory, 'results.json'))['results'], system='in-tree', cipher='null')
    got = [row[k] for k in ('median', 'q1', 'q3', 'best', 'n')]
    result(got == [3e5, 2e5, 4e5, 5e5, 5], 'median, quartiles, best and number', str(got))
    row = stats.find(stats.load(os.path.join(directory, 'results.json'))['results'], system='xfrm_accel')
    result(row['ratio'] == 2 and row['ratio_ci'] == [2, 2], 'the ratio is taken round by round', str(row))
    with open(os.path.join(directory, 'table.txt'), encoding='utf-8') as file:
        table = file.read()
    result(re.search(r'IPv4, null, 60 B, 64 flows +300 +600 +2\.000 +2\.000 to 2\.000', table), 'the table', table)
    status, markdown = run('table.py', '--markdown', os.path.join(directory, 'results.json'))
    result('| IPv4, null, 60 B, 64 flows | 300 | 600 | 2.000 | 2.000 to 2.000 |' in markdown,
           'the table for the documentation', markdown)
    with open(os.path.join(directory, 'plot', 'forward.dat'), encoding='utf-8') as file:
        data = file.read()
    result('"encap\\nnull" 300 200 400 600 400 800' in data, 'the data of a picture', data)


def main(directory):
    def new():
        return tempfile.mkdtemp(dir=directory)

    test_figures(new())
    good = good_measurements()
    _, verified, said = bench(new(), good)
    result(verified == 0 and len(re.findall('^met ', said, re.M)) == len(verify.GOALS),
           'all goals met: status 0', said)
    for name, factor, which in MISSES:
        _, verified, said = bench(new(), scaled(good, factor, **which))
        result(verified == 1 and re.search(f'^missed .*{name}', said, re.M), f'missed, status 1: {name}', said)
    missed = {re.search(m[0], g[0]) and g[0] for m in MISSES for g in verify.GOALS} - {None}
    result(missed == {g[0] for g in verify.GOALS}, 'no goal was left out above', str(missed))
    # Ours has half of the rounds at the goal's good side, half at the other.
    torn = [{**m, 'value': m['value'] * (1.25 if m['round'] % 2 else 0.8)}
            if m['system'] == 'xfrm_accel' and m['cipher'] == 'aes-gcm' else m for m in good]
    _, verified, said = bench(new(), torn)
    result(verified == 0 and re.search('^undecided .*AES-GCM', said, re.M), 'what scatters is undecided', said)
    less = [m for m in good if m['judge'] != 'icount']
    _, verified, said = bench(new(), less)
    result(verified == 1 and re.search('^not measured .*instructions', said, re.M),
           'a full run without a goal fails', said)
    _, verified, said = bench(new(), less, plan='quick')
    result(verified == 0 and 'not measured' in said, 'a quick run may be without it', said)
    _, verified, said = bench(new(), [m for m in good if m['round'] < 10])
    result(verified == 1 and '9 rounds' in said, 'a full run needs ten rounds', said)
    status, _, said = bench(new(), good, broken='{"judge": "time"}\n')
    result(status == 1 and 'no measurement' in said, 'a raw line that is not as agreed', said)
    status, _, said = bench(new(), scaled(good, 0, **OURS, flows=64))
    result(status == 1 and 'value 0' in said, 'a measurement of nothing', said)
    status, _, said = bench(new(), good + good[:1])
    result(status == 1 and 'twice' in said, 'the same measurement twice', said)
    print(f'1..{number}')
    return 1 if failed else 0


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(temporary))
