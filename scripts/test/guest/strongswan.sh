#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An IKE daemon configures the tunnel: strongSwan on both hosts, IKEv2 with a
# shared secret, SAs and policies with the device's if_id. Rekeying under
# traffic, an interface for each direction, a trap, roadwarriors that share an
# interface, NAT traversal, an interface in a namespace without a daemon, a peer
# that dies.
#
#     $A                                        $B
#     charon-systemd                            charon-systemd
#     ipsec0 10.7.0.1, fd00:7::1  (if_id 7)     ipsec0 10.7.0.2, fd00:7::2
#     wire0  192.0.2.1  --------------------    wire0  192.0.2.2

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/swan.sh
. "$TESTDIR/helpers/swan.sh"

xfrmi=/usr/lib/ipsec/xfrmi

# load HOST: the connections on stdin, in short: "ADDRS" and "PSK OWN OTHER" stand
# for what is the same in all of them
load()
{
	local near=$OUT4_A far=$OUT4_B
	[ "$1" = A ] || { near=$OUT4_B far=$OUT4_A; }
	sed -E "s/ADDRS/version = 2\n local_addrs = $near\n remote_addrs = $far\n proposals = aes128-sha256-x25519/
		s/PSK ([^ ]+) ([^ ]+)/local { auth = psk\n id = \1 }\n remote { auth = psk\n id = \2 }/" >"$TMP/$1.swanctl"
	echo 'secrets { ike { secret = "for tests only" } }' >>"$TMP/$1.swanctl"
	must swan "$1" --load-all --noprompt --file "$TMP/$1.swanctl"
}

# An interface for each direction. A's are made by strongSwan's own tool; the
# daemon on B makes up its if_ids, and tells them to a script of B's that makes
# the interfaces. A has a trap: the first packet asks the daemon for the SA.
each_direction()
{
	cat >"$TMP/updown" <<-'EOF'
		#!/bin/sh
		if [ "$PLUTO_VERB" = up-client ]; then
			ip link add swan-in type xfrm dev wire0 if_id "$PLUTO_IF_ID_IN"
			ip link add swan-out type xfrm dev wire0 if_id "$PLUTO_IF_ID_OUT"
			ip link set swan-in up
			ip link set swan-out up
			ip addr add 10.2.0.1/32 dev swan-out
			ip route add "$PLUTO_PEER_CLIENT" dev swan-out src 10.2.0.1
		else
			ip link del swan-in
			ip link del swan-out
		fi
	EOF
	chmod +x "$TMP/updown"
	ok_if "xfrmi makes the interfaces" eval '
		in_ns "$A" $xfrmi -n swan-out -d wire0 -i 1337 &&
		in_ns "$A" $xfrmi -n swan-in -d wire0 -i 42'
	ok_if "xfrmi lists them" grep -E 'swan-out.*(0x0*539|1337)' <(in_ns "$A" $xfrmi -l)
	must ip -n "$A" link set swan-in up
	must ip -n "$A" link set swan-out up
	must ip -n "$A" addr add 10.1.0.1/32 dev swan-out
	must ip -n "$A" route add 10.2.0.0/24 dev swan-out src 10.1.0.1
	load B <<-EOF
		connections { each { ADDRS
			PSK B A
			children { net { local_ts = 10.2.0.0/24
				remote_ts = 10.1.0.0/24
				if_id_in = %unique-dir
				if_id_out = %unique-dir
				updown = $TMP/updown
				esp_proposals = aes128gcm16-x25519 } } } }
	EOF
	load A <<-EOF
		connections { each { ADDRS
			PSK A B
			children { net { local_ts = 10.1.0.0/24
				remote_ts = 10.2.0.0/24
				if_id_in = 42
				if_id_out = 1337
				start_action = trap
				esp_proposals = aes128gcm16-x25519 } } } }
	EOF
	ok_if "a trap: the first packet brings the tunnel up" eval '
		in_ns "$A" ping -n -c 1 -W 1 10.2.0.1
		wait_for 30 two_sas "$A" && wait_for 30 exists "$B" swan-out'
	ok_if "an interface for each direction: ping" wait_for 10 pings "$A" 10.2.0.1 1
	same "if_ids that the daemon made up: one for each direction" \
		"$(ip -n "$B" xfrm state | grep -c if_id) $(ip -n "$B" xfrm state | grep if_id | sort -u | wc -l)" "2 2"
	ok_if "packets leave by the one interface and arrive at the other" eval '
		[ "$(stat "$A" swan-out tx_packets)" -gt 0 ] && [ "$(stat "$A" swan-out rx_packets)" = 0 ] &&
		[ "$(stat "$A" swan-in rx_packets)" -gt 0 ] && [ "$(stat "$A" swan-in tx_packets)" = 0 ]'
	ok_if "closing it" swan A --terminate --ike each
	ok_if "closed: the script removes the interfaces" wait_for 10 not exists "$B" swan-out
}

