# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# systems.sh - the systems that are compared: which modules each needs, and
# whether it is really that system which runs. Source it.
#
#   plain           forwarding without IPsec: the limit
#   in-tree         the kernel's xfrm_interface, esp4/6 and their offload modules
#   in-tree-policy  policies alone, without an interface
#   pcrypt          in-tree, with a cipher that is spread over the cores
#   xfrm_accel      this project
#   xfrm_accel+espnic  the same, with an espnic on the wan that its SAs are offloaded to
#   wireguard       the kernel's WireGuard

# What all of them use stays loaded.
COMMON_MODULES=(pktgen tunnel4 tunnel6 xfrm6_tunnel esp4 esp6
	sch_ingress cls_u32 cls_matchall act_gact)
# For the variants with a flow table.
FLOWTABLE_MODULES=(nf_conntrack nf_conntrack_netlink nf_tables nf_flow_table nf_flow_table_inet nft_flow_offload nft_ct)
# These take turns.
OFFLOAD_MODULES=(esp4_offload esp6_offload)
EXCHANGED_MODULES=(xfrm_interface xfrm_accel wireguard "${OFFLOAD_MODULES[@]}")

is_loaded() { [ -d "/sys/module/$1" ]; }

is_esp() { [[ $1 == in-tree* || $1 == xfrm_accel* || $1 == pcrypt ]]; }

has_interface() { [[ $1 == in-tree || $1 == xfrm_accel* || $1 == pcrypt ]]; }

has_nic() { [[ $1 == *+espnic ]]; }

# possible SYSTEM: prints why this kernel cannot run it, and fails
possible() {
	case $1 in
	pcrypt)
		modprobe -n pcrypt 2>/dev/null || { echo "this kernel has no pcrypt"; return 1; }
		;;
	wireguard)
		modprobe -n wireguard 2>/dev/null || { echo "this kernel has no wireguard"; return 1; }
		command -v wg >/dev/null || { echo "there is no wg command"; return 1; }
		;;
	in-tree)
		modprobe -n xfrm_interface 2>/dev/null || { echo "this kernel has no xfrm_interface"; return 1; }
		;;
	xfrm_accel*)
		[ -f "$MODULE" ] || { echo "there is no module: $MODULE"; return 1; }
		;;
	esac
}

# load_system SYSTEM
load_system() {
	case $1 in
	in-tree | in-tree-policy | pcrypt) must modprobe -a "${OFFLOAD_MODULES[@]}" ;;
	esac
	case $1 in
	in-tree | pcrypt) must insmod "$IN_TREE" ;;
	xfrm_accel*) must insmod "$MODULE" ;;
	wireguard) must modprobe wireguard ;;
	esac
}

# unload_system: and with the module its interfaces and their routes
unload_system() {
	local m
	for m in "${EXCHANGED_MODULES[@]}"; do
		! is_loaded "$m" || wait_for 10 rmmod "$m" || die "rmmod $m"
	done
}

# prove_module SYSTEM: the modules loaded are those of this system
prove_module() {
	local wanted='' m
	case $1 in
	in-tree | pcrypt) wanted="xfrm_interface ${OFFLOAD_MODULES[*]}" ;;
	in-tree-policy) wanted="${OFFLOAD_MODULES[*]}" ;;
	xfrm_accel* | wireguard) wanted=${1%+espnic} ;;
	esac
	for m in "${EXCHANGED_MODULES[@]}"; do
		if [[ " $wanted " == *" $m "* ]]; then
			is_loaded "$m" || refuse "$1: the module $m is not loaded"
		else
			! is_loaded "$m" || refuse "$1: the module $m is loaded as well"
		fi
	done
}

# prove_driver SYSTEM NS DEV: the interface is of this system's driver
prove_driver() {
	local driver
	driver=$(ip netns exec "$2" ethtool -i "$3" | sed -n 's/^driver: //p')
	case $1:$driver in
	xfrm_accel:xfrm_accel | xfrm_accel+espnic:xfrm_accel | xfrm_accel+espnic:espnic | in-tree:xfrm | pcrypt:xfrm | wireguard:wireguard) ;;
	*) refuse "$1: $3 is driven by '$driver'" ;;
	esac
}

# pcrypt_on CIPHER: whoever asks for this cipher from now on gets it from pcrypt. Binding a
# socket to the name of a template makes the kernel instantiate it; the bind itself fails.
# The name is the whole of what ESP asks for.
pcrypt_on() {
	local name
	case $1 in
	aes-gcm) name='seqiv(rfc4106(gcm(aes)))' ;;
	chacha20-poly1305) name='seqiv(rfc7539esp(chacha20,poly1305))' ;;
	*) die "pcrypt_on: $1" ;;
	esac
	must modprobe -a pcrypt algif_aead
	python3 -c '
import socket, sys
try:
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0).bind(("aead", sys.argv[1]))
except OSError:
    pass' "pcrypt($name)"
	awk -v n="$name" '$1 == "name" { hit = ($3 == n) } hit && $1 == "driver" { print $3 }' /proc/crypto |
		grep -q '^pcrypt(' || refuse "pcrypt: $name is not done by pcrypt"
}

# pcrypt_off: or all others would get it, too. Waits for the last SA to go.
pcrypt_off() { ! is_loaded pcrypt || wait_for 30 rmmod pcrypt || die "rmmod pcrypt"; }
