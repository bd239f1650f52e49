#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# cpus: 2
# espnic as a link: what it is made of and refused, that it follows its wire, what
# stands on it, and that it goes with everything that is in it.
#
#     $A  nic0                                    $B
#         wire0 ---------------- veth ----------- wire0
#
# limit: 900

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/nic.sh
. "$TESTDIR/helpers/nic.sh"

is_accel || skip_all nic_link "it is ours alone"
skip_without_python nic_link

taken="EBUSY: the lower device is taken: a bridge, bond, team, macvlan, Open vSwitch or another espnic has it"

refusals()
{
	must ip -n "$A" link add spare type veth peer name other
	must ip -n "$A" link add spare2 type veth peer name other2
	nic_says "no such lower device" "$A" "ENODEV: there is no such lower device" add bad link=none
	nic_says "a lower device that is not Ethernet" "$A" "EINVAL: the lower device is not Ethernet" \
		add bad link=ipsec0
	nic_says "the loopback device" "$A" "EINVAL: the lower device is not Ethernet" add bad link=lo
	must ip -n "$A" link add br0 type bridge
	must ip -n "$A" link set spare master br0
	nic_says "a port of a bridge" "$A" "$taken" add bad link=spare
	must ip -n "$A" link set spare nomaster
	must ip -n "$A" link add mac0 link spare type macvlan
	nic_says "what a macvlan is on" "$A" "$taken" add bad link=spare
	must ip -n "$A" link del mac0
	must ip -n "$A" link add alone type espnic
	nic_says "and a bad peer" "$A" "ENODEV: the peer is no espnic" add bad peer=spare
	nic_says "both a lower device and a peer" "$A" \
		"EINVAL: a device has a lower device or a peer, not both" add bad link=spare peer=alone
	nic_says "an SA to lose, before there is one" "$A" "EINVAL: a new device has no SA to lose" \
		add bad lose=1
	nic_says "a good one" "$A" OK add good link=spare
	nic_says "a second one on the same wire" "$A" "$taken" add bad link=spare
	refused "nor does a bridge get that wire" "" ip -n "$A" link set spare master br0
	refused "nor a macvlan" "" ip -n "$A" link add mac0 link spare type macvlan
	refused "an MTU above the wire's" "" ip -n "$A" link set good mtu 9000
	refused "an MTU above the wire's from the start" "mtu is above" \
		ip -n "$A" link add link spare2 name bad mtu 9000 type espnic
	nic_says "another peer, later" "$A" "EINVAL: the peer cannot be changed" change good peer=alone
	not_if "nothing that was refused is there" exists "$A" bad
	same "the answer to a question that is none" "$(nic "$A" change good refuse=3 | cut -d: -f1)" ERANGE
	nic_says "everything that can be said" "$A" OK change good sa_max=7 refuse=1 corrupt=2 reorder=3 stall=1
	same "is shown" "$(nic "$A" show good | paste -sd' ')" \
		"sa_max=7 sa_count=0 refuse=1 corrupt=2 reorder=3 stall=1"
	for dev in good alone br0 spare spare2; do
		must ip -n "$A" link del $dev
	done
}

operstate() { [ "$(in_ns "$1" cat "/sys/class/net/$2/operstate")" = "$3" ]; }

features() { in_ns "$A" ethtool -k nic0 | awk '/esp-hw-offload|esp-tx-csum-hw-offload|tx-esp-segmentation/ { printf "%s%s", s, $2; s = " " }'; }

