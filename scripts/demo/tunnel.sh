#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demonstration as the guest runs it: two hosts, an IPsec tunnel between them, traffic
# through it, a look at the wire. Every command is shown as it is run, and is all there is.
#
#     left                                              right
#     ipsec0  10.7.0.1  fd00:7::1                       ipsec0  10.7.0.2  fd00:7::2
#        |                                                 |
#     wire    192.0.2.1  ----------- ESP ------------   wire    192.0.2.2
#
# Runs in the directory of xfrm_accel.ko; leaves wire.pcap, esp_sa (the keys as Wireshark
# wants them) and processor (who ran this) in $OUT. Exit status 0 only if every line of the table at the end says ok.
#
# BYTES (4194304): what each TCP connection is to carry. SABOTAGE: something goes wrong on purpose, for
# selftest.sh: no-module, in-tree, wrong-key, bypass, no-policy.

# shellcheck disable=SC2016  # commands are shown with their variables, then evaluated
set -uo pipefail

BYTES=${BYTES:-4194304} SABOTAGE=${SABOTAGE:-}
PINGS=10
WORK=$(mktemp -d)
CAPTURE=$WORK/wire.pcap
rows=() failures=0 tcpdump='' received4=0 received6=0

# --- showing --------------------------------------------------------------------------------

title() { printf '\n# %s\n' "$*"; }

# run 'COMMAND': shows it, then runs it. The demonstration ends where one fails.
run() {
	printf '$ %s\n' "$1"
	eval "$1" || {
		row "command: ${1%%$'\n'*}" FAILED - "status $?"
		table
		exit 1
	}
}

# row WHAT ok|FAILED THROUGHPUT COUNTED
row() {
	rows+=("$1|$2|$3|$4")
	[ "$2" = ok ] || failures=$((failures + 1))
}

# judge WHAT THROUGHPUT COUNTED CONDITION...
judge() {
	local what=$1 throughput=$2 counted=$3
	shift 3
	if "$@"; then
		row "$what" ok "$throughput" "$counted"
	else
		row "$what" FAILED "$throughput" "$counted"
	fi
}

table() {
	local r
	echo
	printf '%-46s %-7s %-13s %s\n' tried result throughput counted
	printf '%.0s-' {1..110}
	echo
	for r in "${rows[@]}"; do
		IFS='|' read -r what result throughput counted <<<"$r"
		printf '%-46s %-7s %-13s %s\n' "$what" "$result" "$throughput" "$counted"
	done
	echo
	[ "$failures" = 0 ] || printf '%d of %d FAILED\n\n' "$failures" "${#rows[@]}"
}

# --- small tools ----------------------------------------------------------------------------

# wait_for SECONDS CMD...: polls
wait_for() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

clean_up() {
	[ -z "$tcpdump" ] || kill "$tcpdump" 2>/dev/null
	for host in left right; do
		# shellcheck disable=SC2046  # a list of process ids
		kill $(ip netns pids $host 2>/dev/null) 2>/dev/null
		ip netns del $host 2>/dev/null
	done
	wait_for 20 sh -c 'rmmod xfrm_accel || [ ! -d /sys/module/xfrm_accel ]'
	rm -rf "$WORK"
}
trap clean_up EXIT

all_equal() {
	local n
	for n in "$@"; do
		[ "$n" = "$1" ] || return 1
	done
}

# What the listener saw is at least what arrived: packets sent twice are seen twice.
enough() { [ "$2" -gt 0 ] && [ "$1" -ge "$2" ]; }

captured() { kill -USR1 "$tcpdump" && tail -n 1 "$WORK/tcpdump" | grep -oE '[0-9]+ packets captured'; }

# Has tcpdump written all that went over the wire? Nothing new for a second.
capture_settled() {
	local before
	before=$(captured)
	sleep 1
	[ "$before" = "$(captured)" ]
}

sa_packets() { ip -n "$1" -s xfrm state get src "$2" dst "$3" proto esp spi "$4" | grep -oE '[0-9]+\(packets\)' | tail -n 1 | cut -d'(' -f1; }

rx_packets() { ip netns exec "$1" cat /sys/class/net/ipsec0/statistics/rx_packets; }

# --- what is shown --------------------------------------------------------------------------

load() {
	title "The kernel is the distribution's own. The module is loaded into it."
	run 'uname -rv'
	run 'modprobe -a tunnel4 tunnel6 xfrm6_tunnel'
	case $SABOTAGE in
	no-module) run 'insmod ./no-such-module.ko' ;;
	in-tree) run 'modprobe xfrm_interface' ;;
	*) run 'insmod ./xfrm_accel.ko' ;;
	esac
}

