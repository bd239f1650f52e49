#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whatever is remembered about a flow, a change of a route, a neighbour, an MTU, a
# mark or a device takes effect on the next packet, on every CPU. See
# helpers/cache.sh for hosts and names.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/cache.sh
. "$TESTDIR/helpers/cache.sh"

# for_families INNER OUTER: the words that differ
for_families()
{
	I=$1 O=$2 F=f$1
	outer_addrs "$2"
	A_O=A PEER=$DST/32 VIA=203.0.113.2 FAR=10.7.0.2/32
	[ "$2" = 4 ] || A_O=A6 PEER=$DST/128 VIA=2001:db8:3::2
	[ "$1" = 4 ] || FAR=fd00:7::2/128
}

outer_routes()
{
	fresh $TOPO
	turn "a route to the peer over another wire" $F $S1 wire1:1000 \
		on A "route add $PEER via $VIA dev wire1"
	turn "that route goes" $F wire1:1000 $S1 on A "route del $PEER"
	turn "an unreachable peer" $F $S1 "$no_way" on A "route add unreachable $PEER"
	turn "a reachable one" $F "$no_way" $S1 on A "route del unreachable $PEER"
	turn "a rule with a table of its own" $F $S1 wire1:1000 \
		on $A_O "route add $PEER via $VIA dev wire1 table 100" "rule add to $PEER lookup 100 pref 100"
	turn "the rule goes" $F wire1:1000 $S1 on $A_O "rule del pref 100"
	on $A_O "route flush table 100"
	turn "a rule that forbids" $F $S1 "$no_way" on $A_O "rule add to $PEER prohibit pref 100"
	turn "that rule goes" $F "$no_way" $S1 on $A_O "rule del pref 100"
	on A "nexthop add id 7 via $DST dev wire0" "nexthop add id 8 via $VIA dev wire1" \
		"route add $PEER nhid 7"
	turn "its next hop moves to another wire" $F $S1 wire1:1000 \
		on A "nexthop replace id 7 via $VIA dev wire1"
	on A "route del $PEER" "nexthop del id 7" "nexthop del id 8"
	turn "all routes are forgotten and found again" $F $S1 $S1 on A "route flush cache"
}

neighbours()
{
	local mac=02:00:00:00:00
	fates warm $F
	on A "neigh replace $DST dev wire0 lladdr $mac:c0 nud permanent"
	obeys "the peer's address on the wire changes" $F $S1/mac=$mac:c0 mac
	fates warm $F
	on A "neigh del $DST dev wire0"
	obeys "the neighbour is forgotten, and asked for" $F $S1/mac=$mac:b0 mac
	add_neighbours
}

inner_routes()
{
	fresh $TOPO
	POLICY_IF_ID=8 policy add "$(all $I)" 8
	turn "a route over the other interface" $F $S1 wire0:8000 \
		on A "route add $FAR dev ipsec1"
	turn "the route goes" $F wire0:8000 $S1 on A "route del $FAR"
	turn "an unreachable destination" $F $S1 errno=EHOSTUNREACH \
		on A "route add unreachable $FAR"
	turn "a reachable one" $F errno=EHOSTUNREACH $S1 on A "route del unreachable $FAR"
}

all() { [ "$1" = 4 ] && echo "src 0.0.0.0/0 dst 0.0.0.0/0" || echo "src ::/0 dst ::/0"; }

# Two destinations, one SA; BIG has 1368 bytes, 1388 with IPv6, and may not be cut.
route_mtus()
{
	local big=big$I small=1300
	turn "the route gets an MTU" $big $S1 "error:tx_too_big mtu=$small" \
		on A "route add $FAR dev ipsec0 mtu $small"
	in_turns "another destination of the same SA has another MTU" "$big big${I}b $big big${I}b" \
		"error:tx_too_big mtu=$small; $S1; error:tx_too_big mtu=$small; $S1"
	turn "the route with the MTU goes" $big "error:tx_too_big mtu=$small" $S1 on A "route del $FAR"
}

# forget LINE...: the inner route has learnt the MTU as well; that is forgotten
forget() { on A "$@" "route flush cache"; on A6 "route flush cache"; }

wire_mtus()
{
	local big=big$I too_big cut=cut$I
	# What fits behind outer header, ESP header, IV, padding and ICV.
	too_big="error:tx_too_big mtu=$([ $O = 4 ] && echo 1346 || echo 1326)"
	turn "the wire's MTU becomes smaller" $big $S1 "$too_big" on A "link set wire0 mtu 1400"
	turn "the wire's MTU becomes larger" $big "$too_big" $S1 forget "link set wire0 mtu 1500"
	turn "the route to the peer gets an MTU" $big $S1 "$too_big" \
		on A "route add $PEER dev wire0 mtu 1400"
	turn "the route to the peer loses it" $big "$too_big" $S1 forget "route del $PEER"
	turn "the interface's MTU becomes smaller" $big $S1 "mtu=1300 errno=EMSGSIZE" \
		on A "link set ipsec0 mtu 1300"
	turn "the interface's MTU becomes larger" $big "mtu=1300 errno=EMSGSIZE" $S1 \
		on A "link set ipsec0 mtu 1400"
	turn "the interface's MTU becomes smaller, for what may be cut" $cut "$S1*2" "$S1*3" \
		on A "link set ipsec0 mtu 1300"
	turn "the interface's MTU becomes larger, for what may be cut" $cut "$S1*3" "$S1*2" \
		on A "link set ipsec0 mtu 1400"
}

