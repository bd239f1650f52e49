# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# cache.sh - what the tests of the bundle cache share. Source it after lib.sh and
# traffic.sh.
#
#     $A                                                   $B
#     ipsec0 10.7.0.1, fd00:7::1 (if_id 7)
#     ipsec1 10.8.0.1, fd00:8::1 (if_id 8)
#     wire0  192.0.2.1, 2001:db8:1::1     --------------   wire0 192.0.2.2 ...
#     wire1  203.0.113.1, 2001:db8:3::1   --------------   wire1 203.0.113.2 ...
#
# $B has no SAs: what counts is what leaves $A. There are as many SAs there as
# there are answers to "which one?": SPI 0x1000 has reqid 1, 0x2000 reqid 2,
# 0x3000 reqid 3; 0x8000 has reqid 8 and if_id 8. All packets are sent by
# fates.py, which tells for each how it ended.
#
# What is expected is what the in-tree interface does, which caches nothing.

# Fates, for all of them; see fates.py.
S1=wire0:1000 S2=wire0:2000 S3=wire0:3000 \
	no_policy_left="error:tx_no_policy" blocked="error:tx_policy_block OutPolBlock" \
	no_states="error:tx_no_sa OutNoStates" no_way="error:tx_lookup OutBundleGenError"

cache_hosts()
{
	two_hosts
	outer_addrs 4
	open_ip B
	on B "link set wire0 address 02:00:00:00:00:b0"
	second_wire
	quiet "$A"
	xfrm_link A link=
	xfrm_link A if_id=8 dev=ipsec1 link=
	open_fates "$A" wire0 wire1
}

second_wire()
{
	local host n=1
	forget_devices
	on A "link add wire1 type veth peer name wire1 address 02:00:00:00:00:b1 netns $B"
	for host in A B; do
		on $host "addr add 203.0.113.$n/24 dev wire1" \
			"addr add 2001:db8:3::$n/64 dev wire1 nodad" "link set wire1 up"
		n=2
	done
	add_neighbours
}

# A running ip knows a device by the index that it had when it was first named.
forget_devices()
{
	open_ip A
	open_ip A6
}

# A neighbour that is not known yet would delay a packet.
add_neighbours()
{
	on A "neigh replace $OUT4_B dev wire0 lladdr 02:00:00:00:00:b0 nud permanent" \
		"neigh replace $OUT6_B dev wire0 lladdr 02:00:00:00:00:b0 nud permanent" \
		"neigh replace 203.0.113.2 dev wire1 lladdr 02:00:00:00:00:b1 nud permanent" \
		"neigh replace 2001:db8:3::2 dev wire1 lladdr 02:00:00:00:00:b1 nud permanent"
}

# add_lan: a host L behind A, whose packets A forwards
add_lan()
{
	new_ns L
	on A "link add lan0 type veth peer name lan0 netns $L" "link set lan0 up" \
		"addr add 10.1.0.1/24 dev lan0" "addr add fd01::1/64 dev lan0 nodad"
	must ip -n "$L" -batch - <<-'EOF'
		link set lan0 up
		addr add 10.1.0.2/24 dev lan0
		addr add fd01::2/64 dev lan0 nodad
		route add default via 10.1.0.1
		route add default via fd01::1
	EOF
	wait_for 20 in_ns "$L" ping -c1 -W1 10.1.0.1 || die "no LAN"
	wait_for 20 in_ns "$L" ping -c1 -W1 fd01::1 || die "no LAN (IPv6)"
}

# add_second_lan: another wire to L, where nobody listens
add_second_lan()
{
	forget_devices
	on A "link add lan1 type veth peer name lan1 netns $L" "link set lan1 up" \
		"addr add 10.2.0.1/24 dev lan1" "addr add fd02::1/64 dev lan1 nodad"
	must ip -n "$L" -batch - <<-'EOF'
		link set lan0 address 02:00:00:00:00:10
		link set lan1 address 02:00:00:00:00:11
		link set lan1 up
		addr add 10.2.0.2/24 dev lan1
		addr add fd02::2/64 dev lan1 nodad
	EOF
	lan_neighbours
	# That nobody does is not to be said.
	must in_ns "$L" nft -f - <<-'EOF'
		table inet deaf {
			chain c {
				type filter hook input priority 0
				udp dport { 5001, 9000-9999 } drop
			}
		}
	EOF
}

