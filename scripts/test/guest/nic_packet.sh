#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Packet offload to espnic: the kernel of $A sends and receives plain packets, and nic0
# adds and removes all of ESP. On the other host the kernel's own ESP does.
#
#     $A  nic0 (espnic)                    $B  the kernel's esp_output and esp_input
#         wire0 ------------------------------ wire0
#         10.9.N.1, fd09:N::1                  10.9.N.2, fd09:N::2       (case N)
#
# B's SAs of the cases were made before the module was loaded, so they are bound to no
# engine. Kernels before 6.2 have no packet offload, and refuse.
#
# needs: unloaded

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/esp.sh
. "$TESTDIR/helpers/esp.sh"
# shellcheck source=scripts/test/helpers/nic.sh
. "$TESTDIR/helpers/nic.sh"

is_accel || skip_all nic_packet "it is ours alone"
skip_without_python nic_packet

KEY=0x00112233445566778899aabbccddeeff01020304
GCM=(aead "rfc4106(gcm(aes))" "$KEY" 128)
cases=("tunnel 4 4 gcm128 0" "tunnel 6 6 gcm128 0" "tunnel 4 4 gcm128 1" "transport 4 4 sha256 0"
	"transport 6 6 gcm128 0" "tunnel 6 6 chacha 1" "transport 6 6 sha256 1")

# packet NS WORDS...: see packet.py
packet() { in_ns "$1" python3 -I "$TESTDIR/helpers/packet.py" "${@:2}"; }

# says NAME WANTED WORDS...: what A's kernel answers
says() { same "$1" "$(packet "$A" "${@:3}")" "$2"; }

# takes WORDS...: A's kernel must
takes() { must packet "$A" "$@"; }

# dir in its place, and of policies none
by_nic0() { sed "/state/ { 1~2 s/\$/ offload packet dev nic0 dir out/; 2~2 s/\$/ offload packet dev nic0 dir in/ }; /policy/ s/\$/ offload packet dev nic0/"; }

# of_sa NS SPI WHAT: a number that `ip -s xfrm state` shows of an SA
of_sa()
{
	ip -n "$1" -s xfrm state | awk -v spi="$(printf '0x%08x' "$2")" -v what="$3" '
		/^src / { mine = 0 }
		/^\tproto esp spi / && $4 ~ spi "\\(" { mine = 1 }
		!mine { next }
		what == "packets" && /lifetime current:/ { current = 1; next }
		what == "packets" && current { gsub(/[^0-9 ]/, " "); print $2; exit }
		what == "bytes" && /lifetime current:/ { current = 1; next }
		what == "bytes" && current { gsub(/[^0-9 ]/, " "); print $1; exit }
		/replay-window [0-9]+ replay [0-9]+ failed/ {
			for (i = 1; i < NF; i++)
				if ($i == what) { print $(i + 1); exit }
		}'
}

# --- the cases ------------------------------------------------------------------

# try N MODE OUTER INNER ALG ESN: every packet of A is made ESP and plain again by nic0
try()
{
	local IN_A IN_B tx rx spi
	case_addrs "$1" "$4"
	spi=$(case_spi "$1")
	tx=$(count "$A" ipsec_tx_pkts) rx=$(count "$A" ipsec_rx_pkts)
	ok_if "$*: what is sent arrives, both ways" client "$IN_B" --src "$IN_A" --ping 100 \
		--tcp 200000 --udp 1,100,1300
	ok_if "$*: nic0 has done the work" worked "$tx" "$rx"
	same "$*: the SA out counts what it carries" "$(of_sa "$A" $((spi)) packets)" \
		"$(of_sa "$B" $((spi)) packets)"
	same "$*: and the SA in" "$(of_sa "$A" $((spi + 1)) packets)" \
		"$(of_sa "$B" $((spi + 1)) packets)"
}

worked()
{
	local tx rx
	tx=$(($(count "$A" ipsec_tx_pkts) - $1)) rx=$(($(count "$A" ipsec_rx_pkts) - $2))
	echo "encrypted $tx, decrypted $rx"
	[ "$tx" -gt 100 ] && [ "$rx" -gt 20 ]
}