follows_its_wire()
{
	nic_on A
	same "the MTU is the wire's" "$(in_ns "$A" cat /sys/class/net/nic0/mtu)" 1500
	must ip -n "$A" link set wire0 mtu 1400
	same "a smaller MTU of the wire is its own" "$(in_ns "$A" cat /sys/class/net/nic0/mtu)" 1400
	must ip -n "$A" link set wire0 mtu 1500
	must ip -n "$A" link set nic0 mtu 1500
	same "the MAC address is the wire's" "$(in_ns "$A" cat /sys/class/net/nic0/address)" \
		"$(in_ns "$A" cat /sys/class/net/wire0/address)"
	must ip -n "$A" link set nic0 address 02:00:00:00:00:77
	must ip -n "$B" neigh flush dev wire0
	wire_works "with a MAC address of its own"
	must ip -n "$B" link set wire0 down
	ok_if "without a carrier of the wire it has none" wait_for 10 operstate "$A" nic0 lowerlayerdown
	must ip -n "$B" link set wire0 up
	ok_if "and gets it back" wait_for 10 operstate "$A" nic0 up
	must ip -n "$B" addr replace $OUT6_B/64 dev wire0 nodad
	must ip -n "$A" maddr add 01:00:5e:00:00:99 dev nic0
	ok_if "multicast goes to the wire's filter" \
		eval 'ip -n "$A" maddr show dev wire0 | grep -q 01:00:5e:00:00:99'
	must ip -n "$A" link set nic0 promisc on
	ok_if "promiscuity does" eval 'ip -n "$A" -d link show wire0 | grep -qE "promiscuity [1-9]"'
	must ip -n "$A" link set nic0 promisc off
	same "the driver" "$(in_ns "$A" ethtool -i nic0 | sed -n 's/^driver: //p')" espnic
	same "the features" "$(features)" "on on on"
	must in_ns "$A" ethtool -K nic0 esp-hw-offload off
	same "one without which the others are none" "$(features)" "off off off"
	must in_ns "$A" ethtool -K nic0 esp-hw-offload on esp-tx-csum-hw-offload on tx-esp-segmentation on
	same "and on again" "$(features)" "on on on"
}

stands_on_it()
{
	must ip -n "$A" link add link nic0 name nic0.5 type vlan id 5
	must ip -n "$A" addr add 192.0.5.1/24 dev nic0.5
	must ip -n "$A" link set nic0.5 up
	must ip -n "$B" link add link wire0 name wire0.5 type vlan id 5
	must ip -n "$B" addr add 192.0.5.2/24 dev wire0.5
	must ip -n "$B" link set wire0.5 up
	ok_if "a VLAN on it" wait_for 10 in_ns "$A" ping -c1 -W1 192.0.5.2
	must ip -n "$A" link del nic0.5
	must ip -n "$B" link del wire0.5

	new_ns C
	must ip -n "$A" link add mac0 link nic0 type macvlan mode bridge
	must ip -n "$A" link set mac0 netns "$C"
	must ip -n "$C" addr add 192.0.2.7/24 dev mac0
	must ip -n "$C" link set mac0 up
	ok_if "a macvlan on it, in another namespace" wait_for 10 in_ns "$C" ping -c1 -W1 $OUT4_B
	ok_if "from outside, too" wait_for 10 in_ns "$B" ping -c1 -W1 192.0.2.7
	wire_works "beside a macvlan"
	del_ns "$C"

	# What is addressed to nobody here is seen when asked for.
	must ip -n "$B" neigh replace 192.0.2.66 lladdr 02:00:00:00:00:66 dev wire0
	must ip -n "$A" link set nic0 promisc on
	watch_wire "$A" nic0 others in
	in_ns "$B" ping -q -c 3 -i 0.1 -W 1 192.0.2.66 >/dev/null || true
	same "promiscuous, it shows what others are sent" "$(seen icmp "$(wire others)")" 3
	close_talk others
	must ip -n "$A" link set nic0 promisc off

	must ip -n "$A" -batch - <<-END
		link add br0 type bridge
		addr flush dev nic0
		link set nic0 master br0
		addr add $OUT4_A/24 dev br0
		link set br0 up
	END
	ok_if "a bridge has it as a port" wait_for 20 in_ns "$A" ping -c1 -W1 $OUT4_B
	must ip -n "$A" link del br0
	takes_addresses A nic0
	wire_works "without the bridge"
}

# offloaded: SAs and an interface on A, for nic0; B's kernel or engine
offloaded()
{
	nic_sas A
	sa_pair sides=B
	policy_pair
	xfrm_link A link=nic0
	xfrm_link B
}

tunnel_works()
{
	ok_if "$1: IPv4 through the tunnel" pings "$A" 10.7.0.2
	ok_if "$1: IPv6 through the tunnel" pings "$A" fd00:7::2
}

