#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Whatever is remembered about a flow, a change of a policy or an SA takes effect
# on the next packet, on every CPU. See helpers/cache.sh for hosts and names.
#
# cpus: 2

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/cache.sh
. "$TESTDIR/helpers/cache.sh"

# What the core refuses before the interface sees it.
refused="OutPolBlock errno=EPERM"

# for_family 4|6: the words that differ
for_family()
{
	F=f$1 F_OTHER=f$((10 - $1))
	if [ "$1" = 4 ]; then
		ANY="src 0.0.0.0/0 dst 0.0.0.0/0" HOST="src 0.0.0.0/0 dst 10.7.0.2/32"
		HOST_OTHER="src ::/0 dst fd00:7::2/128"
	else
		ANY="src ::/0 dst ::/0" HOST="src ::/0 dst fd00:7::2/128"
		HOST_OTHER="src 0.0.0.0/0 dst 10.7.0.2/32"
	fi
}

policies_come_and_go()
{
	turn "a policy for one host, before the others, is added" $F $S1 $S2 \
		policy add "$HOST" 2 priority 5
	turn "that policy asks for another SA" $F $S2 $S3 \
		policy update "$HOST" 3 priority 5
	turn "that policy moves behind the others" $F $S3 $S1 \
		policy update "$HOST" 3 priority 5000
	turn "that policy moves before them again" $F $S1 $S3 \
		policy update "$HOST" 3 priority 5
	turn "that policy is deleted" $F $S3 $S1 no_policy "$HOST"
	turn "a policy that blocks is added" $F $S1 "$blocked" \
		policy add "$HOST" block priority 5
	turn "the policy that blocks is deleted" $F "$blocked" $S1 no_policy "$HOST"
	turn "a policy for its port is added" $F $S1 $S2 \
		policy add "$ANY proto udp dport 9000" 2 priority 5
	turn "the policy for its port is deleted" $F $S2 $S1 \
		no_policy "$ANY proto udp dport 9000"
	turn "its policy turns to block" $F $S1 "$blocked" \
		policy update "$ANY" block priority 1000
	turn "its policy turns back to allow" $F "$blocked" $S1 \
		policy update "$ANY" 1 priority 1000
	turn "its policy asks for another SA" $F $S1 $S2 \
		policy update "$ANY" 2 priority 1000
	turn "its policy is deleted" $F $S2 "$no_policy_left" no_policy "$ANY"
	turn "its policy is added again" $F "$no_policy_left" $S1 \
		policy add "$ANY" 1 priority 1000
	turn "all policies are flushed" $F $S1 "$no_policy_left" \
		flush_policies
	turn "all policies are added again" $F "$no_policy_left" $S1 \
		add_base_policies
}

policies_elsewhere()
{
	turn "a policy of another namespace blocks" $F $S1 $S1 \
		on B "xfrm policy add $ANY dir out if_id 7 action block"
	on B "xfrm policy flush"
	holds "the other namespace's policies are flushed" $F $S1
	turn "a policy of the other family blocks" $F $S1 $S1 \
		policy add "$HOST_OTHER" block priority 5
	holds "the other family is blocked" $F_OTHER "$blocked"
	turn "the other family may send again" $F_OTHER "$blocked" $S1 no_policy "$HOST_OTHER"
	holds "the other family's policy was deleted" $F $S1
	POLICY_IF_ID=8 turn "a policy of another if_id blocks" $F $S1 $S1 \
		policy add "$ANY" block priority 5
	POLICY_IF_ID=0 turn "a policy without if_id blocks" $F $S1 "$refused" \
		policy add "$ANY" block priority 5
	POLICY_IF_ID=0 turn "the policy without if_id is deleted" $F "$refused" $S1 \
		no_policy "$ANY"
	POLICY_IF_ID=0 turn "a policy without if_id finds no SA" $F $S1 OutNoStates \
		policy add "$ANY" 2 priority 5
	POLICY_IF_ID=0 no_policy "$ANY"
	holds "the policy without if_id is gone" $F $S1
	POLICY_IF_ID=0 policy add "$ANY proto udp dport 5001" block
	holds "a policy without if_id is for another port" $F $S1
	holds "that port is blocked, although the interface knows the route" p1$F "$refused"
	POLICY_IF_ID=0 no_policy "$ANY proto udp dport 5001"
	turn "what no policy allows is blocked" $F $S1 errno=EPERM \
		on A "xfrm policy setdefault out block"
	turn "what no policy forbids is allowed again" $F errno=EPERM $S1 \
		on A "xfrm policy setdefault out accept"
	POLICY_DIR=in turn "an input policy blocks" $F $S1 $S1 \
		policy add "$ANY" block priority 5
	POLICY_DIR=fwd turn "a forward policy blocks" $F $S1 $S1 \
		policy add "$ANY" block priority 5
	turn "policies are sorted anew" $F $S1 $S1 \
		on A "xfrm policy set hthresh4 24 24 hthresh6 64 64"
}

