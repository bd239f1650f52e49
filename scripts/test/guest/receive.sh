#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# cpus: 2
# Which device a packet appears on, what is counted where, and what becomes of
# packets that are broken, forged or have nowhere to go.
#
#     $A                                                    $B
#     ipsec0 10.7.0.1, fd00:7::1  (if_id 7, spi 0x1000)     ipsec0 10.7.0.2
#     ipsec1 10.8.0.1, fd00:8::1  (if_id 8, spi 0x2000)     ipsec1 10.8.0.2
#     wire0  192.0.2.1, 2001:db8:1::1  -----------------    wire0  192.0.2.2
#
# ipsec0 is tunnelled over IPv4, ipsec1 over IPv6.
# expects-log: leads back into the interface|routing loop

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"

skip_without_python receive

# grew_by NAME DELTA BEFORE AFTER
grew_by() { same "$1" "$(($4 - $3))" "$2"; }

# counters NS DEV: the standard ones, on one line
counters()
{
	local name line=
	for name in rx_packets rx_bytes tx_packets tx_bytes rx_errors rx_dropped \
		tx_errors tx_dropped tx_carrier_errors collisions; do
		line+="$name=$(stat "$1" "$2" $name) "
	done
	echo "$line"
}

# by_if_id: a packet appears on the device of its SA's if_id, on no other
by_if_id()
{
	local n other before
	for n in 7 8; do
		other=$((15 - n))
		before=$(counters "$B" ipsec$((other - 7)))
		watch_wire "$B" ipsec$((other - 7)) watch$n
		ok_if "if_id $n of two: ping over its own device" pings "$A" 10.$n.0.2
		ok_if "if_id $n of two: IPv6 too" pings "$A" fd00:$n::2
		same "if_id $n of two: nothing is counted on the other device" \
			"$(counters "$B" ipsec$((other - 7)))" "$before"
		same "if_id $n of two: a capture on the other device sees nothing" \
			"$(wire watch$n)" "max=0"
	done
}

# exact: what leaves one device arrives on the other one, to the byte
exact()
{
	local far size=$((500 + 28)) a b
	for far in 10.7.0.2 fd00:7::2; do
		[ $far = 10.7.0.2 ] || size=$((500 + 48))
		a=($(stat "$A" ipsec0 tx_packets) $(stat "$A" ipsec0 tx_bytes))
		b=($(stat "$B" ipsec0 rx_packets) $(stat "$B" ipsec0 rx_bytes))
		must burst $far --count 300 --size 500 --port 9
		# Port 9 is closed: what comes back is ICMP, and not counted here.
		wait_for 5 at_least $((b[0] + 300)) "$B" ipsec0 rx_packets || true
		grew_by "300 datagrams to $far: packets sent" 300 "${a[0]}" "$(stat "$A" ipsec0 tx_packets)"
		grew_by "300 datagrams to $far: bytes sent" $((300 * size)) "${a[1]}" "$(stat "$A" ipsec0 tx_bytes)"
		grew_by "300 datagrams to $far: packets received" 300 "${b[0]}" "$(stat "$B" ipsec0 rx_packets)"
		grew_by "300 datagrams to $far: bytes received" $((300 * size)) "${b[1]}" "$(stat "$B" ipsec0 rx_bytes)"
	done
}

# With the variables of rejected(): the packets have been looked at.
all_rejected()
{
	[ "$(mib "$B" "$mib")" -ge $((m + 10)) ] &&
		[ "$(stat "$B" "$dev" rx_errors)" -ge $((e + wanted)) ] &&
		{ ! is_accel || [ "$(drops "$B" "$dev" drop_rx_error)" -ge $((d + wanted)) ]; }
}

# rejected NAME MIB RX-ERRORS DEV FILE CHANGE: 10 such packets from the wire are
# counted under MIB, RX-ERRORS of them on DEV, and none gets through
rejected()
{
	local name=$1 mib=$2 wanted=$3 dev=$4 file=$5 change=$6
	local m r e d=0
	m=$(mib "$B" "$mib") r=$(stat "$B" "$dev" rx_packets) e=$(stat "$B" "$dev" rx_errors)
	! is_accel || d=$(drops "$B" "$dev" drop_rx_error)
	raw send wire0 "$file" "$change*10"
	wait_for 5 all_rejected || true
	grew_by "$name: counted in $mib" 10 "$m" "$(mib "$B" "$mib")"
	grew_by "$name: rx_errors" "$wanted" "$e" "$(stat "$B" "$dev" rx_errors)"
	grew_by "$name: none received" 0 "$r" "$(stat "$B" "$dev" rx_packets)"
	if is_accel; then
		grew_by "$name: the drop has its reason" "$wanted" "$d" "$(drops "$B" "$dev" drop_rx_error)"
	fi
}