# judge: what nic0 sends is decrypted by none of the kernels as well
JUDGE=
judge()
{
	python3 -c 'import cryptography' 2>/dev/null || { skip "the wire" "python3-cryptography is not installed"; return; }
	JUDGE=1
	watch_esp wire "$B" wire0 in "$(case_spi 1)=gcm:$KEY" "$(case_spi 2)=gcm:$KEY" "$(case_spi 3)=gcm:$KEY:2" \
		"$(case_spi 6)=chacha:0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff01020304:2"
}

paths_of()
{
	local host=$1 dev=nic0
	[ "$host" = A ] || dev=wire0
	paths() { case_paths "$host" "${@:1:4}" $dev; }
	lines paths
}

# --- what comes in ----------------------------------------------------------------

seq=1000000

# fate NAME WHAT SEQ WANTED: one packet, and a word that arrives or a counter that rises
fate()
{
	ask forge "$2 $3"
	answer forge 20 >/dev/null || die "the program that makes packets has died: $2 $3"
	ask heard ""
	same "$name: $1" "$(answer heard 20)" "$4"
}

# forged_case N KEYS: what B's kernel would not send
forged_case()
{
	local IN_A IN_B spi mac name="case $1" proto=XfrmInStateProtoError window=XfrmInStateSeqError old wrong=2
	old=$window
	[ "${2//[!:]/}" = : ] || { old=$proto; wrong=3; }
	case_addrs "$1" "$(cut -d' ' -f3 <<<"${cases[$1 - 1]}")"
	outer_addrs "$(cut -d' ' -f2 <<<"${cases[$1 - 1]}")"
	spi=$(($(case_spi "$1") + 1))
	mac=$(in_ns "$A" cat /sys/class/net/nic0/address)
	open_talk forge ip netns exec "$B" "$TESTDIR/helpers/espwire.py" forge wire0 "$mac" \
		"$DST" "$SRC" "$IN_B" "$IN_A" 7100 "$spi=$2"
	fate "a good packet" good $((seq + 1)) good
	fate "the same number again" replay $((seq + 1)) $window
	fate "a wrong ICV" icv $((seq + 2)) $proto
	fate "a good one with that number" good $((seq + 2)) good
	fate "a number it was not sealed under" header $((seq + 300)) $proto
	fate "the window has not moved" after $((seq + 3)) good
	fate "a dummy packet" dummy $((seq + 4)) $proto
	fate "a next header that is no IP" proto $((seq + 5)) $proto
	fate "less than header and ICV" short $((seq + 6)) $proto
	fate "the oldest that the window has" good $((seq + 5 - 31)) good
	fate "and again" replay $((seq + 5 - 31)) $window
	fate "far ahead" good $((seq + 1000)) good
	# With ESN it could be of the next 2^32, and is not genuine as that.
	fate "older than the window" replay $((seq + 1000 - 128)) "$old"
	# The kernel decrypts it: both go by one window.
	if [ "$(cut -d' ' -f2 <<<"${cases[$1 - 1]}")" = 4 ]; then
		fate "IPv4 options" options $((seq + 1001)) options
		fate "and without" replay $((seq + 1001)) $window
	fi
	close_talk forge
	same "$name: the SA knows what was seen again" "$(of_sa "$A" $spi replay)" "$3"
	same "$name: what was too old" "$(of_sa "$A" $spi replay-window)" $((3 - wrong))
	same "$name: what was wrong" "$(of_sa "$A" $spi failed)" $wrong
	same "$name: and nic0 has dropped the former" "$(count "$A" ipsec_rx_drop_replay)" "$4"
}

forged()
{
	[ -n "$JUDGE" ] || { skip "what comes in" "python3-cryptography is not installed"; return; }
	open_talk heard ip netns exec "$A" "$TESTDIR/helpers/espwire.py" listen 7100
	forged_case 1 "gcm:$KEY" 3 4
	forged_case 3 "gcm:$KEY:3" 3 7
	forged_case 2 "gcm:$KEY" 2 10
	close_talk heard
}

# --- one tunnel, 10.50.0.1 and 10.60.0.2 --------------------------------------------

