#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# judge.sh - the time judge: measures every system in turn, round after round, in network
# namespaces of the machine it runs on, as root. run.sh runs it in a UML guest, host.sh on a
# machine whose owner agreed.
#
# Environment: PLAN     quick or full, see plan.sh
#              MODULE   path of xfrm_accel.ko
#              WIRE     path of the program made from wire.c
#              CLOCK    file with nanoseconds of CPU time, or "-": the wall clock
#              OUT      directory for time.jsonl, one measurement a line
#              SABOTAGE what to spoil: the judge must refuse (see spoil())
#
# Where a figure is not what it claims to be it says REFUSED, reports none for this system in
# this setup, goes on with the others, and ends with status 1.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
: "${PLAN:=full}" "${MODULE:?}" "${WIRE:?}" "${CLOCK:=-}" "${OUT:?}" "${SABOTAGE:=}"
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
umask 077
TMP=$(mktemp -d)
exec {NEVER}<> <(:)
for part in lib plan systems topology measure create; do
	# shellcheck source=/dev/null
	. "$HERE/$part.sh"
done

lines=() gro_proofs=0 again=0 variant='' caught_packets=0 caught_bytes=0
declare -A impossible=() refused=() errors_before=() proved=()

clean_up() {
	set +e
	stop_natt
	[ ! -e $GRO_EVENT ] || echo 0 >$GRO_EVENT/enable
	[ ! -e $IP_EVENT ] || echo 0 >$IP_EVENT/enable
	[ ! -e $XMIT_EVENT ] || echo 0 >$XMIT_EVENT/enable
	stop_tcp
	remove_networks
	unload_system
	pcrypt_off
	rm -rf "$TMP"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# without_offload: SAs that are like the others, but for the kernel to do the work
without_offload() {
	local ns=${ENC:-$DEC} side=dec
	[ -z "$ENC" ] || side=enc
	{
		echo "xfrm state flush"
		esp_side $side in-tree "$family" "$cipher" "$interfaces" | grep "^xfrm state"
	} | ip_in "$ns"
}

# spoil: what a selftest plants
spoil() {
	case $SABOTAGE in
	gro-off) [ -z "$DEC" ] || ip netns exec "$WAN_R" ethtool -K w1 gro off ;;
	no-sa) ip -n "$DEC" xfrm state flush ;;
	lossy) must tc -n "$WAN_L" qdisc add dev w0 root netem loss 2% ;;
	no-tunnel) ip -n "$ENC" route replace 10.9.0.0/16 via 192.168.0.2 dev w0 ;;
	no-offload) ! has_nic "$system" || without_offload ;;
	esp-feature-off) ! has_nic "$system" || ip netns exec "${ENC:-$DEC}" ethtool -K nic0 esp-hw-offload off ;;
	no-trains) ip netns exec "$ENC" ethtool -K nic0 tx-esp-segmentation off ;;
	nic-gro-off) ip netns exec "$DEC" ethtool -K nic0 gro off ;;
	inner-gro-off) ip netns exec "$DEC" ethtool -K ipsec0 gro off ;;
	'' | other-module | other-cipher) ;; # see set_up()
	*) die "no such sabotage: $SABOTAGE" ;;
	esac
}

# tunnel_device: in REPLY; "" where the system has none
tunnel_device() {
	REPLY=''
	if has_interface "$system"; then
		REPLY=ipsec0
	elif [ "$system" = wireguard ]; then
		REPLY=wg0
	fi
}

# shake_hands: WireGuard encrypts nothing before its other end has answered. In the role
# encap that end is where everything is dropped otherwise.
shake_hands() {
	local first='u32 match ip protocol 17 0xff match u8 0x04 0xff at 28'
	if [ "$role" = encap ]; then
		[ "$family" = v4 ] || first='u32 match ip6 protocol 17 0xff match u8 0x04 0xff at 48'
		must tc -n "$SINK" filter del dev $LAST ingress
		# shellcheck disable=SC2086  # words
		must tc -n "$SINK" filter add dev $LAST ingress protocol "$([ "$family" = v4 ] && echo ip || echo ipv6)" \
			pref 9 $first action drop
	fi
	far_address
	ask "$GEN" "echo hello >/dev/udp/$REPLY/9"
	wait_for 20 hands_shaken || refuse "wireguard: no handshake"
}

