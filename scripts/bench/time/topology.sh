# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# topology.sh - the networks that packets are measured in. Source it.
#
#   gen              enc                  dec                sink
#   g0 ---- lan ---- g1  w0 ---- wan ---- w1  s0 --- far --- s1
#   10.1.0.1         10.1.0.2             10.8.0.1           10.8.0.2
#   fd10:1::1        fd10:1::2            fd10:8::1          fd10:8::2
#                    192.168.0.1  192.168.0.2
#                    fd10:c0::1   fd10:c0::2
#
# All are veth pairs, each name is a network namespace, xab-ROLE-gen and so on. Traffic
# goes from left to right, to 10.9.0.0/16 or fd10:9::/64, and is encrypted on the wan.
# There is one such network for each role, made once; the systems come and go in it:
#   both    all of it
#   encap   the wan ends in sink, which drops what arrives
#   decap   the wan begins in gen, which replays recorded packets
# Neighbours are permanent and IPv6 says nothing by itself, so that all packets are those
# of the measurement. Without a system there is a plain route, of a lower priority.

ADDR_ENC_v4=192.168.0.1 ADDR_DEC_v4=192.168.0.2
ADDR_ENC_v6=fd10:c0::1 ADDR_DEC_v6=fd10:c0::2
INNER_MTU=1400

# ip_in NS: commands for ip on stdin
ip_in() { ip -n "$1" -batch - >"$TMP/ip.log" 2>&1 || die "ip in $1: $(tail -n 3 "$TMP/ip.log")"; }

# set_role ROLE: where things are: ENC and DEC (gateways, "" for none), the last device,
# and the namespaces at the ends of the wan
set_role() {
	GEN=xab-$1-gen SINK=xab-$1-sink ENC=xab-$1-enc DEC=xab-$1-dec
	WAN_L=$ENC WAN_R=$DEC LAST=s1
	case $1 in
	both) ;;
	encap) DEC='' WAN_R=$SINK LAST=w1 ;;
	decap) ENC='' WAN_L=$GEN ;;
	*) die "set_role: $1" ;;
	esac
}

make_namespaces() {
	local ns d
	for ns in $GEN $ENC $DEC $SINK; do
		must ip netns add "$ns"
		start_agent "$ns"
		ask "$ns" "echo 1 >/proc/sys/net/ipv4/ip_forward"
		# What IPv6 says of its own accord it says at once: before anything is counted.
		for d in all default; do
			ask "$ns" "cd /proc/sys/net/ipv4/conf/$d && echo 0 >rp_filter && echo 0 >send_redirects"
			ask "$ns" "cd /proc/sys/net/ipv6/conf/$d && echo 0 >accept_dad &&
				echo 0 >router_solicitations && echo 1 >mldv2_unsolicited_report_interval &&
				echo 1 >addr_gen_mode && echo 1 >forwarding"
		done
	done
}

remove_namespaces() {
	local ns
	for ns in /run/netns/xab-*; do
		[ ! -e "$ns" ] || ip netns del "${ns##*/}"
	done
}

# wire NS DEV MAC NS DEV MAC MTU
wire() {
	must ip -n "$1" link add "$2" address "$3" mtu "$7" type veth \
		peer name "$5" netns "$4" address "$6" mtu "$7"
}

MAC_g0=02:00:00:00:01:01 MAC_g1=02:00:00:00:01:02
MAC_w0=02:00:00:00:02:01 MAC_w1=02:00:00:00:02:02
MAC_s0=02:00:00:00:03:01 MAC_s1=02:00:00:00:03:02

