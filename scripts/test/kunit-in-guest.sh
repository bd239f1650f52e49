#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kunit-in-guest.sh SUITE... - runs in the lab, as root: loads the module that was built with
# the unit tests, reads what they said, and checks that each SUITE ran to its end.
#
# Environment: MODULE, TESTDIR, OUT as in lib.sh; ONLY=SUITE to run no other one. Prints KTAP.
# Leaves $OUT/totals with the numbers "passed failed skipped" and $OUT/log with the kernel log.

# shellcheck disable=SC2317  # functions are called through check()
TESTDIR=$(cd "$(dirname "$0")" && pwd)
export TESTDIR
# shellcheck source=scripts/test/lib.sh
. "$TESTDIR/lib.sh"

results=/sys/kernel/debug/kunit
passed=0 failed=0 skipped=0

# check NAME CMD...: a check around the suites
check()
{
	local before=$tests_failed
	ok_if "$@"
	if [ "$tests_failed" = "$before" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
}

# lines_of SUITE: what it wrote into the kernel log, which has all of it; debugfs keeps the
# first 512 bytes of a test only.
lines_of()
{
	sed -nE "s/^\[[^]]*\] //; /^ *# Subtest: $1\$/,/^(not )?ok [0-9]+ $1\$/p" "$OUT/log"
}

# brief: of a test that passed, its own remarks; of one that failed, everything
brief()
{
	awk '/^ *# Subtest/ || /^(not )?ok / || /^    1\.\./ { next }
	     /^    not ok / { printf "%s", all; print; all = said = ""; next }
	     /^    ok / { printf "%s", said; print; all = said = ""; next }
	     { all = all $0 "\n" }
	     /^    # [a-z0-9_]+: / && !/pass:[0-9]/ { said = said $0 "\n" }'
}

# every_result_came SUITE: as many as it has tests, and the kernel agrees on the verdict
every_result_came()
{
	local saw planned
	saw=$(grep -cE '^    (not )?ok [0-9]+ ' "$TMP/$1")
	planned=$(sed -nE 's/^    1\.\.([0-9]+)$/\1/p' "$results/$1/results")
	echo "$planned tests, $saw results"
	[ "$saw" -gt 0 ] && [ "$saw" = "$planned" ]
}

judge_suite()
{
	local suite=$1 bad skip good
	lines_of "$suite" >"$TMP/$suite"
	echo "    # Subtest: $suite"
	brief <"$TMP/$suite"
	bad=$(grep -cE '^    not ok ' "$TMP/$suite" || :)
	skip=$(grep -cE '^    ok .*# SKIP' "$TMP/$suite" || :)
	good=$(grep -cE '^    ok ' "$TMP/$suite" || :)
	passed=$((passed + good - skip)) failed=$((failed + bad)) skipped=$((skipped + skip))
	if ! every_result_came "$suite" >"$TMP/said" 2>&1; then
		fail "$suite ran to its end" "$(cat "$TMP/said")"
		failed=$((failed + 1))
	elif [ "$bad" = 0 ]; then
		pass "$suite"
	else
		fail "$suite"
	fi
}

# The tests ask for allocations that fail, one at a time; they need no report each. The caches
# to choose from were named on the kernel's command line.
arm_failures()
{
	local dir=/sys/kernel/debug/failslab
	[ -d $dir ] || return 0
	echo Y >$dir/cache-filter
	echo N >$dir/ignore-gfp-wait
	echo 0 >$dir/verbose
}

no_memory_leaked() { no_leak "$TMP/leaks" || { cat "$TMP/leaks"; false; }; }

# The kernel's sysctl code prints a stack for each directory that it has no memory for: what
# the tests of failing allocations mean to happen.
without_sysctl_stacks()
{
	awk '/sysctl could not get directory/ { skip = 1; next }
	     skip && /(CPU: |Stack:|Call Trace:| \[<[0-9a-f]+>\] |\]( +[0-9a-f]+)+$)/ { next }
	     { skip = 0; print }'
}

# no_bad_line: in the kernel log
no_bad_line()
{
	without_sysctl_stacks <"$OUT/log" | grep -E -- "$bad_log" >"$TMP/bad" || :
	cat "$TMP/bad"
	[ ! -s "$TMP/bad" ]
}

no_suite_is_missing_from_the_list()
{
	local dir
	for dir in "$results"/*/; do
		dir=$(basename "$dir")
		[[ $dir != xac_* || " ${SUITES[*]} " == *" $dir "* ]] ||
			{ echo "$dir ran, nobody expected it"; return 1; }
	done
}

SUITES=("$@")
modprobe kunit 2>/dev/null || :
modprobe -a tunnel4 tunnel6 xfrm6_tunnel esp4 esp6
# The tests need a second namespace and cannot make one.
ip netns add xa-kunit
at_exit ip netns del xa-kunit
arm_failures
# Nothing is to be sent, counted or referred to but by the tests.
echo 0 >/proc/sys/net/ipv6/conf/default/router_solicitations
[ ! -e "$kmemleak" ] || echo clear >"$kmemleak"

echo "KTAP version 1"
mark=$(log_mark)
check "the module loads" insmod "$MODULE" ${ONLY:+suite="$ONLY"}
log_since "$mark" >"$OUT/log"
for suite in "${SUITES[@]}"; do
	judge_suite "$suite"
done
check "every suite that ran was expected" no_suite_is_missing_from_the_list
check "the module unloads" rmmod xfrm_accel
[ ! -e "$kmemleak" ] || check "no memory leaked" no_memory_leaked
log_since "$mark" >"$OUT/log"
check "the kernel log is clean" no_bad_line

echo "$passed $failed $skipped" >"$OUT/totals"
plan_done