under_an_interface()
{
	offloaded
	tunnel_works "an xfrm interface over it"
	ok_if "nic0 encrypts" test "$(count "$A" ipsec_tx_pkts)" -ge 6
	ok_if "and decrypts" test "$(count "$A" ipsec_rx_pkts)" -ge 6
	serve "$B"
	open_client "$A"
	for way in "on on on" "on off on" "on on off" "on off off" "off off off"; do
		# shellcheck disable=SC2086
		set -- $way
		must in_ns "$A" ethtool -K nic0 esp-hw-offload $1 esp-tx-csum-hw-offload $2 tx-esp-segmentation $3
		ok_if "features $way: what is sent arrives" client 10.7.0.2 --ping 100 --tcp 300000 --udp 1,1300
	done
	must in_ns "$A" ethtool -K nic0 esp-hw-offload on esp-tx-csum-hw-offload on tx-esp-segmentation on
	no_sign_of_errors
}

no_sign_of_errors()
{
	same "no xfrm error on either host" "$(for ns in "$A" "$B"; do in_ns "$ns" awk '$2 { print $1, $2 }' \
		/proc/net/xfrm_stat; done)" ""
}

offload_count() { ip -n "$1" xfrm state | grep -c 'offload parameters' || true; }

no_offload() { [ "$(offload_count "$A")" = 0 ]; }

# many_sas N: so many more, of nothing that is sent
many_sas()
{
	local i
	for ((i = 0; i < $1; i++)); do
		echo "xfrm state add src $OUT4_A dst 198.51.$((i / 250)).$((i % 250 + 1)) proto esp spi $((0x900000 + i))" \
			"reqid 9 mode tunnel aead rfc4106(gcm(aes)) 0x00112233445566778899aabbccddeeff01020304 128" \
			"offload dev nic0 dir out"
	done >"$TMP/many"
	must ip -n "$A" -batch "$TMP/many"
}

flood()
{
	ip netns exec "$A" ping -q -f -s 1000 10.7.0.2 >/dev/null 2>&1 &
	at_exit kill $!
	FLOOD=$!
}

users() { [ "$(cat /sys/module/xfrm_accel/refcnt)" = "$1" ]; }

goes_with_everything()
{
	must ip -n "$A" link set nic0 down
	ok_if "down and idle: only the SAs of the other host are left" wait_for 10 users 2
	takes_addresses A nic0
	nic_sas A
	wire_works "up again"
	many_sas 2000
	same "SAs by the thousand" "$(nic "$A" show nic0 sa_count)" 2002
	flood
	must ip -n "$A" link set nic0 down
	ok_if "down: the kernel deletes the SAs" wait_for 20 no_offload
	same "and the device has none" "$(nic "$A" show nic0 sa_count)" 0
	kill $FLOOD
	takes_addresses A nic0

	many_sas 500
	nic_sas A
	wire_works "up again"
	tunnel_works "with new SAs"
	flood
	ok_if "it is deleted with SAs and traffic" ip -n "$A" link del nic0
	kill $FLOOD
	ok_if "and the kernel has no SA of it" wait_for 20 no_offload

	takes_addresses A wire0
	nic_on A
	must ip -n "$A" link set ipsec0 down
	must ip -n "$A" link del ipsec0
	xfrm_link A link=nic0
	nic_sas A
	tunnel_works "with a new device"
	flood
	must ip -n "$A" link del wire0
	kill $FLOOD
	not_if "it goes with its wire" exists "$A" nic0
	flush_xfrm
	del_ns "$A"
	del_ns "$B"
}

# transport NS NEAR FAR OUT IN: the kernel's own ESP between two hosts
transport()
{
	local gcm="aead rfc4106(gcm(aes)) 0x00112233445566778899aabbccddeeff01020304 128"
	must ip -n "$1" -batch - <<-END
		xfrm state add src $2 dst $3 proto esp spi $4 mode transport $gcm
		xfrm state add src $3 dst $2 proto esp spi $5 mode transport $gcm
		xfrm policy add src $2 dst $3 dir out tmpl proto esp mode transport
		xfrm policy add src $3 dst $2 dir in tmpl proto esp mode transport
	END
}

