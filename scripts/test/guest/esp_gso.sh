#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Trains that are to be encrypted, and everybody who may cut one on its way to the
# device: queueing disciplines, a VLAN, a user of netfilter's queue, a device that
# does nothing itself. What arrives is what was sent, numbers on the wire are dense
# where nothing is lost, and none comes twice anywhere, but for copies of a packet.
#
#     $A  ipsec0                      $R                           $B  ipsec0
#         10.7.0.1, fd00:7::1                                          10.7.0.2, fd00:7::2
#         wire0 192.0.2.1  ---- left 192.0.2.254
#               2001:db8:1::1        2001:db8:1::254
#                               right 198.51.100.254 ------------- wire0 198.51.100.2
#                                     2001:db8:2::254                    2001:db8:2::2
#
# The wire can lose and reorder only what has been encrypted already: that is $R's part.
# What a queueing discipline of $A loses has not been.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/esp.sh
. "$TESTDIR/helpers/esp.sh"
# shellcheck source=scripts/test/helpers/trace.sh
. "$TESTDIR/helpers/trace.sh"

OUT4_A=192.0.2.1 OUT4_B=198.51.100.2 OUT6_A=2001:db8:1::1 OUT6_B=2001:db8:2::2
far4=10.7.0.2 far6=fd00:8::2
train_event=net/net_dev_queue

topology()
{
	new_ns A
	new_ns R
	new_ns B
	must ip -n "$A" link add wire0 type veth peer name left netns "$R"
	must ip -n "$B" link add wire0 type veth peer name right netns "$R"
	must ip -n "$A" -batch - <<-END
		addr add $OUT4_A/24 dev wire0
		addr add $OUT6_A/64 dev wire0 nodad
		link set wire0 up
		route add default via 192.0.2.254
		route add default via 2001:db8:1::254
	END
	must ip -n "$R" -batch - <<-END
		addr add 192.0.2.254/24 dev left
		addr add 2001:db8:1::254/64 dev left nodad
		addr add 198.51.100.254/24 dev right
		addr add 2001:db8:2::254/64 dev right nodad
		link set left up
		link set right up
	END
	must ip -n "$B" -batch - <<-END
		addr add $OUT4_B/24 dev wire0
		addr add $OUT6_B/64 dev wire0 nodad
		link set wire0 up
		route add default via 198.51.100.254
		route add default via 2001:db8:2::254
	END
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT4_B || die "no way (IPv4)"
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT6_B || die "no way (IPv6)"
	# GRO at B: its engine decrypts.
	esp_gro "$B" on
	must in_ns "$R" ethtool -K right tso off
}

# tunnels: by IPv4 with if_id 7 and, with ESN, by IPv6 with if_id 8
tunnels()
{
	local esn="replay-window 128 flag esn af-unspec"
	sa_pair ab="replay-window 32" ba="replay-window 32"
	policy_pair
	sa_pair if_id=8 outer=6 spi=0x2000 reqid=2 sel='' ab="$esn" ba="$esn"
	policy_pair if_id=8 outer=6 reqid=2
	xfrm_link A
	xfrm_link B
	xfrm_link A if_id=8 dev=ipsec1
	xfrm_link B if_id=8 dev=ipsec1
}

bulk=400000

sends() { client $far4 --tcp $bulk --udp 1,1300 && client $far6 --tcp $bulk --udp 1,1300; }

trains_left() { [ "$(traced "net_dev_queue: dev=$1")" -gt 0 ]; }

# arrives NAME [DEV]: both tunnels, all numbers, no error
arrives()
{
	local said dev=${2:-wire0}
	trace_clear
	esp_seen sent >/dev/null
	ok_if "$1: TCP and UDP arrive" sends
	said=$(esp_seen sent)
	ok_if "$1: numbers are dense" dense "$said"
	ok_if "$1: those of both tunnels" grep -q '0x1000 .*0x2000 ' <<<"$said"
	[ "${3:-trains}" = none ] || ok_if "$1: trains came to the device" trains_left "$dev"
	no_errors "$1"
}

