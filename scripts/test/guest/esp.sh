#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The ESP engine on one host against the kernel's own ESP on the other: what either
# sends, the other decrypts, to the last byte.
#
#     $A  the engine                       $B  the kernel's esp_output and esp_input
#         10.9.N.1, fd09:N::1                  10.9.N.2, fd09:N::2       (case N)
#         wire0 (gro on) --------------------- wire0 (gro off)
#
# B's SAs were made before the module was loaded, so they are bound to no engine and
# the kernel's own code encrypts; without GRO it decrypts as well. Nothing listens on
# the wire: packets that a capture holds on to would be copied, not changed in place.
# That they take the engine's way is told by the kernel's tracepoints.
#
# With ESN the SAs start 32 packets before the upper half of the sequence number
# changes, so that it is not zero, and changes amidst the traffic.
#
# FULL=1: every algorithm in every mode and family, with ESN and without, and UDP
# datagrams of each size up to the MTU.
#
# needs: unloaded
# limit: 2400

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/esp.sh
. "$TESTDIR/helpers/esp.sh"
# shellcheck source=scripts/test/helpers/trace.sh
. "$TESTDIR/helpers/trace.sh"

algs=(gcm128 sha256 chacha sha1 gcm64 ccm gmac sha384 sha512 gcm96 ctr xcbc cmac null plain)
#      mode outer inner
shapes=("tunnel 4 4" "beet 6 6" "transport 4 4" "tunnel 6 4" "tunnel 4 6"
	"beet 4 4" "transport 6 6" "tunnel 6 6" "beet 6 4" "beet 4 6")
cases=()

all_cases()
{
	local alg shape esn
	for alg in "${algs[@]}"; do
		for shape in "${shapes[@]}"; do
			for esn in 0 1; do
				cases+=("$shape $alg $esn")
			done
		done
	done
}

# Each algorithm in two shapes, one with ESN and one without; every shape has its turn
# with three algorithms.
some_cases()
{
	local alg i=0 m=${#shapes[@]}
	for alg in "${algs[@]}"; do
		cases+=("${shapes[i % m]} $alg 1" "${shapes[(i + 3) % m]} $alg 0")
		i=$((i + 1))
	done
	cases+=("tunnel 6 6 gcm128 1" "transport 4 4 gcm128 1")
}

# SAs that this kernel does not make are left out of the cases, and said to be.
supported()
{
	local alg kept=() ALG
	for alg in "${algs[@]}"; do
		esp_alg "$alg"
		if ip -n "$B" xfrm state add src 192.0.2.9 dst 192.0.2.8 proto esp spi 9 \
			mode tunnel "${ALG[@]}" 2>"$TMP/said"; then
			kept+=("$alg")
		else
			skip "ESP with $alg" "this kernel makes no such SA"
		fi
		must ip -n "$B" xfrm state flush
	done
	algs=("${kept[@]}")
}

# --- what way the packets take --------------------------------------------------

# ESP GRO ends with GRO_CONSUMED, which is 4. A train is one packet to the queue.
trace_ways()
{
	has_events net/napi_gro_receive_exit net/net_dev_queue || die "this kernel has no tracepoints"
	trace_on net/napi_gro_receive_exit 'ret == 4'
	trace_on net/net_dev_queue 'name == "wire0" && len > 2000'
}

sent=0
marked()
{
	trace_clear
	sent=$(stat "$B" wire0 tx_packets)
}

# gro_took_all: of what B has sent since marked(), but for what finds neighbours
gro_took_all()
{
	local packets taken
	packets=$(($(stat "$B" wire0 tx_packets) - sent))
	taken=$(traced 'napi_gro_receive_exit: ret=4')
	echo "B has sent $packets packets, GRO took $taken"
	[ "$taken" -ge 10 ] && [ "$taken" -ge $((packets * 9 / 10)) ]
}

trains_left() { [ "$(traced 'net_dev_queue: dev=wire0')" -gt 0 ]; }

# --- the cases ------------------------------------------------------------------

each_size()
{
	local i sizes=1
	for ((i = 2; i <= 1300; i += (i < 40 || i > 1280 ? 1 : 47))); do
		sizes+=,$i
	done
	[ -z "${FULL:-}" ] || sizes=$(seq -s, 1 1300)
	echo "$sizes"
}

talk() { CLIENT=$1 client "$2" --src "$3" "${@:4}"; }

# try N MODE OUTER INNER ALG ESN
try()
{
	local name="$5, $2, IPv$4 over IPv$3" IN_A IN_B sizes=1,13,14,15,16,17,1300
	[ "$2" != transport ] || name="$5, $2, IPv$4"
	[ "$6" = 0 ] || name+=", ESN"
	# Whatever the algorithm's block, 16 sizes in a row have every padding.
	[ "$1" -gt 4 ] || sizes=$(each_size)
	case_addrs "$1" "$4"
	marked
	ok_if "$name: the engine's UDP and TCP arrive" \
		talk near "$IN_B" "$IN_A" --udp "$sizes" --tcp "$bulk"
	ok_if "$name: it sends trains" trains_left
	marked
	ok_if "$name: the kernel's UDP and TCP arrive" \
		talk far "$IN_A" "$IN_B" --udp 1,1300 --tcp "$bulk"
	ok_if "$name: GRO took all of it" gro_took_all
}

is_accel || skip_all "the ESP engine" "it is not of this module"
skip_without_python esp
have ethtool || skip_all esp "ethtool is not installed"
modprobe -aq ccm xcbc cmac || true
bulk=100000

two_hosts
supported
if [ -n "${FULL:-}" ]; then all_cases; else some_cases; fi
engine_and_kernel lines
same "A's SAs are bound to the engine, B's are not" \
	"$(cat /sys/module/xfrm_accel/refcnt)" $((2 * ${#cases[@]}))
serve "$A"
serve "$B"
CLIENT=near open_client "$A"
CLIENT=far open_client "$B"
trace_ways
lines try
no_errors "${#cases[@]} cases"
flush_xfrm
ok_if "the module unloads" eval 'wait_for 10 impl_unused && unload_impl'
plan_done
