#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What is remembered about packets that are forwarded from a tunnel, or to it: a change
# of a policy, an SA, a route, a rule or a device takes effect on the next packet, on
# every CPU, and netfilter sees each. See helpers/cache.sh for what is shared with the
# cache of bundles.
#
#     $B                       $A                                      $L
#     ipsec0 10.7.0.2 -------- ipsec0 10.7.0.1   lan0 10.1.0.1 ------- lan0 10.1.0.2
#                                                lan1 10.2.0.1 ------- lan1 10.2.0.2
#
# What counts is what leaves A, and what A's counters say.
#
# cpus: 2

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/cache.sh
. "$TESTDIR/helpers/cache.sh"

LAN0=lan0:plain LAN1=lan1:plain

# for_family 4|6: the words that differ
for_family()
{
	F=f$1 N=$1
	if [ "$1" = 4 ]; then
		ANY="src 0.0.0.0/0 dst 0.0.0.0/0" HOST="src 0.0.0.0/0 dst 10.1.0.2/32"
		HOST_OTHER="src ::/0 dst fd01::2/128"
		TO=10.1.0.2/32 VIA0="via 10.1.0.2 dev lan0" VIA1="via 10.2.0.2 dev lan1" NEXT=10.1.0.2
	else
		ANY="src ::/0 dst ::/0" HOST="src ::/0 dst fd01::2/128"
		HOST_OTHER="src 0.0.0.0/0 dst 10.1.0.2/32"
		TO=fd01::2/128 VIA0="via fd01::2 dev lan0" VIA1="via fd02::2 dev lan1" NEXT=fd01::2
	fi
}

# routes LINE...: for the family that is meant
routes() { if [ $N = 4 ]; then on A "$@"; else on A6 "$@"; fi; }

hosts()
{
	two_hosts
	outer_addrs 4
	# Seen from A: what comes from B.
	SRC=$OUT4_B DST=$OUT4_A
	open_ip B
	open_ip A
	open_ip A6
	quiet "$A"
	quiet "$B"
	xfrm_link A
	xfrm_link B
	add_lan
	add_second_lan
	discreet
	sysctl_in "$A" net.ipv4.conf.all.send_redirects=0
	on B "route add 10.1.0.0/24 dev ipsec0" "route add 10.2.0.0/24 dev ipsec0" \
		"route add fd01::/64 dev ipsec0" "route add fd02::/64 dev ipsec0" \
		"$(sa_line 0x1000 1)" "$(SRC=$SRC DST=$DST policy_line add "src 0.0.0.0/0 dst 0.0.0.0/0" 1)" \
		"$(policy_line add "src ::/0 dst ::/0" 1)"
	open_fates "$A" lan0 lan1 wire0
}

# discreet: of what is refused nobody is told
discreet()
{
	# Now and then, as often as it may, IPv6 tells the sender.
	must in_ns "$A" nft -f - <<-'EOF'
		table ip6 discreet {
			chain c {
				type filter hook output priority -500
				oifname "lan*" icmpv6 type destination-unreachable drop
			}
		}
	EOF
	# What is sent the wrong way does not come back.
	sysctl_in "$L" net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
}

# The SAs and policies of A: SPI 0x1000 has reqid 1, the policies are for all.
inbound_policies()
{
	local any dir
	for any in 0.0.0.0/0 ::/0; do
		for dir in in fwd; do
			POLICY_DIR=$dir policy_line add "src $any dst $any" 1 priority 1000
		done
	done
}

add_inbound_policies() { on A "$(inbound_policies)"; }

anew()
{
	TOPO=forwarded
	flush_sas
	flush_policies
	sa 0x1000 1
	add_inbound_policies
}

# fwd VERB SELECTOR REQID|block [WORDS...]; fwd_gone SELECTOR [WORDS...]
fwd() { POLICY_DIR=fwd policy "$@"; }
fwd_gone() { on A "xfrm policy delete $1 dir fwd if_id 7 ${*:2}"; }

# What the cache is for, and that the packets below are of the kind it is for.
remembers()
{
	local before after f lookups
	for f in "$@"; do
		holds "the tunnel works" $f "$WAY"
		is_accel || continue
		before=$(ethtool_stat "$A" ipsec0 forward_lookups)
		fates warm $f
		after=$(ethtool_stat "$A" ipsec0 forward_lookups)
		lookups=$((after - before))
		# One in each second for each flow and CPU, two for a flow that is new.
		if [ $lookups -lt $((10 * $(nproc))) ]; then
			pass "$f: few packets are looked up"
		else
			fail "$f: few packets are looked up" "$lookups of $((42 * $(nproc)))"
		fi
	done
}

