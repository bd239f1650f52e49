/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_IFACE_H
#define _XAC_IFACE_H

#include <linux/netdevice.h>
#include <linux/rhashtable.h>
#include <net/net_namespace.h>

#include "iface/bundle_cache.h"
#include "iface/forward_cache.h"
#include "observe/counters.h"
#include "xfrm_accel_probes.h"

struct __sk_buff;
struct bpf_xfrm_info;
struct inet6_skb_parm;
struct metadata_dst;

/**
 * DOC: The "xfrm" link kind
 *
 * An xfrm interface joins a device to the SAs and policies that carry its
 * if_id. Those live in the namespace the interface was made in (xac_dev.net),
 * which need not be the one the device is in today: a device moved into a
 * container takes plaintext there while its SAs stay outside.
 *
 * Locking. The table of a namespace (table.c) and the configuration of an
 * interface change under RTNL and are read under RCU, or with bottom halves
 * off, by the packet paths. An interface is found only between its
 * registration and its ndo_uninit; the core's grace period between that and
 * the freeing of the device is what keeps a found interface valid for a
 * reader.
 */

/**
 * struct xac_dev - private part of an xfrm interface's net_device
 * @net: namespace of its SAs, policies and lower device; never changes
 * @dev: the device
 * @counters: drops by reason
 * @if_id: what its SAs and policies carry; 0 for an external interface.
 *	   Written under RTNL by a change, read anywhere with READ_ONCE()
 * @link: index of the lower device in @net, or 0
 * @external: if_id and lower device come with each packet, as metadata
 * @entry: its place in the table of @net
 * @siblings: all interfaces with the same @net; changed under RTNL, read under
 *	      RCU
 * @table: the table of @net
 * @cache: bundles of packets it has sent
 * @forward_user: counted in xac_forward_net.users of the namespace the device is in
 */
struct xac_dev {
	struct net *net;
	struct net_device *dev;
	struct xac_counters __percpu *counters;
	u32 if_id;
	int link;
	bool external;

	struct xac_table *table;
	struct xac_cache cache;
	bool forward_user;

	struct xac_table_entry *entry;
	struct list_head siblings;
};

/**
 * struct xac_table - the interfaces whose SAs live in one namespace
 * @by_if_id: if_id to interface
 * @closed: the namespace goes: nothing is found any more
 * @external: the one interface that takes what has no interface of its own
 * @all: every interface, linked by xac_dev.siblings
 * @cache: what the interfaces' bundle caches share
 * @forward: what is known of packets that were received here and forwarded
 */
struct xac_table {
	struct rhashtable by_if_id;
	bool closed;
	struct xac_dev __rcu *external;
	struct list_head all;
	struct xac_cache_net cache;
	struct xac_forward_net forward;
};

/* table.c */
int xac_table_init(struct xac_table *table);
void xac_table_close(struct xac_table *table);
void xac_table_destroy(struct xac_table *table);
bool xac_table_has(struct xac_table *table, u32 if_id);
int xac_table_add(struct xac_table *table, struct xac_dev *xd);
void xac_table_del(struct xac_table *table, struct xac_dev *xd);
int xac_table_rekey(struct xac_table *table, struct xac_dev *xd, u32 if_id);
struct xac_dev *xac_table_lookup(struct xac_table *table, u32 if_id);
struct xac_dev *xac_table_external(struct xac_table *table);
struct xac_dev *xac_table_find(struct xac_table *table, u32 if_id);

/* link.c */
int xac_link_net_init(void);
void xac_link_net_exit(void);
int xac_link_register(void);
void xac_link_unregister(void);
bool xac_is_xac_dev(const struct net_device *dev);
struct xac_table *xac_net_table(struct net *net);

/* ethtool.c */
extern const struct ethtool_ops xac_ethtool_ops;

/* transmit.c */
netdev_tx_t xac_start_xmit(struct sk_buff *skb, struct net_device *dev);

/* receive.c */
struct xac_dev *xac_dev_of_state(struct net *net, u32 if_id);
int xac_receive_cb(struct sk_buff *skb, int err);
void xac_session_register(void);
void xac_session_unregister(void);

/* scrub.c */
void xac_scrub(struct sk_buff *skb, bool crosses_netns);

/* handlers.c */
int xac_handlers_register(void);
void xac_handlers_unregister(void);

/* icmp.c */
int xac_err4(struct sk_buff *skb, u32 info);
int xac_err6(struct sk_buff *skb, struct inet6_skb_parm *opt,
	     u8 type, u8 code, int offset, __be32 info);

/* lwtunnel.c */
int xac_lwtunnel_register(void);
void xac_lwtunnel_unregister(void);
struct metadata_dst *xac_metadata_alloc(u32 if_id, int link);

/* kfunc.c, where the kernel has such functions */
#ifdef XAC_HAVE_BPF_KFUNCS
int xac_kfunc_register(void);
int bpf_skb_get_xfrm_info(struct __sk_buff *skb_ctx, struct bpf_xfrm_info *to);
int bpf_skb_set_xfrm_info(struct __sk_buff *skb_ctx,
			  const struct bpf_xfrm_info *from);
#else
static inline int xac_kfunc_register(void)
{
	return 0;
}
#endif

#endif /* _XAC_IFACE_H */
