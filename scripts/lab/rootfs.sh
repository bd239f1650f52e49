#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the path of a guest root, a squashfs of Debian with the tools that tests use.
# Made once per list of packages and versions that the archive offers.
#
#   rootfs.sh		Debian 12, what every lab boots with, strongSwan included
#   rootfs.sh libreswan	for tests of libreswan, which cannot be installed beside strongSwan
#   rootfs.sh trixie	Debian 13, for tests of its strongSwan

set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/lib.sh"

ROOT=${1:-bookworm} RELEASE=bookworm
case $ROOT in
bookworm) PACKAGES=(
	busybox kmod procps util-linux libc-bin gawk jq file
	iproute2 iputils-ping iputils-tracepath traceroute ethtool iperf3 socat netcat-openbsd
	tcpdump tshark nftables iptables conntrack openvswitch-switch
	strongswan-swanctl charon-systemd libcharon-extra-plugins
	libstrongswan-standard-plugins libstrongswan-extra-plugins
	bpftool python3-minimal python3 python3-scapy python3-cryptography openssl
) ;;
libreswan) PACKAGES=(
	busybox kmod procps util-linux libc-bin gawk
	iproute2 iputils-ping ethtool python3-minimal python3 libreswan
) ;;
trixie) RELEASE=trixie PACKAGES=(
	busybox kmod procps util-linux libc-bin gawk
	iproute2 iputils-ping ethtool python3-minimal python3
	strongswan-swanctl charon-systemd libcharon-extra-plugins
	libstrongswan-standard-plugins libstrongswan-extra-plugins
) ;;
*) die "usage: rootfs.sh [libreswan|trixie]" ;;
esac

make_root() {
	local dir=$1 conf
	conf=$(apt_of "$RELEASE")
	need_pkgs mmdebstrap squashfs-tools
	[ "$(id -u)" = 0 ] || need_pkgs uidmap # mmdebstrap then works in a user namespace
	# How this machine reaches the archive (proxies and the like) holds for the guest root too.
	apt-config dump | grep '^Acquire::' >"$dir/acquire.conf" || :
	with_progress "guest root $ROOT" '' build_root "$dir" "$(dirname "$conf")/sources.list"
	rm "$dir/acquire.conf"
}

# shellcheck disable=SC2016  # the hook's $1 is mmdebstrap's
build_root() {
	mmdebstrap --quiet --variant=minbase --include="${PACKAGES[*]}" \
		--aptopt="$1/acquire.conf" --aptopt='Apt::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap' \
		"$RELEASE" - "$2" | sqfstar -comp lz4 -quiet -no-progress "$1/root.sqfs"
}

versions=$(apt-cache -c "$(apt_of "$RELEASE")" policy "${PACKAGES[@]}" | grep Candidate)
dir=$XA_CACHE/rootfs/$ROOT-$(key_of "$(declare -p PACKAGES)" "$(declare -f build_root)" "$versions")
[ -e "$dir/.done" ] || say "making the guest root $ROOT (once; kept in $XA_CACHE)"
cached "$dir" make_root "$dir"
echo "$dir/root.sqfs"
