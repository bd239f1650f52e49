#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A gateway's GRO puts forwarded packets on lists (rx-gro-list) instead of joining them:
# our engine, or the kernel's when the in-tree interface is judged, protects all of them.
# They come from a veth: with little room in front of them, and with checksums that
# nobody has computed, or that the sender has.
#
#     $C  lan0 ------- lan0  $A  ipsec0 10.7.0.1, fd00:7::1      $B  ipsec0 10.7.0.2, fd00:7::2
#         10.3.0.2           10.3.0.1    192.0.2.1 wire0 ------- wire0 192.0.2.2
#         fd00:3::2          fd00:3::1

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/esp.sh
. "$TESTDIR/helpers/esp.sh"
# shellcheck source=scripts/test/helpers/trace.sh
. "$TESTDIR/helpers/trace.sh"

OUT4_A=192.0.2.1 OUT4_B=192.0.2.2
far4=10.7.0.2 far6=fd00:7::2
event=net/net_dev_start_xmit
bursts=20 count=40

topology()
{
	new_ns A
	new_ns B
	new_ns C
	must ip -n "$A" link add wire0 type veth peer name wire0 netns "$B"
	must ip -n "$C" link add lan0 type veth peer name lan0 netns "$A"
	must ip -n "$A" -batch - <<-END
		addr add $OUT4_A/24 dev wire0
		link set wire0 up
		addr add 10.3.0.1/24 dev lan0
		addr add fd00:3::1/64 dev lan0 nodad
		link set lan0 up
	END
	must ip -n "$B" -batch - <<-END
		addr add $OUT4_B/24 dev wire0
		link set wire0 up
	END
	must ip -n "$C" -batch - <<-END
		addr add 10.3.0.2/24 dev lan0
		addr add fd00:3::2/64 dev lan0 nodad
		link set lan0 up
		route add default via 10.3.0.1
		route add default via fd00:3::1
	END
	must in_ns "$A" ethtool -K lan0 gro on rx-gro-list on
	must in_ns "$C" ethtool -K lan0 tso off
	# What comes within 20 ms is sent at once.
	must tc -n "$C" qdisc add dev lan0 root netem slot 20ms
	sa_pair ab="replay-window 128" ba="replay-window 128"
	policy_pair
	xfrm_link A
	xfrm_link B
	must ip -n "$B" route add 10.3.0.0/24 dev ipsec0
	must ip -n "$B" route add fd00:3::/64 dev ipsec0
}

arrived=0

# all_arrive: by now, and nothing that is not as it was sent
all_arrive()
{
	local said
	ask sink "" && said=$(answer sink 20) || return 1
	[[ $said =~ ^good=([0-9]+)\ bad=0$ ]] || return 1
	arrived=$((arrived + BASH_REMATCH[1]))
	[ "$arrived" = $((bursts * count)) ]
}

lists() { [ "$(traced "dev=ipsec0")" -gt 0 ]; }

# sends NAME FAR
sends()
{
	arrived=0
	trace_clear
	ok_if "$1: are sent" in_ns "$C" "$TESTDIR/helpers/bursts.py" send "$2" $bursts $count 1200
	ok_if "$1: all arrive as they were" wait_for 5 all_arrive
	ok_if "$1: came as lists" lists
	no_errors "$1"
}

skip_without_python esp_list
have ethtool || skip_all esp_list "ethtool is not installed"
modprobe -q sch_netem || skip_all esp_list "this kernel has no netem"
has_events $event || skip_all esp_list "this kernel has no tracepoints"
if ! is_accel; then
	modprobe -a esp4_offload esp6_offload 2>/dev/null ||
		skip_all esp_list "esp4_offload and esp6_offload do not load here"
	at_exit modprobe -r esp4_offload esp6_offload
fi

topology
ok_if "the way is there (IPv4)" wait_for 10 pings "$C" $far4
ok_if "the way is there (IPv6)" wait_for 10 pings "$C" $far6
open_talk sink ip netns exec "$B" "$TESTDIR/helpers/bursts.py" serve
# Nothing else makes one packet of several.
trace_on $event 'len > 2000'

sends "IPv4, checksums left to the device" $far4
sends "IPv6, checksums left to the device" $far6
must in_ns "$C" ethtool -K lan0 tx off
sends "IPv4, checksums computed" $far4
sends "IPv6, checksums computed" $far6
plan_done
