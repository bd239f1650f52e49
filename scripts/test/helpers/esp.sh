# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# esp.sh - ESP without an interface, for the tests of the engine. Source it after
# lib.sh and traffic.sh.
#
# A case is a pair of SAs on both hosts and what goes through them, told apart by its
# number N: reqid N, SPIs 0x10000 + 2N from A to B and one more from B to A, and
# addresses of its own, on lo:
#
#     $A  10.9.N.1, fd09:N::1              $B  10.9.N.2, fd09:N::2
#         wire0 ------------------------------ wire0

# esp_alg NAME: sets ALG to the words `ip xfrm state add` wants
esp_alg()
{
	local k128=0x00112233445566778899aabbccddeeff
	local k160=${k128}01020304 k256=$k128${k128#0x}
	local k384=$k256${k128#0x} k512=$k256${k256#0x}
	local cbc=(enc "cbc(aes)" "$k128")
	case $1 in
	gcm64) ALG=(aead "rfc4106(gcm(aes))" "$k160" 64) ;;
	gcm96) ALG=(aead "rfc4106(gcm(aes))" "$k160" 96) ;;
	gcm128) ALG=(aead "rfc4106(gcm(aes))" "$k160" 128) ;;
	gcm256) ALG=(aead "rfc4106(gcm(aes))" "${k256}01020304" 128) ;;
	ccm) ALG=(aead "rfc4309(ccm(aes))" "${k128}010203" 128) ;;
	gmac) ALG=(aead "rfc4543(gcm(aes))" "$k160" 128) ;;
	chacha) ALG=(aead "rfc7539esp(chacha20,poly1305)" "${k256}01020304" 128) ;;
	sha1) ALG=("${cbc[@]}" auth-trunc "hmac(sha1)" "$k160" 96) ;;
	sha256) ALG=("${cbc[@]}" auth-trunc "hmac(sha256)" "$k256" 128) ;;
	sha384) ALG=("${cbc[@]}" auth-trunc "hmac(sha384)" "$k384" 192) ;;
	sha512) ALG=("${cbc[@]}" auth-trunc "hmac(sha512)" "$k512" 256) ;;
	ctr) ALG=(enc "rfc3686(ctr(aes))" "$k160" auth-trunc "hmac(sha256)" "$k256" 128) ;;
	xcbc) ALG=("${cbc[@]}" auth-trunc "xcbc(aes)" "$k128" 96) ;;
	cmac) ALG=("${cbc[@]}" auth-trunc "cmac(aes)" "$k128" 96) ;;
	null) ALG=(enc ecb\(cipher_null\) "" auth-trunc "hmac(sha1)" "$k160" 96) ;;
	plain) ALG=(enc ecb\(cipher_null\) "" auth digest_null "") ;;
	*) die "esp_alg: $1" ;;
	esac
}

# keys SPI ALG [ESN]: as espwire.py wants them
keys()
{
	local ALG name
	esp_alg "$2"
	case $2 in
	gcm128 | gcm256) name=gcm ;;
	sha256) name=cbc ;;
	*) name=$2 ;;
	esac
	[ "${ALG[0]}" = aead ] || ALG[2]+=${ALG[5]#0x}
	echo "$1=$name:${ALG[2]}${3:+:$3}"
}

# case_addrs N 4|6: sets IN_A and IN_B
case_addrs()
{
	local net=10.$((9 + $1 / 250)).$(($1 % 250))
	IN_A=$net.1 IN_B=$net.2
	[ "$2" = 4 ] || IN_A=fd09:$1::1 IN_B=fd09:$1::2
}

# case_spi N: of the SA from A to B
case_spi() { printf '%#x' $((0x10000 + 2 * $1)); }