# disciplined NAME WORDS...: a queueing discipline at A's device
disciplined()
{
	local name=$1
	shift
	if ! tc -n "$A" qdisc add dev wire0 root "$@" 2>"$TMP/tc"; then
		skip "$name" "this kernel or tc has none: $(tail -n 1 "$TMP/tc")"
		return
	fi
	arrives "$name"
	must tc -n "$A" qdisc del dev wire0 root
}

disciplines()
{
	# With a patience in which they drop nothing: a lab is slow.
	disciplined "fq_codel" fq_codel target 10s interval 100s
	# A burst of two packets: it has to cut what is longer.
	disciplined "tbf with a small burst" tbf rate 200mbit burst 3200 latency 1s
	disciplined "cake that cuts trains" cake bandwidth 200mbit split-gso interplanetary
	disciplined "cake that does not" cake bandwidth 500mbit no-split-gso interplanetary
	disciplined "netem with a delay" netem delay 1ms limit 10000

}

features()
{
	local dev
	must in_ns "$A" ethtool -K wire0 tso off
	arrives "a device without TSO"
	must in_ns "$A" ethtool -K wire0 tso off gso off sg off tx off
	arrives "a device that does nothing" wire0 none
	must in_ns "$A" ethtool -K wire0 tso on gso on sg on tx on
	for dev in ipsec0 ipsec1; do
		must in_ns "$A" ethtool -K $dev gso off
	done
	arrives "an interface without GSO" wire0 none
	for dev in ipsec0 ipsec1; do
		must in_ns "$A" ethtool -K $dev gso on
	done
}

# copied NAME: the copies of a packet are one packet to the cipher: whoever saw two with one
# number could compute what is in them (RFC 4106, section 9).
copied()
{
	local said
	esp_seen sent >/dev/null
	ok_if "$1: TCP arrives (IPv4)" client $far4 --tcp $bulk --timeout 60
	ok_if "$1: TCP arrives (IPv6)" client $far6 --tcp $bulk --timeout 60
	said=$(esp_seen sent)
	ok_if "$1: there are copies" grep -q 'twice=[1-9]' <<<"$said"
	not_if "$1: and nothing else has their numbers" grep -E 'reused=[1-9]' <<<"$said"
}

duplicates()
{
	local name="netem that duplicates trains"
	if ! tc -n "$A" qdisc add dev "$1" root netem duplicate 30% 2>"$TMP/tc"; then
		skip "$name" "this kernel or tc has none: $(tail -n 1 "$TMP/tc")"
		return
	fi
	copied "$name"
	# It cuts what comes to it, and duplicates segments.
	name="netem that duplicates segments"
	must tc -n "$A" qdisc replace dev "$1" root handle 1: tbf rate 200mbit burst 3200 latency 1s
	must tc -n "$A" qdisc add dev "$1" parent 1:1 netem duplicate 30%
	copied "$name"
	must tc -n "$A" qdisc del dev "$1" root
}

queued() { ask queue "" && [ "$(answer queue 20)" -ge "$1" ]; }

# Trains have been through the SA, not yet through the cipher, when netfilter sees them.
netfilter_queue()
{
	modprobe -aq nfnetlink_queue nft_queue || true
	if ! in_ns "$A" nft -f - 2>"$TMP/nft" <<-'END'
		table inet t {
			chain c {
				type filter hook postrouting priority 0
				meta l4proto esp queue num 5
			}
		}
	END
	then
		skip "netfilter's queue" "$(head -n 1 "$TMP/nft")"
		return
	fi
	open_talk queue ip netns exec "$A" "$TESTDIR/helpers/nfqueue.py" 5
	arrives "netfilter's queue" wire0 none
	ok_if "netfilter's queue: segments went through it" queued 400
	must in_ns "$A" nft delete table inet t
	close_talk queue
}

