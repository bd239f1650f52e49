#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots Debian's own kernel in QEMU and runs a test in it.
#
#   guest.sh [-k 6.1|6.12|7.3] [-r ROOT] [-s CPUS] [-m MEGABYTES] [-t SECONDS]
#	[-a KERNEL-ARGUMENTS] -i INDIR -o OUTDIR
#
# INDIR is copied to /in of the guest (of a link, what it points to), /in/run.sh is run there
# as root with
#	IN=/in	OUT=/out	LAB=qemu (or uml)
# and loopback up; debugfs, tracefs, bpffs and cgroup2 mounted; no other network. ROOT is one
# that rootfs.sh knows.
# Its output appears here while it runs. Afterwards OUTDIR holds what it left in $OUT, and
#	rc		its exit status
#	dmesg.txt	the kernel log since it began
#	console.txt	the kernel's console since power-on
# Exit status: that of run.sh; 124 if it took longer than SECONDS (300), 125 if the guest
# died without a verdict.
#
# KVM is used where this very kernel was seen to boot under it (tried once per boot of this
# machine), else TCG. XA_ACCEL=kvm or tcg decides otherwise; XA_ACCEL=icount is TCG with one
# CPU (-s 1) whose clock counts instructions: 2 ns each, and idle time passes at once.
# XA_KERNEL and XA_ROOT are what kernel.sh and rootfs.sh print: who boots many guests asks once.
# XA_OUT_MB=512 bounds /out, XA_QEMU_ARGS adds arguments for QEMU.

set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/lib.sh"

# QEMU 7.2 without KVM emulates cmpxchg16b wrongly enough to crash Linux 6.12. And with a
# thread for each CPU one may go on executing what another has patched in the kernel's code:
# it meets the breakpoint of a jump label for ever (6.1) or dies of it (7.3).
TCG=tcg,thread=single
TCG_CPU=max,cx16=off
# A byte copied by "rep movsb" costs it as much as the eight of "movsq", which the kernel
# takes where the processor does not praise the former.
TCG_QUICK=erms=off,fsrm=off

disk() { # disk ROLE FILE OPTION
	printf '%s\n' -drive "if=none,id=$1,format=raw,file=$2,$3" \
		-device "virtio-blk-pci,drive=$1,serial=$1"
}

# qemu ACCEL ARG...: the machine without its disks.
qemu() {
	local accel=$1 cpu=$TCG_CPU
	shift
	case $accel in
	kvm) cpu=host ;;
	icount)
		accel=$TCG
		set -- -icount shift=1,sleep=off "$@"
		;;
	*) accel=$TCG cpu+=,$TCG_QUICK ;;
	esac
	QEMU=(qemu-system-x86_64 -accel "$accel" -cpu "$cpu" -nodefaults -nographic -no-reboot
		-device virtio-rng-pci "$@")
}

# kvm_boots: does a stock kernel reach the initial ramdisk under KVM? Remembered until this
# machine boots again: a present /dev/kvm says little where machines are nested.
kvm_boots() {
	local memory lock
	[ -r /dev/kvm ] && [ -w /dev/kvm ] || return 1
	mkdir -p "$XA_CACHE/kvm"
	memory=$XA_CACHE/kvm/$(cat /proc/sys/kernel/random/boot_id)
	exec {lock}>"$XA_CACHE/kvm/lock"
	flock "$lock"
	if [ ! -s "$memory" ]; then
		say "trying KVM with a stock kernel (at most 20 s)"
		qemu kvm -m 512 -serial stdio -kernel "$K/vmlinuz" -initrd "$K/initrd" \
			-append "console=ttyS0 panic=-1 xa_probe=1"
		if grep -q 'lab: alive' <<<"$(run_bounded 20 "${QEMU[@]}" </dev/null 2>/dev/null)"; then
			echo yes >"$memory"
		else
			echo no >"$memory"
		fi
	fi
	exec {lock}>&-
	[ "$(cat "$memory")" = yes ]
}

KERNEL=6.1 ROOT=bookworm CPUS=2 MEM=1024 LIMIT=300 APPEND=''
lab_options "$@"
need_pkgs qemu-system-x86
K=${XA_KERNEL:-$("$XA_TOP/scripts/lab/kernel.sh" "$KERNEL")}
root=${XA_ROOT:-$("$XA_TOP/scripts/lab/rootfs.sh" "$ROOT")}
accel=${XA_ACCEL:-}
[ -n "$accel" ] || accel=$(kvm_boots && echo kvm || echo tcg)
lab_prepare
BOOT_ALLOWANCE=90
mapfile -t disks < <(
	disk root "$root" readonly=on,file.locking=off
	disk modules "$K/modules.sqfs" readonly=on,file.locking=off
	disk in "$WORK/in.tar" readonly=on,file.locking=off
	disk out "$WORK/out.tar" cache=unsafe
)
# TCG knows code that it has translated by its address: where every process has its libraries
# at others it translates the same anew for each, half of a test's time.
APPEND="norandmaps $APPEND"
# What beside other work does not run for half a minute is no lockup; and the kernel would
# give up at boot where it sees no timer tick in a tenth of a second.
patience="no_timer_check watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 workqueue.watchdog_thresh=120"
# Two serial lines: the kernel's console goes to a file, the output of run.sh to us.
# shellcheck disable=SC2086  # a list of words
qemu "$accel" -m "$MEM" -smp "$CPUS" -serial "file:$OUTDIR/console.txt" -serial stdio \
	"${disks[@]}" -kernel "$K/vmlinuz" -initrd "$K/initrd" ${XA_QEMU_ARGS:-} \
	-append "console=ttyS0 panic=-1 quiet log_buf_len=4M $patience xa_lab=qemu xa_tty=ttyS1 xa_limit=$LIMIT $APPEND"
lab_boot "${QEMU[@]}"
lab_verdict
