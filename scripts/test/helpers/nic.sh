# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# nic.sh - espnic for the tests. Source it after lib.sh.

# nic NS WORDS...: see nic.py
nic() { in_ns "$1" python3 -I "$TESTDIR/helpers/nic.py" "${@:2}"; }

# nic_says NAME NS WANTED WORDS...: what the kernel answers, "OK" or "ERRNO: message"
nic_says() { same "$1" "$(nic "$2" "${@:4}")" "$3"; }

# count NS COUNTER [DEV]: of ethtool -S
count() { in_ns "$1" ethtool -S "${3:-nic0}" | awk -v n="$2:" '$1 == n { print $2; f = 1 } END { exit !f }'; }

# offload DEV: adds to lines of SAs, out and in by turns, that DEV is to do the work
offload() { sed "1~2 s/\$/ offload dev $1 dir out/; 2~2 s/\$/ offload dev $1 dir in/"; }

# nic_sas HOST [WORDS...]: as sa_pair does, on HOST, for its nic0
nic_sas()
{
	local out="offload dev nic0 dir out" in="offload dev nic0 dir in"
	if [ "$1" = A ]; then
		sa_pair sides=A ab="$out" ba="$in" "${@:2}"
	else
		sa_pair sides=B ab="$in" ba="$out" "${@:2}"
	fi
}

# takes_addresses HOST DEV: DEV gets what wire0 has, and is up
takes_addresses()
{
	local ns=${!1} out4=OUT4_$1 out6=OUT6_$1
	must ip -n "$ns" -batch - <<-END
		addr flush dev wire0
		addr replace ${!out4}/24 dev $2
		addr replace ${!out6}/64 dev $2 nodad
		link set $2 up
	END
}

# wire_works NAME: both hosts reach each other, outside of any tunnel
wire_works()
{
	ok_if "$1: IPv4 passes" wait_for 10 in_ns "$A" ping -c1 -W1 $OUT4_B
	ok_if "$1: IPv6 passes" wait_for 10 in_ns "$A" ping -c1 -W1 $OUT6_B
}

# nic_on HOST: nic0 takes the place of wire0
nic_on()
{
	must ip -n "${!1}" link add link wire0 name nic0 type espnic
	takes_addresses "$1" nic0
	wire_works "$1: an espnic on a wire"
}

# inner_routes HOST DEV NEAR FAR: to the other host's inner addresses, by DEV
inner_routes()
{
	local gw4=OUT4_B gw6=OUT6_B
	[ "$1" = A ] || gw4=OUT4_A gw6=OUT6_A
	must ip -n "${!1}" -batch - <<-END
		route replace 10.7.0.$4/32 via ${!gw4} dev $2 src 10.7.0.$3
		route replace fd00:7::$4/128 via ${!gw6} dev $2 src fd00:7::$3
	END
}

# inner_way HOST DEV NEAR FAR: the same, and HOST has its own: for a tunnel without an interface
inner_way()
{
	must ip -n "${!1}" addr add 10.7.0.$3/32 dev lo
	must ip -n "${!1}" addr add fd00:7::$3/128 dev lo nodad
	inner_routes "$@"
}

# load_cipher: the kernel loads and tests it with its first SA, which a daemon is not to wait for
load_cipher()
{
	local ns
	sa_pair
	for ns in "$A" "$B"; do
		must ip -n "$ns" xfrm state flush
	done
}

# takes_inbound: does this kernel give a device, A's nic0, an inbound SA with an if_id?
# Newer ones refuse.
takes_inbound()
{
	local sa="src 192.0.2.9 dst 192.0.2.8 proto esp spi 9"
	# shellcheck disable=SC2086
	if ip -n "$A" xfrm state add $sa mode tunnel if_id 7 aead "rfc4106(gcm(aes))" \
		0x00112233445566778899aabbccddeeff01020304 128 offload dev nic0 dir in 2>"$TMP/said"; then
		must ip -n "$A" xfrm state delete $sa
		return 0
	fi
	grep -q "if_id is not supported" "$TMP/said" || die "$(cat "$TMP/said")"
	return 1
}

# takes_packet: does this kernel have packet offload, and A's nic0 as well? For an ip that
# knows the word.
takes_packet()
{
	local sa="src $OUT4_A dst $OUT4_B proto esp spi 9"
	# shellcheck disable=SC2086
	if ip -n "$A" xfrm state add $sa mode tunnel aead "rfc4106(gcm(aes))" \
		0x00112233445566778899aabbccddeeff01020304 128 offload packet dev nic0 dir out 2>"$TMP/said"; then
		must ip -n "$A" xfrm state delete $sa
		return 0
	fi
	grep -qE "Unrecognized flags|only crypto offload" "$TMP/said" || die "$(cat "$TMP/said")"
	return 1
}