# tunnel_of HOST: its inner address, and the way to the other
tunnel_way()
{
	local dev=nic0 near=10.50.0.1 far=10.60.0.2 via=$OUT4_B
	[ "$1" = A ] || { dev=wire0; near=10.60.0.2; far=10.50.0.1; via=$OUT4_A; }
	must ip -n "${!1}" -batch - <<-END
		addr replace $near/32 dev lo
		route replace $far/32 via $via dev $dev src $near
	END
}

TO="src 192.0.2.1 dst 192.0.2.2" FRO="src 192.0.2.2 dst 192.0.2.1"
SA="proto esp reqid 50 mode tunnel replay-window 32"

# sas [OUT-WORDS [IN-WORDS]]: of the tunnel, on both hosts, and no others
sas()
{
	local out="xfrm state add $TO spi 0x5000 $SA ${GCM[*]}" in="xfrm state add $FRO spi 0x5001 $SA ${GCM[*]}"
	must ip -n "$A" xfrm state flush
	must packet "$A" -batch <<-END
		$out ${1:-} offload packet dev nic0 dir out
		$in ${2:-} offload packet dev nic0 dir in
	END
	must ip -n "$B" -batch - <<<$'xfrm state flush\n'"$out"$'\n'"$in"
}

# policies: of the tunnel, for 10.50.0.0/24 and 10.60.0.0/24, and no others
THERE="src 10.50.0.0/24 dst 10.60.0.0/24" BACK="src 10.60.0.0/24 dst 10.50.0.0/24"
policies()
{
	local tmpl="proto esp reqid 50 mode tunnel"
	must ip -n "$A" xfrm policy flush
	must packet "$A" -batch <<-END
		xfrm policy add $THERE dir out priority 100 tmpl $TO $tmpl offload packet dev nic0
		xfrm policy add $BACK dir in priority 100 tmpl $FRO $tmpl offload packet dev nic0
	END
	must ip -n "$B" -batch - <<-END
		xfrm policy flush
		xfrm policy add $BACK dir out tmpl $FRO $tmpl
		xfrm policy add $THERE dir in tmpl $TO $tmpl
		xfrm policy add $THERE dir fwd tmpl $TO $tmpl
	END
}

works() { ok_if "$1: the tunnel works" pings "$A" 10.60.0.2; }

# answered COUNT [PING WORDS...]: how many of so many
answered() { in_ns "$A" ping -n -q -i 0.02 -W 1 -c "$1" "${@:2}" 10.60.0.2 | grep -o '[0-9]* received'; }

# forwards: packets that nobody here has sent, long trains of them as well
forwards()
{
	local errors
	tunnel_way A
	tunnel_way B
	new_ns C
	must ip -n "$A" link add inside type veth peer name wire0 netns "$C"
	must ip -n "$A" addr add 10.51.0.1/24 dev inside
	must ip -n "$A" link set inside up
	must ip -n "$C" -batch - <<-END
		addr add 10.50.0.3/32 dev lo
		addr add 10.51.0.3/24 dev wire0
		link set wire0 up
		link set lo up
		route add 10.60.0.2/32 via 10.51.0.1 src 10.50.0.3
	END
	must ip -n "$A" route add 10.50.0.3/32 via 10.51.0.3 dev inside
	must ip -n "$B" route add 10.50.0.3/32 via $OUT4_A dev wire0 src 10.60.0.2
	must in_ns "$A" sysctl -qw net.ipv4.ip_forward=1
	sas
	policies
	works "a tunnel of its own"
	errors="$(xfrm_errors "$A"); $(xfrm_errors "$B")"
	CLIENT=behind
	open_client "$C"
	ok_if "what another host sends passes, both ways" client 10.60.0.2 --src 10.50.0.3 --ping 100 \
		--tcp 1000000 --udp 1,100,1300
	CLIENT=client
	same "nor is there any error" "$(xfrm_errors "$A"); $(xfrm_errors "$B")" "$errors"
	ok_if "nothing failed" test "$(count "$A" ipsec_tx_drop_pkts)" = 0
}

# --- ends -------------------------------------------------------------------------

expired() { grep -q "hard $1" "$TMP/expired"; }

