#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# profile.sh [SYSTEM [ROLE FAMILY CIPHER BYTES:FLOWS]] - where the time of a packet goes: samples
# of User Mode Linux while packets are forwarded through SYSTEM (xfrm_accel). ROLE and so on as
# in time/plan.sh (encap v4 null 60:64; both v4 null tcp:1 for TCP). Prints a line for each module
# and function; all of it is in build/bench/profile.txt.
set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"
system=${1:-xfrm_accel} role=${2:-encap} family=${3:-v4} cipher=${4:-null} point=${5:-60:64}
dir=$XA_TOP/build/bench
seconds=5

need_pkgs linux-perf python3
mkdir -p "$dir"
scratch=$(mktemp -d)
run=''
trap '[ -z "$run" ] || kill "$run" 2>/dev/null || :; rm -rf "$scratch"' EXIT

PROFILE="$role $family $cipher 1 - $system $point" PROFILE_MS=$(((seconds + 3) * 1000)) \
	TMPDIR=$scratch "$XA_TOP/scripts/bench/time/run.sh" profile >"$scratch/log" 2>&1 &
run=$!
until grep -q 'profile: begins' "$scratch/log"; do
	kill -0 $run 2>/dev/null || die "the measurement failed: $(tail -n 5 "$scratch/log")"
	sleep 0.2
done
# The oldest process of this guest is its kernel, the others are its programs.
pid=$(pgrep -of "ubd2r=$scratch/")
perf record -q -F 4999 -e cpu-clock -p "$pid" -o "$scratch/perf.data" -- sleep $seconds \
	>"$scratch/perf.log" 2>&1 || die "perf: $(cat "$scratch/perf.log")"
wait $run || die "the measurement failed: $(tail -n 5 "$scratch/log")"
run=''
perf script -i "$scratch/perf.data" -F ip 2>/dev/null |
	python3 -B "$XA_TOP/scripts/bench/profile.py" "$dir/time/kallsyms" >"$dir/profile.txt"
echo "$system: $role $family $cipher $point, by User Mode Linux's own CPU time"
head -n 60 "$dir/profile.txt"