# wan_end SIDE DEV: what an end of the wan has, on this device
wan_end() {
	local mac=$MAC_w1 near4=$ADDR_ENC_v4 far4=$ADDR_DEC_v4 near6=$ADDR_ENC_v6 far6=$ADDR_DEC_v6
	local net4=10.9.0.0/16 net6=fd10:9::/64
	if [ "$1" = dec ]; then
		mac=$MAC_w0 near4=$ADDR_DEC_v4 far4=$ADDR_ENC_v4 near6=$ADDR_DEC_v6 far6=$ADDR_ENC_v6
		net4=10.1.0.0/16 net6=fd10:1::/64
	fi
	cat <<-END
		addr add $near4/24 dev $2
		addr add $near6/64 dev $2
		link set $2 up
		neigh replace $far4 lladdr $mac dev $2 nud permanent
		neigh replace $far6 lladdr $mac dev $2 nud permanent
		route add $net4 via $far4 dev $2 metric 4000
		route add $net6 via $far6 dev $2 metric 4000
	END
}

# nics_up: on each gateway an espnic takes the place of its end of the wan
nics_up() {
	if [ -n "$ENC" ]; then
		{
			no_wan_end enc w0
			echo "link add link w0 name nic0 type espnic"
			wan_end enc nic0
		} | ip_in "$ENC"
	fi
	[ -n "$DEC" ] || return 0
	{
		no_wan_end dec w1
		echo "link add link w1 name nic0 type espnic"
		wan_end dec nic0
	} | ip_in "$DEC"
}

# no_wan_end SIDE DEV: the device has neither addresses nor routes
no_wan_end() {
	echo "addr flush dev $2"
	echo "route del $([ "$1" = enc ] && echo fd10:9::/64 || echo fd10:1::/64) dev $2 metric 4000"
}

# nics_gone: and back again, once the module has taken them along
nics_gone() {
	[ -z "$ENC" ] || wan_end enc w0 | ip_in "$ENC"
	[ -z "$DEC" ] || wan_end dec w1 | ip_in "$DEC"
}

make_wires() {
	if [ -n "$ENC" ]; then
		wire $GEN g0 $MAC_g0 $ENC g1 $MAC_g1 $INNER_MTU
		ip_in $GEN <<-END
			addr add 10.1.0.1/16 dev g0
			addr add fd10:1::1/64 dev g0
			link set g0 up
			neigh add 10.1.0.2 lladdr $MAC_g1 dev g0 nud permanent
			neigh add fd10:1::2 lladdr $MAC_g1 dev g0 nud permanent
			route add default via 10.1.0.2
			route add default via fd10:1::2
		END
		ip_in $ENC <<-END
			addr add 10.1.0.2/16 dev g1
			addr add fd10:1::2/64 dev g1
			link set g1 up
			link set lo up
			neigh add 10.1.0.1 lladdr $MAC_g0 dev g1 nud permanent
			neigh add fd10:1::1 lladdr $MAC_g0 dev g1 nud permanent
		END
	fi
	wire $WAN_L w0 $MAC_w0 $WAN_R w1 $MAC_w1 1500
	wan_end enc w0 | ip_in $WAN_L
	wan_end dec w1 | ip_in $WAN_R
	[ -n "$DEC" ] || return 0
	# A veth runs GRO, and ESP's part of it, only like this, at both ends.
	must ip netns exec $WAN_L ethtool -K w0 gro "${WAN_GRO:-on}" tso off
	must ip netns exec $WAN_R ethtool -K w1 gro "${WAN_GRO:-on}" tso off
	wire $DEC s0 $MAC_s0 $SINK s1 $MAC_s1 $INNER_MTU
	ip_in $DEC <<-END
		addr add 10.8.0.1/24 dev s0
		addr add fd10:8::1/64 dev s0
		link set s0 up
		neigh add 10.8.0.2 lladdr $MAC_s1 dev s0 nud permanent
		neigh add fd10:8::2 lladdr $MAC_s1 dev s0 nud permanent
		route add 10.9.0.0/16 via 10.8.0.2
		route add fd10:9::/64 via fd10:8::2
	END
	ip_in $SINK <<-END
		addr add 10.8.0.2/24 dev s1
		addr add fd10:8::2/64 dev s1
		addr add 10.9.0.1/32 dev s1
		addr add fd10:9::1/128 dev s1
		link set s1 up
		neigh add 10.8.0.1 lladdr $MAC_s0 dev s1 nud permanent
		neigh add fd10:8::1 lladdr $MAC_s0 dev s1 nud permanent
		route add default via 10.8.0.1
		route add default via fd10:8::1
	END
}