# outer_moves FROM TO: A's outer addresses
outer_moves()
{
	must ip -n "$A" -batch - <<-END
		link set $2 up
		addr del $OUT4_A/24 dev $1
		addr del $OUT6_A/64 dev $1
		addr add $OUT4_A/24 dev $2
		addr add $OUT6_A/64 dev $2 nodad
		route add default via 192.0.2.254
		route replace default via 2001:db8:1::254
	END
	# The new device may have another address on the link.
	must ip -n "$R" neigh flush all
	must ip -n "$A" neigh flush all
}

# A switch that asks a daemon about a flow's first packet, and cuts trains to do so.
open_vswitch()
{
	local dir=$TMP/ovs
	if ! have ovs-vswitchd || ! modprobe -q openvswitch; then
		skip "Open vSwitch" "this root or kernel has none"
		return
	fi
	mkdir "$dir"
	export OVS_RUNDIR=$dir OVS_LOGDIR=$dir OVS_DBDIR=$dir OVS_SYSCONFDIR=$dir
	must ovsdb-tool create "$dir/conf.db" /usr/share/openvswitch/vswitch.ovsschema
	must in_ns "$A" ovsdb-server "$dir/conf.db" --remote="punix:$dir/db.sock" --detach --pidfile --log-file
	must ovs-vsctl --no-wait init
	must in_ns "$A" ovs-vswitchd --detach --pidfile --log-file
	must ovs-vsctl --timeout=$((20 * ${SLOW:-1})) add-br br0 -- add-port br0 wire0
	outer_moves wire0 br0
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT4_B || die "no way over the switch (IPv4)"
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT6_B || die "no way over the switch (IPv6)"
	arrives "Open vSwitch" br0
	must ovs-appctl -t ovs-vswitchd dpctl/del-flows
	arrives "Open vSwitch that knows no flow any more" br0
	must ovs-vsctl --timeout=$((20 * ${SLOW:-1})) del-port br0 wire0
	outer_moves br0 wire0
	must ovs-vsctl --timeout=$((20 * ${SLOW:-1})) del-br br0
	must ovs-appctl -t ovs-vswitchd exit
	must ovs-appctl -t ovsdb-server exit
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT4_B || die "no way without the switch (IPv4)"
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT6_B || die "no way without the switch (IPv6)"
}

vlan()
{
	if ! modprobe -q 8021q; then
		skip "a VLAN" "this kernel has none"
		return
	fi
	must ip -n "$A" link add link wire0 name vlan5 type vlan id 5
	outer_moves wire0 vlan5
	must ip -n "$R" -batch - <<-END
		link add link left name vlan5 type vlan id 5
		link set vlan5 up
		addr del 192.0.2.254/24 dev left
		addr del 2001:db8:1::254/64 dev left
		addr add 192.0.2.254/24 dev vlan5
		addr add 2001:db8:1::254/64 dev vlan5 nodad
	END
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT4_B || die "no way over the VLAN (IPv4)"
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT6_B || die "no way over the VLAN (IPv6)"
	watch_esp sent "$A" vlan5 out
	arrives "a VLAN" vlan5
	leaves_by=vlan5
}

# vm SEGMENTS SIZE: a train of a virtual machine behind A
vm() { ask vm "$*" && [ "$(answer vm 20)" = "done" ]; }

vm_speaks()
{
	local i
	for i in 1 2 3; do
		vm 5 1000 && vm 1 100 && vm 3 1300 || return 1
	done
}

