#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two espnics as slaves of an active-backup bond: the SAs are the bond's, and move with
# the active slave, under traffic.
#
#     $A  bond0                                           $B  br0
#         nic0 (espnic)  wire0 ---------------------- wire0
#         nic1 (espnic)  wire1 ---------------------- wire1
#         10.9.N.1, fd09:N::1                             10.9.N.2, fd09:N::2  (case N)
#
# B's SAs were made before the module was loaded: the kernel's own ESP judges.
#
# needs: unloaded
# limit: 900

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/esp.sh
. "$TESTDIR/helpers/esp.sh"
# shellcheck source=scripts/test/helpers/nic.sh
. "$TESTDIR/helpers/nic.sh"

is_accel || skip_all nic_bond "it is ours alone"
skip_without_python nic_bond
python3 -c 'import cryptography' 2>/dev/null || skip_all nic_bond "python3-cryptography is not installed"
modprobe bonding 2>/dev/null || skip_all nic_bond "this kernel has no bonds"

cases=("tunnel 4 4 gcm128 0" "transport 6 6 gcm128 0" "tunnel 6 4 sha256 0")
sas=$((2 * ${#cases[@]}))

# the_bond: on A, of nic0 and nic1; B joins both wires in a bridge
the_bond()
{
	must ip -n "$A" link add wire1 type veth peer name wire1 netns "$B"
	must ip -n "$B" -batch - <<-END
		link add br0 type bridge forward_delay 0
		addr flush dev wire0
		link set wire0 master br0
		link set wire1 master br0
		link set wire1 up
		addr add $OUT4_B/24 dev br0
		addr add $OUT6_B/64 dev br0 nodad
		link set br0 up
	END
	must ip -n "$A" -batch - <<-END
		link set wire1 up
		link add bond0 type bond mode active-backup miimon 50
		link add link wire0 name nic0 type espnic
		link add link wire1 name nic1 type espnic
		link set nic0 master bond0
		link set nic1 master bond0
	END
	takes_addresses A bond0
	wire_works "a bond of espnics"
}

feature() { in_ns "$A" ethtool -k "$1" | grep -q "^$2: on"; }

active() { [ "$(ip -n "$A" -j -d link show bond0 | jq -r '.[0].linkinfo.info_data.active_slave')" = "$1" ]; }

# counts: SAs in nic0 and nic1
counts() { echo "$(nic "$A" show nic0 sa_count) $(nic "$A" show nic1 sa_count)"; }

holds() { [ "$(counts)" = "$1" ]; }

# work DEV: packets it has encrypted and decrypted
work() { echo "$(count "$A" ipsec_tx_pkts "$1") $(count "$A" ipsec_rx_pkts "$1")"; }

# traffic N MODE OUTER INNER ALG ESN: of a case
traffic()
{
	local IN_A IN_B
	case_addrs "$1" "$4"
	client "$IN_B" --src "$IN_A" --ping 100 --tcp 100000 --udp 1,1300
}

# every_case: as traffic, for all of them
every_case()
{
	local n=0 c
	for c in "${cases[@]}"; do
		n=$((n + 1))
		# shellcheck disable=SC2086
		traffic $n $c || { echo "case $n: $c"; return 1; }
	done
}

# passes NAME BUSY IDLE: traffic of every case goes by the one and not by the other
passes()
{
	local busy idle tx rx
	read -r tx rx <<<"$(work "$2")"
	idle=$(work "$3")
	ok_if "$1: what is sent arrives, both ways" every_case
	busy=$(work "$2")
	ok_if "$1: $2 does the work" enough $tx $rx $busy
	same "$1: $3 does nothing" "$(work "$3")" "$idle"
	same "$1: no slave drops a packet" "$(drops nic0) $(drops nic1)" "0 0"
}

# enough TX RX TX-NOW RX-NOW
enough() { echo "$*"; [ $(($3 - $1)) -gt 100 ] && [ $(($4 - $2)) -gt 20 ]; }

# drops DEV: packets that it could not deal with
drops()
{
	in_ns "$A" ethtool -S "$1" |
		awk '/auth_failed|rx_failed|drop_bundle|drop_pkts|sp_alloc/ { n += $2 } END { print n }'
}

# activate DEV: by hand
activate() { must ip -n "$A" link set bond0 type bond active_slave "$1"; }

# Bonds of some kernels have the features only when they are asked for.
features()
{
	local f
	in_ns "$A" ethtool -K bond0 esp-hw-offload on esp-tx-csum-hw-offload on tx-esp-segmentation on
	for f in esp-hw-offload esp-tx-csum-hw-offload tx-esp-segmentation; do
		ok_if "the bond has $f" feature bond0 $f
	done
}

takes_sas()
{
	offload bond0 <"$TMP/sas" >"$TMP/sas-A"
	ok_if "it takes every SA" ip -n "$A" -batch "$TMP/sas-A"
	same "the kernel says that it has" "$(ip -n "$A" xfrm state | grep -c 'offload parameters: dev bond0')" $sas
}

# A slave is told little of what the bond has been told.
slave_with_less()
{
	in_ns "$A" ethtool -K nic0 esp-tx-csum-hw-offload off tx-esp-segmentation off tso off tx off >/dev/null 2>&1 || true
	in_ns "$A" ethtool -K bond0 esp-tx-csum-hw-offload on tx-esp-segmentation on
	passes "a slave that has fewer features" nic0 nic1
	must in_ns "$A" ethtool -K nic0 tx on tso on esp-tx-csum-hw-offload on tx-esp-segmentation on
}

# under_way NAME CMD...: CMD while datagrams and trains of every case are under way
under_way()
{
	local IN_A IN_B n=0 c pids=()
	for c in "${cases[@]}"; do
		n=$((n + 1))
		read -r _ _ inner _ <<<"$c"
		case_addrs $n "$inner"
		ip netns exec "$A" ping -q -i 0.02 -I "$IN_A" -s $((100 * n * n)) "$IN_B" >/dev/null 2>&1 &
		pids+=($!)
		at_exit kill $!
	done
	"${@:2}"
	ok_if "$1: TCP goes on" every_case
	kill "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null || true
	same "$1: no slave had a packet that was wrong" "$(drops nic0) $(drops nic1)" "0 0"
	ok_if "$1: no number was sent twice" unique "$(esp_seen sent)"
}

back_and_forth()
{
	local i
	for ((i = 0; i < 6; i++)); do
		activate nic$((i % 2))
		sleep 0.1
	done
}

carrier_lost()
{
	must ip -n "$B" link set wire1 down
	wait_for 10 active nic0 || die "the bond does not notice a carrier that is lost"
	ok_if "without a carrier: the SAs are in the other" wait_for 5 holds "$sas 0"
	must ip -n "$B" link set wire1 up
	must ip -n "$B" link set wire0 down
	wait_for 10 active nic1 || die "the bond does not notice a carrier that is lost"
	ok_if "and back" wait_for 5 holds "0 $sas"
	must ip -n "$B" link set wire0 up
}

no_wire()
{
	must ip -n "$B" link set wire0 down
	must ip -n "$B" link set wire1 down
	ok_if "without any carrier no slave has an SA" wait_for 10 holds "0 0"
	must ip -n "$B" link set wire1 up
	ok_if "with one the SAs are there" wait_for 10 holds "0 $sas"
	must ip -n "$B" link set wire0 up
}

two_hosts
lines case_sas >"$TMP/sas"
must ip -n "$B" -batch "$TMP/sas"
must load_impl
the_bond
features
takes_sas
same "the active slave has them, and the other none" "$(counts)" "$sas 0"
for host in A B; do
	dev=bond0
	[ $host = A ] || dev=br0
	paths() { case_paths $host "${@:1:4}" $dev; }
	lines paths >"$TMP/paths-$host"
	must ip -n "${!host}" -batch "$TMP/paths-$host"
done
serve "$B"
open_client "$A"
watched=()
judged() { watched+=("$(keys "$(case_spi "$1")" "$5")"); }
lines judged
watch_esp sent "$B" br0 in "${watched[@]}"
passes "nic0 is active" nic0 nic1
ok_if "numbers on the wire are dense" dense "$(esp_seen sent)"
activate nic1
same "moved: the SAs are in the other" "$(counts)" "0 $sas"
passes "nic1 is active" nic1 nic0
ok_if "and go on without a gap" dense "$(esp_seen sent)"
activate nic0
slave_with_less
ok_if "and its numbers are dense, too" dense "$(esp_seen sent)"
no_errors "until now"
under_way "moved to and fro" back_and_forth
same "the SAs are where they belong" "$(counts)" "0 $sas"
under_way "carriers lost" carrier_lost
no_wire
passes "afterwards" nic1 nic0

# Deleted while they are in a slave; and with their slave.
must ip -n "$A" xfrm state delete dst $OUT4_B proto esp spi "$(case_spi 1)"
same "an SA is deleted" "$(counts)" "0 $((sas - 1))"
must ip -n "$A" link set nic1 nomaster
same "a slave leaves: its SAs are in the other" "$(counts)" "$((sas - 1)) 0"
must ip -n "$A" link set nic1 master bond0
activate nic1
same "it is back" "$(counts)" "0 $((sas - 1))"
must ip -n "$A" link del nic1
same "it is deleted: its SAs are in the other" "$(nic "$A" show nic0 sa_count)" $((sas - 1))
must ip -n "$A" xfrm state flush
same "without SAs the slave has none" "$(nic "$A" show nic0 sa_count)" 0
takes_sas
same "they are there again" "$(nic "$A" show nic0 sa_count)" $sas
must ip -n "$A" link del bond0
ok_if "the bond goes, and its SAs" wait_for 10 eval '[ "$(nic "$A" show nic0 sa_count)" = 0 ]'
must ip -n "$A" xfrm state flush
must ip -n "$B" xfrm state flush
ok_if "it unloads, with the slaves" wait_for 20 rmmod xfrm_accel
plan_done
