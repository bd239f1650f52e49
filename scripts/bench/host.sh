#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# host.sh quick|full [-n] - the time judge on this machine's own kernel, in network namespaces.
# It loads and unloads kernel modules of this machine, so it wants to be told that it may:
# CONSENT=MODULE,MODULE,..., exactly the list that it prints without. -n: only ask.
#
# Afterwards the modules are as they were: those that were loaded before are loaded again or
# still. MODULE=FILE and WIRE=FILE spare building them here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
plan=${1:?usage: host.sh quick|full [-n]}
say() { printf '%s\n' "$*" >&2; }
die() { say "host.sh: $*"; exit 1; }

PLAN=$plan MODULE=${MODULE:-none}
# shellcheck source=scripts/bench/time/systems.sh
. "$here/time/systems.sh"
# shellcheck source=scripts/bench/time/plan.sh
. "$here/time/plan.sh"

modules=("${EXCHANGED_MODULES[@]}" "${COMMON_MODULES[@]}")
if grep -q flowtable <<<"$SETUPS"; then
	modules+=("${FLOWTABLE_MODULES[@]}")
fi
if grep -q pcrypt <<<"$SETUPS"; then
	modules+=(pcrypt algif_aead)
fi
agreed=$(IFS=,; echo "${modules[*]}")

if [ "${CONSENT:-}" != "$agreed" ]; then
	say "BENCH=host loads and unloads modules of this machine's own kernel, $(uname -r), and makes"
	say "network namespaces on it, xab-encap-gen and so on. Nothing has been touched yet."
	say "  taking turns: ${EXCHANGED_MODULES[*]}"
	say "  loaded, and unloaded afterwards unless they were there before:"
	say "    ${modules[*]:${#EXCHANGED_MODULES[@]}}"
	say "It ends by itself where there are xfrm or WireGuard interfaces or SAs. For the length of the run no"
	say "such interface can be made. If that is all right, as root:"
	say "  make bench$([ "$plan" = full ] || echo -quick) BENCH=host CONSENT=$agreed"
	[ -z "${CONSENT:-}" ] || say "(CONSENT is given, but is not this list.)"
	exit 1
fi

[ "$(id -u)" = 0 ] || die "only root can load modules"
# Nobody's tunnel is taken away, consent or not.
for kind in xfrm espnic wireguard; do
	[ -z "$(ip -o link show type $kind)" ] ||
		die "there are $kind interfaces: $(ip -o link show type $kind | cut -d: -f2 | tr '\n' ' ')"
done
[ -z "$(ip xfrm state)" ] || die "there are SAs: stop what uses IPsec first"
[ "${2:-}" != -n ] || exit 0

if [ "$MODULE" = none ]; then
	make -s -C "$top" module BUILD=build/bench/module
	MODULE=$top/build/bench/module/xfrm_accel.ko
fi
out=$top/build/bench/time
rm -rf "$out"
mkdir -p "$out" "$top/build/bench/raw"
if [ -z "${WIRE:-}" ]; then
	WIRE=$top/build/bench/wire
	"$here/time/prepare.sh" "$WIRE"
fi

before=$(cut -d' ' -f1 /proc/modules)
# restore: unloads what was not there, in as many passes as dependencies take
restore() {
	local m pass
	for pass in 1 2 3 4; do
		for m in $(cut -d' ' -f1 /proc/modules); do
			grep -qxF "$m" <<<"$before" || [[ " ${modules[*]} " != *" $m "* ]] || rmmod "$m" 2>/dev/null || :
		done
	done
	for m in $before; do
		is_loaded "$m" || modprobe "$m" || say "host.sh: $m was loaded before and does not load again"
	done
}
trap restore EXIT
trap 'exit 130' INT TERM HUP

uname -r >"$out/kernel"
export PLAN MODULE WIRE CLOCK=- OUT=$out
rc=0
bash "$here/time/judge.sh" || rc=$?
[ ! -s "$out/time.jsonl" ] || cp "$out/time.jsonl" "$top/build/bench/raw/time-host.jsonl"
exit $rc
