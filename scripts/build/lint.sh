#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lint.sh - what the compilers and the kernel's own checkers say of the code:
# W=1 and sparse, checkpatch --strict, kernel-doc, shell syntax, and that
# nothing in the tree tells where it was written.
#
#   lint.sh [fast]	fast: without the builds (the tests of check-fast are built as strictly)
#			and what takes long
#
# Prints a line for each check and "N passed, N failed, N skipped". What a checker had nothing
# to say about is remembered in the cache, under its inputs.
set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"
cd "$XA_TOP"

# What a make that called this script has to say about jobs is nothing of the code's.
unset MAKEFLAGS MFLAGS MAKELEVEL

need_pkgs perl shellcheck python3 python3-yaml groff-base gcc libc6-dev
uml=$(scripts/lab/uml.sh build plain)
tools=$uml/src/scripts
mkdir -p "$XA_CACHE/lint"

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
trap 'rm -f "$log" "$log.one"' EXIT

mapfile -t code < <(find kernel uapi kunit scripts/iproute2 -name '*.[ch]' | sort)
mapfile -t shell < <(grep -rlE '^#!/bin/(ba)?sh|^# shellcheck shell=' scripts .ci | sort)

# builds WHAT LAB DIR [VAR=VALUE...]
builds() {
	local what=$1
	shift
	STRICT=1 build_module "$@" 2>"$log" && : >"$log" || :
	verdict "$what with W=1 and sparse, silently" "$log"
}

# silent KEY COMMAND FILE...: what COMMAND has to say of each FILE. KEY names all that decides
# besides the two.
silent() {
	local key command=$2 file mark
	key=$(key_of "$1")
	shift 2
	for file in "$@"; do
		mark=$XA_CACHE/lint/$(key_of "$key" "$command" "$file" "$(cat "$file")")
		[ ! -e "$mark" ] || continue
		# shellcheck disable=SC2086  # its arguments
		if $command "$file" >"$log.one" 2>&1 && [ ! -s "$log.one" ]; then
			: >"$mark"
		fi
		cat "$log.one"
	done >"$log"
}

if [ "${1:-}" != fast ]; then
	# In the directories of the tests, which need the same modules.
	builds "the module builds for 6.1" 6.1 build/test/ko-6.1
	builds "the module builds for 6.12" 6.12 build/test/ko-6.12
	builds "the module builds for 7.3" 7.3 build/test/ko-7.3
	builds "the test suites build" uml-plain build/kunit/plain/ko XFRM_ACCEL_KUNIT=1
fi

# A file at a time: each is a patch that adds it.
silent "$(cat "$tools/checkpatch.pl")" \
	"perl $tools/checkpatch.pl --no-tree --strict --terse --no-summary --show-types -f" "${code[@]}"
verdict "checkpatch --strict" "$log"

silent "$(cat "$tools/kernel-doc")" "perl $tools/kernel-doc -none" "${code[@]}"
verdict "kernel-doc" "$log"

# Variables cross files here, which SC2034 and SC2154 cannot follow; and the
# tests split lists of words on purpose (SC2046, SC2120, SC2207).
mapfile -t sourced < <(grep -l '^# shellcheck shell=' "${shell[@]}")
silent "$(shellcheck --version; cat "${sourced[@]}")" \
	"shellcheck -x --severity=warning --exclude=SC2034,SC2154,SC2046,SC2120,SC2207" "${shell[@]}"
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
