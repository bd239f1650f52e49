#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Marks, VRFs and policy routing around the device, inside and outside.
#
#     $A                                             $B
#     ipsec0 10.7.0.1, fd00:7::1 (if_id 7)           ipsec0 10.7.0.2, fd00:7::2
#     ipsec1 10.8.0.1, fd00:8::1 (if_id 8)           ipsec1 10.8.0.2, fd00:8::2
#     wire0  192.0.2.1, 2001:db8:1::1    ---------   wire0  192.0.2.2, 2001:db8:1::2
#     wire1  203.0.113.1, 2001:db8:3::1  ---------   wire1  203.0.113.2, 2001:db8:3::2
#     lo     10.98.0.1, 10.98.0.2                    lo     10.99.0.1, fd99::1
#
# The devices have no lower one but where a test says so: the outer packet is
# routed freely.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"

second_wire()
{
	must ip -n "$A" link add wire1 type veth peer name wire1 netns "$B"
	local host n
	for host in A B; do
		n=$([ $host = A ] && echo 1 || echo 2)
		must ip -n "${!host}" addr add 203.0.113.$n/24 dev wire1
		must ip -n "${!host}" addr add 2001:db8:3::$n/64 dev wire1 nodad
		must ip -n "${!host}" link set wire1 up
	done
}

# sa_packets HOST SPI [DST]: how many an SA has carried
sa_packets()
{
	ip -n "${!1}" -s xfrm state list spi "$2" |
		sed -n 's/^[[:space:]]*[0-9]*(bytes), \([0-9]*\)(packets)$/\1/p' | head -n 1
}

# marked ADDR MARK [WORDS...]: UDP there and back, sent with that mark
marked() { client "$1" --udp 100 --mark "$2" "${@:3}"; }

# sa_marks: the packet's mark chooses policy and SA; the mark of a received ESP
# packet must be the SA's
sa_marks()
{
	local mark
	for mark in 5 6; do
		sa_pair reqid=$mark spi=0x${mark}000 sides=A ab="mark $mark mask 0xff"
		sa_pair reqid=$mark spi=0x${mark}000 sides=B ab="mark 9 mask 0xff"
		must ip -n "$A" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out \
			if_id 7 mark $mark mask 0xff tmpl src $OUT4_A dst $OUT4_B proto esp \
			reqid $mark mode tunnel
	done
	must ip -n "$A" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 7 \
		tmpl src $OUT4_B dst $OUT4_A proto esp mode tunnel
	must ip -n "$B" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 7 \
		tmpl src $OUT4_A dst $OUT4_B proto esp mode tunnel
	must ip -n "$B" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 7 \
		tmpl src $OUT4_B dst $OUT4_A proto esp reqid 5 mode tunnel

	local before
	before=$(mib "$B" XfrmInNoStates)
	not_if "an SA with a mark: ESP without that mark" marked 10.7.0.2 5 --timeout 2
	ok_if "an SA with a mark: that was XfrmInNoStates" \
		test "$(mib "$B" XfrmInNoStates)" -gt "$before"

	must in_ns "$B" nft -f - <<-'EOF'
		table ip marks {
			chain on_pre {
				type filter hook prerouting priority raw
				iifname wire0 meta l4proto esp meta mark set 0x109
			}
		}
	EOF
	ok_if "an SA with a mark: ESP with that mark" marked 10.7.0.2 5
	# Under mask 0xff 0x105 is 5.
	ok_if "a policy with a mark and mask: other bits do not matter" marked 10.7.0.2 0x106
	ok_if "each mark has its SA: mark 5" test "$(sa_packets A 0x5000)" = 2
	ok_if "each mark has its SA: mark 6" test "$(sa_packets A 0x6000)" = 1
	not_if "a mark without a policy" marked 10.7.0.2 4 --timeout 2
	must in_ns "$B" nft delete table ip marks
	flush_xfrm
}