# A router tells a smaller MTU, and some time later that is forgotten.
path_mtu()
{
	local big=big$I too_big said=1400
	too_big="error:tx_too_big mtu=$([ $O = 4 ] && echo 1346 || echo 1326)"
	sysctl_in "$A" net.ipv4.route.mtu_expires=$((2 * SLOW)) net.ipv6.route.mtu_expires=$((2 * SLOW))
	capture_esp "$A" wire0 "$TMP/frame" fates one $big
	turn "a router says that the path's MTU is smaller" $big $S1 "$too_big" \
		told_too_big $said
	# Not by sending: each packet that is too big would tell the inner route again.
	ok_if "$TOPO, $big: the path's MTU is forgotten in time" wait_for 30 no_path_mtu
	obeys "the path's MTU is forgotten" $big $S1
	sysctl_in "$A" net.ipv4.route.mtu_expires=600 net.ipv6.route.mtu_expires=600
	turn "a router says it again" $big $S1 "$too_big" told_too_big $said
	turn "it is flushed" $big "$too_big" $S1 forget
}

# A router's word takes its time to come around.
told_too_big()
{
	raw toobig wire0 "$TMP/frame" "$1" "$DST"
	wait_for 10 knows_mtu
}

knows_mtu() { grep -q 'mtu 1400' <<<"$(ip -n "$A" route get "$DST")"; }

