# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# create.sh - what interfaces and SAs cost: time and memory. Source it.

free_bytes() {
	echo 3 >/proc/sys/vm/drop_caches
	REPLY=$(($(awk '/^MemFree:/ { print $2 }' /proc/meminfo) * 1024))
}

# batch WHAT COUNT FILE: commands for ip
batch() {
	local i words
	words=$(cipher_words aes-gcm)
	for ((i = 1; i <= $2; i++)); do
		case $1 in
		interface) echo "link add ipsec$i type xfrm dev canary if_id $i" ;;
		sa) echo "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi $((0x1000 + i)) reqid $i mode tunnel if_id $i $words" ;;
		esac
	done >"$3"
}

# measure_create COUNT: interfaces in a namespace of their own, then SAs. Of the
# system that is loaded.
measure_create() {
	local count=$1 what begin took before bytes=0 flows=0 streams=0 interfaces=$1
	local case_name family=v4 row_cipher=none variant=''
	for what in interface sa; do
		[ -s "$TMP/$what.batch" ] || batch $what "$count" "$TMP/$what.batch"
	done
	must ip netns add xab-create
	must ip link add xab-canary type veth peer name canary netns xab-create
	for what in interface sa; do
		row_cipher=$([ $what = sa ] && echo aes-gcm || echo none)
		free_bytes; before=$REPLY
		clock; begin=$REPLY
		must ip -n xab-create -batch "$TMP/$what.batch"
		clock; took=$((REPLY - begin))
		free_bytes
		variant=$what
		case_name=memory emit bytes_each $(((before - REPLY) / count))
		[ $what = sa ] || variant='' case_name=create emit seconds "$(printf '%d.%09d' $((took / 1000000000)) $((took % 1000000000)))"
	done
	[ "$(ip -n xab-create -o link show type xfrm | wc -l)" = "$count" ] || refuse "not all interfaces are there"
	# Until the kernel is through with it, which would be counted for what comes next.
	must ip netns del xab-create
	wait_for 120 test ! -e /sys/class/net/xab-canary || die "a namespace does not go away"
	commit_lines
}
