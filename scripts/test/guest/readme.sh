#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# readme.sh - the first tunnel of README.md, word for word, on two hosts.
#
#     $A                                $B
#     ipsec0 10.7.0.1 fd00:7::1         ipsec0 10.7.0.2 fd00:7::2
#     eth0   192.0.2.1 ------------ eth0       192.0.2.2

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

commands=$HELPERS/first_tunnel.sh
test -s "$commands" || die "README.md has no first tunnel"

two_hosts
for host in "$A" "$B"; do
	must ip -n "$host" link set wire0 down
	must ip -n "$host" link set wire0 name eth0
	must ip -n "$host" link set eth0 up
done

# Its last line says what the first line is on the other host.
ok_if "the commands work on the first host" in_ns "$A" bash -e "$commands"
sed "1s/.*/$(tail -n 1 "$TMP/said")/" "$commands" >"$TMP/other"
ok_if "and on the other one, its first line replaced" in_ns "$B" bash -e "$TMP/other"
same "ten lines or so" "$(($(wc -l <"$commands") <= 13))" 1
ok_if "IPv4 through the tunnel" pings "$A" 10.7.0.2
ok_if "IPv6 through the tunnel" pings "$A" fd00:7::2
ok_if "through the interface" test "$(stat "$B" ipsec0 rx_packets)" -ge 6
ok_if "and through the SAs" \
	sh -c "ip -n $A -s xfrm state | grep -qE '([6-9]|[1-9][0-9]+)\(packets\)'"

plan_done
