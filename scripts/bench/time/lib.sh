# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# lib.sh - small things that the parts of the time judge share. Source it.
#
# In a User Mode Linux guest to start a program takes far longer than to forward a
# thousand packets. So most is done by this shell itself, and by agents: a shell in
# each network namespace that stays and does what it is told.

die() { echo "bench: $*" >&2; exit 1; }

# A figure that cannot be what it claims is worse than none.
refuse() { die "REFUSED: $*"; }

must() {
	"$@" >"$TMP/said" 2>&1 || die "failed: $* : $(tail -n 3 "$TMP/said" | tr '\n' ' ')"
}

# wait_for SECONDS CMD...: polls
wait_for() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$end" ] || return 1
		pause 0.01
	done
}

# pause SECONDS: without a process, which would cost more than it waits
pause() { read -rt "$1" -u "$NEVER" || :; }

# clock: nanoseconds in REPLY, see CLOCK
clock() {
	if [ "$CLOCK" = - ]; then
		REPLY=${EPOCHREALTIME/[.,]/}000
	else
		read -r REPLY <"$CLOCK"
	fi
}

# per_second COUNT NANOSECONDS: in REPLY. By microseconds: 10 Gbit times a billion is more
# than a number of the shell holds.
per_second() {
	[ "$2" -ge 1000 ] || die "no time has passed"
	REPLY=$(($1 * 1000000 / ($2 / 1000)))
}

# --- agents -----------------------------------------------------------------

declare -A agent_in agent_out agent_pid

# start_agent NS: a shell that stays in this namespace
start_agent() {
	local in out
	mkfifo "$TMP/in.$1" "$TMP/out.$1"
	NEVER=$NEVER AGENT_SAID=$TMP/said.$1 nsenter --net="/run/netns/$1" bash "$HERE/agent.sh" <>"$TMP/in.$1" >"$TMP/out.$1" &
	agent_pid[$1]=$!
	exec {in}<>"$TMP/in.$1" {out}<>"$TMP/out.$1"
	agent_in[$1]=$in agent_out[$1]=$out
}

# ask NS COMMAND...: has the agent run a function of agent.sh or a command; its one
# line of answer in REPLY
ask() {
	local status ns=$1
	shift
	echo "${*//[$'\n\t']/ }" >&"${agent_in[$ns]}"
	read -rt 300 status REPLY <&"${agent_out[$ns]}" || die "$ns does not answer: $*"
	[ "$status" = 0 ] || die "in $ns: $*: $REPLY"
}

stop_agents() {
	local ns
	for ns in "${!agent_pid[@]}"; do
		kill "${agent_pid[$ns]}" 2>/dev/null || :
		rm -f "$TMP/in.$ns" "$TMP/out.$ns"
	done
	agent_pid=()
}

# --- results ----------------------------------------------------------------

# emit METRIC VALUE [MORE-JSON]: one measurement of the case that the variables
# case_name and so on describe. It counts when commit_lines says so.
emit() {
	local line clock=cpu
	[ "$CLOCK" != - ] || clock=wall
	printf -v line '{"judge":"time","case":"%s","family":"%s","cipher":"%s","bytes":%d,"flows":%d,"interfaces":%d,"streams":%d,"system":"%s","metric":"%s","round":%d,"value":%s,"clock":"%s"%s%s}' \
		"$case_name" "$family" "$row_cipher" "$bytes" "$flows" "$interfaces" "$streams" \
		"$system" "$1" "$round" "$2" "$clock" "${variant:+,\"variant\":\"$variant\"}" "${3:+,$3}"
	lines+=("$line")
}

# commit_lines: what was measured was sound
commit_lines() {
	[ ${#lines[@]} = 0 ] || printf '%s\n' "${lines[@]}" >>"$OUT/time.jsonl"
	lines=()
}
