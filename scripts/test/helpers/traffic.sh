# SPDX-License-Identifier: GPL-2.0
# traffic.sh - servers, clients and watchers that run beside a test.
# Source it after lib.sh.

traffic="$TESTDIR/helpers/traffic.py"

skip_without_python()
{
	have python3 || skip_all "$1" "python3 is not installed"
}

# start NS FILE CMD...: CMD in the background in NS, its output in FILE; returns
# when it has said "ready". The process id is in STARTED.
start()
{
	local ns=$1 file=$2
	shift 2
	: >"$file"
	ip netns exec "$ns" "$@" >"$file" 2>&1 &
	STARTED=$!
	at_exit kill "$STARTED"
	wait_for 20 grep -q ready "$file" || die "does not start: $*: $(tail -n 3 "$file")"
}

# serve NS: answers traffic.py on port 7000
serve() { start "$1" "$TMP/serve-$1" "$traffic" serve; }

# A program one talks to: open_talk NAME CMD... starts it, ask NAME LINE sends it
# a line, answer NAME SECONDS prints the next line from it. Pipes rather than
# bash's coprocesses, which a subshell cannot use.
declare -A talk_in talk_out talk_pid

open_talk()
{
	local name=$1 in out
	shift
	close_talk "$name"
	rm -f "$TMP/$name.in" "$TMP/$name.out"
	mkfifo "$TMP/$name.in" "$TMP/$name.out"
	exec {in}<>"$TMP/$name.in" {out}<>"$TMP/$name.out"
	talk_in[$name]=$in talk_out[$name]=$out
	"$@" <"$TMP/$name.in" >"$TMP/$name.out" 2>&1 &
	talk_pid[$name]=$!
	at_exit close_talk "$name"
	[ "$(answer "$name" 20)" = ready ] || die "does not start: $*"
}

close_talk()
{
	local in out
	[ -n "${talk_pid[$1]:-}" ] || return 0
	kill "${talk_pid[$1]}" 2>/dev/null || true
	in=${talk_in[$1]} out=${talk_out[$1]}
	exec {in}>&- {out}>&-
	unset "talk_pid[$1]"
}

ask() { echo "$2" >&"${talk_in[$1]}"; }

answer()
{
	local line
	read -r -t $(($2 * ${SLOW:-1})) -u "${talk_out[$1]}" line && echo "$line"
}

# open_client NS, client ADDR WORDS...: "check" in traffic.py, burst ADDR WORDS...:
# "burst" in there. With more than one client, CLIENT is the one meant.
CLIENT=client
open_client() { open_talk $CLIENT ip netns exec "$1" "$traffic" client; }

talk_traffic()
{
	local line
	ask $CLIENT "$*"
	while line=$(answer $CLIENT 60); do
		case $line in
		"done 0") return 0 ;;
		"done 1") return 1 ;;
		*) echo "$line" ;;
		esac
	done
	die "the traffic client does not answer: $*"
}

client() { talk_traffic check "$@"; }
burst() { talk_traffic burst "$@"; }

# acquire_errors: packets that came on A or B for an SA that the daemon had not
# completed yet
acquire_errors() { echo $(($(mib "$A" XfrmAcquireError) + $(mib "$B" XfrmAcquireError))); }

# open_stream NS ADDR: datagrams, each answered before the next one leaves, until
# close_stream NAME [early], which says whether all were answered; or all but those
# that acquire_errors counts
open_stream()
{
	early=$(acquire_errors)
	start "$1" "$TMP/stream" "$traffic" stream "$2" --seconds 600 --pause 0.002 --timeout 1
	streamer=$STARTED
}

close_stream()
{
	local lost=0
	kill "$streamer"
	wait "$streamer" || true
	[ -z "${2:-}" ] || lost=$(($(acquire_errors) - early))
	same "$1" "$(sed -nE 's/^sent [1-9][0-9]* //p' "$TMP/stream")" "lost $lost"
}

# watch_wire NS DEV [NAME [in|out]], wire [NAME]: see wirewatch.py. NAME if there are many.
watch_wire()
{
	open_talk "${3:-watch}" ip netns exec "$1" "$TESTDIR/helpers/wirewatch.py" "$2" ${4:+"$4"}
}

wire() { ask "${1:-watch}" "" && answer "${1:-watch}" 20; }

# seen NAME LINE: the packets of a kind in a line of wirewatch.py
seen() { grep -oE "(^| )$1=[0-9]+" <<<"$2" | cut -d= -f2 || echo 0; }

# esp_by NAME: ESP packets that a watched wire has seen since it was asked last
esp_by() { seen esp "$(wire "$1")"; }

# only_on_wire "NAMES" LINE: something of NAMES (a|b) was seen and nothing else
only_on_wire()
{
	echo "on the wire: $2"
	grep -qE "^(($1)=[1-9][0-9]* )+max=[0-9]+$" <<<"$2"
}

# espinudp NS ADDR...: sockets that take ESP in UDP on port 4500
espinudp()
{
	local ns=$1
	shift
	start "$ns" "$TMP/espinudp-$ns" "$TESTDIR/helpers/espinudp.py" "$@"
}

rawpkt="$TESTDIR/helpers/rawpkt.py"

# open_raw NS, raw WORDS...: see "batch" in rawpkt.py
open_raw() { open_talk raw ip netns exec "$1" "$rawpkt" batch; }

raw()
{
	local line
	ask raw "$*"
	while line=$(answer raw 20); do
		[ "$line" != done ] || return 0
		echo "$line"
	done
	die "rawpkt does not answer: $*"
}

# capture_esp NS DEV FILE CMD...: FILE gets an ESP frame that CMD makes leave DEV
capture_esp()
{
	local ns=$1 dev=$2 file=$3
	shift 3
	rm -f "$file"
	start "$ns" "$TMP/capture" "$rawpkt" capture "$dev" "$file" --size 150
	"$@" >/dev/null || die "nothing to capture: $*"
	wait_for 10 test -s "$file" || die "no ESP left $dev"
}
