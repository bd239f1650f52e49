# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# swan.sh - strongSwan on both hosts, for the tests. Source it after lib.sh and
# traffic.sh.

charon=/usr/sbin/charon-systemd

# swan HOST WORDS...: swanctl for the daemon of that host
swan()
{
	local host=$1
	shift
	in_ns "${!host}" env STRONGSWAN_CONF="$TMP/$host.strongswan" \
		timeout $((30 * ${SLOW:-1})) swanctl "$@" --uri "unix://$TMP/$host.vici"
}

# daemon HOST: own configuration, own socket; no plugin but those named
daemon()
{
	cat >"$TMP/$1.strongswan" <<-EOF
		charon-systemd {
			load = random nonce aes sha1 sha2 hmac kdf gcm openssl pem pkcs1 x509 pubkey revocation curve25519 kernel-netlink socket-default vici updown
			install_routes = no
			install_virtual_ip = no
			retransmit_timeout = 2
			retransmit_base = 1.5
			retransmit_tries = 4
			plugins { vici { socket = unix://$TMP/$1.vici } }
			filelog { log { path = $TMP/$1.charon
				default = 1
				flush_line = yes } }
		}
	EOF
	STRONGSWAN_CONF=$TMP/$1.strongswan ip netns exec "${!1}" $charon \
		>"$TMP/$1.out" 2>&1 </dev/null &
	printf -v "pid_$1" %s $!
	at_exit kill -9 $!
}

# daemons: on both hosts, until they answer
daemons()
{
	local host
	daemon A
	daemon B
	for host in A B; do
		wait_for 60 swan $host --stats || die "charon on $host: $(tail -n 5 "$TMP/$host.out" "$TMP/$host.charon")"
	done
}

# The if_id of the connections. Empty: they are for the addresses of inner_way() in nic.sh.
IF_ID=7

# connection HOST NEAR FAR OTHER ENCAP [OFFLOAD]: OFFLOAD is what hw_offload is to be (no)
connection()
{
	local ts_A=0.0.0.0/0,::/0 ts_B=0.0.0.0/0,::/0 near_ts=ts_$1 far_ts=ts_$4
	[ -n "$IF_ID" ] || { ts_A=10.7.0.1,fd00:7::1; ts_B=10.7.0.2,fd00:7::2; }
	cat >"$TMP/$1.swanctl" <<-EOF
		connections { xa {
			version = 2
			local_addrs = $2
			remote_addrs = $3
			proposals = aes128-sha256-x25519
			encap = $5
			dpd_delay = 2s
			if_id_in = ${IF_ID:-0}
			if_id_out = ${IF_ID:-0}
			local { auth = psk
				id = $1 }
			remote { auth = psk
				id = $4 }
			children { net {
				local_ts = ${!near_ts}
				remote_ts = ${!far_ts}
				esp_proposals = aes128gcm16-x25519
				dpd_action = clear
				hw_offload = ${6:-no}
			} }
		} }
		secrets { ike { secret = "for tests only" } }
	EOF
	must swan "$1" --load-all --noprompt --file "$TMP/$1.swanctl"
}

# offloads OFFLOAD: what hw_offload of A's daemon is from now on; both begin anew
offloads()
{
	swan A --terminate --ike xa >"$TMP/said" 2>&1 || true
	wait_for 10 no_sas "$A" && wait_for 10 no_sas "$B" || die "SAs are left"
	connection A $OUT4_A $OUT4_B B no "$1"
	connection B $OUT4_B $OUT4_A A no
}

# offloaded: how many SAs of A are a device's
offloaded() { ip -n "$A" xfrm state | grep -c 'offload parameters: dev' || true; }

connections()
{
	connection A $OUT4_A $OUT4_B B "$1"
	connection B $OUT4_B $OUT4_A A "$1"
}

establish()
{
	if swan A --initiate --child net >"$TMP/initiate" 2>&1; then
		pass "$1: the tunnel comes up"
	else
		fail "$1: the tunnel comes up" "$(tail -n 15 "$TMP/initiate" "$TMP/B.charon")"
		plan_done
	fi
}

works_ipv4()
{
	ok_if "$1: ping over IPv4" pings "$A" 10.7.0.2
	ok_if "$1: UDP and TCP over IPv4" client 10.7.0.2 --udp 1000 --tcp 200000
}

works()
{
	works_ipv4 "$1"
	ok_if "$1: ping over IPv6" pings "$A" fd00:7::2
	ok_if "$1: UDP and TCP over IPv6" client fd00:7::2 --udp 1000 --tcp 200000
}

# sas NS: SPIs of the SAs there
# Not counting what waits for the daemon to answer an ACQUIRE: its SPI is 0.
sas() { ip -n "$1" xfrm state | grep -o 'spi 0x[0-9a-f]*' | grep -v 'x0*$' | sort; }

no_sas() { [ -z "$(sas "$1")" ]; }

no_policies() { ! grep -q 'if_id 0x7' <<<"$(ip -n "$1" xfrm policy)"; }

# with_if_id NS COUNT: COUNT SAs, all with the device's if_id
with_if_id()
{
	ip -n "$1" xfrm state
	[ "$(ip -n "$1" xfrm state | grep -c 'if_id 0x7')" = "$2" ] && [ "$(sas "$1" | wc -l)" = "$2" ]
}

two_sas() { [ "$(sas "$1" | wc -l)" = 2 ]; }

# rekeyed NAME: by A
rekeyed()
{
	local before
	before=$(sas "$A")
	ok_if "$1" swan A --rekey --child net
	wait_for 10 eval '[ -z "$(comm -12 <(echo "$before") <(sas "$A"))" ] && two_sas "$A"' || true
	same "$1: no old SA is left" "$(comm -12 <(echo "$before") <(sas "$A"))" ""
}

rekeyed_under_traffic()
{
	open_stream "$A" 10.7.0.2
	rekeyed "rekey 1 under traffic"
	rekeyed "rekey 2 under traffic"
	close_stream "rekeying loses no packet"
}
