#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Path MTU: what a tunnel tells a sender of too-big packets, what it learns from
# the path of its own packets, and that a device as it comes needs none of this.
#
#     $C --------- $A ========= $R ========= $B --------- $D
#     sender       gateway      router       gateway      receiver
#
#     C lan0  10.1.0.2, fd01::2            A lan0  10.1.0.1, fd01::1
#     A wire0 192.0.2.1, 2001:db8:1::1     R left0 192.0.2.254, 2001:db8:1::fe
#     B wire0 198.51.100.2, 2001:db8:2::2  R right0 198.51.100.254, 2001:db8:2::fe
#     D lan0  10.2.0.2, fd02::2            B lan0  10.2.0.1, fd02::1
#     ipsec0 (if_id 7) over IPv4, ipsec1 (if_id 8) over IPv6, between A and B

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"

skip_without_python pmtu

OUT4_A=192.0.2.1 OUT4_B=198.51.100.2
OUT6_A=2001:db8:1::1 OUT6_B=2001:db8:2::2
R4=192.0.2.254 R6=2001:db8:1::fe
far4=10.2.0.2 far6=fd02::2

# join NS DEV NS DEV
join() { must ip -n "$1" link add "$2" type veth peer name "$4" netns "$3"; }

# address NS DEV ADDR4 ADDR6
address()
{
	must ip -n "$1" addr add "$3/24" dev "$2"
	must ip -n "$1" addr add "$4/64" dev "$2" nodad
	must ip -n "$1" link set "$2" up
}

topology()
{
	local ns
	for ns in A B C D R; do
		new_ns $ns
	done
	join "$C" lan0 "$A" lan0
	join "$A" wire0 "$R" left0
	join "$R" right0 "$B" wire0
	join "$B" lan0 "$D" lan0
	address "$C" lan0 10.1.0.2 fd01::2
	address "$A" lan0 10.1.0.1 fd01::1
	address "$A" wire0 $OUT4_A $OUT6_A
	address "$R" left0 $R4 $R6
	address "$R" right0 198.51.100.254 2001:db8:2::fe
	address "$B" wire0 $OUT4_B $OUT6_B
	address "$B" lan0 10.2.0.1 fd02::1
	address "$D" lan0 $far4 $far6
	must ip -n "$C" route add default via 10.1.0.1
	must ip -n "$C" route add default via fd01::1
	must ip -n "$D" route add default via 10.2.0.1
	must ip -n "$D" route add default via fd02::1
	must ip -n "$A" route add 198.51.100.0/24 via $R4
	must ip -n "$A" route add 2001:db8:2::/64 via $R6
	must ip -n "$B" route add 192.0.2.0/24 via 198.51.100.254
	must ip -n "$B" route add 2001:db8:1::/64 via 2001:db8:2::fe
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT4_B || die "no path (IPv4)"
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT6_B || die "no path (IPv6)"
}

tunnels()
{
	local host
	sa_pair ab="replay-window 32" ba="replay-window 32"
	sa_pair outer=6 if_id=8 spi=0x2000 reqid=2
	policy_pair
	policy_pair outer=6 if_id=8 reqid=2
	for host in A B; do
		xfrm_link $host
		xfrm_link $host if_id=8 dev=ipsec1
	done
}

# via DEV [MTU]: the inner nets are behind DEV
via()
{
	local host net vrf=$inner_vrf
	for host in A B; do
		net=2
		[ $host = A ] || net=1
		must ip -n "${!host}" link set "$1" mtu "${2:-1500}"
		[ $host = A ] || vrf=
		must ip -n "${!host}" route replace ${vrf:+vrf "$vrf"} 10.$net.0.0/24 dev "$1"
		must ip -n "${!host}" route replace ${vrf:+vrf "$vrf"} fd0$net::/64 dev "$1"
	done
	forget
}

# forget: nobody remembers a path MTU
forget()
{
	local ns
	for ns in "$A" "$B" "$C" "$D"; do
		must ip -n "$ns" route flush cache
		must ip -n "$ns" -6 route flush cache
	done
	for ns in watch far; do
		wire $ns >/dev/null
	done
}

