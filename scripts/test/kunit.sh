#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the unit tests of kunit/ in a UML kernel.
#
#   kunit.sh [-s SUITE] [plain] [debug]	(both without an argument)
#
# -s SUITE runs that suite alone, say xac_table.
#
# debug is the kernel with sanitizers, leak detection and failing allocations: tests that need
# these are skipped in plain. Prints KTAP and "N passed, N failed, N skipped"; the kernel logs
# stay in build/kunit/. Exit status: 0 when nothing failed.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lab/lib.sh
. "$here/../lab/lib.sh"

only=
while getopts s: option; do
	case $option in
	s) only=$OPTARG ;;
	*) die "usage: see the top of the script" ;;
	esac
done
shift $((OPTIND - 1))
flavours=("$@")
[ $# != 0 ] || flavours=(plain debug)
work=$XA_TOP/build/kunit
passed=0 failed=0 skipped=0

# table_kunit.c has the suite xac_table.
suites=()
for file in "$XA_TOP"/kunit/*_kunit.c; do
	file=${file##*/}
	suites+=("xac_${file%_kunit.c}")
done
if [ -n "$only" ]; then
	[[ " ${suites[*]} " == *" $only "* ]] || die "no such suite: $only"
	suites=("$only")
fi

# prepare FLAVOUR: makes the directory that goes into the lab
prepare()
{
	local in=$work/$1/in
	build_module "uml-$1" "build/kunit/$1/ko" XFRM_ACCEL_KUNIT=1
	rm -rf "$in" "$work/$1/out"
	mkdir -p "$in"
	cp "$here/lib.sh" "$here/kunit-in-guest.sh" "$in/"
	cp "$work/$1/ko/xfrm_accel.ko" "$in/"
	cat >"$in/run.sh" <<-EOF
		MODULE=\$IN/xfrm_accel.ko OUT=\$OUT ONLY=$only exec bash \$IN/kunit-in-guest.sh ${suites[*]}
	EOF
}

# run FLAVOUR: adds its numbers to the totals
run()
{
	local out=$work/$1/out status=0 p f s begin=$SECONDS append=
	prepare "$1"
	# Allocations that fail on request are those of kmalloc(), not of the debugging aids that
	# allocate something for each. And high-resolution timers tell from within the interrupt
	# that the machine is slow, which lockdep takes amiss in the console of UML.
	[ "$1" = plain ] || append='slub_debug=A,kmalloc-* highres=off'
	"$XA_TOP/scripts/lab/uml.sh" run "$1" -a "$append" -t 1200 -i "$work/$1/in" -o "$out" || status=$?
	if [ ! -s "$out/totals" ]; then
		echo "not ok - the unit tests run to their end in the $1 kernel (status $status)"
		echo "# the last that was heard of them:"
		grep -aE 'Subtest:|ok [0-9]+ ' "$out/console.txt" | tail -n 3 || :
		failed=$((failed + 1))
		return
	fi
	read -r p f s <"$out/totals"
	echo "# $1: $p passed, $f failed, $s skipped in $((SECONDS - begin)) s"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	if [ "$status" != 0 ] && [ "$f" = 0 ]; then
		echo "not ok - the run in the $1 kernel ends with status 0 ($status)"
		failed=$((failed + 1))
	fi
}

for flavour in "${flavours[@]}"; do
	case $flavour in
	plain | debug) run "$flavour" ;;
	*) die "usage: kunit.sh [plain] [debug]" ;;
	esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
