#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The hooks of esp4_offload and esp6_offload can be held by one module: who comes
# second is refused and told why, and both live on as if nothing had been tried.
#
#     $A  10.9.N.1, fd09:N::1                $B  10.9.N.2, fd09:N::2    (case N)
#         wire0 (gro on) ------------------- wire0 (gro on)
#
# needs: unloaded
# limit: 600

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/esp.sh
. "$TESTDIR/helpers/esp.sh"

: "${CYCLES:=10}"

# sas: those of both cases, on both hosts, bound to who holds the hooks now
sas()
{
	must ip -n "$A" -batch "$TMP/sas"
	must ip -n "$B" -batch "$TMP/sas"
}

# no_sas: the policies stay
no_sas()
{
	must ip -n "$A" xfrm state flush
	must ip -n "$B" xfrm state flush
}

traffic()
{
	client "$FAR4" --src "$NEAR4" --udp 10,1200 --tcp 100000 &&
		client "$FAR6" --src "$NEAR6" --udp 10,1200 --tcp 100000
}

# taken_by_gro: traffic, and captures of what comes in see none of its ESP
taken_by_gro()
{
	local said
	wire >/dev/null
	traffic || return
	said=$(wire)
	echo "B's captures have seen: $said"
	[ "$(seen esp "$said")" = 0 ]
}

logged() { log_since "$1" | grep -E -- "$2"; }

refcnt() { cat "/sys/module/$1/refcnt"; }

unload() { wait_for 5 impl_unused && rmmod "$IMPL"; }

# --- theirs first ---------------------------------------------------------------

theirs_first()
{
	local mark i said
	must modprobe -a esp4_offload esp6_offload
	sas
	ok_if "esp4_offload and esp6_offload first: traffic, taken by GRO" taken_by_gro
	mark=$(log_mark)
	refused "insmod of ours beside them fails with EBUSY" "Device or resource busy" insmod "$MODULE"
	said="xfrm_accel: .*esp4_offload .* 4 SAs; .*ip xfrm state flush.*rmmod esp4_offload"
	ok_if "the log names who, how many SAs hold it, and the way out" logged "$mark" "$said"
	not_if "ours is not loaded" loaded xfrm_accel
	for i in 2 3 4 5; do
		! insmod "$MODULE" 2>/dev/null || die "loaded at attempt $i"
	done
	ok_if "after five attempts: traffic, taken by GRO" taken_by_gro
	same "no attempt has let go of an SA or taken one" "$(refcnt esp4_offload) $(refcnt esp6_offload)" "4 4"
	same "no attempt has a handler left" "$(log_bad "$mark")" ""
	if modprobe -n xfrm_interface 2>/dev/null; then
		ok_if "the link kind is free" modprobe xfrm_interface
		ok_if "and can be used" ip -n "$A" link add x1 type xfrm dev wire0 if_id 9
		must ip -n "$A" link del x1
		must rmmod xfrm_interface
	fi
	no_sas
	must rmmod esp4_offload
	mark=$(log_mark)
	refused "with esp6_offload alone it fails, too" "Device or resource busy" insmod "$MODULE"
	ok_if "the log names esp6_offload" logged "$mark" 'xfrm_accel: .*esp6_offload .* 0 SAs; .*rmmod esp6_offload'
	ok_if "the hook of IPv4 was not kept" modprobe esp4_offload
	sas
	ok_if "and works: traffic, taken by GRO" taken_by_gro
	no_sas
	must rmmod esp4_offload esp6_offload
	ok_if "the way out of the log leads to a module that loads" insmod "$MODULE"
	sas
	ok_if "and takes its packets in GRO" taken_by_gro
	no_sas
	ok_if "and unloads" unload
}

# --- ours first -----------------------------------------------------------------

ours_first()
{
	local mark mod
	must insmod "$MODULE"
	sas
	ok_if "ours first: traffic, taken by GRO" taken_by_gro
	same "8 SAs hold the module" "$(refcnt xfrm_accel)" 8
	for mod in esp4_offload esp6_offload; do
		mark=$(log_mark)
		refused "modprobe $mod fails with EBUSY" "Device or resource busy" modprobe $mod
		ok_if "the log says why $mod does" logged "$mark" "xfrm_accel: $mod is refused.*rmmod xfrm_accel"
		not_if "modprobe --first-time $mod fails, too" modprobe --first-time $mod
		not_if "$mod is not loaded" loaded $mod
		same "the log tells of no defect" "$(log_bad "$mark")" ""
	done
	ok_if "our traffic goes on, taken by GRO" taken_by_gro
	no_sas
	sas
	ok_if "new SAs are ours" taken_by_gro
	same "and hold the module" "$(refcnt xfrm_accel)" 8
	no_sas
	ok_if "ours unloads" unload
	ok_if "then theirs load" modprobe -a esp4_offload esp6_offload
	must rmmod esp4_offload esp6_offload
}

