#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs guest tests, each in a lab of its own, several at a time.
#
#   run-guest.sh [-l qemu|uml-plain|uml-debug|uml-bare] [-k 6.1|6.12|7.3]
#                [-i xfrm_accel|xfrm_interface] [-j JOBS] [TEST...]
#
# -k chooses the stock kernel for the lab "qemu". -i xfrm_interface runs the
# tests against the kernel's own interface, to judge the tests. Without TEST,
# all of scripts/test/guest.
#
# CYCLES=N and LINKS=N in the environment are passed on: how often the test load
# loads and unloads, how many interfaces the test scale makes. FULL=1: also the
# combinations that a shorter run leaves out. FAIL_FAST=1 ends a test with its
# first failure. SLOW=N says how much slower than a real machine the labs may be,
# and stretches the time limits; the default depends on the lab.
#
# -j says how many tests run at a time, and JOBS=N in the environment the same (2).
#
# Prints a line for each test, what failed, and "N passed, N failed, N skipped".
# Everything else is left in build/test/. Exit status: 0 when nothing failed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lab/lib.sh
. "$here/../lab/lib.sh"

lab=qemu kernel=6.1 impl=xfrm_accel jobs=${JOBS:-2}
while getopts l:k:i:j: option; do
	case $option in
	l) lab=$OPTARG ;;
	k) kernel=$OPTARG ;;
	i) impl=$OPTARG ;;
	j) jobs=$OPTARG ;;
	*) die "usage: see the top of the script" ;;
	esac
done
shift $((OPTIND - 1))

tests=("$@")
if [ ${#tests[@]} = 0 ]; then
	for file in "$here"/guest/*.sh; do
		file=${file##*/}
		tests+=("${file%.sh}")
	done
fi

# What every lab gets as /in.
make_indir() {
	mkdir -p "$XA_TOP/build/test"
	in=$(mktemp -d "$XA_TOP/build/test/in.XXXXXX")
	# shellcheck disable=SC2064  # the directory of now is meant
	trap "rm -rf '$in'" EXIT
	cp -r "$here" "$in/test"
	cp "$module" "$in/xfrm_accel.ko"
	need_pkgs gcc libc6-dev
	"$here/prepare.sh" "$in/helpers"
	if [ "$kernel" = 7.3 ] && [[ " ${tests[*]} " == *" iptfs "* ]]; then
		cp "$("$XA_TOP/scripts/lab/iptfs.sh")" "$in/helpers/"
	fi
	# The kernel's own tests of IPsec are judges as well.
	mkdir "$in/helpers/selftests"
	cp "$("$XA_TOP/scripts/lab/uml.sh" build plain)"/src/tools/testing/selftests/net/{vrf-xfrm-tests,xfrm_policy,l2tp,pmtu,rtnetlink}.sh \
		"$in/helpers/selftests/"
	if [ "$kernel" != 6.1 ] && [[ " ${tests[*]} " == *" nic_selftest "* ]]; then
		cp -r "$("$XA_TOP/scripts/lab/newer_source.sh")/tools/testing/selftests" \
			"$in/helpers/selftests/newer"
	fi
	cat >"$in/run.sh" <<-'RUN'
		. "$IN/env"
		export IMPL SLOW MODULE=$IN/xfrm_accel.ko HELPERS=$IN/helpers
		exec bash "$IN/test/in-guest.sh" "$TEST"
	RUN
}

# header TEST KEY: the value of the "# KEY: value" line on top of a test
header() { sed -n "/^[^#]/q; s/^# $2: *//p" "$here/guest/$1.sh" 2>/dev/null || :; }

# run_one TEST: its results in build/test/out-LABEL/TEST
run_one() {
	local name=$1 out=$XA_TOP/build/test/out-$label/$1 rc=0
	local begin indir limit cpus root
	token_take
	begin=$SECONDS
	rm -rf "$out"
	mkdir -p "$out"
	indir=$out/in
	# No hard links: tar fails where one's file gets or loses another while it is read.
	cp -as "$in" "$indir"
	printf '%s\n' "TEST=$name IMPL=$impl SLOW=$slow" \
		"export IMPL${CYCLES:+ CYCLES=$CYCLES}${LINKS:+ LINKS=$LINKS}${FAIL_FAST:+ FAIL_FAST=$FAIL_FAST}${FULL:+ FULL=$FULL}" >"$indir/env"
	limit=$(header "$name" limit)
	limit=$((${limit:-300} * slow + 120))
	cpus=$(header "$name" cpus)
	root=$(header "$name" root)
	export XA_KERNEL=$boots XA_ROOT=${roots[${root:-bookworm}]}
	case $lab in
	qemu)
		"$XA_TOP/scripts/lab/guest.sh" -k "$kernel" -r "${root:-bookworm}" -s "${cpus:-1}" \
			-t $limit -i "$indir" -o "$out" >"$out/ktap" 2>"$out/lab.log" || rc=$?
		;;
	*)
		"$XA_TOP/scripts/lab/uml.sh" run "${lab#uml-}" -t $limit \
			-i "$indir" -o "$out" >"$out/ktap" 2>"$out/lab.log" || rc=$?
		;;
	esac
	rm -rf "$indir"
	report "$name" "$out" $rc $((SECONDS - begin))
}

