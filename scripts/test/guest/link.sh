#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# link.sh - the link kind as `ip link` sees it: create, show, change, refuse,
# delete, and what the lower device does to it.
#
#     $A                                          $B
#     ipsec0 (if_id 7)                            ipsec0 (if_id 7)
#     ipsec1 (if_id 8)                            ipsec1 (if_id 8)
#     wire0  --------------- veth --------------  wire0
#
# limit: 400

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

devices() { ip -n "$1" -o link | wc -l; }
mtu() { in_ns "$1" cat "/sys/class/net/$2/mtu"; }
in_a() { ip -n "$A" "$@"; }

create_and_show()
{
	ok_if "create with a lower device" in_a link add x1 type xfrm dev wire0 if_id 1
	same "show: lower device and if_id" "$(show "$A" x1)" 'wire0 {"if_id":"0x1"}'
	ok_if "create without a lower device" in_a link add x2 type xfrm if_id 0xfffffffe
	same "show: no lower device" "$(show "$A" x2)" '- {"if_id":"0xfffffffe"}'
	ok_if "create external" in_a link add x3 type xfrm external
	same "show: external" "$(show "$A" x3)" '- {"external":true}'
	same "show: type of the device" \
		"$(in_a -d link show dev x1 | grep -o 'link/none\|NOARP' | sort | paste -sd' ')" \
		"NOARP link/none"

	answers "if_id of another device" EEXIST "$A" add x4 if_id=1
	answers "if_id of another device, other lower device" EEXIST "$A" add x4 if_id=1 link=1
	answers "second external device" EEXIST "$A" add x4 external
	answers "if_id 0" EINVAL "$A" add x4 if_id=0
	answers "no if_id" EINVAL "$A" add x4
	answers "external with if_id" EINVAL "$A" add x4 external if_id=4
	answers "external with lower device" EINVAL "$A" add x4 external link=1
	not_if "nothing was made by a refused request" exists "$A" x4
	same "name taken: EEXIST" "$(nl "$A" add wire0 if_id=4 | cut -d: -f1)" EEXIST
	answers "the same if_id in another namespace" OK "$B" add x1 if_id=1

	ok_if "delete external" in_a link del x3
	ok_if "external can be made again" in_a link add x3 type xfrm external
	for dev in x1 x2 x3; do
		ok_if "delete $dev" in_a link del $dev
	done
	ok_if "a deleted if_id is free" in_a link add x1 type xfrm if_id 1
	ok_if "delete while up" eval 'in_a link set x1 up && in_a link del x1'
	must ip -n "$B" link del x1
}

# Neither direction, and the device is still in the right list: deleting an
# external device that was filed by if_id was a use after free.
external_stays()
{
	must ip -n "$A" link add x1 type xfrm dev wire0 if_id 1
	must ip -n "$A" link add x3 type xfrm external
	local wire
	wire=$(in_ns "$A" cat /sys/class/net/wire0/ifindex)

	answers "change to external" EINVAL "$A" change x1 external
	answers "change to external, if_id kept" EINVAL "$A" change x1 external if_id=1 link="$wire"
	answers "external to if_id" EINVAL "$A" change x3 if_id=5
	answers "external to external" EINVAL "$A" change x3 external
	answers "external to external with if_id" EINVAL "$A" change x3 external if_id=5
	same "plain device as before" "$(show "$A" x1)" 'wire0 {"if_id":"0x1"}'
	same "external device as before" "$(show "$A" x3)" '- {"external":true}'
	answers "if_id not taken by a refused change" OK "$A" add x5 if_id=5
	ok_if "delete after refused changes" eval \
		'in_a link del x3 && in_a link del x1 && in_a link del x5'
	ok_if "external list is empty again" in_a link add x3 type xfrm external
	ok_if "if_id list is empty again" in_a link add x1 type xfrm if_id 1
	must ip -n "$A" link del x3
	must ip -n "$A" link del x1
}

refused_changes()
{
	must ip -n "$A" link add x1 type xfrm dev wire0 if_id 1
	must ip -n "$A" link add x2 type xfrm if_id 2
	local wire
	wire=$(in_ns "$A" cat /sys/class/net/wire0/ifindex)

	answers "change to a taken if_id" EEXIST "$A" change x2 if_id=1
	answers "change of the lower device" EINVAL "$A" change x1 if_id=1 link=1
	answers "change of lower device and if_id" EINVAL "$A" change x1 if_id=3 link=1
	answers "lower device left out" EINVAL "$A" change x1 if_id=3
	answers "lower device for one without" EINVAL "$A" change x2 if_id=3 link="$wire"
	answers "change to if_id 0" EINVAL "$A" change x1 if_id=0 link="$wire"
	answers "change without if_id" EINVAL "$A" change x1 link="$wire"
	same "x1 as before" "$(show "$A" x1)" 'wire0 {"if_id":"0x1"}'
	same "x2 as before" "$(show "$A" x2)" '- {"if_id":"0x2"}'
	answers "the if_id asked for is still free" OK "$A" add x3 if_id=3
	answers "change to the same values" OK "$A" change x1 if_id=1 link="$wire"
	answers "change of if_id" OK "$A" change x2 if_id=4
	same "show after the change" "$(show "$A" x2)" '- {"if_id":"0x4"}'
	answers "old if_id is free" OK "$A" add x4 if_id=2
	answers "new if_id is taken" EEXIST "$A" add x5 if_id=4
	for dev in x1 x2 x3 x4; do
		must ip -n "$A" link del $dev
	done
}

