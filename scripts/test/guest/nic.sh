#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# espnic, the network device that encrypts: what it sends, the kernel's own ESP on the
# other host decrypts, and the other way round, for every algorithm and mode that it takes.
#
#     $A  nic0 (espnic)                    $B  the kernel's esp_output and esp_input
#         wire0 ------------------------------ wire0
#         10.9.N.1, fd09:N::1                  10.9.N.2, fd09:N::2       (case N)
#
# B's SAs were made before the module was loaded, so they are bound to no engine.
#
# needs: unloaded
# limit: 1200

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

is_accel || skip_all nic "it is ours alone"
skip_without_python nic

cases=()
for alg in gcm128 chacha sha256 null ccm; do
	for shape in "tunnel 4 4" "tunnel 6 6" "tunnel 4 6" "tunnel 6 4" "transport 4 4" "transport 6 6"; do
		cases+=("$shape $alg 0")
	done
done
cases+=("tunnel 4 4 gcm128 1" "transport 6 6 gcm128 1" "tunnel 6 4 sha256 1")

# try N MODE OUTER INNER ALG ESN: every packet of A is encrypted and decrypted by nic0
try()
{
	local IN_A IN_B tx rx
	case_addrs "$1" "$4"
	tx=$(count "$A" ipsec_tx_pkts) rx=$(count "$A" ipsec_rx_pkts)
	ok_if "$*: what is sent arrives, both ways" client "$IN_B" --src "$IN_A" --ping 100 \
		--tcp 300000 --udp 1,100,1300
	ok_if "$*: nic0 has done the work" worked "$tx" "$rx"
}

worked()
{
	local tx rx
	tx=$(($(count "$A" ipsec_tx_pkts) - $1)) rx=$(($(count "$A" ipsec_rx_pkts) - $2))
	echo "encrypted $tx, decrypted $rx"
	[ "$tx" -gt 100 ] && [ "$rx" -gt 20 ]
}

# five NAME: B answers five times by case 1, and nic0 decrypts that. TAKEN: by GRO of the wire
five()
{
	local rx IN_A IN_B
	case_addrs 1 4
	rx=$(count "$A" ipsec_rx_pkts)
	[ ! -e "$tracing/trace" ] || trace_clear
	ok_if "$1: answers arrive" in_ns "$A" ping -q -c 5 -i 0.1 -W 1 -I "$IN_A" "$IN_B"
	same "$1: nic0 has decrypted them" $(($(count "$A" ipsec_rx_pkts) - rx)) 5
	TAKEN=$(traced 'napi_gro_receive_exit: ret=4' 2>/dev/null)
}

# GRO of the wire gives the device its packets at once, but not past who listens there, nor
# those that are for another address.
at_once()
{
	local trace='' mac rps=/sys/class/net/wire0/queues/rx-0/rps_cpus
	if has_events net/napi_gro_receive_exit; then
		trace=1
		trace_on net/napi_gro_receive_exit 'ret == 4'
	else
		skip "at once" "this kernel has no tracepoints"
	fi
	five "GRO"
	[ -z $trace ] || same "GRO: they were taken there" "$TAKEN" 5
	watch_wire "$A" wire0 near in
	five "a capture on the wire"
	same "a capture on the wire: it shows them" "$(seen esp "$(wire near)")" 5
	[ -z $trace ] || same "a capture on the wire: GRO has left them" "$TAKEN" 0
	close_talk near
	must in_ns "$A" nft -f - <<-'END'
		table netdev guard {
			chain c {
				type filter hook ingress device wire0 priority 0
				ip protocol esp counter
			}
		}
	END
	five "nft at the wire's ingress"
	[ -z $trace ] || same "nft at the wire's ingress: GRO has left them" "$TAKEN" 0
	same "nft at the wire's ingress: it sees them" \
		"$(in_ns "$A" nft list table netdev guard | grep -o "counter packets [0-9]*")" "counter packets 5"
	must in_ns "$A" nft delete table netdev guard
	if in_ns "$A" test -e $rps; then
		must in_ns "$A" bash -c "echo 1 >$rps"
		five "RPS"
		[ -z $trace ] || same "RPS: GRO has left them" "$TAKEN" 0
		must in_ns "$A" bash -c "echo 0 >$rps"
	else
		skip "RPS" "this kernel has none"
	fi
	# The wire's own address is another now; B does not know that yet.
	mac=$(in_ns "$A" cat /sys/class/net/nic0/address)
	must ip -n "$B" neigh replace $OUT4_A lladdr "$mac" dev wire0
	must ip -n "$A" link set nic0 address 02:00:00:00:00:77
	not_if "what is for another address is not taken" in_ns "$A" ping -q -c 3 -i 0.1 -W 1 -I 10.9.1.1 10.9.1.2
	must ip -n "$A" link set nic0 address "$mac"
	must in_ns "$A" ethtool -K nic0 gro off
	five "GRO of the device is off"
	[ -z $trace ] || same "GRO of the device is off: that of the wire has left them" "$TAKEN" 0
	must in_ns "$A" ethtool -K nic0 gro on
	must ip -n "$B" neigh del $OUT4_A dev wire0
}

two_hosts
lines case_sas >"$TMP/sas"
must ip -n "$B" -batch "$TMP/sas"
must load_impl
nic_on A
# GRO of the wire sees ESP first.
esp_gro "$A" on
esp_gro "$B" off
ok_if "A: every SA is taken" eval 'offload nic0 <"$TMP/sas" >"$TMP/sas-A" && ip -n "$A" -batch "$TMP/sas-A"'
same "A: the kernel says that it is" "$(ip -n "$A" xfrm state | grep -c 'offload parameters: dev nic0')" \
	$((2 * ${#cases[@]}))
same "A: so does the device" "$(nic "$A" show nic0 sa_count)" $((2 * ${#cases[@]}))
for host in A B; do
	dev=nic0
	[ $host = A ] || dev=wire0
	paths() { case_paths $host "${@:1:4}" $dev; }
	lines paths >"$TMP/paths-$host"
	must ip -n "${!host}" -batch "$TMP/paths-$host"
done
serve "$B"
open_client "$A"
lines try
at_once
no_errors "after all of it"

# SAs hold the module; a device that has none does not.
must ip -n "$A" xfrm state flush
same "A: without SAs the device has none" "$(nic "$A" show nic0 sa_count)" 0
ok_if "it unloads, and the device goes" wait_for 10 rmmod xfrm_accel
not_if "it has gone" exists "$A" nic0
plan_done
