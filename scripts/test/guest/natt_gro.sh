#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# ESP in UDP where the receiving device does GRO: our engine takes it there, and
# everything else on the same ports reaches the IKE daemon as without us.
#
#     $A  ipsec0 10.7.0.1, fd00:7::1              $B  ipsec0 10.7.0.2, fd00:7::2
#         wire0  192.0.2.1, 2001:db8:1::1  ------     wire0  192.0.2.2, 2001:db8:1::2
#         (gro on)                                    (gro on)

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/esp.sh
. "$TESTDIR/helpers/esp.sh"

skip_without_python natt_gro
have ethtool || skip_all natt_gro "ethtool is not installed"
is_accel || skip_all natt_gro "the kernel has no GRO of ESP in UDP, or only on request"

spi=0x1000

# natt OUTER MODE [SPORT]: SAs in UDP; SPORT is the port that A sends from
natt()
{
	local any=0.0.0.0 sport=${3:-4500}
	[ "$1" = 4 ] || any=::
	flush_xfrm
	spi=$((spi + 16))
	sa_pair outer="$1" mode="$2" spi=$spi sides=A \
		ab="replay-window 32 encap espinudp $sport 4500 $any" \
		ba="replay-window 32 encap espinudp 4500 $sport $any"
	sa_pair outer="$1" mode="$2" spi=$spi sides=B \
		ab="replay-window 32 encap espinudp 4500 4500 $any" \
		ba="replay-window 32 encap espinudp 4500 $sport $any"
	policy_pair outer="$1"
	ask watch "" && answer watch 20 >/dev/null
}

# A capture on B's wire0 of what comes in saw no ESP in UDP: GRO had it
taken_by_gro()
{
	local said
	said=$(wire)
	echo "B's wire0 has let captures see: $said"
	[ "$(seen udp4500 "$said")" = 0 ]
}

passed_gro() { not taken_by_gro; }

traffic_over()
{
	local far name
	for far in 10.7.0.2 fd00:7::2; do
		name="$1, inner IPv$([[ $far == *:* ]] && echo 6 || echo 4)"
		ok_if "$name: ping, UDP and TCP arrive unchanged" \
			client $far --ping 1000 --udp 1,100,1200 --tcp 300000
		ok_if "$name: taken by GRO" taken_by_gro
	done
}

# --- traffic ----------------------------------------------------------------------

tunnels()
{
	local outer
	for outer in 4 6; do
		natt $outer tunnel
		traffic_over "tunnel over IPv$outer"
	done
	no_errors "ESP in UDP"
}

# Without GRO the kernel decrypts: the same packets, by its own code.
kernel_agrees()
{
	must in_ns "$B" ethtool -K wire0 gro off
	natt 4 tunnel
	ok_if "without GRO: UDP and TCP arrive unchanged" client 10.7.0.2 --udp 1,1200 --tcp 30000
	ok_if "without GRO: captures see ESP in UDP" passed_gro
	must in_ns "$B" ethtool -K wire0 gro on
}

# --- what is not ours ----------------------------------------------------------------

# datagrams FAMILY HEX...: from A's port 4500 to B's
datagrams()
{
	local near=OUT$1_A far=OUT$1_B
	in_ns "$A" python3 - "${!near}" "${!far}" "${@:2}" <<-'END'
		import socket, sys
		near, far = sys.argv[1:3]
		sock = socket.socket(socket.AF_INET6 if ':' in far else socket.AF_INET, socket.SOCK_DGRAM)
		sock.bind((near, 4501))
		for data in sys.argv[3:]:
		    sock.sendto(bytes.fromhex(data), (far, 4500))
	END
}

got() { grep -c "^got $1\$" "$TMP/espinudp-$B" || :; }
got_is() { [ "$(got "$1")" = "$2" ]; }

daemons_packets()
{
	local outer before ike short=00000000aabb
	ike=00000000$(printf '5a%.0s' {1..96})
	for outer in 4 6; do
		natt $outer tunnel
		before=$(got 100)
		must datagrams $outer "$ike" "$ike" "$ike"
		ok_if "IKE over IPv$outer reaches the daemon, one by one" wait_for 10 got_is 100 $((before + 3))
		before=$(got 6)
		must datagrams $outer ff $short ff
		ok_if "a short packet over IPv$outer does" wait_for 10 got_is 6 $((before + 1))
		same "keepalives over IPv$outer do not" "$(got 1)" 0
		ok_if "ESP after that over IPv$outer" client 10.7.0.2 --udp 100
	done
}

unknown_are() { [ "$(mib "$B" XfrmInNoStates)" = "$1" ]; }

# Neither the SA's port nor its SPI: UDP's, and the kernel counts the SPI it does not know.
strangers()
{
	local before
	natt 4 tunnel
	before=$(mib "$B" XfrmInNoStates)
	must datagrams 4 "deadbeef$(printf '00%.0s' {1..60})"
	ok_if "an unknown SPI in UDP is counted by the kernel" wait_for 10 unknown_are $((before + 1))
}

# Ordinary UDP with GSO and GRO goes on while SAs are there.
other_udp()
{
	natt 4 tunnel
	ok_if "other UDP and TCP over the same wire" client $OUT4_B --udp 1,100,1400 --tcp 300000
	ok_if "other UDP and TCP over the same wire, IPv6" client $OUT6_B --udp 1,100,1400 --tcp 300000
}

# --- the peer's port changes --------------------------------------------------------------

mapping_told() { grep -q '^Mapping change' "$TMP/monitor"; }

moved_peer()
{
	local outer
	for outer in 4 6; do
		: >"$TMP/monitor"
		in_ns "$B" ip xfrm monitor >"$TMP/monitor" &
		at_exit kill $!
		natt $outer tunnel 4501
		# The monitor may not be listening yet: every packet tells.
		ok_if "another source port over IPv$outer: MAPPING is told" \
			wait_for 20 ping_tells $outer
		kill $!
	done
}

ping_tells()
{
	in_ns "$A" ping -c1 -W1 10.7.0.2
	mapping_told
}

two_hosts
for host in A B; do
	esp_gro "${!host}" on
done
xfrm_link A
xfrm_link B
espinudp "$A" $OUT4_A $OUT6_A
espinudp "$B" $OUT4_B $OUT6_B --tell
serve "$B"
open_client "$A"
watch_wire "$B" wire0 watch in

tunnels
kernel_agrees
daemons_packets
strangers
other_udp
moved_peer
plan_done
