#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Every mode and every IPsec protocol carries traffic through the device, and
# nothing but that protocol is on the wire.
#
#     $A                                                  $B
#     ipsec0 10.7.0.1, fd00:7::1   (if_id 7)   ipsec0 10.7.0.2, fd00:7::2
#     wire0  192.0.2.1, 2001:db8:1::1  -----   wire0  192.0.2.2, 2001:db8:1::2
#
# Transport mode protects packets between the outer addresses themselves. They
# cannot be routed to the device (the protected packet would meet that route
# again), so tc hands them over: wire0 egress -> ipsec0, as in-tree users do.
#
# Linux 7.3 counts the memory of a packet that IPComp has inflated too low and warns
# of it, with any interface. A warning of another place keeps its own first line.
# expects-log: WARNING: .* at skb_try_coalesce|Call Trace:

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"

skip_without_python modes

near4=10.7.0.1 far4=10.7.0.2 near6=fd00:7::1 far6=fd00:7::2
spi=0x1000

# batch NS: `ip` commands from standard input
batch() { must ip -n "$1" -batch -; }

# flush: no SA and no policy on either host, and the next ones get fresh SPIs
flush()
{
	flush_xfrm
	spi=$((spi + 16))
	wire >/dev/null
}

# templates OUTER "PROTO MODE [LEVEL]"...: policies for all inner addresses with
# one template each, the innermost first. A packet that IPComp cannot shrink
# comes without it: "use" makes a template optional for the receiver.
templates()
{
	local outer=$1 side any near far SRC DST t proto mode level out in
	shift
	outer_addrs "$outer"
	for side in A B; do
		near=$SRC far=$DST out="" in=""
		[ $side = A ] || { near=$DST far=$SRC; }
		for t; do
			read -r proto mode level <<<"$t"
			out+=" tmpl" in+=" tmpl"
			if [ "$mode" != transport ]; then
				out+=" src $near dst $far" in+=" src $far dst $near"
			fi
			out+=" proto $proto reqid 1 mode $mode"
			in+=" proto $proto reqid 1 mode $mode ${level:+level $level}"
		done
		for any in 0.0.0.0/0 ::/0; do
			echo "xfrm policy add src $any dst $any dir out if_id 7 $out"
			echo "xfrm policy add src $any dst $any dir in if_id 7 $in"
		done | batch "${!side}"
	done
}

# carries NAME FAR TCP-BYTES "ON THE WIRE": ping, UDP small and nearly full
# size, TCP with a checksum, and the right protocol on the wire
carries()
{
	local name=$1 far=$2 bytes=$3 wanted=$4 said
	ok_if "$name: ping, UDP and TCP arrive unchanged" \
		client "$far" --ping 100 --udp 1,1200 --tcp "$bytes"
	said=$(wire)
	ok_if "$name: the wire carries only $wanted" only_on_wire "$wanted" "$said"
}

# both NAME ON-THE-WIRE: inner IPv4 and inner IPv6 over the same SAs
both()
{
	carries "$1, inner IPv4" $far4 60000 "$2"
	carries "$1, inner IPv6" $far6 60000 "$2"
}

tunnel_modes()
{
	local outer alg over
	for outer in 4 6; do
		over="tunnel over IPv$outer"
		for alg in gcm cbc null; do
			sa_pair outer=$outer alg=$alg spi=$spi
			templates $outer "esp tunnel"
			both "ESP $alg $over" esp
			flush
		done

		sa_pair outer=$outer proto=ah spi=$spi
		templates $outer "ah tunnel"
		both "AH $over" ah
		flush

		sa_pair outer=$outer proto=comp spi=$spi
		templates $outer "comp tunnel use"
		both "IPComp $over" "comp|ipip"
		flush

		sa_pair outer=$outer proto=comp spi=$spi
		sa_pair outer=$outer spi=$spi mode=transport ab="flag af-unspec" ba="flag af-unspec"
		templates $outer "comp tunnel use" "esp transport"
		both "IPComp inside ESP $over" esp
		flush
	done
}

# ESP in UDP: any=the unspecified address of the family
natt()
{
	local outer=$1 mode=$2 any=0.0.0.0
	[ "$outer" = 4 ] || any=::
	sa_pair outer="$outer" mode="$mode" spi=$spi \
		ab="encap espinudp 4500 4500 $any" ba="encap espinudp 4500 4500 $any"
}