# Sub-policies come first and may leave the SA to the main one.
sub_policies()
{
	fresh $TOPO
	if ! ip -n "$A" xfrm policy add $HOST dir out if_id 7 ptype sub 2>"$TMP/said"; then
		skip "$TOPO, $F: sub-policies" "this kernel has none"
		return
	fi
	holds "a sub-policy leaves the SA to the main one" $F $S1
	turn "the main policy behind a sub-policy is deleted" $F $S1 "$no_policy_left" no_policy "$ANY"
	policy add "$ANY" 1 priority 1000
	turn "the main policy behind a sub-policy asks for another SA" $F $S1 $S2 \
		policy update "$ANY" 2 priority 1000
	turn "the sub-policy is deleted" $F $S2 $S2 \
		no_policy "$HOST" ptype sub
	turn "a sub-policy that blocks is added" $F $S2 "$blocked" \
		policy add "$HOST" block ptype sub
	turn "the sub-policy that blocks is deleted" $F "$blocked" $S2 \
		no_policy "$HOST" ptype sub
}

policy_gone() { ! ip -n "$A" xfrm policy get $1 dir out if_id 7; }

policy_lifetimes()
{
	young "a policy with a lifetime" $S2 policy add "$HOST" 2 priority 5 limit time-hard
	ok_if "$TOPO, $F: it expires" wait_for 40 policy_gone "$HOST"
	obeys "the policy has expired" $F $S1
}

# used SELECTOR: when the policy was used last, in seconds
used()
{
	local when
	when=$(ip -n "$A" -s xfrm policy get $1 dir out if_id 7 |
		grep -oP '^\s+add .* use \K[0-9-]+ [0-9:]+') || return
	date -d "$when" +%s
}

use_moves() { fates warm $F 1; [ "$(used "$ANY")" -gt "$1" ]; }

# The IKE daemon reads it to learn whether a tunnel is idle.
policy_use_time()
{
	local first
	fresh $TOPO
	holds "a policy in use" $F $S1
	first=$(used "$ANY") || die "no use time: $(ip -n "$A" -s xfrm policy)"
	ok_if "$TOPO, $F: the policy's use time moves on with the traffic" wait_for 10 use_moves "$first"
}

# give_away SPI: the SA gets another if_id
give_away()
{
	local line
	line=$(SA_IF_ID=9 sa_line "$1" 1)
	on A "${line/state add/state update}"
}

sas_come_and_go()
{
	fresh $TOPO
	turn "a newer SA is added" $F $S1 wire0:1100 sa 0x1100 1
	turn "an SA of another if_id is added" $F wire0:1100 wire0:1100 \
		eval 'SA_IF_ID=8 sa 0x1200 1'
	turn "the older SA is deleted" $F wire0:1100 wire0:1100 no_sa 0x1000
	turn "the older SA is added anew" $F wire0:1100 $S1 sa 0x1000 1
	turn "the newest SA is deleted" $F $S1 wire0:1100 no_sa 0x1000
	turn "the last SA is deleted" $F wire0:1100 "$no_states" no_sa 0x1100
	turn "an SA is added again" $F "$no_states" $S1 sa 0x1000 1
	turn "the SA is given to another if_id" $F $S1 "$no_states" \
		give_away 0x1000
	turn "an SA takes its place" $F "$no_states" wire0:1100 sa 0x1100 1
	turn "all SAs are flushed" $F wire0:1100 "$no_states" flush_sas
	turn "all SAs are added again" $F "$no_states" $S1 add_base_sas
}

