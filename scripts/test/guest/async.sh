#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# cpus: 2
# Decryption that completes later, on another CPU: xfrm_input() of 6.1 and 6.12
# takes a reference on the NIC and gives it back on whatever skb->dev is when
# decryption has completed: with an xfrm interface that is the interface. The
# in-tree one thus leaks a reference of the NIC for each packet and frees its own
# device too often: neither can be deleted any more ("waiting for wire0 to become
# free"). That is why this test does not run with it unless PROVE_INTREE=1.
#
#     $A  ipsecN 10.N.0.1, fd00:N::1                $B  ipsecN 10.N.0.2, fd00:N::2
#         wire0 ------------------------------------- wire0
#
# How a cipher is made asynchronous on a stock kernel: cryptd(X) and pcrypt(X) are
# templates that run X later, on a work queue, and offer it under X's own name with
# a higher priority. Binding an AF_ALG socket to the template's name makes the
# kernel instantiate it; whoever asks for X from then on gets the asynchronous one.
# Here X is the whole of what ESP asks for, seqiv(...): the kernel has no self-test
# for that, and its self-tests of cryptd fail on some 6.1. The ciphers are ones that
# no other test uses, one for each template: an instance stays until the machine
# goes. pcrypt needs a kernel with SMP.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"

# instantiate NAME TEMPLATE: makes TEMPLATE(NAME). The bind itself fails, for what
# is made has another name: NAME, and a driver name with all drivers in it.
instantiate()
{
	python3 -c '
import socket, sys
socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0).bind(("aead", sys.argv[1]))' "$2($1)" || true
	uses "$1" "$2"
}

# driver_of NAME: the implementation in use, by /proc/crypto
driver_of()
{
	awk -v n="$1" '$1 == "name" { hit = ($3 == n) } hit && $1 == "driver" { print $3 }' /proc/crypto
}

# uses NAME TEMPLATE: the preferred implementation of NAME is the template's
uses()
{
	driver_of "$1"
	grep -q "^$2(" <<<"$(driver_of "$1")"
}

# asynchronous_sas N WORDS...: the SAs of if_id N, both ways, both hosts
asynchronous_sas()
{
	local n=$1 ns
	shift
	for ns in "$A" "$B"; do
		must ip -n "$ns" xfrm state add src $OUT4_A dst $OUT4_B proto esp \
			spi 0x${n}000 reqid "$n" mode tunnel if_id "$n" replay-window 32 "$@" flag af-unspec
		must ip -n "$ns" xfrm state add src $OUT4_B dst $OUT4_A proto esp \
			spi 0x${n}001 reqid "$n" mode tunnel if_id "$n" replay-window 32 "$@" flag af-unspec
	done
}

# seq_errors: packets that came too late for a replay window of 32
seq_errors() { echo "$(mib "$A" XfrmInStateSeqError) $(mib "$B" XfrmInStateSeqError)"; }

# try NAME IF_ID TEMPLATE CIPHER KEY
try()
{
	local name=$1 n=$2 template=$3 cipher=$4 before far late
	if ! instantiate "seqiv($cipher)" "$template" >"$TMP/said" 2>&1; then
		skip "$name" "this kernel makes no $template(seqiv($cipher))"
		return
	fi
	two_hosts
	asynchronous_sas "$n" aead "$cipher" "$5" 128
	policy_pair if_id="$n" reqid="$n"
	xfrm_link A if_id="$n" dev=ipsec$n
	xfrm_link B if_id="$n" dev=ipsec$n
	serve "$B"
	CLIENT=client$n
	open_client "$A"
	ok_if "$name: it is what the SAs use" uses "seqiv($cipher)" "$template"

	for far in 10.$n.0.2 fd00:$n::2; do
		ok_if "$name: ping, UDP and TCP to $far" client $far --ping 100 --udp 1,1200 --tcp 300000
	done
	falls_silent "$A" ipsec"$n" || die "A still sends"
	before=$(seq_errors)
	late=$(stat "$B" ipsec$n rx_packets)
	must burst 10.$n.0.2 --count 300 --size 200 --port 9
	ok_if "$name: 300 datagrams in a row arrive" \
		wait_for 5 at_least $((late + 300)) "$B" ipsec"$n" rx_packets
	same "$name: none came too late for the replay window" "$(seq_errors)" "$before"
	delete_all "$name" "$n"
}

# A device that is still referred to is not deleted in hours either.
patience=$((10 * ${SLOW:-1}))

# delete_all NAME IF_ID: under traffic a moment ago, and at once
delete_all()
{
	local host
	for host in A B; do
		ok_if "$1: the device on $host is deleted at once" \
			timeout $patience ip -n "${!host}" link del ipsec"$2"
	done
	ok_if "$1: the wire is deleted at once" timeout $patience ip -n "$A" link del wire0
	for host in A B; do
		ok_if "$1: so is the network namespace of $host" del_ns "${!host}"
		wait_for 10 not exists "${!host}" lo || true
	done
}

skip_without_python async
is_accel || [ -n "${PROVE_INTREE:-}" ] ||
	skip_all async "the in-tree interface breaks the machine here: no device could be deleted any more"

key=0x000102030405060708090a0b0c0d0e0f101112
modprobe -aq cryptd pcrypt ccm chacha20poly1305 algif_aead || true
try "ESP with cryptd" 3 cryptd "rfc4309(ccm(aes))" $key
try "ESP with pcrypt" 4 pcrypt "rfc7539esp(chacha20,poly1305)" \
	${key}131415161718191a1b1c1d1e1f20212223
plan_done
