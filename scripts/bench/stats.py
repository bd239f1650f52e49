# SPDX-License-Identifier: GPL-2.0
"""What the benchmark's programs share: where results lie, medians, intervals."""
import json
import random
import statistics

SYSTEMS = ['plain', 'in-tree', 'in-tree-policy', 'pcrypt', 'xfrm_accel', 'xfrm_accel+espnic', 'wireguard']
OURS, RIVAL, LIMIT, NIC = 'xfrm_accel', 'in-tree', 'plain', 'xfrm_accel+espnic'
# What tells one result from another, beside the system and the metric.
CASE = ('judge', 'case', 'family', 'cipher', 'bytes', 'flows', 'interfaces', 'streams', 'variant')
MORE_IS_BETTER = {'pps', 'bps'}


def quartiles(values):
    """First quartile, median, third quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    return tuple(statistics.quantiles(values, n=4, method='inclusive'))


def interval(values, draws=2000):
    """Median, and the 95 % interval of the median by the bootstrap: the values are
    drawn again, with replacement, many times. The same values give the same answer."""
    dice = random.Random(1)
    medians = sorted(statistics.median(dice.choices(values, k=len(values))) for _ in range(draws))
    return statistics.median(values), (medians[int(0.025 * draws)], medians[int(0.975 * draws) - 1])


def combine(function, *rows):
    """FUNCTION of the values that the rows have for the same round: what disturbed
    a round disturbed all systems in it."""
    by_round = [dict(map(tuple, row['values'])) for row in rows]
    common = sorted(set.intersection(*map(set, by_round)))
    return [function(*(values[r] for values in by_round)) for r in common]


def compare(row, other):
    """row / other, round by round: median and interval; None without a common round."""
    ratios = combine(lambda a, b: a / b, row, other) if row and other else []
    return interval(ratios) if ratios else None


def load(path):
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def find(results, **wanted):
    """The one row that is like this; None if there is none. What is not named is as
    in most cases."""
    wanted = {'judge': 'time', 'family': 'v4', 'bytes': 60, 'flows': 64, 'interfaces': 1,
              'streams': 0, 'variant': '', **wanted}
    if wanted['system'] == LIMIT:
        wanted['cipher'] = 'none'
    rows = [row for row in results if all(row.get(k, '') == v for k, v in wanted.items())]
    return rows[0] if rows else None
