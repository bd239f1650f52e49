#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# compat.sh - links are made, changed, moved and deleted with the in-tree module
# and then with ours, in one boot. What user space can see of them must be the
# same: each netlink attribute, notification, file in sysfs and /proc/sys, each
# answer to a request, but for the few things that differ on purpose.
#
#     $A                                          $B
#     ipsec0 (index 77)                           (what is moved here)
#     wire0  --------------- veth --------------  wire0
#
# needs: unloaded

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

have python3 || skip_all compat "python3 is not installed"
modprobe -n -q xfrm_interface || skip_all compat "the kernel has no xfrm interface of its own"
# A request names its kind: the kernel would load it while the first of the two is watched.
modprobe -q ip_vti || true

# record_of IMPL: see linkview.py
record_of()
{
	IMPL=$1
	mkdir "$TMP/$1"
	load_impl >&2 || die "$1 does not load"
	at_exit rmmod "$1"
	two_hosts
	must ip -n "$A" link set wire0 address 02:00:00:00:00:aa
	must ip -n "$A" link add br0 index 90 address 02:00:00:00:00:a0 type bridge
	must ip -n "$A" link add bond0 index 91 address 02:00:00:00:00:a1 type bond
	must ip -n "$A" link add vrf0 index 92 address 02:00:00:00:00:a2 type vrf table 10
	# No packets of IPv6's own, and no address drawn at random.
	for ns in "$A" "$B"; do
		must in_ns "$ns" sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
	done
	must in_ns "$A" "$TESTDIR/helpers/linkview.py" "$A" "$B" "$TMP/$1"
	del_ns "$A"
	del_ns "$B"
	wait_for 60 impl_unused
	unload_impl || die "$1 does not unload"
}

# intended TOPIC: the lines that may differ there, as a regular expression
intended()
{
	local sysfs=/sys/class/net/ipsec0 always
	# Newer kernels show the room that is kept for headers, and ours keeps
	# enough. The in-tree one has NAPI instances that it does not use.
	always="^ *(headroom|tailroom) |^$sysfs/threaded: "
	case $1 in
	# The default MTU, also among IPv6's settings.
	"made without an MTU") echo "$always|^ *(mtu|af_spec af10\.2) |^$sysfs/mtu: " ;;
	*) echo "$always" ;;
	esac
}

# compared TOPIC: both records of it, but for what may differ
compared()
{
	diff -U 3 --label in-tree --label ours \
		<(grep -vE "$(intended "$1")" "$TMP/xfrm_interface/$1") \
		<(grep -vE "$(intended "$1")" "$TMP/xfrm_accel/$1")
}

record_of xfrm_interface
record_of xfrm_accel
cp -r "$TMP/xfrm_interface" "$TMP/xfrm_accel" "$OUT" 2>/dev/null || true
same "the same was tried" "$(ls "$TMP/xfrm_accel")" "$(ls "$TMP/xfrm_interface")"
for topic in "$TMP"/xfrm_interface/*; do
	ok_if "the same: ${topic##*/}" compared "${topic##*/}"
done
not_if "the comparison sees a difference" cmp -s "$TMP/xfrm_interface/made without an MTU" \
	"$TMP/xfrm_accel/made without an MTU"
plan_done