# The monitor is known to listen when it has heard of an SA that expires at once.
hears()
{
	stdbuf -oL ip -n "$A" xfrm monitor expire >"$TMP/expired" 2>&1 &
	MONITOR=$!
	at_exit kill $MONITOR
	wait_for 10 eval "[ -n \"\$(in_ns '$A' ss -f netlink | grep xfrm)\" ]" || sleep 1
	: >"$TMP/expired"
}

expires()
{
	local dropped
	dropped=$(count "$A" ipsec_rx_drop_expired)
	hears
	sas "limit packet-soft 10 limit packet-hard 20"
	same "before the soft limit" "$(answered 9)" "9 received"
	not_if "the kernel says nothing" expired 0
	same "the packet that reaches it" "$(answered 1)" "1 received"
	ok_if "makes the kernel say so" wait_for 5 expired 0
	same "up to the hard limit" "$(answered 20 2>/dev/null)" "10 received"
	ok_if "the kernel says so" wait_for 5 expired 1
	not_if "the SA has ended" eval 'ip -n "$A" xfrm state | grep -q "spi 0x00005000"'
	same "in the device as well" "$(nic "$A" show nic0 sa_count)" 1
	: >"$TMP/expired"
	sas "" "limit byte-soft 500 limit byte-hard 1000"
	same "answers of 84 bytes up to 1000" "$(answered 20)" "12 received"
	ok_if "the kernel says so of an SA in" wait_for 5 expired 1
	ok_if "and has said so before" expired 0
	ok_if "what comes later is not decrypted by the device" test "$(count "$A" ipsec_rx_drop_expired)" = "$dropped"
	kill $MONITOR
	dropped=$(count "$A" ipsec_tx_drop_expired)
	sas "replay-oseq 0xfffffffd"
	same "with two numbers left" "$(answered 5)" "2 received"
	same "none is used again" $(($(count "$A" ipsec_tx_drop_expired) - dropped)) 3
	sas "" "replay-window 0"
	works "afterwards"
}

# acquires: a policy without an SA asks for one, and keeps a place for it
acquires()
{
	must ip -n "$A" xfrm state flush
	stdbuf -oL ip -n "$A" xfrm monitor acquire >"$TMP/asked" 2>&1 &
	MONITOR=$!
	at_exit kill $MONITOR
	asked() { in_ns "$A" ping -n -q -c 1 -W 1 10.60.0.2; grep -q acquire "$TMP/asked"; }
	ok_if "without an SA the daemon is asked for one" wait_for 10 asked
	ok_if "whose place is nic0's" eval 'ip -n "$A" xfrm state | grep -q "spi 0x00000000"'
	same "which has nothing to do yet" "$(nic "$A" show nic0 sa_count)" 0
	kill $MONITOR
	sas
	works "with the SAs"
}

# --- policies ---------------------------------------------------------------------

# blocked COUNTER N CMD...: CMD, and so many more are counted
blocked()
{
	local before
	before=$(count "$A" "$1")
	"${@:3}" || true
	same "$NAME" $(($(count "$A" "$1") - before)) "$2"
}

# datagrams PORT: three from B to A, which reach it or not
datagrams() { in_ns "$B" bash -c "for i in 1 2 3; do echo \$i >/dev/udp/10.50.0.1/$1; done" 2>/dev/null; }

