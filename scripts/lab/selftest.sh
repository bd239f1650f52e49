#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Do the labs keep their contract (see guest.sh)? Runs small scripts in each lab named on the
# command line (6.1, 6.12, 7.3, plain, debug; default 6.1 plain debug) and prints KTAP.
# In debug, moreover: does that kernel see each kind of defect that it is built to see?

set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/lib.sh"

here=$XA_TOP/scripts/lab
number=0 failed=0 EXTRA=

check() { # check NAME CONDITION...
	local name=$1 verdict=ok
	shift
	if ! "$@"; then
		verdict='not ok' failed=1
		sed 's/^/# /' "$dir/stderr"
	fi
	number=$((number + 1))
	echo "$verdict $number - $lab: $name"
}

# in_lab SECONDS: stdin is the run.sh. Sets STATUS and leaves $dir/{stdout,stderr,out}.
in_lab() {
	local begin=$SECONDS
	rm -rf "$dir/in" "$dir/out"
	mkdir "$dir/in"
	cat >"$dir/in/run.sh"
	[ -z "$EXTRA" ] || cp "$EXTRA" "$dir/in"
	STATUS=0
	case $lab in
	plain | debug)
		"$here/uml.sh" run "$lab" -t "$1" -i "$dir/in" -o "$dir/out" \
			>"$dir/stdout" 2>"$dir/stderr" || STATUS=$?
		;;
	*)
		"$here/guest.sh" -k "$lab" -t "$1" -i "$dir/in" -o "$dir/out" \
			>"$dir/stdout" 2>"$dir/stderr" || STATUS=$?
		;;
	esac
	echo "# $((SECONDS - begin)) s"
}

# shellcheck disable=SC2317  # called by check
is() {
	[ "$1" = "$2" ] || {
		echo "# got '$1', not '$2'"
		return 1
	}
}

# shellcheck disable=SC2016  # the guest expands what is in quotes
test_lab() {
	in_lab 120 <<-'EOF'
		echo "hello from $LAB"
		echo result >$OUT/result
		mountpoint -q /sys/kernel/debug && mountpoint -q /sys/kernel/tracing &&
			mountpoint -q /sys/fs/bpf && mountpoint -q /sys/fs/cgroup || exit 1
		ip netns add a && ip netns exec a true && ping -c1 -W5 127.0.0.1 >/dev/null || exit 2
		modprobe -a xfrm_interface esp4 esp6 ah4 ah6 ipcomp tunnel4 tunnel6 xfrm6_tunnel || exit 3
		echo "into the log" >/dev/kmsg
		dmesg -C
	EOF
	check "status 0" is $STATUS 0
	check "output" grep -qx 'hello from \(qemu\|uml\)' "$dir/stdout"
	check "results" is "$(cat "$dir/out/result")" result
	check "kernel log, though the test cleared it" grep -q "into the log" "$dir/out/dmesg.txt"
	check "no earlier kernel log" is "$(grep -c -e 'Linux version' -e 'lab: run.sh' "$dir/out/dmesg.txt")" 0

	in_lab 120 <<<'exit 3'
	check "status 3" is $STATUS 3
	in_lab 120 <<<'seq 300000; echo to stderr >&2'
	check "all of a long output" is "$(grep -v stderr "$dir/stdout" | cksum)" "$(seq 300000 | cksum)"
	in_lab 5 <<<'echo before; sleep 1000'
	check "a hang is 124" is $STATUS 124
	check "output of a hang" grep -qx before "$dir/stdout"
	in_lab 120 <<-'EOF'
		echo 1 >/proc/sys/vm/overcommit_memory
		echo 2 >/proc/sys/vm/panic_on_oom
		python3 -c 'import mmap; mmap.mmap(-1, 64 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)'
	EOF
	check "a panic is 125" is $STATUS 125
	check "the panic is shown" grep -q "Kernel panic" "$dir/stderr"
	XA_OUT_MB=4 in_lab 120 <<<'dd if=/dev/zero of=$OUT/big bs=1M count=8; exit 0'
	check "more than /out holds is not status 0" is $((STATUS != 0)) 1
}

# sees DEFECT PATTERN: a boot of its own, since the first finding turns lockdep off.
sees() {
	in_lab 120 <<-EOF
		ip link add victim type dummy
		insmod /in/defects.ko which=$1 || exit 1
		rmmod defects
		case $1 in
		leak) # a leak is one when it has been unreferenced for 5 s
			sleep 6
			echo scan >/sys/kernel/debug/kmemleak
			echo scan >/sys/kernel/debug/kmemleak
			;;
		device_reference) timeout -s KILL 15 ip link del victim ;;
		esac
		exit 0
	EOF
	check "sees $1" grep -q "$2" "$dir/out/dmesg.txt"
}

test_defects() {
	local kdir
	kdir=$("$here/uml.sh" build debug)/build
	cp -r "$here/defects" "$dir/defects"
	quietly make -s -C "$kdir" ARCH=um M="$dir/defects" modules
	EXTRA=$dir/defects/defects.ko
	sees lock_order 'possible circular locking'
	sees sleep_under_spinlock 'Invalid wait context'
	sees use_after_free 'KASAN: use-after-free'
	sees past_the_end 'KASAN: slab-out-of-bounds'
	sees wild_shift 'UBSAN: shift-out-of-bounds'
	sees leak 'kmemleak: .*new suspected'
	sees device_reference 'leaked reference'
	EXTRA=
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/xa-selftest.XXXXXX")
trap 'rm -rf "$dir"' EXIT
[ $# -gt 0 ] || set -- 6.1 plain debug
for lab in "$@"; do
	test_lab
	[ "$lab" != debug ] || test_defects
done
echo "1..$number"
exit $failed