mtus()
{
	local wanted=1500
	! is_accel || wanted=1390
	must ip -n "$A" link add low type dummy
	must ip -n "$A" link add x1 type xfrm dev wire0 if_id 1
	must ip -n "$A" link add x2 type xfrm if_id 2
	same "default MTU over Ethernet" "$(mtu "$A" x1)" $wanted
	same "default MTU without lower device" "$(mtu "$A" x2)" $wanted
	if is_accel; then
		local lower want n=10
		for lower in 9000=8894 1492=1374 1400=1294 1300=1280 1280=1280 1000=894; do
			want=${lower#*=} lower=${lower%=*}
			must ip -n "$A" link set low mtu "$lower"
			must ip -n "$A" link add x$n type xfrm dev low if_id $n
			same "default MTU over a lower MTU of $lower" "$(mtu "$A" x$n)" "$want"
			must ip -n "$A" link del x$n
			n=$((n + 1))
		done
	fi
	must ip -n "$A" link add x3 mtu 1234 type xfrm dev wire0 if_id 3
	same "a given MTU is kept" "$(mtu "$A" x3)" 1234
	must ip -n "$A" link set wire0 mtu 1450
	same "the lower device's MTU is none of ours later" \
		"$(mtu "$A" x1) $(mtu "$A" x3)" "$wanted 1234"
	must ip -n "$A" link set wire0 mtu 1500
	ok_if "MTU 68" in_a link set x3 mtu 68
	ok_if "MTU 65535" in_a link set x3 mtu 65535
	not_if "MTU 67 refused" in_a link set x3 mtu 67
	not_if "MTU 65536 refused" in_a link set x3 mtu 65536
	not_if "create with MTU 65536 refused" in_a link add x4 mtu 65536 type xfrm if_id 4
	same "MTU after refused changes" "$(mtu "$A" x3)" 65535
	for dev in x1 x2 x3 low; do
		must ip -n "$A" link del $dev
	done
}

altnames()
{
	must ip -n "$A" link property add dev wire0 altname the-wire-between-the-two-hosts
	ok_if "lower device by altname" \
		in_a link add x1 type xfrm dev the-wire-between-the-two-hosts if_id 1
	same "show: lower device by its name" "$(show "$A" x1)" 'wire0 {"if_id":"0x1"}'
	must ip -n "$A" link property add dev x1 altname a-much-longer-name-than-fits
	ok_if "change by altname" in_a link set a-much-longer-name-than-fits \
		type xfrm dev wire0 if_id 2
	same "changed by altname" "$(show "$A" x1)" 'wire0 {"if_id":"0x2"}'
	ok_if "rename" in_a link set x1 name x9
	same "renamed" "$(show "$A" x9)" 'wire0 {"if_id":"0x2"}'
	ok_if "delete by altname" in_a link del a-much-longer-name-than-fits
	not_if "deleted" exists "$A" x9
	must ip -n "$A" link property del dev wire0 altname the-wire-between-the-two-hosts
}

# 1000 at once, then deleted in an order unlike that of creation; twice.
many()
{
	local before round
	before=$(devices "$A")
	seq 1 1000 | sed 's/.*/link add m& type xfrm dev wire0 if_id &/' >"$TMP/add"
	seq 1 1000 | awk '{ print ($1 * 7919) % 1009, $1 }' | sort -n |
		sed 's/.* /link del m/' >"$TMP/del"
	for round in 1 2; do
		ok_if "1000 devices, round $round: create" in_a -batch "$TMP/add"
		same "1000 devices, round $round: all there" \
			"$(devices "$A")" $((before + 1000))
		refused "1000 devices, round $round: if_id 500 is taken" "exists|if_id" \
			ip -n "$A" link add x1 type xfrm if_id 500
		ok_if "1000 devices, round $round: delete" in_a -batch "$TMP/del"
		same "1000 devices, round $round: none left" "$(devices "$A")" "$before"
	done
}

change_under_traffic()
{
	tunnel if_id=7 dev=ipsec0
	tunnel if_id=8 dev=ipsec1 spi=0x2000 reqid=2
	ok_if "traffic before the change" eval \
		'pings $A 10.7.0.2 && pings $A fd00:7::2 && pings $A 10.8.0.2'

	# SAs and policies for both if_ids stand: only the devices change.
	must ip -n "$A" link set ipsec1 type xfrm dev wire0 if_id 9
	ok_if "no traffic over the device after its if_id changed" no_ping "$A" 10.8.0.2
	ok_if "nothing arrives at it either" no_ping "$B" 10.8.0.1
	ok_if "the other device is not touched" pings "$A" 10.7.0.2
	sa_pair if_id=9 spi=0x3000 reqid=3
	policy_pair if_id=9 reqid=3
	must ip -n "$B" link set ipsec1 type xfrm dev wire0 if_id 9
	ok_if "traffic follows the new if_id (IPv4)" pings "$A" 10.8.0.2
	ok_if "traffic follows the new if_id (IPv6)" pings "$A" fd00:8::2
	must ip -n "$A" link add ipsec2 type xfrm dev wire0 if_id 8
	must ip -n "$A" link set ipsec2 up
	ok_if "a new device may have the old if_id" exists "$A" ipsec2
	# A packet for if_id 8 must show up there and not on the changed device.
	local before
	before=$(stat "$A" ipsec1 rx_packets)
	must ip -n "$B" link add ipsec2 type xfrm dev wire0 if_id 8
	must ip -n "$B" link set ipsec2 up
	must ip -n "$B" route add 10.99.0.1 dev ipsec2 src 10.8.0.2
	in_ns "$B" ping -n -q -c 3 -i 0.05 -W 1 10.99.0.1 >/dev/null || true
	ok_if "packets of the old if_id arrive at the new device" \
		wait_for 5 eval '[ "$(stat $A ipsec2 rx_packets)" = 3 ]'
	same "and not at the changed one" "$(stat "$A" ipsec1 rx_packets)" "$before"

	# 100 changes of one device while the other one carries a flood.
	in_ns "$A" ping -n -q -i 0.002 -c 1500 -W 5 10.7.0.2 >"$TMP/flood" 2>&1 &
	local flood=$!
	seq 100 | sed 's/.*[02468]$/& 9/; t; s/$/ 20/' |
		sed 's/.* \(.*\)/link set ipsec1 type xfrm dev wire0 if_id \1/' >"$TMP/changes"
	must ip -n "$A" -batch "$TMP/changes"
	wait $flood || true
	ok_if "changes of another device lose none of 1500 packets" \
		grep " 1500 received" "$TMP/flood"
	# And the changed one itself under its own traffic: no more than loss.
	in_ns "$A" ping -n -q -i 0.002 -c 500 -W 1 10.8.0.2 >/dev/null 2>&1 &
	flood=$!
	must ip -n "$A" -batch "$TMP/changes"
	wait $flood || true
	ok_if "a device changed under its own traffic works afterwards" pings "$A" 10.8.0.2
}

lower_device()
{
	must ip -n "$A" link set wire0 down
	ok_if "lower device down: no traffic" no_ping "$A" 10.7.0.2
	same "lower device down: carrier is not its" \
		"$(in_ns "$A" cat /sys/class/net/ipsec0/carrier)" 1
	must ip -n "$A" link set wire0 up
	ok_if "lower device up: traffic" wait_for 10 pings "$A" 10.7.0.2 1
	must ip -n "$B" link set ipsec0 down
	ok_if "device down: no traffic" no_ping "$A" 10.7.0.2
	must ip -n "$B" link set ipsec0 up
	ok_if "device up: traffic" wait_for 10 pings "$A" 10.7.0.2 1

	# As in-tree: the device stays, points nowhere, and can still be deleted;
	# its SAs may leave by another way.
	must ip -n "$A" link add low type dummy
	must ip -n "$A" link set low up
	must ip -n "$A" link add x1 type xfrm dev low if_id 50
	must ip -n "$A" link set x1 up
	ok_if "lower device deleted" in_a link del low
	ok_if "the interface stays" exists "$A" x1
	same "its if_id too" "$(show "$A" x1 | cut -d' ' -f2)" '{"if_id":"0x32"}'
	answers "its if_id is taken still" EEXIST "$A" add x2 if_id=50
	ok_if "sending over it is an error only" eval '
		in_a addr add 10.50.0.1/24 dev x1
		! in_ns $A ping -n -c1 -W1 10.50.0.2'
	ok_if "delete after the lower device" in_a link del x1
	must ip -n "$A" link del wire0
	ok_if "wire deleted: no traffic" no_ping "$A" 10.7.0.2
	ok_if "delete with SAs and policies in place" eval '
		in_a link del ipsec0 && in_a link del ipsec1 && in_a link del ipsec2'
}

two_hosts
create_and_show
external_stays
refused_changes
mtus
altnames
many
change_under_traffic
lower_device
plan_done
