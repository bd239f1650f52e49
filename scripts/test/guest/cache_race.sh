#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two CPUs send while policies, SAs, routes and devices come and go: once a command
# has returned, nothing goes by what it took away; and afterwards nothing is left
# behind. See helpers/cache.sh.
#
# limit: 600
# cpus: 2

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/cache.sh
. "$TESTDIR/helpers/cache.sh"

ANY4="src 0.0.0.0/0 dst 0.0.0.0/0" HOST4="src 0.0.0.0/0 dst 10.7.0.2/32"
ANY6="src ::/0 dst ::/0" HOST6="src ::/0 dst fd00:7::2/128"

rounds=2
[ -z "${FULL:-}" ] || rounds=8

# after NAME QUESTION: nothing goes by what was taken away
after()
{
	races "${@:2}"
	raced "after $1" silent
}

# both VERB SELECTOR REQID WORDS...: a policy for IPv4 and one for IPv6
both()
{
	local verb=$1 v4=$2"4" v6=$2"6"
	shift 2
	on A "$(policy_line "$verb" "${!v4}" "$@")" "$(policy_line "$verb" "${!v6}" "$@")"
}

no_both()
{
	local v4=$1"4" v6=$1"6"
	no_policy "${!v4}"
	no_policy "${!v6}"
}

policies()
{
	both add HOST 3 priority 5
	after "a policy before the others" silent 0x1000 0x2000
	both update HOST 2 priority 5
	after "a policy for another SA" silent 0x1000 0x3000
	both update HOST block priority 5
	after "a policy that blocks" silent 0x1000 0x2000 0x3000
	no_both HOST
	both update ANY 3 priority 1000
	after "the policy for all asks for another SA" silent 0x1000
	flush_policies
	after "no policy is left" silent 0x1000 0x2000 0x3000
	add_base_policies
}

sas()
{
	local spi=0x1$1
	sa "$spi" 1
	after "a newer SA" silent 0x1000
	no_sa "$spi"
	flush_sas
	add_base_sas
	sa "$spi" 1
	no_sa 0x1000
	after "a newer SA, the older one deleted" silent 0x1000
	sa 0x1000 1
	after "the newest SA" silent "$spi"
	no_sa "$spi"
}

routes()
{
	on A "route add $DST/32 via 203.0.113.2 dev wire1"
	after "a route over another wire" quiet wire0
	on A "route add blackhole $DST/32 metric 1" "route del $DST/32 via 203.0.113.2"
	after "the peer's route goes into a black hole" silent 0x1000 0x2000 0x3000
	on A "route del blackhole $DST/32"
	after "the route is gone" quiet wire1
}

links()
{
	on A "link del ipsec1"
	xfrm_link A if_id=8 dev=ipsec1 link=
	on A "link set ipsec0 down"
	after "the interface is down" silent 0x1000 0x2000 0x3000
	on A "link set ipsec0 up" "addr add fd00:7::1/64 dev ipsec0 nodad"
	must timeout 20 ip -n "$A" link del wire1
	second_wire
	on A "link set ipsec0 type xfrm if_id 9"
	after "the interface has another if_id" silent 0x1000 0x2000 0x3000
	on A "link set ipsec0 type xfrm if_id 7"
}

churn()
{
	fresh "$1"
	races flood
	for ((round = 1; round <= rounds; round++)); do
		policies
		sas "$((100 + round))"
		routes
		links
	done
	races stop
	report_races "$TOPO"
	fates watch wire1
	holds "the flow is well afterwards" f4 $S1
	holds "the IPv6 flow is well afterwards" f6 $S1
}

# The way to the peer is found after the SA and before the bundle is complete: a
# thousand rules make that long enough to be met.
slow_routing()
{
	local i
	for ((i = 0; i < 2000; i++)); do
		echo "rule add pref $((1000 + i)) fwmark 0xdead lookup 99"
	done | ip -n "$A" -batch - || die "no rules"
}

met()
{
	races "$2" $((rounds * 10))
	diag "$1: $RACE"
	ok_if "$1" grep -q '^wrong 0 of' <<<"$RACE"
}

skip_without_python cache_race
have nft || skip_all cache_race "nft is not installed"
[ "$(nproc)" -ge 2 ] || skip_all cache_race "there is only one CPU"
cache_hosts
usual_flows
open_talk races ip netns exec "$A" "$TESTDIR/helpers/races.py" $OUT4_A $OUT4_B 10.7.0.2 fd00:7::2
churn one
churn many
fresh one
slow_routing
met "an SA is added while a bundle is being built: the next packet takes it" sa
met "a policy is deleted while a bundle is being built: the next packet obeys" policy
flush_sas
flush_policies
for dev in wire1 ipsec1 ipsec0 wire0; do
	ok_if "afterwards $dev goes in time" timeout 9 ip -n "$A" link del $dev
done
must del_ns "$A"
ok_if "afterwards the namespace dies" reaped "$B"
plan_done