# path_mtu N: of the way between R and B
path_mtu()
{
	must ip -n "$R" link set right0 mtu "$1"
	must ip -n "$B" link set wire0 mtu "$1"
}

# inner_mtu OUTER PATH: the largest packet that fits, by RFC 4303 and RFC 4106:
# SPI and sequence number 8, IV 8, ICV 16; the packet, pad length and next header
# fill whole 4-byte words.
inner_mtu()
{
	local header=20
	[ "$1" = 4 ] || header=40
	echo $((($2 - header - 8 - 8 - 16) / 4 * 4 - 2))
}

# known_mtu NS ADDR [VRF]: what NS has learned about the path
known_mtu()
{
	ip -n "$1" route get ${3:+vrf "$3"} "$2" | grep -o 'mtu [0-9]*' | cut -d' ' -f2
}
knows_mtu() { [ -n "$(known_mtu "$@")" ]; }

# told HOST ADDR MTU [SIZE]: HOST sends UDP that may not be fragmented and learns
# exactly MTU; that size then leaves, one byte more is refused at once
told()
{
	local ns=${!1} addr=$2 mtu=$3 header=28 said
	local CLIENT=client$1
	[[ $addr != *:* ]] || header=48
	burst "$addr" --df "do" --linger 5 --size $((${4:-1500} - header)) || true
	wait_for 3 knows_mtu "$ns" "$addr" || true
	said=$(known_mtu "$ns" "$addr")
	echo "route MTU: '$said', wanted $mtu"
	[ "$said" = "$mtu" ] || return
	burst "$addr" --df "do" --size $((mtu - header)) || return
	said=$(burst "$addr" --df "do" --size $((mtu - header + 1))) && return 1
	echo "one byte more: $said"
	grep -qx "errno EMSGSIZE mtu $mtu" <<<"$said"
}

has_seen() { ask far keep && grep -qE "$1" <<<"$(answer far 20)"; }

# arrives "WANTED": the far side's LAN sees WANTED (a regex)
arrives()
{
	local missing=0
	wait_for 5 has_seen "$1" || missing=1
	echo "on the far LAN: $(wire far)"
	return $missing
}

# as_it_comes: a tunnel between two hosts, no mtu given anywhere
as_it_comes()
{
	local outer alg n=0 dev kind far name
	local encap
	espinudp "$A" $OUT4_A $OUT6_A
	espinudp "$B" $OUT4_B $OUT6_B
	for outer in 4 6; do
		for alg in gcm natt; do
			n=$((n + 1)) dev=plain$((n)) kind=esp encap="" name="ESP $alg over IPv$outer"
			if [ $alg = natt ]; then
				kind=udp4500 encap="encap espinudp 4500 4500 $([ $outer = 4 ] && echo 0.0.0.0 || echo ::)"
				name="NAT-T over IPv$outer"
			fi
			sa_pair outer=$outer if_id=$((100 + n)) spi=$((0x5000 + 16 * n)) \
				reqid=$((100 + n)) alg="${alg/natt/cbc}" ab="$encap" ba="$encap"
			policy_pair outer=$outer if_id=$((100 + n)) reqid=$((100 + n))
			xfrm_link A if_id=$((100 + n)) dev=$dev
			xfrm_link B if_id=$((100 + n)) dev=$dev
			for far in 10.$((100 + n)).0.2 fd00:$((100 + n))::2; do
				clean "$name, to $far, no mtu given" "$dev" "$far" $kind
			done
		done
	done
}

# clean NAME DEV FAR KIND: TCP and UDP to the neighbour at the tunnel's other end.
# The in-tree device is as large as the wire and relies on being told; ours must
# not need that.
clean()
{
	local name=$1 dev=$2 far=$3 kind=$4 header=28 size said
	[[ $far != *:* ]] || header=48
	size=$(in_ns "$A" cat "/sys/class/net/$dev/mtu")
	wire >/dev/null
	ok_if "$name: TCP" client "$far" --tcp 300000
	is_accel || return 0
	ok_if "$name: UDP as large as the device" client "$far" --udp $((size - header))
	said=$(wire)
	ok_if "$name: whole packets on the wire" only_on_wire $kind "$said"
	same "$name: nobody was told anything" "$(known_mtu "$A" "$far")" ""
	same "$name: nothing was too big, nothing was dropped" \
		"$(drops "$A" "$dev" drop_tx_too_big) $(stat "$A" "$dev" tx_dropped)" "0 0"
}

