#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# cpus: 2
# counters.sh - what the device counts: every packet that was sent, received or
# dropped exactly once, every drop under the one reason that is true.
#
#     $A                                          $B
#     ipsec0 (if_id 7)                            ipsec0 (if_id 7)
#     further devices, each with one fault
#     wire0  --------------- veth --------------  wire0

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/trace.sh
. "$TESTDIR/helpers/trace.sh"

N=25
SEND="python3 $TESTDIR/helpers/send.py"

send() { in_ns "$A" $SEND "$@"; }

# all_drops NS DEV: the counters that are not zero, "name=value ..."
all_drops()
{
	in_ns "$1" ethtool -S "$2" |
		awk '/drop_/ && $2 > 0 { sub(":", "="); printf "%s%s%s", s, $1, $2; s = " " }'
}

# Zeros are added so that a missing counter is no zero.
standard()
{
	local name out=
	for name in tx_packets tx_errors tx_dropped tx_carrier_errors collisions; do
		out+=" $name=$(stat "$1" "$2" $name)"
	done
	echo $out
}

# dropped NAME DEV REASON COUNT STANDARD: REASON and no other, and the standard
# statistics beside it
dropped()
{
	same "$1: standard statistics" "$(standard "$A" "$2")" "$5"
	if is_accel; then
		same "$1: drop reason" "$(all_drops "$A" "$2")" "drop_$3=$4"
	fi
}

# fault_device IF_ID [link]: a device that nothing but the test sends through
fault_device()
{
	must ip -n "$A" link add "f$1" type xfrm ${2:+dev "$2"} if_id "$1"
	# No router solicitation or listener report may be counted.
	in_ns "$A" sh -c "echo 1 >/proc/sys/net/ipv6/conf/f$1/disable_ipv6"
	must ip -n "$A" addr add "10.$1.0.1/24" dev "f$1"
	must ip -n "$A" link set "f$1" up
}

# policy IF_ID WORDS...: an output policy
policy() { must ip -n "$A" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id "$@"; }

sealing_policy() { policy "$1" tmpl src $OUT4_A dst $OUT4_B proto esp reqid "$1" mode tunnel; }

names()
{
	if ! is_accel; then
		skip "names of the counters" "the in-tree module has none"
		return
	fi
	[ -x "$HELPERS/drop_names" ] || die "HELPERS has no drop_names: run prepare.sh"
	same "counters are those of the header for user space, in order" \
		"$(in_ns "$A" ethtool -S ipsec0 | sed -n 's/^ *\([a-z_]*\):.*/\1/p')" \
		"$("$HELPERS/drop_names")"
	same "driver name" "$(in_ns "$A" ethtool -i ipsec0 | sed -n 's/^driver: //p')" \
		xfrm_accel
}

traffic_is_counted()
{
	local sent bytes
	# Whatever IPv6 says when a device comes up has been said.
	falls_silent "$A" ipsec0 || die "ipsec0 sends of its own accord"
	sent=$(stat "$A" ipsec0 tx_packets) bytes=$(stat "$A" ipsec0 tx_bytes)
	got=$(stat "$B" ipsec0 rx_packets) got_bytes=$(stat "$B" ipsec0 rx_bytes)
	send udp 10.7.0.2 $N 100
	send udp fd00:7::2 $N 100
	same "packets sent" $(($(stat "$A" ipsec0 tx_packets) - sent)) $((2 * N))
	same "bytes sent: the inner packets'" \
		$(($(stat "$A" ipsec0 tx_bytes) - bytes)) $((N * (128 + 148)))
	ok_if "packets received" wait_for 5 is_now "$B" ipsec0 rx_packets $((got + 2 * N))
	same "bytes received" $(($(stat "$B" ipsec0 rx_bytes) - got_bytes)) $((N * (128 + 148)))
	same "no error" "$(stat "$A" ipsec0 tx_errors) $(stat "$B" ipsec0 rx_errors)" "0 0"
	! is_accel || same "no drop" "$(all_drops "$A" ipsec0)$(all_drops "$B" ipsec0)" ""
}

# Somebody of the namespace listens to what SAs tell of their numbers.
listens() { in_ns "$1" awk '$2 == 6 && substr($4, 7, 1) % 2 { f = 1 } END { exit !f }' /proc/net/netlink; }

told() { [ "$(grep -A1 'replay update' "$TMP/told" | grep -c 'SPI 0x1000$')" = "$1" ]; }

