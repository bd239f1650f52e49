#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nft, conntrack and tc see a remembered flow's packets exactly as they see its
# first one, and what they change takes effect. See helpers/cache.sh.
#
#     $L                 $A
#     lan0 10.1.0.2 ---- lan0 10.1.0.1

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/cache.sh
. "$TESTDIR/helpers/cache.sh"

# Counters for UDP to port 9000 and for ESP.
rules()
{
	in_ns "$A" nft -f - <<-'EOF'
		table inet t {
			counter forwarded { }
			counter out { }
			counter out_esp { }
			counter post { }
			counter post_esp { }
			counter post_wire_plain { }
			counter pre { }
			chain on_fwd { type filter hook forward priority 0
				oifname ipsec0 udp dport 9000 counter name forwarded
			}
			chain on_out { type filter hook output priority 0
				oifname ipsec0 udp dport 9000 counter name out
				oifname wire0 meta l4proto esp counter name out_esp
			}
			chain on_post { type filter hook postrouting priority 0
				oifname ipsec0 udp dport 9000 counter name post
				oifname wire0 udp dport 9000 counter name post_wire_plain
				oifname wire0 meta l4proto esp counter name post_esp
			}
			chain on_pre { type filter hook prerouting priority 0
				iifname lan0 udp dport 9000 counter name pre
			}
		}
	EOF
}

# counted: the counters that are not zero in COUNTED, and reset
counted()
{
	COUNTED=$(in_ns "$A" nft reset counters table inet t |
		awk '$1 == "counter" { n = $2 } $1 == "packets" && $2 { print n "=" $2 }' |
		sort | tr '\n' ' ')
}

# as_at_first FLOW WANTED...: the first packet and a late one are counted alike
as_at_first()
{
	local flow=$1 name=$2 want=$3
	fresh $TOPO
	counted
	fates same 0 "$flow"
	counted
	same "$TOPO: nft: $name: what the first packet meets" "$COUNTED" "$want"
	fates warm "$flow"
	counted
	fates same 0 "$flow"
	counted
	same "$TOPO: nft: $name: what a late packet meets" "$COUNTED" "$want"
}

counters()
{
	local f
	must rules
	for f in 4 6; do
		as_at_first f$f "local, IPv$f" "out=1 out_esp=1 post=1 post_esp=1 post_wire_plain=1 "
		as_at_first w$f "forwarded, IPv$f" "forwarded=1 out_esp=1 post=1 post_esp=1 post_wire_plain=1 pre=1 "
	done
	must in_ns "$A" nft delete table inet t
}

nft() { must in_ns "$A" nft "$@"; }