# report TEST OUT STATUS SECONDS: what the reader needs to know, in one piece
report() {
	local name=$1 out=$2 rc=$3 took=$4 passed=0 failed=1 skipped=0
	if [ -s "$out/totals" ]; then
		read -r passed failed skipped <"$out/totals"
	else
		echo "0 1 0" >"$out/totals"
	fi
	{
		printf '%-4s %-12s %4d passed %3d failed %3d skipped  %4d s\n' \
			"$([ "$failed" = 0 ] && [ "$rc" = 0 ] && echo ok || echo FAIL)" \
			"$name" "$passed" "$failed" "$skipped" "$took"
		sed -n 's/^ *ok [0-9]* - \(.*\) # SKIP \(.*\)/       skipped: \1: \2/p' \
			"$out/ktap"
		if [ "$failed" != 0 ]; then
			# A result that is not ok, and the comments that explain it.
			awk '/^    *not ok/ { show = 1 } /^ *ok|^not ok/ { show = 0 }
			     show && shown++ < 60 { print "      " $0 }' "$out/ktap"
		fi
		case $rc in
		124) echo "       ended by force: it took longer than its limit" ;;
		125) echo "       the kernel died; its last words:"
		     tail -q -n 25 "$out"/console.txt "$out/lab.log" 2>/dev/null || : ;;
		*) [ -s "$out/ktap" ] || tail -n 25 "$out/lab.log" ;;
		esac
	} >"$out/report"
	# One write, so that tests running at once do not mix their lines.
	cat "$out/report"
}

label=$lab-$impl
[ "$lab" != qemu ] || label=qemu-$kernel-$impl
# How much slower than a real machine the lab is, at worst: beside other work, too.
case $lab in
qemu) slow=${SLOW:-4} ;;
uml-debug) slow=${SLOW:-5} ;;
uml-plain | uml-bare) slow=${SLOW:-4} ;;
*) die "no such lab: $lab" ;;
esac

# Newer kernels have functions for BPF programs, and a test has such programs.
[ "$kernel" = 6.1 ] || need_pkgs clang libbpf-dev
builds=$kernel
[ "$lab" = qemu ] || builds=$lab
build_module "$builds" "build/test/ko-$builds"
module=$XA_TOP/build/test/ko-$builds/xfrm_accel.ko
make_indir

# Asked once, before several labs at a time would each want to make them.
declare -A roots
for root in $(for name in "${tests[@]}"; do header "$name" root; done | sort -u) bookworm; do
	roots[$root]=$("$XA_TOP/scripts/lab/rootfs.sh" "$root")
done
if [ "$lab" = qemu ]; then
	boots=$("$XA_TOP/scripts/lab/kernel.sh" "$kernel")
else
	boots=$("$XA_TOP/scripts/lab/uml.sh" build "${lab#uml-}")
fi

# Where there are tokens, they are the limit.
[ -z "${XA_TOKENS:-}" ] || jobs=${#tests[@]}
for name in "${tests[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		sleep 0.2
	done
	run_one "$name" &
done
wait

cd "$XA_TOP/build/test/out-$label"
awk '{ p += $1; f += $2; s += $3 }
     END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }' \
	"${tests[@]/%//totals}"
