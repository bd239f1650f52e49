#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# cpus: 2
# netns.sh - the device in a container, its SAs and policies outside; and every
# order in which namespaces and devices can die.
#
#     $C                    $A                                $B
#     ipsec0 - - - - - - -  SAs, policies                     ipsec0
#     10.7.0.1              wire0 ---------- veth ----------  wire0   10.7.0.2
#     fd00:7::1                                                       fd00:7::2
#
# limit: 600

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

ifindex() { in_ns "$1" cat "/sys/class/net/$2/ifindex"; }

# address_device NS DEV: what a move takes away
address_device()
{
	must ip -n "$1" addr add 10.7.0.1/24 dev "$2"
	must ip -n "$1" addr add fd00:7::1/64 dev "$2" nodad
	must ip -n "$1" link set "$2" up
}

# A fresh $A, $B with a tunnel, and the device of $A moved into a fresh $C.
container()
{
	two_hosts
	new_ns C
	tunnel
	must ip -n "$A" link set ipsec0 netns "$C"
	address_device "$C" ipsec0
}

traffic() { pings "$C" 10.7.0.2 && pings "$C" fd00:7::2 && pings "$B" 10.7.0.1; }

# Returns when the flood is on: a process that has not entered the namespace yet
# would keep it alive unseen.
flood()
{
	ip netns exec "$C" ping -n -q -f -w 60 "$1" >/dev/null 2>&1 &
	wait_for 10 grep -q ping "/proc/$!/comm" || die "no flood"
}

moved_device()
{
	container
	not_if "device is no longer in the namespace of the SAs" exists "$A" ipsec0
	ok_if "traffic from the container, IPv4 and IPv6" traffic
	same "no SA in the container" "$(ip -n "$C" xfrm state)" ""
	same "no policy in the container" "$(ip -n "$C" xfrm policy)" ""
	same "if_id is shown in the container" \
		"$(show "$C" ipsec0 | cut -d' ' -f2)" '{"if_id":"0x7"}'
	ok_if "the lower device is shown to be elsewhere" \
		eval 'ip -n $C -d link show dev ipsec0 | grep link-netns'
	ok_if "packets of others do not pass: no route, no tunnel" \
		eval '! in_ns $A ping -n -c1 -W1 10.7.0.2'

	must ip -n "$C" link set ipsec0 netns "$A"
	address_device "$A" ipsec0
	ok_if "traffic after moving back" pings "$A" 10.7.0.2
	must ip -n "$A" link set ipsec0 netns "$C"
	address_device "$C" ipsec0
	ok_if "traffic after moving again" traffic

	# The policies that count are those of $A.
	must ip -n "$C" xfrm policy add src 10.0.0.0/8 dst 10.0.0.0/8 dir out \
		if_id 7 action block
	ok_if "a policy of the container is not asked" pings "$C" 10.7.0.2
	must ip -n "$C" xfrm policy flush
	local policy="src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 7"
	must ip -n "$A" xfrm policy del $policy
	ok_if "nothing passes without the input policy outside" no_ping "$C" 10.7.0.2
	must ip -n "$A" xfrm policy add $policy tmpl src $OUT4_B dst $OUT4_A \
		proto esp reqid 1 mode tunnel
	ok_if "and with it again" pings "$C" 10.7.0.2
}

if_ids_after_move()
{
	local wire
	wire=$(ifindex "$A" wire0)
	answers "if_id stays taken where the SAs are" EEXIST "$A" add x1 if_id=7
	answers "and is free in the container" OK "$C" add x1 if_id=7
	answers "if_id 8 for another device of the SAs' namespace" OK "$A" add x8 if_id=8
	answers "if_id 9 for another device of the container" OK "$C" add x9 if_id=9
	answers "change to an if_id taken where the SAs are" EEXIST \
		"$C" change ipsec0 if_id=8 link="$wire"
	answers "change of the lower device after the move" EINVAL \
		"$C" change ipsec0 if_id=7 link=1
	answers "change to external after the move" EINVAL "$C" change ipsec0 external
	ok_if "traffic after refused changes" traffic
	answers "change to an if_id taken in the container only" OK \
		"$C" change ipsec0 if_id=9 link="$wire"
	ok_if "no traffic under the other if_id" no_ping "$C" 10.7.0.2
	answers "old if_id is free where the SAs are" OK "$A" add x7 if_id=7
	must ip -n "$A" link del x7
	answers "change back" OK "$C" change ipsec0 if_id=7 link="$wire"
	ok_if "traffic after changing back" traffic
	for dev in x1 x9; do
		must ip -n "$C" link del $dev
	done
	must ip -n "$A" link del x8
}