hosts() {
	title 'Two hosts with a wire between them. They look for no router: only what we send is to be counted.'
	run 'ip netns add left'
	run 'ip netns add right'
	run 'ip link add wire netns left type veth peer name wire netns right'
	run 'ip -n left addr add 192.0.2.1/24 dev wire'
	run 'ip -n right addr add 192.0.2.2/24 dev wire'
	run 'ip -n left link set wire up'
	run 'ip -n right link set wire up'
	run 'for host in left right; do
	ip netns exec $host sysctl -q net.ipv6.conf.default.router_solicitations=0
done'
}

listen() {
	title 'Somebody listens on the wire.'
	printf '$ %s\n' 'ip netns exec left tcpdump -i wire -w wire.pcap &'
	ip netns exec left tcpdump --immediate-mode -B 65536 -i wire -w "$CAPTURE" 2>"$WORK/tcpdump" &
	tcpdump=$!
	wait_for 20 grep -q listening "$WORK/tcpdump" || run 'false # tcpdump does not listen'
}

tunnel() {
	title 'Keys for AES-GCM (RFC 4106), made now: 16 bytes of key and 4 of salt for each direction.'
	run 'KEY1=0x$(openssl rand -hex 20)'
	run 'KEY2=0x$(openssl rand -hex 20)'

	title 'Security associations, one per direction, known to both hosts. They belong to if_id 7.'
	run 'for host in left right; do
	ip -n $host xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 reqid 7 mode tunnel \
		if_id 7 flag af-unspec aead "rfc4106(gcm(aes))" $KEY1 128
	ip -n $host xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x1002 reqid 7 mode tunnel \
		if_id 7 flag af-unspec aead "rfc4106(gcm(aes))" $KEY2 128
done'
	title 'Policies: what has if_id 7 goes through the tunnel, IPv4 as well as IPv6, and nothing else does.'
	[ "$SABOTAGE" = no-policy ] || run 'for all in 0.0.0.0/0 ::/0; do
	ip -n left xfrm policy add src $all dst $all dir out if_id 7 \
		tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 7 mode tunnel
	ip -n left xfrm policy add src $all dst $all dir in if_id 7 \
		tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 7 mode tunnel
	ip -n right xfrm policy add src $all dst $all dir out if_id 7 \
		tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 7 mode tunnel
	ip -n right xfrm policy add src $all dst $all dir in if_id 7 \
		tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 7 mode tunnel
done'
	title 'The interfaces: what is routed into ipsec0 gets if_id 7.'
	run 'ip -n left link add ipsec0 type xfrm dev wire if_id 7'
	run 'ip -n right link add ipsec0 type xfrm dev wire if_id 7'
	run 'ip -n left addr add 10.7.0.1/24 dev ipsec0'
	run 'ip -n left addr add fd00:7::1/64 dev ipsec0'
	run 'ip -n right addr add 10.7.0.2/24 dev ipsec0'
	run 'ip -n right addr add fd00:7::2/64 dev ipsec0'
	run 'ip -n left link set ipsec0 up'
	run 'ip -n right link set ipsec0 up'
	run 'ip -n left -d link show dev ipsec0'
	run 'ip -n left route show dev ipsec0; ip -n left -6 route show dev ipsec0'
	run 'ip netns exec left ethtool -i ipsec0 | grep driver'
	local driver
	driver=$(ip netns exec left ethtool -i ipsec0 | awk '/^driver:/ { print $2 }')
	judge 'ipsec0, an interface of type xfrm' - "driver $driver, Linux $(uname -r)" [ "$driver" = xfrm_accel ]
}

# try_ping NAME ADDRESS; its payload is a text that can be looked for on the wire.
try_ping() {
	local said
	printf '$ %s\n' "ip netns exec left ping -c $PINGS -i 0.1 -p $(hex 'in the clear') $2"
	said=$(ip netns exec left ping -c $PINGS -i 0.1 -W 5 -p "$(hex 'in the clear')" "$2" 2>&1)
	tail -n 2 <<<"$said"
	judge "ping over $1" - "$(grep -oE '[0-9]+ packets transmitted, [0-9]+ received' <<<"$said")" \
		grep -q " $PINGS received" <<<"$said"
}

hex() { printf %s "$1" | od -An -tx1 | tr -d ' \n'; }