# What counts is not the address pair alone.
which_sa()
{
	fresh $TOPO
	no_sa 0x1000
	SA_SRC=0.0.0.0 sa 0x1500 1
	turn "an SA for its source is added beside one for any" $F wire0:1500 $S1 sa 0x1000 1
	turn "the SA for its source is deleted" $F $S1 wire0:1500 no_sa 0x1000

	fresh $TOPO
	policy add "$HOST mark 5 mask 0xff" 4 priority 5
	sa 0x1600 4 mark 5 mask 0xff
	turn "an SA for any mark is added beside one for a mark" m${F#f} wire0:1600 wire0:1700 \
		sa 0x1700 4
	holds "another mark has another policy" $F $S1

	fresh $TOPO
	SA_SEL='' turn "an SA for its port is added beside one for all" $F $S1 wire0:1800 \
		sa 0x1800 1 sel $HOST proto udp dport 9000
	in_turns "$F: another port keeps the other SA" "$F q${F#f} $F q${F#f}" \
		"wire0:1800; $S1; wire0:1800; $S1"
	turn "another port: the SA for all is deleted" q${F#f} $S1 "$no_states" no_sa 0x1000
	holds "the SA for its port is still there" $F wire0:1800
}

# young NAME FATE CMD...: CMD makes something that lives for so many seconds as its
# last word says; long enough for a slow machine to look at it
young()
{
	local name=$1 want=$2 life
	shift 2
	for life in 2 4 8 16 32; do
		fresh $TOPO
		"$@" $life
		fates warm $F
		[ "$FATE" != "$want" ] || break
	done
	same "$TOPO, $F: $name" "$FATE" "$want"
}

# An SA that nears its end yields to another one that does not, even if older.
dying_sas()
{
	local n
	n=$(($(nproc) * 23)) # as many as "warm" sends
	fresh $TOPO
	sa 0x1100 1 limit packet-soft $((n - 1))
	holds "packets up to the soft limit" $F wire0:1100
	obeys "the soft limit of packets is reached" $F $S1
	holds "and so it stays" $F $S1
	no_sa 0x1000
	holds "a dying SA without a successor" $F wire0:1100
	turn "the dying SA gets a successor" $F wire0:1100 $S1 sa 0x1000 1

	fresh $TOPO
	sa 0x1100 1 limit byte-soft $((n * 400))
	holds "the soft limit of bytes is reached half-way" $F $S1

	young "an SA with a soft limit of time" wire0:1100 sa 0x1100 1 limit time-soft
	ok_if "$TOPO, $F: the soft limit of time is reached" wait_for 40 goes_by $F $S1
}

goes_by() { fates warm "$1" 1; [ "$FATE" = "$2" ]; }

expired_sas()
{
	local n
	n=$(($(nproc) * 23)) # as many as "warm" sends
	fresh $TOPO
	no_sa 0x1000
	sa 0x1100 1 limit packet-hard $n
	holds "packets up to the hard limit" $F wire0:1100
	in_turns "$F: the hard limit of packets is reached" $F "error:tx_output OutStateExpired"
	ok_if "$TOPO, $F: the SA is gone" wait_for 40 sa_gone 0x1100
	obeys "the SA has expired" $F "$no_states"

	young "an SA with a hard limit of time" wire0:1100 sa 0x1100 1 limit time-hard
	ok_if "$TOPO, $F: it expires" wait_for 40 sa_gone 0x1100
	obeys "an older SA is left" $F $S1
}

larval() { grep -q 'spi 0x00000000 ' <<<"$(ip -n "$A" xfrm state)"; }

# With a key manager listening, a missing SA is asked for.
acquire()
{
	fresh $TOPO
	: >"$TMP/heard"
	stdbuf -oL ip -n "$A" xfrm monitor acquire >>"$TMP/heard" 2>&1 &
	local listener=$!
	at_exit kill $listener
	flush_sas
	wait_for 10 eval 'fates one $F; grep -q acquire "$TMP/heard"' ||
		die "ip xfrm monitor hears nothing"
	flush_sas
	add_base_sas
	: >"$TMP/heard"
	turn "its SA goes and an IKE daemon listens" $F $S1 "$no_states" no_sa 0x1000
	ok_if "$TOPO, $F: the daemon is asked" wait_for 10 grep -q "acquire" "$TMP/heard"
	ok_if "$TOPO, $F: an SA to come is there" larval
	turn "the SA comes" $F "$no_states" $S1 sa 0x1000 1
	kill $listener
}

migrated()
{
	local said
	fresh $TOPO
	said=$(in_ns "$A" "$TESTDIR/helpers/xfrm_nl.py" migrate ${F#f} 7 1 $OUT4_A $OUT4_B 203.0.113.1 203.0.113.2) || true
	if [[ $said == *ENOPROTOOPT* ]]; then
		skip "$TOPO, $F: migrate" "this kernel has no CONFIG_XFRM_MIGRATE"
		return
	fi
	fresh $TOPO
	turn "SA and policy migrate to another address" $F $S1 wire1:1000 \
		must in_ns "$A" "$TESTDIR/helpers/xfrm_nl.py" migrate ${F#f} 7 1 $OUT4_A $OUT4_B 203.0.113.1 203.0.113.2
}

# Newer kernels have SAs for the packets of one CPU.
per_cpu_sas()
{
	local last=$(($(nproc) - 1)) said
	fresh $TOPO
	[ "$last" -gt 0 ] || { skip "$TOPO, $F: an SA for one CPU" "there is only one CPU"; return; }
	fates warm $F
	said=$(in_ns "$A" "$TESTDIR/helpers/xfrm_nl.py" percpu $SRC $DST 0x1b00 1 7 $last) || true
	if [ "$said" = unknown ]; then
		skip "$TOPO, $F: an SA for one CPU" "this kernel has none"
		return
	fi
	obeys "an SA for one CPU is added" $F "cpu0: $S1; cpu$last: wire0:1b00"
	turn "the SA for one CPU is deleted" $F "cpu0: $S1; cpu$last: wire0:1b00" $S1 no_sa 0x1b00
}

# Flows between one pair of addresses that differ in what a selector can see.
selectors()
{
	local p1=p1f${F#f} p2=p2f${F#f} p3=p3f${F#f}
	fresh many
	holds "port 5001 has its SA" $p1 $S2
	holds "port 5002 has its SA" $p2 $S3
	holds "port 5003 is blocked" $p3 "$blocked"
	holds "other ports have theirs" $F $S1
	in_turns "ports in turns" "$p1 $p2 $F $p3 $p1 $p2 $F" \
		"$S2; $S3; $S1; $blocked; $S2; $S3; $S1"
	turn "the policy of port 5001 is deleted" $p1 $S2 $S1 no_policy "$ANY proto udp dport 5001"
	holds "port 5002 keeps its SA" $p2 $S3
}

have nft || skip_all cache "nft is not installed"
skip_without_python cache
cache_hosts
usual_flows
for f in 4 6; do
	far=10.7.0.2
	[ $f = 4 ] || far=fd00:7::2
	flow q$f to=$far dport=9001
	flow m$f to=$far mark=0x105
done

kinds=("one 4" "many 6")
[ -z "${FULL:-}" ] || kinds+=("many 4" "one 6")
for kind in "${kinds[@]}"; do
	read -r TOPO family <<<"$kind"
	for_family "$family"
	fresh "$TOPO"
	policies_come_and_go
	policies_elsewhere
	sub_policies
	sas_come_and_go
	which_sa
	dying_sas
	expired_sas
	policy_lifetimes
	policy_use_time
	acquire
	migrated
	per_cpu_sas
	selectors
done
plan_done
