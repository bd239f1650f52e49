#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# espnic when it is full, and when it is told to do something wrong: what the authors
# of drivers and of IKE daemons test against.
#
#     $A  nic0                                    $B
#         wire0 ---------------- veth ----------- wire0
#         10.7.0.1, fd00:7::1                     10.7.0.2, fd00:7::2
#
# The tunnel is an xfrm interface's, or of routes and policies alone where the kernel
# gives a device no inbound SA with an if_id.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/esp.sh
. "$TESTDIR/helpers/esp.sh"
# shellcheck source=scripts/test/helpers/nic.sh
. "$TESTDIR/helpers/nic.sh"
# shellcheck source=scripts/test/helpers/trace.sh
. "$TESTDIR/helpers/trace.sh"

is_accel || skip_all nic_faults "it is ours alone"
skip_without_python nic_faults

change() { nic "$A" change nic0 "$@" >/dev/null || die "nic0 refuses: $*"; }

offloaded() { ip -n "$A" xfrm state | grep -c 'offload parameters' || true; }

# another_sa SPI: on A, out, by nic0
another_sa()
{
	ip -n "$A" xfrm state add src $OUT4_A dst $OUT4_B proto esp spi "$1" reqid 9 mode tunnel \
		aead "rfc4106(gcm(aes))" 0x00112233445566778899aabbccddeeff01020304 128 \
		offload dev nic0 dir out
}

no_room()
{
	change sa_max=3
	ok_if "an SA for which there is room" another_sa 0x3001
	refused "one for which there is none" "failed to offload|no room for more SAs" another_sa 0x3002
	same "is not there" "$(ip -n "$A" xfrm state | grep -c 'spi 0x00003002' || true)" 0
	same "the others are" "$(offloaded) $(nic "$A" show nic0 sa_count)" "3 3"
	must ip -n "$A" xfrm state delete src $OUT4_A dst $OUT4_B proto esp spi 0x3001
	ok_if "room that has become free" another_sa 0x3002
	must ip -n "$A" xfrm state delete src $OUT4_A dst $OUT4_B proto esp spi 0x3002
	change sa_max=1
	same "a device does not lose SAs by becoming smaller" "$(nic "$A" show nic0 sa_count)" 2
	change sa_max=65536
}

refuses()
{
	change refuse=1
	refused "an SA that the device fails to take" "failed to offload|told to fail" another_sa 0x3003
	change refuse=2
	ok_if "one that it cannot do" another_sa 0x3003
	same "is the kernel's own" "$(offloaded)" 2
	must ip -n "$A" xfrm state delete src $OUT4_A dst $OUT4_B proto esp spi 0x3003
	change refuse=0
	refused "an SA of AH is not for it" "" ip -n "$A" xfrm state add src $OUT4_A dst $OUT4_B proto ah spi 9 \
		mode tunnel auth-trunc "hmac(sha256)" 0x00112233445566778899aabbccddeeff 128 offload dev nic0 dir out
	ok_if "one in BEET mode is the kernel's own" ip -n "$A" xfrm state add src $OUT4_A dst $OUT4_B proto esp \
		spi 9 mode beet aead "rfc4106(gcm(aes))" 0x00112233445566778899aabbccddeeff01020304 128 \
		offload dev nic0 dir out
	same "and not the device's" "$(offloaded)" 2
	must ip -n "$A" xfrm state delete src $OUT4_A dst $OUT4_B proto esp spi 9
}

corrupts()
{
	local failed proto
	failed=$(count "$A" ipsec_rx_auth_failed) proto=$(mib "$A" XfrmInStateProtoError)
	change corrupt=4
	in_ns "$A" ping -n -q -i 0.02 -W 1 -c 40 10.7.0.2 >"$TMP/ping" 2>&1
	change corrupt=0
	same "of 40 answers every fourth is found wrong" "$(grep -o '[0-9]* received' "$TMP/ping")" "30 received"
	same "the device counts them" $(($(count "$A" ipsec_rx_auth_failed) - failed)) 10
	same "so does the kernel" $(($(mib "$A" XfrmInStateProtoError) - proto)) 10
	same "and the SA" "$(ip -n "$A" -s xfrm state | awk '/spi 0x00001001/ { f = 1 } f && /failed/ { print $NF; exit }')" 10
	tunnel_works "afterwards"
}

