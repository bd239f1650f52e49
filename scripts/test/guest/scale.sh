#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# scale.sh - many interfaces in one namespace, with the in-tree module and with
# ours in turn in the same boot. All are there, all are found, all go away; what
# it took is printed, not judged.
#
# LINKS=N in the environment: how many (default 10000 in UML, 1000 in QEMU).
#
# needs: unloaded
# limit: 900

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

default=1000
[ "$LAB" != uml ] || default=10000
: "${LINKS:=$default}"

milliseconds() { echo $((${EPOCHREALTIME/./} / 1000)); }

# Memory in use that no user process has, in KiB.
memory() { awk '/^(Slab|Percpu|VmallocUsed):/ { sum += $2 } END { print sum }' /proc/meminfo; }

links() { ip -n "$S" -o link show group 77 | wc -l; }

# round NAME: create, look up, delete
round()
{
	local t0 t1 t2 before used
	before=$(memory)
	t0=$(milliseconds)
	ok_if "$1: create $LINKS" ip -n "$S" -batch "$TMP/create"
	t1=$(milliseconds)
	used=$(($(memory) - before))
	same "$1: all there" "$(links)" "$LINKS"

	# Whoever is found refuses a second one with its if_id.
	ip -n "$S" -force -batch "$TMP/again" >"$TMP/refusals" 2>&1 || true
	same "$1: each if_id is found" "$(grep -c 'exists\|if_id' "$TMP/refusals")" "$LINKS"
	same "$1: none was made twice" "$(links)" "$LINKS"
	ok_if "$1: another if_id is not" ip -n "$S" link add more type xfrm if_id $((LINKS + 1))
	must ip -n "$S" link del more

	t2=$(milliseconds)
	ok_if "$1: delete all" ip -n "$S" link del group 77
	diag "$1: created in $((t1 - t0)) ms, deleted in $(($(milliseconds) - t2)) ms," \
		"$((used * 1024 / LINKS)) bytes for each"
	same "$1: none left" "$(links)" 0
}

with() { IMPL=$1 "${@:2}"; }

turn()
{
	if ! with "$1" load_impl >"$TMP/said" 2>&1; then
		fail "$1 loads" "$(cat "$TMP/said")"
		return
	fi
	round "$1, round $2"
	ok_if "$1, round $2: unloads" rmmod "$1"
}

turns=()
if modprobe -n xfrm_interface 2>/dev/null; then
	turns+=(xfrm_interface)
fi
if [ -n "$MODULE" ]; then
	turns+=(xfrm_accel)
fi

new_ns S
# Not the cost of IPv6 on each device is wanted, but that of the device.
in_ns "$S" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
# Mixed up, so that the order is no help.
seq "$LINKS" | awk -v n="$LINKS" '{ print ($1 * 7919) % n + 1 }' >"$TMP/ids"
sed 's/.*/link add dev s& group 77 type xfrm if_id &/' "$TMP/ids" >"$TMP/create"
seq "$LINKS" | sed 's/.*/link add dev t& group 77 type xfrm if_id &/' >"$TMP/again"

for number in 1 2; do
	for module in "${turns[@]}"; do
		turn "$module" $number
	done
done
plan_done