# Two roadwarriors, both on A, with addresses from B's pool; on B they share an
# interface, and only the policies tell them apart.
roadwarriors()
{
	local who id
	must ip -n "$B" link add shared type xfrm dev wire0 if_id 42
	must ip -n "$B" link set shared up
	must ip -n "$B" addr add 10.4.0.1/32 dev shared
	must ip -n "$B" route add 10.3.0.0/28 dev shared src 10.4.0.1
	load B <<-EOF
		connections { rw { ADDRS
			PSK B %any
			pools = rw
			if_id_in = 42
			if_id_out = 42
			children { net { local_ts = 10.4.0.0/24
				esp_proposals = aes128gcm16-x25519 } } } }
		pools { rw { addrs = 10.3.0.0/28 } }
	EOF
	for who in carol:1 dave:2; do
		id=${who#*:} who=${who%:*}
		must ip -n "$A" link add $who type xfrm dev wire0 if_id 10$id
		must ip -n "$A" link set $who up
		must ip -n "$A" addr add 10.3.0.$id/32 dev $who
		must ip -n "$A" route add 10.4.0.0/24 dev $who src 10.3.0.$id metric $id
		cat <<-EOF
			connections { $who { ADDRS
				PSK $who B
				vips = 0.0.0.0
				if_id_in = 10$id
				if_id_out = 10$id
				children { $who { remote_ts = 10.4.0.0/24
					tfc_padding = 1000
					esp_proposals = aes128gcm16-x25519 } } } }
		EOF
	done >"$TMP/roadwarriors"
	load A <"$TMP/roadwarriors"
	for who in carol dave; do
		ok_if "roadwarrior $who connects" swan A --initiate --child $who
	done
	for who in carol dave; do
		wire >/dev/null
		ok_if "roadwarrior $who: ping" pings "$A" 10.4.0.1 3 -I $who
		# 1000 bytes and two more, to a multiple of 4, between headers and ICV.
		said=$(wire)
		same "roadwarrior $who: padded as the daemon wants it" "${said##* }" \
			max=$((20 + 8 + 8 + 1004 + 16))
	done
	same "roadwarriors: the shared interface got the packets of both" "$(stat "$B" shared rx_packets)" 6
	same "roadwarriors: each got the answers to his own" \
		"$(stat "$A" carol rx_packets) $(stat "$A" dave rx_packets)" "3 3"
	for who in carol dave; do
		must swan A --terminate --ike $who
	done
	ok_if "roadwarriors: all SAs are gone" eval 'wait_for 10 no_sas "$A" && wait_for 10 no_sas "$B"'
}

# The interface in a namespace that knows neither keys nor the daemon.
moved_away()
{
	new_ns C
	must ip -n "$A" link set ipsec0 netns "$C"
	must ip -n "$C" addr add 10.7.0.1/24 dev ipsec0
	must ip -n "$C" link set ipsec0 up
	ok_if "an interface in another namespace than the daemon: ping" wait_for 10 pings "$C" 10.7.0.2
	same "no SA is seen there" "$(ip -n "$C" xfrm state)" ""
}

[ -x $charon ] && have swanctl || skip_all strongswan "strongSwan (charon-systemd, swanctl) is not installed"
skip_without_python strongswan

two_hosts
# The kernel loads and tests the cipher with its first SA: on a slow machine
# that takes longer than the daemons have patience.
sa_pair
for ns in "$A" "$B"; do
	must ip -n "$ns" xfrm state flush
done
xfrm_link A
xfrm_link B
serve "$B"
open_client "$A"
watch_wire "$B" wire0
daemons

connections no
wire >/dev/null
establish "ESP"
ok_if "ESP: the SAs carry the if_id" with_if_id "$A" 2
works "ESP"
said=$(wire)
ok_if "ESP: the wire carries ESP and IKE only" grep -E '^esp=[0-9]+ udp=[0-9]+( udp4500=[0-9]+)? max' <<<"$said"
rekeyed_under_traffic
ok_if "closing the tunnel" swan A --terminate --ike xa
for host in A B; do
	ok_if "closed: no SA and no policy of it is left on $host" \
		eval "wait_for 10 no_sas \$$host && wait_for 10 no_policies \$$host"
done
ok_if "closed: nothing goes through" no_ping "$A" 10.7.0.2

each_direction
roadwarriors

connections yes
wire >/dev/null
establish "NAT-T"
ok_if "NAT-T: the SAs encapsulate in UDP" \
	eval '[ "$(ip -n "$A" xfrm state | grep -c "encap type espinudp sport 4500")" = 2 ]'
works "NAT-T"
said=$(wire)
ok_if "NAT-T: the wire carries UDP only" grep -E '^(udp=[0-9]+ )?udp4500=[0-9]+ max' <<<"$said"
moved_away

kill -9 "$pid_B"
ok_if "the peer's daemon dies: its SAs are removed" wait_for 30 no_sas "$A"
ok_if "the peer's daemon dies: the device still can be deleted" ip -n "$C" link del ipsec0
plan_done
