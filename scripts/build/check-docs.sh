#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Does the documentation say what the code does? Prints what does not agree; exit status 0 if
# everything does.

set -euo pipefail
cd "$(dirname "$0")/../.."

uapi=uapi/linux/xfrm_accel.h
guide=Documentation/user-guide.md
manual=Documentation/espnic.8
documents=(README.md CHANGELOG.md Documentation/*.md)
bad=0

complain() {
	echo "$*"
	bad=1
}

# agree WHAT FILE-A FILE-B: two lists are the same
agree() {
	diff "$2" "$3" >/dev/null || complain "$1:"$'\n'"$(diff "$2" "$3" | grep '^[<>]')"
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Drop reasons: enum, names and the user guide's table have the same ones in the same order.
sed -nE 's/^\tXFRM_ACCEL_DROP_([A-Z0-9_]+)[[:space:]]*= [0-9]+,$/drop_\L\1/p' $uapi >"$dir/enum"
sed -n '/define XFRM_ACCEL_DROP_NAMES/,/^}/s/.*"\(.*\)".*/drop_\1/p' $uapi >"$dir/names"
sed -nE 's/^\| `(drop_[a-z0-9_]+)` \|.*/\1/p' $guide >"$dir/guide"
[ -s "$dir/enum" ] || complain "$uapi: no drop reasons found"
agree "$uapi: enum (<) and names (>) differ" "$dir/enum" "$dir/names"
agree "$uapi (<) and the counters of $guide (>) differ" "$dir/names" "$dir/guide"

# Counters of an espnic: the code, the user guide and the manual page, likewise.
sed -nE 's/^\t\[XAC_NIC_[A-Z_]+\].*= "(.*)",$/\1/p' kernel/nic/ethtool.c >"$dir/names"
sed -nE 's/^\| `(ipsec_[a-z_]+)` \|.*/\1/p' $guide >"$dir/guide"
sed -n '/^\.SH COUNTERS/,$p' $manual | grep -o 'ipsec_[a-z_]*' >"$dir/manual"
[ -s "$dir/names" ] || complain "kernel/nic/ethtool.c: no counters found"
agree "the counters of kernel/nic/ethtool.c (<) and of $guide (>) differ" "$dir/names" "$dir/guide"
agree "the counters of kernel/nic/ethtool.c (<) and of $manual (>) differ" "$dir/names" "$dir/manual"

# Its options: the plugin of ip, the user guide and the manual page, likewise.
plugin=scripts/iproute2/link_espnic.c
sed -nE 's/^\t\{ "([a-z-]+)", IFLA_ESPNIC_.*/\1/p' $plugin >"$dir/names"
sed -nE 's/^\| `([a-z-]+)[^`]*` \| `IFLA_ESPNIC_.*/\1/p' $guide >"$dir/guide"
sed -n '/^\.SH OPTIONS/,/^\.SH COUNTERS/{ /^\.TP/{ n; s/^\.B[IR] \([a-z\-]*\) .*/\1/; s/\\//; p } }' \
	$manual >"$dir/manual"
[ -s "$dir/names" ] || complain "$plugin: no options found"
agree "the options of $plugin (<) and of $guide (>) differ" "$dir/names" "$dir/guide"
agree "the options of $plugin (<) and of $manual (>) differ" "$dir/names" "$dir/manual"

groff -man -Tutf8 -ww -z $manual >"$dir/said" 2>&1 || :
[ ! -s "$dir/said" ] || complain "$manual:"$'\n'"$(cat "$dir/said")"

# The netlink specification and the headers.
scripts/build/check-spec.py Documentation/netlink/*.yaml || bad=1

# Attributes: those that the module takes are explained.
grep -rhoE '\b(IFLA|LWT)_XFRM_[A-Z_]+' kernel | sort -u | grep -vE '_(UNSPEC|MAX)$' >"$dir/taken"
grep -ohE '\b(IFLA|LWT)_XFRM_[A-Z_]+' $guide | sort -u >"$dir/told"
agree "attributes in the code (<) and in $guide (>) differ" "$dir/taken" "$dir/told"

# Every file of the module is in the contributors' map.
map=Documentation/architecture.md
for file in $(find kernel -name '*.[ch]' | sort); do
	grep -qE "[\`/]${file##*/}\`" $map || complain "$map does not name $file"
done

# Paths that are named exist, but for the planned ones.
for doc in "${documents[@]}"; do
	for path in $(sed '/^## Planned/,$d' "$doc" |
		grep -ohE '`(kernel|uapi|kunit|scripts|Documentation|LICENSES|\.ci)/[A-Za-z0-9_./-]*`' |
		tr -d '`' | grep -vF NAME | sort -u); do
		[ -e "$path" ] || complain "$doc names $path, which does not exist"
	done
done

# So do the make targets.
cat Makefile scripts/targets.mk scripts/*/targets.mk | sed -n 's/^\.PHONY: *//p' | tr ' ' '\n' >"$dir/targets"
for doc in "${documents[@]}"; do
	for target in $(grep -ohE '`(sudo )?make [a-z-]+' "$doc" | sed 's/.* //' | sort -u); do
		grep -qxF -- "$target" "$dir/targets" || complain "$doc: there is no make $target"
	done
done

# The README's first tunnel is where its test looks for it.
grep -q '^<!-- first tunnel' README.md || complain "README.md: the first tunnel is not marked"

version=$(sed -n 's/^XFRM_ACCEL_VERSION := //p' Kbuild)
grep -qF "$version" CHANGELOG.md || complain "CHANGELOG.md does not know version $version"

exit $bad
