#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# BPF programs at the tc hooks of external devices give packets their if_id and
# lower device, and read them: bpf_skb_set_xfrm_info(), bpf_skb_get_xfrm_info().
#
#     $A                                              $B
#     ipsec0 10.7.0.1, fd00:7::1  external            ipsec0 10.7.0.2, fd00:7::2
#       egress: mark -> metadata                        ingress: metadata -> mark
#                                                       egress: mark -> metadata
#     other0 (99, in vrf0)                              ingress nft: counts marks
#     wire0  192.0.2.1 (42)  --------------------     wire0 192.0.2.2 (43)
#
# SAs and policies of if_id 7 and 8 lie between the two. Answers of $B take their
# mark from the request (fwmark_reflect), so a ping is answered over the if_id,
# and through the lower device, that $B has read from it.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

object=$HELPERS/xfrm_info.bpf.o
symbol=bpf_skb_set_xfrm_info

grep -q " $symbol" /proc/kallsyms ||
	skip_all kfunc "$IMPL has no functions for BPF programs on this kernel"
have python3 || skip_all kfunc "python3 is not installed"
[ -e "$object" ] || die "there is no $object"

# mark IF_ID [LINK]: the mark that tells the programs both
mark() { echo $((${2:-42} << 16 | $1)); }

# arrived IF_ID: packets of which $B has read this if_id, received by wire0
arrived()
{
	in_ns "$B" nft list counter inet test "if_id$1" | grep -oP 'packets \K\d+'
}

# arrived_since SEVEN EIGHT: how many more of if_id 7 and of if_id 8
arrived_since() { echo "$(($(arrived 7) - $1)) $(($(arrived 8) - $2))"; }

# program NS HOOK SECTION: replaces the one that is there
program()
{
	tc -n "$1" filter replace dev ipsec0 "$2" protocol all pref 1 handle 1 \
		bpf da object-file "$object" section "$3"
}

# no_program NS HOOK
no_program() { tc -n "$1" filter del dev ipsec0 "$2" pref 1; }

external_device()
{
	local ns=${!1} n=$2 if_id
	must ip -n "$ns" link add ipsec0 type xfrm external
	must ip -n "$ns" addr add 10.7.0.$n/24 dev ipsec0
	must ip -n "$ns" addr add fd00:7::$n/64 dev ipsec0 nodad
	must ip -n "$ns" link set ipsec0 up
	must tc -n "$ns" qdisc add dev ipsec0 clsact
	in_ns "$ns" sh -c 'echo 1 >/proc/sys/net/ipv4/fwmark_reflect
		echo 1 >/proc/sys/net/ipv6/fwmark_reflect'
}

count_marks()
{
	local if_id
	must in_ns "$B" nft add table inet test
	must in_ns "$B" nft add chain inet test in '{ type filter hook input priority 0; }'
	for if_id in 7 8; do
		must in_ns "$B" nft add counter inet test if_id$if_id
		must in_ns "$B" nft add rule inet test in iifname ipsec0 \
			meta mark "$(mark $if_id 43)" counter name if_id$if_id
	done
}

# marked_pings IF_ID ADDR
marked_pings() { pings "$A" "$2" 3 -m "$(mark "$1")"; }

sets_and_gets()
{
	local if_id seven eight errors
	for if_id in 7 8; do
		seven=$(arrived 7) eight=$(arrived 8)
		ok_if "if_id $if_id, set and read by programs: IPv4" marked_pings $if_id 10.7.0.2
		ok_if "if_id $if_id, set and read by programs: IPv6" marked_pings $if_id fd00:7::2
		same "the receiver's program has read if_id $if_id, and nothing else" \
			"$(arrived_since "$seven" "$eight")" "$([ $if_id = 7 ] && echo 6 0 || echo 0 6)"
	done
	errors=$(stat "$A" ipsec0 tx_errors)
	ok_if "an if_id without a policy: no answer" \
		not in_ns "$A" ping -q -c2 -i 0.05 -W1 -m "$(mark 9)" 10.7.0.2
	same "each of its packets is an error of the device" \
		"$(($(stat "$A" ipsec0 tx_errors) - errors))" 2
}

# The lower device says in which VRF the encrypted packet's route is looked up.
link_is_used()
{
	local before
	must ip -n "$A" link add vrf0 type vrf table 10
	must ip -n "$A" link set vrf0 up
	must ip -n "$A" link add other0 index 99 master vrf0 type dummy
	must ip -n "$A" addr add 192.0.2.9/24 dev other0
	must ip -n "$A" link set other0 up
	before=$(stat "$A" other0 tx_packets)
	in_ns "$A" ping -q -c3 -i 0.05 -W1 -m "$(mark 7 99)" 10.7.0.2 >/dev/null || :
	wait_for 5 at_least $((before + 3)) "$A" other0 tx_packets || :
	same "packets leave through the VRF of the lower device that the program set" \
		"$(($(stat "$A" other0 tx_packets) - before))" 3
	must ip -n "$A" link del other0
	must ip -n "$A" link del vrf0
}