ethtool_stat() { in_ns "$1" ethtool -S "$2" | awk -v n="$3:" '$1 == n { print $2 }'; }

policies_come_and_go()
{
	anew
	turn "a policy that blocks is added" $F $LAN0 InPolBlock fwd add "$HOST" block priority 5
	turn "that policy is deleted" $F InPolBlock $LAN0 fwd_gone "$HOST"
	turn "a policy that blocks its port is added" $F $LAN0 InPolBlock \
		fwd add "$ANY proto udp dport 9000" block priority 5
	turn "another port" q$N $LAN0 $LAN0 true
	turn "the policy for its port is deleted" $F InPolBlock $LAN0 \
		fwd_gone "$ANY proto udp dport 9000"
	turn "a policy wants another SA" $F $LAN0 InTmplMismatch fwd add "$HOST" 2 priority 5
	turn "that policy wants this SA" $F InTmplMismatch $LAN0 fwd update "$HOST" 1 priority 5
	turn "that policy blocks" $F $LAN0 InPolBlock fwd update "$HOST" block priority 5
	turn "that policy moves behind the others" $F InPolBlock $LAN0 \
		fwd update "$HOST" block priority 5000
	turn "that policy moves before them again" $F $LAN0 InPolBlock \
		fwd update "$HOST" block priority 5
	fwd_gone "$HOST"
	turn "its policy is deleted" $F $LAN0 InNoPols fwd_gone "$ANY"
	turn "its policy is added again" $F InNoPols $LAN0 fwd add "$ANY" 1 priority 1000
	turn "all policies are flushed" $F $LAN0 InNoPols flush_policies
	turn "all policies are added again" $F InNoPols $LAN0 add_inbound_policies
	turn "a policy for another if_id blocks" $F $LAN0 $LAN0 \
		eval 'POLICY_IF_ID=8 fwd add "$ANY" block priority 5'
	turn "a policy of the other family blocks" $F $LAN0 $LAN0 \
		fwd add "$HOST_OTHER" block priority 5
	turn "a policy for what comes to this host blocks" $F $LAN0 $LAN0 \
		eval 'POLICY_DIR=in policy add "$HOST" block priority 5'
}

# Policies without if_id want to encrypt what leaves by the LAN.
ways_out()
{
	anew
	turn "an output policy without if_id blocks" $F $LAN0 OutPolBlock \
		eval 'POLICY_IF_ID=0 policy add "$HOST" block priority 5'
	turn "that policy is deleted" $F OutPolBlock $LAN0 \
		eval 'POLICY_IF_ID=0 no_policy "$HOST"'
	turn "an output policy without if_id is for another port" $F $LAN0 $LAN0 \
		eval 'POLICY_IF_ID=0 policy add "$ANY proto udp dport 9001" block priority 5'
	# Time to find out that there is such a policy.
	sleep 0.5
	holds "it is still for another port" $F $LAN0
	turn "that port" q$N OutPolBlock OutPolBlock true
	turn "the policy of that port is deleted" q$N OutPolBlock $LAN0 \
		eval 'POLICY_IF_ID=0 no_policy "$ANY proto udp dport 9001"'
	turn "an output policy without if_id wants an SA" $F $LAN0 lan0:4000 encrypt_again
	turn "that policy goes" $F lan0:4000 $LAN0 \
		eval 'POLICY_IF_ID=0 no_policy "$HOST"'
	turn "what no policy allows is blocked" $F $LAN0 nothing \
		on A "xfrm policy setdefault out block"
	on A "xfrm policy setdefault out accept"
	holds "what no policy forbids is allowed again" $F $LAN0
}

encrypt_again()
{
	SRC=10.1.0.1 DST=10.1.0.2 SA_IF_ID=0 sa 0x4000 4
	SRC=10.1.0.1 DST=10.1.0.2 POLICY_IF_ID=0 policy add "$HOST" 4 priority 5
}

sas_come_and_go()
{
	anew
	turn "an SA for other flows only takes its place" $F $LAN0 InStateMismatch narrow_sa
	turn "it is for all again" $F InStateMismatch $LAN0 wide_sa
	turn "the peer takes a new SA" $F $LAN0 $LAN0 rekey 0x1100
	turn "the old SA is deleted" $F $LAN0 $LAN0 no_sa 0x1000
	turn "the new SA gets another request id" $F $LAN0 InTmplMismatch other_reqid 0x1100
	turn "all SAs are flushed" $F InTmplMismatch InNoStates flush_sas
	sa 0x1000 1
	no_sa_of_peer 0x1100
	holds "the first SA is there again" $F $LAN0
}