# try_tcp NAME ADDRESS VARIABLE: stores how many bytes arrived. iperf3 stops when it has sent
# enough, whatever is still on its way.
try_tcp() {
	local said bytes
	printf '$ %s\n' "ip netns exec left iperf3 -c $2 -n $BYTES -J | jq -c '.end.sum_received | {bytes, seconds}'"
	# The client of a dead tunnel would wait for minutes.
	said=$(timeout 60 ip netns exec left iperf3 -c "$2" -n "$BYTES" -J --connect-timeout 10000)
	jq -cM '.error // (.end.sum_received | {bytes, seconds})' <<<"$said"
	bytes=$(jq '.end.sum_received.bytes // 0' <<<"$said")
	judge "TCP over $1 (iperf3)" "$(jq -r '.end.sum_received.bits_per_second // 0 | . / 1e5 | round / 10' <<<"$said") Mbit/s" \
		"${bytes:-0} bytes received" [ "${bytes:-0}" -gt 0 ]
	printf -v "$3" %s "${bytes:-0}"
}

traffic() {
	title 'Traffic. The text in the payload of ping would be readable on the wire if it were not encrypted.'
	try_ping IPv4 10.7.0.2
	try_ping IPv6 fd00:7::2
	[ "$SABOTAGE" != bypass ] || try_ping 'IPv4, past the tunnel' 192.0.2.2
	run 'ip netns exec right iperf3 -s -D'
	wait_for 20 sh -c 'ip netns exec right ss -ltn | grep -q :5201' || run 'false # iperf3 does not listen'
	try_tcp IPv4 10.7.0.2 received4
	try_tcp IPv6 fd00:7::2 received6

	title 'Silence, and the listener stops.'
	wait_for 30 capture_settled
	run 'ip -n left link set ipsec0 down'
	run 'ip -n right link set ipsec0 down'
	wait_for 30 capture_settled
	kill -INT "$tcpdump"
	wait "$tcpdump"
	tcpdump=
	tail -n 3 "$WORK/tcpdump"
}

# The keys, as a table of Wireshark's: ~/.config/wireshark/esp_sa.
hand_over_keys() {
	local key1=$KEY1 algorithm='AES-GCM with 16 octet ICV [RFC4106]'
	[ "$SABOTAGE" != wrong-key ] || key1=0x$(openssl rand -hex 20)
	mkdir -p ~/.config/wireshark
	cat >~/.config/wireshark/esp_sa <<-END
		"IPv4","192.0.2.1","192.0.2.2","0x00001001","$algorithm","$key1","NULL",""
		"IPv4","192.0.2.2","192.0.2.1","0x00001002","$algorithm","$KEY2","NULL",""
	END
	cp "$CAPTURE" ~/.config/wireshark/esp_sa "$OUT/"
}

# dissect: a line for each frame: protocols, outer source, is the ICV right, ICMP type, ICMPv6
# type, TCP payload
dissect() {
	tshark -n -r "$CAPTURE" -o esp.enable_encryption_decode:TRUE -o esp.enable_authentication_check:TRUE \
		-T fields -E occurrence=f -e frame.protocols -e ip.src -e esp.icv_good \
		-e icmp.type -e icmpv6.type -e tcp.len 2>"$WORK/tshark"
}

# count: reads those lines, prints name=number
count() {
	awk -F '\t' '
	$1 ~ /^eth:ethertype:ip:esp/	{ esp++ }
	$1 == "eth:ethertype:arp"	{ neighbour++; next }
	$1 ~ /^eth:ethertype:ipv6:(ipv6.hopopts:)?icmpv6$/ && $5 ~ /^(130|131|132|133|134|135|136|143)$/ {
		neighbour++; next }
	$1 !~ /^eth:ethertype:ip:esp/	{ other++; next }
	$3 != 1 || $1 !~ /^eth:ethertype:ip:esp:(ip|ipv6):/ { next }
	{ opened++ }
	$2 == "192.0.2.1"		{ to_right++ }
	$2 == "192.0.2.2"		{ to_left++ }
	$1 ~ /esp:ip:icmp/ && $4 == 8	{ ask4++ }
	$1 ~ /esp:ip:icmp/ && $4 == 0	{ reply4++ }
	$1 ~ /esp:ipv6:icmpv6/ && $5 == 128 { ask6++ }
	$1 ~ /esp:ipv6:icmpv6/ && $5 == 129 { reply6++ }
	$2 == "192.0.2.1" && $1 ~ /esp:ip:tcp/	 { tcp4++; tcp4_bytes += $6 }
	$2 == "192.0.2.1" && $1 ~ /esp:ipv6:tcp/ { tcp6++; tcp6_bytes += $6 }
	END {
		n = split("esp neighbour other opened to_right to_left ask4 reply4 ask6 reply6 " \
			  "tcp4 tcp4_bytes tcp6 tcp6_bytes", name, " ")
		value["esp"] = esp; value["neighbour"] = neighbour; value["other"] = other
		value["opened"] = opened; value["to_right"] = to_right; value["to_left"] = to_left
		value["ask4"] = ask4; value["reply4"] = reply4; value["ask6"] = ask6; value["reply6"] = reply6
		value["tcp4"] = tcp4; value["tcp4_bytes"] = tcp4_bytes
		value["tcp6"] = tcp6; value["tcp6_bytes"] = tcp6_bytes
		for (i = 1; i <= n; i++)
			printf "%s=%d\n", name[i], value[name[i]]
	}'
}

