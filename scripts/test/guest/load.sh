#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# cpus: 2
# load.sh - load and unload: beside the in-tree module, without what it needs,
# again and again, and under traffic.
#
#     $C            $A                                $B
#     links, too    ipsec0                            ipsec0
#                   wire0 ---------- veth ----------  wire0
#
# CYCLES=N in the environment: load/unload cycles (default 20).
#
# needs: unloaded
# limit: 1200

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

: "${CYCLES:=20}"
DEPS="xfrm6_tunnel tunnel6 tunnel4"

# The links of the tunnel; its SAs and policies outlive the module.
links() { xfrm_link A && xfrm_link B; }

no_links() { ip -n "$A" link del ipsec0 && ip -n "$B" link del ipsec0; }

traffic() { pings "$A" 10.7.0.2 2 && pings "$A" fd00:7::2 2; }

xfrm_links_in() { ip -n "$1" link show type xfrm 2>/dev/null | grep -c 'link/none' || true; }

# logged MARK REGEX: the kernel said it since MARK
logged() { log_since "$1" | grep -E -- "$2"; }

# Loads it with what insmod does not fetch, and says so when it fails.
load()
{
	load_impl >"$TMP/said" 2>&1 || die "$IMPL does not load: $(cat "$TMP/said")"
}

unload() { wait_for 20 impl_unused && unload_impl; }

# --- beside the in-tree module --------------------------------------------------

in_tree_first()
{
	local mark i
	must modprobe xfrm_interface
	links
	ok_if "in-tree module first: its traffic" traffic
	must load_deps
	mark=$(log_mark)
	refused "insmod of ours beside it fails with EBUSY" "Device or resource busy" \
		insmod "$MODULE"
	ok_if "the log names xfrm_interface and the way out" \
		logged "$mark" 'xfrm_accel:.*xfrm_interface.*rmmod xfrm_interface'
	not_if "ours is not loaded" loaded xfrm_accel
	for i in 1 2 3 4 5; do
		insmod "$MODULE" 2>/dev/null && die "loaded at the sixth attempt"
	done
	ok_if "in-tree traffic after six attempts" traffic
	no_links
	ok_if "in-tree links can be made after that" eval 'links && traffic'
	no_links
	must rmmod xfrm_interface
	ok_if "with it unloaded ours loads" insmod "$MODULE"
	must rmmod xfrm_accel
}

ours_first()
{
	local mark
	load
	links
	ok_if "ours first: traffic" traffic
	mark=$(log_mark)
	not_if "modprobe xfrm_interface beside ours fails" modprobe xfrm_interface
	ok_if "the log says why" logged "$mark" 'xfrm_accel:.*xfrm_interface'
	not_if "xfrm_interface is not loaded" loaded xfrm_interface
	# modprobe takes some errors for "is there already".
	not_if "modprobe --first-time fails too" modprobe --first-time xfrm_interface
	ok_if "our traffic after that" traffic
	no_links
	ok_if "our links can be made after that" eval 'links && traffic'
	ok_if "other modules may load" modprobe dummy
	no_links
	ok_if "ours unloads" rmmod xfrm_accel
	ok_if "then xfrm_interface loads" modprobe xfrm_interface
	must rmmod xfrm_interface
}

# --- what it needs --------------------------------------------------------------

without_deps()
{
	local mod mark
	# Whatever earlier tests left that uses them.
	for mod in ip_vti ip6_vti ipip sit ip6_gre ip6_tunnel ipcomp ipcomp6 \
		   xfrm4_tunnel xfrm_ipcomp $DEPS; do
		modprobe -r "$mod" 2>/dev/null || true
	done
	for mod in $DEPS; do
		if loaded "$mod"; then
			skip "load without what it needs" "$mod is in use or built in"
			return
		fi
	done
	mark=$(log_mark)
	refused "insmod without its dependencies fails readably" "Unknown symbol" \
		insmod "$MODULE"
	ok_if "the log names what is missing" \
		logged "$mark" 'xfrm_accel: Unknown symbol xfrm[46]_tunnel'
	not_if "and leaves nothing" loaded xfrm_accel
}

