#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Netfilter, tc and captures on the device behave as on the in-tree one.
#
#     $C -------------- $A ======================= $B
#     lan0 10.1.0.2     lan0 10.1.0.1
#          fd01::2           fd01::1
#                       ipsec0 10.7.0.1, fd00:7::1  ipsec0 10.7.0.2, fd00:7::2
#                       wire0  192.0.2.1            wire0  192.0.2.2
#
# The expected numbers are what the in-tree interface gives.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"

lan()
{
	new_ns C
	must ip -n "$C" link add lan0 type veth peer name lan0 netns "$A"
	must ip -n "$C" addr add 10.1.0.2/24 dev lan0
	must ip -n "$C" addr add fd01::2/64 dev lan0 nodad
	must ip -n "$A" addr add 10.1.0.1/24 dev lan0
	must ip -n "$A" addr add fd01::1/64 dev lan0 nodad
	must ip -n "$C" link set lan0 up
	must ip -n "$A" link set lan0 up
	must ip -n "$C" route add default via 10.1.0.1
	must ip -n "$C" route add default via fd01::1
	must ip -n "$B" route add 10.1.0.0/24 dev ipsec0
	must ip -n "$B" route add fd01::/64 dev ipsec0
}

# Counters for echo requests and replies only: the rest is none of our making.
rules()
{
	must in_ns "$A" nft -f - <<-'EOF'
		table inet t {
			counter fwd_to { }
			counter fwd_from { }
			counter in_dev { }
			counter out_dev { }
			counter post_dev { }
			counter pre_dev { }
			counter post_wire_plain { }
			counter out_wire_esp { }
			counter pre_wire_esp { }
			set echo4 {
				type icmp_type
				elements = { echo-request, echo-reply }
			}
			chain on_fwd { type filter hook forward priority 0
				oifname ipsec0 meta l4proto { icmp, ipv6-icmp } counter name fwd_to
				iifname ipsec0 meta l4proto { icmp, ipv6-icmp } counter name fwd_from
			}
			chain on_in { type filter hook input priority 0
				iifname ipsec0 icmp type @echo4 counter name in_dev
				iifname ipsec0 icmpv6 type { echo-request, echo-reply } counter name in_dev
			}
			chain on_out { type filter hook output priority 0
				oifname ipsec0 icmp type @echo4 counter name out_dev
				oifname ipsec0 icmpv6 type { echo-request, echo-reply } counter name out_dev
				oifname wire0 meta l4proto esp counter name out_wire_esp
			}
			chain on_pre { type filter hook prerouting priority 0
				iifname ipsec0 icmp type @echo4 counter name pre_dev
				iifname ipsec0 icmpv6 type { echo-request, echo-reply } counter name pre_dev
				iifname wire0 meta l4proto esp counter name pre_wire_esp
			}
			chain on_post { type filter hook postrouting priority 0
				oifname ipsec0 icmp type @echo4 counter name post_dev
				oifname ipsec0 icmpv6 type { echo-request, echo-reply } counter name post_dev
				oifname wire0 icmp type @echo4 counter name post_wire_plain
				oifname wire0 icmpv6 type { echo-request, echo-reply } counter name post_wire_plain
			}
		}
	EOF
}

# counted TABLE: the counters that are not zero, and reset
counted()
{
	in_ns "$A" nft reset counters table inet "$1" |
		awk '$1 == "counter" { n = $2 } $1 == "packets" && $2 { print n "=" $2 }' |
		sort | tr '\n' ' '
}

hooks()
{
	local far
	rules
	# Three requests out, three replies in; a plain packet meets postrouting
	# twice, before the device and, with its SA, before the wire.
	for far in 10.7.0.2 fd00:7::2; do
		counted t >/dev/null
		ok_if "hooks: ping $far" pings "$A" $far
		same "hooks: what a local sender's packets to $far meet" "$(counted t)" \
			"in_dev=3 out_dev=3 out_wire_esp=3 post_dev=3 post_wire_plain=3 pre_dev=3 pre_wire_esp=3 "
		ok_if "hooks: forwarded ping $far" pings "$C" $far
		same "hooks: what forwarded packets to $far meet" "$(counted t)" \
			"fwd_from=3 fwd_to=3 out_wire_esp=3 post_dev=3 post_wire_plain=3 pre_dev=3 pre_wire_esp=3 "
	done
	must in_ns "$A" nft add rule inet t on_fwd oifname ipsec0 drop
	ok_if "hooks: a rule that drops in forward" no_ping "$C" 10.7.0.2
	must in_ns "$A" nft delete table inet t
}

