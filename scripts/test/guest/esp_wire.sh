#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the ESP engine puts on the wire, and what it takes from it, judged by a program
# that shares no line with the kernel: helpers/espwire.py, written from the RFCs.
#
#     $A  the engine                     $B  the kernel's own ESP, and espwire.py
#         10.9.N.1, fd09:N::1                10.9.N.2, fd09:N::2        (case N)
#         wire0 ---------------------------- wire0 (gro off)
#
# Sent: every packet of trains and single ones is decrypted; numbers are dense, no
# nonce comes twice, the padding is right and so are all checksums within.
# Received: made by the program, sent under SAs that no kernel sends by. Each kind
# comes once by GRO to the engine and once, GRO being off, to the kernel's own code:
# both deliver the same, and both count the same.
#
# needs: unloaded

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/esp.sh
. "$TESTDIR/helpers/esp.sh"

# The cases: MODE OUTER INNER ALG ESN
sent_cases=("tunnel 4 4 gcm128 0" "tunnel 6 6 gcm128 1" "tunnel 4 6 chacha 0"
	"tunnel 6 4 chacha 1" "tunnel 4 4 sha256 0" "tunnel 6 6 sha256 1")
# Nothing but the program sends by these.
forged_cases=("tunnel 4 4 gcm128 0" "tunnel 6 6 gcm128 1" "tunnel 6 4 chacha 0" "tunnel 4 6 sha256 0")

all_lines()
{
	local n=0 c
	for c in "${sent_cases[@]}" "${forged_cases[@]}"; do
		n=$((n + 1))
		# shellcheck disable=SC2086
		"$1" $n $c
	done
}

# --- sent -----------------------------------------------------------------------

# every_size: UDP datagrams with every padding there can be
every_size() { seq -s, 1 40; }

sent()
{
	local n=0 c mode outer inner alg esn said watched=() name IN_A IN_B
	for c in "${sent_cases[@]}"; do
		n=$((n + 1))
		read -r mode outer inner alg esn <<<"$c"
		[ "$esn" = 0 ] && esn='' || esn=2
		watched+=("$(keys "$(case_spi $n)" "$alg" "$esn")")
	done
	watch_esp sent "$B" wire0 in "${watched[@]}"
	n=0
	for c in "${sent_cases[@]}"; do
		n=$((n + 1))
		read -r mode outer inner alg esn <<<"$c"
		name="$alg, $mode, IPv$inner over IPv$outer"
		[ "$esn" = 0 ] || name+=", ESN"
		case_addrs $n "$inner"
		ok_if "$name: UDP of all sizes arrives" client "$IN_B" --src "$IN_A" --udp "$(every_size)"
		ok_if "$name: TCP in trains arrives" client "$IN_B" --src "$IN_A" --tcp 500000
		said=$(esp_seen sent)
		ok_if "$name: on the wire all numbers, no IV twice, padding, checksums" dense "$said"
		ok_if "$name: of one SA, and each packet was seen" \
			grep -qE "^$(case_spi $n) n=[3-9][0-9][0-9] [^;]*$" <<<"$said"
		# The program must be able to say no.
		ok_if "$name: from its first number on" grep -q " first=$((esn ? 0xffffffe1 : 1)) " <<<"$said"
	done
	close_talk sent
}

# --- received -------------------------------------------------------------------

seq=0

# fate NAME WHAT SEQ WANTED: one packet, and a word that arrives or a counter that rises
fate()
{
	ask forge "$2 $3"
	answer forge 20 >/dev/null || die "the program that makes packets has died: $2 $3"
	ask heard ""
	same "$path, $name: $1" "$(answer heard 20)" "$4"
}

# Each kind once; the numbers go on from case to case and from path to path.
kinds()
{
	local proto=XfrmInStateProtoError
	fate "a good packet" good $((seq + 1)) good
	fate "the same number again" replay $((seq + 1)) XfrmInStateSeqError
	fate "a wrong ICV" icv $((seq + 2)) $proto
	fate "a good one with the number of the wrong one" good $((seq + 2)) good
	fate "a changed payload" payload $((seq + 200)) $proto
	fate "a number it was not sealed under" header $((seq + 300)) $proto
	fate "the window has not moved" after $((seq + 3)) good
	fate "traffic flow confidentiality padding" tfc $((seq + 4)) tfc
	fate "more padding than needed" longpad $((seq + 5)) longpad
	fate "other bytes as padding" padbytes $((seq + 6)) padbytes
	fate "more padding than packet" padlen $((seq + 7)) $proto
	fate "a dummy packet" dummy $((seq + 8)) $proto
	fate "no payload" empty $((seq + 9)) $proto
	fate "a next header that is no IP" proto $((seq + 10)) XfrmInStateModeError
	fate "less than header and ICV" short $((seq + 11)) $proto
	fate "an encrypted part that is cut" cut $((seq + 12)) $proto
	[ "$outer" = 6 ] || fate "IPv4 options" options $((seq + 13)) options
	fate "one ahead of its turn" good $((seq + 15)) good
	fate "the one before it" good $((seq + 14)) good
	fate "and again" replay $((seq + 14)) XfrmInStateSeqError
	seq=$((seq + 20))
}

received()
{
	local n=${#sent_cases[@]} c mode outer inner alg esn name path spi mac SRC DST IN_A IN_B
	mac=$(in_ns "$A" cat /sys/class/net/wire0/address)
	open_talk heard ip netns exec "$A" "$TESTDIR/helpers/espwire.py" listen 7100
	for c in "${forged_cases[@]}"; do
		n=$((n + 1))
		read -r mode outer inner alg esn <<<"$c"
		name="$alg, IPv$inner over IPv$outer"
		seq=100
		# With ESN what comes by the kernel begins above the lower half's end.
		[ "$esn" = 0 ] || { name+=", ESN"; seq=$((0xffffffe4)); }
		case_addrs $n "$inner"
		outer_addrs "$outer"
		spi=$(($(case_spi $n) + 1))
		[ "$esn" = 0 ] && esn='' || esn=2
		open_talk forge ip netns exec "$B" "$TESTDIR/helpers/espwire.py" forge wire0 "$mac" \
			"$DST" "$SRC" "$IN_B" "$IN_A" 7100 "$(keys $spi "$alg" "$esn")"
		path="by the engine"
		esp_gro "$A" on
		kinds
		path="by the kernel"
		esp_gro "$A" off
		kinds
		esp_gro "$A" on
		close_talk forge
	done
}

is_accel || skip_all "the ESP engine" "it is not of this module"
skip_without_python esp_wire
python3 -c 'import cryptography' 2>/dev/null || skip_all esp_wire "python3-cryptography is not installed"

two_hosts
engine_and_kernel all_lines
serve "$B"
open_client "$A"
sent
no_errors "what the engine sent"
received
flush_xfrm
ok_if "the module unloads" eval 'wait_for 10 impl_unused && unload_impl'
plan_done
