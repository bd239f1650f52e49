#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints a directory with what the tests need of Debian's source of the 7.3 kernel: the files
# below, where they are in there. Kept.

set -euo pipefail
. "$(dirname "$0")/lib.sh"

SERIES=7.3 RELEASE=trixie-backports
FILES=(
	net/xfrm/{xfrm_iptfs.c,trace_iptfs.h,xfrm_inout.h}
	tools/testing/selftests/net/{lib.sh,lib/sh/defer.sh}
	tools/testing/selftests/drivers/net/bonding/bond_ipsec_offload.sh)

fetch_files() {
	local dir=$1 version=$2 source=linux-source-$SERIES
	say "fetching some files of $source $version (once)"
	unpack_pkgs "$RELEASE" "$dir/deb" "$source"
	with_progress "unpacking" '' tar -C "$dir" --strip-components=1 \
		-xf "$dir/deb/usr/src/$source.tar.xz" "${FILES[@]/#/$source/}"
	rm -r "$dir/deb"
}

version=$(candidate "$RELEASE" linux-source-$SERIES)
[ -n "$version" ] || die "there is no linux-source-$SERIES in $RELEASE"
dir=$XA_CACHE/src/part-${SERIES}_$version-$(key_of "${FILES[@]}" "$(declare -f fetch_files)")
cached "$dir" fetch_files "$dir" "$version"
echo "$dir"
