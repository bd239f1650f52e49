#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What an xfrm interface sends by an espnic is encrypted before it comes there. It is on
# the device's account only where the device would have done it, and nothing leaves in
# plaintext, whatever way it is made to take.
#
#     $A  nic0                                    $B
#         wire0 ---------------- veth ----------- wire0
#         wire1 ---------------- veth ----------- wire1

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/nic.sh
. "$TESTDIR/helpers/nic.sh"

is_accel || skip_all nic_out "it is ours alone"
skip_without_python nic_out

# account: packets and bytes that nic0 has encrypted
account() { echo "$(count "$A" ipsec_tx_pkts) $(count "$A" ipsec_tx_bytes)"; }

# accounts_for NAME PACKETS COMMAND...: the command works, and nic0 has encrypted so many
# packets for it, each 8 + 8 bytes of headers, 84 of the inner packet, 4 of trailer and 16 of ICV
accounts_for()
{
	local before=() after=()
	read -ra before < <(account)
	ok_if "$1: what is sent arrives" "${@:3}"
	read -ra after < <(account)
	same "$1: nic0 has encrypted" "$((after[0] - before[0])) $((after[1] - before[1]))" "$2 $(($2 * 120))"
}

# by_wire1 COMMAND...: the command works, and its packets come by the other wire
by_wire1()
{
	local before
	before=$(stat "$B" wire1 rx_packets)
	"$@" || return 1
	[ $(($(stat "$B" wire1 rx_packets) - before)) -ge 10 ]
}

second_wire()
{
	must ip -n "$A" link add wire1 type veth peer name wire1 netns "$B"
	must ip -n "$A" link set wire1 up
	must ip -n "$B" link set wire1 up
	must in_ns "$B" sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.wire1.rp_filter=0
}

# Netfilter sends it another way once it is encrypted.
rerouted()
{
	if ! have nft || ! in_ns "$A" nft -f - 2>/dev/null <<-'EOF'
		table ip t {
			chain out {
				type route hook output priority mangle; policy accept;
				ip protocol esp meta mark set 5
			}
		}
	EOF
	then
		skip "another way by netfilter" "no nft here, or no chain of its type route"
		return
	fi
	must ip -n "$A" route add $OUT4_B/32 dev wire1 src $OUT4_A table 100
	must ip -n "$A" rule add fwmark 5 lookup 100
	ok_if "netfilter sends it another way: it is encrypted" by_wire1 pings "$A" 10.7.0.2 10
	must in_ns "$A" nft delete table ip t
	must ip -n "$A" rule del fwmark 5 lookup 100
}

two_hosts
nic_on A
takes_inbound || skip_all nic_out "this kernel gives no inbound SA with an if_id to a device"
second_wire
nic_sas A
sa_pair sides=B
policy_pair
xfrm_link A link=nic0
xfrm_link B
ok_if "the tunnel works" pings "$A" 10.7.0.2
accounts_for "by the device" 10 pings "$A" 10.7.0.2 10
must in_ns "$A" ethtool -K nic0 esp-hw-offload off
accounts_for "with its feature off" 0 pings "$A" 10.7.0.2 10
must in_ns "$A" ethtool -K nic0 esp-hw-offload on
rerouted
must ip -n "$A" route add $OUT4_B/32 dev wire1 src $OUT4_A
accounts_for "by a route past the device" 0 by_wire1 pings "$A" 10.7.0.2 10
must ip -n "$A" route del $OUT4_B/32 dev wire1
accounts_for "by the device again" 10 pings "$A" 10.7.0.2 10
same "the device has dropped nothing" "$(count "$A" ipsec_tx_drop_pkts) $(count "$A" ipsec_tx_drop_no_state)" "0 0"
plan_done
