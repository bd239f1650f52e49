#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whatever is remembered about one flow is not used for another: everything that a
# policy or an SA may look at tells them apart. Forwarded packets, an external
# interface, one that has moved to a container. See helpers/cache.sh.
#
#     $L                 $A                    $C
#     lan0 10.1.0.2 ---- lan0 10.1.0.1         ipsec0 (later)

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/cache.sh
. "$TESTDIR/helpers/cache.sh"

for_family()
{
	I=$1 F=f$1 ANY="src 0.0.0.0/0 dst 0.0.0.0/0" HOST="src 0.0.0.0/0 dst 10.7.0.2/32"
	FAR=10.7.0.2 NEAR=10.7.0.1/32 NEAR2=10.98.0.1/32 ECHO="proto icmp type 8" OTHER="proto icmp type 13"
	[ "$1" = 4 ] || {
		ANY="src ::/0 dst ::/0" HOST="src ::/0 dst fd00:7::2/128" FAR=fd00:7::2
		NEAR=fd00:7::1/128 NEAR2=fd98::1/128
		ECHO="proto ipv6-icmp type 128" OTHER="proto ipv6-icmp type 144"
	}
}

# apart WHAT "FLOW1 FLOW2 FLOW3" "SELECTOR1" "SELECTOR2": flows that differ in WHAT
# take SA 2, SA 3 and, having no policy of their own, SA 1; also when a policy goes
apart()
{
	local what=$1 one two three
	read -r one two three <<<"$2"
	fresh $TOPO
	policy add "$3" 2 priority 5
	policy add "$4" 3 priority 5
	holds "$what: the first" $one $S2
	holds "$what: the second" $two $S3
	holds "$what: the third" $three $S1
	in_turns "$what, in turns" "$one $two $three $two $one $three" \
		"$S2; $S3; $S1; $S3; $S2; $S1"
	turn "$what: the policy of the first goes" $one $S2 $S1 no_policy "$3"
	in_turns "$what: the others stay" "$two $three" "$S3; $S1"
	turn "$what: the policy of the second blocks" $two $S3 "$blocked" \
		policy update "$4" block priority 5
	in_turns "$what: the others still stay" "$one $three" "$S1; $S1"
}