bad_esp()
{
	local n dev far family=4
	for n in 7 8; do
		dev=ipsec$((n - 7)) far=10.$n.0.2
		capture_esp "$A" wire0 "$TMP/esp$n" pings "$A" $far 1 -s 200
		rejected "replayed ESP over IPv$family" XfrmInStateSeqError 10 $dev "$TMP/esp$n" same
		rejected "ESP over IPv$family with a bad ICV" XfrmInStateProtoError 10 $dev "$TMP/esp$n.new" icv
		rejected "ESP over IPv$family with an unknown SPI" XfrmInNoStates 0 $dev "$TMP/esp$n" spi
		rejected "ESP over IPv$family of 4 bytes" XfrmInHdrError 0 $dev "$TMP/esp$n" esp:4
		rejected "ESP over IPv$family without a trailer" XfrmInStateProtoError 10 $dev "$TMP/esp$n.new" esp:20
		family=6
	done
}

# Packets that B has not seen: the SAs are made anew. Their sequence numbers
# pass the replay check, so that the rest of the packet is looked at.
unseen_esp()
{
	local n ns
	for n in 7 8; do
		capture_esp "$A" wire0 "$TMP/esp$n.new" pings "$A" 10.$n.0.2 1 -s 200
	done
	for ns in "$A" "$B"; do
		must ip -n "$ns" xfrm state flush
	done
	add_sas
}

truncated()
{
	local n r
	for n in 7 8; do
		r=$(stat "$B" ipsec$((n - 7)) rx_packets)
		raw send wire0 "$TMP/esp$n" cut:60 cut:8 cut:3 cut:0
		grew_by "frames shorter than their IP header says go nowhere (if_id $n)" 0 \
			"$r" "$(stat "$B" ipsec$((n - 7)) rx_packets)"
	done
}

# not_delivered NAME MIB: a ping over if_id 7 dies at B, counted under MIB
not_delivered()
{
	local m
	m=$(mib "$B" "$2")
	ok_if "$1: nothing comes through" no_ping "$A" 10.7.0.2
	ok_if "$1: counted in $2" test "$(mib "$B" "$2")" -gt "$m"
}

# by_policy: the input policy must have the device's if_id and the SA's template
by_policy()
{
	must ip -n "$B" xfrm policy delete src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 7
	not_delivered "an input policy of another if_id only" XfrmInNoPols

	must ip -n "$B" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 7 \
		tmpl src $OUT4_A dst $OUT4_B proto esp reqid 77 mode tunnel
	not_delivered "an input policy with another template" XfrmInTmplMismatch

	must ip -n "$B" xfrm policy delete src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 7
	must ip -n "$B" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 7 action block
	not_delivered "an input policy that blocks" XfrmInPolBlock

	add_policies
	ok_if "the right input policy again: traffic" pings "$A" 10.7.0.2
}

# by_device: the SA's device is down, gone, or has another if_id
by_device()
{
	local r
	must ip -n "$B" link set ipsec0 down
	r=$(stat "$B" ipsec0 rx_packets)
	not_delivered "the device is down" XfrmInNoPols
	grew_by "the device is down: it counts nothing" 0 "$r" "$(stat "$B" ipsec0 rx_packets)"
	must ip -n "$B" link set ipsec0 up
	must ip -n "$B" addr replace fd00:7::2/64 dev ipsec0 nodad
	ok_if "the device is up again: traffic" pings "$A" 10.7.0.2

	must ip -n "$B" link set ipsec0 type xfrm dev wire0 if_id 9
	not_delivered "the device has changed its if_id" XfrmInNoPols
	must ip -n "$B" link set ipsec0 type xfrm dev wire0 if_id 7
	ok_if "the device has its if_id back: traffic" pings "$A" 10.7.0.2
}

# An SA without an if_id has nothing to do with the devices beside it.
plain_ipsec()
{
	local ns r
	r=$(stat "$B" ipsec0 rx_packets)
	for ns in "$A" "$B"; do
		must ip -n "$ns" addr add 198.51.100.$([ "$ns" = "$A" ] && echo 1 || echo 2)/24 dev wire0
		local sa="mode transport reqid 9 aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 128"
		local tmpl="tmpl proto esp mode transport reqid 9"
		must ip -n "$ns" -batch - <<-EOF
			xfrm state add src 198.51.100.1 dst 198.51.100.2 proto esp spi 0x9001 $sa
			xfrm state add src 198.51.100.2 dst 198.51.100.1 proto esp spi 0x9002 $sa
			xfrm policy add src 198.51.100.0/24 dst 198.51.100.0/24 dir in $tmpl
			xfrm policy add src 198.51.100.0/24 dst 198.51.100.0/24 dir out $tmpl
		EOF
	done
	ok_if "IPsec without an if_id works beside the devices" pings "$A" 198.51.100.2
	grew_by "IPsec without an if_id: the device counts nothing" 0 "$r" "$(stat "$B" ipsec0 rx_packets)"
	ok_if "IPsec without an if_id: it was encrypted" \
		sh -c "ip -n $B -s xfrm state get src 198.51.100.1 dst 198.51.100.2 proto esp spi 0x9001 |
			grep -E '^[[:space:]]*[1-9][0-9]*\(bytes\), [1-9][0-9]*\(packets\)'"
}

