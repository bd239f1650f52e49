#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints a directory K with a kernel as Debian ships it (the cloud flavour), fetched if needed:
#
#   kernel.sh 6.1|6.12|7.3
#	K/vmlinuz K/initrd K/modules.sqfs	what guest.sh boots
#	K/release				as uname -r says
#	K/kdir					its headers
#	K/build-in TREE COMMAND...		runs COMMAND (make) in TREE where modules for this
#						kernel can be built, KDIR set; TREE: absolute path
#
# Nothing is installed on this machine but a compiler and small tools: the packages are
# extracted into the cache.

set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=${1:-}
case $SERIES in
6.1) RELEASE=bookworm ;;
6.12) RELEASE=bookworm-backports ;;
7.3) RELEASE=trixie-backports ;;
*) die "usage: kernel.sh 6.1|6.12|7.3" ;;
esac

# Where the headers' own build tools do not run on Debian 12, they live in a chroot.
uses_chroot() { [ "${RELEASE%-backports}" != bookworm ]; }

# needs PACKAGE REGEX: those of its dependencies that match.
needs() {
	apt-cache -c "$(apt_of "$RELEASE")" depends "$1" | awk -v r="$2" '/Depends:/ && $2 ~ r { print $2 }'
}

# fetch DIR HEADERS: kernel, modules and headers of one version.
fetch() {
	local dir=$1 headers=$2 version=${2#linux-headers-} debs modules m
	say "fetching Debian's kernel $version (once; kept in $XA_CACHE)"
	mapfile -t debs < <(needs "linux-image-$version" '^linux-(base|binary|modules)-[0-9]')
	unpack_pkgs "$RELEASE" "$dir/image" "linux-image-$version" "${debs[@]}"

	m=$dir/image/lib/modules/$version
	[ -d "$m" ] || m=$dir/image/usr/lib/modules/$version
	mkdir -p "$dir/image/flat/lib/modules"
	ln -s "$m" "$dir/image/flat/lib/modules/$version"
	depmod -b "$dir/image/flat" "$version"
	cp "$dir/image/boot/vmlinuz-$version" "$dir/vmlinuz" 2>/dev/null || cp "$m/vmlinuz" "$dir/vmlinuz"
	quietly mksquashfs "$m" "$dir/modules.sqfs" -comp lz4 -keep-as-directory -no-xattrs \
		-all-root -quiet -no-progress
	# The modules that the guest's first steps need, in their order, are kept beside it.
	modules=$(for m in virtio_pci virtio_blk squashfs overlay; do
		modprobe -d "$dir/image/flat" -S "$version" --show-depends "$m"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
	mkdir "$dir/boot-modules"
	for m in $modules; do
		cp "$m" "$dir/boot-modules/"
		echo "$dir/boot-modules/$(basename "$m")" >>"$dir/boot-modules/list"
	done
	rm -r "$dir/image"
	echo "$version" >"$dir/release"

	if uses_chroot; then
		headers_in_chroot "$dir" "$headers"
	else
		headers_in_cache "$dir" "$headers"
	fi
	chmod +x "$dir/build-in"
}

headers_in_cache() {
	local dir=$1 headers=$2 debs
	mapfile -t debs < <(needs "$headers" '^linux-(headers-.*-common|kbuild-)')
	unpack_pkgs "$RELEASE" "$dir/headers" "$headers" "${debs[@]}"
	# The one absolute path in them.
	sed -i "s,^include /usr/src/,include $dir/headers/usr/src/," "$dir/headers/usr/src/$headers/Makefile"
	ln -s "headers/usr/src/$headers" "$dir/kdir"
	cat >"$dir/build-in" <<-EOF
		#!/bin/bash
		# build-in TREE COMMAND...
		set -e
		cd "\$1"
		shift
		KDIR=$dir/kdir exec "\$@"
	EOF
}

headers_in_chroot() {
	local dir=$1 headers=$2 conf
	conf=$(apt_of "$RELEASE")
	need_pkgs mmdebstrap
	apt-config dump | grep '^Acquire::' >"$dir/acquire.conf" || :
	with_progress "build root for $SERIES" '' as_root mmdebstrap --quiet --mode=root \
		--variant=minbase --include="$headers make gcc libc6-dev" \
		--aptopt="$dir/acquire.conf" --aptopt='Apt::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		"${RELEASE%-backports}" "$dir/chroot" "$(dirname "$conf")/sources.list"
	rm "$dir/acquire.conf"
	# The same path names the headers inside and outside.
	as_root mkdir -p "$dir/chroot$dir"
	as_root ln -s "/usr/src/$headers" "$dir/chroot$dir/kdir"
	ln -s "chroot/usr/src/$headers" "$dir/kdir"
	# A mount namespace: what is mounted in the chroot goes with the command.
	cat >"$dir/build-in" <<-EOF
		#!/bin/bash
		# build-in TREE COMMAND...
		set -e
		[ "\$(id -u)" = 0 ] || exec sudo -- "\$0" "\$@"
		export BUILD_TREE=\$1 KDIR=$dir/kdir
		shift
		exec unshare --mount --propagation private bash -ec '
			root=$dir/chroot
			mkdir -p "\$root\$BUILD_TREE"
			mount --bind "\$BUILD_TREE" "\$root\$BUILD_TREE"
			mount -t proc proc "\$root/proc"
			mount --rbind /dev "\$root/dev"
			exec chroot "\$root" /bin/bash -ec "cd \"\\\$BUILD_TREE\"; exec \"\\\$@\"" build-in "\$@"
		' build-in "\$@"
	EOF
}

read -r headers version < <(newest "$RELEASE" "^linux-headers-${SERIES/./\\.}[.-].*-cloud-amd64\$") ||
	die "$RELEASE offers no kernel $SERIES"
# pahole: modules carry types for BPF where the kernel's headers allow it (6.12 and later).
need_pkgs gcc-12 make libelf1 pahole kmod squashfs-tools xz-utils zstd
recipe=$(key_of "$(declare -f fetch headers_in_cache headers_in_chroot)")
K=$XA_CACHE/kernel/${headers#linux-headers-}_$version-$recipe
cached "$K" fetch "$K" "$headers"
mapfile -t modules <"$K/boot-modules/list"
make_initrd "$K/initrd" "${modules[@]}"
echo "$K"