# Policies without an interface protect what comes from a virtual machine: nobody has counted
# the segments of its trains when they get their numbers.
virtual_machine()
{
	local said way name="trains of a virtual machine"
	modprobe -q tun || true
	if [ ! -c /dev/net/tun ]; then
		skip "$name" "this kernel has no tun devices"
		return
	fi
	open_talk vm ip netns exec "$A" "$TESTDIR/helpers/vm.py" vm0 10.9.0.2 10.9.9.9
	must in_ns "$A" sysctl -qw net.ipv4.ip_forward=1
	must ip -n "$A" link set vm0 up
	must ip -n "$A" route add 10.9.0.0/24 dev vm0
	must ip -n "$B" addr add 10.9.9.9/32 dev lo
	sa_pair if_id=0 spi=0x3000 reqid=3
	for way in "$A out" "$B in"; do
		must ip -n "${way% *}" xfrm policy add src 10.9.0.0/24 dst 10.9.9.0/24 dir "${way#* }" \
			tmpl src $OUT4_A dst $OUT4_B proto esp reqid 3 mode tunnel
	done
	trace_clear
	esp_seen sent >/dev/null
	ok_if "$name: sent" vm_speaks
	said=$(esp_seen sent)
	ok_if "$name: numbers are dense" dense "$said"
	ok_if "$name: all of them" grep -q '^0x3000 n=27 bytes=[0-9]* first=1 last=27 ' <<<"$said"
	ok_if "$name: trains came to the device" trains_left wire0
	no_errors "$name"
	close_talk vm
	for way in "$A out" "$B in"; do
		must ip -n "${way% *}" xfrm policy delete src 10.9.0.0/24 dst 10.9.9.0/24 dir "${way#* }"
	done
}

# Old or missing numbers are the wire's; TCP mends them, and nothing else is wrong.
wrong_wire()
{
	local name=$1 said
	shift
	if ! tc -n "$R" qdisc add dev right root "$@" 2>"$TMP/tc"; then
		skip "$name" "this kernel or tc has none: $(tail -n 1 "$TMP/tc")"
		return
	fi
	esp_seen sent >/dev/null
	ok_if "$name: TCP arrives (IPv4)" client $far4 --tcp $bulk --timeout 60
	ok_if "$name: TCP arrives (IPv6)" client $far6 --tcp $bulk --timeout 60
	said=$(esp_seen sent)
	ok_if "$name: numbers are dense where they leave" dense "$said"
	must tc -n "$R" qdisc del dev right root
	same "$name: nothing but late packets is wrong" \
		"$(xfrm_errors "$A") $(xfrm_errors "$B" | sed 's/XfrmInStateSeqError=[0-9]*//')" " "
}

# Damaged before it is encrypted, and numbers are lost with packets: none is used twice.
damaged()
{
	local name="netem that damages packets" said
	if ! tc -n "$A" qdisc add dev "$1" root netem corrupt 2% loss 1% 2>"$TMP/tc"; then
		skip "$name" "this kernel or tc has none: $(tail -n 1 "$TMP/tc")"
		return
	fi
	esp_seen sent >/dev/null
	ok_if "$name: TCP arrives" client $far4 --tcp $bulk --timeout 60
	said=$(esp_seen sent)
	ok_if "$name: no number comes twice" unique "$said"
	must tc -n "$A" qdisc del dev "$1" root
}

is_accel || skip_all "the ESP engine" "it is not of this module"
skip_without_python esp_gso
have ethtool || skip_all esp_gso "ethtool is not installed"
has_events $train_event || skip_all esp_gso "this kernel has no tracepoints"
modprobe -aq sch_tbf sch_cake sch_netem sch_fq_codel || true

topology
tunnels
serve "$B"
open_client "$A"
watch_esp sent "$A" wire0 out
trace_on $train_event 'len > 2000'

arrives "no discipline"
disciplines
features
netfilter_queue
open_vswitch
virtual_machine
leaves_by=wire0
vlan
# From here on numbers may be late, and B counts them.
wrong_wire "a wire that loses" netem loss 2%
wrong_wire "a wire that reorders" netem delay 2ms reorder 90% 50%
damaged $leaves_by
duplicates $leaves_by
plan_done
