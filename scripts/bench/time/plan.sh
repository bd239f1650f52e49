# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# plan.sh - what is measured. Source it, with PLAN=quick or full (or profile: one
# long measurement, PROFILE being the line of SETUPS for it); sets ROUNDS,
# TARGET_MS (of one measurement), PINGS, TCP_SECONDS, LINKS (to create), BUDGET (seconds
# after which no round begins, once there are three) and SETUPS; and GOALS, of which there
# are MORE rounds after that: what is to be decided needs a narrower interval. A line of
# both is a topology and the points measured in it:
#
#   ROLE FAMILY CIPHER INTERFACES VARIANT SYSTEMS POINT...
#
# ROLE encap, decap or both; VARIANT - or flow-policies, flowtable, disable_xfrm, natt (ESP in
# UDP, for decap); SYSTEMS joined by commas; POINT bytes:flows, tcp:STREAMS or latency.
# "bytes:new": every packet is a flow of its own. Plain forwarding has no cipher and is
# measured once, beside null; WireGuard knows one cipher only.

ESP=in-tree,in-tree-policy,xfrm_accel
IFACE=in-tree,xfrm_accel
# With an espnic only what its goals speak of is measured of a line.
NIC=xfrm_accel+espnic NIC_POINTS='60:64 tcp:1'
MORE=0 GOALS=''

if [ "$PLAN" = quick ]; then
	ROUNDS=${ROUNDS:-5} TARGET_MS=100 PINGS=1000 TCP_SECONDS=1 LINKS=0 BUDGET=180
	SETUPS="
encap v4 null 1 - plain,$IFACE 60:64 60:10000 60:new
encap v4 aes-gcm 1 - $IFACE 60:64
encap v4 chacha20-poly1305 1 - $IFACE,wireguard 60:64
decap v4 null 1 - plain,$IFACE 60:64
both v4 null 1 - plain,$IFACE latency
"
elif [ "$PLAN" = profile ]; then
	ROUNDS=1 TARGET_MS=${PROFILE_MS:-8000} PINGS=4000 TCP_SECONDS=8 LINKS=0 BUDGET=9999
	SETUPS=$PROFILE
else
	ROUNDS=${ROUNDS:-10} TARGET_MS=120 PINGS=2000 TCP_SECONDS=1 LINKS=10000 BUDGET=99999
	MORE=$ROUNDS
	GOALS="
encap v4 null 1 - plain,$IFACE,$NIC 60:64 60:10000 60:new
encap v4 aes-gcm 1 - $IFACE,$NIC 60:64
encap v4 chacha20-poly1305 1 - $IFACE,wireguard 60:64
encap v4 null 1 flow-policies $IFACE 60:new
decap v4 null 1 - $IFACE,$NIC 60:64
decap v4 aes-gcm 1 - $IFACE,$NIC 60:64
decap v4 null 1000 - $IFACE 60:64
decap v4 null 1 natt $IFACE 60:64
decap v4 aes-gcm 1 natt $IFACE 60:64
both v4 null 1 - $IFACE,$NIC tcp:1 latency
both v4 aes-gcm 1 - $IFACE,$NIC tcp:1
both v4 chacha20-poly1305 1 - $IFACE,wireguard tcp:1
"
	SETUPS="
encap v4 null 1 - plain,$ESP,$NIC 60:1 60:64 60:10000 60:new 512:64 1400:64
encap v4 aes-gcm 1 - $ESP,pcrypt,$NIC 60:64 60:10000 512:64 1400:64
encap v4 chacha20-poly1305 1 - $ESP,wireguard 60:64 60:10000 512:64 1400:64
encap v6 null 1 - plain,$ESP 60:64 1400:64
encap v6 aes-gcm 1 - $ESP 60:64
encap v6 chacha20-poly1305 1 - $ESP,wireguard 60:64
encap v4 null 1000 - $IFACE 60:64 60:1000
encap v4 null 1 flow-policies $IFACE 60:64 60:400 60:10000 60:new
encap v4 null 1 flowtable plain,$IFACE 60:64
encap v4 null 1 disable_xfrm $IFACE 60:64
decap v4 null 1 - plain,$ESP,$NIC 60:1 60:64 60:10000 512:64 1400:64
decap v4 aes-gcm 1 - $ESP,pcrypt,$NIC 60:64 512:64 1400:64
decap v4 chacha20-poly1305 1 - $ESP 60:64 512:64 1400:64
decap v6 null 1 - plain,$ESP 60:64 1400:64
decap v6 aes-gcm 1 - $ESP 60:64
decap v4 null 1000 - $IFACE 60:64 60:1000
decap v4 null 1 natt $IFACE 60:64 1400:64
decap v4 aes-gcm 1 natt $IFACE 60:64 1400:64
decap v4 chacha20-poly1305 1 natt $IFACE 60:64
both v4 null 1 - plain,$ESP,$NIC 60:64 512:64 1400:64 tcp:1 tcp:8 latency
both v4 aes-gcm 1 - $ESP,pcrypt,$NIC 60:64 1400:64 tcp:1 tcp:8 latency
both v4 chacha20-poly1305 1 - $ESP,wireguard 60:64 1400:64 tcp:1 tcp:8 latency
both v6 null 1 - plain,$ESP 60:64 tcp:1 latency
both v6 aes-gcm 1 - $ESP 60:64 tcp:1
both v6 chacha20-poly1305 1 - $ESP,wireguard 60:64 tcp:1
"
fi
# For trying things: only the setups that match.
if [ -n "${ONLY:-}" ]; then
	SETUPS=$(grep -E "$ONLY" <<<"$SETUPS")
	GOALS=$(grep -E "$ONLY" <<<"$GOALS") || MORE=0
fi
