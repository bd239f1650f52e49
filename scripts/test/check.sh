#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [STAGE...] - the tests of the project, stage by stage:
#
#   lint      compilers' warnings, sparse, checkpatch, kernel-doc, shellcheck
#   kunit     KUnit suites in UML, plain and with sanitizers
#   debug     two guest tests in UML with sanitizers: links and namespaces, late completions
#   sanitize  more guest tests in UML with sanitizers, for which check has no time
#   bare      guest tests in UML without the in-tree interface
#   guest     guest tests on Debian's stock 6.1 kernel in QEMU
#   demo      the demonstration, as it is and sabotaged
#   kernels   guest tests on the stock 6.12 and 7.3 kernels
#   fast      lint, KUnit plain and a few guest tests in plain UML: in two minutes
#
# Without a stage: lint kunit demo debug bare guest. The module is built strictly: a warning is
# an error. Ends with the totals on the line "N passed, N failed, N skipped"; exit status 0 when
# nothing failed.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/lab/lib.sh
. scripts/lab/lib.sh

# What the sanitizers are to see. The unit tests take them along every path; these two add
# what lives and dies there.
debug_tests=(link async)
sanitize_tests=(netlink link netns receive pmtu counters external acquire async esp esp_gso natt_gro nic nic_link nic_faults nic_bond nic_out)
# The longest first.
fast_tests=(receive link)

passed=0 failed=0 skipped=0

# stage NAME COMMAND...: runs it, and adds the totals on its last line
stage() {
	local name=$1 begin=$SECONDS last log rc=0
	shift
	log=build/test/$name.log
	# The stage itself, in the background, has that one.
	[ "$1" != followed ] || log=build/test/$name.followed
	mkdir -p build/test
	echo "== $name"
	"$@" 2>&1 | tee "$log" || rc=$?
	last=$(tail -n 1 "$log")
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + BASH_REMATCH[3]))
		[ "$rc" = 0 ] || [ "${BASH_REMATCH[2]}" != 0 ] || failed=$((failed + 1))
	else
		echo "$name ended without a result (status $rc)"
		failed=$((failed + 1))
	fi
	if [ "$1" = followed ]; then
		# How long it took itself, not how long we waited.
		grep "^== $name took" "build/test/$name.out" || :
	else
		echo "== $name took $((SECONDS - begin)) s"
	fi
	echo
}

# with_token COMMAND...: when its turn comes
with_token() (
	token_take
	"$@"
)

# Only those there are: a test may be for another lab.
existing() {
	local name
	for name in "$@"; do
		[ ! -e "scripts/test/guest/$name.sh" ] || echo "$name"
	done
}

run_stage() {
	local name=$1
	case $name in
	lint) stage lint with_token scripts/build/lint.sh ;;
	kunit) stage kunit with_token scripts/test/kunit.sh plain debug ;;
	debug)
		mapfile -t tests < <(existing "${debug_tests[@]}")
		stage debug scripts/test/run-guest.sh -l uml-debug "${tests[@]}"
		;;
	sanitize)
		mapfile -t tests < <(existing "${sanitize_tests[@]}")
		stage sanitize scripts/test/run-guest.sh -l uml-debug "${tests[@]}"
		;;
	bare) stage bare scripts/test/run-guest.sh -l uml-bare link receive ;;
	demo) stage demo with_token scripts/demo/selftest.sh ;;
	guest) stage guest scripts/test/run-guest.sh -k 6.1 ;;
	kernels)
		stage guest-6.12 scripts/test/run-guest.sh -k 6.12
		stage guest-7.3 scripts/test/run-guest.sh -k 7.3
		;;
	fast-lint) stage fast-lint with_token scripts/build/lint.sh fast ;;
	fast-kunit) stage fast-kunit with_token scripts/test/kunit.sh plain ;;
	fast-guest)
		mapfile -t tests < <(existing "${fast_tests[@]}")
		stage fast-guest scripts/test/run-guest.sh -l uml-plain "${tests[@]}"
		;;
	*)
		echo "check.sh: no such stage: $name" >&2
		exit 2
		;;
	esac
}

# started NAME: a stage in the background, in a group of its own, to be ended as a whole
started() {
	local out=build/test/$1
	mkdir -p build/test
	rm -f "$out.rc"
	: >"$out.out"
	# shellcheck disable=SC2016  # expanded there
	setsid bash -c 'rc=0; scripts/test/check.sh "$1" >"$2.out" 2>&1 || rc=$?; echo $rc >"$2.rc"' \
		started "$1" "$out" &
	pids+=($!)
}

# followed PID NAME: what a stage says, until it ends; its status
followed() {
	tail -n +1 -f --pid="$1" "build/test/$2.out" |
		awk '/^==|^took |^$/ || $0 == last { next } { print; fflush(); last = $0 }'
	return "$(cat "build/test/$2.rc")"
}

# together STAGE...: as many tests at a time as there are processors, wherever they belong
together() {
	local i
	token_pool "${JOBS:-$(nproc)}"
	pids=()
	trap 'for pid in "${pids[@]}"; do kill -- -"$pid" 2>/dev/null || :; done' EXIT
	for name in "$@"; do
		started "$name"
	done
	for ((i = 0; i < $#; i++)); do
		name=${*:i + 1:1}
		stage "$name" followed "${pids[i]}" "$name"
	done
	trap - EXIT
}

export STRICT=1
case $* in
'') together kunit demo lint bare debug guest ;;
fast) together fast-kunit fast-lint fast-guest ;;
*)
	for name in "$@"; do
		run_stage "$name"
	done
	;;
esac

echo "took $((SECONDS / 60)) min $((SECONDS % 60)) s"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