# unsendable NAME NEAR-STAT DROP MESSAGE FAR: a ping fails, is counted and the
# sender told
unsendable()
{
	local name=$1 counter=$2 reason=$3 message=$4 far=$5
	local c e d=0 said
	c=$(stat "$A" ipsec0 "$counter") e=$(stat "$A" ipsec0 tx_errors)
	! is_accel || d=$(drops "$A" ipsec0 "$reason")
	said=$(in_ns "$A" ping -n -c 3 -i 0.1 -W 1 "$far" 2>&1) && said="answered: $said"
	grew_by "$name: $counter" 3 "$c" "$(stat "$A" ipsec0 "$counter")"
	grew_by "$name: tx_errors" 3 "$e" "$(stat "$A" ipsec0 tx_errors)"
	[ -z "$message" ] || ok_if "$name: the sender is told" grep -i "$message" <<<"$said"
	if is_accel; then
		grew_by "$name: the drop has its reason" 3 "$d" "$(drops "$A" ipsec0 "$reason")"
	fi
}

# no_way_out: no policy, a blocking one, no SA
no_way_out()
{
	local far message
	for far in 10.7.0.2 fd00:7::2; do
		message="host unreachable" any=0.0.0.0/0
		[ $far = 10.7.0.2 ] || message="address unreachable" any=::/0
		must ip -n "$A" xfrm policy delete src $any dst $any dir out if_id 7
		unsendable "no output policy for $far" tx_carrier_errors drop_tx_no_policy "$message" $far

		must ip -n "$A" xfrm policy add src $any dst $any dir out if_id 7 action block
		unsendable "an output policy that blocks $far" tx_carrier_errors drop_tx_policy_block "$message" $far
		must ip -n "$A" xfrm policy delete src $any dst $any dir out if_id 7

		must ip -n "$A" xfrm policy add src $any dst $any dir out if_id 7 \
			tmpl src $OUT4_A dst $OUT4_B proto esp reqid 4711 mode tunnel
		unsendable "no SA for $far" tx_carrier_errors drop_tx_no_sa "$message" $far
		must ip -n "$A" xfrm policy delete src $any dst $any dir out if_id 7
	done

	# The only SA there is belongs to if_id 8: to if_id 7 it is as good as none.
	must ip -n "$A" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 7 \
		tmpl src $OUT6_A dst $OUT6_B proto esp reqid 2 mode tunnel
	unsendable "an SA of another if_id" tx_carrier_errors drop_tx_no_sa "host unreachable" 10.7.0.2
	must ip -n "$A" xfrm policy delete src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 7
	add_policies
}

# The device has no lower one; the outer destination is routed into it.
routing_loop()
{
	must ip -n "$A" link del ipsec0
	xfrm_link A link=
	must ip -n "$A" route add $OUT4_B dev ipsec0
	unsendable "the outer route leads back into the device" collisions drop_tx_loop "" 10.7.0.2
	must ip -n "$A" route del $OUT4_B dev ipsec0
	ok_if "the outer route is right again: traffic" pings "$A" 10.7.0.2
}

# garbage NAME ETHERTYPE SIZES COUNT DROP: COUNT packets from an AF_PACKET socket
# to the device: all accounted for; ours sends none of them
garbage()
{
	local name=$1 kind=$2 sizes=$3 count=$4 reason=$5
	local t e d=0 sent
	t=$(stat "$A" ipsec0 tx_packets) e=$(stat "$A" ipsec0 tx_errors)
	! is_accel || d=$(drops "$A" ipsec0 "$reason")
	ok_if "$name: the device takes them" \
		test "$(raw garbage ipsec0 "$kind" "$sizes" --count 5)" = "refused 0"
	sent=$(($(stat "$A" ipsec0 tx_packets) - t))
	same "$name: every one is counted" \
		$(($(stat "$A" ipsec0 tx_errors) - e + sent)) "$count"
	if is_accel; then
		same "$name: none is sent" $sent 0
		grew_by "$name: the drop has its reason" "$count" "$d" "$(drops "$A" ipsec0 "$reason")"
	fi
}

add_sas()
{
	local window="replay-window 32"
	sa_pair ab="$window" ba="$window"
	sa_pair outer=6 if_id=8 spi=0x2000 reqid=2 ab="$window" ba="$window"
}

add_policies()
{
	local ns
	for ns in "$A" "$B"; do
		must ip -n "$ns" xfrm policy flush
	done
	policy_pair
	policy_pair if_id=8 outer=6 reqid=2
}

two_hosts
add_sas
add_policies
for host in A B; do
	xfrm_link $host
	xfrm_link $host if_id=8 dev=ipsec1
done

open_raw "$A"
open_client "$A"
by_if_id
exact
unseen_esp
bad_esp
truncated
by_policy
by_device
plain_ipsec
no_way_out
routing_loop
# Bytes of noise have a good version nibble now and then; but not the rest.
garbage "noise called ARP" 0806 1-60 300 drop_tx_not_ip
garbage "noise called IPv4, less than a header" 0800 1-19 95 drop_tx_malformed
garbage "noise called IPv6, less than a header" 86dd 1-39 195 drop_tx_malformed
ok_if "after all this: traffic" pings "$A" 10.7.0.2
ok_if "after all this: IPv6 traffic" pings "$A" fd00:8::2
plan_done
