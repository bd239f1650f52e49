#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# selftests.sh - the kernel's own tests of IPsec, run with the in-tree modules and then
# with ours: what passes there passes here.
#
# They come with the kernel's sources; run-guest.sh puts them into
# $HELPERS/selftests.
#
# FULL=1: also those of policies, of tunnels on top of ESP and of its path MTU.
#
# needs: unloaded
# limit: 900

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

dir=${HELPERS:-}/selftests
[ -d "$dir" ] || { skip_all "the kernel's selftests" "its sources are not here"; exit; }
offloads=(esp4_offload esp6_offload)

# What of it is about xfrm interfaces, or about ESP that the engine takes over.
suites=("vrf-xfrm-tests.sh")
[ -z "${FULL:-}" ] || suites+=("xfrm_policy.sh" "l2tp.sh" "pmtu.sh pmtu_vti4_exception pmtu_vti6_exception pmtu_vti4_udp_exception
	 pmtu_vti6_udp_exception pmtu_vti4_udp_routed_exception pmtu_vti6_udp_routed_exception")

load_theirs()
{
	IMPL=xfrm_interface load_impl && modprobe -aq "${offloads[@]}"
}

unload_theirs()
{
	IMPL=xfrm_interface wait_for 30 impl_unused && rmmod xfrm_interface "${offloads[@]}"
}

load_ours() { IMPL=xfrm_accel load_impl; }

unload_ours()
{
	IMPL=xfrm_accel wait_for 30 impl_unused && rmmod xfrm_accel
}

# results theirs|ours SCRIPT [ARGUMENT...]: what it says of each test, "name: OK",
# numbered: names repeat
results()
{
	local ns who=$1
	shift
	"load_$who" >&2 || die "the modules do not load: $who"
	(cd "$dir" && PATH=$TMP/bin:$PATH timeout $((150 * slow)) bash "./$1" "${@:2}" </dev/null 2>&1) |
		sed -n 's/^TEST: *\(.*[^ ]\) *\[ *\([A-Z]*\) *\]/\1: \2/p
			s/^PASS: \(.*\)/\1: OK/p; s/^FAIL: \(.*\)/\1: FAIL/p' | cat -n
	# They leave their namespaces, and the SAs in there hold our module.
	for ns in $(ip netns list | cut -d' ' -f1); do
		ip netns del "$ns"
	done
	"unload_$who" || die "the modules do not unload: $who"
}

# fitting_tools: they give an answer one second, and a slow machine needs more at times; and
# they repeat a hundred times over what takes it a second.
fitting_tools()
{
	local name
	mkdir "$TMP/bin"
	cat >"$TMP/bin/seq" <<-END
		#!/bin/bash
		[ "\$*" != 100 ] || set -- 3
		exec $(command -v seq) "\$@"
	END
	chmod +x "$TMP/bin/seq"
	for name in ping ping6; do
		have $name || continue
		cat >"$TMP/bin/$name" <<-END
			#!/bin/bash
			set -- "\${@/#-w1/-w$((3 * slow))}"
			exec $(command -v $name) "\$@"
		END
		chmod +x "$TMP/bin/$name"
	done
}

slow=${SLOW:-1}
fitting_tools
for suite in "${suites[@]}"; do
	# shellcheck disable=SC2086  # a script and its arguments
	set -- $suite
	results theirs "$@" >"$TMP/theirs"
	results ours "$@" >"$TMP/ours"
	ok_if "$1: the in-tree modules pass some" grep -q ': OK$' "$TMP/theirs"
	while read -r number result; do
		case $result in
		*": OK") ok_if "$1: $number ${result%: OK}" \
			grep -qxF "$(printf '%6d\t%s' "$number" "$result")" "$TMP/ours" ;;
		esac
	done <"$TMP/theirs"
done

plan_done
