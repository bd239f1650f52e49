#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IP-TFS (RFC 9347): the tunnel mode that puts several inner packets into one outer
# packet, and pieces of one into several, on kernels that have it.
#
#     $A                                                  $B
#     ipsec0 10.7.0.1, fd00:7::1   (if_id 7)   ipsec0 10.7.0.2, fd00:7::2
#     wire0  192.0.2.1, 2001:db8:1::1  -----   wire0  192.0.2.2, 2001:db8:1::2

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"

skip_without_python iptfs

# The mode is a module of its own, which the distribution may not have built.
if [ -e "$HELPERS/xfrm_iptfs.ko" ]; then
	must modprobe -a esp4 esp6
	must insmod "$HELPERS/xfrm_iptfs.ko"
	at_exit rmmod xfrm_iptfs
fi

# both_ends OUTER SPI: SAs and policies
both_ends()
{
	local SRC DST
	outer_addrs "$1"
	in_ns "$A" "$TESTDIR/helpers/iptfs.py" "$SRC" "$DST" "$SRC" 7 "$2" &&
		in_ns "$B" "$TESTDIR/helpers/iptfs.py" "$SRC" "$DST" "$DST" 7 "$2"
}

# both_families OUTER: inner IPv4 and IPv6 arrive, and only on the device
both_families()
{
	local far said packets errors
	packets=$(stat "$B" ipsec0 rx_packets) errors=$(stat "$B" ipsec0 rx_errors)
	for far in 10.7.0.2 fd00:7::2; do
		ok_if "IP-TFS over IPv$1: ping, UDP and TCP to $far arrive unchanged" \
			client $far --ping 100 --udp 1,1200 --tcp 200000
		# Larger than an outer packet has room for: it travels in pieces.
		ok_if "IP-TFS over IPv$1: packets of the device's MTU to $far" pings "$A" $far 3 \
			-M "do" -s $(($(stat_mtu) - $([ $far = 10.7.0.2 ] && echo 28 || echo 48)))
	done
	said=$(wire)
	ok_if "IP-TFS over IPv$1: the wire carries only ESP" only_on_wire esp "$said"
	ok_if "IP-TFS over IPv$1: every inner packet is counted on the device" \
		test $(($(stat "$B" ipsec0 rx_packets) - packets)) -gt 100
	same "IP-TFS over IPv$1: without an error" "$(($(stat "$B" ipsec0 rx_errors) - errors))" 0
}

stat_mtu() { in_ns "$A" cat /sys/class/net/ipsec0/mtu; }

two_hosts
if ! both_ends 4 0x100 2>"$TMP/refused"; then
	skip_all iptfs "this kernel has no IP-TFS ($(tail -n 1 "$TMP/refused"))"
fi
flush_xfrm
xfrm_link A
xfrm_link B
serve "$B"
open_client "$A"
watch_wire "$B" wire0

for outer in 4 6; do
	both_ends $outer $((0x1000 * outer))
	wire >/dev/null
	both_families $outer
	flush_xfrm
done
plan_done
