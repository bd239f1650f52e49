#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Finds out by compiling what the headers of a kernel offer, and writes the
# answers as a header.
#
#   probe.sh OUTPUT-HEADER KDIR [make argument...]
#
# Each probe is a few lines of C. One that compiles defines XAC_HAVE_<NAME>.
# Version numbers say little: distributions and stable kernels take features
# back into older versions, and leave others out of newer ones.
set -euo pipefail

out=$1 kdir=$2
shift 2

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

names=()

# probe NAME <<EOF: registers the C code on standard input as probe NAME
probe() {
	names+=("$1")
	{ echo '#include <linux/kernel.h>'; cat; } > "$dir/$1.c"
}

# Two controls: without them, a broken compiler would read as an old kernel.
probe CONTROL_COMPILES <<'C'
int xac_probe(void);
int xac_probe(void) { return 0; }
C

probe CONTROL_FAILS <<'C'
int xac_probe(void);
int xac_probe(void) { return xac_no_such_function_anywhere(); }
C

probe NEWLINK_PARAMS <<'C'
#include <net/rtnetlink.h>
struct net *xac_probe(struct rtnl_newlink_params *p);
struct net *xac_probe(struct rtnl_newlink_params *p) { return p->link_net; }
C

probe DEV_LLTX <<'C'
#include <linux/netdevice.h>
void xac_probe(struct net_device *dev);
void xac_probe(struct net_device *dev) { dev->lltx = true; }
C

probe PCPU_STAT_TYPE <<'C'
#include <linux/netdevice.h>
void xac_probe(struct net_device *dev);
void xac_probe(struct net_device *dev)
{
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
}
C

probe DECODE_SESSION_NET <<'C'
#include <net/xfrm.h>
int xac_probe(struct net *net, struct sk_buff *skb, struct flowi *fl);
int xac_probe(struct net *net, struct sk_buff *skb, struct flowi *fl)
{
	return xfrm_decode_session(net, skb, fl, AF_INET);
}
C

probe FLOWI4_DSCP <<'C'
#include <net/flow.h>
dscp_t xac_probe(const struct flowi4 *fl4);
dscp_t xac_probe(const struct flowi4 *fl4) { return fl4->flowi4_dscp; }
C

probe DST_DEV <<'C'
#include <net/dst.h>
struct net_device *xac_probe(const struct dst_entry *dst);
struct net_device *xac_probe(const struct dst_entry *dst)
{
	return dst_dev(dst);
}
C

probe GSO_H <<'C'
#include <net/gso.h>
int xac_probe(void);
int xac_probe(void) { return 0; }
C

probe MD_DST_ORIG <<'C'
#include <net/dst_metadata.h>
struct dst_entry *xac_probe(struct xfrm_md_info *info);
struct dst_entry *xac_probe(struct xfrm_md_info *info)
{
	return info->dst_orig;
}
C

probe BPF_KFUNCS <<'C'
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
__bpf_kfunc_start_defs();
__bpf_kfunc int xac_probe(void) { return 0; }
__bpf_kfunc_end_defs();
BTF_KFUNCS_START(xac_probe_set)
BTF_ID_FLAGS(func, xac_probe)
BTF_KFUNCS_END(xac_probe_set)
const struct btf_kfunc_id_set *xac_probe_get(void);
const struct btf_kfunc_id_set *xac_probe_get(void)
{
	static const struct btf_kfunc_id_set set = { .set = &xac_probe_set };

	return &set;
}
C

probe CRYPTO_DATA <<'C'
#include <crypto/aead.h>
void xac_probe_done(void *data, int err);
void xac_probe_done(void *data, int err) { }
void xac_probe(struct aead_request *req);
void xac_probe(struct aead_request *req)
{
	aead_request_set_callback(req, 0, xac_probe_done, NULL);
}
C

probe INPUT_STATE_LOOKUP <<'C'
#include <net/xfrm.h>
struct xfrm_state *xac_probe(struct net *net, xfrm_address_t *daddr);
struct xfrm_state *xac_probe(struct net *net, xfrm_address_t *daddr)
{
	return xfrm_input_state_lookup(net, 0, daddr, 0, IPPROTO_ESP, AF_INET);
}
C