# One SA, one line of `ip -batch`: sa_line SRC DST SPI SELECTOR-SRC SELECTOR-DST. With
# ESN both ends stand just before the lower half of the sequence number overflows.
sa_line()
{
	local flags=() more=(replay-window 32) word line
	[ "$mode" != tunnel ] || flags=(af-unspec)
	if [ "$esn" = 1 ]; then
		flags+=(esn)
		more=(replay-window 128 replay-seq 0xffffffe0 replay-seq-hi 2
			replay-oseq 0xffffffe0 replay-oseq-hi 2)
	fi
	[ "$mode" != beet ] || more+=(sel src "$4" dst "$5")
	[ ${#flags[@]} = 0 ] || more+=(flag "${flags[@]}")
	line="xfrm state add src $1 dst $2 proto esp spi $3 reqid $n mode $mode"
	for word in "${ALG[@]}" "${more[@]}"; do
		line+=" ${word:-\"\"}"
	done
	echo "$line"
}

# case_sas N MODE OUTER INNER ALG ESN: the lines for both SAs, for either host
case_sas()
{
	local n=$1 mode=$2 inner=$4 esn=$6 spi SRC DST IN_A IN_B ALG
	outer_addrs "$3"
	case_addrs "$n" "$inner"
	esp_alg "$5"
	[ "$mode" != transport ] || SRC=$IN_A DST=$IN_B
	spi=$(case_spi "$n")
	sa_line "$SRC" "$DST" "$spi" "$IN_A" "$IN_B"
	sa_line "$DST" "$SRC" $((spi + 1)) "$IN_B" "$IN_A"
}

# case_paths HOST N MODE OUTER INNER [DEV]: the lines for addresses, routes and policies
case_paths()
{
	local n=$2 mode=$3 outer=$4 inner=$5 dev=${6:-wire0} SRC DST IN_A IN_B
	local near far gateway ends back bits=32 dad="" route=""
	case_addrs "$n" "$inner"
	outer_addrs "$inner"
	near=$IN_A far=$IN_B gateway=$DST
	[ "$1" = A ] || near=$IN_B far=$IN_A gateway=$SRC
	outer_addrs "$outer"
	ends="src $SRC dst $DST" back="src $DST dst $SRC"
	[ "$1" = A ] || { ends="src $DST dst $SRC"; back="src $SRC dst $DST"; }
	[ "$mode" != transport ] || ends='' back=''
	[ "$inner" = 4 ] || bits=128 dad=nodad
	echo "addr add $near/$bits dev lo $dad"
	# The kernel counts on less for BEET between families than it then needs.
	[ "$mode$inner$outer" != beet46 ] || route="advmss 1200"
	echo "route add $far/$bits via $gateway dev $dev src $near $route"
	echo "xfrm policy add src $near dst $far dir out tmpl $ends proto esp reqid $n mode $mode"
	echo "xfrm policy add src $far dst $near dir in tmpl $back proto esp reqid $n mode $mode"
}

# lines CMD...: CMD for each of the cases, a list of words; they come after its number
lines()
{
	local n=0 c
	for c in "${cases[@]}"; do
		n=$((n + 1))
		# shellcheck disable=SC2086
		"$1" $n $c
	done
}

# ESP GRO runs on a veth that is asked to when its peer sends no ready-made trains.
esp_gro() { must in_ns "$1" ethtool -K "${3:-wire0}" gro "$2" tso off; }

# engine_and_kernel LINES: SAs and ways for every case. LINES COMMAND calls COMMAND with
# each. A's SAs are bound to the engine; B's, made before the module was loaded, are the
# kernel's, which decrypts as well: B has no GRO.
engine_and_kernel()
{
	local host
	"$1" case_sas >"$TMP/sas"
	must ip -n "$B" -batch "$TMP/sas"
	must load_impl
	must ip -n "$A" -batch "$TMP/sas"
	for host in A B; do
		paths() { case_paths $host "${@:1:4}"; }
		"$1" paths >"$TMP/paths-$host"
		must ip -n "${!host}" -batch "$TMP/paths-$host"
	done
	esp_gro "$A" on
	esp_gro "$B" off
}

# xfrm_errors NS: what /proc/net/xfrm_stat has counted
xfrm_errors()
{
	in_ns "$1" awk '$2 { printf "%s%s=%s", sep, $1, $2; sep = " " }' /proc/net/xfrm_stat
}

# no_errors NAME: neither host has counted any
no_errors()
{
	same "$1: no host has an xfrm error" "A: $(xfrm_errors "$A") B: $(xfrm_errors "$B")" "A:  B: "
}

# watch_esp NAME NS DEV in|out [KEYS...], esp_seen NAME: see espwire.py
watch_esp()
{
	open_talk "$1" ip netns exec "$2" "$TESTDIR/helpers/espwire.py" watch "${@:3}"
}

esp_seen() { ask "$1" "" && answer "$1" 60; }

# dense LINE: some ESP was seen, and no number is missing, twice or out of turn
dense()
{
	echo "on the wire: $1"
	[ -n "$1" ] && ! grep -qE '(holes|twice|late|ivs|bad|lost)=[1-9]' <<<"$1"
}

# unique LINE: no number and no IV was seen twice
unique()
{
	echo "on the wire: $1"
	[ -n "$1" ] && ! grep -qE '(twice|ivs|bad|lost)=[1-9]' <<<"$1"
}