# A rule that comes while the flow is warm.
new_rules()
{
	local f=$1 w=w${1#f} host="src 0.0.0.0/0 dst 10.7.0.2/32"
	[ $f = f4 ] || host="src ::/0 dst fd00:7::2/128"
	fresh $TOPO
	policy add "$host mark 5 mask 0xff" 2 priority 5
	nft -f - <<-'EOF'
		table inet n {
			chain out { type route hook output priority mangle
			}
			chain post { type filter hook postrouting priority mangle
			}
			chain forwarded { type filter hook forward priority mangle
			}
		}
	EOF
	turn "nft drops it in output" $f $S1 errno=EPERM \
		nft add rule inet n out oifname ipsec0 udp dport 9000 drop
	turn "nft lets it pass" $f errno=EPERM $S1 nft flush chain inet n out
	turn "nft drops the ESP packet in output" $f $S1 "error:tx_output" \
		nft add rule inet n out oifname wire0 meta l4proto esp drop
	turn "nft lets the ESP packet pass" $f "error:tx_output" $S1 nft flush chain inet n out
	turn "nft marks it in output" $f $S1 $S2 \
		nft add rule inet n out oifname ipsec0 udp dport 9000 meta mark set 5
	turn "nft marks it no more" $f $S2 $S1 nft flush chain inet n out
	turn "nft marks it in postrouting" $f $S1 $S2 \
		nft add rule inet n post oifname ipsec0 udp dport 9000 meta mark set 5
	turn "nft marks it in postrouting no more" $f $S2 $S1 nft flush chain inet n post
	turn "nft marks a forwarded one" $w $S1 $S2 \
		nft add rule inet n forwarded oifname ipsec0 udp dport 9000 meta mark set 5
	turn "nft marks a forwarded one no more" $w $S2 $S1 nft flush chain inet n forwarded
	nft delete table inet n
}

# tc_packets DEV: how many the filter has seen since it was added
tc_packets()
{
	in_ns "$A" tc -s filter show dev "$1" egress |
		sed -n 's/.*Sent [0-9]* bytes \([0-9]*\) pkt.*/\1/p' | head -n 1
}

traffic_control()
{
	local dev f=$1 size=1000
	fresh $TOPO
	if ! in_ns "$A" tc qdisc add dev ipsec0 clsact 2>"$TMP/said"; then
		skip "$TOPO: tc" "$(tail -n 1 "$TMP/said")"
		return
	fi
	must in_ns "$A" tc qdisc add dev wire0 clsact
	for dev in ipsec0 wire0; do
		must in_ns "$A" tc filter add dev $dev egress pref 1 protocol all matchall action ok
	done
	fates same 0 $f $f
	holds "under tc" $f $S1
	fates same 0 $f $f
	for dev in ipsec0 wire0; do
		same "$TOPO, $f: tc on $dev sees every packet" "$(tc_packets $dev)" \
			$((4 + 21 * $(nproc)))
		must in_ns "$A" tc filter del dev $dev egress pref 1
	done
	turn "tc drops it" $f $S1 errno=ENOBUFS \
		must in_ns "$A" tc filter add dev ipsec0 egress pref 1 protocol all matchall action drop
	turn "tc lets it pass" $f errno=ENOBUFS $S1 \
		must in_ns "$A" tc filter del dev ipsec0 egress pref 1
	if in_ns "$A" tc filter add dev ipsec0 egress pref 1 protocol all matchall \
		action skbedit mark 5 2>"$TMP/said"; then
		must in_ns "$A" tc filter del dev ipsec0 egress pref 1
		policy add "$2 mark 5 mask 0xff" 2 priority 5
		turn "tc marks it" $f $S1 $S2 must in_ns "$A" tc filter add dev ipsec0 egress \
			pref 1 protocol all matchall action skbedit mark 5
		turn "tc marks it no more" $f $S2 $S1 \
			must in_ns "$A" tc filter del dev ipsec0 egress pref 1
	else
		skip "$TOPO, $f: tc marks" "$(tail -n 1 "$TMP/said")"
	fi
	for dev in ipsec0 wire0; do
		must in_ns "$A" tc qdisc del dev $dev clsact
	done
}

# connections: what conntrack knows, with the packets of each
connections()
{
	in_ns "$A" conntrack -L -f "$1" 2>"$TMP/said" |
		sed -nE 's/^(udp|unknown) .*(dst=[0-9a-f.:]+) .*packets=([0-9]+) .*\[UNREPLIED\].*/\1 \2 \3/p' |
		grep -E "^(udp dst=(10|fd)|unknown)" | sort | tr '\n' ' '
}

tracked()
{
	local f=$1 far=$2 family=ipv${1#f} n=$((1 + 21 * $(nproc)))
	if ! have conntrack || ! in_ns "$A" conntrack -L >"$TMP/said" 2>&1; then
		skip "$TOPO, $f: conntrack" "no conntrack here"
		return
	fi
	nft add table inet tracking
	nft add chain inet tracking c '{ type filter hook output priority 0; }'
	nft add rule inet tracking c ct state new
	sysctl_in "$A" net.netfilter.nf_conntrack_acct=1
	fresh $TOPO
	in_ns "$A" conntrack -F >"$TMP/said" 2>&1
	fates same 0 $f
	same "$TOPO, $f: conntrack: the first packet" "$(connections $family)" \
		"udp dst=$far 1 unknown dst=$DST 1 "
	holds "tracked" $f $S1
	same "$TOPO, $f: conntrack: each of the later ones" "$(connections $family)" \
		"udp dst=$far $n unknown dst=$DST $n "
	nft delete table inet tracking
}

have nft || skip_all cache_hooks "nft is not installed"
skip_without_python cache_hooks
cache_hosts
add_lan
flow f4 to=10.7.0.2 sport=7777
flow f6 to=fd00:7::2 sport=7777
flow w4 to=10.7.0.2 ns="$L"
flow w6 to=fd00:7::2 ns="$L"
for TOPO in one many; do
	counters
	new_rules f4
	new_rules f6
	traffic_control f4 "src 0.0.0.0/0 dst 10.7.0.2/32"
	traffic_control f6 "src ::/0 dst fd00:7::2/128"
	tracked f4 10.7.0.2
done
plan_done
