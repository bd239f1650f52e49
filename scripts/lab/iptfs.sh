#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the path of xfrm_iptfs.ko for the stock 7.3 kernel: the IP-TFS mode, which the kernel's
# configuration leaves out. Made from Debian's source of that kernel, and kept.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

build_iptfs() {
	local dir=$1 kernel=$2 source=$3
	say "making the IP-TFS module (once)"
	mkdir "$dir/build"
	cp "$source"/net/xfrm/{xfrm_iptfs.c,trace_iptfs.h,xfrm_inout.h} "$dir/build/"
	# Where the tracepoints' own header is, seen from outside the kernel's tree.
	sed -i 's,^#define TRACE_INCLUDE_PATH .*,#define TRACE_INCLUDE_PATH .,' "$dir/build/trace_iptfs.h"
	# shellcheck disable=SC2016  # kbuild expands it
	printf '%s\n' 'obj-m := xfrm_iptfs.o' 'ccflags-y := -I$(src)' >"$dir/build/Kbuild"
	# shellcheck disable=SC2016  # the shell in there expands it
	quietly "$kernel/build-in" "$dir/build" bash -c 'make -s -C "$KDIR" M="$PWD" modules'
	cp "$dir/build/xfrm_iptfs.ko" "$dir/"
}

kernel=$("$XA_TOP/scripts/lab/kernel.sh" 7.3)
source=$("$XA_TOP/scripts/lab/newer_source.sh")
dir=$XA_CACHE/iptfs/$(key_of "$kernel" "$source" "$(declare -f build_iptfs)")
cached "$dir" build_iptfs "$dir" "$kernel" "$source"
echo "$dir/xfrm_iptfs.ko"
