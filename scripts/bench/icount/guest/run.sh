#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the guest does: loads what the system under test consists of, measures, and
# leaves $OUT/intervals.jsonl and the kernel's symbols, with which the counts of the
# plugin get their names. PLANT (from /in/plant) breaks something on purpose.
set -euo pipefail
cd "${IN:?}"
system=$(jq -r .system plan.json)
PLANT=$(cat plant)
export PLANT

esp=(esp4 esp6)
offload=(esp4_offload esp6_offload)
# A real machine loads these by the features of its processor.
if [ "$PLANT" = slow-cipher ]; then
	echo blacklist aesni_intel >/etc/modprobe.d/plant.conf
fi
modprobe -ab aesni_intel chacha_x86_64 poly1305_x86_64
case $system in
plain) ;;
wireguard) modprobe wireguard ;;
in-tree-policy) modprobe -a "${esp[@]}" "${offload[@]}" ;;
in-tree) modprobe -a "${esp[@]}" "${offload[@]}" xfrm_interface ;;
pcrypt) modprobe -a "${esp[@]}" "${offload[@]}" xfrm_interface pcrypt algif_aead seqiv chacha20poly1305 ;;
xfrm_accel | xfrm_accel+espnic)
	modprobe -a "${esp[@]}" tunnel4 tunnel6 xfrm6_tunnel
	if [ "$PLANT" = wrong-system ]; then
		modprobe xfrm_interface
	else
		insmod ./xfrm_accel.ko
	fi
	;;
*)
	echo "no such system: $system"
	exit 1
	;;
esac

echo 0 >/proc/sys/kernel/kptr_restrict
python3 main.py plan.json "${OUT:?}/intervals.jsonl"
cat /proc/kallsyms >"$OUT/kallsyms"
