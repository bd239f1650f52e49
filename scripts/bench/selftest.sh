#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Does the benchmark notice when something is wrong? First its arithmetic, then its host part,
# which must not touch a machine whose owner did not agree, then the time judge in a guest.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

python3 -B "$here/selftest.py"
before=$(cut -d' ' -f1 /proc/modules | sort)
for consent in '' yes xfrm_accel; do
	if BENCH=host CONSENT=$consent "$here/bench.sh" quick >/dev/null 2>&1; then
		echo "not ok - BENCH=host runs with the consent '$consent'"
		exit 1
	fi
done
[ "$(cut -d' ' -f1 /proc/modules | sort)" = "$before" ]
echo "ok - BENCH=host does nothing without consent"
"$here/time/run.sh" selftest