selectors()
{
	local host2=${HOST/%2\/*/3}
	[ "$I" = 4 ] && host2+=/32 || host2+=/128
	apart "destination ports" "d${I}1 d${I}2 $F" "$ANY proto udp dport 6001" "$ANY proto udp dport 6002"
	apart "source ports" "s${I}1 s${I}2 $F" "$ANY proto udp sport 7001" "$ANY proto udp sport 7002"
	apart "protocols" "i${I}1 g${I}1 $F" "$ANY ${ECHO%type*}" "$ANY proto gre"
	apart "ICMP types" "i${I}1 i${I}2 i${I}3" "$ANY $ECHO" "$ANY $OTHER"
	apart "GRE keys" "g${I}1 g${I}2 g${I}3" "$ANY proto gre key 5" "$ANY proto gre key 6"
	apart "marks" "m${I}1 m${I}2 $F" "$HOST mark 1 mask 0xf" "$HOST mark 2 mask 0xf"
	apart "source addresses" "a${I}1 a${I}2 b$I" "${ANY/src */src $NEAR dst ${ANY##* }} proto udp dport 9100" \
		"${ANY/src */src $NEAR2 dst ${ANY##* }} proto udp dport 9100"
	apart "destinations" "$F h$I o$I" "$HOST" "$host2"
}

# One policy for all, and SAs with selectors of their own.
sa_selectors()
{
	fresh one
	SA_SEL='' sa 0x1801 1 sel $ANY proto udp dport 6001
	SA_SEL='' sa 0x1802 1 sel $ANY proto udp dport 6002
	holds "an SA for a port: the first" d${I}1 wire0:1801
	holds "an SA for a port: the second" d${I}2 wire0:1802
	holds "an SA for a port: the third" $F $S1
	in_turns "SAs for ports, in turns" "d${I}1 d${I}2 $F d${I}2 d${I}1 $F" \
		"wire0:1801; wire0:1802; $S1; wire0:1802; wire0:1801; $S1"
	turn "SAs for ports: the first one goes" d${I}1 wire0:1801 $S1 no_sa 0x1801
	in_turns "SAs for ports: the others stay" "d${I}2 $F" "wire0:1802; $S1"
	turn "SAs for ports: the one for all goes" $F $S1 "$no_states" no_sa 0x1000
	in_turns "SAs for ports: the second stays" "d${I}2 d${I}1" "wire0:1802; $no_states"
	fresh $TOPO
}

# A fragment shows no ports: only a policy without them matches it.
pieces()
{
	fresh $TOPO
	policy add "$ANY proto udp dport 6001" 2 priority 5
	holds "a whole packet goes by its port's policy" d${I}1 $S2
	holds "fragments go by the policy for all" big${I}1 "$S1*2"
	in_turns "whole packets and fragments in turns" "d${I}1 big${I}1 d${I}1 big${I}1" \
		"$S2; $S1*2; $S2; $S1*2"
	holds "a packet to be segmented goes by its port's policy" gso${I}1 "$S2*3"
	in_turns "segments, fragments and whole packets in turns" "gso${I}1 big${I}1 d${I}1 gso${I}1" \
		"$S2*3; $S1*2; $S2; $S2*3"
	turn "segments: the policy of their port blocks" gso${I}1 "$S2*3" "$blocked" \
		policy update "$ANY proto udp dport 6001" block priority 5
	turn "fragments: the policy for all asks for another SA" big${I}1 "$S1*2" "$S3*2" \
		policy update "$ANY" 3 priority 1000
}

forwarded()
{
	local w=w$I
	fresh $TOPO
	turn "forwarded: a policy before the others" $w $S1 $S2 policy add "$HOST" 2 priority 5
	in_turns "forwarded: with a local flow in turns" "$w $F $w $F" "$S2; $S2; $S2; $S2"
	turn "forwarded: a policy that blocks" $w $S2 "$blocked" policy update "$HOST" block priority 5
	turn "forwarded: that policy goes" $w "$blocked" $S1 no_policy "$HOST"
	turn "forwarded: a newer SA" $w $S1 wire0:1100 sa 0x1100 1
	turn "forwarded: all SAs are flushed" $w wire0:1100 "$no_states" flush_sas
	turn "forwarded: they are added again" $w "$no_states" $S1 add_base_sas
	POLICY_IF_ID=8 policy add "$ANY" 8
	turn "forwarded: a route over the other interface" $w $S1 wire0:8000 \
		on A "route add $FAR dev ipsec1"
	turn "forwarded: that route goes" $w wire0:8000 $S1 on A "route del $FAR dev ipsec1"

	# The core looks for these when it forwards, before the interface sees the packet.
	POLICY_IF_ID=0 turn "forwarded: a policy without if_id that blocks" $w $S1 OutPolBlock \
		policy add "$ANY" block
	POLICY_IF_ID=0 turn "forwarded: the policy without if_id goes" $w OutPolBlock $S1 \
		no_policy "$ANY"
	[ -n "${FULL:-}" ] || return 0 # that takes its time
	turn "forwarded: what no policy allows is blocked" $w $S1 nothing \
		on A "xfrm policy setdefault out block"
	turn "forwarded: what no policy forbids is allowed again" $w nothing $S1 \
		on A "xfrm policy setdefault out accept"
}

# The interface in a container, its SAs and policies outside, for peers of either
# family: neither the inner route nor the outer one tells of every change then.
container()
{
	local c=c$I outer=$1
	outer_addrs "$outer"
	fresh $TOPO
	on A "link set ipsec0 netns $C"
	on C "link set ipsec0 up" "addr add 10.7.0.1/24 dev ipsec0" "addr add fd00:7::1/64 dev ipsec0 nodad"
	flow $c to=$FAR ns="$C"
	turn "container, IPv$outer outside: a policy before the others" $c $S1 $S2 \
		policy add "$HOST" 2 priority 5
	turn "container, IPv$outer outside: that policy goes" $c $S2 $S1 no_policy "$HOST"
	turn "container, IPv$outer outside: a policy that blocks" $c $S1 "$blocked" \
		policy add "$HOST" block priority 5
	turn "container, IPv$outer outside: that one goes" $c "$blocked" $S1 no_policy "$HOST"
	turn "container, IPv$outer outside: a policy of the container blocks" $c $S1 $S1 \
		on C "xfrm policy add $HOST dir out if_id 7 action block"
	on C "xfrm policy flush"
	turn "container, IPv$outer outside: a newer SA" $c $S1 wire0:1100 sa 0x1100 1
	turn "container, IPv$outer outside: all SAs are flushed" $c wire0:1100 "$no_states" flush_sas
	turn "container, IPv$outer outside: they are added again" $c "$no_states" $S1 add_base_sas
	turn "container, IPv$outer outside: an unreachable destination inside" $c $S1 errno=EHOSTUNREACH \
		on C "route add unreachable $FAR"
	on C "route del unreachable $FAR"
	holds "container, IPv$outer outside: the route is back" $c $S1
	turn "container, IPv$outer outside: an unreachable peer" $c $S1 "$no_way" \
		on A "route add unreachable $DST"
	turn "container, IPv$outer outside: a reachable one" $c "$no_way" $S1 \
		on A "route del unreachable $DST"
	turn "container, IPv$outer outside: the interface moves out" $c $S1 errno=ENETUNREACH \
		on C "link set ipsec0 netns $A"
	fates forget $c
	on A "link set ipsec0 up" "addr add 10.7.0.1/24 dev ipsec0" "addr add fd00:7::1/64 dev ipsec0 nodad"
	holds "container, IPv$outer outside: back from it" $F $S1
	outer_addrs 4
	fresh $TOPO
}

encap()
{
	local dst=$1
	on A "route replace $dst dev ipsec_ext src $(near_of $dst) encap xfrm if_id $2"
}

near_of() { [[ $1 == *:* ]] && echo fd98::1 || echo 10.98.0.1; }

# The route tells the if_id, packet by packet.
external()
{
	local x=x$I to=10.66.0
	[ $I = 4 ] || to=fd66::
	fresh $TOPO
	POLICY_IF_ID=8 policy add "$ANY" 8
	if [ $I = 4 ]; then
		encap $to.1 7 && encap $to.2 8
	else
		encap ${to}1 7 && encap ${to}2 8
	fi
	holds "external: if_id 7 by the route" ${x}1 $S1
	holds "external: if_id 8 by the route" ${x}2 wire0:8000
	in_turns "external: in turns" "${x}1 ${x}2 ${x}1 ${x}2" "$S1; wire0:8000; $S1; wire0:8000"
	turn "external: a policy of if_id 8 blocks" ${x}2 wire0:8000 "$blocked" \
		eval 'POLICY_IF_ID=8 policy update "$ANY" block'
	in_turns "external: if_id 7 stays" "${x}1 ${x}2" "$S1; $blocked"
	turn "external: a newer SA of if_id 7" ${x}1 $S1 wire0:1100 sa 0x1100 1
	POLICY_IF_ID=8 policy update "$ANY" 8
	turn "external: the route gets another if_id" ${x}1 wire0:1100 wire0:8000 \
		encap "$([ $I = 4 ] && echo $to.1 || echo ${to}1)" 8
	turn "external: the route gets it back" ${x}1 wire0:8000 wire0:1100 \
		encap "$([ $I = 4 ] && echo $to.1 || echo ${to}1)" 7
	# The interface of its own and the external one use one SA.
	in_turns "external: beside the interface of if_id 7" "$F ${x}1 $F" "wire0:1100; wire0:1100; wire0:1100"
}

flows()
{
	local f net far_lan far
	for f in 4 6; do
		net=10.7.0. far=10.66.0.
		[ $f = 4 ] || { net=fd00:7:: far=fd66::; }
		flow f$f to=${net}2
		flow h$f to=${net}3
		flow o$f to=${net}4
		flow b$f to=${net}2 src=$(near_of $net)
		flow a${f}1 to=${net}2 dport=9100
		flow a${f}2 to=${net}2 dport=9100 src=$(near_of $net)
		for n in 1 2; do
			flow d$f$n to=${net}2 dport=600$n
			flow s$f$n to=${net}2 sport=700$n
			flow m$f$n to=${net}2 mark=$((n + 16))
			flow x$f$n to=${far}$n src=$(near_of $net)
		done
		for n in 1 2 3; do
			flow g$f$n to=${net}2 proto=gre key=$((n + 4))
		done
		flow big${f}1 to=${net}2 dport=6001 size=2600
		flow gso${f}1 to=${net}2 dport=6001 size=3600 gso=1200 parts=3
		flow w$f to=${net}2 ns=$L
	done
	flow i41 to=10.7.0.2 proto=icmp type=8
	flow i42 to=10.7.0.2 proto=icmp type=13
	flow i43 to=10.7.0.2 proto=icmp type=15
	flow i61 to=fd00:7::2 proto=icmp type=128
	flow i62 to=fd00:7::2 proto=icmp type=144
	flow i63 to=fd00:7::2 proto=icmp type=146
}

skip_without_python cache_flows
have nft || skip_all cache_flows "nft is not installed"
cache_hosts
add_lan
on A "addr add 10.98.0.1/32 dev lo" "addr add fd98::1/128 dev lo nodad"
sysctl_in "$A" net.ipv4.icmp_ratelimit=0
new_ns C
open_ip C
quiet "$C"
on A "link add ipsec_ext type xfrm external" "link set ipsec_ext up" \
	"link set ipsec0 mtu 1400"
flows
for kind in "one 4" "many 6"; do
	read -r TOPO family <<<"$kind"
	for_family "$family"
	selectors
	sa_selectors
	pieces
	forwarded
	container 4
	container 6
	if ip -n "$A" route add 10.67.0.1/32 dev ipsec_ext encap xfrm if_id 7 2>"$TMP/said"; then
		on A "route del 10.67.0.1/32"
		external
	else
		skip "$TOPO, $F: external" "no encap xfrm here: $(tail -n 1 "$TMP/said")"
	fi
done
plan_done
