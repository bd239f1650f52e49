#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make demo: builds the module for the stock kernel, boots that kernel in a virtual machine and
# runs tunnel.sh in it. Exit status 0 only if everything it shows went well.

set -euo pipefail
. "$(dirname "$0")/../lab/lib.sh"

OUTDIR=$XA_TOP/build/demo

say "== Preparing (packages, kernel, guest root; kept in $XA_CACHE)"
begin=$SECONDS
need_pkgs gcc-12 make qemu-system-x86
K=$("$XA_TOP/scripts/lab/kernel.sh" 6.1)
"$XA_TOP/scripts/lab/rootfs.sh" >/dev/null
prepared=$((SECONDS - begin))

say "== Building xfrm_accel.ko for Linux $(cat "$K/release")"
begin=$SECONDS
build=$XA_TOP/build/$(cat "$K/release")
quietly make -C "$XA_TOP" KDIR="$K/kdir" BUILD="$build" module
built=$((SECONDS - begin))

say "== Booting that kernel in a virtual machine"
begin=$SECONDS
in=$(mktemp -d)
trap 'rm -rf "$in"' EXIT
cp "$build/xfrm_accel.ko" "$in/"
cp "$XA_TOP/scripts/demo/tunnel.sh" "$in/run.sh"
rm -rf "$OUTDIR"
rc=0
"$XA_TOP/scripts/lab/guest.sh" -k 6.1 -t 600 -i "$in" -o "$OUTDIR" || rc=$?
shown=$((SECONDS - begin))

if grep -q TCG "$OUTDIR/processor" 2>/dev/null; then
	echo "This virtual machine was emulated in software: its throughput says nothing about the module."
fi
if [ -e "$OUTDIR/wire.pcap" ]; then
	cat <<-END
		See for yourself: the capture is ${OUTDIR#"$PWD/"}/wire.pcap; with ${OUTDIR#"$PWD/"}/esp_sa copied to
		~/.config/wireshark/ and "decrypt ESP" switched on, Wireshark shows what is inside.
	END
fi
echo "time: $prepared s downloads and preparation, $((built + shown)) s work (build $built, boot and demonstration $shown)"
if [ $rc = 0 ]; then
	echo "demo: everything above went well"
else
	echo "demo: FAILED (status $rc)"
fi
exit $rc