# set_mark OUTER on|off: the SA gives the outer packet its mark, under a mask, and that
# routes it; the SA of the receiver marks what it has decrypted, in GRO or later
set_mark()
{
	local outer=$1 gro=$2 to=OUT$1_B far=10.7.0.2 way="via 203.0.113.2" f="" wire
	local name="over IPv$outer, GRO $gro"
	[ "$outer" = 4 ] || { far=fd00:7::2 way="via 2001:db8:3::2" f=-6; }
	sa_pair outer="$outer" sides=A ab="output-mark 0x10 mask 0xff"
	sa_pair outer="$outer" sides=B ab="output-mark 0x20 mask 0xff"
	policy_pair outer="$outer"
	must ip -n "$A" $f rule add fwmark 0x310 lookup 110
	# shellcheck disable=SC2086
	must ip -n "$A" $f route replace "${!to}" $way dev wire1 table 110
	must in_ns "$B" nft -f - <<-'EOF'
		table inet marks {
			counter sealed { }
			chain on_pre {
				type filter hook prerouting priority raw
				meta l4proto esp counter name sealed
			}
			chain on_in {
				type filter hook input priority 0
				iifname ipsec0 udp dport 7000 meta mark & 0xff == 0x20 counter
			}
		}
	EOF
	for wire in wire0 wire1; do
		# A veth leaves GRO out where its peer may send trains.
		must in_ns "$A" ethtool -K $wire tso "$([ "$gro" = on ] && echo off || echo on)"
		must in_ns "$B" ethtool -K $wire gro "$gro"
		esp_by $wire >/dev/null
	done
	ok_if "output-mark $name: traffic, marked 0x300" marked $far 0x300
	ok_if "output-mark $name: 0x310 is routed over the second wire" \
		test "$(esp_by wire1)" -gt 0
	same "output-mark $name: none over the first" "$(esp_by wire0)" 0
	ok_if "set-mark $name: what was decrypted is marked" \
		sh -c "ip netns exec $B nft list table inet marks | grep -E '0x00000020 counter packets [1-9]'"
	! is_accel || same "set-mark $name: ESP has passed the hooks of netfilter" \
		"$(in_ns "$B" nft list counter inet marks sealed | grep -c 'packets [1-9]')" \
		"$([ "$gro" = on ] && echo 0 || echo 1)"
	ok_if "output-mark $name: traffic, not marked" marked $far 0
	same "output-mark $name: 0x10 is not 0x310" "$(esp_by wire1)" 0
	must in_ns "$B" nft delete table inet marks
	must ip -n "$A" $f rule del fwmark 0x310 lookup 110
	flush_xfrm
}

tunnels()
{
	sa_pair
	sa_pair outer=6 if_id=8 spi=0x2000 reqid=2
	policy_pair
	policy_pair outer=6 if_id=8 reqid=2
}

# out_by NAME DEV CMD...: CMD's packets leave by DEV, none by the other device
out_by()
{
	local name=$1 dev=$2 other=ipsec0 b o
	shift 2
	[ "$dev" != ipsec0 ] || other=ipsec1
	# TCP sends again what it has seen no answer to.
	falls_silent "$A" ipsec0 ipsec1 || die "A still sends"
	b=$(stat "$A" "$dev" tx_packets) o=$(stat "$A" $other tx_packets)
	ok_if "$name: traffic" "$@"
	ok_if "$name: it took $dev" test "$(stat "$A" "$dev" tx_packets)" -gt "$b"
	same "$name: none took $other" "$(stat "$A" $other tx_packets)" "$o"
}

policy_routing()
{
	local n dev
	tunnels
	must ip -n "$A" addr add 10.98.0.1/32 dev lo
	must ip -n "$A" addr add 10.98.0.2/32 dev lo
	must ip -n "$B" addr add 10.99.0.1/32 dev lo
	must ip -n "$B" addr add fd99::1/128 dev lo nodad
	must ip -n "$B" route add 10.98.0.0/24 dev ipsec0
	for n in 7 8; do
		dev=ipsec$((n - 7))
		must ip -n "$A" route add 10.99.0.0/24 dev $dev table $((100 + n))
		must ip -n "$A" -6 route add fd99::/64 dev $dev table $((100 + n)) src fd00:$n::1
		must ip -n "$A" rule add fwmark $n lookup $((100 + n))
		must ip -n "$A" -6 rule add fwmark $n lookup $((100 + n))
		out_by "routed by fwmark $n" $dev client 10.99.0.1 --tcp 20000 --mark $n --src 10.98.0.1
		out_by "IPv6 routed by fwmark $n" $dev client fd99::1 --tcp 20000 --mark $n
	done
	for n in 7 8; do
		must ip -n "$A" rule add from 10.98.0.$((n - 6)) lookup $((100 + n))
		out_by "routed by source address 10.98.0.$((n - 6))" ipsec$((n - 7)) \
			client 10.99.0.1 --tcp 20000 --src 10.98.0.$((n - 6))
	done
}