# namesakes NS: nic0 is there, its wire in A, where an SA has the SPI of another in NS
namesakes()
{
	# A veth's GRO is for what the other end has not sent as trains.
	must in_ns "$A" ethtool -K wire0 gro on
	must in_ns "$B" ethtool -K wire0 tso off
	transport "$1" $OUT4_A $OUT4_B 0x78 0x77
	transport "$B" $OUT4_B $OUT4_A 0x77 0x78
	must ip -n "$A" xfrm state add src $OUT4_B dst $OUT4_A proto esp spi 0x77 mode transport \
		aead "rfc4106(gcm(aes))" 0xffffffffffffffffffffffffffffffff01020304 128
	ok_if "SAs are those of its namespace, not of its wire's" pings "$1" $OUT4_B
	same "which have seen nothing" "$(mib "$A" XfrmInStateProtoError)" 0
	must ip -n "$1" xfrm policy flush
	must ip -n "$1" xfrm state flush
	flush_xfrm
}

moves()
{
	local c
	two_hosts
	new_ns C
	c=$C
	must ip -n "$A" link add link wire0 name nic0 netns "$c" type espnic
	must ip -n "$A" addr flush dev wire0
	must ip -n "$c" addr add $OUT4_A/24 dev nic0
	must ip -n "$c" link set nic0 up
	ok_if "in another namespace than its wire" wait_for 10 in_ns "$c" ping -c1 -W1 $OUT4_B
	namesakes "$c"
	must ip -n "$c" link set nic0 netns "$A"
	must ip -n "$A" addr add $OUT4_A/24 dev nic0
	must ip -n "$A" link set nic0 up
	ok_if "moved into the same" wait_for 10 in_ns "$A" ping -c1 -W1 $OUT4_B
	del_ns "$C"
	del_ns "$A"
	del_ns "$B"
}

pair()
{
	new_ns A
	new_ns B
	OUT4_A=192.0.2.1 OUT4_B=192.0.2.2 OUT6_A=2001:db8:1::1 OUT6_B=2001:db8:1::2
	must ip -n "$A" link add nic0 type espnic
	nic_says "a peer" "$A" OK add nic1 peer=nic0
	nic_says "one that has a peer already" "$A" "EBUSY: the peer has a wire already" add nic2 peer=nic0
	must ip -n "$A" link set nic1 netns "$B"
	must ip -n "$B" link set nic1 name nic0
	for host in A B; do
		out4=OUT4_$host out6=OUT6_$host
		must ip -n "${!host}" addr add "${!out4}/24" dev nic0
		must ip -n "${!host}" addr add "${!out6}/64" dev nic0 nodad
		must ip -n "${!host}" link set nic0 up
	done
	wire_works "two of them"
	[ "$inbound" ] || return 0
	nic_sas A
	nic_sas B
	policy_pair
	xfrm_link A link=nic0
	xfrm_link B link=nic0
	tunnel_works "between two of them"
	serve "$B"
	open_client "$A"
	ok_if "two of them: what is sent arrives" client 10.7.0.2 --ping 100 --tcp 300000 --udp 1,1300
	ok_if "one encrypts" test "$(count "$A" ipsec_tx_pkts)" -gt 100
	same "and the other decrypts it" "$(count "$B" ipsec_rx_pkts)" "$(count "$A" ipsec_tx_pkts)"
	no_sign_of_errors
	must ip -n "$B" link del nic0
	ok_if "without its peer it has no carrier" wait_for 10 operstate "$A" nic0 down
	flush_xfrm
}

# Packets that TCP has read wait on a list of the CPU that made them, to be freed when that
# one receives something. Until then they hold their SA, and on 6.1 that its device.
every_cpu_receives()
{
	local cpu H
	new_ns H
	for cpu in 0 1; do
		ip netns exec "$H" taskset -c $cpu ping -q -i 0.2 127.0.0.1 >/dev/null 2>&1 &
		at_exit kill $!
	done
}

every_cpu_receives
two_hosts
must ip -n "$A" link add ipsec0 type xfrm dev wire0 if_id 7
refusals
must ip -n "$A" link del ipsec0
follows_its_wire
stands_on_it
inbound=yes
takes_inbound || inbound=
if [ "$inbound" ]; then
	under_an_interface
	goes_with_everything
else
	skip "tunnels through it" "this kernel gives no inbound SA with an if_id to a device"
	del_ns "$A"
	del_ns "$B"
fi
moves
pair
plan_done