narrow_sa()
{
	no_sa 0x1000
	SA_SEL='' sa 0x1000 1 sel "$HOST" proto udp dport 9999
}

wide_sa() { no_sa 0x1000; sa 0x1000 1; }
other_reqid() { no_sa "$1"; sa "$1" 2; }
rekey() { sa "$1" 1; on B "$(sa_line "$1" 1)"; }
no_sa_of_peer() { on B "xfrm state delete src $SRC dst $DST proto esp spi $1"; }

routing()
{
	anew
	turn "a better route is added" $F $LAN0 $LAN1 routes "route add $TO $VIA1"
	turn "the better route is deleted" $F $LAN1 $LAN0 routes "route del $TO $VIA1"
	# The sender is told so, for which there is no policy.
	turn "a route is added that says no" $F $LAN0 error:tx_no_policy \
		routes "route add prohibit $TO"
	routes "route del prohibit $TO"
	holds "that route is deleted" $F $LAN0
	routes "route add default $VIA1 table 77"
	turn "a rule for its interface sends it elsewhere" $F $LAN0 $LAN1 \
		routes "rule add iif ipsec0 lookup 77 pref 77"
	turn "the rule for its interface is deleted" $F $LAN1 $LAN0 routes "rule del pref 77"
	turn "a rule for its port sends it elsewhere" $F $LAN0 $LAN1 \
		routes "rule add ipproto udp dport 9000 lookup 77 pref 77"
	holds "another port goes as ever" q$N $LAN0
	turn "the rule for its port is deleted" $F $LAN1 $LAN0 routes "rule del pref 77"
	turn "a rule for its DSCP sends it elsewhere" t$N $LAN0 $LAN1 \
		routes "rule add tos 0x10 lookup 77 pref 77"
	holds "another DSCP goes as ever" $F $LAN0
	turn "the rule for its DSCP is deleted" t$N $LAN1 $LAN0 routes "rule del pref 77"
	routes "rule add fwmark 5 lookup 77 pref 77"
	turn "nft marks it for another table" $F $LAN0 $LAN1 prerouting meta mark set 5
	turn "nft marks it no more" $F $LAN1 $LAN0 no_prerouting
	routes "rule del pref 77" "route flush table 77"
}

# prerouting WORDS...: a rule of nft for packets to port 9000, before routing
prerouting()
{
	in_ns "$A" nft -f - <<-EOF || die "nft: $*"
		table inet pre {
			chain c {
				type filter hook prerouting priority -150
				iifname { ipsec0, lan0 } udp dport 9000 $*
			}
		}
	EOF
}

no_prerouting() { must in_ns "$A" nft delete table inet pre; }

devices()
{
	anew
	fares "$LAN0/mac=02:00:00:00:00:10" "$F: the neighbour's address" one $F mac
	fates warm $F
	on A "neigh replace $NEXT dev lan0 lladdr 02:00:00:00:00:1f nud permanent"
	fares "$LAN0/mac=02:00:00:00:00:1f" "$F: the neighbour has another address" one $F mac
	lan_neighbours
	routes "route add $TO $VIA1 metric 50" "route add $TO dev lan0 metric 20"
	turn "its device goes down" $F $LAN0 $LAN1 on A "link set lan0 down"
	on A "link set lan0 up"
	on A "addr replace fd01::1/64 dev lan0 nodad" # went with the device
	lan_neighbours
	routes "route replace $TO dev lan0 metric 20"
	holds "its device is up again" $F $LAN0
	routes "route flush $TO"
	[ $F = f4 ] || return 0
	fares "$LAN0/len=1328" "$F: the whole packet" one z4 len
	fates warm z4
	on A "link set lan0 mtu 1284"
	fares "$LAN0/len=1284" "$F: the device takes less" one z4 len
	on A "link set lan0 mtu 1500"
	fares "$LAN0/len=1328" "$F: the device takes more again" one z4 len
}

