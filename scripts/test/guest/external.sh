#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One device for every if_id: routes tell it which ("encap xfrm"), and it takes
# what no device of its own claims.
#
#     $A                                             $B
#     ipsec_ext (external)                           ipsec0 10.7.0.2, fd00:7::2 (if_id 7)
#         10.7.0.1, fd00:7::1, 10.8.0.1, fd00:8::1   ipsec1 10.8.0.2, fd00:8::2 (if_id 8)
#     wire0 192.0.2.1  ----------------------------  wire0 192.0.2.2
#     wire1 203.0.113.1  --------------------------  wire1 203.0.113.2
#
# What a received packet's metadata says can be read by BPF alone, and only where
# the kernel knows bpf_skb_get_xfrm_info(): that is another test's.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"

# encap N [WORDS...]: routes to the inner addresses of if_id N. The encapsulation
# comes last, or iproute2 6.1 takes the words behind it for its own.
encap()
{
	local n=$1
	shift
	must ip -n "$A" route replace 10."$n".0.2/32 dev ipsec_ext src 10."$n".0.1 encap xfrm if_id "$n" "$@"
	must ip -n "$A" route replace fd00:"$n"::2/128 dev ipsec_ext src fd00:"$n"::1 encap xfrm if_id "$n" "$@"
}

topology()
{
	local n
	two_hosts
	must ip -n "$A" link add wire1 type veth peer name wire1 netns "$B"
	must ip -n "$A" addr add 203.0.113.1/24 dev wire1
	must ip -n "$B" addr add 203.0.113.2/24 dev wire1
	must ip -n "$A" link set wire1 up
	must ip -n "$B" link set wire1 up
	sa_pair
	sa_pair outer=6 if_id=8 spi=0x2000 reqid=2
	policy_pair
	policy_pair outer=6 if_id=8 reqid=2
	must ip -n "$A" link add ipsec_ext type xfrm external
	must ip -n "$A" link set ipsec_ext up
	for n in 7 8; do
		must ip -n "$A" addr add 10.$n.0.1/32 dev ipsec_ext
		must ip -n "$A" addr add fd00:$n::1/128 dev ipsec_ext nodad
	done
	xfrm_link B
	xfrm_link B if_id=8 dev=ipsec1
}

# both_ways N: IPv4 and IPv6, from either side
both_ways()
{
	ok_if "$1: ping" pings "$A" 10."$2".0.2
	ok_if "$1: IPv6 ping" pings "$A" fd00:"$2"::2
	ok_if "$1: the peer pings" pings "$B" 10."$2".0.1
	ok_if "$1: the peer pings over IPv6" pings "$B" fd00:"$2"::1
	ok_if "$1: UDP and TCP" client 10."$2".0.2 --udp 1000 --tcp 200000
	ok_if "$1: UDP and TCP over IPv6" client fd00:"$2"::2 --udp 1000 --tcp 200000
}

routes()
{
	local n r
	for n in 7 8; do
		encap $n
		r=$(stat "$A" ipsec_ext rx_packets)
		both_ways "if_id $n by the route" $n
		ok_if "if_id $n by the route: what comes back is the external device's" \
			test "$(stat "$A" ipsec_ext rx_packets)" -gt "$r"
	done
	ok_if "a route shows its if_id" \
		grep -E '^10.7.0.2 +encap xfrm +if_id (0x)?7 +dev ipsec_ext' <<<"$(ip -n "$A" route)"
	encap 7 link_dev wire0
	ok_if "a route shows its if_id and link_dev" \
		grep -E '^10.7.0.2 +encap xfrm +if_id (0x)?7 +link_dev wire0 +dev ipsec_ext' <<<"$(ip -n "$A" route)"
	ok_if "an IPv6 route shows them too" \
		grep -E '^fd00:7::2 +encap xfrm +if_id (0x)?7 +link_dev wire0 +dev ipsec_ext' <<<"$(ip -n "$A" -6 route)"
	ok_if "link_dev: traffic over it" pings "$A" 10.7.0.2
}