hands_shaken() {
	local said
	said=$(nsenter --net="/run/netns/$ENC" wg show wg0 latest-handshakes) &&
		[[ $said =~ [[:space:]]([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -gt 0 ]
}

# forget_handshake: what shake_hands changed
forget_handshake() {
	[ "$role" = encap ] || return 0
	must tc -n "$SINK" qdisc del dev $LAST clsact
	catch_packets
}

# apply_variant: flow table, no policy lookup on the interface, or the socket for ESP in UDP
apply_variant() {
	local dev port
	tunnel_device
	dev=${REPLY:-w0}
	case $variant in
	natt)
		[ -n "$DEC" ] || return 0
		nsenter --net="/run/netns/$DEC" "$WIRE" natt 4500 >"$TMP/natt" &
		echo $! >"$TMP/natt.pid"
		wait_for 10 grep -q ready "$TMP/natt" || die "no socket for ESP in UDP"
		;;
	disable_xfrm) ask "$ENC" "echo 1 >/proc/sys/net/ipv4/conf/$dev/disable_xfrm" ;;
	flowtable)
		nsenter --net="/run/netns/$ENC" nft -f - <<-END || die "no flow table"
			table inet bench {
				flowtable fast { hook ingress priority 0; devices = { g1, $dev }; }
				chain forward {
					type filter hook forward priority 0
					meta l4proto udp ct state established flow add @fast
				}
			}
		END
		# Packets go one way only here, and a flow counts as established once it was
		# answered.
		for ((port = 1024; port < 1024 + 64; port++)); do
			echo "-I -p udp -s 10.1.0.1 -d 10.9.0.1 --sport $port --dport 9 -t 600 -u SEEN_REPLY,ASSURED"
		done >"$TMP/flows"
		must nsenter --net="/run/netns/$ENC" conntrack -R "$TMP/flows"
		;;
	esac
}

# leave_variant: proves that it was in effect, and ends it
leave_variant() {
	local n
	stop_natt
	[ "$variant" = flowtable ] || return 0
	n=$(nsenter --net="/run/netns/$ENC" conntrack -L 2>/dev/null | grep -c OFFLOAD) || :
	[ "$n" -ge 64 ] || refuse "$system: $n of 64 flows are in the flow table"
	must nsenter --net="/run/netns/$ENC" nft delete table inet bench
	nsenter --net="/run/netns/$ENC" conntrack -F 2>/dev/null || :
}

stop_natt() {
	[ ! -s "$TMP/natt.pid" ] || kill "$(<"$TMP/natt.pid")"
	rm -f "$TMP/natt.pid"
}

# set_up: this system with this cipher and so on in the network, seen to be right
set_up() {
	local loaded=$system used=$cipher ns
	[ "$SABOTAGE" != other-module ] || loaded=in-tree
	[ "$SABOTAGE" != other-cipher ] || used=null
	set_role "$role"
	load_system "$loaded"
	[ "$system" != pcrypt ] || pcrypt_on "$cipher"
	tunnel_up "$system" "$family" "$used" "$interfaces"
	spoil
	prove_module "$system"
	tunnel_device
	if [ -n "$REPLY" ] && [ -z "${proved[$role/$system]:-}" ]; then
		prove_driver "$system" "${ENC:-$DEC}" "$REPLY"
		proved[$role/$system]=1
	fi
	! has_nic "$system" || prove_offload
	[ "$system" != wireguard ] || shake_hands
	apply_variant
	for ns in $ENC $DEC; do
		ask "$ns" xfrm_errors
		errors_before[$ns]=$REPLY
	done
	sent_packets=0 warmed=''
	caught
}

# tear_down: what was measured counts if nothing went wrong on the way
tear_down() {
	prove_clean
	leave_variant
	# The SAs hold the offload modules.
	! is_esp "$system" || tunnel_down
	unload_system
	! has_nic "$system" || nics_gone
	[ "$system" != wireguard ] || forget_handshake
	pcrypt_off
	commit_lines
}

# prepare_trains POINT...: what the role decap replays, recorded in the network of encap
prepare_trains() {
	local point bytes flows train role=encap system=in-tree-policy up=''
	[ "$variant" = natt ] || local variant=''
	if [ "$row_cipher" = none ]; then
		system=plain
	elif [ "$interfaces" -gt 1 ]; then
		system=in-tree
	fi
	for point; do
		bytes=${point%:*} flows=${point#*:}
		name_train
		[ -z "${train_of[$train]:-}" ] || continue
		[ -n "$up" ] || set_up
		up=1
		record_train
	done
	[ -z "$up" ] || tear_down
}

# nic_points POINT...: those that are measured with an espnic
nic_points() {
	local point
	for point; do
		[[ " $NIC_POINTS " != *" $point "* ]] || echo "$point"
	done
}

# measure_system POINT...: one after the other
measure_system() {
	[ -z "${VERBOSE:-}" ] || echo "    $system $SECONDS s"
	local point row_cipher=$cipher bytes flows train
	# shellcheck disable=SC2046  # words
	! has_nic "$system" || set -- $(nic_points "$@")
	[ $# != 0 ] || return 0
	[ "$system" != plain ] || row_cipher=none
	[ "$role" != decap ] || prepare_trains "$@"
	set_up
	if is_esp "$system" && [ -n "$DEC" ]; then
		bytes=${1%:*} flows=${1#*:}
		name_train
		prove_gro
	fi
	for point; do
		case $point in
		tcp:*) measure_tcp "${point#tcp:}" ;;
		latency) measure_latency ;;
		*) measure_forward "${point%:*}" "${point#*:}" ;;
		esac
	done
	stop_tcp
	tear_down
}

