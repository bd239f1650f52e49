#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# selftests.sh - the kernel's own tests of xfrm interfaces, run with the in-tree
# module and then with ours: what passes there passes here.
#
# They come with the kernel's sources; run-guest.sh puts them into
# $HELPERS/selftests.
#
# needs: unloaded
# limit: 400

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

dir=${HELPERS:-}/selftests
[ -d "$dir" ] || { skip_all "the kernel's selftests" "its sources are not here"; exit; }

# results IMPL SCRIPT: its "TEST: name [ OK ]" lines, numbered: names repeat
results()
{
	local ns
	IMPL=$1 load_impl >&2 || die "$1 does not load"
	(cd "$dir" && PATH=$TMP/bin:$PATH timeout $((150 * slow)) bash "./$2" </dev/null 2>&1) |
		sed -n 's/^TEST: *\(.*[^ ]\) *\[ *\([A-Z]*\) *\]/\1: \2/p' | cat -n
	# They leave their namespaces, and the SAs in there hold our module.
	for ns in $(ip netns list | cut -d' ' -f1); do
		ip netns del "$ns"
	done
	IMPL=$1 wait_for 30 impl_unused || die "$1 stays in use"
	rmmod "$1" || die "$1 does not unload"
}

# patient_ping: they give an answer one second; a slow machine needs more at times.
patient_ping()
{
	local name
	mkdir "$TMP/bin"
	for name in ping ping6; do
		have $name || continue
		cat >"$TMP/bin/$name" <<-END
			#!/bin/bash
			exec $(command -v $name) "\${@/#-w1/-w$((3 * slow))}"
		END
		chmod +x "$TMP/bin/$name"
	done
}

slow=${SLOW:-1}
patient_ping
for script in "$dir"/*.sh; do
	name=${script##*/}
	results xfrm_interface "$name" >"$TMP/theirs"
	results xfrm_accel "$name" >"$TMP/ours"
	ok_if "$name: the in-tree module passes some" grep -q ': OK$' "$TMP/theirs"
	while read -r number result; do
		case $result in
		*": OK") ok_if "$name: $number ${result%: OK}" \
			grep -qxF "$(printf '%6d\t%s' "$number" "$result")" "$TMP/ours" ;;
		esac
	done <"$TMP/theirs"
done

plan_done
