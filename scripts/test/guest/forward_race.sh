#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two CPUs send through a tunnel to a host behind A while A's policies, SAs, routes and
# interfaces come and go: once a command has returned, not one packet goes where it
# must not; and afterwards nothing is left behind. See helpers/cache.sh.
#
#     $B                       $A                                      $L
#     ipsec0 10.7.0.2 -------- ipsec0 10.7.0.1   lan0 10.1.0.1 ------- lan0 10.1.0.2
#                                                lan1 10.2.0.1 ------- lan1 10.2.0.2
#
# limit: 600
# cpus: 2

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/cache.sh
. "$TESTDIR/helpers/cache.sh"

ANY4="src 0.0.0.0/0 dst 0.0.0.0/0" HOST4="src 0.0.0.0/0 dst 10.1.0.2/32"
ANY6="src ::/0 dst ::/0" HOST6="src ::/0 dst fd01::2/128"

rounds=2
[ -z "${FULL:-}" ] || rounds=8

hosts()
{
	two_hosts
	outer_addrs 4
	# Seen from A: what comes from B.
	SRC=$OUT4_B DST=$OUT4_A
	open_ip A
	open_ip A6
	open_ip B
	quiet "$A"
	quiet "$B"
	xfrm_link A link=
	xfrm_link B link=
	add_lan
	add_second_lan
	on B "route add 10.1.0.0/24 dev ipsec0" "route add fd01::/64 dev ipsec0" \
		"$(sa_line 0x1000 1)" "$(policy_line add "$ANY4" 1)" "$(policy_line add "$ANY6" 1)"
	sa 0x1000 1
	both add ANY 1 priority 1000
}

# both VERB SELECTOR REQID|block WORDS...: a policy for IPv4 and one for IPv6
both()
{
	local verb=$1 v4=$2"4" v6=$2"6"
	shift 2
	on A "$(POLICY_DIR=fwd policy_line "$verb" "${!v4}" "$@")" \
		"$(POLICY_DIR=fwd policy_line "$verb" "${!v6}" "$@")"
}

no_both()
{
	local v4=$1"4" v6=$1"6"
	on A "xfrm policy delete ${!v4} dir fwd if_id 7" "xfrm policy delete ${!v6} dir fwd if_id 7"
}

# still NAME DEV...: nothing goes there; goes NAME DEV: something does
still()
{
	races still "$A" "${@:2}"
	raced "$1" silent
}

goes()
{
	races still "$A" "$2"
	raced "$1" loud
}

policies()
{
	goes "allowed: packets go" lan0
	both add HOST block priority 5
	still "after a policy that blocks" lan0
	no_both HOST
	goes "after it was deleted: packets go" lan0
	both update ANY block priority 1000
	still "after the policy for all blocks" lan0
	both update ANY 2 priority 1000
	still "after the policy for all wants another SA" lan0
	both update ANY 1 priority 1000
	goes "after it wants this one: packets go" lan0
	no_both ANY
	still "after no policy is left" lan0
	both add ANY 1 priority 1000
}

sas()
{
	goes "before the SA goes: packets go" lan0
	no_sa 0x1000
	still "after the SA is deleted" lan0
	sa 0x1000 2
	still "after it came back with another reqid" lan0
	no_sa 0x1000
	sa 0x1000 1
}

routes()
{
	goes "before routes change: packets go" lan0
	on A "route add 10.1.0.2/32 via 10.2.0.2 dev lan1"
	on A6 "route add fd01::2/128 via fd02::2 dev lan1"
	still "after a route over another device" lan0
	goes "over the other device: packets go" lan1
	on A "route add blackhole 10.1.0.2/32 metric 1" "route del 10.1.0.2/32 via 10.2.0.2"
	on A6 "route add blackhole fd01::2/128 metric 1" "route del fd01::2/128 via fd02::2"
	still "after a route into a black hole" lan0 lan1
	on A "route del blackhole 10.1.0.2/32"
	on A6 "route del blackhole fd01::2/128"
	goes "after the black hole: packets go" lan0
}

links()
{
	on A "link set ipsec0 type xfrm if_id 9"
	still "after the interface has another if_id" lan0
	on A "link set ipsec0 type xfrm if_id 7"
	goes "after it has this one: packets go" lan0
	on A "link set ipsec0 down"
	still "after the interface is down" lan0
	on A "link set ipsec0 up"
	goes "after it is up: packets go" lan0
	must timeout 20 ip -n "$A" link del ipsec0
	still "after the interface is deleted" lan0
	forget_devices
	xfrm_link A link=
	goes "after it is there again: packets go" lan0
}

unloads() { timeout 9 rmmod "$IMPL"; }

skip_without_python forward_race
have nft || skip_all forward_race "nft is not installed"
[ "$(nproc)" -ge 2 ] || skip_all forward_race "there is only one CPU"
hosts
open_talk races ip netns exec "$B" "$TESTDIR/helpers/races.py" $OUT4_B $OUT4_A 10.1.0.2 fd01::2
races flood
for ((round = 1; round <= rounds; round++)); do
	policies
	sas
	routes
	links
done
# While packets still come.
ok_if "the LAN's device goes in time" timeout 20 ip -n "$A" link del lan0
ok_if "the interface goes in time" timeout 20 ip -n "$A" link del ipsec0
races stop
report_races
must ip -n "$B" link del ipsec0
flush_sas
on B "xfrm state flush"
ok_if "the module unloads in time" wait_for 20 unloads
must load_impl
must del_ns "$A"
ok_if "the namespace dies" reaped "$B"
plan_done
