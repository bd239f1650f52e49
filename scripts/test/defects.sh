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
#                           uml-debug, qemu); TEST a guest test, or for kunit a
#                           suite
#
# Prints a line for each; ends with "N passed, N failed, N skipped".
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lab/lib.sh
. "$here/../lab/lib.sh"
cd "$XA_TOP"

copy=$XA_TOP/build/defects/tree
passed=0 failed=0

header() { sed -n "s/^$2: *//p" "$1"; }

# fails LAB TEST: in the copy, and for the right reason: a result that is not ok
fails() {
	local log=$XA_TOP/build/defects/log
	if [ "$1" = kunit ]; then
		"$copy/scripts/test/kunit.sh" plain >"$log" 2>&1 && return 1
		grep -qE "^ *not ok [0-9]+ -? ?$2" "$log"
	else
		"$copy/scripts/test/run-guest.sh" -l "$1" "$2" >"$log" 2>&1 && return 1
		grep -q "^FAIL $2 " "$log"
	fi
}

try() {
	local patch=$1 name lab test
	name=${patch##*/}
	name=${name%.patch}
	read -r lab test < <(header "$patch" caught-by)
	rm -rf "$copy"
	mkdir -p "$copy"
	git ls-files -z | xargs -0 cp -a --parents -t "$copy"
	if ! patch -s -d "$copy" -p1 --dry-run <"$patch" >/dev/null; then
		echo "FAIL $name: the patch does not apply any more"
	elif patch -s -d "$copy" -p1 <"$patch" && fails "$lab" "$test"; then
		echo "ok   $name: caught by $test ($lab)"
		passed=$((passed + 1))
		return
	else
		echo "FAIL $name: $(header "$patch" what): $test ($lab) does not notice"
		tail -n 5 build/defects/log | sed 's/^/       /'
	fi
	failed=$((failed + 1))
}

need_pkgs patch git
mkdir -p build/defects
names=("$@")
if [ $# = 0 ]; then
	for patch in scripts/test/defects/*.patch; do
		patch=${patch##*/}
		names+=("${patch%.patch}")
	done
fi
for name in "${names[@]}"; do
	try "scripts/test/defects/$name.patch"
done
rm -rf "$copy"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