blocks()
{
	local gro
	policies
	sas
	# shellcheck disable=SC2086
	takes xfrm policy add $BACK proto udp dport 7200 dir in priority 10 \
		action block offload packet dev nic0
	NAME="what a policy blocks, decrypted" blocked ipsec_rx_drop_policy 3 datagrams 7200
	NAME="another port" blocked ipsec_rx_drop_policy 0 datagrams 7201
	works "beside a policy that blocks"
	# shellcheck disable=SC2086
	must ip -n "$A" xfrm policy delete $BACK proto udp dport 7200 dir in
	NAME="after it was deleted" blocked ipsec_rx_drop_policy 0 datagrams 7200
	# shellcheck disable=SC2086
	takes xfrm policy add $THERE proto udp dport 7200 dir out priority 10 \
		action block offload packet dev nic0
	not_if "what a policy blocks is not sent" in_ns "$A" bash -c 'echo 1 >/dev/udp/10.60.0.2/7200'

	must ip -n "$B" xfrm policy flush
	NAME="plain text where there must be none" blocked ipsec_rx_drop_policy 3 datagrams 7201
	# shellcheck disable=SC2086
	takes xfrm policy add $BACK proto udp dport 7202 dir in priority 10 offload packet dev nic0
	NAME="plain text that a policy wants so" blocked ipsec_rx_drop_policy 0 datagrams 7202
	policies
	# shellcheck disable=SC2086
	must ip -n "$A" xfrm state delete $FRO proto esp spi 0x5001
	# shellcheck disable=SC2086
	takes xfrm state add $FRO spi 0x5001 ${SA/reqid 50/reqid 51} "${GCM[@]}" offload packet dev nic0 dir in
	NAME="an SA that the policy does not mean" blocked ipsec_rx_drop_mismatch_sa_sel 3 datagrams 7201
	sas "" "sel src 10.60.0.9/32 dst 10.50.0.1/32"
	NAME="an SA that is for other addresses" blocked ipsec_rx_drop_mismatch_sa_sel 3 datagrams 7201
	sas
	# shellcheck disable=SC2086
	must ip -n "$A" xfrm policy delete $BACK dir in
	NAME="a tunnel without a policy" blocked ipsec_rx_drop_mismatch_sa_sel 3 datagrams 7201
	policies
	works "with the policies again"
	# Of an SA that the device has not the kernel is the judge, wherever it decrypts.
	for gro in on off; do
		esp_gro "$A" $gro
		sas
		must ip -n "$A" xfrm state flush
		# In this order, see by_link().
		# shellcheck disable=SC2086
		must ip -n "$A" xfrm state add $FRO spi 0x5001 $SA "${GCM[@]}"
		# shellcheck disable=SC2086
		takes xfrm state add $TO spi 0x5000 $SA "${GCM[@]}" offload packet dev nic0 dir out
		works "an SA of the kernel's beside policies of the device, GRO of the wire $gro"
	done
	sas
}

# --- what it cannot do ---------------------------------------------------------------

# no NAME ANSWER WORDS...: to be refused
no()
{
	names+=("$1") wanted+=("$2")
	echo "${*:3}" >>"$TMP/no"
}

# no_sa NAME MESSAGE WORDS...: an SA like the tunnel's but for the words
no_sa() { no "$1" "$2" xfrm state add "$TO" spi 0x5009 proto esp "${GCM[*]}" "${@:3}"; }

# no_policy NAME MESSAGE WORDS...
no_policy() { no "$1" "$2" xfrm policy add src 10.60.0.0/24 dst 10.61.0.0/24 "${@:3}" offload packet dev nic0; }