# too_big OUTER: the tunnel is narrower than its device
too_big()
{
	local outer=$1 mtu said
	mtu=$(inner_mtu "$outer" 1500)
	via ipsec$((outer == 6))

	must burst $far4 --count 5 --df dont --size 1472
	ok_if "over IPv$outer: forwarded IPv4 without DF arrives" arrives "(^| )(udp=5 max=1500|frag-udp=1[05] .*)$"
	ok_if "over IPv$outer: its ESP went in pieces or it did" grep -qE "frag-esp|esp=10 " <<<"$(wire)"

	ok_if "over IPv$outer: forwarded IPv4 with DF: the sender is told $mtu" told C $far4 "$mtu"
	ok_if "over IPv$outer: forwarded IPv6: the sender is told $mtu" told C $far6 "$mtu"
	forget
	ok_if "over IPv$outer: a local IPv4 sender is told $mtu" told A $far4 "$mtu"
	ok_if "over IPv$outer: a local IPv6 sender is told $mtu" told A $far6 "$mtu"

	# Trains of TCP segments as the sender's GSO makes them.
	forget
	ok_if "over IPv$outer: forwarded TCP over IPv4 arrives unchanged" client $far4 --tcp 400000
	ok_if "over IPv$outer: forwarded TCP over IPv6 arrives unchanged" client $far6 --tcp 400000
	same "over IPv$outer: that sender was told $mtu" \
		"$(known_mtu "$C" $far4) $(known_mtu "$C" $far6)" "$mtu $mtu"
	said=$(wire)
	ok_if "over IPv$outer: TCP left no fragment on the wire" only_on_wire esp "$said"
}

# narrow_path OUTER [WHERE]: the router in the middle says so
narrow_path()
{
	local outer=$1 mtu to=OUT$1_B name="a router's error about ESP over IPv$1${2:+, $2}"
	mtu=$(inner_mtu "$outer" 1400)
	via ipsec$((outer == 6))
	path_mtu 1400
	# 1430 fits the tunnel as A knows it, and not the path: the first one is lost.
	must burst $far4 --df "do" --size 1390
	wait_for 3 knows_mtu "$A" "${!to}" $outer_vrf || true
	same "$name: the gateway learns the path" "$(known_mtu "$A" "${!to}" $outer_vrf)" 1400
	ok_if "$name: the IPv4 sender is told $mtu" \
		told C $far4 "$mtu" 1420
	ok_if "$name: the IPv6 sender is told $mtu" \
		told C $far6 "$mtu" 1420
	forget
	ok_if "$name: TCP finds its way" client $far4 --tcp 300000
	ok_if "$name: TCP over IPv6 finds its way" client $far6 --tcp 300000
	forget
	if [ "$outer" = 4 ]; then
		must burst $far4 --count 5 --df dont --size 1372
		ok_if "ESP that the router cut in pieces is put together again" arrives "(^| )udp=5 max=1400$"
	fi
	path_mtu 1500
}

# floor: no IPv6 sender is told less than 1280, and 1280 gets through
floor()
{
	via ipsec1
	path_mtu 1280
	must ip -n "$A" link set wire0 mtu 1280
	must ip -n "$R" link set left0 mtu 1280
	burst $far6 --df "do" --linger 5 --size 1300 >/dev/null || true
	wait_for 3 knows_mtu "$C" $far6 || true
	same "a tunnel narrower than 1280: the IPv6 sender is told 1280" "$(known_mtu "$C" $far6)" 1280
	wire far >/dev/null
	if is_accel; then
		ok_if "a tunnel narrower than 1280: packets of 1280 are not refused" \
			burst $far6 --count 5 --df "do" --size 1232
		ok_if "a tunnel narrower than 1280: they arrive" \
			arrives "(^| )(udp=5 max=1280|frag-udp=10 .*)$"
		ok_if "a tunnel narrower than 1280: TCP over IPv6 arrives unchanged" \
			client $far6 --tcp 100000
	else
		skip "a tunnel narrower than 1280: packets of 1280 arrive" \
			"the in-tree interface asks for 1280 and then refuses it"
	fi
	ok_if "a tunnel narrower than 1280: the IPv4 sender is told $(inner_mtu 6 1280)" \
		told C $far4 "$(inner_mtu 6 1280)" 1280
	must ip -n "$A" link set wire0 mtu 1500
	must ip -n "$R" link set left0 mtu 1500
	path_mtu 1500
	must ip -n "$A" -6 route replace 2001:db8:2::/64 via $R6
	must ip -n "$R" addr replace $R6/64 dev left0 nodad
}