translated()
{
	local net ip
	anew
	net=10.2.0.2 ip=ip
	[ $F = f4 ] || net=fd02::2 ip=ip6
	if ! in_ns "$A" nft -f - 2>"$TMP/said" <<-EOF
		table inet nat {
			chain c {
				type nat hook prerouting priority dstnat
			}
		}
	EOF
	then
		skip "$F: NAT" "$(tail -n 1 "$TMP/said")"
		return
	fi
	fates warm $F
	must in_ns "$A" nft add rule inet nat c iifname ipsec0 udp dport 9002 dnat $ip to $net
	fares "$LAN1/dst=$net" "$F: a flow is translated" one r$N dst
	holds "a translated flow" r$N $LAN1
	# The policy is asked for the address that the packet had before.
	turn "a policy blocks the address before translation" r$N $LAN1 InPolBlock \
		fwd add "$HOST" block priority 5
	turn "that policy is deleted" r$N InPolBlock $LAN1 fwd_gone "$HOST"
	must in_ns "$A" nft delete table inet nat
}

counted()
{
	COUNTED=$(in_ns "$A" nft reset counters table inet t |
		awk '$1 == "counter" { n = $2 } $1 == "packets" && $2 { print n "=" $2 }' |
		sort | tr '\n' ' ')
}

hooks()
{
	must in_ns "$A" nft -f - <<-'EOF'
		table inet t {
			counter pre { }
			counter forward { }
			counter post { }
			chain on_pre { type filter hook prerouting priority 0
				iifname ipsec0 udp dport 9000 counter name pre
			}
			chain on_fwd { type filter hook forward priority 0
				iifname ipsec0 oifname lan0 udp dport 9000 counter name forward
			}
			chain on_post { type filter hook postrouting priority 0
				oifname lan0 udp dport 9000 counter name post
			}
		}
	EOF
	anew
	counted
	fates same 0 $F
	counted
	same "$F: nft: what the first packet meets" "$COUNTED" "forward=1 post=1 pre=1 "
	fates warm $F
	counted
	fates same 0 $F
	counted
	same "$F: nft: what a late packet meets" "$COUNTED" "forward=1 post=1 pre=1 "
	must in_ns "$A" nft delete table inet t
}

# used DIR: when the policy was used last, in seconds
used()
{
	local when
	when=$(ip -n "$A" -s xfrm policy get $ANY dir fwd if_id 7 |
		grep -oP '^\s+add .* use \K[0-9-]+ [0-9:]+') || return
	date -d "$when" +%s
}

use_moves() { fates warm $F 1; [ "$(used)" -gt "$1" ]; }

use_time()
{
	local first
	anew
	holds "a policy in use" $F $LAN0
	first=$(used) || die "no use time: $(ip -n "$A" -s xfrm policy)"
	ok_if "$F: the policy's use time moves on with the traffic" wait_for 10 use_moves "$first"
}

# An administrator exempts the interface: nothing learnt then counts later.
exempted()
{
	local key=net.ipv$N.conf.ipsec0.disable_policy
	anew
	fwd_gone "$ANY"
	sysctl_in "$A" $key=1
	holds "no policy is asked for" $F $LAN0
	turn "policies are asked for again" $F $LAN0 InNoPols sysctl_in "$A" $key=0
	add_fwd="fwd add \"$ANY\" 1 priority 1000"
	eval "$add_fwd"
	holds "the policy is back" $F $LAN0
}

# --- the other way: L sends to 10.7.0.2 and fd00:7::2 --------------------------------

for_family_out()
{
	F=o$1 N=$1
	if [ "$1" = 4 ]; then
		ANY="src 0.0.0.0/0 dst 0.0.0.0/0" HOST="src 0.0.0.0/0 dst 10.7.0.2/32"
		TO=10.7.0.2/32 VIA1="via 10.2.0.2 dev lan1"
	else
		ANY="src ::/0 dst ::/0" HOST="src ::/0 dst fd00:7::2/128"
		TO=fd00:7::2/128 VIA1="via fd02::2 dev lan1"
	fi
	TUNNEL=wire0:1500
}

# anew_out: as anew, and what A sends to B has SPI 0x1500. What comes from L is nobody's.
anew_out()
{
	local any
	anew
	SRC=$OUT4_A DST=$OUT4_B sa 0x1500 5
	for any in 0.0.0.0/0 ::/0; do
		SRC=$OUT4_A DST=$OUT4_B policy add "src $any dst $any" 5 priority 1000
	done
}

plain() { POLICY_IF_ID=0 fwd "$@"; }
plain_gone() { on A "xfrm policy delete $1 dir fwd ${*:2}"; }

