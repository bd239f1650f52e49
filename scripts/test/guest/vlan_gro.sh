#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ESP over a VLAN whose lower device does GRO, with our engine or, judging the
# in-tree interface, with the kernel's ESP offload: GRO
# takes the ESP packet before its VLAN tag is looked at. The tag must not stay on
# the decrypted packet, or that dies as somebody else's (PACKET_OTHERHOST).
#
#     $A  ipsec0 10.7.0.1, fd00:7::1                $B  ipsec0 10.7.0.2, fd00:7::2
#         vlan5  192.0.2.1, 2001:db8:1::1               vlan5  192.0.2.2, 2001:db8:1::2
#         nic0 (gro on)  -----------------------------  nic0 (gro on)

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"

OUT4_A=192.0.2.1 OUT4_B=192.0.2.2 OUT6_A=2001:db8:1::1 OUT6_B=2001:db8:1::2

# veth runs GRO when it is asked to and its peer sends no ready-made trains.
wire()
{
	local host n
	new_ns A
	new_ns B
	must ip -n "$A" link add nic0 type veth peer name nic0 netns "$B"
	for host in A B; do
		n=$([ $host = A ] && echo 1 || echo 2)
		must in_ns "${!host}" ethtool -K nic0 gro on tso off
		must ip -n "${!host}" link set nic0 up
		must ip -n "${!host}" link add link nic0 name vlan5 type vlan id 5
		must ip -n "${!host}" addr add 192.0.2.$n/24 dev vlan5
		must ip -n "${!host}" addr add 2001:db8:1::$n/64 dev vlan5 nodad
		must ip -n "${!host}" link set vlan5 up
		[ "$(in_ns "${!host}" ethtool -k nic0 | grep -cE '^[rt]x-vlan-offload: on')" = 2 ] ||
			die "nic0 has no VLAN offload: the tag would not be where this test wants it"
	done
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT4_B || die "no wire (IPv4)"
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT6_B || die "no wire (IPv6)"
}

# taken_by_gro FAR: ESP GRO happens before taps: a capture on the NIC of what
# comes in does not see the packets that it takes
taken_by_gro()
{
	local said
	ask watch "" && answer watch 20 >/dev/null
	pings "$A" "$1" || return
	ask watch "" && said=$(answer watch 20)
	echo "B's nic0 has let captures see: $said"
	[ "$said" = "max=0" ]
}

skip_without_python vlan_gro
have ethtool || skip_all vlan_gro "ethtool is not installed"
if ! is_accel; then
	modprobe -a esp4_offload esp6_offload 2>/dev/null ||
		skip_all vlan_gro "esp4_offload and esp6_offload do not load here"
	at_exit modprobe -r esp4_offload esp6_offload
fi
modprobe 8021q 2>/dev/null || skip_all vlan_gro "this kernel has no VLANs"

wire
sa_pair ab="replay-window 32" ba="replay-window 32"
policy_pair
xfrm_link A link=vlan5
xfrm_link B link=vlan5
sa_pair outer=6 if_id=8 spi=0x2000 reqid=2
policy_pair outer=6 if_id=8 reqid=2
xfrm_link A if_id=8 dev=ipsec1 link=vlan5
xfrm_link B if_id=8 dev=ipsec1 link=vlan5
serve "$B"
open_client "$A"
open_talk watch ip netns exec "$B" "$TESTDIR/helpers/wirewatch.py" nic0 in

for far in 10.7.0.2 fd00:7::2 10.8.0.2 fd00:8::2; do
	ok_if "over a VLAN, taken by GRO: ping $far" taken_by_gro $far
	ok_if "over a VLAN, taken by GRO: UDP and TCP to $far" client $far --udp 100,1200 --tcp 300000
done

# The same in small: without GRO there was never a doubt.
for host in A B; do
	must in_ns "${!host}" ethtool -K nic0 gro off
done
ok_if "over a VLAN without GRO: ping" pings "$A" 10.7.0.2
not_if "over a VLAN without GRO: captures see the ESP packets" taken_by_gro 10.7.0.2
plan_done
