#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What an espnic puts on its wire, judged by programs that share no line with the kernel:
# helpers/espwire.py, written from the RFCs, and tshark where that knows the cipher. Every
# cipher that it is given, single packets and trains, every mode and family.
#
#     $A  nic0 (espnic)                    $B  the kernel's esp_output and esp_input
#         wire0 ------------------------------ wire0
#         10.9.N.1, fd09:N::1                  10.9.N.2, fd09:N::2       (case N)
#
# B's SAs were made before the module was loaded, so they are bound to no engine.
#
# needs: unloaded

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

is_accel || skip_all nic_wire "it is ours alone"
skip_without_python nic_wire
python3 -c 'import cryptography' 2>/dev/null || skip_all nic_wire "python3-cryptography is not installed"

# MODE OUTER INNER ALG ESN
cases=(
	"tunnel 4 4 gcm128 0" "transport 6 6 gcm128 0" "tunnel 6 4 gcm256 1" "transport 4 4 gcm64 0"
	"tunnel 4 6 gcm96 0" "tunnel 6 6 gmac 1" "transport 4 4 gmac 0" "tunnel 4 4 ccm 0"
	"transport 6 6 chacha 1" "tunnel 4 6 chacha 0" "transport 4 4 sha1 0" "tunnel 6 4 sha256 1"
	"transport 6 6 sha384 0" "tunnel 4 4 sha512 0" "tunnel 6 6 ctr 0" "transport 4 4 xcbc 0"
	"tunnel 4 4 cmac 1" "transport 6 6 null 0" "tunnel 6 4 null 0")

# judged: espwire.py knows the keys of every case
judged()
{
	local n=0 c alg esn watched=()
	for c in "${cases[@]}"; do
		n=$((n + 1))
		read -r _ _ _ alg esn <<<"$c"
		[ "$esn" = 0 ] && esn='' || esn=2
		watched+=("$(keys "$(case_spi $n)" "$alg" "$esn")")
	done
	watch_esp sent "$B" wire0 in "${watched[@]}"
}

# encrypted: packets and bytes that nic0 of A has
encrypted() { echo "$(count "$A" ipsec_tx_pkts) $(count "$A" ipsec_tx_bytes)"; }

# at_rest: the last words of a TCP connection may come late
at_rest()
{
	local before
	before=$(encrypted)
	sleep 0.2
	[ "$(encrypted)" = "$before" ]
}

# by_device SPI ESN SEEN PACKETS BYTES: what is seen of the SPI was encrypted by nic0, which
# had so many before; but a train in which the lower half of the number overflows the kernel
# cuts and encrypts.
by_device()
{
	local now packets bytes seen=()
	read -ra now < <(encrypted)
	packets=$((now[0] - $4)) bytes=$((now[1] - $5))
	read -ra seen < <(sed -n "s/^$1 n=\([0-9]*\) bytes=\([0-9]*\) .*/\1 \2/p" <<<"$3")
	echo "encrypted $packets $bytes, seen ${seen[*]}"
	if [ "$2" = 1 ]; then
		[ "$packets" -gt $((seen[0] / 2)) ]
	else
		[ "$packets $bytes" = "${seen[*]}" ]
	fi
}

# try N MODE OUTER INNER ALG ESN
try()
{
	local IN_A IN_B said tx=() rx
	case_addrs "$1" "$4"
	read -ra tx < <(encrypted)
	rx=$(count "$A" ipsec_rx_pkts)
	ok_if "$*: what is sent arrives, both ways" client "$IN_B" --src "$IN_A" --ping 100 \
		--tcp 100000 --udp 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,1300
	wait_for 10 at_rest || die "somebody goes on sending"
	said=$(esp_seen sent)
	ok_if "$*: on the wire all numbers, no IV twice, padding, checksums" dense "$said"
	ok_if "$*: what is on the wire is the device's" by_device "$(case_spi "$1")" "$6" "$said" "${tx[@]}"
	ok_if "$*: the answers are decrypted by it" test $(($(count "$A" ipsec_rx_pkts) - rx)) -gt 20
}

# A train is one packet to the queue of the lower device, whose kernel cuts and encrypts it;
# but not where single packets are to be reordered.
trains()
{
	local event=net/net_dev_queue
	if ! has_events $event; then
		skip "trains" "this kernel has no tracepoints"
		return
	fi
	trace_on $event 'name == "wire0" && len > 2000'
	trace_clear
	ok_if "trains: TCP arrives" lines try_bulk
	not_if "trains: they go to the wire whole" test "$(traced 'dev=wire0')" = 0
	must ip -n "$A" link set nic0 type espnic reorder 1000000
	trace_clear
	ok_if "trains of single packets: TCP arrives" lines try_bulk
	same "trains of single packets: each goes to the wire by itself" "$(traced 'dev=wire0')" 0
	must ip -n "$A" link set nic0 type espnic reorder 0
	trace_off $event
}