lan_neighbours()
{
	on A "neigh replace 10.1.0.2 dev lan0 lladdr 02:00:00:00:00:10 nud permanent" \
		"neigh replace fd01::2 dev lan0 lladdr 02:00:00:00:00:10 nud permanent" \
		"neigh replace 10.2.0.2 dev lan1 lladdr 02:00:00:00:00:11 nud permanent" \
		"neigh replace fd02::2 dev lan1 lladdr 02:00:00:00:00:11 nud permanent"
}

sysctl_in() { must in_ns "$1" sysctl -qw "${@:2}"; }

# quiet NS: IPv6 says nothing of its own on xfrm interfaces
quiet()
{
	in_ns "$1" nft -f - 2>/dev/null <<-'EOF' || true
		table ip6 quiet {
			chain c {
				type filter hook output priority -500
				oifname "ipsec*" icmpv6 type { 131, 132, 133, 135, 136, 143 } drop
			}
		}
	EOF
}

# Starting a program takes a slow lab longer than all else here, so one ip and one
# fates.py serve the whole test, and nothing is read in a subshell.

# open_fates NS DEV..., fates LINE: see fates.py; the answer is in FATE
open_fates() { open_talk fates ip netns exec "$1" "$TESTDIR/helpers/fates.py" "$@"; }

fates()
{
	ask fates "$*"
	read -r -t $((120 * ${SLOW:-1})) -u "${talk_out[fates]}" FATE || die "fates.py does not answer: $*"
	[[ $FATE != fates.py:* ]] || die "$FATE"
}

flow() { fates flow "$@"; }

# usual_flows: f4 and f6 to no port in particular, p1f4 and so on to the ports that
# have policies of their own in "many"
usual_flows()
{
	local f far
	for f in 4 6; do
		far=10.7.0.2
		[ $f = 4 ] || far=fd00:7::2
		flow f$f to=$far
		flow p1f$f to=$far dport=5001
		flow p2f$f to=$far dport=5002
		flow p3f$f to=$far dport=5003
	done
}

# open_ip HOST: a program for "on HOST COMMAND". A6 is A, for commands on IPv6 that
# do not say so.
open_ip()
{
	local ns=${1%6} words=
	[ "$ns" = "$1" ] || words=-6
	open_talk "ip$1" sh -c "echo ready; exec stdbuf -oL ip $words -force -n ${!ns} -batch - 2>&1"
}

# on HOST LINE...: commands of ip; the first word of each is the object
on()
{
	local talk=ip$1 line host=$1
	shift
	printf '%s\n' "$@" "xfrm state count" >&"${talk_in[$talk]}"
	while read -r -t $((60 * ${SLOW:-1})) -u "${talk_out[$talk]}" line; do
		[[ $line != *"SAD count"* ]] || return 0
		die "on $host: $*: $line"
	done
	die "ip does not answer on $host: $*"
}

# sa_line SPI REQID [WORDS...]: an SA from A to B, as a line for ip -batch.
# Variables: SA_SRC SA_DST SA_IF_ID SA_SEL ("flag af-unspec": for both families)
sa_line()
{
	local spi=$1 reqid=$2
	shift 2
	echo "xfrm state add src ${SA_SRC:-$SRC} dst ${SA_DST:-$DST} proto esp" \
		"spi $spi reqid $reqid mode tunnel if_id ${SA_IF_ID:-7}" \
		"aead \"rfc4106(gcm(aes))\" 0x00112233445566778899aabbccddeeff01020304 128" \
		"${SA_SEL-flag af-unspec} $*"
}

# policy_line VERB SELECTOR REQID|block [WORDS...]: an output policy. Variables:
# POLICY_IF_ID POLICY_DIR
policy_line()
{
	local verb=$1 selector=$2 to=$3
	shift 3
	set -- "xfrm policy $verb $selector dir ${POLICY_DIR:-out} if_id ${POLICY_IF_ID:-7} $*"
	if [ "$to" = block ]; then
		echo "$1 action block"
	else
		echo "$1 tmpl src $SRC dst $DST" \
			"proto esp reqid $to mode tunnel"
	fi
}

