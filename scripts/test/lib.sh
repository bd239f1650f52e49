# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# lib.sh - what every guest test shares. Source it; do not run it.
#
# A test is a bash script in guest/, run as root inside a lab (never on a real
# machine). It prints KTAP with the functions below and ends with plan_done.
# Environment: IMPL     xfrm_accel (default) or xfrm_interface (the in-tree one)
#              MODULE   path of xfrm_accel.ko
#              TESTDIR  directory of this file
#              HELPERS  directory with the programs made by prepare.sh
#              OUT      directory for whatever should be kept
#              SLOW     how much longer everything may take (default 1)
#              FULL     not empty: all combinations, see run-guest.sh
#              FAIL_FAST  not empty: the first failure ends the test
# Header lines that in-guest.sh and run-guest.sh read in a test:
#     # needs: unloaded           the test loads and unloads modules itself
#     # limit: 600                seconds the test may take (default 300)
#     # cpus: 2                   processors, in QEMU (default 1: two that share a thread
#                                 of the host wait for each other)
#     # expects-log: REGEX        kernel log lines that are no defect here
#     # root: libreswan           the guest root for QEMU (or trixie), see scripts/lab/rootfs.sh

set -euo pipefail
export LC_ALL=C

: "${IMPL:=xfrm_accel}" "${MODULE:=}" "${TESTDIR:?}" "${HELPERS:=}" "${LAB:=}"
TMP=$(mktemp -d "${TMPDIR:-/run}/xa-test.XXXXXX")
: "${OUT:=$TMP}"
# Where ip looks for plugins: the one of espnic.
[ -z "$HELPERS" ] || export IP_LIB_DIR=$HELPERS/iproute2

# --- KTAP -------------------------------------------------------------------

tests_run=0
tests_failed=0

diag() { sed 's/^/# /' <<<"$*"; }

pass() { tests_run=$((tests_run + 1)); echo "ok $tests_run - $1"; }

# fail NAME [DIAGNOSTIC]
fail()
{
	tests_run=$((tests_run + 1))
	tests_failed=$((tests_failed + 1))
	echo "not ok $tests_run - $1"
	[ -z "${2:-}" ] || diag "$2"
	[ -z "${FAIL_FAST:-}" ] || plan_done
}

# skip NAME REASON
skip() { tests_run=$((tests_run + 1)); echo "ok $tests_run - $1 # SKIP $2"; }

# Ends the whole test: nothing in it can be tried here.
skip_all() { skip "$1" "$2"; plan_done; }

# Must be the last call: prints the plan and ends the test with the true status.
plan_done()
{
	echo "1..$tests_run"
	[ "$tests_failed" = 0 ]
	exit
}

# ok_if NAME CMD...: CMD (command or function) succeeds
ok_if()
{
	local name=$1
	shift
	if "$@" >"$TMP/said" 2>&1; then
		pass "$name"
	else
		fail "$name" "failed: $*"$'\n'"$(tail -n 20 "$TMP/said")"
	fi
}

# not_if NAME CMD...: CMD fails
not_if()
{
	local name=$1
	shift
	if "$@" >"$TMP/said" 2>&1; then
		fail "$name" "succeeded: $*"$'\n'"$(tail -n 20 "$TMP/said")"
	else
		pass "$name"
	fi
}

# refused NAME REGEX CMD...: CMD fails and says REGEX
refused()
{
	local name=$1 regex=$2
	shift 2
	if "$@" >"$TMP/said" 2>&1; then
		fail "$name" "succeeded: $*"
	elif grep -qE -- "$regex" "$TMP/said"; then
		pass "$name"
	else
		fail "$name" "expected '$regex' from: $*"$'\n'"$(cat "$TMP/said")"
	fi
}

# same NAME GOT WANTED
same()
{
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "got:    $2"$'\n'"wanted: $3"
	fi
}

# --- small tools ------------------------------------------------------------

die() { echo "Bail out! $*"; exit 99; }

# A command of the set-up, not of the test: without it nothing below counts.
must()
{
	"$@" >"$TMP/said" 2>&1 ||
		die "set-up failed: $* : $(tail -n 5 "$TMP/said" | tr '\n' ' ')"
}