natt_modes()
{
	local outer
	espinudp "$A" $OUT4_A $OUT6_A
	espinudp "$B" $OUT4_B $OUT6_B
	for outer in 4 6; do
		natt $outer tunnel
		templates $outer "esp tunnel"
		both "NAT-T tunnel over IPv$outer" udp4500
		flush
	done
}

beet_modes()
{
	local outer inner alg sel_ab sel_ba
	for outer in 4 6; do
		for inner in 4 6; do
			local near=near$inner far=far$inner
			sel_ab="sel src ${!near} dst ${!far}"
			sel_ba="sel src ${!far} dst ${!near}"
			for alg in gcm null; do
				sa_pair outer=$outer mode=beet alg=$alg spi=$spi \
					ab="$sel_ab" ba="$sel_ba"
				templates $outer "esp beet"
				carries "ESP $alg BEET, IPv$inner over IPv$outer" "${!far}" 30000 esp
				flush
			done
		done
	done
}

# hand_over NS: tc gives the device what transport mode protects
hand_over()
{
	local match pref=1
	must tc -n "$1" qdisc add dev wire0 clsact
	for match in "ip flower ip_proto icmp" "ip flower ip_proto tcp" \
		"ip flower ip_proto udp dst_port 7000" "ip flower ip_proto udp src_port 7000" \
		"ipv6 flower ip_proto icmpv6 type 128" "ipv6 flower ip_proto icmpv6 type 129" \
		"ipv6 flower ip_proto tcp" \
		"ipv6 flower ip_proto udp dst_port 7000" "ipv6 flower ip_proto udp src_port 7000"; do
		# shellcheck disable=SC2086
		tc -n "$1" filter add dev wire0 egress pref $pref protocol $match \
			action mirred egress redirect dev ipsec0 || return
		pref=$((pref + 1))
	done
}

# leave_room FAMILY: TCP between the outer addresses counts on room for a header.
# The packets take the wire's own route, whose MTU has none: a too-big one would
# shrink that MTU, the next bundle's with it, and so on downwards.
leave_room()
{
	local to_b=OUT$1_B to_a=OUT$1_A
	must ip -n "$A" route add "${!to_b}" dev wire0 advmss 1000
	must ip -n "$B" route add "${!to_a}" dev wire0 advmss 1000
}

transport_modes()
{
	local outer alg far
	if ! hand_over "$A" 2>/dev/null || ! hand_over "$B"; then
		skip "transport mode" "this kernel has no tc flower or mirred"
		return
	fi
	for outer in 4 6; do
		far=OUT${outer}_B
		leave_room $outer
		for alg in gcm cbc null; do
			sa_pair outer=$outer alg=$alg mode=transport spi=$spi
			templates $outer "esp transport"
			carries "ESP $alg transport over IPv$outer" "${!far}" 30000 esp
			flush
		done

		sa_pair outer=$outer proto=ah mode=transport spi=$spi
		templates $outer "ah transport"
		carries "AH transport over IPv$outer" "${!far}" 30000 ah
		flush

		natt $outer transport
		templates $outer "esp transport"
		carries "NAT-T transport over IPv$outer" "${!far}" 30000 udp4500
		flush
	done
}

# Bulk TCP with the offloads of the device: what the SHA-256 of two megabytes
# says about segmentation before encryption, and it goes by this if_id's SAs.
large()
{
	local outer before
	for outer in 4 6; do
		sa_pair outer=$outer spi=$spi
		policy_pair outer=$outer
		before=$(stat "$A" ipsec0 tx_bytes)
		ok_if "2 MB of TCP over IPv4 over IPv$outer arrive unchanged" client $far4 --tcp 2000000
		ok_if "2 MB of TCP over IPv6 over IPv$outer arrive unchanged" client $far6 --tcp 2000000
		ok_if "they went through the device" \
			test $(($(stat "$A" ipsec0 tx_bytes) - before)) -ge 4000000
		flush
	done
}

two_hosts
xfrm_link A
xfrm_link B
serve "$B"
open_client "$A"
watch_wire "$B" wire0

tunnel_modes
natt_modes
beet_modes
large
transport_modes
plan_done