ipsec_expressions()
{
	local far
	if ! in_ns "$A" nft -f - 2>/dev/null <<-'EOF'
		table inet x {
			counter in_secured { }
			counter in_reqid { }
			counter in_other_reqid { }
			counter in_peer { }
			counter in_plain { }
			counter out_reqid { }
			counter rt_secured { }
			counter rt_plain { }
			chain on_in { type filter hook input priority 0
				meta l4proto != { icmp, ipv6-icmp } return
				iifname ipsec0 meta ipsec exists counter name in_secured
				iifname ipsec0 ipsec in reqid 1 counter name in_reqid
				iifname ipsec0 ipsec in reqid 2 counter name in_other_reqid
				iifname ipsec0 ipsec in ip saddr 192.0.2.2 counter name in_peer
				iifname ipsec0 meta ipsec missing counter name in_plain
			}
			chain on_post { type filter hook postrouting priority 0
				meta l4proto != { icmp, ipv6-icmp } return
				oifname wire0 ipsec out reqid 1 counter name out_reqid
				oifname wire0 rt ipsec exists counter name rt_secured
				oifname ipsec0 rt ipsec missing counter name rt_plain
			}
		}
	EOF
	then
		skip "nft's ipsec expressions" "this kernel has no nft_xfrm"
		return
	fi
	for far in 10.7.0.2 fd00:7::2; do
		counted x >/dev/null
		ok_if "ipsec expressions: ping $far" pings "$A" $far
		same "ipsec expressions: what matches" "$(counted x)" \
			"in_peer=3 in_reqid=3 in_secured=3 out_reqid=3 rt_plain=3 rt_secured=3 "
	done
	must in_ns "$A" nft delete table inet x
}

# B has no way back to C now: only what was masqueraded can be answered.
masquerade()
{
	local far near family
	must ip -n "$B" route del 10.1.0.0/24 dev ipsec0
	must ip -n "$B" route del fd01::/64 dev ipsec0
	ok_if "masquerade: without it there is no way back" no_ping "$C" 10.7.0.2
	must in_ns "$A" nft -f - <<-'EOF'
		table inet nat {
			chain on_post { type nat hook postrouting priority srcnat
				oifname ipsec0 masquerade
			}
		}
	EOF
	for family in 4 6; do
		far=10.7.0.2 near=10.7.0.1
		[ $family = 4 ] || far=fd00:7::2 near=fd00:7::1
		ok_if "masquerade: forwarded ping to $far" pings "$C" $far
		if have conntrack; then
			ok_if "masquerade: conntrack knows the way back to $near" \
				sh -c "ip netns exec $A conntrack -L -f ipv$family |
					grep -E 'dst=$far .*src=$far dst=$near '"
		fi
		ok_if "masquerade: forwarded UDP and TCP to $far" client $far --udp 1000 --tcp 200000
	done
	must in_ns "$A" nft delete table inet nat
}

# tc_packets DIRECTION: how many the filter has seen
tc_packets()
{
	in_ns "$A" tc -s filter show dev ipsec0 "$1" |
		sed -n 's/.*Sent [0-9]* bytes \([0-9]*\) pkt.*/\1/p' | head -n 1
}

traffic_control()
{
	local kind filter dir before
	must in_ns "$A" tc qdisc add dev ipsec0 clsact
	must ip -n "$A" link add copy0 type dummy
	must ip -n "$A" link set copy0 up
	for dir in egress ingress; do
		for filter in "matchall" "bpf bytecode 1,6\ 0\ 0\ 4294967295,"; do
			kind=${filter%% *}
			eval "set -- $filter"
			if ! in_ns "$A" tc filter add dev ipsec0 $dir pref 1 "$@" action ok 2>"$TMP/said"; then
				skip "tc $kind on $dir" "$(tail -n 1 "$TMP/said")"
				continue
			fi
			ok_if "tc $kind on $dir: ping" pings "$A" 10.7.0.2
			ok_if "tc $kind on $dir: IPv6 ping" pings "$A" fd00:7::2
			same "tc $kind on $dir: sees each packet" "$(tc_packets $dir)" 6
			must in_ns "$A" tc filter del dev ipsec0 $dir pref 1
		done

		if in_ns "$A" tc filter add dev ipsec0 $dir pref 1 matchall \
			action mirred egress mirror dev copy0 2>"$TMP/said"; then
			before=$(stat "$A" copy0 tx_packets)
			ok_if "tc mirred on $dir: ping" pings "$A" 10.7.0.2
			same "tc mirred on $dir: each packet is copied" \
				$(($(stat "$A" copy0 tx_packets) - before)) 3
			must in_ns "$A" tc filter del dev ipsec0 $dir pref 1
		else
			skip "tc mirred on $dir" "$(tail -n 1 "$TMP/said")"
		fi

		# A BPF program as an action, whose verdict is TC_ACT_SHOT
		if in_ns "$A" tc filter add dev ipsec0 $dir pref 1 matchall \
			action bpf bytecode "1,6 0 0 2," 2>"$TMP/said"; then
			ok_if "tc act_bpf on $dir: drops" no_ping "$A" 10.7.0.2
			must in_ns "$A" tc filter del dev ipsec0 $dir pref 1
		else
			skip "tc act_bpf on $dir" "$(tail -n 1 "$TMP/said")"
		fi
	done
	must in_ns "$A" tc qdisc del dev ipsec0 clsact
}

