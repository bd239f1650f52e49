#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# clean.sh [--stale|--all]: prints what the labs' cache holds, with sizes; --stale removes what
# something newer has replaced, --all removes everything.

set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/lib.sh"

case ${1:-} in
'' | --stale | --all) ;;
*) die "usage: clean.sh [--stale|--all]" ;;
esac
shopt -s nullglob
cd "$XA_CACHE"

# cached() holds the lock while it makes an entry.
being_made() {
	! flock -n "$(dirname "$1")/.${1##*/}.lock" true
}

# Entries of one kind: the one used last is current; so is any used within a day, another
# clone may need it.
for kind in kernel/6.1. kernel/6.12. kernel/7.3. uml/6.1-plain- uml/6.1-debug- uml/6.1-bare- src/linux- src/part- rootfs/bookworm- rootfs/libreswan- rootfs/trixie- busybox/ iptfs/; do
	entries=("$kind"*/)
	[ ${#entries[@]} -gt 0 ] || continue
	newest=$(for entry in "${entries[@]}"; do
		echo "$(stat -c %Y "$entry/.used" 2>/dev/null || echo 0) $entry"
	done | sort -n | tail -n1 | cut -d' ' -f2-)
	for entry in "${entries[@]}"; do
		entry=${entry%/}
		state=current
		if being_made "$entry"; then
			state=making
		elif [ "$entry/" != "$newest" ] && [ -z "$(find "$entry" -maxdepth 1 -name .used -mtime -1)" ]; then
			state=stale
		fi
		printf '%8s  %-7s  %s\n' "$(du -sh "$entry" | cut -f1)" $state "$entry"
		if [ "${1:-}" = --stale ] && [ $state = stale ]; then
			remove_tree "$XA_CACHE/$entry"
		fi
	done
done
if [ "${1:-}" = --stale ] && [ -d lint ]; then
	find lint -type f -mtime +30 -delete
fi
printf '%8s  in all in %s\n' "$(du -sh . | cut -f1)" "$XA_CACHE"
if [ "${1:-}" = --all ]; then
	# By name: the cache may have been told to live among somebody's other files.
	for part in apt busybox iptfs kernel kvm lint rootfs src uml; do
		remove_tree "$XA_CACHE/$part"
	done
fi
