# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What run.sh, profile.sh and selftest.sh share. Source it.

# shellcheck source=scripts/lab/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lab/lib.sh"

ICOUNT=$XA_TOP/scripts/bench/icount
ICOUNT_WORK=$XA_TOP/build/bench/icount
ICOUNT_SYSTEMS=(plain in-tree in-tree-policy xfrm_accel xfrm_accel+espnic wireguard pcrypt)

# icount_prepare: the plugin, the module under test, and what the guest gets.
icount_prepare() {
	local kernel=$ICOUNT_WORK/ko lock
	need_pkgs gcc libc6-dev make jq python3-minimal python3 wireguard-tools qemu-system-x86
	mkdir -p "$ICOUNT_WORK"
	exec {lock}>"$ICOUNT_WORK/lock" # several of these scripts may run at once
	flock "$lock"
	gcc -std=c11 -O2 -Wall -Wextra -Wno-unused-parameter -Werror -shared -fPIC \
		-o "$ICOUNT_WORK/counter.so" "$ICOUNT/counter.c"
	"$("$XA_TOP/scripts/lab/kernel.sh" 6.1)/build-in" "$XA_TOP" make -s module \
		"BUILD=${kernel#"$XA_TOP"/}" >&2
	"$XA_TOP/scripts/lab/rootfs.sh" >/dev/null
	ICOUNT_IN=$(mktemp -d "$ICOUNT_WORK/in.XXXXXX")
	trap 'rm -rf "$ICOUNT_IN"' EXIT
	cp "$ICOUNT"/guest/* "$(command -v wg)" "$kernel/xfrm_accel.ko" "$ICOUNT_IN/"
	exec {lock}>&-
}

# icount_ciphers SYSTEM CIPHER...: those of the ciphers that the system has, as a JSON list.
icount_ciphers() {
	local system=$1
	shift
	case $system in
	plain) set -- none ;;
	wireguard) set -- chacha20-poly1305 ;;
	*+espnic) set -- "${@/#chacha20-poly1305/}" ;;
	esac
	[ "$system" != pcrypt ] || set -- "${@/#null/}"
	printf '%s\n' "$@" | jq -cRn '[inputs | select(. != "")]'
}

# icount_plan SYSTEM CIPHERS-JSON FAMILIES-JSON SIZES-JSON CASES-JSON FLOWS-JSON WARMUP PACKETS
icount_plan() {
	jq -cn --arg system "$1" --argjson ciphers "$2" --argjson families "$3" --argjson sizes "$4" \
		--argjson cases "$5" --argjson flows "$6" --argjson warmup "$7" --argjson packets "$8" \
		'$ARGS.named'
}

# icount_boot DIR PLAN [PLANT]: boots a guest that measures; DIR then holds intervals.jsonl,
# kallsyms and counts. Fails if the guest refused or died.
icount_boot() {
	local dir=$1 rc=0
	rm -rf "$dir"
	mkdir -p "$dir/in"
	cp -s "$ICOUNT_IN"/* "$dir/in/"
	echo "$2" >"$dir/in/plan.json"
	echo "${3:-}" >"$dir/in/plant"
	XA_ACCEL=icount XA_QEMU_ARGS="-plugin $ICOUNT_WORK/counter.so,out=$dir/counts" \
		"$XA_TOP/scripts/lab/guest.sh" -k 6.1 -s 1 -t 7200 \
		-a 'nokaslr norandmaps init_on_alloc=0' -i "$dir/in" -o "$dir" \
		>"$dir/log" 2>&1 || rc=$?
	rm -rf "$dir/in"
	[ $rc = 0 ] || tail -n 15 "$dir/log" >&2
	return $rc
}
