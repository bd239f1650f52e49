#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The first process in the guest root, in both labs: makes a usable system, runs /in/run.sh,
# sends /out back, powers off. From the kernel's command line: xa_lab (qemu or uml), xa_tty
# (where the output of run.sh goes), xa_limit (seconds it may take); from the ramdisk: xa_out.
# shellcheck disable=SC2154

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb LC_ALL=C.UTF-8 IN=/in OUT=/out LAB=$xa_lab

mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts devpts /dev/pts
for dir in /dev/shm /run /tmp /var/tmp; do
	mount -t tmpfs tmpfs $dir
done
mkdir -p /run/netns /run/lock
ln -sfn /proc/self/fd /dev/fd
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
hostname lab
ip link set lo up

# The log that goes back begins here, whatever run.sh does to the kernel's buffer.
mark="lab: run.sh begins"
log_since_mark() {
	# Record header of /dev/kmsg: level,sequence,microseconds,flags;text
	dd if=/dev/kmsg iflag=nonblock bs=16k 2>/dev/null |
		sed -nE "0,/;$mark/d; s/^[0-9]+,[0-9]+,([0-9]*)([0-9]{6}),[^;]*;/[\1.\2] /; p"
}

tty=/dev/$xa_tty
stty -F "$tty" raw -echo
dmesg -C
echo "$mark" >/dev/kmsg

cd /in || exit
timeout -k 10 "$xa_limit" bash ./run.sh </dev/null >"$tty" 2>&1
rc=$?
if [ $rc = 124 ] || [ $rc = 137 ]; then
	rc=124
	echo "lab: run.sh did not end within $xa_limit s" >"$tty"
	# Who waits for what: the first question about a hang.
	echo w >/proc/sysrq-trigger 2>/dev/null
fi
stty -F "$tty" raw # waits until the output has gone out

log_since_mark >/out/dmesg.txt
echo $rc >/out/rc
if ! tar -C /out -cf "$xa_out" . 2>/run/tar-error; then
	echo "lab: /out could not be sent back: $(tail -n1 /run/tar-error)" >"$tty"
	mkdir /run/verdict
	cp /out/dmesg.txt /run/verdict/
	echo 125 >/run/verdict/rc
	tar -C /run/verdict -cf "$xa_out" .
fi
sync
busybox poweroff -f
sleep 60