probe GRO_NETWORK_OFFSET <<'C'
#include <net/gro.h>
int xac_probe(const struct sk_buff *skb);
int xac_probe(const struct sk_buff *skb)
{
	return skb_gro_receive_network_offset(skb);
}
C

# A plain declaration: it is called by its name, not through the table of protocols.
probe UDP6_GRO_BY_NAME <<'C'
#include <net/ip.h>
#undef INDIRECT_CALLABLE_DECLARE
#define INDIRECT_CALLABLE_DECLARE(f)
#include <net/gro.h>
void *xac_probe(void);
void *xac_probe(void) { return udp6_gro_receive; }
C

# GRO of ESP in UDP comes by ESP's callback.
probe UDP_GRO_ESP <<'C'
#include <net/xfrm.h>
void *xac_probe(void);
void *xac_probe(void) { return xfrm4_gro_udp_encap_rcv; }
C

probe RPS_H <<'C'
#include <net/rps.h>
int xac_probe(void);
int xac_probe(void) { return 0; }
C

probe STATE_DIR <<'C'
#include <net/xfrm.h>
int xac_probe(struct xfrm_state *x);
int xac_probe(struct xfrm_state *x) { return x->dir == XFRM_SA_DIR_IN; }
C

probe STATE_ADD_EXTACK <<'C'
#include <linux/netdevice.h>
int xac_probe_add(struct xfrm_state *x, struct netlink_ext_ack *extack);
const struct xfrmdev_ops xac_probe = { .xdo_dev_state_add = xac_probe_add };
C

probe STATE_ADD_DEV <<'C'
#include <linux/netdevice.h>
int xac_probe_add(struct net_device *dev, struct xfrm_state *x,
		  struct netlink_ext_ack *extack);
const struct xfrmdev_ops xac_probe = { .xdo_dev_state_add = xac_probe_add };
C

# What the kernel asks of a device that adds and removes ESP whole.
probe PACKET_OFFLOAD <<'C'
#include <linux/netdevice.h>
#include <net/xfrm.h>
void xac_probe_stats(struct xfrm_state *x);
int xac_probe_add(struct xfrm_policy *xp, struct netlink_ext_ack *extack);
const struct xfrmdev_ops xac_probe = {
	.xdo_dev_state_update_stats = xac_probe_stats,
	.xdo_dev_policy_add = xac_probe_add,
};
int xac_probe_acquire(const struct xfrm_state *x);
int xac_probe_acquire(const struct xfrm_state *x)
{
	return x->xso.flags & XFRM_DEV_OFFLOAD_FLAG_ACQ;
}
C

probe NETDEV_LOCK_H <<'C'
#include <net/netdev_lock.h>
int xac_probe(void);
int xac_probe(void) { return 0; }
C

printf 'obj-m += %s.o\n' "${names[@]}" > "$dir/Kbuild"

# Compile all of them, whichever fail.
MAKEFLAGS='' make -k -C "$kdir" M="$dir" "$@" \
	"${names[@]/%/.o}" > "$dir/log" 2>&1 || true

if [ ! -s "$dir/CONTROL_COMPILES.o" ] || [ -e "$dir/CONTROL_FAILS.o" ]; then
	echo "probe.sh: cannot compile against $kdir:" >&2
	tail -n 20 "$dir/log" >&2
	exit 1
fi

{
	echo '/* Written by scripts/build/probe.sh. */'
	for name in "${names[@]}"; do
		case $name in CONTROL_*) continue ;; esac
		if [ -s "$dir/$name.o" ]; then
			echo "#define XAC_HAVE_$name 1"
		else
			echo "/* #undef XAC_HAVE_$name */"
		fi
	done
} > "$dir/header"

# Leave the header untouched where nothing changed, so that nothing rebuilds.
cmp -s "$dir/header" "$out" || cp "$dir/header" "$out"
