#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An IKE daemon offloads its SAs to an espnic: libreswan with nic-offload, unmodified,
# with an interface and without. Rekeying under traffic, and what happens when the device
# takes no SA, or not all.
#
#     $A  pluto, nic-offload                    $B  pluto
#         "link": ipsec1 10.1.0.1, if_id 1          ipsec1 10.2.0.1, if_id 1
#         "plain": lo fd00:1::1                     lo fd00:2::1
#         nic0 (espnic) 192.0.2.1, 2001:db8:1::1
#         wire0 --------------------------------    wire0 192.0.2.2, 2001:db8:1::2
#
# "auto" on A is "link" on B.
#
# root: libreswan

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/pluto.sh
. "$TESTDIR/helpers/pluto.sh"
# shellcheck source=scripts/test/helpers/nic.sh
. "$TESTDIR/helpers/nic.sh"

is_accel || skip_all nic_libreswan "espnic is ours alone"
skip_without_libreswan nic_libreswan

# link NAME OFFLOAD, plain NAME OFFLOAD: a connection
link()
{
	cat <<-EOF
		conn $1
		 left=$OUT4_A
		 right=$OUT4_B
		 leftsubnet=10.1.0.0/24
		 rightsubnet=10.2.0.0/24
		 leftsourceip=10.1.0.1
		 rightsourceip=10.2.0.1
		 ipsec-interface=yes
		 nic-offload=$2
	EOF
}

plain()
{
	cat <<-EOF
		conn $1
		 left=$OUT6_A
		 right=$OUT6_B
		 leftsubnet=fd00:1::/64
		 rightsubnet=fd00:2::/64
		 leftsourceip=fd00:1::1
		 rightsourceip=fd00:2::1
		 nic-offload=$2
	EOF
}

inner() { [ "$1" = plain ] && echo fd00:2::1 || echo 10.2.0.1; }

current=

# begins CONNECTION: A has it alone
begins()
{
	[ -z "$current" ] || order A --delete --name "$current"
	# Where A could not go on, B has not heard of it.
	order B --terminate --name $([ "$current" = plain ] && echo plain || echo link)
	wait_for 20 no_sas "$A" && wait_for 20 no_sas "$B" || die "SAs are left of $current"
	current=$1
	add A "$1" >"$TMP/said" || die "connection $1: $(cat "$TMP/said")"
}

# establish NAME CONNECTION
establish()
{
	begins "$2"
	order A --initiate --name "$2"
	wait_for 30 two_sas "$A" && wait_for 30 two_sas "$B" || {
		fail "$1: the tunnel comes up" "$(tail -n 15 "$TMP/A/orders" "$TMP/B/log")"
		plan_done
	}
	pass "$1: the tunnel comes up"
}

# fails NAME CONNECTION REGEX: the daemon says so
fails()
{
	begins "$2"
	: >"$TMP/A/log"
	order A --asynchronous --initiate --name "$2"
	ok_if "$1: the daemon says why" wait_for 30 grep -E "Add SA.*$3" "$TMP/A/log"
	ok_if "$1: no tunnel" no_ping "$A" "$(inner "$2")"
}

# by_device NAME COUNT: so many of both SAs are the device's
by_device()
{
	same "$1" "$(ip -n "$A" xfrm state | grep -c 'offload parameters: dev nic0') $(nic "$A" show nic0 sa_count)" "$2 $2"
}

# works NAME CONNECTION
works()
{
	ok_if "$1: ping" pings "$A" "$(inner "$2")"
	ok_if "$1: UDP and TCP" client "$(inner "$2")" --udp 1000 --tcp 200000
}

two_hosts
nic_on A
load_cipher
main=plain other=
takes_inbound && main=link other=plain
serve "$B"
open_client "$A"
configure A <<<"$(link link yes; link auto auto; plain plain yes)"
configure B <<<"$(link link no; plain plain no)"
daemons
for name in link plain; do
	add B $name >"$TMP/said" || die "connection $name: $(cat "$TMP/said")"
done

establish "nic-offload=yes" $main
by_device "nic-offload=yes: both SAs are the device's" 2
if [ $main = link ]; then
	same "nic-offload=yes: the interface that it made" "$(show "$A" ipsec1)" 'nic0 {"if_id":"0x1"}'
	ok_if "nic-offload=yes: with its if_id" two_sas "$A" 1
fi
works "nic-offload=yes" $main
ok_if "the device encrypts" test "$(count "$A" ipsec_tx_pkts)" -gt 100
ok_if "and decrypts" test "$(count "$A" ipsec_rx_pkts)" -gt 20
open_stream "$A" "$(inner $main)"
rekeyed "the SAs are renewed under traffic" A $main
by_device "the new ones are the device's" 2
must nic "$A" change nic0 refuse=2
rekeyed "renewed by the other side, when the device takes none any more" B $main
by_device "the new ones are the kernel's" 0
must nic "$A" change nic0 refuse=0
rekeyed "renewed when the device takes them again" A $main
by_device "the new ones are the device's again" 2
ike_rekeyed "the IKE SA is renewed under traffic" $main
# The daemon that answers a rekey sends with its new SA before the other one is complete.
close_stream "renewing loses no packet but those too early for the daemon" early
same "nothing was lost in the device" "$(in_ns "$A" ethtool -S nic0 | grep -E '(failed|drop[a-z_]*): [1-9]')" ""

if [ -n "$other" ]; then
	establish "without an interface, over IPv6" $other
	by_device "both SAs are the device's" 2
	works "without an interface, over IPv6" $other
else
	# The kernel gives a device no inbound SA that has an if_id.
	fails "an interface and nic-offload=yes on this kernel" link "Invalid argument"
fi

establish "nic-offload=auto" auto
by_device "what a device may take is the device's" $([ $main = link ] && echo 2 || echo 1)
works "nic-offload=auto" auto
must nic "$A" change nic0 refuse=2
establish "a device that cannot do it, auto" auto
by_device "the SAs are the kernel's own" 0
works "a device that cannot do it, auto" auto
establish "a device that cannot do it, yes" $main
by_device "the SAs are the kernel's own" 0
works "a device that cannot do it, yes" $main

must nic "$A" change nic0 refuse=1
establish "a device that fails, auto" auto
by_device "the SAs are the kernel's own" 0
works "a device that fails, auto" auto
fails "a device that fails, yes" $main "Input/output error"

must nic "$A" change nic0 refuse=0 sa_max=1
establish "a device with room for one SA, auto" auto
by_device "one SA is the device's" 1
works "a device with room for one SA, auto" auto
fails "a device with room for one SA, yes" $main "No space left on device"

must nic "$A" change nic0 sa_max=100
establish "a device that works again" $main
by_device "both SAs are the device's" 2
ok_if "a tunnel that works again" pings "$A" "$(inner $main)"
order A --shutdown
ok_if "the end of the daemon leaves no SA" wait_for 20 no_sas "$A"
same "nor one in the device" "$(nic "$A" show nic0 sa_count)" 0
plan_done
