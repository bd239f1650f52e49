#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An IKE daemon offloads its SAs to an espnic: strongSwan with hw_offload, unmodified.
# Rekeying under traffic, and what happens when the device takes no SA.
#
#     $A  charon-systemd, hw_offload            $B  charon-systemd
#         ipsec0 10.7.0.1, fd00:7::1                ipsec0 10.7.0.2, fd00:7::2
#         nic0 (espnic) 192.0.2.1
#         wire0 --------------------------------    wire0 192.0.2.2

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/swan.sh
. "$TESTDIR/helpers/swan.sh"
# shellcheck source=scripts/test/helpers/nic.sh
. "$TESTDIR/helpers/nic.sh"

is_accel || skip_all nic_ike "espnic is ours alone"
[ -x $charon ] && have swanctl || skip_all nic_ike "strongSwan (charon-systemd, swanctl) is not installed"
skip_without_python nic_ike

two_hosts
nic_on A
load_cipher
xfrm_link A link=nic0
xfrm_link B
serve "$B"
open_client "$A"
daemons

offloads yes
if ! swan A --initiate --child net >"$TMP/initiate" 2>&1 &&
	grep -q 'if_id is not supported in RX' "$TMP/A.charon" "$TMP/initiate"; then
	skip "hw_offload with an if_id" "this kernel takes no inbound SA with an if_id into a device"
	plan_done
fi
swan A --terminate --ike xa >"$TMP/said" 2>&1 || true
offloads yes
establish "hw_offload = yes"
same "both SAs are the device's" "$(offloaded) $(nic "$A" show nic0 sa_count)" "2 2"
ok_if "with the interface's if_id" with_if_id "$A" 2
works "hw_offload = yes"
ok_if "the device encrypts" test "$(count "$A" ipsec_tx_pkts)" -gt 100
ok_if "and decrypts" test "$(count "$A" ipsec_rx_pkts)" -gt 20
rekeyed_under_traffic
same "the new SAs are the device's" "$(offloaded) $(nic "$A" show nic0 sa_count)" "2 2"

must nic "$A" change nic0 refuse=2
offloads yes
establish "a device that cannot do it"
same "the SAs are the kernel's own" "$(offloaded)" 0
works "a device that cannot do it"

# The daemon asks the device for the feature, and no more.
must nic "$A" change nic0 refuse=0
must in_ns "$A" ethtool -K nic0 esp-hw-offload off
offloads auto
establish "hw_offload = auto, and a device whose feature is off"
same "the SAs are the kernel's own" "$(offloaded)" 0
ok_if "and work" pings "$A" 10.7.0.2
must in_ns "$A" ethtool -K nic0 esp-hw-offload on
must nic "$A" change nic0 refuse=1
offloads yes
not_if "hw_offload = yes, and a device that fails: no tunnel" swan A --initiate --child net
must nic "$A" change nic0 refuse=0
offloads yes
establish "a device that works again"
same "both SAs are the device's" "$(offloaded)" 2
ok_if "a tunnel that works again" pings "$A" 10.7.0.2
ok_if "closing it" swan A --terminate --ike xa
ok_if "leaves no SA in the device" wait_for 10 eval '[ "$(nic "$A" show nic0 sa_count)" = 0 ]'
plan_done
