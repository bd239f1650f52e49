#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lint.sh - what the compilers and the kernel's own checkers say of the code:
# W=1 and sparse, checkpatch --strict, kernel-doc, shell syntax, and that
# nothing in the tree tells where it was written.
#
#   lint.sh [fast]	fast: against kernel 6.1 only, not 6.12 and 7.3, and not what takes long
#
# Prints a line for each check and "N passed, N failed, N skipped".
set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"
cd "$XA_TOP"

# What a make that called this script has to say about jobs is nothing of the code's.
unset MAKEFLAGS MFLAGS MAKELEVEL

need_pkgs make gcc sparse perl shellcheck python3
uml=$(scripts/lab/uml.sh build plain)
kernel=$(scripts/lab/kernel.sh 6.1)
tools=$uml/src/scripts

passed=0 failed=0

# verdict NAME FILE: ok if nothing was said
verdict() {
	if [ -s "$2" ]; then
		echo "FAIL $1"
		sed 's/^/       /; 40q' "$2"
		failed=$((failed + 1))
	else
		echo "ok   $1"
		passed=$((passed + 1))
	fi
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

mapfile -t code < <(find kernel uapi kunit -name '*.[ch]' | sort)
mapfile -t shell < <(grep -rlE '^#!/bin/(ba)?sh|^# shellcheck shell=' scripts .ci | sort)

# Built anew, or nothing would be said of what is built already.
rm -rf build/lint
"$kernel/build-in" "$XA_TOP" make -s module BUILD=build/lint W=1 C=1 2>&1 |
	grep -vE 'Skipping BTF|^  [A-Z]+ ' >"$log" || :
verdict "the module builds with W=1 and sparse, silently" "$log"

# The module as the newer kernels' compat code makes it. sparse is not in the
# build root of 7.3.
[ "${1:-}" = fast ] || for newer in "6.12 C=1" 7.3; do
	read -r series checks <<<"$newer"
	kernel=$(scripts/lab/kernel.sh "$series")
	rm -rf "build/lint-$series"
	# shellcheck disable=SC2086  # no word or one
	"$kernel/build-in" "$XA_TOP" make -s module "BUILD=build/lint-$series" W=1 $checks 2>&1 |
		grep -vE '^  [A-Z]+ ' >"$log" || :
	[ -s "build/lint-$series/xfrm_accel.ko" ] || echo "there is no module" >>"$log"
	verdict "the module builds for $series with W=1, silently" "$log"
done

rm -rf build/lint-kunit
make -s module "KDIR=$uml/build" ARCH=um XFRM_ACCEL_KUNIT=1 BUILD=build/lint-kunit \
	W=1 C=1 2>&1 | grep -vE '^  [A-Z]+ ' >"$log" || :
verdict "the test suites build with W=1 and sparse, silently" "$log"

# A file at a time: each is a patch that adds it.
for file in "${code[@]}"; do
	perl "$tools/checkpatch.pl" --no-tree --strict --terse --no-summary \
		--show-types -f "$file" || :
done >"$log" 2>&1
verdict "checkpatch --strict" "$log"

for file in "${code[@]}"; do
	perl "$tools/kernel-doc" -none "$file" || :
done >"$log" 2>&1
verdict "kernel-doc" "$log"

# Variables cross files here, which SC2034 and SC2154 cannot follow; and the
# tests split lists of words on purpose (SC2046, SC2120, SC2207).
shellcheck -x --severity=warning --exclude=SC2034,SC2154,SC2046,SC2120,SC2207 \
	"${shell[@]}" >"$log" 2>&1 || :
verdict "shellcheck" "$log"

git grep -nE '/(root|tmp|work|home)/[a-z]' -- . ':!LICENSES' ':!scripts/build/lint.sh' \
	>"$log" 2>&1 || :
verdict "no path of a developer's machine" "$log"

# What it says of measurements whose outcome is known: in twenty seconds.
if [ "${1:-}" != fast ]; then
	python3 -B scripts/bench/selftest.py >"$log" 2>&1 && : >"$log" || :
	verdict "the benchmark's verdict is that of its measurements" "$log"
fi

if [ -x scripts/build/check-docs.sh ]; then
	scripts/build/check-docs.sh >"$log" 2>&1 && : >"$log" || :
	verdict "the documentation agrees with the code" "$log"
fi

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