# link_dev chooses the VRF of the outer packet: the peer's address is reachable
# in two of them.
link_dev()
{
	local dev other
	if ! ip -n "$A" link add outer type vrf table 100 2>/dev/null; then
		skip "link_dev chooses the outer VRF" "this kernel has no VRF"
		return
	fi
	must ip -n "$A" link set outer up
	must ip -n "$A" link set wire1 master outer
	must ip -n "$A" addr add $OUT4_A/24 dev wire1
	for dev in wire0 wire1; do
		watch_wire "$A" $dev $dev out
	done
	for dev in wire0 wire1; do
		other=wire$((1 - ${dev#wire}))
		encap 7 link_dev $dev
		wire wire0 >/dev/null
		wire wire1 >/dev/null
		in_ns "$A" ping -n -c 3 -i 0.1 -W 1 10.7.0.2 >/dev/null 2>&1 || true
		same "link_dev $dev: the outer packets take its VRF" \
			"$(esp_by $dev) there, $(esp_by $other) by $other" "3 there, 0 by $other"
	done
	must ip -n "$A" link del outer
	must ip -n "$A" addr del $OUT4_A/24 dev wire1
	encap 7
}

# beside: a device with the if_id wins over the external one
beside()
{
	local e s
	falls_silent "$B" ipsec0 ipsec1 || die "B still sends"
	must ip -n "$A" link add ipsec0 type xfrm dev wire0 if_id 7
	must ip -n "$A" link set ipsec0 up
	e=$(stat "$A" ipsec_ext rx_packets) s=$(stat "$A" ipsec0 rx_packets)
	must ip -n "$A" addr add 10.7.0.1/32 dev ipsec0
	ok_if "beside a device of if_id 7: the external one still sends" pings "$A" 10.7.0.2
	same "beside a device of if_id 7: that one receives" $(($(stat "$A" ipsec0 rx_packets) - s)) 3
	same "beside a device of if_id 7: the external one does not" "$(stat "$A" ipsec_ext rx_packets)" "$e"
	ok_if "if_id 8 is still the external one's" pings "$A" 10.8.0.2
	ok_if "and it has received that" test "$(stat "$A" ipsec_ext rx_packets)" -gt "$e"
	must ip -n "$A" link set ipsec0 down
	e=$(stat "$A" ipsec_ext rx_packets)
	ok_if "the device of if_id 7 is down: traffic" pings "$A" 10.7.0.2
	same "the device of if_id 7 is down: the external one receives" \
		$(($(stat "$A" ipsec_ext rx_packets) - e)) 3
	must ip -n "$A" link del ipsec0
}

# nameless: a route without an if_id
nameless()
{
	local errors dropped reason=0 far
	for far in 10.9.0.2 fd00:9::2; do
		must ip -n "$A" route add $far dev ipsec_ext
		errors=$(stat "$A" ipsec_ext tx_errors) dropped=$(stat "$A" ipsec_ext tx_dropped)
		! is_accel || reason=$(drops "$A" ipsec_ext drop_tx_no_metadata)
		ok_if "no if_id for $far: nothing gets through" no_ping "$A" $far
		ok_if "no if_id for $far: tx_errors" test "$(stat "$A" ipsec_ext tx_errors)" -ge $((errors + 2))
		ok_if "no if_id for $far: tx_dropped" test "$(stat "$A" ipsec_ext tx_dropped)" -ge $((dropped + 2))
		if is_accel; then
			ok_if "no if_id for $far: the drop has its reason" \
				test "$(drops "$A" ipsec_ext drop_tx_no_metadata)" -ge $((reason + 2))
		fi
	done
}

# answer NAME REGEX ATTRIBUTE...: the kernel refuses such a route
answer_is()
{
	local name=$1 regex=$2 said
	shift 2
	said=$(in_ns "$A" "$TESTDIR/helpers/lwtroute.py" "$@")
	echo "$said"
	grep -qE "$regex" <<<"$said"
}

# u32 N: as four bytes of this machine
u32() { printf '%s' "$(printf '%08x' "$1" | sed 's/\(..\)\(..\)\(..\)\(..\)/\4\3\2\1/')"; }

bad_attributes()
{
	local to
	for to in 10.66.0.1 fd66::1; do
		bad() { ok_if "route to $to: $1" answer_is "$1" "$2" $to ipsec_ext "${@:3}"; }
		bad "no if_id is refused with a message" '^EINVAL .*if_id'
		bad "no if_id but a link is refused" '^EINVAL .*if_id' "2=$(u32 1)"
		bad "if_id 0 is refused" '^(ERANGE|EINVAL)' "1=$(u32 0)"
		bad "link 0 is refused" '^(ERANGE|EINVAL)' "1=$(u32 7)" "2=$(u32 0)"
		bad "a short if_id is refused" '^(ERANGE|EINVAL)' 1=0700
		bad "an empty if_id is refused" '^(ERANGE|EINVAL)' 1=
		bad "a short link is refused" '^(ERANGE|EINVAL)' "1=$(u32 7)" 2=01
		bad "a good one is taken" '^ok' "1=$(u32 7)" "2=$(u32 1)"
	done
	same "only the good routes are there" \
		"$(ip -n "$A" route | grep -c 10.66.0.1) $(ip -n "$A" -6 route | grep -c ^fd66::1)" "1 1"
}

encap_is_known()
{
	new_ns P
	ip -n "$P" link add ext type xfrm external 2>/dev/null && ip -n "$P" link set ext up &&
		ip -n "$P" route add 10.0.0.0/24 dev ext encap xfrm if_id 7 2>"$TMP/said"
}

skip_without_python external
encap_is_known || skip_all external "no encap xfrm here: $(tail -n 1 "$TMP/said")"
topology
serve "$B"
open_client "$A"
routes
link_dev
beside
nameless
bad_attributes

# The device goes while routes with an encapsulation lead to it.
ok_if "the external device can be deleted with its routes" timeout $((10 * ${SLOW:-1})) ip -n "$A" link del ipsec_ext
plan_done
