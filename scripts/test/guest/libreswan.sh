#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# libreswan on both hosts, IKEv2 with a shared secret. Here the daemon itself
# makes the interfaces, by netlink, and removes them: "ipsec-interface=yes" is
# ipsec1, a number N is ipsecN. Its SAs also have an output mark.
#
#     $A                                        $B
#     pluto                                     pluto
#     ipsec1 10.1.0.1     (if_id 1)             ipsec1 10.2.0.1     (if_id 1)
#     ipsec9 fd00:1::1    (if_id 9)             ipsec9 fd00:2::1    (if_id 9)
#     wire0  192.0.2.1, 2001:db8:1::1  -----    wire0  192.0.2.2, 2001:db8:1::2
#
# root: libreswan

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/pluto.sh
. "$TESTDIR/helpers/pluto.sh"

skip_without_libreswan libreswan

two_hosts
# The kernel loads and tests the cipher with its first SA: on a slow machine
# that takes longer than the daemons have patience.
sa_pair
for ns in "$A" "$B"; do
	must ip -n "$ns" xfrm state flush
done
serve "$B"
open_client "$A"
watch_wire "$B" wire0
# The file is the same on both hosts: pluto finds out whether it is left or right.
for host in A B; do
	configure $host <<-EOF
		conn four
		 left=$OUT4_A
		 right=$OUT4_B
		 leftsubnet=10.1.0.0/24
		 rightsubnet=10.2.0.0/24
		 leftsourceip=10.1.0.1
		 rightsourceip=10.2.0.1
		 ipsec-interface=yes
		conn six
		 left=$OUT6_A
		 right=$OUT6_B
		 leftsubnet=fd00:1::/64
		 rightsubnet=fd00:2::/64
		 leftsourceip=fd00:1::1
		 rightsourceip=fd00:2::1
		 ipsec-interface=9
	EOF
done
daemons

# What an administrator made before is used as it is, and stays his.
must ip -n "$B" link add ipsec9 type xfrm dev wire0 if_id 9
for host in A B; do
	ok_if "$host: both connections are accepted" eval "add $host four && add $host six"
done
for dev in ipsec1 ipsec9; do
	not_if "no $dev before it is needed" exists "$A" $dev
done

wire >/dev/null
order A --initiate --name four
for host in A B; do
	ok_if "ipsec-interface=yes: SAs with its if_id on $host" wait_for 30 two_sas "${!host}" 1
done
[ "$tests_failed" = 0 ] || { diag "$(tail -n 15 "$TMP/A/orders" "$TMP/B/log")"; plan_done; }
for host in A B; do
	same "ipsec-interface=yes: what the daemon made on $host" "$(show "${!host}" ipsec1)" 'wire0 {"if_id":"0x1"}'
	ok_if "ipsec-interface=yes: it is up on $host" grep -q ',UP' <<<"$(ip -n "${!host}" link show ipsec1)"
done
ok_if "ipsec-interface=yes: ping" pings "$A" 10.2.0.1
ok_if "ipsec-interface=yes: UDP and TCP" client 10.2.0.1 --udp 1000 --tcp 200000
ok_if "ipsec-interface=yes: the wire carries ESP and IKE only" only_on_wire "esp|udp" "$(wire)"
open_stream "$A" 10.2.0.1
rekeyed "the SAs are renewed under traffic, no old one is left" A four 1
ike_rekeyed "the IKE SA is renewed under traffic" four
# The daemon that answers a rekey sends with its new SA before the other one is complete.
close_stream "renewing loses no packet but those too early for the daemon" early

order A --initiate --name six
for host in A B; do
	ok_if "ipsec-interface=9: SAs with its if_id on $host" wait_for 30 two_sas "${!host}" 9
done
same "ipsec-interface=9: what the daemon made" "$(show "$A" ipsec9)" 'wire0 {"if_id":"0x9"}'
ok_if "ipsec-interface=9: ping" wait_for 20 pings "$A" fd00:2::1 1
ok_if "ipsec-interface=9: UDP and TCP" client fd00:2::1 --udp 1000 --tcp 200000

order A --terminate --name six
for host in A B; do
	ok_if "closed: its SAs are removed on $host" wait_for 20 no_sas "${!host}" 9
	ok_if "closed: those of the other tunnel are not on $host" two_sas "${!host}" 1
done
order A --delete --name six
ok_if "deleted: the daemon removed its interface" wait_for 20 not exists "$A" ipsec9
ok_if "deleted: the other interface works" pings "$A" 10.2.0.1

for host in A B; do
	order $host --shutdown
	ok_if "ended: the interface it made on $host is removed" wait_for 30 not exists "${!host}" ipsec1
	ok_if "ended: its SAs are removed on $host" wait_for 20 no_sas "${!host}" 1
done
same "the administrator's interface is there still" "$(show "$B" ipsec9)" 'wire0 {"if_id":"0x9"}'
plan_done