documented_line()
{
	cp "$MODULE" "$TMP/xfrm_accel.ko"
	ok_if "modprobe -a tunnel4 tunnel6 xfrm6_tunnel; insmod ./xfrm_accel.ko" \
		bash -c 'cd "$1"; modprobe -a tunnel4 tunnel6 xfrm6_tunnel; insmod ./xfrm_accel.ko' \
		- "$TMP"
	ok_if "the kind is there" ip -n "$A" link add x1 type xfrm if_id 1
	ok_if "it unloads with a link" rmmod xfrm_accel
	not_if "the link is gone" exists "$A" x1
}

aliases()
{
	ok_if "the kind's alias for autoloading" \
		eval 'modinfo -F alias "$MODULE" | grep -x rtnl-link-xfrm'
	ok_if "dependencies are named" eval \
		'modinfo -F depends "$MODULE" | tr , "\n" | sort | paste -sd" " | grep -x "tunnel4 tunnel6 xfrm6_tunnel"'
	same "licence" "$(modinfo -F license "$MODULE")" GPL
}

# --- who else holds a handler ---------------------------------------------------

# rmmod, not modprobe -r: that would unload xfrm6_tunnel as well, and xfrm6_tunnel
# takes all SAs of all namespaces with it.
unload_all() { rmmod "$@" 2>/dev/null || true; }

neighbours()
{
	local mod have=()
	for mod in ip_vti ip6_vti ipip sit ip6_tunnel xfrm4_tunnel; do
		! modprobe "$mod" 2>/dev/null || have=("$mod" "${have[@]}")
	done
	diag "neighbours: ${have[*]}"
	load
	links
	ok_if "loads and works after vti, ipip, sit, ip6_tunnel" traffic
	no_links
	unload_all "${have[@]}"
	for mod in "${have[@]}"; do
		modprobe "$mod" || diag "$mod does not load again"
	done
	links
	ok_if "works before them" traffic
	ok_if "unloads between them" unload_impl
	unload_all "${have[@]}"
}

sas_before_load()
{
	not_if "SAs, policies and no module: no traffic" in_ns "$A" ping -c1 -W1 10.7.0.2
	load
	links
	ok_if "SAs made before the module was loaded carry traffic" traffic
	ok_if "unloads with SAs, policies and links" unload
	same "no link is left" "$(xfrm_links_in "$A") $(xfrm_links_in "$B")" "0 0"
	same "the SAs are" "$(ip -n "$A" xfrm state count | grep -o '[0-9]*$')" 2
}

# --- again and again ------------------------------------------------------------

# Memory that only the kernel uses and nobody can take back, in KiB.
kernel_memory()
{
	awk '/^(SUnreclaim|Percpu|KernelStack):/ { sum += $2 } END { print sum }' /proc/meminfo
}

cycle()
{
	load
	must ip -n "$A" -batch "$TMP/links-a"
	must ip -n "$B" -batch "$TMP/links-b"
	pings "$A" 10.7.0.2 1 && pings "$A" fd00:7::2 1 || return 1
	unload
}

cycles()
{
	local i side n=1 half=0 full
	for side in a b; do
		cat >"$TMP/links-$side" <<-END
			link add ipsec0 type xfrm dev wire0 if_id 7
			link add ipsec1 type xfrm if_id 8
			link add ipsec2 type xfrm external
			addr add 10.7.0.$n/24 dev ipsec0
			addr add fd00:7::$n/64 dev ipsec0 nodad
			link set ipsec0 up
			link set ipsec1 up
			link set ipsec2 up
		END
		n=2
	done
	for ((i = 1; i <= CYCLES; i++)); do
		cycle >"$TMP/cycle" 2>&1 || break
		[ $i != $((CYCLES / 2)) ] || half=$(kernel_memory)
	done
	same "$CYCLES cycles of load, links, traffic, unload" $((i - 1)) "$CYCLES"
	[ $i -gt "$CYCLES" ] || diag "$(tail -n 5 "$TMP/cycle")"
	full=$(kernel_memory)
	diag "kernel memory: $half KiB after half of the cycles, $full KiB after all"
	if [ "$CYCLES" -ge 200 ]; then
		# A page for each cycle of the second half would be a leak.
		ok_if "memory does not grow from cycle to cycle" \
			test $((full - half)) -lt $((CYCLES / 2 * 4))
	fi
}

# --- under traffic --------------------------------------------------------------

# Everything that can be on its way through the device when it goes.
floods()
{
	ip netns exec "$A" ping -n -q -f -w 60 10.7.0.2 >/dev/null 2>&1 &
	ip netns exec "$B" ping -n -q -f -w 60 fd00:7::1 >/dev/null 2>&1 &
	ip netns exec "$A" python3 "$TESTDIR/helpers/send.py" udp 10.7.0.2 1000000 1300 \
		>/dev/null 2>&1 &
	wait_for 10 moving || die "no traffic"
}