# way HOST DEV NEAR FAR: inner addresses, routes and policies, without an interface
way()
{
	local src=OUT4_A dst=OUT4_B net
	[ "$1" = A ] || src=OUT4_B dst=OUT4_A
	inner_way "$@"
	for net in 10.7.0. fd00:7::; do
		must ip -n "${!1}" -batch - <<-END
			xfrm policy add src $net$3 dst $net$4 dir out tmpl src ${!src} dst ${!dst} proto esp reqid 1 mode tunnel
			xfrm policy add src $net$4 dst $net$3 dir in tmpl src ${!dst} dst ${!src} proto esp reqid 1 mode tunnel
		END
	done
}

tunnel_works() { ok_if "$1: the tunnel works" pings "$A" 10.7.0.2; }

reorders()
{
	local seen
	watch_esp swapped "$B" wire0 in
	esp_seen swapped >/dev/null
	change reorder=10
	ok_if "nothing is lost when packets overtake each other" client 10.7.0.2 --ping 100 --udp 1,100,1300
	burst 10.7.0.2 --count 100 --size 100 || true
	change reorder=0
	seen=$(esp_seen swapped)
	ok_if "and some do" grep -qE 'late=[1-9]' <<<"$seen"
	ok_if "none comes twice, and none is missing" unique "$seen"
	tunnel_works "afterwards"
}

stalls()
{
	local got
	must ip -n "$A" link set nic0 down
	must in_ns "$A" tc qdisc add dev nic0 root pfifo limit 1000
	takes_addresses A nic0
	nic_sas A if_id=$if_id
	[ $if_id != 0 ] || inner_routes A nic0 1 2
	wire_works "with a queue"
	tunnel_works "with a queue"
	got=$(stat "$B" wire0 rx_packets)
	change stall=1
	not_if "nothing leaves a queue that stands still" in_ns "$A" ping -n -q -c 3 -i 0.1 -W 1 10.7.0.2
	change stall=0
	ok_if "what has waited leaves" wait_for 5 at_least $((got + 3)) "$B" wire0 rx_packets
	tunnel_works "afterwards"
	same "no packet left without being encrypted" "$(count "$A" ipsec_tx_drop_bundle)" 0
	must in_ns "$A" tc qdisc del dev nic0 root
}

# watch_reasons, dropped_for NAME COUNT REASON: why packets are dropped, by the tracepoint
watch_reasons()
{
	has_events skb/kfree_skb || return 0
	trace_clear
	trace_on skb/kfree_skb
}

dropped_for()
{
	has_events skb/kfree_skb || { skip "$1" "this kernel has no tracepoints"; return; }
	trace_off skb/kfree_skb
	same "$1" "$(traced "reason: $3\b")" "$2"
}

loses()
{
	local unknown dropped
	unknown=$(count "$A" ipsec_rx_no_sa) dropped=$(count "$A" ipsec_tx_drop_no_state)
	change lose=0x1001
	tunnel_works "an SA to receive with is lost, and the kernel decrypts"
	ok_if "the device counts what it does not know" test $(($(count "$A" ipsec_rx_no_sa) - unknown)) -ge 3
	change lose=0x1000
	watch_reasons
	not_if "without the SA to send with nothing leaves" in_ns "$A" ping -n -q -c 3 -i 0.1 -W 1 10.7.0.2
	same "and that is counted" $(($(count "$A" ipsec_tx_drop_no_state) - dropped)) 3
	dropped_for "each with a reason of the kernel's" 3 XFRM_POLICY
	same "the kernel knows nothing of it" "$(offloaded)" 2
	must ip -n "$A" xfrm state flush
	nic_sas A if_id=$if_id
	tunnel_works "with the SAs made anew"
}

two_hosts
nic_on A
# if_id of all SAs and policies, or 0: "ip xfrm" says nothing of it then.
if_id=7
takes_inbound || if_id=0
nic_sas A if_id=$if_id
sa_pair sides=B if_id=$if_id
if [ $if_id = 0 ]; then
	way A nic0 1 2
	way B wire0 2 1
else
	policy_pair
	xfrm_link A link=nic0
	xfrm_link B
fi
serve "$B"
open_client "$A"
tunnel_works "at first"
no_room
refuses
corrupts
reorders
loses
stalls
same "nothing else went wrong" "$(count "$A" ipsec_rx_failed) $(count "$A" ipsec_tx_drop_pkts)" "0 0"
plan_done
