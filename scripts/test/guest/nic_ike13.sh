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

two_hosts
nic_on A
# The kernel loads and tests the cipher with its first SA.
sa_pair
for ns in "$A" "$B"; do
	must ip -n "$ns" xfrm state flush
done
if ! takes_inbound; then
	skip "hw_offload with an if_id" "this kernel takes no inbound SA with an if_id into a device"
	plan_done
fi
best=crypto
takes_packet && best=packet
xfrm_link A link=nic0
xfrm_link B
serve "$B"
open_client "$A"
daemons

offloads crypto
establish "hw_offload = crypto"
has_modes "both SAs are the device's" "crypto crypto"
ok_if "with the interface's if_id" with_if_id "$A" 2
works "hw_offload = crypto"
ok_if "the device encrypts" test "$(count "$A" ipsec_tx_pkts)" -gt 100
ok_if "and decrypts" test "$(count "$A" ipsec_rx_pkts)" -gt 20
open_stream "$A" 10.7.0.2
rekeyed "rekey under traffic"
has_modes "the new SAs are the device's" "crypto crypto"
must nic "$A" change nic0 refuse=2
rekeyed "rekey when the device takes none any more"
has_modes "the new SAs are the kernel's" ""
must nic "$A" change nic0 refuse=0
rekeyed "rekey when the device takes them again"
has_modes "the new SAs are the device's again" "crypto crypto"
close_stream "rekeying loses no packet"
same "nothing was lost in the device" "$(lost_in_device)" ""

# A device has no packet offload, or none for inbound SAs with an if_id.
offloads packet
refused_by_daemon "hw_offload = packet: no tunnel" "netlink error: (Unrecognized flags|espnic: (only crypto|no packet) offload)"

if [ $best = packet ]; then
	skip "hw_offload = auto" "with an if_id only the SA out would have packet offload: not tested here"
else
	offloads auto
	establish "hw_offload = auto"
	has_modes "both SAs are the device's" "crypto crypto"
	works "hw_offload = auto"
fi

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