# wait_for SECONDS CMD...: polls until CMD succeeds; fails when the time is up. The
# seconds are those of a machine with nothing else to do: SLOW=N stretches them.
wait_for()
{
	local end=$((SECONDS + $1 * ${SLOW:-1} + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

not() { ! "$@"; }

have() { command -v "$1" >/dev/null 2>&1; }

is_accel() { [ "$IMPL" = xfrm_accel ]; }

exit_actions=()

# at_exit CMD...: run at the end of the test, last one first
at_exit() { exit_actions+=("$(printf '%q ' "$@")"); }

run_exit_actions()
{
	local i
	set +e
	for ((i = ${#exit_actions[@]} - 1; i >= 0; i--)); do
		eval "${exit_actions[i]}" >/dev/null 2>&1
	done
	rm -rf "$TMP"
}
trap run_exit_actions EXIT

# only "NAME NAME ..." NAME=VALUE...: stops at a mistyped option
only()
{
	local known=" $1 " arg
	shift
	for arg; do
		[[ $known == *" ${arg%%=*} "* && $arg == *=* ]] ||
			die "${FUNCNAME[1]}: unknown option '$arg'"
	done
}

# --- module -----------------------------------------------------------------

loaded() { [ -d "/sys/module/$1" ]; }

# What insmod does not do for xfrm_accel and modprobe does for the in-tree one.
load_deps() { modprobe -a tunnel4 tunnel6 xfrm6_tunnel; }

load_impl()
{
	if is_accel; then
		load_deps && insmod "$MODULE"
	else
		modprobe xfrm_interface
	fi
}

unload_impl() { rmmod "$IMPL"; }

impl_unused() { [ "$(cat "/sys/module/$IMPL/refcnt" 2>/dev/null)" = 0 ]; }

# --- kernel log -------------------------------------------------------------

bad_log='WARNING:|BUG:|BUG |Oops|Call Trace|KASAN|UBSAN|KFENCE|lockdep|INFO: (task|rcu|trying)|suspicious RCU'
bad_log+='|refcount|ref_tracker|waiting for .* to become free|possible .*deadlock|inconsistent lock|sleeping function'
bad_log+='|scheduling while atomic|unreferenced object|suspected memory leaks|general protection|leaked|stack guard'
bad_log+='|double free|list_(add|del) corruption|Bad page|hung task|blocked for more'

# log_mark: prints a marker that log_since understands
log_mark()
{
	local mark="xa-test-mark-$$-$RANDOM$RANDOM"
	echo "$mark" >/dev/kmsg
	echo "$mark"
}

log_since() { dmesg | sed "1,/$1/d"; }

# log_bad MARK [REGEX]: the lines since MARK that tell of a defect; REGEX excuses
log_bad() { log_since "$1" | grep -E -- "$bad_log" | grep -vE -- "${2:-^\$}"; }

# --- memory -----------------------------------------------------------------

kmemleak=/sys/kernel/debug/kmemleak

uptime_reached() { [ "$(cut -d. -f1 /proc/uptime)" -ge "$1" ]; }

# no_leak FILE: kmemleak, which this kernel has, finds nothing; FILE is its report. It
# believes in a leak when the object is five seconds old, and on second sight. What it
# takes for one by mistake has been found at a later look; what is lost stays lost.
no_leak()
{
	local look
	wait_for 30 uptime_reached $(($(cut -d. -f1 /proc/uptime) + 7))
	for look in 1 2 3; do
		echo scan >$kmemleak && echo scan >$kmemleak
		cat $kmemleak >"$1"
		[ -s "$1" ] || return 0
	done
	return 1
}

# --- network namespaces -----------------------------------------------------

namespaces=0

# new_ns VAR: makes a namespace with a name of its own, stores the name in VAR
new_ns()
{
	local name="xa-${1,,}-$$-$((++namespaces))"
	must ip netns add "$name"
	at_exit del_ns "$name"
	must ip -n "$name" link set lo up
	# A tentative address would make the first packets of a test vanish.
	in_ns "$name" sh -c 'for k in all default; do
		echo 0 >/proc/sys/net/ipv6/conf/$k/accept_dad
		echo 0 >/proc/sys/net/ipv4/conf/$k/rp_filter
		echo 1 >/proc/sys/net/ipv6/conf/$k/forwarding
	done
	echo 1 >/proc/sys/net/ipv4/ip_forward' || die "sysctl in $name"
	printf -v "$1" %s "$name"
}

in_ns() { ip netns exec "$@"; }

ns_empty() { [ -z "$(ip netns pids "$1")" ]; }

# del_ns NAME: with whatever still runs inside
del_ns()
{
	local pids
	[ -e "/run/netns/$1" ] || return 0
	pids=$(ip netns pids "$1")
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -9 $pids
	wait_for 10 ns_empty "$1"
	ip netns del "$1"
}

# probe_reaper: a namespace is made, deleted, and seen to die
probe_reaper()
{
	local keeper=$1 probe="xa-p-$((++namespaces))"
	must ip netns add "$probe"
	must ip -n "$keeper" link add "$probe" type veth peer name p netns "$probe"
	must ip netns del "$probe"
	wait_for 30 not exists "$keeper" "$probe"
}

# reaped NS: every namespace deleted until now is gone for good, which it is not
# while somebody holds a device of it. Namespaces die one batch after the other,
# so a second one dies only when the first one's batch is through. NS: any.
reaped() { probe_reaper "$1" && probe_reaper "$1"; }

# two_hosts [mtu=N]: namespaces $A and $B on one wire
#
#     $A                                        $B
#     wire0 192.0.2.1/24       ----------       wire0 192.0.2.2/24
#           2001:db8:1::1/64                          2001:db8:1::2/64
#
# The addresses are in OUT4_A, OUT4_B, OUT6_A, OUT6_B. The ifindex of wire0 is 42
# in $A and 43 in $B: no other device has these by chance.
two_hosts()
{
	local mtu=1500
	only "mtu" "$@"
	[ $# = 0 ] || local "$@"
	new_ns A
	new_ns B
	must ip -n "$A" link add wire0 index 42 mtu "$mtu" type veth \
		peer name wire0 index 43 mtu "$mtu" netns "$B"
	OUT4_A=192.0.2.1 OUT4_B=192.0.2.2
	OUT6_A=2001:db8:1::1 OUT6_B=2001:db8:1::2
	must ip -n "$A" addr add $OUT4_A/24 dev wire0
	must ip -n "$B" addr add $OUT4_B/24 dev wire0
	must ip -n "$A" addr add $OUT6_A/64 dev wire0 nodad
	must ip -n "$B" addr add $OUT6_B/64 dev wire0 nodad
	must ip -n "$A" link set wire0 up
	must ip -n "$B" link set wire0 up
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT4_B || die "no wire (IPv4)"
	wait_for 10 in_ns "$A" ping -c1 -W1 $OUT6_B || die "no wire (IPv6)"
}

# --- SAs and policies -------------------------------------------------------

# alg_args NAME: sets ALG to the words `ip xfrm state add` wants
alg_args()
{
	local k128=0x00112233445566778899aabbccddeeff
	local k160=${k128}01020304 k256=$k128${k128#0x}
	case $1 in
	gcm) ALG=(aead "rfc4106(gcm(aes))" "$k160" 128) ;;
	chacha) ALG=(aead "rfc7539esp(chacha20,poly1305)" "${k256}01020304" 128) ;;
	cbc) ALG=(enc "cbc(aes)" "$k128" auth-trunc "hmac(sha256)" "$k256" 128) ;;
	null) ALG=(enc ecb\(cipher_null\) "" auth-trunc "hmac(sha1)" "$k160" 96) ;;
	auth) ALG=(auth-trunc "hmac(sha256)" "$k256" 128) ;;
	comp) ALG=(comp deflate) ;;
	*) die "alg_args: $1" ;;
	esac
}

# outer_addrs 4|6: sets SRC (A) and DST (B)
outer_addrs()
{
	local a=OUT$1_A b=OUT$1_B
	SRC=${!a} DST=${!b}
}

# sa_pair [NAME=VALUE...]: both SAs, on both hosts: A to B has SPI spi, B to A
# spi+1.
#   if_id   of the SAs (7)           outer   4 or 6 (4)
#   mode    tunnel, transport, beet  proto   esp, ah, comp
#   alg     see alg_args (gcm; auth for ah, comp for comp)
#   spi     (0x1000)                 reqid   (1)
#   sel     selector words ("flag af-unspec" in tunnel mode, so that one SA
#           carries both inner families; "" in the others)
#   ab ba   further words for the SA from A to B, from B to A ("")
#   sides   hosts to add them on ("A B")
sa_pair()
{
	local if_id=7 outer=4 mode=tunnel proto=esp alg='' spi=0x1000 reqid=1
	local sel=default ab='' ba='' sides="A B" side ns
	local ALG SRC DST
	only "if_id outer mode proto alg spi reqid sel ab ba sides" "$@"
	[ $# = 0 ] || local "$@"
	case $proto in
	ah) : "${alg:=auth}" ;;
	comp) : "${alg:=comp}" ;;
	*) : "${alg:=gcm}" ;;
	esac
	if [ "$sel" = default ]; then
		sel=
		[ "$mode" != tunnel ] || sel="flag af-unspec"
	fi
	alg_args "$alg"
	outer_addrs "$outer"
	for side in $sides; do
		ns=${!side}
		# shellcheck disable=SC2086
		must ip -n "$ns" xfrm state add src "$SRC" dst "$DST" \
			proto "$proto" spi $((spi)) reqid "$reqid" mode "$mode" \
			if_id "$if_id" "${ALG[@]}" $sel $ab
		# shellcheck disable=SC2086
		must ip -n "$ns" xfrm state add src "$DST" dst "$SRC" \
			proto "$proto" spi $((spi + 1)) reqid "$reqid" mode "$mode" \
			if_id "$if_id" "${ALG[@]}" $sel $ba
	done
}