collisions()
{
	local index
	must ip -n "$A" link add ipsec0 type dummy
	index=$(ifindex "$C" ipsec0)
	not_if "move to a namespace where the name is taken" \
		ip -n "$C" link set ipsec0 netns "$A"
	ok_if "traffic after the refused move" traffic
	must ip -n "$A" link del ipsec0
	new_ns D
	must ip -n "$D" link add other index "$index" type dummy
	must ip -n "$C" link set ipsec0 netns "$D"
	not_if "another ifindex where the old one is taken" \
		test "$(ifindex "$D" ipsec0)" = "$index"
	address_device "$D" ipsec0
	ok_if "traffic after an ifindex collision" \
		eval 'pings $D 10.7.0.2 && pings $D fd00:7::2'
	must ip -n "$D" link set ipsec0 netns "$C"
	address_device "$C" ipsec0
	# An index that in the container belongs to a device of its own must not be
	# taken for the lower device.
	must ip -n "$C" link add low index 42 type dummy
	must ip -n "$C" link set low up
	ok_if "a device with the wire's index in the container is not used" traffic
	ok_if "and may go" ip -n "$C" link del low
	ok_if "traffic without it" traffic
	must ip netns del "$D"
	ok_if "a namespace that the device has left dies" reaped "$B"
	ok_if "traffic after that" traffic
}

link_netns()
{
	must ip -n "$C" link del ipsec0
	ok_if "create in the container, SAs elsewhere, at once" \
		ip -n "$C" link add ipsec0 link-netns "$A" type xfrm if_id 7
	address_device "$C" ipsec0
	ok_if "traffic over it" traffic
	refused "its if_id is taken where the SAs are" "exists|if_id" \
		ip -n "$A" link add x1 type xfrm if_id 7
	refused "also for a second one made this way" "exists|if_id" \
		ip -n "$C" link add x1 link-netns "$A" type xfrm if_id 7
	ok_if "external the same way" \
		ip -n "$C" link add x2 link-netns "$A" type xfrm external
	refused "second external the same way" "exists|external" \
		ip -n "$C" link add x3 link-netns "$A" type xfrm external
	refused "second external made where the SAs are" "exists|external" \
		ip -n "$A" link add x3 type xfrm external
	ok_if "external in the container itself" ip -n "$C" link add x3 type xfrm external
	ok_if "delete both" eval 'ip -n $C link del x2 && ip -n $C link del x3'
	ok_if "external is free again" ip -n "$A" link add x3 type xfrm external
	must ip -n "$A" link del x3

	ok_if "create in the container, from outside, with all that belongs to it" \
		ip -n "$A" link add x4 netns "$C" type xfrm if_id 33
	refused "its if_id is taken in the container" "exists|if_id" \
		ip -n "$C" link add x5 type xfrm if_id 33
	ok_if "and is free outside" ip -n "$A" link add x5 type xfrm if_id 33
	must ip -n "$A" link del x5
	must ip -n "$C" link del x4
}

# Each order starts with traffic in both families in flight. $B is the one that
# survives; it must find its own end usable, and nothing may keep a namespace.
orders()
{
	flood 10.7.0.2
	flood fd00:7::2
	must del_ns "$C"
	ok_if "container first: dies under traffic" reaped "$B"
	answers "container first: its if_id is free" OK "$A" add ipsec0 if_id=7
	must ip -n "$A" link set ipsec0 netns "$B" name ipsec9
	must ip netns del "$A"
	ok_if "then the SAs' namespace with the wire" reaped "$B"
	not_if "a device that was elsewhere is deleted with it" exists "$B" ipsec9
	not_if "the wire went too" exists "$B" wire0
	must del_ns "$B"

	container
	flood 10.7.0.2
	flood fd00:7::2
	# Not del_ns for the container: what floods there must live on.
	must ip netns del "$A"
	ok_if "SAs' namespace first: dies under traffic" reaped "$B"
	not_if "SAs' namespace first: the device is gone" exists "$C" ipsec0
	answers "SAs' namespace first: the container can have the if_id" OK "$C" add ipsec0 if_id=7
	must del_ns "$C"
	ok_if "then the container" reaped "$B"
	must del_ns "$B"

	container
	flood 10.7.0.2
	must ip -n "$A" link del wire0
	must del_ns "$C"
	must del_ns "$A"
	ok_if "lower device, container, SAs' namespace" reaped "$B"
	must del_ns "$B"

	container
	flood 10.7.0.2
	must ip -n "$A" link del wire0
	must ip netns del "$A"
	must del_ns "$C"
	must del_ns "$B"
	new_ns K
	ok_if "lower device and everything else at once" reaped "$K"

	# SAs and wire of a namespace are still there when the device is not.
	local i
	for i in 1 2 3 4; do
		container
		flood 10.7.0.2
		must ip netns del "$B"
		must del_ns "$C"
		must del_ns "$A"
	done
	ok_if "a namespace into which packets keep coming" reaped "$K"

	# A namespace that is home to the SAs of one device and the container of
	# the other, and the reverse.
	new_ns C
	new_ns D
	must ip -n "$C" link add x1 link-netns "$D" type xfrm if_id 1
	must ip -n "$D" link add y1 link-netns "$C" type xfrm if_id 1
	must ip -n "$K" link add x2 link-netns "$D" type xfrm external
	must ip -n "$C" link set x1 up
	must ip -n "$D" link set y1 up
	must ip netns del "$C"
	must ip netns del "$D"
	ok_if "two namespaces that hold each other's devices" reaped "$K"
	not_if "an external device goes with its namespace" exists "$K" x2
}

moved_device
if_ids_after_move
collisions
link_netns
orders
plan_done