to_the_tunnel()
{
	anew_out
	holds "it works" $F $TUNNEL
	turn "a policy blocks what comes from the LAN" $F $TUNNEL InPolBlock \
		plain add "$HOST" block priority 5
	turn "that policy is deleted" $F InPolBlock $TUNNEL plain_gone "$HOST"
	turn "a policy blocks its port" $F $TUNNEL InPolBlock \
		plain add "$ANY proto udp dport 9000" block priority 5
	holds "another port" q$F $TUNNEL
	turn "the policy for its port is deleted" $F InPolBlock $TUNNEL \
		plain_gone "$ANY proto udp dport 9000"
	turn "a policy wants it to have come by an SA" $F $TUNNEL InTmplMismatch \
		plain add "$HOST" 1 priority 5
	turn "that policy goes" $F InTmplMismatch $TUNNEL plain_gone "$HOST"
	turn "an output policy without if_id blocks" $F $TUNNEL OutPolBlock \
		eval 'POLICY_IF_ID=0 policy add "$HOST" block priority 5'
	turn "that output policy is deleted" $F OutPolBlock $TUNNEL \
		eval 'POLICY_IF_ID=0 no_policy "$HOST"'
	turn "an output policy of the interface blocks" $F $TUNNEL "$blocked" \
		policy add "$HOST" block priority 5
	turn "the output policy of the interface goes" $F "$blocked" $TUNNEL no_policy "$HOST"
	turn "it takes a new SA" $F $TUNNEL wire0:1600 eval 'SRC=$OUT4_A DST=$OUT4_B sa 0x1600 5'
	turn "a better route" $F wire0:1600 $LAN1 routes "route add $TO $VIA1"
	turn "the better route is deleted" $F $LAN1 wire0:1600 routes "route del $TO $VIA1"
	routes "route add default $VIA1 table 77"
	turn "a rule for its interface" $F wire0:1600 $LAN1 \
		routes "rule add iif lan0 lookup 77 pref 77"
	turn "the rule for its interface is deleted" $F $LAN1 wire0:1600 routes "rule del pref 77"
	routes "rule add fwmark 5 lookup 77 pref 77"
	turn "nft marks it" $F wire0:1600 $LAN1 prerouting meta mark set 5
	turn "nft marks it no more" $F $LAN1 wire0:1600 no_prerouting
	routes "rule del pref 77" "route flush table 77"
	turn "the interface goes down" $F wire0:1600 $LAN1 \
		routes "route add $TO $VIA1 metric 2000" "link set ipsec0 down"
	on A "link set ipsec0 up" "addr replace fd00:7::1/64 dev ipsec0 nodad"
	routes "route flush $TO"
	holds "the interface is up again" $F wire0:1600
}

# in_time NAME CMD...: well within the ten seconds that a held device would take
in_time()
{
	local name=$1
	shift
	ok_if "idle: $name in time" timeout 9 "$@"
}

idle()
{
	anew
	fates spread f4 f6 q4 q6
	holds "a busy flow" f4 $LAN0
	holds "a busy IPv6 flow" f6 $LAN0
	in_time "the LAN's device goes" ip -n "$A" link del lan1
	in_time "the other LAN's device goes" ip -n "$A" link del lan0
	in_time "the interface goes" ip -n "$A" link del ipsec0
	flush_sas
	ok_if "idle: the module unloads in time" wait_for 5 unloads
	must load_impl
}

unloads() { in_ns "$B" ip link del ipsec0 2>/dev/null; on B "xfrm state flush"; timeout 9 rmmod "$IMPL"; }

have nft || skip_all forward "nft is not installed"
skip_without_python forward
hosts
for f in 4 6; do
	far=10.1.0.2
	[ $f = 4 ] || far=fd01::2
	flow f$f to=$far ns="$B" count=any
	flow q$f to=$far dport=9001 ns="$B" count=any
	flow r$f to=$far dport=9002 ns="$B" count=any
	flow t$f to=$far tos=0x10 ns="$B" count=any
done
flow z4 to=10.1.0.2 size=1300 ns="$B" count=any
for f in 4 6; do
	far=10.7.0.2
	[ $f = 4 ] || far=fd00:7::2
	flow o$f to=$far ns="$L" count=any
	flow qo$f to=$far dport=9001 ns="$L" count=any
done

anew
WAY=$LAN0 remembers f4 f6
for family in 4 6; do
	for_family $family
	policies_come_and_go
	ways_out
	sas_come_and_go
	routing
	devices
	translated
	hooks
	use_time
	exempted
	for_family_out $family
	to_the_tunnel
done
anew_out
WAY=$TUNNEL remembers o4 o6
idle
plan_done