# --- SAs before and after -------------------------------------------------------

older_sas()
{
	sas
	ok_if "SAs from before: traffic without the module" traffic
	must insmod "$MODULE"
	ok_if "with it" taken_by_gro
	same "they do not hold it" "$(refcnt xfrm_accel)" 0
	must rmmod xfrm_accel
	ok_if "and again without" traffic
	no_sas
}

# Ten attempts while datagrams go to and fro, none of which is lost.
bound_sas()
{
	local pid i
	must insmod "$MODULE"
	sas
	ip netns exec "$A" "$traffic" stream "$FAR4" --src "$NEAR4" --seconds $((60 * ${SLOW:-1})) \
		>"$TMP/stream" 2>&1 &
	pid=$!
	at_exit kill "$pid"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		! rmmod xfrm_accel 2>"$TMP/rmmod" || die "unloaded under its SAs at attempt $i"
		ip netns exec "$A" ping -n -q -c 1 -W 5 "$OUT4_B" >/dev/null
	done
	ok_if "SAs hold the module: rmmod says it is in use" grep -q "in use" "$TMP/rmmod"
	kill "$pid"
	wait "$pid" 2>/dev/null || true
	ok_if "and the tunnel has lost nothing" grep -qE '^sent [1-9][0-9]* lost 0$' "$TMP/stream"
	ok_if "traffic after that, taken by GRO" taken_by_gro
	no_sas
	ok_if "after a flush it unloads" unload
}

# Both ways, both families, and a stream. Not ping: a packet that waits in its socket
# keeps its SA.
floods()
{
	ip netns exec "$A" python3 "$TESTDIR/helpers/send.py" udp "$FAR4" 10000000 1200 &
	ip netns exec "$B" python3 "$TESTDIR/helpers/send.py" udp "$NEAR6" 10000000 300 &
	ip netns exec "$A" "$traffic" check "$FAR4" --src "$NEAR4" --tcp 30000000 &
} >/dev/null 2>&1

busy() { [ "$(stat "$B" wire0 rx_packets)" -gt $(($1 + 300)) ]; }

# A socket keeps the SA that it has last sent by until it sends again, whoever holds
# the hooks: the far end of a stream, which only acknowledges, is closed.
unload_under_traffic()
{
	local round pids before unloaded=0
	close_talk client
	for round in 1 2 3; do
		must insmod "$MODULE"
		serve "$B"
		sas
		before=$(stat "$B" wire0 rx_packets)
		floods
		wait_for 20 busy "$before" || die "no traffic"
		no_sas
		kill "$STARTED"
		if ! unload 2>"$TMP/rmmod"; then
			diag "round $round: $(cat "$TMP/rmmod"), $(refcnt "$IMPL") SAs"
			break
		fi
		unloaded=$round
		pids=$(ip netns pids "$A"; ip netns pids "$B")
		for pid in $pids; do
			[ "$pid" = "${talk_pid[watch]}" ] || kill "$pid" 2>/dev/null || true
		done
	done
	same "under traffic, a flush lets it unload within 5 seconds: 3 times" $unloaded 3
	serve "$B"
	open_client "$A"
}

cycles()
{
	local i
	for ((i = 1; i <= CYCLES; i++)); do
		insmod "$MODULE" >"$TMP/said" 2>&1 || break
		sas
		taken_by_gro >"$TMP/said" 2>&1 || break
		no_sas
		unload >"$TMP/said" 2>&1 || break
	done
	same "$CYCLES cycles of load, SAs, traffic taken by GRO, flush, unload" $((i - 1)) "$CYCLES"
	[ "$i" -gt "$CYCLES" ] || diag "$(cat "$TMP/said")"
}

is_accel || skip_all "the slots of ESP" "it is not of this module"
skip_without_python esp_slots
have ethtool || skip_all esp_slots "ethtool is not installed"

two_hosts
must load_deps
{
	case_sas 1 tunnel 4 4 gcm128 0
	case_sas 2 tunnel 6 6 gcm128 0
} >"$TMP/sas"
for host in A B; do
	{
		case_paths $host 1 tunnel 4 4
		case_paths $host 2 tunnel 6 6
	} >"$TMP/paths"
	must ip -n "${!host}" -batch "$TMP/paths"
	esp_gro "${!host}" on
done
case_addrs 1 4
NEAR4=$IN_A FAR4=$IN_B
case_addrs 2 6
NEAR6=$IN_A FAR6=$IN_B
serve "$B"
open_client "$A"
watch_wire "$B" wire0 watch in

if modprobe -n esp4_offload 2>/dev/null; then
	theirs_first
	ours_first
else
	skip "beside the kernel's own" "this kernel has none as modules"
fi
older_sas
bound_sas
kill "$STARTED"
unload_under_traffic
cycles
plan_done
