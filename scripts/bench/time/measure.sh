# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# measure.sh - one measurement each, in the network of the role set. Source it.

declare -A packets_for=() # how many packets take long enough: case and system
declare -A train_of=()    # recorded packets, see record_train()

# --- forwarding -------------------------------------------------------------

# caught: PACKETS and BYTES that have arrived at the last device since the last call
caught() {
	local packets bytes
	ask "$SINK" counted $LAST
	read -r packets bytes <<<"$REPLY"
	PACKETS=$((packets - caught_packets)) BYTES=$((bytes - caught_bytes))
	caught_packets=$packets caught_bytes=$bytes
}

# frame_size: in REPLY, of what must arrive for frames of $bytes from pktgen
frame_size() {
	local inner=$((bytes - 14)) iv=8 icv=16 outer=20
	if [ "$family" = v6 ]; then
		outer=40
		# pktgen does not make them smaller: its own header must fit.
		[ $inner -ge 64 ] || inner=64
	fi
	REPLY=$((inner + 14))
	[ "$role" = encap ] || return 0
	case $system in
	plain) ;;
	wireguard) REPLY=$((14 + outer + 8 + 32 + (inner + 15) / 16 * 16)) ;;
	*)
		[ "$cipher" != null ] || iv=0 icv=0
		REPLY=$((14 + outer + 8 + iv + (inner + 2 + 3) / 4 * 4 + icv))
		;;
	esac
}

# pktgen_words: the options of the agent's pktgen for this point
pktgen_words() {
	local destinations=1
	if [ "$interfaces" -gt 1 ]; then
		destinations=$((flows < interfaces ? flows : interfaces))
	fi
	REPLY="pkt_size=$bytes udp_dst_min=9 udp_dst_max=9 udp_src_min=1024"
	case $flows in
	# Two cycles of 59999 and 60000 ports: a pair comes again after 3.6e9 packets.
	0) REPLY="pkt_size=$bytes udp_dst_min=1024 udp_dst_max=61024 udp_src_min=1024 udp_src_max=61023" ;;
	1) REPLY+=" udp_src_max=1024" ;;
	*) REPLY+=" udp_src_max=$((1024 + flows))" ;;
	esac
	if [ "$family" = v4 ]; then
		REPLY+=" flag=!IPV6 src_min=10.1.0.1 src_max=10.1.0.1 dst_min=10.9.0.1"
		REPLY+=" dst_max=10.9.$((destinations >> 8)).$((destinations & 255))"
	else
		REPLY+=" src6=fd10:1::1 dst6=fd10:9::1"
	fi
}

# name_train: sets train, what the packets of this point are recorded as
name_train() {
	train=$row_cipher/$family/$bytes/$flows/$interfaces
	[ "$variant" != natt ] || train+=/natt
}

# send_packets COUNT: sets TOOK, and JAMMED, which counts packets that had to wait
send_packets() {
	if [ "$role" = decap ]; then
		REPLY=$(nsenter --net="/run/netns/$GEN" "$WIRE" replay w0 $MAC_w1 "$1" \
			"${train_of[$train]}" "$CLOCK") || die "replay failed"
	else
		pktgen_words
		# Workers of the kernel may still have packets in hand when all are sent.
		ask "$GEN" pktgen "$CLOCK" $([ "$system" = wireguard ] && echo 0.02 || echo 0) "$1" "$REPLY"
	fi
	read -r TOOK JAMMED <<<"$REPLY"
	sent_packets=$((sent_packets + $1))
}

# arrived SENT: what came is as large as it must be, and not more; LOST is what did not
arrived() {
	local size
	caught
	[ "$PACKETS" -gt 0 ] || refuse "$system $role: nothing arrives"
	frame_size
	size=$(((BYTES + PACKETS / 2) / PACKETS))
	[ $size = "$REPLY" ] ||
		refuse "$system $role $cipher: frames of $size bytes arrive instead of $REPLY"
	# WireGuard may have tried a new handshake in between.
	if [ "$system" = wireguard ] && [ "$PACKETS" -gt "$1" ] && [ "$PACKETS" -le $(($1 + 3)) ]; then
		PACKETS=$1
	fi
	[ "$PACKETS" -le "$1" ] || refuse "$system $role: $PACKETS packets arrive of $1"
	LOST=$(($1 - PACKETS))
}