sa() { on A "$(sa_line "$@")"; }
policy() { on A "$(policy_line "$@")"; }

# no_policy SELECTOR [WORDS...], no_sa SPI: deletes it
no_policy() { on A "xfrm policy delete $1 dir out if_id ${POLICY_IF_ID:-7} ${*:2}"; }
no_sa() { on A "xfrm state delete src ${SA_SRC:-$SRC} dst ${SA_DST:-$DST} proto esp spi $1"; }

flush_sas() { on A "xfrm state flush"; }
flush_policies() { on A "xfrm policy flush"; }

sa_gone() { ! grep -q "spi 0x0*${1#0x} " <<<"$(ip -n "$A" xfrm state)"; }

# base_policies one|many: one policy for all; or some for ports before it
base_policies()
{
	local any
	for any in 0.0.0.0/0 ::/0; do
		policy_line add "src $any dst $any" 1 priority 1000
		[ "$1" = one ] || {
			policy_line add "src $any dst $any proto udp dport 5001" 2 priority 100
			policy_line add "src $any dst $any proto udp dport 5002" 3 priority 100
			policy_line add "src $any dst $any proto udp dport 5003" block priority 100
		}
	done
}

base_sas()
{
	sa_line 0x1000 1
	sa_line 0x2000 2
	sa_line 0x3000 3
	SA_IF_ID=8 sa_line 0x8000 8
}

add_base_sas() { on A "$(base_sas)"; }
add_base_policies() { on A "$(base_policies "$TOPO")"; }

# fresh one|many: nothing but the SAs and policies above. TOPO is for the names.
fresh()
{
	TOPO=$1
	flush_sas
	flush_policies
	add_base_sas
	add_base_policies
}

shopt -s extglob

# wanted FATE: in WANTED; the in-tree interface does not tell reasons
wanted()
{
	WANTED=$1
	is_accel || WANTED=${WANTED//error:+([a-z_])/error}
}

# fares FATE NAME WORDS...: the answer to fates WORDS
fares()
{
	local want=$1 name=$2
	shift 2
	fates "$@"
	wanted "$want"
	same "$TOPO, $name" "$FATE" "$WANTED"
}

# holds NAME FLOW FATE: once surely cached, the flow goes on like this
holds() { fares "$3" "$2: $1" warm "$2"; }

# obeys NAME FLOW FATE [SHOW...]: the next packet on each CPU
obeys() { fares "$3" "$2: $1" one "$2" "${@:4}"; }

# in_turns NAME "FLOW..." FATES: one packet of each, on one CPU
in_turns() { fares "$3" "$1" same 0 $2; }

# turn NAME FLOW BEFORE AFTER CMD...: the flow is warm on every CPU and fares like
# BEFORE; CMD; the next packet on every CPU fares like AFTER
turn()
{
	local name=$1 flow=$2 before=$3 after=$4
	shift 4
	fates warm "$flow"
	wanted "$before"
	"$@"
	if [ "$FATE" = "$WANTED" ]; then
		obeys "$name" "$flow" "$after"
	else
		fail "$TOPO, $flow: $name" "already before that: $FATE"$'\n'"wanted: $WANTED"
	fi
}

# races LINE: see races.py, which is the program that was opened as "races"; the answer is in RACE
races()
{
	ask races "$*"
	read -r -t $((300 * ${SLOW:-1})) -u "${talk_out[races]}" RACE || die "races.py does not answer: $*"
	[[ $RACE != races.py:* ]] || die "$RACE"
}

# One result for all rounds: raced NAME silent|loud is RACE, which is to be so or to be
# anything else; report_races [TOPOLOGY] tells what was not, and begins anew.
declare -A not_so

raced()
{
	not_so[$1]=${not_so[$1]:-}
	case $2:$RACE in
	silent:silent) ;;
	loud:silent | silent:*) not_so[$1]+="round $round: $RACE; " ;;
	esac
}

report_races()
{
	local name
	for name in "${!not_so[@]}"; do
		same "${1:+$1: }$name" "${not_so[$name]}" ""
	done
	not_so=()
}