# forged OUTER: errors about packets that were never sent, and redirects
forged()
{
	local outer=$1 to=OUT$1_B router=R$1
	via ipsec$((outer == 6))
	capture_esp "$A" wire0 "$TMP/frame" client $far4 --udp 300
	must in_ns "$R" "$rawpkt" toobig left0 "$TMP/frame" 1300 "${!router}" --spi 0xdeadbeef
	ok_if "an error about an unknown SPI over IPv$outer: traffic" client $far4 --udp 300
	same "an error about an unknown SPI over IPv$outer: nothing is learned" "$(known_mtu "$A" "${!to}")" ""
	# The same with the right SPI, or the two lines above would prove nothing.
	must in_ns "$R" "$rawpkt" toobig left0 "$TMP/frame" 1300 "${!router}"
	wait_for 3 knows_mtu "$A" "${!to}" || true
	same "an error about the SPI in use over IPv$outer: it is learned" "$(known_mtu "$A" "${!to}")" 1300

	must in_ns "$R" "$rawpkt" toobig left0 "$TMP/frame" 0 "${!router}" \
		--redirect "$([ "$outer" = 4 ] && echo 192.0.2.77 || echo fe80::77)"
	forget
	ok_if "after a redirect about ESP over IPv$outer: traffic" client $far4 --udp 300
}

# vrfs: A's devices in two VRFs, the wire in one and all that is plain in the other
vrfs()
{
	local n
	if ! ip -n "$A" link add outer type vrf table 202 2>/dev/null; then
		skip "path MTU inside of VRFs" "this kernel has no VRF"
		return
	elif ! is_accel; then
		skip "path MTU inside of VRFs" "the in-tree interface looks for the path outside of them"
		return
	fi
	must ip -n "$A" link add inner type vrf table 201
	must ip -n "$A" link set outer up
	must ip -n "$A" link set inner up
	# Devices lose their routes and IPv6 addresses on the way into a VRF.
	must ip -n "$A" link set wire0 master outer
	must ip -n "$A" link set lan0 master inner
	must ip -n "$A" addr replace $OUT6_A/64 dev wire0 nodad
	must ip -n "$A" addr replace fd01::1/64 dev lan0 nodad
	must ip -n "$A" route add vrf outer 198.51.100.0/24 via $R4
	must ip -n "$A" route add vrf outer 2001:db8:2::/64 via $R6
	for n in 7 8; do
		must ip -n "$A" link del ipsec$((n - 7))
		xfrm_link A if_id=$n dev=ipsec$((n - 7)) link=outer
		must ip -n "$A" link set ipsec$((n - 7)) master inner
		must ip -n "$A" addr replace fd00:$n::1/64 dev ipsec$((n - 7)) nodad
	done
	watch_wire "$A" wire0
	outer_vrf=outer inner_vrf=inner
	narrow_path 4 "inside of VRFs"
	narrow_path 6 "inside of VRFs"
}

# The VRFs of A's wire and of the rest; none for most of the test.
outer_vrf="" inner_vrf=""

topology
tunnels
serve "$B"
serve "$D"
watch_wire "$A" wire0
watch_wire "$D" lan0 far in

for host in A C; do
	CLIENT=client$host open_client "${!host}"
done
CLIENT=clientA as_it_comes
CLIENT=clientC
via ipsec0
for outer in 4 6; do
	too_big $outer
	narrow_path $outer
	forged $outer
done
floor
vrfs
plan_done