look() {
	local esp=0 neighbour=0 other=0 opened=0 to_right=0 to_left=0 ask4=0 reply4=0 ask6=0 reply6=0
	local tcp4=0 tcp4_bytes=0 tcp6=0 tcp6_bytes=0 readable
	title 'What did the listener see? First without the keys, then tshark is given them.'
	hand_over_keys
	printf '$ %s\n' "grep -a -c 'in the clear' wire.pcap"
	readable=$(grep -a -c 'in the clear' "$CAPTURE")
	echo "$readable"
	printf '$ %s\n' 'tshark -r wire.pcap -o esp.enable_encryption_decode:TRUE -o esp.enable_authentication_check:TRUE ...'
	dissect >"$WORK/frames" || cat "$WORK/tshark"
	# shellcheck disable=SC1091
	count <"$WORK/frames" >"$WORK/counts" && . "$WORK/counts"
	sed -E 's/\t.*//; s/(tcp|icmp|icmpv6):.*/\1/' "$WORK/frames" | sort | uniq -c | sort -rn | head -n 10

	judge 'on the wire: only ESP (and ARP, ND, MLD)' - "$esp ESP, $neighbour ARP/ND/MLD, $other others" \
		[ "$esp" -gt 0 -a "$other" = 0 ]
	judge 'on the wire: the payload of ping' - "readable in $readable places" [ "$readable" = 0 ]
	judge 'decrypted by tshark, integrity checked' - "$opened of $esp ESP packets" \
		[ "$opened" = "$esp" -a "$esp" -gt 0 ]
	judge '  inside: IPv4 echo' - "$ask4 requests, $reply4 replies" all_equal $PINGS "$ask4" "$reply4"
	judge '  inside: IPv6 echo' - "$ask6 requests, $reply6 replies" all_equal $PINGS "$ask6" "$reply6"
	judge '  inside: TCP over IPv4, left to right' - "$tcp4 packets, $tcp4_bytes bytes" enough "$tcp4_bytes" "$received4"
	judge '  inside: TCP over IPv6, left to right' - "$tcp6 packets, $tcp6_bytes bytes" enough "$tcp6_bytes" "$received6"
	counters
}

# The same packets, counted by three: tshark, and SA and interface of the host that received.
# (The sender's SA counts a train of TCP segments once.)
counters() {
	local sa rx dropped
	sa=$(sa_packets right 192.0.2.1 192.0.2.2 0x1001) rx=$(rx_packets right)
	judge 'left to right, counted by three' - "tshark $to_right, SA $sa, ipsec0 $rx packets" \
		all_equal "$to_right" "$sa" "$rx"
	sa=$(sa_packets left 192.0.2.2 192.0.2.1 0x1002) rx=$(rx_packets left)
	judge 'right to left, counted by three' - "tshark $to_left, SA $sa, ipsec0 $rx packets" \
		all_equal "$to_left" "$sa" "$rx"
	dropped=$(for host in left right; do
		ip netns exec $host ethtool -S ipsec0
	done | awk '/drop_/ { n += $2 } END { print n + 0 }')
	judge 'discarded by the interfaces (ethtool -S)' - "$dropped packets" [ "$dropped" = 0 ]
}

kernel_log() {
	local bad
	bad=$(dmesg | grep -cE 'WARNING:|BUG|Oops|Call Trace|refcount|general protection')
	judge 'kernel log' - "$bad bad lines" [ "$bad" = 0 ]
}

cd "$(dirname "$0")" || exit
# iperf3 keeps its files there.
export TMPDIR=$WORK
grep -m 1 'model name' /proc/cpuinfo >"$OUT/processor"
load
hosts
listen
tunnel
traffic
look
kernel_log
table
[ "$failures" = 0 ]
exit