# cipher_words CIPHER: what `ip xfrm state` wants. The keys protect nothing.
cipher_words() {
	local k128=0x000102030405060708090a0b0c0d0e0f
	case $1 in
	null) echo 'auth digest_null "" enc ecb(cipher_null) ""' ;;
	aes-gcm) echo "aead rfc4106(gcm(aes)) ${k128}10111213 128" ;;
	chacha20-poly1305) echo "aead rfc7539esp(chacha20,poly1305) $k128${k128#0x}10111213 128" ;;
	*) die "cipher_words: $1" ;;
	esac
}

# esp_side SIDE SYSTEM FAMILY CIPHER COUNT: SAs, policies and, if the system
# has them, COUNT interfaces. Interface i has if_id, reqid i + 1, SPIs
# 0x10000 + i to the right and 0x20000 + i to the left.
esp_side() {
	local side=$1 system=$2 family=$3 cipher=$4 count=$5
	local enc=ADDR_ENC_$3 dec=ADDR_DEC_$3 near far to_near to_far dev i ifid alg dir
	local any=0.0.0.0/0 upper='' encap='' left=10.1.0.0/16 right=10.9.0.0/16 lower=w0 out='' in=''
	# A selector for a protocol could have ports: then flows may differ in their policies.
	[ "$variant" != flow-policies ] || upper='proto udp'
	[ "$variant" != natt ] || encap='encap espinudp 4500 4500 0.0.0.0'
	alg=$(cipher_words "$cipher")
	enc=${!enc} dec=${!dec}
	if [ "$family" = v6 ]; then
		any=::/0 left=fd10:1::/64 right=fd10:9::/64
	fi
	near=$enc far=$dec to_far=0x10000 to_near=0x20000
	if [ "$side" = dec ]; then
		near=$dec far=$enc to_far=0x20000 to_near=0x10000 lower=w1
	fi
	if has_nic "$system"; then
		lower=nic0 out='offload dev nic0 dir out' in='offload dev nic0 dir in'
	fi
	for ((i = 0; i < count; i++)); do
		ifid="if_id $((i + 1))"
		has_interface "$system" || ifid=
		echo "xfrm state add src $near dst $far proto esp spi $((to_far + i)) reqid $((i + 1)) mode tunnel $ifid $alg $encap $out"
		echo "xfrm state add src $far dst $near proto esp spi $((to_near + i)) reqid $((i + 1)) mode tunnel $ifid $alg $encap $in"
		if has_interface "$system"; then
			dev=ipsec$i
			echo "link add $dev mtu $INNER_MTU type xfrm dev $lower if_id $((i + 1))"
			echo "link set $dev up"
			echo "xfrm policy add src $any dst $any $upper dir out $ifid tmpl src $near dst $far proto esp reqid $((i + 1)) mode tunnel"
			for dir in in fwd; do
				echo "xfrm policy add src $any dst $any dir $dir $ifid tmpl src $far dst $near proto esp reqid $((i + 1)) mode tunnel"
			done
		elif [ "$side" = enc ]; then
			echo "xfrm policy add src $left dst $right dir out tmpl src $near dst $far proto esp reqid 1 mode tunnel"
			echo "xfrm policy add src $right dst $left dir fwd tmpl src $far dst $near proto esp reqid 1 mode tunnel"
		else
			echo "xfrm policy add src $right dst $left dir out tmpl src $near dst $far proto esp reqid 1 mode tunnel"
			echo "xfrm policy add src $left dst $right dir fwd tmpl src $far dst $near proto esp reqid 1 mode tunnel"
		fi
	done
}

