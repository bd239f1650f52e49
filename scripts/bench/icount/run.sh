#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The instruction judge: how many instructions does Debian's stock 6.1 kernel execute for one
# packet through xfrm_accel, the kernel's own xfrm_interface, and others? README.md tells how.
#
#   run.sh [quick] [SYSTEM...]
#
# SYSTEM: plain in-tree in-tree-policy xfrm_accel xfrm_accel+espnic wireguard pcrypt; all of them without one.
# quick: one boot of each rather than three, the null cipher and IPv4 where there is a choice.
# JOBS=2 says how many guests run at once.
#
# The results replace those of an earlier run in build/bench/raw/icount-SYSTEM.jsonl. Exit
# status: not 0 if anything could not be measured as it should be; see build/bench/icount/.
set -euo pipefail
# shellcheck source=scripts/bench/icount/lib.sh
. "$(dirname "$0")/lib.sh"

rounds=3 ciphers=(null aes-gcm chacha20-poly1305) families='[4,6]' sizes='[60,1300,1400]'
packets=1000
if [ "${1:-}" = quick ]; then
	rounds=1 ciphers=(null) families='[4]' sizes='[60,1300]'
	packets=500
	shift
fi
systems=("$@")
[ $# -gt 0 ] || systems=("${ICOUNT_SYSTEMS[@]}")
for system in "${systems[@]}"; do
	[[ " ${ICOUNT_SYSTEMS[*]} " == *" $system "* ]] || die "no such system: $system"
done

# one SYSTEM ROUND: boots it and adds its rows to the results.
one() {
	local system=$1 round=$2 dir=$ICOUNT_WORK/$1-$2 begin=$SECONDS list
	local families=$families sizes=$sizes cases='["forward-both","forward-encap","forward-decap","bulk-tcp"]' flows='[64,"new"]'
	list=$(icount_ciphers "$system" "${ciphers[@]}")
	# What it costs is to be seen, not all of the cases once more.
	[[ $system != *+espnic ]] || families='[4]' sizes='[60,1300]' cases='["forward-encap","forward-decap","bulk-tcp"]' flows='[]'
	# In quick rounds, too, pcrypt has something to do.
	[ "$list" != '[]' ] || list='["aes-gcm"]'
	if icount_boot "$dir" "$(icount_plan "$system" "$list" "$families" "$sizes" \
		"$cases" "$flows" 300 $packets)" &&
		python3 "$ICOUNT/judge.py" "$system" "$round" "$dir" >"$dir/rows"; then
		cat "$dir/rows" >>"$raw/icount-$system.jsonl"
		say "icount: $system, round $round: $(wc -l <"$dir/rows") results in $((SECONDS - begin)) s"
	else
		say "icount: $system, round $round: FAILED, see ${dir#"$XA_TOP"/}"
		touch "$ICOUNT_WORK/failed"
	fi
}

icount_prepare
raw=$XA_TOP/build/bench/raw
mkdir -p "$raw"
rm -f "$ICOUNT_WORK/failed"
for system in "${systems[@]}"; do
	rm -f "$raw/icount-$system.jsonl"
done
for ((round = 1; round <= rounds; round++)); do
	for system in "${systems[@]}"; do
		while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-2}" ]; do
			sleep 0.2
		done
		one "$system" "$round" &
	done
done
wait
[ ! -e "$ICOUNT_WORK/failed" ]