# try_bulk N MODE OUTER INNER ALG ESN
try_bulk()
{
	local IN_A IN_B
	case_addrs "$1" "$4"
	client "$IN_B" --src "$IN_A" --tcp 100000
}

# known_to_tshark N MODE OUTER INNER ALG ESN: the SA from A to B as a line of its table
known_to_tshark()
{
	local ALG SRC DST IN_A IN_B encr auth='NULL","' key
	[ "$6" = 0 ] || return 0
	esp_alg "$5"
	outer_addrs "$3"
	case_addrs "$1" "$4"
	[ "$2" = tunnel ] || SRC=$IN_A DST=$IN_B
	key=${ALG[2]}
	case $5 in
	gcm64) encr="AES-GCM with 8 octet ICV [RFC4106]" ;;
	gcm96) encr="AES-GCM with 12 octet ICV [RFC4106]" ;;
	gcm128) encr="AES-GCM with 16 octet ICV [RFC4106]" ;;
	sha1) encr="AES-CBC [RFC3602]" auth="HMAC-SHA-1-96 [RFC2404]\",\"${ALG[5]}" ;;
	sha384) encr="AES-CBC [RFC3602]" auth="HMAC-SHA-384-192 [RFC4868]\",\"${ALG[5]}" ;;
	sha512) encr="AES-CBC [RFC3602]" auth="HMAC-SHA-512-256 [RFC4868]\",\"${ALG[5]}" ;;
	ctr) encr="AES-CTR [RFC3686]" auth="HMAC-SHA-256-128 [RFC4868]\",\"${ALG[5]}" ;;
	*) return 0 ;;
	esac
	echo "\"IPv$3\",\"$SRC\",\"$DST\",\"$(printf '0x%08x' "$(case_spi "$1")")\",\"$encr\",\"$key\",\"$auth\""
}

# by_tshark: it reads what was captured of those SAs
by_tshark()
{
	local line spi options=() n=0
	lines known_to_tshark >"$TMP/esp_sa"
	while read -r line; do
		options+=(-o "uat:esp_sa:$line")
	done <"$TMP/esp_sa"
	tshark -r "$TMP/sent.pcap" -o esp.enable_encryption_decode:TRUE \
		-o esp.enable_authentication_check:TRUE "${options[@]}" -T fields \
		-e esp.spi -e tcp.len -e udp.length -e icmp.type -e icmpv6.type -e esp.icv_bad esp \
		>"$TMP/read" 2>"$TMP/tshark" || { fail "tshark reads the capture" "$(cat "$TMP/tshark")"; return; }
	while IFS=, read -r _ _ _ spi line; do
		spi=${spi//\"/}
		n=$((n + 1))
		ok_if "tshark reads $spi: ${line%%,*}" all_read "$spi"
	done <"$TMP/esp_sa"
	ok_if "tshark knows some" test $n -ge 5
}

# all_read SPI: some packets, each with something within, and no ICV that is wrong
all_read()
{
	awk -F'\t' -v s="$1" '$1 == s { n++; if ($2 $3 $4 $5 == "" || $6 == "1" || $6 == "True") bad++ }
		END { print n + 0, bad + 0; exit !(n > 20 && !bad) }' "$TMP/read"
}

two_hosts
lines case_sas >"$TMP/sas"
must ip -n "$B" -batch "$TMP/sas"
must load_impl
nic_on A
offload nic0 <"$TMP/sas" >"$TMP/sas-A"
ok_if "every SA is taken" ip -n "$A" -batch "$TMP/sas-A"
for host in A B; do
	dev=nic0
	[ $host = A ] || dev=wire0
	paths() { case_paths $host "${@:1:4}" $dev; }
	lines paths >"$TMP/paths-$host"
	must ip -n "${!host}" -batch "$TMP/paths-$host"
done
esp_gro "$B" off
serve "$B"
open_client "$A"
judged
if have tshark && have tcpdump; then
	ip netns exec "$B" tcpdump -i wire0 -Q in -U -w "$TMP/sent.pcap" esp 2>"$TMP/tcpdump" &
	dump=$!
	at_exit kill $dump
	wait_for 20 grep -q listening "$TMP/tcpdump" || die "tcpdump: $(cat "$TMP/tcpdump")"
fi
lines try
trains
no_errors "after all of it"
if [ "${dump:-}" ]; then
	kill $dump
	wait $dump 2>/dev/null || true
	by_tshark
else
	skip "tshark" "tshark or tcpdump is not installed"
fi
must ip -n "$A" xfrm state flush
ok_if "it unloads" wait_for 20 rmmod xfrm_accel
plan_done
