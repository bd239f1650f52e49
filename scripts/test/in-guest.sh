#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# in-guest.sh [NAME...] - runs guest tests (all of guest/ without a name) inside
# a lab, each with the module freshly loaded, unloaded afterwards and the kernel
# log read in between. The tests' own results come first, indented; after them,
# what the module's life around the test was like.
#
# Output: KTAP with a subtest for each test, and "N passed, N failed, N skipped".
# Leaves $OUT/NAME.log for each test and $OUT/totals with the three numbers.
# Exit status: 0 when nothing failed. Environment: see lib.sh; SLOW=N stretches
# the time limits for a slow machine.

set -uo pipefail

TESTDIR=$(cd "$(dirname "$0")" && pwd)
export TESTDIR IMPL="${IMPL:-xfrm_accel}" MODULE="${MODULE:-}" OUT="${OUT:?}"
# shellcheck source=scripts/test/lib.sh
. "$TESTDIR/lib.sh"
set +e

passed=0 failed=0 skipped=0

# header TEST KEY: the values of the "# KEY: value" lines on top of a test
header() { sed -n "/^[^#]/q; s/^# $2: *//p" "$TESTDIR/guest/$1.sh"; }

# leaf STATUS NAME: one result about the module's life around a test
leaf()
{
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "    ok $count - $2"
		passed=$((passed + 1))
	else
		echo "    not ok $count - $2"
		failed=$((failed + 1))
		bad=1
	fi
}

# Reads the KTAP of a test: counts, and checks that the plan came and is right.
judge()
{
	local log=$1 status=$2 p f s plan
	s=$(grep -cE '^ok .*# SKIP' "$log")
	p=$(($(grep -cE '^ok ' "$log") - s))
	f=$(grep -cE '^not ok ' "$log")
	plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$log")
	count=$((p + f + s))
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	[ "$f" = 0 ] || bad=1
	sed -E '/^1\.\.[0-9]+$/d; s/^/    /' "$log"
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		leaf 1 "$name ends in time"
	elif [ "$plan" != "$count" ]; then
		leaf 1 "$name runs to its end (plan ${plan:-none}, $count results, status $status)"
	elif [ "$status" != 0 ] && [ "$f" = 0 ]; then
		leaf 1 "$name exits with 0 (status $status)"
	fi
}

leftover_ns() { ip netns list | grep -o '^xa-[^ ]*'; }

# What a killed test may leave behind must not disturb the next one.
sweep()
{
	local ns
	for ns in $(leftover_ns); do
		del_ns "$ns" >/dev/null 2>&1
	done
}

check_leaks()
{
	[ -e $kmemleak ] || return 0
	no_leak "$OUT/$name.kmemleak"
	leaf $? "no memory leaked"
	sed 's/^/    # /; 60q' "$OUT/$name.kmemleak"
	echo clear >$kmemleak
}

run_one()
{
	local name=$1 self_loading limit mark excuse status bad=0 count=0
	self_loading=$(header "$name" needs | grep -cx unloaded)
	limit=$(($(header "$name" limit | grep . || echo 300) * ${SLOW:-1}))
	excuse=$(header "$name" expects-log | paste -sd'|')
	echo "    # Subtest: $name"
	mark=$(log_mark)
	[ ! -e $kmemleak ] || echo clear >$kmemleak

	if [ "$self_loading" = 0 ] && ! load_impl >"$OUT/$name.load" 2>&1; then
		leaf 1 "$IMPL loads"
		sed 's/^/    # /' "$OUT/$name.load"
		unload_impl >/dev/null 2>&1
	else
		timeout -k 10 "$limit" bash "$TESTDIR/guest/$name.sh" \
			>"$OUT/$name.log" 2>"$OUT/$name.err" </dev/null
		status=$?
		judge "$OUT/$name.log" $status
		[ "$bad" = 0 ] || sed 's/^/    # stderr: /' "$OUT/$name.err" | tail -n 20
		sweep
		if [ "$self_loading" = 0 ]; then
			# Namespaces die in the background and let go of the module.
			wait_for 60 impl_unused
			unload_impl >"$OUT/$name.load" 2>&1 && not loaded "$IMPL"
			leaf $? "$IMPL unloads"
			sed 's/^/    # /' "$OUT/$name.load"
		else
			not loaded xfrm_accel && not loaded xfrm_interface
			leaf $? "nothing stays loaded"
		fi
	fi
	check_leaks
	log_bad "$mark" "$excuse" >"$OUT/$name.badlog"
	[ ! -s "$OUT/$name.badlog" ]
	leaf $? "the kernel log is clean"
	if [ -s "$OUT/$name.badlog" ]; then
		log_since "$mark" >"$OUT/$name.dmesg"
		head -n 20 "$OUT/$name.badlog" | sed 's/^/    # /'
	fi
	echo "    1..$count"
	return $bad
}

tests=("$@")
if [ ${#tests[@]} = 0 ]; then
	for file in "$TESTDIR"/guest/*.sh; do
		name=${file##*/}
		tests+=("${name%.sh}")
	done
fi

echo "KTAP version 1"
echo "1..${#tests[@]}"
number=0
for name in "${tests[@]}"; do
	number=$((number + 1))
	started=$SECONDS
	if [ ! -e "$TESTDIR/guest/$name.sh" ]; then
		echo "not ok $number - $name # no such test"
		failed=$((failed + 1))
	elif run_one "$name"; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
	fi
	echo "# $name took $((SECONDS - started)) s"
done

echo "$passed $failed $skipped" >"$OUT/totals"
echo "# $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
exit