# refused_all: they are
refused_all()
{
	local got i
	packet "$A" -batch <"$TMP/no" >"$TMP/said" || true
	mapfile -t got < <(sed 's/: xfrm .*//' "$TMP/said")
	for ((i = 0; i < ${#names[@]}; i++)); do
		same "refused: ${names[i]}" "${got[i]:-}" "${wanted[i]}"
	done
	names=() wanted=()
	rm "$TMP/no"
}

refusals()
{
	local names=() wanted=() out="offload packet dev nic0 dir out" tmpl="tmpl $TO proto esp mode tunnel"
	local no="EOPNOTSUPP: espnic:"
	no_sa "a tunnel of the other family" "$no packet offload only of tunnels in one IP version" \
		mode tunnel sel src fd50::1 dst fd50::2 "$out"
	no_sa "numbers again" "$no packet offload never uses a sequence number twice" \
		mode tunnel extra-flag oseq-may-wrap "$out"
	no_sa "BEET" "$no only tunnel and transport mode" mode beet sel src 10.50.0.1 dst 10.60.0.2 "$out"
	no_sa "ESP in UDP" "$no not ESP in UDP" mode tunnel encap espinudp 4500 4500 "$out"
	no_policy "a policy for forwarding" \
		"$no no forward policies: those of dir in are for forwarded packets as well" dir fwd "$tmpl"
	no_policy "two templates" "$no no policies with more than one template" dir out "$tmpl" "$tmpl"
	no_policy "a policy for AH" "$no only policies for ESP in tunnel or transport mode" \
		dir out "${tmpl/proto esp/proto ah}"
	no_policy "an incoming policy with an if_id" "$no no incoming policies with an if_id" dir in if_id 7 "$tmpl"
	refused_all
	# shellcheck disable=SC2086
	refused "refused: an incoming SA with an if_id" "if_id" packet "$A" \
		xfrm state add $FRO spi 0x5009 $SA "${GCM[@]}" if_id 7 offload packet dev nic0 dir in
	nic "$A" change nic0 refuse=1 >/dev/null
	no_sa "an SA, by a device that is told to fail" "EIO: espnic: told to fail" mode tunnel "$out"
	no_policy "a policy, by the same" "EIO: espnic: told to fail" dir out "$tmpl"
	refused_all
	nic "$A" change nic0 refuse=2 >/dev/null
	no_sa "an SA, by one that cannot: there is no way back" "$no told to refuse" mode tunnel "$out"
	refused_all
	nic "$A" change nic0 refuse=0 sa_max=2 >/dev/null
	no_sa "an SA, by one that is full" "ENOSPC: espnic: no room for more SAs (sa-max)" mode tunnel "$out"
	refused_all
	nic "$A" change nic0 sa_max=100 >/dev/null
	same "none of them is there" "$(nic "$A" show nic0 sa_count)" 2
}

faults()
{
	local known
	nic "$A" change nic0 corrupt=4 >/dev/null
	same "of 40 answers every fourth is found wrong" "$(answered 40)" "30 received"
	nic "$A" change nic0 corrupt=0 >/dev/null
	same "the SA counts them" "$(of_sa "$A" 0x5001 failed)" 10
	must in_ns "$A" ethtool -K nic0 esp-hw-offload off
	works "esp-hw-offload off is for new SAs"
	says "which are refused" "EOPNOTSUPP: espnic: esp-hw-offload is off (ethtool -K)" \
		xfrm state add $TO spi 0x5009 $SA "${GCM[@]}" offload packet dev nic0 dir out
	must in_ns "$A" ethtool -K nic0 esp-hw-offload on
	known=$(count "$A" ipsec_tx_drop_no_state)
	nic "$A" change nic0 lose=0x5000 >/dev/null
	same "without the SA nothing leaves" "$(answered 3)" "0 received"
	same "and that is counted" $(($(count "$A" ipsec_tx_drop_no_state) - known)) 3
	sas
	works "afterwards"
}

# --- other ways ---------------------------------------------------------------------

# by_link: an interface of ours in front; in comes what the kernel decrypts
by_link()
{
	local n
	flush_xfrm
	# shellcheck disable=SC2086
	must ip -n "$A" xfrm state add $FRO spi 0x7001 $SA "${GCM[@]}" if_id 7
	# In this order: the kernel overlooks SAs of a device that it has put behind its own.
	# shellcheck disable=SC2086
	takes xfrm state add $TO spi 0x7000 $SA "${GCM[@]}" if_id 7 offload packet dev nic0 dir out
	takes xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out if_id 7 tmpl $TO proto esp reqid 50 mode tunnel \
		offload packet dev nic0
	must ip -n "$A" xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir in if_id 7 \
		tmpl $FRO proto esp reqid 50 mode tunnel
	sa_pair sides=B spi=0x7000 reqid=50
	policy_pair sides=B reqid=50
	xfrm_link A link=nic0
	xfrm_link B
	n=$(count "$A" ipsec_tx_pkts)
	ok_if "an interface in front" client 10.7.0.2 --ping 100 --tcp 200000 --udp 1,100,1300
	ok_if "nic0 has done the work" test $(($(count "$A" ipsec_tx_pkts) - n)) -gt 50
	must ip -n "$A" link del ipsec0
	must ip -n "$B" link del ipsec0
}

# pair_lines DEV SA-OUT SA-IN OUT IN: SAs and policies for one end
pair_lines()
{
	local esp="proto esp reqid 52 mode transport" by="offload packet dev $1"
	cat <<-END
		xfrm state add $2 $esp ${GCM[*]} $by dir out
		xfrm state add $3 $esp replay-window 256 ${GCM[*]} $by dir in
		xfrm policy add $4 dir out tmpl $esp $by
		xfrm policy add $5 dir in tmpl $esp $by
	END
}

# pair: two of the kind, and both do everything
pair()
{
	local IN_A=10.52.0.1 IN_B=10.52.0.2 host dev addr tx out in
	flush_xfrm
	must nic "$A" add pair0
	must nic "$A" add pair1 peer=pair0
	must ip -n "$A" link set pair1 netns "$B"
	for host in A B; do
		dev=pair0 addr=IN_$host
		[ $host = A ] || dev=pair1
		must ip -n "${!host}" addr add ${!addr}/24 dev $dev
		must ip -n "${!host}" link set $dev up
	done
	wait_for 10 in_ns "$A" ping -c1 -W1 $IN_B || die "no way between the two"
	out="src $IN_A dst $IN_B" in="src $IN_B dst $IN_A"
	must packet "$A" -batch <<<"$(pair_lines pair0 "$out spi 0x5200" "$in spi 0x5201" "$out" "$in")"
	must packet "$B" -batch <<<"$(pair_lines pair1 "$in spi 0x5201" "$out spi 0x5200" "$in" "$out")"
	ok_if "between two of the kind" client $IN_B --ping 100 --tcp 1000000 --udp 1,100,1300
	tx=$(count "$A" ipsec_tx_pkts pair0)
	ok_if "all of it encrypted" test "$tx" -gt 100
	same "and decrypted by the other" "$(count "$B" ipsec_rx_pkts pair1)" "$tx"
	same "packets, as both SAs say" "$(of_sa "$A" 0x5200 packets)" "$(of_sa "$B" 0x5200 packets)"
	same "bytes" "$(of_sa "$A" 0x5200 bytes)" "$(of_sa "$B" 0x5200 bytes)"
	must ip -n "$A" link del pair0
	ok_if "a device that is deleted takes its SAs along" wait_for 5 eval \
		'[ -z "$(ip -n "$A" xfrm state)$(ip -n "$A" xfrm policy)" ]'
}

goes_down()
{
	flush_xfrm
	sas
	policies
	works "before nic0 goes down"
	must ip -n "$A" link set nic0 down
	same "a device that is down has no SAs" "$(nic "$A" show nic0 sa_count)" 0
	same "nor has the kernel any of its" "$(ip -n "$A" xfrm state | grep -c offload; ip -n "$A" xfrm policy | grep -c offload)" "0"$'\n'"0"
	takes_addresses A nic0
	tunnel_way A
	sas
	policies
	works "when it is up again"
}

unloads()
{
	flush_xfrm
	ok_if "it unloads, and the device goes" wait_for 10 rmmod xfrm_accel
}

two_hosts
lines case_sas >"$TMP/sas"
must ip -n "$B" -batch "$TMP/sas"
must load_impl
nic_on A
by_nic0 <"$TMP/sas" >"$TMP/sas-A"

if ! packet "$A" -batch <<<"$(head -n 1 "$TMP/sas-A")" >"$TMP/said"; then
	same "a kernel without packet offload says so" "$(sed 's/: xfrm .*//' "$TMP/said")" \
		"EINVAL: Unrecognized flags in offload request"
	same "and the device has no SA" "$(nic "$A" show nic0 sa_count)" 0
	unloads
	plan_done
fi

esp_gro "$B" off
ok_if "A: every SA is taken" eval 'sed 1d "$TMP/sas-A" | packet "$A" -batch'
same "A: the device says so" "$(nic "$A" show nic0 sa_count)" $((2 * ${#cases[@]}))
paths_of A >"$TMP/paths"
must ip -n "$A" -batch - <<<"$(grep -v policy "$TMP/paths")"
ok_if "A: and every policy" eval 'grep policy "$TMP/paths" | by_nic0 | packet "$A" -batch'
paths_of B >"$TMP/paths"
must ip -n "$B" -batch "$TMP/paths"
serve "$B"
open_client "$A"
judge
lines try
if [ -n "$JUDGE" ]; then
	ok_if "the wire: each packet is right to its last byte, and none is missing" dense "$(esp_seen wire)"
	close_talk wire
fi
no_errors "after all of it"
forged
forwards
expires
acquires
blocks
refusals
faults
by_link
pair
goes_down
unloads
plan_done
