# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# pluto.sh - libreswan on both hosts, for the tests. Source it after lib.sh and
# traffic.sh.

programs=/usr/libexec/ipsec

skip_without_libreswan()
{
	have ipsec && [ -x $programs/pluto ] || skip_all "$1" "libreswan is not installed"
	skip_without_python "$1"
}

# configure HOST: its connections are what comes in, and left is A. What belongs to a
# section is indented there, by a blank that bash leaves.
configure()
{
	mkdir "$TMP/$1"
	{
		cat <<-EOF
			conn %default
			 ikev2=insist
			 authby=secret
			 leftid=@A
			 rightid=@B
			 ike=aes128-sha2_256-dh31
			 esp=aes_gcm128
			 dpddelay=0
		EOF
		cat
	} >"$TMP/$1/conf"
}

# whack HOST WORDS...: tells the daemon of that host, waits for the outcome
whack()
{
	local host=$1
	shift
	in_ns "${!host}" timeout $((60 * ${SLOW:-1})) $programs/whack --rundir "$TMP/$host" "$@"
}

# order HOST WORDS...: the same where its effect is looked at, for the status is
# that of the last message
order() { whack "$@" >>"$TMP/$1/orders" 2>&1 || true; }

# pluto HOST: own configuration, own keys, own sockets
pluto()
{
	cp -r "$TMP/nss" "$TMP/$1/nss"
	ip netns exec "${!1}" $programs/pluto --nofork --stderrlog --no-dnssec \
		--config "$TMP/$1/conf" --secretsfile "$TMP/secrets" \
		--nssdir "$TMP/$1/nss" --rundir "$TMP/$1" \
		>"$TMP/$1/log" 2>&1 </dev/null &
	at_exit kill -9 $!
}

# daemons: on both hosts, until they answer
daemons()
{
	local host
	echo '@A @B : PSK "known to everybody, for tests only"' >"$TMP/secrets"
	chmod 600 "$TMP/secrets"
	mkdir "$TMP/nss"
	must ipsec initnss --nssdir "$TMP/nss"
	pluto A
	pluto B
	for host in A B; do
		wait_for 60 whack $host --listen || die "pluto on $host: $(tail -n 5 "$TMP/$host/log")"
	done
}

# add HOST CONNECTION
add()
{
	in_ns "${!1}" $programs/addconn --config "$TMP/$1/conf" --ctlsocket "$TMP/$1/pluto.ctl" "$2" || true
	whack "$1" --status | grep "\"$2\""
}

# sas NS [IF_ID]: SPIs of the SAs; of those with that if_id
sas()
{
	ip -n "$1" xfrm state | awk -v id="${2:+0x$2}" '
		/spi/ { spi = $4 }
		(id == "" ? /spi/ : /if_id/ && $2 == id) && spi !~ /x0*$/ { print spi }' | sort
}

no_sas() { [ -z "$(sas "$@")" ]; }
two_sas() { [ "$(sas "$@" | wc -l)" = 2 ]; }

# ike_sa CONNECTION: number of its IKE SA
ike_sa() { whack A --showstates | grep -oE "#[0-9]+: \"$1\".* STATE_V2_ESTABLISHED_IKE_SA" | cut -d: -f1; }

# another_ike_sa CONNECTION NUMBER: it has one, and another one
another_ike_sa() { [ -n "$(ike_sa "$1")" ] && [ "$(ike_sa "$1")" != "$2" ]; }

# renewed BEFORE WORDS...: two SAs of sas WORDS..., none of which is among BEFORE
renewed() { [ -z "$(comm -12 <(echo "$1") <(sas "${@:2}"))" ] && two_sas "${@:2}"; }

# rekeyed NAME HOST CONNECTION [IF_ID]: by that host; its SAs have that if_id
rekeyed()
{
	local before
	before=$(sas "$A" "${@:4}")
	order "$2" --rekey-ipsec --name "$3"
	ok_if "$1" wait_for 30 renewed "$before" "$A" "${@:4}"
}

# ike_rekeyed NAME CONNECTION
ike_rekeyed()
{
	local ike
	ike=$(ike_sa "$2")
	order A --rekey-ike --name "$2"
	ok_if "$1" wait_for 30 another_ike_sa "$2" "$ike"
}