# An SA tells of the first number since somebody listens, and of every second
# one from then on (the sysctl net.core.xfrm_aevent_rseqth).
numbers_are_told()
{
	: >"$TMP/told"
	in_ns "$A" ip xfrm monitor aevent >"$TMP/told" &
	at_exit kill $!
	wait_for 10 listens "$A" || die "ip xfrm monitor does not listen"
	send udp 10.7.0.2 $N 100
	ok_if "every second sequence number is told to who listens" \
		wait_for 5 told $(((N + 1) / 2))
	kill $!
}

is_now() { [ "$(stat "$1" "$2" "$3")" = "$4" ]; }

transmit_reasons()
{
	local failed="tx_packets=0 tx_errors=$N tx_dropped=$N"

	fault_device 20
	send udp 10.20.0.2 $N
	dropped "no policy" f20 tx_no_policy $N "$failed tx_carrier_errors=$N collisions=0"

	fault_device 21
	policy 21 action block
	send udp 10.21.0.2 $N
	dropped "policy that blocks" f21 tx_policy_block $N \
		"$failed tx_carrier_errors=$N collisions=0"

	fault_device 22
	sealing_policy 22
	send udp 10.22.0.2 $N
	dropped "policy without SA" f22 tx_no_sa $N \
		"$failed tx_carrier_errors=$N collisions=0"

	# SAs of another if_id are no SAs for this policy.
	fault_device 23
	sealing_policy 23
	sa_pair if_id=24 reqid=23 spi=0x2300 sides=A
	send udp 10.23.0.2 $N
	dropped "SA of another if_id" f23 tx_no_sa $N \
		"$failed tx_carrier_errors=$N collisions=0"

	fault_device 25
	sa_pair if_id=25 reqid=25 spi=0x2500 sides=A
	sealing_policy 25
	must ip -n "$A" route add $OUT4_B/32 dev f25
	send udp 10.25.0.2 $N
	dropped "route of the encrypted packet leads back" f25 tx_loop $N \
		"$failed tx_carrier_errors=0 collisions=$N"
	must ip -n "$A" route del $OUT4_B/32 dev f25

	fault_device 26 wire0
	sa_pair if_id=26 reqid=26 spi=0x2600 sides=A
	sealing_policy 26
	must ip -n "$A" link set f26 mtu 1500
	send udp 10.26.0.2 $N 1472 df
	dropped "too big" f26 tx_too_big $N "$failed tx_carrier_errors=0 collisions=0"

	must ip -n "$A" link add f27 type xfrm external
	in_ns "$A" sh -c "echo 1 >/proc/sys/net/ipv6/conf/f27/disable_ipv6"
	must ip -n "$A" addr add 10.27.0.1/24 dev f27
	must ip -n "$A" link set f27 up
	send udp 10.27.0.2 $N
	dropped "external device, plain route" f27 tx_no_metadata $N \
		"$failed tx_carrier_errors=0 collisions=0"

	fault_device 28
	send frame f28 0x88b5 $N 0011223344556677
	dropped "neither IPv4 nor IPv6" f28 tx_not_ip $N \
		"$failed tx_carrier_errors=0 collisions=0"

	fault_device 29
	send frame f29 0x86dd $N \
		600000000000113ffd00000000000000000000000000000120010db8009900000000000000000001
	dropped "no route" f29 tx_no_route $N \
		"$failed tx_carrier_errors=$N collisions=0"

	is_accel || return 0
	fault_device 30
	send frame f30 0x0800 $N 45000014
	send frame f30 0x86dd $N 6000000000
	same "truncated header: drop reason" "$(all_drops "$A" f30)" \
		"drop_tx_malformed=$((2 * N))"
	same "truncated header: standard statistics" "$(standard "$A" f30)" \
		"tx_packets=0 tx_errors=$((2 * N)) tx_dropped=$((2 * N)) tx_carrier_errors=0 collisions=0"
}