# in_turn LIST: the systems of a comma list that are possible here, rotated by the round and
# every other time backwards, so that none is always first or always after the same one
in_turn() {
	local all=() system n i
	for system in ${1//,/ }; do
		[ -n "${impossible[$system]:-}" ] || all+=("$system")
	done
	n=${#all[@]}
	for ((i = 0; i < n; i++)); do
		if [ $((round % 2)) = 0 ]; then
			echo "${all[(i + round) % n]}"
		else
			echo "${all[(2 * n - i + round) % n]}"
		fi
	done
}

# one_turn POINT...: measure_system, from which a refusal returns: then nothing is left of
# this turn, and this system is not tried in this setup again
one_turn() {
	local rc
	set +e
	(
		set -e
		measure_system "$@"
		declare -p packets_for train_of proved gro_proofs again |
			sed -E 's/^declare (--|(-A)) /declare -g \2 /' >"$TMP/memory"
	)
	rc=$?
	set -e
	if [ $rc = 0 ]; then
		# shellcheck source=/dev/null
		. "$TMP/memory"
		return
	fi
	refused["$role $family $cipher $interfaces $variant $system"]=1
	stop_tcp
	stop_natt
	remove_networks
	unload_system
	pcrypt_off
	make_networks
}

measure_setup() {
	local role=$1 family=$2 cipher=$3 interfaces=$4 variant=$5 systems=$6 system started=$SECONDS
	shift 6
	[ "$variant" != - ] || variant=''
	for system in $(in_turn "$systems"); do
		[ -n "${refused["$role $family $cipher $interfaces $variant $system"]:-}" ] || one_turn "$@"
	done
	echo "  $role $family $cipher${variant:+ $variant}, $interfaces interfaces: $((SECONDS - started)) s"
}

measure_round() {
	local setup begin=$SECONDS system
	while read -ru 9 -a setup; do
		[ ${#setup[@]} = 0 ] || measure_setup "${setup[@]}"
	done 9<<<"$SETUPS"
	if [ "$LINKS" != 0 ] && [ -z "${ONLY:-}" ]; then
		for system in $(in_turn "$IFACE"); do
			load_system "$system"
			measure_create "$LINKS"
			unload_system
		done
	fi
	echo "round $round of $((ROUNDS + MORE)): $((SECONDS - begin)) s, $(wc -l <"$OUT/time.jsonl") measurements," \
		"ESP GRO proved $gro_proofs times, $again measured again"
}

make_networks() {
	local role pid
	for role in encap decap both; do
		# decap replays what encap recorded
		! grep -qE "^$role |^${role/encap/decap} " <<<"$SETUPS" || make_network $role
	done
	# What else runs in the machine, like WireGuard's workers, comes first.
	for pid in $(pgrep kpktgend); do
		chrt -i -p 0 "$pid" || renice -n 19 -p "$pid"
	done >/dev/null
}

remove_networks() {
	stop_agents
	remove_namespaces
}

prepare() {
	local system why module
	for system in plain in-tree in-tree-policy pcrypt xfrm_accel xfrm_accel+espnic wireguard; do
		! why=$(possible $system) || continue
		impossible[$system]=1
		echo "not measured: $system: $why"
	done
	[ -z "${impossible[in-tree]:-}${impossible[xfrm_accel]:-}" ] || die "the two to compare are not both there"
	for module in "${COMMON_MODULES[@]}"; do
		must modprobe "$module"
	done
	if grep -q flowtable <<<"$SETUPS"; then
		must modprobe -a "${FLOWTABLE_MODULES[@]}"
	fi
	IN_TREE=$(modinfo -n xfrm_interface)
	unload_system
	make_networks
	: >"$OUT/time.jsonl"
}

prepare
for ((round = 1; round <= ROUNDS && (round <= 3 || SECONDS < BUDGET); round++)); do
	measure_round
done
SETUPS=$GOALS LINKS=0
for ((last = round + MORE; round < last; round++)); do
	measure_round
done
if [ ${#refused[@]} != 0 ]; then
	printf 'refused: %s\n' "${!refused[@]}"
	exit 1
fi
