#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Linux 6.1 as a User Mode Linux process, from Debian's kernel source, with one patch that
# lets it start on any processor.
#
#   uml.sh build plain|debug|bare
#	prints a directory with linux, build (KDIR for modules), src, mods, release; builds
#	it if the cache has none of the same configuration, source and compiler
#   uml.sh run plain|debug|bare [-m MEGABYTES] [-t SECONDS] [-a KERNEL-ARGUMENTS] -i INDIR -o OUTDIR
#	runs INDIR/run.sh as root in it; see guest.sh for the contract
#
# plain: fast, KUnit; debug: KASAN, lockdep and the like; bare: a kernel without the in-tree
# xfrm interface. One CPU, no SIMD. XA_PRIORITY is the command to run it by, if any; XA_KERNEL is
# what "build" prints and XA_ROOT what rootfs.sh prints, from who has asked before.

set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/lib.sh"

SERIES=6.1
here=$XA_TOP/scripts/lab

# fragment_of FLAVOUR: the configuration; other flavours override lines of the plain one.
fragment_of() {
	local plain=$here/uml-$SERIES.config other=$here/uml-$SERIES-$1.config
	if [ "$1" = plain ]; then
		cat "$plain"
	else
		grep -vwFf <(grep -oE '^(# )?CONFIG_[A-Z0-9_]+' "$other" | sed 's/^# //') "$plain"
		cat "$other"
	fi
}

# config_took FRAGMENT CONFIG: every line of FRAGMENT is true in CONFIG.
config_took() {
	local line name bad=0
	while read -r line; do
		case $line in
		'# CONFIG_'*' is not set')
			name=${line#\# }
			grep -q "^${name%% *}=" "$2" || continue
			;;
		CONFIG_*) ! grep -qxF "$line" "$2" || continue ;;
		*) continue ;;
		esac
		say "the kernel's configuration did not take: $line"
		bad=1
	done <"$1"
	return $bad
}

fetch_source() {
	say "fetching the kernel source, linux-source-$SERIES $2"
	unpack_pkgs bookworm "$1" "linux-source-$SERIES"
	mkdir "$1/linux"
	tar -C "$1/linux" --strip-components=1 -xf "$1/usr/src/linux-source-$SERIES.tar.xz"
	patch -s -d "$1/linux" -p1 <"$here/uml-$SERIES.patch"
	rm -r "${1:?}/usr"
}

build_kernel() {
	local dir=$1 flavour=$2 src=$3 release
	local make=(nice make -s -C "$dir/build" ARCH=um)
	say "building the $flavour UML kernel (once; kept in $XA_CACHE)"
	mkdir "$dir/build" "$dir/mods"
	ln -s "$src" "$dir/src"
	fragment_of "$flavour" >"$dir/fragment"
	quietly make -s -C "$src" O="$dir/build" ARCH=um KCONFIG_ALLCONFIG="$dir/fragment" allnoconfig
	config_took "$dir/fragment" "$dir/build/.config"
	with_progress "UML $flavour kernel" "echo \"\$(find $dir/build -name '*.o' | wc -l) objects\"" \
		"${make[@]}" -j"${XA_JOBS:-$(nproc)}"
	quietly "${make[@]}" INSTALL_MOD_PATH="$dir/mods" modules_install
	release=$("${make[@]}" kernelrelease)
	rm -f "$dir/mods/lib/modules/$release"/{build,source}
	quietly mksquashfs "$dir/mods/lib/modules/$release" "$dir/mods.sqfs" -comp lz4 \
		-keep-as-directory -no-xattrs -all-root -quiet -no-progress
	echo "$release" >"$dir/release"
	ln -s build/linux "$dir/linux"
}

# Sets U, the directory of the build.
build() {
	local flavour=$1 version src gcc patch
	need_pkgs gcc libc6-dev make flex bison bc kmod patch xz-utils squashfs-tools
	version=$(candidate bookworm linux-source-$SERIES)
	patch=$(key_of "$(<"$here/uml-$SERIES.patch")")
	src=$XA_CACHE/src/linux-${SERIES}_$version-$patch
	gcc=$(gcc -dumpfullversion)
	U=$XA_CACHE/uml/$SERIES-$flavour-$(key_of "$(fragment_of "$flavour")" "$version" "$patch" "$gcc")
	[ -e "$U/.done" ] || cached "$src" fetch_source "$src" "$version"
	cached "$U" build_kernel "$U" "$flavour" "$src/linux"
}

run() {
	local root
	APPEND='' LIMIT=300
	MEM=$([ "$FLAVOUR" = debug ] && echo 1024 || echo 512)
	lab_options "$@"
	U=${XA_KERNEL:-}
	[ -n "$U" ] || build "$FLAVOUR"
	root=${XA_ROOT:-$("$here/rootfs.sh")}
	make_initrd "$XA_CACHE/uml/initrd"
	lab_prepare
	BOOT_ALLOWANCE=60
	# Every finding of KASAN is reported, not just the first.
	[ "$FLAVOUR" != debug ] || APPEND="kasan_multi_shot highres=off $APPEND"
	# The kernel's console is ours alone (stderr); run.sh writes to the serial line.
	# shellcheck disable=SC2086  # APPEND and XA_PRIORITY are lists of words
	lab_boot ${XA_PRIORITY:-} "$U/linux" mem="${MEM}M" initrd="$XA_CACHE/uml/initrd" rdinit=/init \
		ubd0r="$root" ubd1r="$U/mods.sqfs" ubd2r="$WORK/in.tar" ubd3="$WORK/out.tar" \
		con=null con0=null,fd:2 ssl=null ssl0=null,fd:1 uml_dir="$WORK/uml" umid=guest \
		panic=-1 log_buf_len=4M rcupdate.rcu_cpu_stall_timeout=120 xa_lab=uml xa_tty=ttyS0 xa_limit="$LIMIT" $APPEND
	lab_verdict
}

command=${1:-} FLAVOUR=${2:-}
case $FLAVOUR in
plain | debug | bare) shift 2 ;;
*) die "usage: uml.sh build|run plain|debug|bare" ;;
esac
case $command in
build)
	build "$FLAVOUR"
	echo "$U"
	;;
run) run "$@" ;;
*) die "usage: uml.sh build|run plain|debug|bare" ;;
esac