receive_reasons()
{
	# Sealed with one key, opened with another.
	sa_pair if_id=40 reqid=40 spi=0x4000 sides=A
	sa_pair if_id=40 reqid=40 spi=0x4000 sides=B ab="replay-window 32" alg=chacha
	policy_pair if_id=40 reqid=40
	fault_device 40
	must ip -n "$B" link add f40 type xfrm if_id 40
	must ip -n "$B" link set f40 up
	send udp 10.40.0.2 $N
	ok_if "integrity check fails: rx_errors" wait_for 5 is_now "$B" f40 rx_errors $N
	same "integrity check fails: rx_dropped" "$(stat "$B" f40 rx_dropped)" $N
	same "integrity check fails: nothing received" "$(stat "$B" f40 rx_packets)" 0
	! is_accel || same "integrity check fails: drop reason" \
		"$(all_drops "$B" f40)" "drop_rx_error=$N"

	# The device is in a container, so that the SAs' namespace decides first.
	sa_pair if_id=41 reqid=41 spi=0x4100
	policy_pair if_id=41 reqid=41
	must ip -n "$B" xfrm policy del src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 41
	fault_device 41
	new_ns C
	must ip -n "$C" link add f41 link-netns "$B" type xfrm if_id 41
	must ip -n "$C" link set f41 up
	local before
	before=$(mib "$B" XfrmInNoPols)
	send udp 10.41.0.2 $N
	ok_if "no input policy outside the container: counted by the core" \
		wait_for 5 eval '[ $(mib $B XfrmInNoPols) = '$((before + N))' ]'
	same "no input policy outside: nothing received" "$(stat "$C" f41 rx_packets)" 0
	! is_accel || same "no input policy outside: drop reason" \
		"$(all_drops "$C" f41)" "drop_rx_policy=$N"
}

# What several processors and readers at once do to the counts.
concurrent()
{
	local i dev pids=() sent got
	sent=$(stat "$A" ipsec0 tx_packets)
	got=$(stat "$B" ipsec0 rx_packets)
	fault_device 50
	for i in 1 2 3 4; do
		ip netns exec "$A" $SEND udp 10.50.0.2 1000 &
		pids+=($!)
		ip netns exec "$A" $SEND udp 10.7.0.2 1000 &
		pids+=($!)
	done
	for i in 1 2 3 4 5 6 7 8; do
		in_ns "$A" ethtool -S f50 >/dev/null 2>&1 || true
		ip -n "$A" -s link show dev ipsec0 >/dev/null
	done
	wait "${pids[@]}"
	same "4 senders at once: errors" "$(standard "$A" f50)" \
		"tx_packets=0 tx_errors=4000 tx_dropped=4000 tx_carrier_errors=4000 collisions=0"
	! is_accel || same "4 senders at once: drop reason" \
		"$(all_drops "$A" f50)" "drop_tx_no_policy=4000"
	same "4 senders at once: packets sent" \
		$(($(stat "$A" ipsec0 tx_packets) - sent)) 4000
	ok_if "4 senders at once: packets received" \
		wait_for 5 is_now "$B" ipsec0 rx_packets $((got + 4000))
}

survive()
{
	is_accel || return 0
	must ip -n "$A" link set f20 type xfrm if_id 220
	same "a change of if_id keeps the counts" "$(all_drops "$A" f20)" \
		"drop_tx_no_policy=$N"
	new_ns D
	must ip -n "$A" link set f20 netns "$D"
	same "a move keeps the counts" "$(all_drops "$D" f20)" "drop_tx_no_policy=$N"
	must ip -n "$D" link del f20
	fault_device 20
	same "a new device starts from zero" "$(all_drops "$A" f20)" ""
}

# number_of REASON: its number in the header for user space, which counts from 0
number_of() { "$HELPERS/drop_names" | awk -v n="drop_$1" '$1 == n { print NR - 1 }'; }

# traced REASON DEV: packets of 64 bytes that the tracepoint has reported in full
drops_traced()
{
	local index
	index=$(in_ns "$A" cat "/sys/class/net/$2/ifindex")
	traced "dev=$2 ifindex=$index skbaddr=[^ ]+ len=92 reason=$(number_of "$1") \($1\)"
}

tracepoint()
{
	local event=xfrm_accel/xfrm_accel_drop
	if ! is_accel; then
		skip "tracepoint" "the in-tree module has none"
		return
	elif [ ! -d "$tracing/events" ]; then
		skip "tracepoint" "this kernel has no tracefs"
		return
	fi
	ok_if "the tracepoint is there" has_events $event
	trace_clear
	trace_on $event
	send udp 10.22.0.2 $N
	send udp 10.21.0.2 $N
	trace_off $event
	same "every drop is traced with device, length, number and name of the reason" \
		"$(drops_traced tx_no_sa f22) $(drops_traced tx_policy_block f21)" "$N $N"
	send udp 10.22.0.2 1
	same "and not when it is off" "$(traced 'dev=f22')" $N
}

two_hosts
tunnel
names
traffic_is_counted
numbers_are_told
transmit_reasons
receive_reasons
concurrent
survive
tracepoint
plan_done
