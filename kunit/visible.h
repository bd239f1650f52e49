/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions that are static in the module proper and visible to the suites:
 * marked VISIBLE_IF_KUNIT where they are defined.
 */
#ifndef _XAC_KUNIT_VISIBLE_H
#define _XAC_KUNIT_VISIBLE_H

#include <linux/types.h>

struct net_device;
struct notifier_block;
struct sk_buff;
struct xac_dev;
struct xac_nic;
struct xfrm_offload;
struct xfrm_if_decode_session_result;
struct xfrm_state;

/* slots.c */
int xac_module_event(struct notifier_block *nb, unsigned long event,
		     void *data);

/* iface/icmp.c */
bool xac_quoted_spi(const void *hdr, int protocol, __be32 *spi);

/* iface/link.c */
unsigned int xac_default_mtu(const struct xac_dev *xd);

/* iface/receive.c */
bool xac_completed_async(const struct sk_buff *skb);
bool xac_decode_session_cb(struct sk_buff *skb, unsigned short family,
			   struct xfrm_if_decode_session_result *res);

/* nic/transmit.c */
struct net_device *xac_nic_whole_by(const struct xac_nic *nic,
				    const struct sk_buff *train);
u64 xac_nic_seq(const struct sk_buff *skb, const struct xfrm_offload *xo);

/* iface/transmit.c */
bool xac_fits(const struct sk_buff *skb, u32 mtu);
int xac_lookup_verdict(int err);

#endif /* _XAC_KUNIT_VISIBLE_H */
