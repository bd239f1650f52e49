#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make install, make uninstall and dkms, in staging directories: nothing of this machine's own
# kernel is touched. What modprobe then does with it, scripts/test/guest/install.sh tries on a
# stock kernel. KTAP.

set -euo pipefail
. "$(dirname "$0")/../lab/lib.sh"
cd "$XA_TOP"

number=0 failed=0
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

# try NAME CMD...
try() {
	local name=$1
	shift
	number=$((number + 1))
	if "$@" >"$stage/said" 2>&1 </dev/null; then
		echo "ok $number - $name"
	else
		failed=1
		echo "not ok $number - $name"
		sed 's/^/# /' "$stage/said" | tail -n 30
	fi
}

files_in() { (cd "$1" && find . -type f -o -type l) | sort; }

is_for() { [ "$(modinfo -F vermagic "$1" | cut -d' ' -f1)" = "$2" ]; }

empty() { [ -z "$(files_in "$1" | grep -E 'xfrm_accel|espnic')" ]; }

# knows_espnic ROOT: this machine's ip takes the plugin in it, and all that it needs is there
knows_espnic() {
	local dir
	dir=$(dirname "$(find "$1" -name link_espnic.so)")
	[ "${dir#"$1"}" = "$plugins" ] && IP_LIB_DIR=$dir LD_BIND_NOW=1 ip link help espnic | grep sa-max
}

has_manual() { [ -s "$1/usr/local/share/man/man8/espnic.8" ]; }

need_pkgs dkms kmod make gcc libc6-dev iproute2
# Where Debian's ip looks.
plugins=/usr/lib/$(gcc -print-multiarch)/ip
K=$(scripts/lab/kernel.sh 6.1)
release=$(cat "$K/release")
root=$stage/root
# BUILD: not where someone may be building right now.
make=("$K/build-in" "$XA_TOP" make -s BUILD=build/install-test
	PLUGIN=build/install-test/link_espnic.so)
ko=$root/lib/modules/$release/updates/xfrm_accel.ko

try "make install INSTALL_MOD_PATH=" "${make[@]}" install "INSTALL_MOD_PATH=$root"
try "the module is in updates/" test -s "$ko"
try "it is for that kernel" is_for "$ko" "$release"
try "depmod knows it" grep -q '^updates/xfrm_accel.ko:' "$root/lib/modules/$release/modules.dep"
try "modprobe has its settings" grep -q '^install rtnl-link-xfrm' "$root/etc/modprobe.d/xfrm_accel.conf"
try "ip takes the plugin" knows_espnic "$root"
try "the manual page is there" has_manual "$root"
try "make install once more" "${make[@]}" install "INSTALL_MOD_PATH=$root"
try "make uninstall" "${make[@]}" uninstall "INSTALL_MOD_PATH=$root"
try "nothing is left" empty "$root"

root=$stage/dkms
version=$(sed -n 's/^XFRM_ACCEL_VERSION := //p' Kbuild)
mkdir -p "$root/var" "$root/modules/$release"
dkms="dkms --dkmstree $root/var --sourcetree $root/usr/src --installtree $root/modules --no-depmod"
make+=("DESTDIR=$root" "DKMS=$dkms" "DKMS_KERNEL=-k $release --kernelsourcedir $K/kdir")

# As a user does it: make says which directory it enters.
try "make dkms" "${make[@]}" -w dkms
[ "$failed" = 0 ] || sed 's/^/# /' "$root"/var/xfrm_accel/*/build/make.log 2>/dev/null || :
ko=$(find "$root/modules" -name 'xfrm_accel.ko*')
try "the module is installed" test -s "$ko"
try "it is for that kernel" is_for "$ko" "$release"
try "modprobe has its settings" grep -q '^install rtnl-link-xfrm' "$root/etc/modprobe.d/xfrm_accel.conf"
try "ip takes the plugin" knows_espnic "$root"
try "the manual page is there" has_manual "$root"
try "make dkms once more" "${make[@]}" dkms
try "make dkms-remove" "${make[@]}" dkms-remove
try "nothing is left" empty "$root"

echo "1..$number"
exit $failed
