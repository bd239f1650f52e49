#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A policy without an SA: the packet is dropped and counted, the key manager is
# asked with the right if_id, and once it has answered traffic flows.
#
#     $A  ipsec0 10.7.0.1, fd00:7::1 (if_id 7)     $B  ipsec0 10.7.0.2, fd00:7::2
#         ipsec1 10.8.0.1, fd00:8::1 (if_id 8)         ipsec1 10.8.0.2, fd00:8::2
#         wire0 ----------------------------------------- wire0

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

# listen: what the key manager would hear, in $TMP/heard
listen()
{
	: >"$TMP/heard"
	stdbuf -oL ip -n "$A" xfrm monitor acquire >>"$TMP/heard" 2>&1 &
	listener=$!
	at_exit kill $listener
	# Nothing tells when the monitor listens: ask until it has heard.
	wait_for 10 eval 'no_ping "$A" 10.99.0.2; grep -q acquire "$TMP/heard"' ||
		die "ip xfrm monitor hears nothing: $(cat "$TMP/heard")"
	forget_larval
}

heard() { tr -s ' \t\n' ' ' <"$TMP/heard"; }

was_heard() { grep -E -- "$1" <<<"$(heard)"; }

# asked IF_ID NEAR FAR: there was an ACQUIRE for this flow, with this if_id
asked()
{
	local missing=0
	wait_for 5 was_heard \
		"acquire proto esp sel src $2/[0-9]+ dst $3/[0-9]+ .*if_id 0x$1( |\$)" || missing=1
	heard
	return $missing
}

no_state() { ip -n "$A" xfrm state flush && [ -z "$(ip -n "$A" xfrm state)" ]; }

forget_larval()
{
	wait_for 5 no_state || die "SAs are left: $(ip -n "$A" xfrm state)"
	: >"$TMP/heard"
}

# each_if_id: the ACQUIRE carries the if_id of the device
each_if_id()
{
	local n near far
	for n in 7 8; do
		for far in 10.$n.0.2 fd00:$n::2; do
			near=${far%2}1
			: >"$TMP/heard"
			ok_if "if_id $n, to $far: nothing goes out unprotected" no_ping "$A" $far
			ok_if "if_id $n, to $far: an SA is asked for" asked $n $near $far
			forget_larval
		done
	done
}

# counted LARVAL_DROP: whatever the sysctl says, a device drops and counts
counted()
{
	local before mib_before errors reason=0 said
	must in_ns "$A" sysctl -qw net.core.xfrm_larval_drop="$1"
	forget_larval
	before=$(stat "$A" ipsec0 tx_carrier_errors) errors=$(stat "$A" ipsec0 tx_dropped)
	mib_before=$(mib "$A" XfrmOutNoStates)
	! is_accel || reason=$(drops "$A" ipsec0 drop_tx_no_sa)
	said=$(in_ns "$A" ping -n -c 2 -i 0.1 -W 1 10.7.0.2 2>&1) && said="answered: $said"
	same "larval_drop=$1: tx_carrier_errors" $(($(stat "$A" ipsec0 tx_carrier_errors) - before)) 2
	same "larval_drop=$1: tx_dropped" $(($(stat "$A" ipsec0 tx_dropped) - errors)) 2
	ok_if "larval_drop=$1: the sender is told" grep -i "host unreachable" <<<"$said"
	if [ "$1" = 1 ]; then
		ok_if "larval_drop=1: XfrmOutNoStates" test "$(mib "$A" XfrmOutNoStates)" -gt "$mib_before"
	fi
	if is_accel; then
		same "larval_drop=$1: the drops have their reason" \
			$(($(drops "$A" ipsec0 drop_tx_no_sa) - reason)) 2
	fi
}

# answered: the SA that was asked for is added: the next packet goes through
answered()
{
	sa_pair
	ok_if "once there is an SA, traffic flows" pings "$A" 10.7.0.2
	ok_if "once there is an SA, IPv6 flows" pings "$A" fd00:7::2
	ok_if "if_id 8 still has none: nothing goes out" no_ping "$A" 10.8.0.2
	sa_pair if_id=8 reqid=2 spi=0x2000
	ok_if "if_id 8 has one too: traffic flows" pings "$A" 10.8.0.2
}

two_hosts
for host in A B; do
	xfrm_link $host
	xfrm_link $host if_id=8 dev=ipsec1
done
policy_pair
policy_pair if_id=8 reqid=2
must ip -n "$A" route add 10.99.0.0/24 dev ipsec0
listen
each_if_id
counted 1
counted 0
answered
plan_done
