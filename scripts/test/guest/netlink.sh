#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# netlink.sh - bad netlink input: every attribute in every wrong form, random
# requests against a model, and requests from where the caller has no say. The
# right error, a message with it, and nothing changed.
#
# limit: 400

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

# Where somebody who is not root can read it too.
cp "$TESTDIR"/helpers/{nl,netlink_cases}.py "$TMP"
chmod -R a+rX "$TMP"
NL="python3 $TMP/nl.py"
CASES="python3 $TMP/netlink_cases.py"

# says REGEX CMD...: in what CMD prints, whatever its status
says() { grep -qE -- "$1" <<<"$("${@:2}" 2>&1)"; }

NOBODY="setpriv --reuid=65534 --regid=65534 --clear-groups"

# judged CMD...: the "ok - name" lines that CMD prints are results of ours
judged()
{
	local line
	"$@" >"$TMP/results" 2>"$TMP/trouble" || true
	while read -r line; do
		case $line in
		"ok - "*) pass "${line#ok - }" ;;
		"not ok - "*) fail "${line#not ok - }" ;;
		*) fail "unexpected output" "$line" ;;
		esac
	done <"$TMP/results"
	same "the helper ends without trouble" "$(cat "$TMP/trouble")" ""
}

# A root of his own user namespace may do there what he likes, and nothing to
# a device whose SAs are in a namespace that he does not own.
#
#     init user namespace          his user namespace
#     $S: SAs of "guest"           his: "guest" moved in, "own" made there
unprivileged()
{
	local pid before
	new_ns S
	$NOBODY unshare -Urn sleep 1000 &
	at_exit kill $!
	pid=$!
	if ! wait_for 10 grep -q sleep /proc/$pid/comm; then
		skip "unprivileged user namespace" "not to be had here"
		return
	fi
	his() { $NOBODY nsenter -t "$pid" -U -n --preserve-credentials "$@"; }

	ok_if "his own link: create" his ip link add own type xfrm if_id 7
	ok_if "his own link: change" his ip link set own type xfrm if_id 8
	ok_if "his own link: up" his ip link set own up
	ok_if "his own link: external" his ip link add ext type xfrm external

	must ip -n "$S" link add guest type xfrm if_id 9
	must nsenter --net="/proc/$pid/ns/net" ip netns set "$S" 77
	must ip -n "$S" link set guest netns "$pid"
	before=$(his ip -d -o link)
	same "change where he does not own the SAs' namespace" \
		"$(his $NL change guest if_id=10 | cut -d: -f1)" EPERM
	same "change to the same value there" \
		"$(his $NL change guest if_id=9 | cut -d: -f1)" EPERM
	! is_accel || ok_if "the refusal says why" \
		says "EPERM: .*namespace" his $NL change guest if_id=10
	same "nothing changed" "$(his ip -d -o link)" "$before"
	ok_if "if_id 9 is still taken outside" says EEXIST in_ns "$S" $NL add x if_id=9
	ok_if "if_id 10 is still free outside" says OK in_ns "$S" $NL add x if_id=10
	ok_if "the owner outside may change it" nsenter --net="/proc/$pid/ns/net" \
		ip link set guest type xfrm if_id 11
	same "change seen inside" "$(his ip -d link show guest | grep -o 'if_id 0x[0-9a-f]*')" \
		"if_id 0xb"
	refused "nor can he make a link into a namespace he does not own" \
		"not permitted" his ip link add bad link-netnsid 77 type xfrm if_id 12
	ok_if "if_id 12 is still free there" says OK in_ns "$S" $NL add z if_id=12
	ok_if "he may delete what was given to him" his ip link del guest
	ok_if "if_id 11 is free after that" ip -n "$S" link add y type xfrm if_id 11

	same "without CAP_NET_ADMIN: create" "$($NOBODY \
		$NL add bad if_id=13 | cut -d: -f1)" EPERM
	not_if "nothing made" ip link show dev bad
}

new_ns N
judged in_ns "$N" $CASES table "$IMPL"
judged in_ns "$N" $CASES fuzz "$IMPL" 1 4000
judged in_ns "$N" $CASES fuzz "$IMPL" 2 4000
unprivileged
plan_done