# wg_side NS SIDE FAMILY: one interface, wg0
wg_side() {
	local ns=$1 side=$2 enc=ADDR_ENC_$3 dec=ADDR_DEC_$3 far=enc to k
	[ "$side" = dec ] || far=dec
	to=${!far}
	[ -s "$TMP/enc.key" ] || for k in enc dec; do
		wg genkey >"$TMP/$k.key"
		wg pubkey <"$TMP/$k.key" >"$TMP/$k.pub"
	done
	to=${!to}
	[[ $to != *:* ]] || to="[$to]"
	ip_in "$ns" <<<"link add wg0 mtu $INNER_MTU type wireguard"
	must nsenter --net="/run/netns/$ns" wg set wg0 listen-port 51820 private-key "$TMP/$side.key" \
		peer "$(cat "$TMP/$far.pub")" allowed-ips 0.0.0.0/0,::/0 endpoint "$to:51820"
	{
		echo "link set wg0 up"
		[ "$ns" = "$SINK" ] || routes_to_tunnel "$ns" "$side" wireguard 1
	} | ip_in "$ns"
}

# routes_to_tunnel NS SIDE SYSTEM COUNT: what is encrypted, by an interface
routes_to_tunnel() {
	local ns=$1 side=$2 system=$3 count=$4 n dev=ipsec0 net4=10.9.0.0/16 net6=fd10:9::/64
	[ "$system" != wireguard ] || dev=wg0
	[ "$side" = enc ] || net4=10.1.0.0/16 net6=fd10:1::/64
	echo "route add $net4 dev $dev"
	echo "route add $net6 dev $dev"
	[ "$side" = enc ] && [ "$count" -gt 1 ] || return 0
	for ((n = 0; n < count; n++)); do
		echo "route add 10.9.$(((n + 1) >> 8)).$(((n + 1) & 255))/32 dev ipsec$((n * 619 % count))"
	done
}

# catch_packets: the last device counts and drops what was forwarded, and with it every
# other cost of receiving
catch_packets() {
	must tc -n "$SINK" qdisc add dev $LAST clsact
	if [ -z "$DEC" ]; then
		must tc -n "$SINK" filter add dev $LAST ingress protocol all pref 9 matchall action drop
		return
	fi
	must tc -n "$SINK" filter add dev $LAST ingress protocol ip pref 8 u32 match ip protocol 17 0xff action drop
	must tc -n "$SINK" filter add dev $LAST ingress protocol ipv6 pref 9 u32 match ip6 protocol 17 0xff action drop
}

# make_network ROLE
make_network() {
	set_role "$1"
	make_namespaces
	make_wires
	catch_packets
}

# tunnel_up SYSTEM FAMILY CIPHER COUNT: the system in the network of the role set
tunnel_up() {
	local system=$1 family=$2 cipher=$3 count=$4 side ns
	[ "$system" != plain ] || return 0
	! has_nic "$system" || nics_up
	for side in enc dec; do
		ns=${side^^}
		ns=${!ns}
		# WireGuard does not encrypt before its other end has answered.
		[ -n "$ns" ] || [ "$system" != wireguard ] || ns=$SINK
		[ -n "$ns" ] || continue
		if [ "$system" = wireguard ]; then
			wg_side "$ns" $side "$family"
		else
			{
				esp_side $side "$system" "$family" "$cipher" "$count"
				! has_interface "$system" || routes_to_tunnel "$ns" $side "$system" "$count"
			} | ip_in "$ns"
		fi
	done
}

# tunnel_down: interfaces and their routes go with their module
tunnel_down() {
	local ns
	for ns in $ENC $DEC; do
		ip_in "$ns" <<<"xfrm policy flush"$'\n'"xfrm state flush"
	done
}