errors()
{
	local before
	must program "$A" egress tc/set_strictly
	ok_if "set is read back as set, a second set is refused, get of nothing too" \
		marked_pings 7 10.7.0.2

	must no_program "$A" egress
	before=$(stat "$A" ipsec0 tx_errors)
	ok_if "without the program: no answer" \
		not in_ns "$A" ping -q -c2 -i 0.05 -W1 -m "$(mark 7)" 10.7.0.2
	same "a packet without metadata is an error of the device" \
		"$(($(stat "$A" ipsec0 tx_errors) - before))" 2
	must program "$A" egress tc/set
}

# ten_at_once IF_ID ADDR: they leave within a fraction of the queue's delay
ten_at_once()
{
	in_ns "$A" ping -n -i 0.02 -c 10 -W 20 -m "$(mark "$1")" "$2" |
		grep " 10 received"
}

# Packets of two if_ids wait in one queue: each keeps its own metadata.
queue()
{
	local seven eight ping7 ping8
	seven=$(arrived 7) eight=$(arrived 8)
	must tc -n "$A" qdisc add dev ipsec0 root netem delay 1s limit 100
	ten_at_once 7 10.7.0.2 >"$TMP/seven" &
	ping7=$!
	ten_at_once 8 fd00:7::2 >"$TMP/eight" &
	ping8=$!
	ok_if "ten packets of if_id 7, queued among others, are answered" wait $ping7
	ok_if "ten packets of if_id 8, queued among others, are answered" wait $ping8
	same "each arrived under its if_id" \
		"$(arrived_since "$seven" "$eight")" "10 10"
	must tc -n "$A" qdisc del dev ipsec0 root
}

send_gso()
{
	in_ns "$A" python3 - "$(mark 7)" <<-'PY'
	import socket, sys
	UDP_SEGMENT = 103
	sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(sys.argv[1]))
	sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 500)
	sock.sendto(bytes(10 * 500), ("10.7.0.2", 9999))
	PY
}

grown_to() { [ "$(arrived 7)" = "$1" ]; }

# The program sees one packet; the core cuts it up on its way to the device.
segments()
{
	local before
	before=$(arrived 7)
	must in_ns "$A" ethtool -K ipsec0 tx-udp-segmentation off
	must send_gso
	ok_if "ten segments of one packet share its metadata, and all arrive" \
		wait_for 10 grown_to $((before + 10))
	diag "arrived: $(($(arrived 7) - before))"
}

# send_to_nowhere COUNT: to an address without a route, out of ipsec0: each packet
# has a route of its own.
send_to_nowhere()
{
	in_ns "$A" python3 - "$(mark 7)" "$1" <<-'PY'
	import socket, sys
	sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(sys.argv[1]))
	sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"ipsec0")
	for _ in range(int(sys.argv[2])):
	    sock.sendto(b"x", ("203.0.113.9", 9999))
	PY
}

# The kernel's own count of IPv4 routes that somebody holds.
routes_in_memory() { echo $((0x$(awk 'NR == 2 { print $1 }' /proc/net/stat/rt_cache))); }
at_most_routes() { [ "$(routes_in_memory)" -le "$1" ]; }

# Whether packets are sent, dropped by a queue or still wait there when the device
# goes: their routes are given back.
nothing_is_held()
{
	local before
	before=$(routes_in_memory)
	must send_to_nowhere 500
	ok_if "routes of packets that were sent are freed" \
		wait_for 20 at_most_routes $((before + 150))

	must tc -n "$A" qdisc add dev ipsec0 root netem delay 100s limit 250
	must send_to_nowhere 500
	ok_if "packets wait" sh -c "tc -n $A -s qdisc show dev ipsec0 | grep 'backlog.* 250p'"
	ok_if "the device goes at once, with packets waiting for it" \
		timeout $((20 * ${SLOW:-1})) ip -n "$A" link del ipsec0
	ok_if "routes of packets that a queue dropped are freed" \
		wait_for 20 at_most_routes $((before + 150))
	diag "routes before: $before, now: $(routes_in_memory)"
}

two_hosts
for n in 7 8; do
	sa_pair if_id=$n spi=$((n * 0x1000)) reqid=$n
	policy_pair if_id=$n reqid=$n
done
external_device A 1
external_device B 2
count_marks
ok_if "the module carries the functions' types (BTF)" test -e "/sys/kernel/btf/$IMPL"
ok_if "a program that sets metadata loads" program "$A" egress tc/set
ok_if "a program that reads metadata loads" program "$B" ingress tc/get
must program "$B" egress tc/set
not_if "a program's functions hold the module" impl_unused

sets_and_gets
link_is_used
errors
if is_accel; then
	queue
	segments
	nothing_is_held
else
	skip "packets in a queue" "the kernel's own interface keeps one metadata for each CPU"
fi
plan_done