moving()
{
	[ "$(stat "$A" ipsec0 tx_packets)" -gt 200 ] &&
		[ "$(stat "$B" ipsec0 tx_packets)" -gt 200 ]
}

unload_under_traffic()
{
	local i pid
	new_ns C
	for i in 1 2 3 4 5; do
		load
		links
		must ip -n "$C" link add x1 type xfrm if_id 7
		must ip -n "$C" link add x2 link-netns "$A" type xfrm external
		must ip -n "$C" link set x1 up
		floods
		if ! rmmod "$IMPL" 2>"$TMP/said"; then
			fail "unload under traffic, round $i" "$(cat "$TMP/said")"
			return
		fi
		for pid in $(jobs -p); do
			kill "$pid" 2>/dev/null || true
		done
		wait || true
	done
	pass "5 unloads under traffic"
	same "links are gone in every namespace" \
		"$(xfrm_links_in "$A") $(xfrm_links_in "$B") $(xfrm_links_in "$C")" "0 0 0"
	load
	links
	ok_if "traffic when it is loaded again" traffic
	ok_if "and it unloads" unload
}

# Links come and go while the module does. The kernel would fetch the in-tree
# module for the kind that is missing: not now.
unload_while_links_are_made()
{
	local i pid stop=$TMP/stop loader unloads=0
	loader=$(cat /proc/sys/kernel/modprobe)
	at_exit eval "echo $loader >/proc/sys/kernel/modprobe"
	load_deps
	echo /bin/false >/proc/sys/kernel/modprobe
	(
		set +e
		while [ ! -e "$stop" ]; do
			ip -n "$A" link add y1 type xfrm if_id 99 && echo >>"$TMP/made"
			ip -n "$A" link set y1 up
			ip -n "$A" link set y1 type xfrm if_id 98
			ip -n "$A" link del y1
		done
	) >/dev/null 2>&1 &
	pid=$!
	for i in 1 2 3 4 5 6 7 8 9 10; do
		load
		: >"$TMP/made"
		wait_for 60 test -s "$TMP/made" || break
		unload_impl 2>"$TMP/said" || break
		unloads=$i
	done
	touch "$stop"
	wait $pid || true
	echo "$loader" >/proc/sys/kernel/modprobe
	same "10 unloads while links are made" "$unloads $(cat "$TMP/said")" "10 "
	not_if "it is not loaded" loaded "$IMPL"
	not_if "no link is left" exists "$A" y1
}

# --- who pins it ----------------------------------------------------------------

lwtunnel_pins()
{
	load
	must ip -n "$A" link add ext type xfrm external
	must ip -n "$A" link set ext up
	if ! ip -n "$A" route add 10.60.0.0/24 dev ext encap xfrm if_id 60 2>"$TMP/said"; then
		fail "route with encap xfrm" "$(cat "$TMP/said")"
		return
	fi
	refused "a route with encap xfrm pins the module" "in use" rmmod "$IMPL"
	must ip -n "$A" route del 10.60.0.0/24 dev ext
	ok_if "and lets go when it is deleted" wait_for 20 impl_unused

	new_ns D
	must ip -n "$D" link add ext type xfrm external
	must ip -n "$D" link set ext up
	must ip -n "$D" -6 route add fd00:60::/64 dev ext encap xfrm if_id 60 link_dev lo
	refused "an IPv6 one too" "in use" rmmod "$IMPL"
	must ip netns del "$D"
	ok_if "and lets go with its namespace" wait_for 30 impl_unused
	ok_if "unloads after that" unload_impl
}

if is_accel && [ -z "$MODULE" ]; then
	skip_all "load and unload" "no MODULE given"
fi
! loaded xfrm_interface || must rmmod xfrm_interface

if is_accel; then
	without_deps
	aliases
fi
two_hosts
sa_pair
policy_pair
sas_before_load
if is_accel; then
	documented_line
	if modprobe -n xfrm_interface 2>/dev/null; then
		in_tree_first
		ours_first
	else
		skip "beside the in-tree module" "this kernel has none as a module"
	fi
fi
neighbours
cycles
unload_under_traffic
unload_while_links_are_made
lwtunnel_pins
plan_done