# policy_pair [NAME=VALUE...]: out, in and fwd on both hosts, for all inner
# addresses.
#   if_id outer mode proto reqid sides   as in sa_pair
#   inner   families of the selectors ("4 6")
policy_pair()
{
	local if_id=7 outer=4 mode=tunnel proto=esp reqid=1 inner="4 6"
	local sides="A B" side ns any fam near far dir
	local SRC DST
	only "if_id outer mode proto reqid inner sides" "$@"
	[ $# = 0 ] || local "$@"
	outer_addrs "$outer"
	for side in $sides; do
		ns=${!side}
		near=$SRC far=$DST
		[ "$side" = A ] || { near=$DST far=$SRC; }
		for fam in $inner; do
			any=0.0.0.0/0
			[ "$fam" = 4 ] || any=::/0
			must ip -n "$ns" xfrm policy add src $any dst $any \
				dir out if_id "$if_id" tmpl src "$near" dst "$far" \
				proto "$proto" reqid "$reqid" mode "$mode"
			for dir in in fwd; do
				must ip -n "$ns" xfrm policy add src $any dst $any \
					dir $dir if_id "$if_id" tmpl src "$far" \
					dst "$near" proto "$proto" reqid "$reqid" \
					mode "$mode"
			done
		done
	done
}

# flush_xfrm: no SA and no policy on either host
flush_xfrm()
{
	local ns
	for ns in "$A" "$B"; do
		must ip -n "$ns" -batch - <<<$'xfrm state flush\nxfrm policy flush'
	done
}

# xfrm_link HOST [NAME=VALUE...]: device dev on $A or $B with the inner
# addresses 10.N.0.1/24 and fd00:N::1/64 on A, .2 and ::2 on B, N being the
# if_id (up to 255).
#   if_id (7)   dev (ipsec0)   link (wire0; "" for none)
xfrm_link()
{
	local host=$1 ns=${!1} if_id=7 dev=ipsec0 link=wire0 n=1
	shift
	only "if_id dev link" "$@"
	[ $# = 0 ] || local "$@"
	[ "$host" = A ] || n=2
	must ip -n "$ns" link add "$dev" type xfrm ${link:+dev "$link"} if_id "$if_id"
	must ip -n "$ns" addr add "10.$if_id.0.$n/24" dev "$dev"
	must ip -n "$ns" addr add "fd00:$if_id::$n/64" dev "$dev" nodad
	must ip -n "$ns" link set "$dev" up
}

# tunnel [NAME=VALUE...]: SAs, policies and both devices at once. Options as in
# sa_pair (those that policies share) and xfrm_link.
tunnel()
{
	local if_id=7 outer=4 alg=gcm spi=0x1000 dev=ipsec0 link=wire0 reqid=1
	only "if_id outer alg spi dev link reqid" "$@"
	[ $# = 0 ] || local "$@"
	sa_pair if_id="$if_id" outer="$outer" alg="$alg" spi="$spi" reqid="$reqid"
	policy_pair if_id="$if_id" outer="$outer" reqid="$reqid"
	xfrm_link A if_id="$if_id" dev="$dev" link="$link"
	xfrm_link B if_id="$if_id" dev="$dev" link="$link"
}

# pings NS ADDR [COUNT [PING WORDS...]]: every one of COUNT packets is answered
pings()
{
	local ns=$1 addr=$2 count=${3:-3}
	shift $(($# > 3 ? 3 : $#))
	in_ns "$ns" ping -n -i 0.05 -W $((3 * ${SLOW:-1})) -c "$count" "$@" "$addr" \
		>"$TMP/ping" 2>&1
	grep -q " $count received" "$TMP/ping" || { cat "$TMP/ping"; return 1; }
}

# no_ping NS ADDR [PING WORDS...]: nothing comes back
no_ping() { ! in_ns "$1" ping -n -q -i 0.05 -W 1 -c 2 "${@:3}" "$2"; }

# --- raw netlink ------------------------------------------------------------

# nl NS WORDS...: a request whose errno is wanted, see helpers/nl.py
nl() { in_ns "$1" python3 -I "$TESTDIR/helpers/nl.py" "${@:2}"; }

# answers NAME ERRNO NS WORDS...: exact errno, and a message from ours
answers()
{
	local name=$1 want=$2 got
	shift 2
	got=$(nl "$@") || true
	same "$name: $want" "${got%%:*}" "$want"
	if is_accel && [ "$want" != OK ]; then
		ok_if "$name: says why" test -n "${got#*: }" -a "$got" != "$want: "
	fi
}

# --- counters ---------------------------------------------------------------

# stat NS DEV NAME: rx_packets, tx_errors, tx_carrier_errors, collisions ...
stat() { in_ns "$1" cat "/sys/class/net/$2/statistics/$3"; }

# at_least N NS DEV NAME: a condition for wait_for, which looks anew each time
at_least() { [ "$(stat "${@:2}")" -ge "$1" ]; }

# sent_by NS DEV...: how many packets have left each
sent_by()
{
	local dev
	for dev in "${@:2}"; do
		stat "$1" "$dev" tx_packets
	done
}

# falls_silent NS DEV...: nothing more leaves them: the same counts at ten looks in a
# row. Not for so many seconds: of a machine that stood still they tell nothing.
falls_silent()
{
	local before now looks=0 same=0
	before=$(sent_by "$@")
	while [ $same -lt 10 ]; do
		[ $((looks += 1)) -lt 1000 ] || return 1
		sleep 0.05
		now=$(sent_by "$@")
		[ "$now" = "$before" ] && same=$((same + 1)) || same=0
		before=$now
	done
}

# drops NS DEV NAME: a counter of `ethtool -S`
drops() { in_ns "$1" ethtool -S "$2" | awk -v n="$3:" '$1 == n { print $2; f = 1 } END { exit !f }'; }

# mib NS NAME: a line of /proc/net/xfrm_stat, e.g. XfrmInNoPols
mib() { in_ns "$1" awk -v n="$2" '$1 == n { print $2; f = 1 } END { exit !f }' /proc/net/xfrm_stat; }

# show NS DEV: what `ip -d -j link` tells of the kind, e.g. wire0 {"if_id":"0x7"};
# the lower device is - without one, and a number when it is in another namespace
show()
{
	local json lower
	json=$(ip -n "$1" -d -j link show dev "$2") || return
	lower=$(grep -oP '"link(_index)?":"?\K[^",]*' <<<"$json" || echo null)
	[ "$lower" != null ] || lower=-
	echo "$lower" "$(grep -oP '"info_data":\K{[^}]*}' <<<"$json")"
}

# exists NS DEV
exists() { ip -n "$1" link show dev "$2" >/dev/null 2>&1; }