queueing()
{
	local said before
	before=$(stat "$A" ipsec0 tx_dropped)
	if in_ns "$A" tc qdisc add dev ipsec0 root fq_codel 2>"$TMP/said"; then
		ok_if "fq_codel on the device: traffic" traffic_over_qdisc
		same "fq_codel on the device: nothing is dropped" "$(stat "$A" ipsec0 tx_dropped)" "$before"
		must in_ns "$A" tc qdisc del dev ipsec0 root
	else
		skip "fq_codel on the device" "$(tail -n 1 "$TMP/said")"
	fi
	# Slow enough for any machine to be faster.
	if in_ns "$A" tc qdisc add dev ipsec0 root tbf rate 1mbit burst 5k latency 4s 2>"$TMP/said"; then
		ok_if "tbf on the device: traffic" traffic_over_qdisc
		said=$(in_ns "$A" tc -s qdisc show dev ipsec0)
		ok_if "tbf on the device: it shapes" grep -E 'overlimits [1-9]' <<<"$said"
		must in_ns "$A" tc qdisc del dev ipsec0 root
	else
		skip "tbf on the device" "$(tail -n 1 "$TMP/said")"
	fi
}

traffic_over_qdisc()
{
	local CLIENT=local
	client 10.7.0.2 --udp 1000 --tcp 100000 && client fd00:7::2 --udp 1000 --tcp 100000
}

# captures: tcpdump shows plain packets, both ways, on both ends
captures()
{
	local host far seen
	have tcpdump || { skip "tcpdump on the device" "tcpdump is not installed"; return; }
	for host in A B; do
		ip netns exec "${!host}" tcpdump -i ipsec0 -n -l -c 4 "icmp or icmp6" \
			>"$TMP/dump-$host" 2>"$TMP/dump-$host.err" &
		at_exit kill $!
		wait_for 20 grep -q listening "$TMP/dump-$host.err" || die "tcpdump: $(cat "$TMP/dump-$host.err")"
	done
	for far in 10.7.0.2 fd00:7::2; do
		must pings "$A" $far 1
	done
	for host in A B; do
		wait_for 10 eval '[ "$(wc -l <"$TMP/dump-$host")" -ge 4 ]' || true
		seen=$(sed -E 's/.* (IP6?) ([^ ]*) > ([^ ]*): .*echo (request|reply).*/\1 \2 > \3 \4/' "$TMP/dump-$host")
		same "tcpdump on $host sees what was sent" "$seen" \
"IP 10.7.0.1 > 10.7.0.2 request
IP 10.7.0.2 > 10.7.0.1 reply
IP6 fd00:7::1 > fd00:7::2 request
IP6 fd00:7::2 > fd00:7::1 reply"
	done
}

have nft || skip_all netfilter "nft is not installed"
skip_without_python netfilter
two_hosts
in_ns "$A" nft -f - 2>/dev/null <<<'table inet probe {
	counter c { }
	chain c { type filter hook input priority 0
		counter name c
	}
}' || skip_all netfilter "this kernel has no nftables with named counters"
must in_ns "$A" nft delete table inet probe
tunnel
lan
serve "$B"
open_client "$C"
CLIENT=local open_client "$A"
ok_if "the tunnel works" pings "$A" 10.7.0.2
ok_if "the tunnel works for IPv6" pings "$A" fd00:7::2
ok_if "the tunnel works for forwarded packets" pings "$C" 10.7.0.2

captures
hooks
ipsec_expressions
traffic_control
queueing
masquerade
plan_done