# few_of COUNT TOTAL: at most one in 200
few_of() { [ $(($1 * 200)) -le "$2" ]; }

# send_until_sound COUNT: measures again if queues were full on the way. That happens when
# the machine was taken away for a while; a system that loses packets does so each time.
# WireGuard has a queue of its own, which may overflow: there what arrives counts.
send_until_sound() {
	local try
	for try in 1 2 3 4; do
		send_packets "$1"
		arrived "$1"
		if few_of $((JAMMED + LOST)) "$1" || [ "$system" = wireguard ]; then
			return 0
		fi
		again=$((again + 1))
	done
	refuse "$system $role $cipher: of $1 packets $PACKETS arrive, $JAMMED had to wait"
}

# measure_forward BYTES FLOWS
measure_forward() {
	local bytes=$1 flows=$2 streams=0 case_name=forward-$role key warm
	[ "$2" != new ] || local flows=0 variant=${variant:+$variant/}new-flows
	name_train
	key=$system/$role/$train/$variant
	warm=$((flows > 3000 ? flows : 3000))
	# A run that is not measured, at first and where each flow leaves something behind.
	if [ -z "$warmed" ] || [ "$warm" -gt 3000 ] || [ -z "${packets_for[$key]:-}" ]; then
		send_until_sound "$warm"
		warmed=1
	fi
	if [ -z "${packets_for[$key]:-}" ]; then
		# Twice: what starting and stopping takes makes a short run look slow.
		per_second "$PACKETS" "$TOOK"
		send_until_sound $((REPLY * TARGET_MS / 1000 + 1000))
		per_second "$PACKETS" "$TOOK"
		packets_for[$key]=$((REPLY * TARGET_MS / 1000 + 1000))
	fi
	profile_begins
	send_until_sound "${packets_for[$key]}"
	per_second "$PACKETS" "$TOOK"
	emit pps "$REPLY" "\"lost\":$LOST"
}

# profile_begins: tells profile.sh, and where the functions of the modules lie
profile_begins() {
	[ "$PLAN" = profile ] || return 0
	cat /proc/kallsyms >"$OUT/kallsyms"
	echo "profile: begins"
}

