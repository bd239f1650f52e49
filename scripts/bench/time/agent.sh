#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# agent.sh - runs in a network namespace for as long as the benchmark, and does what
# comes as a line on its input: one of the functions below, or any command. Answers with
# a line: status and one line of output. See ask() in lib.sh.
set -uo pipefail

# All of a file at once: read would ask the kernel to make it anew for each line.

# counted DEV: packets and bytes that this device has received
counted() {
	local all line
	mapfile -t all </proc/net/dev
	for line in "${all[@]}"; do
		if [[ $line =~ ^\ *$1:\ *([0-9]+)\ +([0-9]+) ]]; then
			echo "${BASH_REMATCH[2]} ${BASH_REMATCH[1]}"
			return
		fi
	done
	echo "no such device: $1"
	return 1
}

# tunnel_packets: received and sent by all tunnel interfaces
tunnel_packets() {
	local all line words rx=0 tx=0
	mapfile -t all </proc/net/dev
	for line in "${all[@]}"; do
		if [[ $line =~ ^\ *(ipsec|wg)[0-9] ]]; then
			IFS=': ' read -ra words <<<"$line"
			rx=$((rx + words[2])) tx=$((tx + words[10]))
		fi
	done
	echo "$rx $tx"
}

# xfrm_errors: all of them together
xfrm_errors() {
	local all line sum=0
	mapfile -t all </proc/net/xfrm_stat
	for line in "${all[@]}"; do
		sum=$((sum + ${line##*[[:space:]]}))
	done
	echo "$sum"
}

# pktgen CLOCK GRACE COUNT OPTION...: sends from g0; what is not named (words joined by =) is
# as before. The time it took, with GRACE seconds more (by the CPU's clock only what is done
# in them counts), and the packets that the first device had no room for.
pktgen() {
	local clock=$1 grace=$2 count=$3 option begin=0 end=0 proc=/proc/net/pktgen said
	shift 3
	if [ ! -e $proc/g0 ]; then
		echo "add_device g0" >$proc/kpktgend_0
		for option in "clone_skb 0" "delay 0" "flag NO_TIMESTAMP" "dst_mac 02:00:00:00:01:02"; do
			echo "$option" >$proc/g0
		done
	fi || return
	for option in "$@" "count=$count"; do
		echo "${option/=/ }" >$proc/g0 || return
	done
	[ "$clock" = - ] || read -r begin <"$clock"
	echo start >$proc/pgctrl # returns when all have been sent
	[ "$grace" = 0 ] || read -rt "$grace" -u "$NEVER"
	[ "$clock" = - ] || read -r end <"$clock"
	said=$(<$proc/g0)
	if [[ ! $said =~ pkts-sofar:\ $count\ +errors:\ ([0-9]+) ]]; then
		echo "pktgen: ${said//$'\n'/ }"
		return 1
	fi
	option=${BASH_REMATCH[1]}
	[[ $said =~ Result:\ OK:\ ([0-9]+) ]]
	if [ "$clock" = - ]; then
		echo "${BASH_REMATCH[1]}000 $option"
	else
		echo "$((end - begin)) $option"
	fi
}

while read -r line; do
	# Not in a subshell: functions here start no processes, whose end would
	# interrupt pktgen.
	eval "$line" >"$AGENT_SAID" 2>&1
	status=$?
	read -rd '' said <"$AGENT_SAID"
	echo "$status ${said//$'\n'/ }"
done
