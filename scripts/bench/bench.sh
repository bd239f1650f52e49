#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh quick|full - the benchmark: both judges, results, table, pictures, all of it in
# build/bench. BENCH=host measures on this machine's own kernel instead, see host.sh.
#
# The time judge measures in User Mode Linux (time/), the instruction judge in QEMU (icount/).
# JUDGES="time icount" chooses; without it a quick run has the first only.
set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"
plan=${1:?usage: bench.sh quick|full}
here=$XA_TOP/scripts/bench
dir=$XA_TOP/build/bench

case ${BENCH:-lab} in
lab | host) ;;
*) die "BENCH=$BENCH: it is 'host' or not given" ;;
esac
need_pkgs python3 jq
if [ "${BENCH:-lab}" = host ]; then
	"$here/host.sh" "$plan" -n # without consent it ends here
fi

[ "$plan" = quick ] || : "${JUDGES:=time icount}"
: "${JUDGES:=time}"
# What the other judge said in an earlier full run stays.
rm -rf "${dir:?}"/{plot,results.json,table.txt}
for judge in $JUDGES; do
	rm -f "$dir/raw/$judge"-*.jsonl
done
[ "$plan" = full ] || rm -rf "$dir/raw"
mkdir -p "$dir/raw"
begin=$SECONDS
# What was refused is missing from the results, and there is an end in failure.
rc=0
if [ "${BENCH:-lab}" = host ]; then
	"$here/host.sh" "$plan" || rc=$?
else
	for judge in $JUDGES; do
		[ -x "$here/$judge/run.sh" ] || continue
		say "== $judge judge"
		case $judge:$plan in
		icount:quick) "$here/icount/run.sh" quick in-tree xfrm_accel || rc=$? ;;
		icount:full) "$here/icount/run.sh" || rc=$? ;;
		*) "$here/$judge/run.sh" "$plan" || rc=$? ;;
		esac
	done
fi

say "== Results"
kernel=$(cat "$dir/time/kernel" 2>/dev/null || uname -r)
machine=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
jq -n --arg machine "${machine:-$(uname -m)}, $(nproc) CPUs" --arg kernel "$kernel" --arg plan "$plan" \
	'{machine: $machine, kernel: $kernel, plan: $plan}' >"$dir/raw/about.json"
python3 -B "$here/summarise.py" "$dir"
"$here/plot.sh" "$dir"
cat "$dir/table.txt"
say "$((SECONDS - begin)) s; build/bench: results.json, table.txt, plot/*.svg, plot/*.png"
[ $rc = 0 ] || die "not everything could be measured, see above"