# record_train: one packet of each flow as it is on the wan, for the role decap. They
# come from the kernel's own code, for every system the same; an SA without replay window
# takes them again and again.
record_train() {
	local file=$TMP/train.${#train_of[@]} protocol=50 recorder
	name_train
	{ [ "$system" != plain ] && [ "$variant" != natt ]; } || protocol=17
	nsenter --net="/run/netns/$SINK" "$WIRE" record $LAST $protocol "$flows" "$file" >"$TMP/ready" &
	recorder=$!
	wait_for 30 grep -q ready "$TMP/ready" || die "the recorder does not start"
	send_packets "$flows"
	wait $recorder || die "not all packets were recorded"
	caught
	train_of[$train]=$file
}

# --- streams, latency -------------------------------------------------------

far_address() { if [ "$family" = v4 ]; then REPLY=10.9.0.1; else REPLY=fd10:9::1; fi; }

# from_gen CMD...: a program in the first namespace
from_gen() { nsenter --net="/run/netns/$GEN" "$@"; }

# measure_tcp STREAMS
measure_tcp() {
	local streams=$1 bytes=0 flows=$1 case_name=bulk-tcp begin json sent wall to
	far_address; to=$REPLY
	if [ ! -s "$TMP/iperf3.pid" ]; then
		must nsenter --net="/run/netns/$SINK" iperf3 -s -D -I "$TMP/iperf3.pid"
		# Its pid file comes before it listens.
		wait_for 20 from_gen iperf3 -c "$to" -n 100K >/dev/null || die "no TCP through the tunnel"
	fi
	! has_nic "$system" || prove_trains
	profile_begins
	clock; begin=$REPLY
	json=$(from_gen iperf3 -J -c "$to" -t "$TCP_SECONDS" -P "$streams") ||
		die "iperf3: $(tail -n 5 <<<"$json")"
	clock
	read -r sent wall < <(jq -r '.end.sum_received | "\(.bytes) \(.bits_per_second | floor)"' <<<"$json")
	[ "${sent:-0}" -gt 0 ] || refuse "$system: no TCP data arrived"
	if [ "$CLOCK" = - ]; then
		emit bps "$wall"
	else
		per_second $((sent * 8)) $((REPLY - begin))
		emit bps "$REPLY" "\"wall\":$wall"
	fi
}

stop_tcp() {
	[ ! -s "$TMP/iperf3.pid" ] || kill "$(tr -d '\0' <"$TMP/iperf3.pid")"
	rm -f "$TMP/iperf3.pid"
}

measure_latency() {
	local streams=0 bytes=84 flows=1 case_name=latency p50 p99
	far_address
	read -r p50 p99 < <(from_gen "$WIRE" ping "$REPLY" "$PINGS") || die "no echo through the tunnel"
	emit p50_ns "$p50"
	emit p99_ns "$p99"
}

# --- proofs -----------------------------------------------------------------

TRACE=/sys/kernel/tracing

GRO_EVENT=$TRACE/events/net/napi_gro_receive_exit
IP_EVENT=$TRACE/events/net/netif_receive_skb

# gro_took: how many of the wanted packets ESP took in GRO. The kernel's tracepoint tells each packet's
# fate; 4 is GRO_CONSUMED, which is ESP's.
gro_took() { REPLY=$(grep -c 'napi_gro_receive_exit: ret=4' $TRACE/trace) || :; }

# nic_took BEFORE: how many the espnics have decrypted since, but for those that came to the IP layer as ESP
nic_took() {
	local ns opened sum=0 seen
	for ns in $ENC $DEC; do
		nic_counts "$ns"
		read -r _ opened _ <<<"$REPLY"
		sum=$((sum + opened))
	done
	seen=$(grep -c 'netif_receive_skb: dev=nic0' $TRACE/trace) || :
	REPLY=$((sum - $1 - seen))
}

# prove_gro: what arrives on the wan is taken by ESP in GRO, or goes from the espnic to where GRO
# would bring it, in both directions where there are two; for ESP in UDP the kernel's own has none.
prove_gro() {
	local taken wanted=20 answered=1 before=0
	[ "$variant" != natt ] || [ "$system" = xfrm_accel ] || return 0
	[ -d $GRO_EVENT ] || refuse "no tracepoint tells whether ESP GRO runs"
	: >$TRACE/trace
	if has_nic "$system"; then
		[ -d $IP_EVENT ] || refuse "no tracepoint tells what the IP layer gets"
		nic_took 0; before=$REPLY
		echo 1 >$IP_EVENT/enable
	fi
	echo 1 >$GRO_EVENT/enable
	if [ "$role" = decap ]; then
		send_packets 20
	else
		wanted=40
		far_address
		from_gen "$WIRE" ping "$REPLY" 20 >"$TMP/said" || answered=0
	fi
	echo 0 >$GRO_EVENT/enable
	[ ! -e $IP_EVENT ] || echo 0 >$IP_EVENT/enable
	[ $answered = 1 ] || refuse "$system: nothing comes through the tunnel"
	caught
	if has_nic "$system"; then
		nic_took "$before"
	else
		gro_took
	fi
	taken=$REPLY
	[ "$taken" -ge $wanted ] || refuse "$system $role: ESP GRO took $taken of $wanted packets"
	gro_proofs=$((gro_proofs + 1))
}

# nic_counts NS: packets that its espnic has encrypted and decrypted, and those it could not
nic_counts() {
	REPLY=$(ip netns exec "$1" ethtool -S nic0 | awk '
		/_bytes:/ { next }
		/tx_pkts:/ { tx = $2; next }
		/rx_pkts:/ { rx = $2; next }
		/ipsec_/ { bad += $2 }
		END { print tx + 0, rx + 0, bad + 0 }')
}

# prove_offload: the SAs of each gateway are those of its espnic
prove_offload() {
	local ns
	for ns in $ENC $DEC; do
		prove_driver "$system" "$ns" nic0
		[ "$(ip -n "$ns" xfrm state | grep -c 'crypto offload parameters: dev nic0')" = $((2 * interfaces)) ] ||
			refuse "$system: the SAs of $ns are not all offloaded"
	done
}

# prove_device: the espnics encrypted and decrypted whatever went through the interfaces
prove_device() {
	local ns rx tx sealed opened bad
	for ns in $ENC $DEC; do
		ask "$ns" tunnel_packets
		read -r rx tx <<<"$REPLY"
		nic_counts "$ns"
		read -r sealed opened bad <<<"$REPLY"
		{ [ "$sealed" -ge "$tx" ] && [ "$opened" -ge "$rx" ]; } ||
			refuse "$system $role: of $tx and $rx packets the espnic took $sealed and $opened in $ns"
		[ "$bad" = 0 ] || refuse "$system $role: there are $bad packets that the espnic could not take in $ns"
	done
}

XMIT_EVENT=$TRACE/events/net/net_dev_start_xmit

# prove_trains: the espnic gets trains of TCP, and cuts them; and of what the other one decrypts,
# GRO makes trains
prove_trains() {
	local before sealed trains to
	[ -d $XMIT_EVENT ] || refuse "no tracepoint tells whether GSO runs"
	far_address; to=$REPLY
	nic_counts "$ENC"
	read -r before _ <<<"$REPLY"
	caught
	: >$TRACE/trace
	echo 'name == "nic0" && gso_size > 0' >$XMIT_EVENT/filter
	echo 1 >$XMIT_EVENT/enable
	from_gen iperf3 -c "$to" -n 1M >/dev/null || die "no TCP through the tunnel"
	echo 0 >$XMIT_EVENT/enable
	trains=$(grep -c 'net_dev_start_xmit: dev=nic0' $TRACE/trace) || :
	nic_counts "$ENC"
	read -r sealed _ <<<"$REPLY"
	sealed=$((sealed - before))
	caught
	{ [ "$trains" -gt 0 ] && [ "$sealed" -ge $((2 * trains)) ]; } ||
		refuse "$system: $trains trains of TCP reach the espnic, which encrypts $sealed packets"
	[ "$sealed" -ge $((2 * PACKETS)) ] ||
		refuse "$system: GRO leaves $PACKETS packets of $sealed that the espnic has encrypted"
}

# prove_clean: no gateway has an XFRM error, and what was sent went through the interfaces
prove_clean() {
	local ns rx tx
	for ns in $ENC $DEC; do
		ask "$ns" xfrm_errors
		[ "$REPLY" = "${errors_before[$ns]:-0}" ] ||
			refuse "$system $role $cipher: $((REPLY - ${errors_before[$ns]:-0})) XFRM errors in $ns"
	done
	if has_interface "$system" || [ "$system" = wireguard ]; then
		ask "${ENC:-$DEC}" tunnel_packets
		read -r rx tx <<<"$REPLY"
		[ -n "$ENC" ] || tx=$rx
		few_of $((tx < sent_packets ? sent_packets - tx : 0)) "$sent_packets" || [ "$system" = wireguard ] ||
			refuse "$system $role: $tx of $sent_packets packets went through the interfaces"
		[ "$tx" -gt 0 ] || refuse "$system $role: nothing went through the interface"
	fi
	! has_nic "$system" || prove_device
}
