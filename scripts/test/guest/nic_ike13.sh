#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nic_ike with the strongSwan of Debian 13, which knows more: hw_offload = crypto, packet,
# or auto, which tries them in turn.
#
#     $A  charon-systemd, hw_offload            $B  charon-systemd
#         ipsec0 10.7.0.1, fd00:7::1                ipsec0 10.7.0.2, fd00:7::2
#         nic0 (espnic) 192.0.2.1
#         wire0 --------------------------------    wire0 192.0.2.2
#
# For packet offload, and on kernels that give a device no inbound SA with an if_id, without
# ipsec0: lo has the addresses.
#
# root: trixie

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/swan.sh
. "$TESTDIR/helpers/swan.sh"
# shellcheck source=scripts/test/helpers/nic.sh
. "$TESTDIR/helpers/nic.sh"

is_accel || skip_all nic_ike13 "espnic is ours alone"
[ -x $charon ] && have swanctl && [[ $(swanctl --help 2>&1) == *"strongSwan 6."* ]] ||
	skip_all nic_ike13 "strongSwan 6 (charon-systemd, swanctl) is not installed"
skip_without_python nic_ike13

# modes: how each SA of A is offloaded
modes() { ip -n "$A" xfrm state | sed -n 's/.*offload parameters: dev nic0 dir [a-z]* mode //p' | xargs; }

# has_modes NAME WANTED: and the device has as many SAs
has_modes()
{
	same "$1" "$(modes) $(nic "$A" show nic0 sa_count)" "$2 $(wc -w <<<"$2")"
}

# refused_by_daemon NAME REGEX: no tunnel, and it says why
refused_by_daemon() { refused "$1" "$2" swan A --initiate --child net; }

lost_in_device() { in_ns "$A" ethtool -S nic0 | grep -E '(failed|drop[a-z_]*): [1-9]' || true; }

# without_link: the connections are for addresses, not for an interface
without_link()
{
	IF_ID=
	inner_way A nic0 1 2
	inner_way B wire0 2 1
}

# works_by MODE NAME: packet offload is of one IP version, the tunnel's
works_by() { if [ "$1" = packet ]; then works_ipv4 "$2"; else works "$2"; fi; }

# offloaded_well MODE: SAs of that mode, renewed under traffic whatever the device does
offloaded_well()
{
	local mode=$1 name="hw_offload = $1${IF_ID:+, if_id}" tx rx
	tx=$(count "$A" ipsec_tx_pkts) rx=$(count "$A" ipsec_rx_pkts)
	offloads "$mode"
	establish "$name"
	has_modes "$name: both SAs are the device's" "$mode $mode"
	[ -z "$IF_ID" ] || ok_if "$name: with the interface's if_id" with_if_id "$A" 2
	works_by "$mode" "$name"
	ok_if "$name: the device encrypts" test $(($(count "$A" ipsec_tx_pkts) - tx)) -gt 100
	ok_if "$name: and decrypts" test $(($(count "$A" ipsec_rx_pkts) - rx)) -gt 20
	open_stream "$A" 10.7.0.2
	rekeyed "$name: rekey under traffic"
	has_modes "$name: the new SAs are the device's" "$mode $mode"
	[ "$mode" = packet ] || refused_while_busy "$name"
	close_stream "$name: rekeying loses no packet"
	same "$name: nothing was lost in the device" "$(lost_in_device)" ""
}

# refused_while_busy NAME: a device takes no SAs for a while
refused_while_busy()
{
	must nic "$A" change nic0 refuse=2
	rekeyed "$1: rekey when the device takes none any more"
	has_modes "$1: the new SAs are the kernel's" ""
	must nic "$A" change nic0 refuse=0
	rekeyed "$1: rekey when the device takes them again"
	has_modes "$1: the new SAs are the device's again" "crypto crypto"
}

two_hosts
nic_on A
load_cipher
best=crypto
takes_packet && best=packet
if takes_inbound; then
	xfrm_link A link=nic0
	xfrm_link B
else
	without_link
fi
serve "$B"
open_client "$A"
daemons

offloaded_well crypto

# A device has no packet offload, or none for inbound SAs with an if_id.
if [ -n "$IF_ID" ]; then
	offloads packet
	refused_by_daemon "hw_offload = packet: no tunnel" \
		"netlink error: (Unrecognized flags|espnic: (only crypto|no packet) offload)"
fi
if [ $best = packet ]; then
	if [ -n "$IF_ID" ]; then
		must ip -n "$A" link del ipsec0
		must ip -n "$B" link del ipsec0
		without_link
	fi
	offloaded_well packet
fi

offloads auto
establish "hw_offload = auto"
has_modes "both SAs are the device's, the best way" "$best $best"
works_by $best "hw_offload = auto"

must nic "$A" change nic0 refuse=2
offloads auto
establish "a device that cannot do it, auto"
has_modes "the SAs are the kernel's own" ""
works "a device that cannot do it, auto"

# Where the device fails, "auto" does so, too.
must nic "$A" change nic0 refuse=1
for offload in crypto auto; do
	offloads $offload
	refused_by_daemon "a device that fails, $offload: no tunnel" 'netlink error.*\(5\)'
done
must nic "$A" change nic0 refuse=0 sa_max=1
offloads crypto
refused_by_daemon "a device with room for one SA: no tunnel" 'netlink error.*\(28\)'

must nic "$A" change nic0 sa_max=100
offloads crypto
establish "a device that works again"
has_modes "both SAs are the device's" "crypto crypto"
ok_if "a tunnel that works again" pings "$A" 10.7.0.2
ok_if "closing it" swan A --terminate --ike xa
ok_if "leaves no SA in the device" wait_for 10 eval '[ "$(nic "$A" show nic0 sa_count)" = 0 ]'
plan_done
