# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# trace.sh - the kernel's tracepoints: what becomes of packets, one by one. Source it
# after lib.sh.

tracing=/sys/kernel/tracing

# has_events SYSTEM/NAME...: are there such tracepoints?
has_events()
{
	local event
	for event; do
		[ -d "$tracing/events/$event" ] || return 1
	done
}

# trace_on SYSTEM/NAME [FILTER]: until trace_off, or the end of the test
trace_on()
{
	at_exit trace_off "$1"
	echo "${2:-0}" >"$tracing/events/$1/filter"
	echo 1 >"$tracing/events/$1/enable"
}

trace_off()
{
	echo 0 >"$tracing/events/$1/enable"
	echo 0 >"$tracing/events/$1/filter"
}

# trace_clear: what was traced is forgotten
trace_clear() { : >"$tracing/trace"; }

# traced REGEX: how many lines
traced() { grep -cE "$1" "$tracing/trace" || true; }