vrf() { must ip -n "$A" link add "$1" type vrf table "$2" && must ip -n "$A" link set "$1" up; }

# restore_addrs DEV N: IPv6 addresses go when a device changes its VRF
restore_addrs() { must ip -n "$A" addr replace fd00:"$2"::1/64 dev "$1" nodad; }

# vrf_traffic NAME: from inside A's VRF to B, and from B into it
vrf_traffic()
{
	ok_if "$1: ping from inside" pings "$A" 10.7.0.2 2 -I inner
	ok_if "$1: IPv6 ping from inside" pings "$A" fd00:7::2 2 -I inner
	ok_if "$1: UDP and TCP from inside" client 10.7.0.2 --dev inner --udp 100 --tcp 50000
	ok_if "$1: UDP and TCP over IPv6 from inside" client fd00:7::2 --dev inner --udp 100 --tcp 50000
	ok_if "$1: ping from the peer" pings "$B" 10.7.0.1 2
	ok_if "$1: IPv6 ping from the peer" pings "$B" fd00:7::1 2
}

inner_vrf()
{
	vrf inner 201
	must ip -n "$A" link set ipsec0 master inner
	restore_addrs ipsec0 7
	vrf_traffic "the device in a VRF"
	ok_if "the device in a VRF: the peer is not reachable outside of it" \
		no_ping "$A" 10.7.0.2 -I 10.98.0.1
}

# outer_vrf LINK: the wire in a VRF, and LINK as the device's lower one
outer_vrf()
{
	local n
	must ip -n "$A" link del ipsec0
	must ip -n "$A" link del ipsec1
	for n in 7 8; do
		xfrm_link A if_id=$n dev=ipsec$((n - 7)) link="$1"
	done
	ok_if "the wire in a VRF, dev $1: ping over IPv4" pings "$A" 10.7.0.2
	ok_if "the wire in a VRF, dev $1: IPv6 ping over IPv4" pings "$A" fd00:7::2
	ok_if "the wire in a VRF, dev $1: ping over IPv6" pings "$A" 10.8.0.2
	ok_if "the wire in a VRF, dev $1: IPv6 ping over IPv6" pings "$A" fd00:8::2
	ok_if "the wire in a VRF, dev $1: UDP and TCP" client 10.7.0.2 --udp 100 --tcp 50000
	ok_if "the wire in a VRF, dev $1: the peer pings" pings "$B" fd00:8::1
}

outer_vrfs()
{
	vrf outer 202
	must ip -n "$A" link set wire0 master outer
	must ip -n "$A" addr replace $OUT6_A/64 dev wire0 nodad
	outer_vrf wire0
	outer_vrf outer
	must ip -n "$A" link set ipsec0 master inner
	restore_addrs ipsec0 7
	vrf_traffic "the device in one VRF, the wire in another"
}

have nft || skip_all marks_vrf "nft is not installed"
have ethtool || skip_all marks_vrf "ethtool is not installed"
skip_without_python marks_vrf
two_hosts
second_wire
for host in A B; do
	xfrm_link $host link=
	xfrm_link $host if_id=8 dev=ipsec1 link=
done
serve "$B"
open_client "$A"
for wire in wire0 wire1; do
	watch_wire "$A" $wire $wire out
done

sa_marks
for outer in 4 6; do
	set_mark $outer on
	set_mark $outer off
done
policy_routing
if ! ip -n "$A" link add probe type vrf table 200 2>/dev/null; then
	skip "VRF" "this kernel has no VRF"
else
	must ip -n "$A" link del probe
	inner_vrf
	outer_vrfs
fi
plan_done
