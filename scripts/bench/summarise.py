#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""summarise.py DIR - from DIR/raw/*.jsonl, one measurement a line, makes
DIR/results.json, DIR/table.txt and the data of the pictures, DIR/plot/*.dat.
DIR/raw/about.json tells of the run: {"machine", "kernel", "plan"}."""
import collections
import glob
import json
import os
import sys

import plotdata
import stats
import table

REQUIRED = ('judge', 'case', 'family', 'cipher', 'bytes', 'flows', 'interfaces', 'streams',
            'system', 'metric', 'round', 'value')
ALLOWED = {'judge': {'time', 'icount'},
           'case': {'forward-encap', 'forward-decap', 'forward-both', 'bulk-tcp', 'latency',
                    'create', 'memory'},
           'family': {'v4', 'v6'},
           'cipher': {'null', 'aes-gcm', 'chacha20-poly1305', 'none'},
           'system': set(stats.SYSTEMS),
           'metric': {'pps', 'bps', 'p50_ns', 'p99_ns', 'seconds', 'bytes_each', 'insn_per_packet'}}


def read(directory):
    """Every raw measurement; stops at one that is not as agreed."""
    for path in sorted(glob.glob(os.path.join(directory, 'raw', '*.jsonl'))):
        with open(path, encoding='utf-8') as file:
            for number, line in enumerate(file, 1):
                try:
                    raw = json.loads(line)
                    missing = [name for name in REQUIRED if name not in raw]
                    wrong = [name for name, good in ALLOWED.items() if raw.get(name) not in good]
                    if missing or wrong or not float(raw['value']) > 0:
                        raise ValueError(f'missing {missing}, not known {wrong}, value {raw.get("value")}')
                except (ValueError, TypeError) as error:
                    sys.exit(f'{path}:{number}: no measurement: {error}')
                yield raw


def summarise(raws):
    """The rows of results.json, each over all rounds."""
    groups = collections.defaultdict(dict)
    more = {}
    for raw in raws:
        key = tuple(raw.get(name, '') for name in (*stats.CASE, 'system', 'metric'))
        if raw['round'] in groups[key]:
            sys.exit(f'measured twice in round {raw["round"]}: {key}')
        groups[key][raw['round']] = raw['value']
        more.setdefault(key, []).append(raw)
    rows = []
    for key, by_round in groups.items():
        row = dict(zip((*stats.CASE, 'system', 'metric'), key))
        if not row['variant']:
            del row['variant']
        values = list(by_round.values())
        row['q1'], row['median'], row['q3'] = stats.quartiles(values)
        row['best'] = (max if row['metric'] in stats.MORE_IS_BETTER else min)(values)
        row['n'] = len(values)
        row['values'] = sorted(by_round.items())
        if 'clock' in more[key][0]:
            row['clock'] = more[key][0]['clock']
        for extra in ('wall', 'lost'):
            seen = [raw[extra] for raw in more[key] if extra in raw]
            if any(seen):
                row[extra] = stats.quartiles(seen)[1]
        rows.append(row)
    return rows


def add_ratios(rows):
    """To every row: the ratio to the in-tree one of the same case, and its interval."""
    def key(row):
        return tuple(row.get(name, '') for name in (*stats.CASE, 'metric'))

    rivals = {key(row): row for row in rows if row['system'] == stats.RIVAL}
    for row in rows:
        compared = stats.compare(row, rivals.get(key(row)))
        if compared and row['system'] != stats.RIVAL:
            row['ratio'], row['ratio_ci'] = compared


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def main(directory):
    rows = summarise(read(directory))
    if not rows:
        sys.exit(f'{directory}: nothing was measured')
    add_ratios(rows)
    try:
        about = stats.load(os.path.join(directory, 'raw', 'about.json'))
    except FileNotFoundError:
        about = {'machine': 'unknown', 'kernel': 'unknown', 'plan': 'quick'}
    results = {**about, 'results': rows}
    write(os.path.join(directory, 'results.json'),
          '{\n' + ''.join(f' {json.dumps(k)}: {json.dumps(v)},\n' for k, v in about.items()) +
          ' "results": [\n  ' + ',\n  '.join(map(json.dumps, rows)) + '\n ]\n}\n')
    write(os.path.join(directory, 'table.txt'), table.text(results))
    for name, text in plotdata.pictures(rows):
        write(os.path.join(directory, 'plot', name + '.dat'), text)


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
