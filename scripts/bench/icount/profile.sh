#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Where a packet's instructions go: by module and by function.
#
#   profile.sh [-6] [-n TOP] [-l] SYSTEM [SYSTEM] CASE CIPHER [BYTES]
#
# SYSTEM: see run.sh; two stand side by side. CASE: forward-encap forward-decap forward-both bulk-tcp.
# CIPHER: null aes-gcm chacha20-poly1305. BYTES (1300): size of the inner IP packet; TCP's has its own.
# -6: IPv6 rather than IPv4. -n: how many functions outside the interface and the xfrm core.
# -l: also each source line of xfrm_accel, when that is the last system.
#
#   profile.sh in-tree xfrm_accel forward-decap null 60
set -euo pipefail
# shellcheck source=scripts/bench/icount/lib.sh
. "$(dirname "$0")/lib.sh"

family=4 top=40 lines=
while getopts 6n:l option; do
	case $option in
	6) family=6 ;;
	n) top=$OPTARG ;;
	l) lines=yes ;;
	*) die "usage: see the top of the script" ;;
	esac
done
shift $((OPTIND - 1))
systems=()
while [ $# -gt 0 ] && [[ $1 != forward-* && $1 != bulk-tcp ]]; do
	[[ " ${ICOUNT_SYSTEMS[*]} " == *" $1 "* ]] || die "no such system: $1"
	systems+=("$1")
	shift
done
case=${1:-} cipher=${2:-} bytes=${3:-1300}
[ "$case" != bulk-tcp ] || bytes=0
[[ ${#systems[@]} =~ ^[12]$ && $case =~ ^(forward-(encap|decap|both)|bulk-tcp)$ && -n $cipher ]] ||
	die "usage: see the top of the script"

icount_prepare
arguments=() pids=()
for system in "${systems[@]}"; do
	dir=$ICOUNT_WORK/profile-$system
	icount_boot "$dir" "$(icount_plan "$system" "$(icount_ciphers "$system" "$cipher")" \
		"[$family]" "[$bytes]" "[\"$case\"]" '[]' 300 500)" &
	pids+=($!)
	arguments+=("$system" "$dir")
done
for pid in "${pids[@]}"; do
	wait "$pid"
done
python3 "$ICOUNT/table.py" "$top" "$case" "$bytes" "${arguments[@]}"
if [ -n "$lines" ]; then
	echo
	echo "xfrm_accel, by source line"
	python3 "$ICOUNT/lines.py" "$case" "$bytes" "$dir" "$ICOUNT_WORK/ko/xfrm_accel.ko"
fi
