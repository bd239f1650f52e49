#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# /init of the initial ramdisk, the same for QEMU and UML: finds the four disks, puts a
# writable layer over the guest root, unpacks the input and starts it there.

b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev 2>/dev/null

for module in /modules/*.ko; do
	[ ! -e "$module" ] || $b insmod "$module" || echo "lab: insmod $module failed"
done

if [ -n "$xa_probe" ]; then
	echo "lab: alive"
	$b poweroff -f
fi

# QEMU's disks tell their role as serial number, UML's by their order.
root=ubda modules=ubdb in=ubdc out=ubdd
for disk in /sys/block/vd*; do
	[ ! -e "$disk/serial" ] || eval "$($b cat "$disk/serial")=${disk##*/}"
done

$b mount -t squashfs -o ro /dev/$root /lower
$b mount -t tmpfs -o size=80% tmpfs /rw
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /new
$b mkdir -p /new/lib/modules /new/in /new/out
$b mount -t squashfs -o ro /dev/$modules /new/lib/modules
$b tar -C /new/in -xf /dev/$in
for fs in proc sys dev; do
	$b mount --move /$fs /new/$fs
done
export xa_out=/dev/$out
exec $b switch_root /new /bin/bash /in/.lab/guest-init.sh
