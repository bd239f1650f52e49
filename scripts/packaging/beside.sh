#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is installed beside the module, once for all kernels: modprobe's settings, the plugin of
# `ip link`, the manual page.
#
#   beside.sh install [ROOT]
#   beside.sh remove [ROOT]
#
# ROOT is put before every path. PLUGIN and MANPAGE in the environment are the two, if they lie
# elsewhere than in this tree.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
plugin=${PLUGIN:-$top/build/link_espnic.so}
manpage=${MANPAGE:-$top/Documentation/espnic.8}

what=${1:?usage: see the top of this script} root=${2:-}
root=${root%/}
settings=$root/etc/modprobe.d/xfrm_accel.conf
manual=$root/usr/local/share/man/man8/espnic.8

# Where that system's ip looks for plugins: it has the path as a string, lib/ip at its end or
# with a directory in between.
plugin_dir() {
	local ip
	for ip in "$root"/{usr/,}{s,}bin/ip "$(command -v ip)"; do
		[ ! -x "$ip" ] || break
	done
	[ -x "$ip" ] || return 0
	grep -azxE '/(usr/(local/)?)?lib[a-z0-9]*/([a-z0-9_.-]+/)?ip' "$ip" | tr '\0' '\n' | head -n 1 || :
}

case $what in
install)
	install -D -m 644 "$here/modprobe.conf" "$settings"
	install -D -m 644 "$manpage" "$manual"
	dir=$(plugin_dir)
	if [ -n "$dir" ]; then
		install -D -m 644 "$plugin" "$root$dir/link_espnic.so"
	else
		echo "no iproute2 found: no plugin installed, ip link will not know the options of espnic" >&2
	fi
	;;
remove)
	rm -f "$settings" "$manual"
	# Wherever an earlier ip looked, too.
	for dir in "$root"{/usr/local,/usr,}/lib{,64,x32,32}{,/*}/ip; do
		[ -e "$dir/link_espnic.so" ] || continue
		rm "$dir/link_espnic.so"
		rmdir --ignore-fail-on-non-empty "$dir" # iproute2 has none of its own
	done
	;;
*)
	echo "usage: see the top of this script" >&2
	exit 2
	;;
esac
