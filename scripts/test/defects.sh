#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# defects.sh [NAME...] - tests the tests: plants one defect at a time in a copy
# of the tree, and demands that the test named for it fails.
#
# A defect is a file scripts/test/defects/NAME.patch, a unified diff, with these
# lines on top:
#
#   what: the defect, in words
#   caught-by: LAB TEST     LAB is kunit, or a lab of run-guest.sh (uml-plain,
#                           uml-debug, qemu; qemu-6.12 for another kernel than
#                           6.1); TEST a guest test, or for kunit a suite.
#                           Several such lines: each of these must notice
#
# Prints a line for each, with the first result that failed; ends with
# "N passed, N failed, N skipped". JOBS=N of them at a time (2). A test that only
# ran out of time has noticed nothing: where the machine is slow, give it time with
# SLOW=N (run-guest.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lab/lib.sh
. "$here/../lab/lib.sh"
cd "$XA_TOP"

work=$XA_TOP/build/defects
passed=0 failed=0

header() { sed -n "s/^$2: *//p" "$1"; }

# fails LAB TEST: in the copy; sets symptom to the first result that is not ok
fails() {
	local lab=${1%%-[67].*} kernel=${1#qemu-}
	symptom=
	if [ "$1" = kunit ]; then
		"$copy/scripts/test/kunit.sh" -s "$2" plain >"$log" 2>&1 && return 1
		symptom=$(sed -n "/# Subtest: $2\$/,/^\(not \)\?ok /s/^    not ok [0-9]* -* *//p" "$log")
	else
		[ "$lab" != "$1" ] || kernel=6.1
		FAIL_FAST=1 "$copy/scripts/test/run-guest.sh" -l "$lab" -k "$kernel" "$2" \
			>"$log" 2>&1 && return 1
		grep -q "^FAIL $2 " "$log" || return 1
		symptom=$(sed -nE 's/^ *(not ok [0-9]+ - |(the kernel died))/\2/p' "$log" |
			grep -vxF "$2 ends in time" || :)
	fi
	symptom=${symptom%%$'\n'*}
	[ -n "$symptom" ]
}

try() {
	local patch=$1 name lab test all
	name=${patch##*/}
	name=${name%.patch}
	mapfile -t all < <(header "$patch" caught-by)
	if ! patch -s -d "$copy" -p1 --dry-run <"$patch" >/dev/null; then
		echo "FAIL $name: the patch does not apply any more"
		failed=$((failed + 1))
		return
	fi
	patch -s -d "$copy" -p1 <"$patch"
	for test in "${all[@]}"; do
		read -r lab test <<<"$test"
		if fails "$lab" "$test"; then
			echo "ok   $name: caught by $test ($lab): $symptom"
			passed=$((passed + 1))
		else
			echo "FAIL $name: $(header "$patch" what): $test ($lab) does not notice"
			tail -n 5 "$log" | sed 's/^/       /'
			failed=$((failed + 1))
		fi
	done
	# So that only what was changed is built again for the next one.
	patch -s -R -d "$copy" -p1 <"$patch"
}

# worker NUMBER: takes defects that no other one has taken, in a copy of its own
worker() {
	local name
	copy=$work/tree$1 log=$work/log$1
	mkdir "$copy"
	git ls-files -z | xargs -0 cp -a --parents -t "$copy"
	for name in "${names[@]}"; do
		! mkdir "$work/taken/$name" 2>/dev/null || try "scripts/test/defects/$name.patch"
	done
	rm -rf "$copy"
	echo "$passed $failed" >"$work/totals$1"
}

need_pkgs patch git
rm -rf "$work"
mkdir -p "$work/taken"
names=("$@")
if [ $# = 0 ]; then
	for patch in scripts/test/defects/*.patch; do
		patch=${patch##*/}
		names+=("${patch%.patch}")
	done
fi
jobs=${JOBS:-2}
for ((i = 1; i <= jobs; i++)); do
	worker "$i" &
done
wait
for ((i = 1; i <= jobs; i++)); do
	# One that died has no totals.
	read -r p f <"$work/totals$i" || f=1 p=0
	passed=$((passed + p)) failed=$((failed + f))
done

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
