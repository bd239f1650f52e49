#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A flow that has been busy and is idle now keeps nothing alive: once its SAs or
# policies are gone, so are the SAs' memory, keys and modules, and devices and
# namespaces can go, without one more packet. See helpers/cache.sh.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/cache.sh
. "$TESTDIR/helpers/cache.sh"

# An SA's destructor, which its last holder runs, gives back cipher and module.
# held: how many users the cipher has, and the module of ESP where it is one
held()
{
	awk '$1 == "name" { mine = $3 ~ /^(seqiv\()?rfc4106\(gcm\(aes\)\)\)?$/ }
	     $1 == "refcnt" && mine { n += $3 } END { printf "cipher %d", n }' /proc/crypto
	echo " esp4 $(cat /sys/module/esp4/refcnt 2>/dev/null || echo built-in)"
}

# fewer_than HELD: cipher and module alike have fewer users
fewer_than()
{
	local cipher esp4 had_cipher had_esp4
	read -r _ cipher _ esp4 < <(held)
	read -r _ had_cipher _ had_esp4 <<<"$1"
	[ "$cipher" -lt "$had_cipher" ] && { [ "$esp4" = built-in ] || [ "$esp4" -lt "$had_esp4" ]; }
}

holds_no_more() { [ "$(held)" = "$unused" ]; }

# all_gone NAME: every SA is freed
all_gone()
{
	if wait_for 10 holds_no_more; then
		pass "$TOPO: $1"
	else
		fail "$TOPO: $1" "held: $(held)"$'\n'"without SAs: $unused"
	fi
}

busy()
{
	fresh "$1"
	fates spread f4 p1f4 p2f4 f6 p1f6 p2f6
	holds "a busy flow" f4 $S1
	holds "a busy IPv6 flow" f6 $S1
}

sas_and_policies()
{
	busy "$TOPO"
	not_if "$TOPO: SAs in use are held" holds_no_more
	flush_sas
	all_gone "idle, SAs flushed: they are freed"
	flush_policies
	busy "$TOPO"
	flush_policies
	flush_sas
	all_gone "idle, policies and SAs flushed: the SAs are freed"

	busy "$TOPO"
	no_sa 0x1000
	no_sa 0x2000
	no_sa 0x3000
	SA_IF_ID=8 no_sa 0x8000
	all_gone "idle, SAs deleted one by one: they are freed"
	flush_policies

	busy "$TOPO"
	flush_policies
	must ip -n "$A" xfrm state deleteall
	all_gone "idle, all SAs deleted: they are freed"

	flush_policies
	add_base_policies
	sa 0x1000 1 limit time-hard 2
	sa 0x2000 2 limit time-hard 2
	sa 0x3000 3 limit time-hard 2
	fates spread f4 p1f4 p2f4 f6 p1f6 p2f6
	wait_for 40 no_sas || die "SAs do not expire"
	all_gone "idle, SAs expired: they are freed"
}

no_sas() { [ -z "$(ip -n "$A" xfrm state)" ]; }

# A rekeyed flow keeps the new SA and not the old one.
rekeyed()
{
	local one
	busy "$TOPO"
	flush_sas
	sa 0x1000 1
	holds "one SA" f4 $S1
	holds "one SA" f6 $S1
	one=$(held)
	sa 0x1100 1
	no_sa 0x1000
	if wait_for 10 test_held "$one"; then
		pass "$TOPO: idle, rekeyed: the old SA is freed"
	else
		fail "$TOPO: idle, rekeyed: the old SA is freed" "held: $(held), with one SA: $one"
	fi
	holds "rekeyed" f4 wire0:1100
	flush_sas
	all_gone "idle, flushed after rekeying: nothing is left"
}

test_held() { [ "$(held)" = "$1" ]; }

# in_time NAME CMD...: well within the ten seconds that a held device would take
in_time()
{
	local name=$1
	shift
	ok_if "$TOPO: idle: $name in time" timeout 9 "$@"
}

devices()
{
	busy "$TOPO"
	in_time "the wire goes" ip -n "$A" link del wire0
	flush_sas
	all_gone "idle, wire deleted: SAs are freed"
	new_wire0
	busy "$TOPO"
	in_time "the interface goes" ip -n "$A" link del ipsec0
	flush_sas
	all_gone "idle, interface deleted: SAs are freed"
	new_interface
	busy "$TOPO"
	in_time "the interface goes down" ip -n "$A" link set ipsec0 down
	flush_policies
	flush_sas
	all_gone "idle, interface down: SAs are freed"
	on A "link set ipsec0 up" "addr add fd00:7::1/64 dev ipsec0 nodad"
	busy "$TOPO"
	ok_if "$TOPO: idle: the interface moves to another namespace in time" move_away
	flush_sas
	all_gone "idle, interface moved: SAs are freed"
	must ip -n "$C" link set ipsec0 netns "$A"
	on A "addr add 10.7.0.1/24 dev ipsec0" "addr add fd00:7::1/64 dev ipsec0 nodad" "link set ipsec0 up"
}

move_away() { timeout 9 ip -n "$A" link set ipsec0 netns "$C"; }

new_wire0()
{
	on A "link add wire0 index 42 type veth peer name wire0 index 43 address 02:00:00:00:00:b0 netns $B"
	on A "addr add $OUT4_A/24 dev wire0" "addr add $OUT6_A/64 dev wire0 nodad" "link set wire0 up"
	on B "addr add $OUT4_B/24 dev wire0" "addr add $OUT6_B/64 dev wire0 nodad" "link set wire0 up"
	add_neighbours
	fates watch wire0
}

new_interface() { xfrm_link A link=; forget_devices; }

module_goes()
{
	busy "$TOPO"
	if is_accel; then
		# Our ESP engine has the SAs; nothing else may hold the module.
		refused "$TOPO: idle: SAs hold the module" "in use" rmmod "$IMPL"
		flush_sas
	fi
	ok_if "$TOPO: idle: the module unloads in time" wait_for 5 timeout 9 rmmod "$IMPL"
	flush_sas
	all_gone "idle, module unloaded: SAs are freed"
	must load_impl
	new_interface
	xfrm_link A if_id=8 dev=ipsec1 link=
}

# The SAs' namespace and the interface's, in either order.
namespaces()
{
	busy "$TOPO"
	must ip -n "$A" link set ipsec0 netns "$C"
	must ip -n "$C" -batch - <<-'EOF'
		link set ipsec0 up
		addr add 10.7.0.1/24 dev ipsec0
		addr add fd00:7::1/64 dev ipsec0 nodad
	EOF
	flow c4 to=10.7.0.2 ns="$C"
	flow c6 to=fd00:7::2 ns="$C"
	holds "from a container" c4 $S1
	holds "from a container, IPv6" c6 $S1
	fates forget c4 c6
	must ip netns del "$C"
	ok_if "$TOPO: idle: the container dies" reaped "$B"
	flush_sas
	all_gone "idle, container dead: SAs are freed"
	new_interface
	busy "$TOPO"
	must del_ns "$A"
	ok_if "$TOPO: idle: the SAs' namespace dies" reaped "$B"
	all_gone "idle, namespace dead: SAs are freed"
}

skip_without_python cache_idle
have nft || skip_all cache_idle "nft is not installed"
cache_hosts
new_ns C
usual_flows
# What stays once a cipher has been used does not count.
sa 0x1000 1
with_one=$(held)
flush_sas
wait_for 10 fewer_than "$with_one" || die "without SAs: $(held), with one: $with_one"
unused=$(held)

for TOPO in one many; do
	sas_and_policies
	rekeyed
	devices
	module_goes
done
namespaces
plan_done