no_path_mtu()
{
	! grep -q ' mtu ' <<<"$(ip -n "$A" route get "$DST"; ip -n "$A" route get "${FAR%/*}")"
}

# The packet's mark is part of the outer packet's: it chooses its route.
marks()
{
	local k=k$I
	fresh $TOPO
	sa 0x1900 1 output-mark 0x100 mask 0xff00
	holds "an SA that marks" $F wire0:1900
	turn "a rule for a mark" ${k}1 wire0:1900 wire1:1900 \
		on $A_O "route add $PEER via $VIA dev wire1 table 110" "rule add fwmark 0x101 lookup 110 pref 110"
	in_turns "flows with other marks stay" "${k}1 ${k}2 $F ${k}1 ${k}2 $F" \
		"wire1:1900; wire0:1900; wire0:1900; wire1:1900; wire0:1900; wire0:1900"
	turn "the SA marks otherwise" ${k}1 wire1:1900 wire0:1900 remark 0x200
	turn "a rule for that mark" ${k}1 wire0:1900 wire1:1900 \
		on $A_O "rule add fwmark 0x201 lookup 110 pref 111"
	turn "that rule goes" ${k}1 wire1:1900 wire0:1900 on $A_O "rule del pref 111"
	on $A_O "rule del pref 110" "route flush table 110"
}

remark()
{
	local line
	line=$(sa_line 0x1900 1 output-mark "$1" mask 0xff00)
	on A "${line/state add/state update}"
}

# Only IPv4 routes by TOS; the outer packet's is the inner one's.
tos()
{
	local t=t$I
	fresh $TOPO
	holds "a flow with a TOS" ${t}1 $S1
	holds "a flow with another" ${t}2 $S1
	in_turns "each packet has its own TOS outside" "${t}1,tos ${t}2,tos $F,tos ${t}1,tos" \
		"$S1/tos=10; $S1/tos=b8; $S1/tos=0; $S1/tos=10"
	[ $O$I = 44 ] || return 0
	turn "a route for a TOS" ${t}1 $S1 wire1:1000 \
		on A "route add $PEER via $VIA dev wire1 tos 0x10"
	in_turns "flows with another TOS stay" "${t}1 $F ${t}2 ${t}1 $F" \
		"wire1:1000; $S1; $S1; wire1:1000; $S1"
	turn "the route for a TOS goes" ${t}1 wire1:1000 $S1 on A "route del $PEER tos 0x10"
}

flow_labels()
{
	[ $O$I = 66 ] || return 0
	holds "a flow with a label" l1 $S1
	holds "a flow with another label" l2 $S1
	in_turns "each packet has its own label outside" "l1,label l2,label l1,label" \
		"$S1/label=11111; $S1/label=22222; $S1/label=11111"
}

interface_changes()
{
	fresh $TOPO
	SA_IF_ID=9 sa 0x9000 9
	POLICY_IF_ID=9 policy add "$(all $I)" 9
	turn "the interface gets another if_id" $F $S1 wire0:9000 on A "link set ipsec0 type xfrm if_id 9"
	turn "the interface gets its if_id back" $F wire0:9000 $S1 on A "link set ipsec0 type xfrm if_id 7"
	turn "a change that is refused" $F $S1 $S1 refused_change
	turn "the interface goes down" $F $S1 errno=ENETUNREACH on A "link set ipsec0 down"
	turn "the interface comes up" $F errno=ENETUNREACH $S1 up ipsec0
}

refused_change()
{
	! ip -n "$A" link set ipsec0 type xfrm if_id 8 2>"$TMP/said" || die "taken if_id was accepted"
}

# up DEV: addresses of IPv6 do not survive its going down
up()
{
	on A "link set $1 up"
	case $1 in
	ipsec0) on A "addr replace fd00:7::1/64 dev ipsec0 nodad" ;;
	wire0) on A "addr replace $OUT6_A/64 dev wire0 nodad" ;;
	wire1) on A "addr replace 2001:db8:3::1/64 dev wire1 nodad" ;;
	esac
	add_neighbours
}

delete_in_time() { must timeout 20 ip -n "$A" link del "$1"; }

devices()
{
	fresh $TOPO
	turn "the wire goes down" $F $S1 "$no_way" on A "link set wire0 down"
	turn "the wire comes up" $F "$no_way" $S1 up wire0
	on A "route add $PEER via $VIA dev wire1"
	turn "the wire is deleted" $F wire1:1000 $S1 delete_in_time wire1
	second_wire
	fates watch wire1
	turn "the wire is there again" $F $S1 wire1:1000 on A "route add $PEER via $VIA dev wire1"
	turn "its route goes" $F wire1:1000 $S1 on A "route del $PEER"
	turn "the interface is deleted" $F $S1 errno=ENETUNREACH delete_in_time ipsec0
	turn "the interface is there again" $F errno=ENETUNREACH $S1 new_interface
}

new_interface() { xfrm_link A link=; forget_devices; on A "link set ipsec0 mtu 1400"; }

vrf_addresses() { on A "addr replace fd00:7::1/64 dev ipsec0 nodad" "addr replace $OUT6_A/64 dev wire0 nodad"; add_neighbours; }

vrfs()
{
	local v=v$I nowhere=errno=EHOSTUNREACH
	# Without an address in there no source is found.
	[ $I = 4 ] || nowhere=errno=EADDRNOTAVAIL
	fresh $TOPO
	on A "link add inner type vrf table 201" "link set inner up" \
		"link add outer type vrf table 202" "link set outer up" \
		"route add unreachable 0.0.0.0/0 table 201" "route add unreachable ::/0 table 201"
	flow $v to=${FAR%/*} dev=inner
	turn "the interface joins a VRF: from inside" $v $nowhere $S1 join ipsec0 inner
	obeys "the interface has joined a VRF: from outside" $F errno=ENETUNREACH
	turn "the wire joins another VRF" $v $S1 "$no_way" join wire0 outer
	turn "the wire leaves its VRF" $v "$no_way" $S1 leave wire0
	turn "the interface leaves its VRF" $v $S1 $nowhere leave ipsec0
	obeys "the interface has left its VRF: from outside" $F $S1
	fates forget $v
	on A "link del inner" "link del outer" "route flush table 201"
	on A6 "route flush table 201"
}

join() { on A "link set $1 master $2"; vrf_addresses; }
leave() { on A "link set $1 nomaster"; vrf_addresses; }

skip_without_python cache_path
have nft || skip_all cache_path "nft is not installed"
cache_hosts
open_raw "$B"
on A "link set ipsec0 mtu 1400" "link set ipsec1 mtu 1400"
for family in 4 6; do
	net=10.7.0.
	[ $family = 4 ] || net=fd00:7::
	flow f$family to=${net}2
	flow big$family to=${net}2 size=1340 df=probe
	flow big${family}b to=${net}3 size=1340 df=probe
	flow cut$family to=${net}2 size=3100
	for n in 1 2; do
		flow k$family$n to=${net}2 mark=$n
	done
	flow t${family}1 to=${net}2 tos=0x10
	flow t${family}2 to=${net}2 tos=0xb8
done
flow l1 to=fd00:7::2 label=0x11111
flow l2 to=fd00:7::2 label=0x22222

kinds=("one 4 4" "many 6 6")
[ -z "${FULL:-}" ] || kinds+=("many 4 6" "one 6 4")
for kind in "${kinds[@]}"; do
	read -r TOPO inner outer <<<"$kind"
	for_families "$inner" "$outer"
	outer_routes
	neighbours
	inner_routes
	route_mtus
	wire_mtus
	path_mtu
	marks
	tos
	flow_labels
	interface_changes
	devices
	if ip -n "$A" link add probe type vrf table 200 2>"$TMP/said"; then
		on A "link del probe"
		vrfs
	else
		skip "$TOPO, $F: VRF" "this kernel has no VRF"
	fi
done
plan_done
